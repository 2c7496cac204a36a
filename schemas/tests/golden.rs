//! Golden files: everything that version 1 of the contract ever wrote is still read, and means the same; what this
//! version writes is, byte for byte, what the files hold.
//!
//! `golden/v1/tables.txt` and `json/*.json` are generated: `UPDATE_GOLDEN=1 cargo test -p schemas --test golden` writes
//! them anew, and the difference belongs into review, because others rely on every line of it.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code outside of `#[test]` functions")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use model::{Batch, EventTime, NextOffset, Offset, Partition, Photo, Text, Vendor, VendorRecord};
use schemas::decode::{ColumnNames, CsvColumns};
use schemas::lines::{
    ALERT_DIGEST_TYPE, AlertBody, AlertDigest, CauseLine, DeadLetterLine, KindCount, LedgerLine, Summary,
    SummaryText, VerdictLine,
};
use schemas::rows::{
    CalendarFile, CorrectionRow, LawFile, LeaveRow, OrgRow, PersonRow, PolicyFile, ReferenceRow, ShiftRow,
    SiteProperties,
};
use schemas::{Decoder, Format, ImportOptions, PunchLine, RawRecord, json_schema, tables};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn golden(name: &str) -> String {
    let path = folder("golden/v1").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// Compares a generated text with its file, or writes the file where `UPDATE_GOLDEN` is set.
fn check_generated(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, text).unwrap();
    }
    let on_disk = fs::read_to_string(path).unwrap_or_default();
    assert!(
        on_disk == text,
        "{} is stale: run `UPDATE_GOLDEN=1 cargo test -p schemas --test golden`, and look at the difference",
        path.display()
    );
}

/// Decodes the records and prints one line each: what a reader of the batch sees.
fn decoded(format: Format, records: &[&str]) -> String {
    let time_zone = TimeZone::get("Asia/Hong_Kong").unwrap();
    let options = ImportOptions { time_zone, device_id: "clock-9".to_owned(), ..ImportOptions::default() };
    let mut decoder = Decoder::new(format, options);
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    for (offset, value) in records.iter().enumerate() {
        let offset = Offset::new(offset as i64).unwrap();
        decoder.decode(RawRecord { offset, append_time: None, value: Some(value.as_bytes()) }, &mut batch);
    }
    let mut lines = BTreeMap::new();
    for reject in &batch.rejects {
        let employee_id = reject.employee_id.as_deref().unwrap_or("-");
        lines.insert(reject.offset, format!("{} {employee_id}: {}", reject.code.name(), reject.message));
    }
    for punch in &batch.punches {
        let text = |text| batch.text(text);
        let mut line = format!("{} {} {}", text(punch.event_id), text(punch.employee_id), punch.kind.name());
        _ = write!(line, " {} {}", punch.occurred_at.timestamp(), punch.origin.name());
        for value in [punch.device_id, punch.site_claim, punch.time_zone].map(text) {
            _ = write!(line, " {}", if value.is_empty() { "-" } else { value });
        }
        if let Some(fix) = punch.fix {
            let accuracy_m = fix.accuracy_m.unwrap_or(-1.0);
            _ = write!(line, " {},{} ±{accuracy_m} {}", fix.point.lon(), fix.point.lat(), fix.datum.name());
            _ = write!(line, " {:?} {}", fix.platform, fix.mocked);
        }
        for point in batch.wifi(punch) {
            _ = write!(line, " {} {:?} {} {}", point.bssid, point.rssi_dbm, point.connected, point.age_ms);
        }
        for beacon in batch.beacons(punch) {
            _ = write!(line, " {:x}/{}/{}", beacon.id.uuid, beacon.id.major, beacon.id.minor);
        }
        let photo = punch.photo;
        if punch.wifi_ignored > 0 || photo != Photo::default() {
            let part = |part: Option<Text>| part.map_or("-", |text| batch.text(text));
            let by = if photo.is_with_vendor { "with the vendor" } else { part(photo.reference) };
            _ = write!(line, " ignored {} photo {by} {}", punch.wifi_ignored, part(photo.sha256));
        }
        lines.insert(punch.offset, line);
    }
    for said in &batch.vendor_records {
        let line = lines.entry(said.offset).or_insert_with(|| "no punch".to_owned());
        _ = write!(line, "\n{}", said_line(said));
    }
    let mut out = String::new();
    lines.values().for_each(|line| _ = writeln!(out, "{line}"));
    _ = write!(out, "unknown fields {}", batch.unknown_fields);
    out
}

