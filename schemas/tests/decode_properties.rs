//! Properties of decoding over random input: no bytes panic, a written punch reads back, a batch is the sum of its
//! records. Failing cases print their input; `PROPTEST_RNG_SEED` repeats a run.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code outside of `#[test]` functions")]

use model::{Batch, EventTime, NextOffset, Offset, Partition, Reject};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use schemas::decode::{ColumnNames, CsvColumns};
use schemas::punch::{AccessPointLine, BeaconLine, LocationLine, OccurredAt, PhotoLine};
use schemas::{Decoder, Format, ImportOptions, PunchLine, RawRecord};

const CSV_HEADER: &[u8] = b"event_id,employee_id,kind,occurred_at,lon,lat,bssids";

fn formats() -> [Format; 4] {
    let columns = CsvColumns::from_header(CSV_HEADER, &ColumnNames::new()).unwrap();
    [Format::Json, Format::Csv(columns), Format::AttLog, Format::CnTerminal]
}

fn record(offset: usize, value: &[u8]) -> RawRecord<'_> {
    RawRecord { offset: Offset::new(offset as i64).unwrap(), append_time: None, value: Some(value) }
}

fn empty() -> Batch {
    Batch::new(Partition::new(0), NextOffset::START)
}

fn decoded(format: &Format, values: &[Vec<u8>]) -> Batch {
    let mut decoder = Decoder::new(format.clone(), ImportOptions::default());
    let mut batch = empty();
    for (offset, value) in values.iter().enumerate() {
        decoder.decode(record(offset, value), &mut batch);
    }
    batch
}

/// Everything a batch holds of its punches and rejects, with texts and ranges resolved.
fn resolved(batch: &Batch) -> Vec<String> {
    let punches = batch.punches.iter().map(|punch| {
        let texts = [punch.event_id, punch.employee_id, punch.device_id, punch.site_claim, punch.time_zone]
            .map(|text| batch.text(text));
        let rest = (punch.kind, punch.occurred_at, punch.received_at, punch.origin, punch.trigger, punch.fix);
        let photo = [punch.photo.reference, punch.photo.sha256].map(|part| part.map(|text| batch.text(text)));
        let radios = (batch.wifi(punch), punch.wifi_ignored, batch.beacons(punch), photo);
        (punch.offset, format!("{texts:?} {rest:?} {radios:?}"))
    });
    let rejects = batch.rejects.iter().map(|reject| {
        let Reject { code, message, employee_id, event_id, .. } = reject;
        (reject.offset, format!("{code:?} {message} {employee_id:?} {event_id:?}"))
    });
    let mut all: Vec<_> = punches.chain(rejects).collect();
    all.sort();
    all.into_iter().map(|(_, text)| text).collect()
}

fn id() -> impl Strategy<Value = String> {
    // Quotes, escapes and letters beyond ASCII are as good as any.
    "[a-zA-Z0-9\"\\\\\u{7}員🏪 -]{1,12}"
}

fn access_point() -> impl Strategy<Value = AccessPointLine> {
    let bssid = prop_oneof!["[0-9a-f]{12}", "([0-9A-F]{2}:){5}[0-9A-F]{2}", "[a-z.]{0,17}"];
    (bssid, of(any::<i16>()), of(any::<bool>()), of(any::<u32>()))
        .prop_map(|(bssid, rssi, connected, age_ms)| AccessPointLine { bssid, rssi, connected, age_ms })
}

fn beacon() -> impl Strategy<Value = BeaconLine> {
    (prop_oneof!["[0-9a-f]{32}", "[0-9a-f]{0,8}"], any::<u16>(), any::<u16>(), of(any::<i16>()))
        .prop_map(|(uuid, major, minor, rssi)| BeaconLine { uuid, major, minor, rssi })
}

fn location() -> impl Strategy<Value = LocationLine> {
    let datum = of(prop::sample::select(vec!["wgs84", "gcj02", "bd09"]).prop_map(str::to_owned));
    let platform = of(prop::sample::select(vec!["android", "ios"]).prop_map(str::to_owned));
    (-180.0..=180.0, -90.0..=90.0, of(-10.0..1e6), datum, of(any::<bool>()), platform).prop_map(
        |(lon, lat, accuracy_m, datum, mocked, platform)| LocationLine {
            lon,
            lat,
            accuracy_m,
            datum,
            mocked,
            platform,
        },
    )
}

