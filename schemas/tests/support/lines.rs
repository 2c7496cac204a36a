//! Punches as producers hold them, drawn from dice, and the same in each binary format by its reference implementation.

use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, Value as Proto};
use schemas::punch::{AccessPointLine, BeaconLine, LocationLine, OccurredAt, PhotoLine, PunchLine};

use crate::dice::Dice;

/// A punch that every format can say: whole milliseconds, addresses of six octets.
pub(crate) fn line(dice: &mut Dice) -> PunchLine {
    let text = |dice: &mut Dice| {
        let of = ["a", "b", "-", "7", "é", "員", "\"", "\\"];
        (0..1 + dice.below(30)).map(|_| of[dice.below(of.len())]).collect::<String>()
    };
    let pick = |dice: &mut Dice, of: &[&str]| dice.pick(of).to_owned();
    let maybe = |dice: &mut Dice| !dice.once_in(3);
    let location = maybe(dice).then(|| LocationLine {
        lon: dice.below(360_000_001) as f64 / 1e6 - 180.0,
        lat: dice.below(180_000_001) as f64 / 1e6 - 90.0,
        accuracy_m: maybe(dice).then(|| dice.below(1_000) as f64 / 8.0 - 2.0),
        datum: Some(pick(dice, &["wgs84", "gcj02", "bd09"])),
        mocked: Some(dice.once_in(3)),
        platform: maybe(dice).then(|| pick(dice, &["android", "ios"])),
    });
    let rssi = |dice: &mut Dice| maybe(dice).then(|| dice.below(65_536) as i64 as i16);
    let wifi: Vec<AccessPointLine> = (0..dice.below(6))
        .map(|_| {
            let bits = if dice.once_in(10) { 0 } else { dice.below(1 << 48) };
            let octets: Vec<String> =
                (0..6).rev().map(|at| format!("{:02x}", (bits >> (8 * at)) & 0xff)).collect();
            AccessPointLine {
                bssid: octets.join(":"),
                rssi: rssi(dice),
                connected: Some(dice.once_in(3)),
                age_ms: Some(dice.below(1 << 32) as u32),
            }
        })
        .collect();
    let beacons: Vec<BeaconLine> = (0..dice.below(3))
        .map(|_| BeaconLine {
            uuid: format!(
                "{:032x}",
                ((dice.below(usize::MAX) as u128) << 64) | dice.below(usize::MAX) as u128
            ),
            major: dice.below(65_536) as u16,
            minor: dice.below(65_536) as u16,
            rssi: rssi(dice),
        })
        .collect();
    PunchLine {
        event_id: text(dice),
        employee_id: text(dice),
        kind: pick(dice, &["in", "out", "break_out", "break_in", "auto"]),
        occurred_at: OccurredAt::EpochMs(dice.below(7_258_118_400_000) as i64),
        origin: pick(dice, &["phone", "terminal", "kiosk", "field", "import", "correction"]),
        trigger: maybe(dice).then(|| pick(dice, &["manual", "wifi", "fence"])),
        device_id: maybe(dice).then(|| text(dice)),
        site_id: maybe(dice).then(|| text(dice)),
        location,
        wifi: Some(wifi),
        beacons: Some(beacons),
        photo: dice.once_in(4).then(|| PhotoLine { reference: text(dice), sha256: "00".to_owned() }),
        note: dice.once_in(4).then(|| text(dice)),
        notice_version: dice.once_in(4).then(|| text(dice)),
        tz: maybe(dice).then(|| "Asia/Hong_Kong".to_owned()),
    }
}

/// As [`line`], with a photo of any kind.
pub(crate) fn any_line(dice: &mut Dice) -> PunchLine {
    let line = line(dice);
    let photo = dice.once_in(2).then(|| PhotoLine { reference: reference(dice), sha256: hash(dice) });
    PunchLine { photo: photo.or(line.photo), ..line }
}

/// Where a photo is kept: a text, none, a picture itself, a text beyond all bounds.
fn reference(dice: &mut Dice) -> String {
    let long = "x".repeat(2_047 + dice.below(3));
    (*dice.pick(&["s3://photos/1", "員", "", "data:image/png;base64,AA==", "DATA:", "dat", &long])).to_owned()
}