/// What a vendor says, as a reader of the batch sees it.
fn said_line(said: &VendorRecord) -> String {
    let mut line = format!("  {} says of {}:", said.vendor.name(), said.employee_id);
    let time = |time: EventTime| time.timestamp().to_string();
    for (name, value) in [
        ("day", said.business_date.map(|day| day.to_string())),
        ("direction", said.direction.map(|kind| kind.name().to_owned())),
        ("check", said.check_type.clone()),
        ("at", said.occurred_at.map(time)),
        ("planned", said.planned_at.map(time)),
        ("base", said.base_at.map(time)),
        ("modified", said.modified_at.map(time)),
        ("id", said.vendor_id.clone()),
        ("punch", said.event_id.clone()),
        ("no punch", said.no_punch.map(|why| why.name().to_owned())),
        ("time", said.time_result.clone()),
        ("place", said.place_result.clone()),
        ("invalid", said.invalid_type.clone()),
        ("because", said.invalid_message.clone()),
        ("risk", said.risk.clone()),
        ("approval", said.approve_id.clone()),
        ("supplement", said.supplement.clone()),
    ] {
        if let Some(value) = value {
            _ = write!(line, " {name}={value:?}");
        }
    }
    _ = write!(line, "\n  {:032x} {}", said.id, said.raw);
    line
}

#[test]
fn records_of_other_attendance_systems() {
    let mut text = String::new();
    for vendor in Vendor::ALL {
        let records = golden(&format!("{}.ndjson", vendor.name()));
        let records: Vec<_> = records.lines().collect();
        _ = writeln!(text, "{}\n{}\n", vendor.name(), decoded(Format::Vendor(*vendor), &records));
    }
    check_generated(&folder("golden/v1/vendors.txt"), &text);
}

fn check(format: Format, records: &[&str], want: &[&str]) {
    let got = decoded(format, records);
    let got: Vec<_> = got.lines().collect();
    for (n, line) in got.iter().enumerate() {
        assert_eq!(Some(line), want.get(n), "line {n} of\n{}", got.join("\n"));
    }
    assert_eq!(got.len(), want.len());
}

#[test]
fn punches_as_json() {
    let text = golden("punches.ndjson");
    let records: Vec<_> = text.lines().collect();
    let android =
        "114.1694,22.3193 ±12.5 wgs84 Android false a4:56:30:0b:9c:ff Some(-61) true 120 ignored 1 photo - -";
    let ios = "113.324,23.1065 ±0 gcj02 Ios true fda50693a4e24fb1afcfc6eb07647825/10/7 ignored 0 photo s3://photos/1 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let want = [
        &format!("p-1 E1 in 2026-11-23T00:58:31Z phone d-1 - - {android}"),
        "p-2 E1 auto 2026-11-23T10:37:00Z terminal t-7 hk-0001 -",
        &format!("p-3 E2 break_out 2026-11-23T12:00:00.25Z field - - Asia/Shanghai {ios}"),
        "p-4 E3 in 2026-11-23T00:58:31Z phone - - -",
        "time_impossible E3: `occurred_at` is the text \"9999-12-31T00:00:00Z\": outside 1970 to 2199",
        "bad_coordinates E3: `lon` is beyond ±180",
        "wrong_type E3: `kind` is the text \"clock_in\", expected in, out, break_out, break_in or auto",
        "missing_field -: `employee_id` is missing or empty",
        "not_json E3: EOF while parsing a string at line 1 column 53",
        "unknown fields 1",
    ];
    check(Format::Json, &records, &want);
    for record in &records[..4] {
        serde_json::from_str::<PunchLine>(record).unwrap();
    }
}