fn occurred_at() -> impl Strategy<Value = (OccurredAt, EventTime)> {
    let ms = 0..7_258_118_400_000_i64;
    prop_oneof![
        ms.clone().prop_map(|ms| (OccurredAt::EpochMs(ms), EventTime::from_ms(ms))),
        (ms, -14 * 60..=14 * 60_i32).prop_map(|(ms, offset_min)| {
            let time = EventTime::from_ms(ms);
            let offset = jiff::tz::Offset::from_seconds(offset_min * 60).unwrap();
            (OccurredAt::Text(time.timestamp().display_with_offset(offset).to_string()), time)
        }),
    ]
}

fn punch() -> impl Strategy<Value = (PunchLine, EventTime)> {
    let kind =
        prop::sample::select(vec!["in", "out", "break_out", "break_in", "auto"]).prop_map(str::to_owned);
    let origin = prop::sample::select(vec!["phone", "terminal", "kiosk", "field", "import", "correction"])
        .prop_map(str::to_owned);
    let trigger = of(prop::sample::select(vec!["manual", "wifi", "fence"]).prop_map(str::to_owned));
    let hash = prop_oneof![Just("00".to_owned()), "[0-9a-f]{64}"];
    let photo = of((id(), hash).prop_map(|(reference, sha256)| PhotoLine { reference, sha256 }));
    let main = (id(), id(), kind, occurred_at(), origin, trigger);
    let rest = (of(id()), of(id()), of(location()), of(vec(access_point(), 0..6)), of(vec(beacon(), 0..3)));
    (main, rest, (photo, of(id()), of(id()))).prop_map(|(main, rest, (photo, note, tz))| {
        let (event_id, employee_id, kind, (occurred_at, time), origin, trigger) = main;
        let (device_id, site_id, location, wifi, beacons) = rest;
        let notice_version = note.clone();
        let line = PunchLine {
            event_id,
            employee_id,
            kind,
            occurred_at,
            origin,
            trigger,
            device_id,
            site_id,
            location,
            wifi,
            beacons,
            photo,
            note,
            notice_version,
            tz,
        };
        (line, time)
    })
}

/// Checks every field of `line` against what the batch holds.
fn assert_same(line: &PunchLine, time: EventTime, batch: &Batch) {
    assert!(batch.rejects.is_empty(), "{:?}", batch.rejects);
    let punch = &batch.punches[0];
    let text = |text| Some(batch.text(text).to_owned()).filter(|text| !text.is_empty());
    assert_eq!(text(punch.event_id).as_ref(), Some(&line.event_id));
    assert_eq!(text(punch.employee_id).as_ref(), Some(&line.employee_id));
    assert_eq!((punch.kind.name(), punch.origin.name()), (&*line.kind, &*line.origin));
    assert_eq!((punch.occurred_at, punch.received_at), (time, time));
    assert_eq!(punch.trigger.map(model::Trigger::name), line.trigger.as_deref());
    assert_eq!(text(punch.device_id), line.device_id);
    assert_eq!(text(punch.site_claim), line.site_id);
    assert_eq!(text(punch.time_zone), line.tz);
    let photo = line.photo.as_ref();
    assert_eq!(punch.photo.reference.and_then(text), photo.map(|photo| photo.reference.clone()));
    let hash = photo.map(|photo| photo.sha256.clone()).filter(|hash| hash.len() == 64);
    assert_eq!(punch.photo.sha256.and_then(text), hash);
    assert_eq!(punch.fix.is_some(), line.location.is_some());
    if let (Some(fix), Some(location)) = (punch.fix, &line.location) {
        assert_eq!(fix.point.lon(), location.lon);
        assert_eq!(fix.point.lat(), location.lat);
        assert_eq!(fix.accuracy_m.is_some(), location.accuracy_m.is_some());
        assert_eq!(fix.accuracy_m.unwrap_or(0.0), location.accuracy_m.unwrap_or(0.0));
        assert_eq!(fix.datum.name(), location.datum.as_deref().unwrap_or("wgs84"));
        assert_eq!(fix.mocked, location.mocked.unwrap_or(false));
        let platform = match location.platform.as_deref() {
            Some("android") => model::Platform::Android,
            Some("ios") => model::Platform::Ios,
            _ => model::Platform::Unknown,
        };
        assert_eq!(fix.platform, platform);
    }
    let mut ignored = 0;
    let mut kept = batch.wifi(punch).iter();
    for wanted in line.wifi.iter().flatten() {
        match model::Bssid::parse(wanted.bssid.as_bytes()).filter(|bssid| !bssid.is_placeholder()) {
            None => ignored += 1,
            Some(bssid) => {
                let point = kept.next().unwrap();
                assert_eq!((point.bssid, point.rssi_dbm), (bssid, wanted.rssi));
                assert_eq!(point.connected, wanted.connected.unwrap_or(false));
                assert_eq!(point.age_ms, wanted.age_ms.unwrap_or(0));
            }
        }
    }
    assert_eq!((kept.next(), punch.wifi_ignored), (None, ignored));
    let mut kept = batch.beacons(punch).iter();
    for wanted in line.beacons.iter().flatten() {
        if let Some(uuid) = model::BeaconId::parse_uuid(wanted.uuid.as_bytes()) {
            let beacon = kept.next().unwrap();
            let id = model::BeaconId { uuid, major: wanted.major, minor: wanted.minor };
            assert_eq!((beacon.id, beacon.rssi_dbm), (id, wanted.rssi));
        }
    }
    assert_eq!(kept.next(), None);
}