/// A photo's hash: whole, in capitals, none, or malformed in some way.
fn hash(dice: &mut Dice) -> String {
    let whole = "0e".repeat(32);
    let (capital, short, other) = (whole.to_uppercase(), &whole[1..], format!("{}é", &whole[2..]));
    (*dice.pick(&[&*whole, &capital, short, &other, "00", ""])).to_owned()
}

/// A registry's frame around `body`.
pub(crate) fn framed(id: u32, body: &[u8]) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], body].concat()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| ((pair[0] << 4) | pair[1]) as u8).collect()
}

fn epoch_ms(line: &PunchLine) -> i64 {
    let OccurredAt::EpochMs(ms) = line.occurred_at else { panic!("{line:?}") };
    ms
}

/// The descriptors of the folder's `punch.proto`, read by a compiler of Protobuf.
pub(crate) fn proto_pool(folder: &str) -> DescriptorPool {
    DescriptorPool::from_file_descriptor_set(protox::compile(["punch.proto"], [folder]).unwrap()).unwrap()
}

/// The punch as `prost` writes it, without frame.
pub(crate) fn protobuf(pool: &DescriptorPool, line: &PunchLine) -> Vec<u8> {
    let message = |name: &str, fields: Vec<(&str, Option<Proto>)>| {
        let descriptor = pool.get_message_by_name(&format!("muster.v1.{name}")).unwrap();
        let mut message = DynamicMessage::new(descriptor);
        for (name, value) in fields {
            if let Some(value) = value {
                message.set_field_by_name(name, value);
            }
        }
        message
    };
    let text = |text: &Option<String>| text.clone().map(Proto::String);
    let symbol = |of: &str, name: &str| {
        let of = pool.get_enum_by_name(&format!("muster.v1.{of}")).unwrap();
        let symbol = format!("{}_{}", of.name().to_uppercase(), name.to_uppercase());
        let number = of.values().find(|value| value.name() == symbol).unwrap().number();
        Some(Proto::EnumNumber(number))
    };
    let location = |place: &LocationLine| {
        message(
            "Location",
            vec![
                ("lon", Some(Proto::F64(place.lon))),
                ("lat", Some(Proto::F64(place.lat))),
                ("accuracy_m", place.accuracy_m.map(Proto::F64)),
                ("datum", place.datum.as_ref().and_then(|name| symbol("Datum", name))),
                ("mocked", place.mocked.map(Proto::Bool)),
                ("platform", place.platform.as_ref().and_then(|name| symbol("Platform", name))),
            ],
        )
    };
    let rssi = |rssi: Option<i16>| rssi.map(|rssi| Proto::I32(rssi.into()));
    let access_point = |point: &AccessPointLine| {
        let fields = vec![
            ("bssid", Some(Proto::Bytes(hex(&point.bssid).into()))),
            ("rssi", rssi(point.rssi)),
            ("connected", point.connected.map(Proto::Bool)),
            ("age_ms", point.age_ms.map(Proto::U32)),
        ];
        Proto::Message(message("AccessPoint", fields))
    };
    let beacon = |beacon: &BeaconLine| {
        let fields = vec![
            ("uuid", Some(Proto::Bytes(hex(&beacon.uuid).into()))),
            ("major", Some(Proto::U32(beacon.major.into()))),
            ("minor", Some(Proto::U32(beacon.minor.into()))),
            ("rssi", rssi(beacon.rssi)),
        ];
        Proto::Message(message("Beacon", fields))
    };
    let photo = |photo: &PhotoLine| {
        let (reference, sha256) = (photo.reference.clone(), photo.sha256.clone());
        message(
            "Photo",
            vec![("ref", Some(Proto::String(reference))), ("sha256", Some(Proto::String(sha256)))],
        )
    };
    let fields = vec![
        ("event_id", Some(Proto::String(line.event_id.clone()))),
        ("employee_id", Some(Proto::String(line.employee_id.clone()))),
        ("kind", symbol("Kind", &line.kind)),
        ("occurred_at", Some(Proto::I64(epoch_ms(line)))),
        ("origin", symbol("Origin", &line.origin)),
        ("trigger", line.trigger.as_ref().and_then(|name| symbol("Trigger", name))),
        ("device_id", text(&line.device_id)),
        ("site_id", text(&line.site_id)),
        ("location", line.location.as_ref().map(|place| Proto::Message(location(place)))),
        ("wifi", Some(Proto::List(line.wifi.iter().flatten().map(access_point).collect()))),
        ("beacons", Some(Proto::List(line.beacons.iter().flatten().map(beacon).collect()))),
        ("photo", line.photo.as_ref().map(|given| Proto::Message(photo(given)))),
        ("note", text(&line.note)),
        ("notice_version", text(&line.notice_version)),
        ("tz", text(&line.tz)),
    ];
    message("Punch", fields).encode_to_vec()
}