#[test]
fn punches_as_csv() {
    let text = golden("punches.csv");
    let mut lines = text.lines();
    let columns = CsvColumns::from_header(lines.next().unwrap().as_bytes(), &ColumnNames::new()).unwrap();
    let fix = "114.1694,22.3193 ±12.5 wgs84 Unknown false a4:56:30:0b:9c:ff None false 0 ignored 1 photo - -";
    let want = [
        &format!("f1d34f80e913aff178a20dad4657c5a4 E1 in 2026-11-23T00:58:31Z import clock-9 - - {fix}"),
        "d8a72df7ca96c7c6eeb31b67d7fd40cf E1 out 2026-11-23T10:02:00Z import k-2 - -",
        "8eeb12343e49f46a504e9716c1c87795 E2 auto 2026-11-23T00:58:31Z import clock-9 - -",
        "bad_coordinates E2: one of `lon` and `lat` is empty",
        "time_impossible E2: `occurred_at` is \"23.11.2026 08:58\": no date and time such as 2026-11-22 08:58:31",
        "not_json -: not the file's format: 2 columns, the header has 9",
        "unknown fields 0",
    ];
    check(Format::Csv(columns), &lines.collect::<Vec<_>>(), &want);
}

#[test]
fn punches_of_time_clocks() {
    let text = golden("attlog.dat");
    let want = [
        "bb9c2e163654f3d1d09e46d6a19d85c2 1001 in 2026-11-23T00:58:31Z import 1 - -",
        "8f8264379c9b86549c89109eddbc81b0 1001 out 2026-11-23T10:02:00Z import 1 - -",
        "6ca8f295c5358bc24878951746ceb950 1002 in 2026-11-23T14:00:05Z import 1 - -",
        "320fbe628fb8de36336b87040d00e5ef 1002 auto 2026-11-23T14:00:05Z import 1 - -",
        "time_impossible 1002: `time` is \"2026-11-31 22:00:05\": no date and time such as 2026-11-22 08:58:31",
        "wrong_type 1003: `state` is \"X\", which the state map does not name",
        "not_json -: not the file's format: expected person, time, device and state, separated by tabs",
        "unknown fields 0",
    ];
    check(Format::AttLog, &text.lines().collect::<Vec<_>>(), &want);
    let text = golden("terminal-cn.csv");
    let want = [
        "7bce6b1422333180b0b7fa72f812b007 E0001 auto 2026-11-23T00:58:00Z import clock-9 - -",
        "d8e7f35a541451a1316335e4c4b11bba E0001 auto 2026-11-23T10:02:00Z import clock-9 - -",
        "time_impossible E0002: `出勤时间` is \"2026/11/23 星期二 8:58\": the date has another weekday",
        "missing_field E0002: `出勤时间` is missing or empty",
        "unknown fields 0",
    ];
    check(Format::CnTerminal, &text.lines().skip(1).collect::<Vec<_>>(), &want);
}

/// Reads every line, and writes each again as it was.
fn round_trip<T: DeserializeOwned + Serialize>(name: &str) -> Vec<T> {
    let text = golden(name);
    let rows: Vec<T> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (row, line) in rows.iter().zip(text.lines()) {
        assert_eq!(serde_json::to_string(row).unwrap(), line, "{name}");
    }
    rows
}