/// Bytes near enough to records to reach deep: pieces of the formats, and noise.
fn nearly_a_record() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u00",
        "null",
        "true",
        "1e999",
        "-0",
        "NaN",
        "\"event_id\"",
        "\"employee_id\":\"E\"",
        "\"location\":{\"lon\":",
        "\"wifi\":[{\"bssid\":",
        "\"occurred_at\":",
        "\t",
        "\r\n",
        " ",
        "2026-11-22 08:58",
        "2026/1/2 星期五 8:20",
        "255",
        "E1",
        "\u{feff}",
        ";",
        "18446744073709551616",
    ]);
    let noise = vec(any::<u8>(), 0..4);
    vec(prop_oneof![8 => piece.prop_map(|text| text.as_bytes().to_vec()), 1 => noise], 0..24)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_become_one_punch_or_one_reject(value in prop_oneof![nearly_a_record(), vec(any::<u8>(), 0..200)]) {
        for format in formats() {
            let batch = decoded(&format, std::slice::from_ref(&value));
            prop_assert_eq!(batch.records(), 1);
            prop_assert_eq!(batch.next.get(), 1);
            if !batch.rejects.is_empty() {
                prop_assert!(batch.access_points.is_empty() && batch.beacons.is_empty());
            }
        }
    }

    #[test]
    fn a_header_never_panics(header in nearly_a_record()) {
        let _ = CsvColumns::from_header(&header, &ColumnNames::new());
    }

    #[test]
    fn a_written_punch_reads_back((line, time) in punch()) {
        let text = serde_json::to_vec(&line).unwrap();
        assert_same(&line, time, &decoded(&Format::Json, std::slice::from_ref(&text)));
        let again: PunchLine = serde_json::from_slice(&text).unwrap();
        prop_assert_eq!(PunchLine { location: None, ..again }, PunchLine { location: None, ..line });
    }

    #[test]
    fn a_cut_punch_is_a_reject_and_never_another_punch((line, _) in punch(), cut in 0.0..1.0_f64) {
        let mut text = serde_json::to_vec(&line).unwrap();
        text.truncate((text.len() as f64 * cut) as usize);
        prop_assert_eq!(decoded(&Format::Json, &[text]).rejects.len(), 1);
    }

    #[test]
    fn a_batch_is_the_sum_of_its_records(
        good in vec(punch(), 0..5),
        bad in vec(nearly_a_record(), 0..5),
        order in any::<u64>(),
    ) {
        let mut values: Vec<_> = good.iter().map(|(line, _)| serde_json::to_vec(line).unwrap()).collect();
        values.extend(bad);
        let places = values.len().max(1) as u64;
        values.rotate_left((order % places) as usize);
        for format in formats() {
            let whole = resolved(&decoded(&format, &values));
            let alone: Vec<_> = values.iter().flat_map(|value| resolved(&decoded(&format, std::slice::from_ref(value)))).collect();
            prop_assert_eq!(&whole, &alone);
        }
    }
}