/// The punch as `apache-avro` writes it under a schema that has `avro/punch.avsc`'s fields, without frame. `extra` are
/// fields that only this writer has.
pub(crate) fn avro(schema: &Schema, line: &PunchLine, style: AvroStyle, extra: Vec<(&str, Avro)>) -> Vec<u8> {
    let text = |text: &str| Avro::String(text.to_owned());
    let maybe = |value: Option<Avro>| {
        value.map_or(Avro::Union(0, Avro::Null.into()), |value| Avro::Union(1, value.into()))
    };
    let record = |fields: Vec<(&str, Avro)>| {
        Avro::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let octets = |spelt: &str| match style {
        AvroStyle::Octets => {
            let octets = hex(spelt);
            Avro::Fixed(octets.len(), octets)
        }
        AvroStyle::Texts => text(spelt),
    };
    let rssi = |rssi: Option<i16>| maybe(rssi.map(|rssi| Avro::Int(rssi.into())));
    let location = |place: &LocationLine| {
        record(vec![
            ("lon", Avro::Double(place.lon)),
            ("lat", Avro::Double(place.lat)),
            ("accuracy_m", maybe(place.accuracy_m.map(Avro::Double))),
            ("datum", text(place.datum.as_deref().unwrap_or("wgs84"))),
            ("mocked", Avro::Boolean(place.mocked.unwrap_or(false))),
            ("platform", maybe(place.platform.as_deref().map(text))),
        ])
    };
    let access_point = |point: &AccessPointLine| {
        record(vec![
            ("bssid", octets(&point.bssid)),
            ("rssi", rssi(point.rssi)),
            ("connected", Avro::Boolean(point.connected.unwrap_or(false))),
            ("age_ms", Avro::Long(point.age_ms.unwrap_or(0).into())),
        ])
    };
    let beacon = |beacon: &BeaconLine| {
        record(vec![
            ("uuid", octets(&beacon.uuid)),
            ("major", Avro::Int(beacon.major.into())),
            ("minor", Avro::Int(beacon.minor.into())),
            ("rssi", rssi(beacon.rssi)),
        ])
    };
    let photo =
        |photo: &PhotoLine| record(vec![("ref", text(&photo.reference)), ("sha256", text(&photo.sha256))]);
    let occurred_at = match style {
        AvroStyle::Octets => Avro::TimestampMillis(epoch_ms(line)),
        AvroStyle::Texts => Avro::TimestampMicros(epoch_ms(line) * 1_000),
    };
    let mut fields = vec![
        ("event_id", text(&line.event_id)),
        ("employee_id", text(&line.employee_id)),
        ("kind", text(&line.kind)),
        ("occurred_at", occurred_at),
        ("origin", text(&line.origin)),
        ("trigger", maybe(line.trigger.as_deref().map(text))),
        ("device_id", maybe(line.device_id.as_deref().map(text))),
        ("site_id", maybe(line.site_id.as_deref().map(text))),
        ("location", maybe(line.location.as_ref().map(location))),
        ("wifi", Avro::Array(line.wifi.iter().flatten().map(access_point).collect())),
        ("beacons", Avro::Array(line.beacons.iter().flatten().map(beacon).collect())),
        ("photo", maybe(line.photo.as_ref().map(photo))),
        ("note", maybe(line.note.as_deref().map(text))),
        ("notice_version", maybe(line.notice_version.as_deref().map(text))),
        ("tz", maybe(line.tz.as_deref().map(text))),
    ];
    fields.extend(extra);
    // `resolve` turns names into symbols and puts fields into the schema's order.
    let value = record(fields).resolve(schema).unwrap();
    apache_avro::to_avro_datum(schema, value).unwrap()
}

/// How a writer's schema tells octets and the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AvroStyle {
    /// As `avro/punch.avsc`.
    Octets,
    /// As texts, and the time in microseconds.
    Texts,
}