#[test]
fn rows_of_reference_data() {
    let sites: serde_json::Value = serde_json::from_str(&golden("sites.geojson")).unwrap();
    let properties = &sites["features"][0]["properties"];
    let site: SiteProperties = serde_json::from_value(properties.clone()).unwrap();
    assert_eq!((site.site_id.as_str(), site.radius_m, site.tolerance_m), ("hk-0001", Some(100.0), Some(5.0)));
    assert_eq!((site.bssids.len(), site.beacons[0].major, site.terminals[0].as_str()), (2, 10, "t-7"));
    for key in properties.as_object().unwrap().keys() {
        assert!(SiteProperties::FIELDS.iter().any(|field| field.name == key), "{key}");
    }
    let orgs: Vec<OrgRow> = round_trip("orgs.ndjson");
    assert_eq!(orgs[0].name.zh_hant.as_deref(), Some("九龍"));
    let people: Vec<PersonRow> = round_trip("people.ndjson");
    assert_eq!((people[0].groups[0].as_str(), people[1].home_site.as_deref()), ("night", None));
    let shifts: Vec<ShiftRow> = round_trip("shifts.ndjson");
    assert_eq!((shifts[0].segment, shifts[0].breaks[0].paid, shifts[1].segment), (Some(1), Some(true), None));
    let leave: Vec<LeaveRow> = round_trip("leave.ndjson");
    assert_eq!((leave[0].leave_type.as_str(), leave[0].approvals[0].level), ("field", Some(1)));
    let corrections: Vec<CorrectionRow> = round_trip("corrections.ndjson");
    assert_eq!((corrections[0].correction_type.as_str(), corrections[0].approvals.len()), ("missing", 0));
}

#[test]
fn policies_and_calendars() {
    let policies: PolicyFile = toml::from_str(&golden("policies.toml")).unwrap();
    let [stores, night] = &policies.policy[..] else { panic!("two tables") };
    assert_eq!((stores.tolerance_m, stores.overtime_min_min), (Some(10.0), Some(60)));
    let keys = serde_json::to_value(stores).unwrap();
    let unset: Vec<_> = keys.as_object().unwrap().iter().filter(|(_, value)| value.is_null()).collect();
    assert!(unset.is_empty(), "the golden policy sets every key, but {unset:?}");
    assert_eq!(night.valid_from.as_deref(), Some("2026-06-01"));
    let calendars: CalendarFile = toml::from_str(&golden("calendars.toml")).unwrap();
    let days: Vec<_> = calendars.calendar[0].days.iter().map(|day| day.date.as_deref().unwrap()).collect();
    assert_eq!(days, ["2026-12-25", "2027-02-06"]);
}

#[test]
fn legal_values() {
    let law: LawFile = toml::from_str(&golden("law.toml")).unwrap();
    let told: Vec<_> = law.law.iter().map(|row| (&*row.key, row.value, row.valid_from.as_deref())).collect();
    let expected = [
        ("continuous_week_hours", 17.0, Some("2026-01-18")),
        ("legal_leave.annual", 1.0, Some("2026-01-01")),
    ];
    assert_eq!(told, expected);
}

#[test]
fn lines_that_muster_writes() {
    let alert: AlertBody = round_trip("alert.json").remove(0);
    let (log, clock) = ("85944171f73967e8".to_owned(), "2026-11-24T01:20:00Z".to_owned());
    let cause = CauseLine { log, partition: 3, offset: 42, clock, generation: 7 };
    assert_eq!((alert.kind.as_str(), &alert.cause), ("no_show", &cause));
    // Every option absent: what is not known is not written.
    let plain = AlertBody {
        employee_id: None,
        site_id: None,
        site_name: None,
        shift_id: None,
        device_id: None,
        planned_start: None,
        planned_end: None,
        minutes: None,
        resolved_by: None,
        resolved_ref: None,
        summary: SummaryText::default(),
        ..alert
    };
    let text = serde_json::to_string(&plain).unwrap();
    assert!(!text.contains("null") && !text.contains("shift_id"), "{text}");
    assert_eq!(serde_json::from_str::<AlertBody>(&text).unwrap(), plain);
    // One with every option, one with none.
    let digests: Vec<AlertDigest> = round_trip("alert_digests.ndjson");
    assert!(digests.iter().all(|digest| digest.message_type == ALERT_DIGEST_TYPE));
    assert_eq!(digests[0].counts["no_show"], KindCount { firing: 18, resolved: 0 });
    assert_eq!((digests[0].alerts.len(), digests[0].left_out, digests[0].names.len()), (1, 17, 1));
    assert_eq!((digests[1].site_id.as_deref(), digests[1].left_out, digests[1].names.len()), (None, 0, 0));
    let letters: Vec<DeadLetterLine> = round_trip("dead_letters.ndjson");
    assert_eq!(letters[0].origin(), Some(("punches", 3, 8)));
    assert_eq!(letters[0].value_bytes().unwrap().unwrap(), b"{\"event_id\":\"p-9\",\xff");
    assert!(schemas::lines::header::ALL.iter().all(|name| letters[0].headers.contains_key(*name)));
    let verdicts: Vec<VerdictLine> = round_trip("verdicts.ndjson");
    assert_eq!((verdicts[0].site_id.as_deref(), verdicts[0].distance_m), (None, Some(-12.34)));
    let summaries: Vec<Summary> = round_trip("summary.json");
    assert_eq!((summaries[0].alerts["late"], summaries[0].truth_mismatches), (2, Some(0)));
    let ledger: Vec<LedgerLine> = round_trip("ledger.ndjson");
    assert_eq!((ledger[1].event_id.as_deref(), ledger[1].anomalies.len()), (None, 2));
}

#[test]
fn columns_of_the_lake() {
    let mut text = String::new();
    for table in tables::ALL {
        _ = writeln!(text, "{}", table.name);
        for field in (table.schema)().fields() {
            let null = if field.is_nullable() { " null" } else { "" };
            _ = writeln!(text, "    {} {}{null}", field.name(), field.data_type());
        }
    }
    check_generated(&folder("golden/v1/tables.txt"), &text);
}

/// `tables-<n>.txt` are the columns of lakes that exist: none is ever gone or of another type, and what joined them may be null.
#[test]
fn columns_of_past_lakes_stay() {
    type Columns = BTreeMap<(String, String), String>;
    let read = |text: &str| -> Columns {
        let (mut columns, mut table) = (Columns::new(), String::new());
        for line in text.lines() {
            match line.strip_prefix("    ").and_then(|column| column.split_once(' ')) {
                Some((name, kind)) => _ = columns.insert((table.clone(), name.to_owned()), kind.to_owned()),
                None => table = line.to_owned(),
            }
        }
        columns
    };
    let now = read(&golden("tables.txt"));
    for version in 1..=1 {
        let then = read(&golden(&format!("tables-{version}.txt")));
        let tables: BTreeSet<&String> = then.keys().map(|(table, _)| table).collect();
        for (column, kind) in &then {
            assert_eq!(now.get(column), Some(kind), "{column:?} of version {version}");
        }
        for (column, kind) in now.iter().filter(|(column, _)| !then.contains_key(column)) {
            assert!(!tables.contains(&column.0) || kind.ends_with(" null"), "{column:?} must be optional");
        }
    }
}

#[test]
fn json_schemas() {
    let mut names = Vec::new();
    for schema in json_schema::all() {
        names.push(format!("{}.json", schema.name));
        check_generated(
            &folder("json").join(format!("{}.json", schema.name)),
            &json_schema::text(&schema.schema),
        );
    }
    let on_disk = fs::read_dir(folder("json")).unwrap().map(|entry| entry.unwrap().file_name());
    for name in on_disk {
        assert!(
            names.iter().any(|known| name == known.as_str()),
            "{name:?} is no schema any more: remove it"
        );
    }
}
