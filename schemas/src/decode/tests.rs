//! Outcomes of decoding, one record a case. A case prints what the batch holds of it.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use model::{Batch, NextOffset, Partition};

use super::*;

/// What a decoder makes of one record, in one line.
fn shown(format: Format, options: ImportOptions, value: Option<&[u8]>, append_ms: Option<i64>) -> String {
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    let append_time = append_ms.map(EventTime::from_ms);
    let record = RawRecord { offset: Offset::new(7).unwrap(), append_time, value };
    Decoder::new(format, options).decode(record, &mut batch);
    assert_eq!(batch.records(), 1, "one record, one outcome");
    assert_eq!(batch.next, record.offset.next());
    show(&batch)
}

fn show(batch: &Batch) -> String {
    let mut out = String::new();
    for reject in &batch.rejects {
        assert!(batch.access_points.is_empty() && batch.beacons.is_empty(), "a reject leaves nothing behind");
        let id = |id: &Option<String>| id.clone().unwrap_or_else(|| "-".to_owned());
        let (employee, event) = (id(&reject.employee_id), id(&reject.event_id));
        _ = write!(out, "{} {employee} {event}: {}", reject.code.name(), reject.message);
    }
    for punch in &batch.punches {
        let text = |text| Some(batch.text(text)).filter(|text| !text.is_empty()).unwrap_or("-");
        _ = write!(out, "{} {} {}", text(punch.event_id), text(punch.employee_id), punch.kind.name());
        _ = write!(out, " {} {}", punch.occurred_at.timestamp(), punch.origin.name());
        if punch.received_at != punch.occurred_at {
            _ = write!(out, " received {}", punch.received_at.timestamp());
        }
        if let Some(trigger) = punch.trigger {
            _ = write!(out, " by {}", trigger.name());
        }
        for (name, value) in
            [("device", punch.device_id), ("site", punch.site_claim), ("tz", punch.time_zone)]
        {
            if !value.is_empty() {
                _ = write!(out, " {name} {}", batch.text(value));
            }
        }
        if let Some(fix) = punch.fix {
            let (lon, lat) = (fix.point.lon(), fix.point.lat());
            _ = write!(out, " fix {lon} {lat} {:?} {}", fix.accuracy_m, fix.datum.name());
            _ = write!(out, " {:?}{}", fix.platform, if fix.mocked { " mocked" } else { "" });
        }
        for point in batch.wifi(punch) {
            _ = write!(out, " ap {} {:?} {} {}", point.bssid, point.rssi_dbm, point.connected, point.age_ms);
        }
        if punch.wifi_ignored > 0 {
            _ = write!(out, " ignored {}", punch.wifi_ignored);
        }
        for beacon in batch.beacons(punch) {
            let id = beacon.id;
            _ = write!(out, " beacon {:x}/{}/{} {:?}", id.uuid, id.major, id.minor, beacon.rssi_dbm);
        }
        for (name, part) in [("photo", punch.photo.reference), ("sha256", punch.photo.sha256)] {
            if let Some(part) = part {
                _ = write!(out, " {name} {:?}", batch.text(part));
            }
        }
    }
    if batch.unknown_fields > 0 {
        _ = write!(out, " unknown {}", batch.unknown_fields);
    }
    out
}

/// A whole punch whose fields are then changed: `check("kind", "\"IN\"", …)` replaces one, an empty value removes it.
fn check(field: &str, value: &str, want: &str) {
    let defaults = [
        ("event_id", "\"p-1\""),
        ("employee_id", "\"E1\""),
        ("kind", "\"in\""),
        ("occurred_at", "\"2026-11-22T08:58:31+08:00\""),
        ("origin", "\"phone\""),
    ];
    let mut fields: Vec<_> = defaults.into_iter().filter(|(name, _)| *name != field).collect();
    if !value.is_empty() {
        fields.push((field, value));
    }
    let body: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let text = format!("{{{}}}", body.join(","));
    let shown = shown(Format::Json, ImportOptions::default(), Some(text.as_bytes()), None);
    let shown = shown.strip_prefix("p-1 E1 in 2026-11-22T00:58:31Z phone").unwrap_or(&shown).trim();
    assert_eq!(shown, want, "{text}");
}

fn check_bytes(bytes: &[u8], want: &str) {
    let shown = shown(Format::Json, ImportOptions::default(), Some(bytes), None);
    assert!(shown.starts_with(want), "{:?}: {shown}, expected {want}", String::from_utf8_lossy(bytes));
}

#[test]
fn a_whole_punch() {
    let text = r#"{"event_id":"p-1","employee_id":"E1","kind":"break_out","occurred_at":1795309111000,
        "origin":"phone","trigger":"wifi","device_id":"d","site_id":"hk-0001",
        "location":{"lon":114.17,"lat":22,"accuracy_m":12.5,"datum":"gcj02","mocked":true,"platform":"ios"},
        "wifi":[{"bssid":"A4-56-30-0B-9C-FF","rssi":-61,"connected":true,"age_ms":120},{"bssid":"a456300b9c00"}],
        "beacons":[{"uuid":"FDA50693-A4E2-4FB1-AFCF-C6EB07647825","major":1,"minor":65535,"rssi":-70}],
        "photo":{"ref":"s3://x","sha256":"00"},"note":"雨","notice_version":"3","tz":"Asia/Hong_Kong"}"#;
    let want = "p-1 E1 break_out 2026-11-22T00:58:31Z phone received 2026-11-22T00:58:32Z by wifi device d \
        site hk-0001 tz Asia/Hong_Kong fix 114.17 22 Some(12.5) gcj02 Ios mocked \
        ap a4:56:30:0b:9c:ff Some(-61) true 120 ap a4:56:30:0b:9c:00 None false 0 \
        beacon fda50693a4e24fb1afcfc6eb07647825/1/65535 Some(-70) photo \"s3://x\" sha256 \"\"";
    let options = ImportOptions::default();
    assert_eq!(shown(Format::Json, options, Some(text.as_bytes()), Some(1_795_309_112_000)), want);
}

#[test]
fn bytes_that_are_no_object() {
    check_bytes(b"", "not_json - -: EOF");
    check_bytes(b"{\"event_id\":\"p-1\",\"employee_id\":\"E", "not_json - p-1: EOF");
    check_bytes(b"{\"event_id\":\"p-1\"}{}", "not_json - p-1: trailing");
    check_bytes(b"{\"event_id\":\"p-1\",}", "not_json - p-1: trailing comma");
    check_bytes(b"hello", "not_json - -: expected value");
    check_bytes(b"{\"event_id\":\"\xff\"}", "not_utf8 - -: byte 13 is not UTF-8");
    check_bytes(b"{\"event_id\":\"a\x00b\"}", "not_json");
    check_bytes(b"{\"event_id\":\"\\ud800\"}", "not_json");
    check_bytes(b"[1]", "wrong_type - -: the record is an array, expected an object");
    check_bytes(b"\"p\"", "wrong_type - -: the record is the text \"p\", expected an object");
    check_bytes(b"null", "wrong_type - -: the record is null");
    check_bytes(b"3", "wrong_type");
    check_bytes(b"{}", "missing_field - -: `event_id` is missing or empty");
    check_bytes(
        b"{\"a\":[[{\"b\":1}]],\"c\":2}",
        "missing_field - -: `event_id` is missing or empty unknown 2",
    );
    assert!(shown(Format::Json, ImportOptions::default(), None, None).starts_with("null_value"));
    let options = ImportOptions { record_bytes_max: 8, ..ImportOptions::default() };
    let large = shown(Format::Json, options, Some(b"{      }x"), None);
    assert_eq!(large, "too_large - -: the record has 9 bytes or more, a punch has at most 8");
    check_bytes("\u{feff}{}".as_bytes(), "missing_field");
}

#[test]
fn required_fields() {
    for field in ["kind", "occurred_at", "origin"] {
        for value in ["", "null", "\"\""] {
            check(field, value, &format!("missing_field E1 p-1: `{field}` is missing or empty"));
        }
    }
    for value in ["", "null", "\"\""] {
        check("event_id", value, "missing_field E1 -: `event_id` is missing or empty");
        check("employee_id", value, "missing_field - p-1: `employee_id` is missing or empty");
    }
    check("employee_id", "17", "wrong_type - p-1: `employee_id` is 17, expected a text");
    check("event_id", "{\"a\":1}", "wrong_type E1 -: `event_id` is an object, expected a text");
    check(
        "kind",
        "\"IN\"",
        "wrong_type E1 p-1: `kind` is the text \"IN\", expected in, out, break_out, break_in or auto",
    );
    check(
        "origin",
        "[1]",
        "wrong_type E1 p-1: `origin` is an array, expected phone, terminal, kiosk, field, import or correction",
    );
    check(
        "trigger",
        "\"nfc\"",
        "wrong_type E1 p-1: `trigger` is the text \"nfc\", expected manual, wifi or fence",
    );
    check("trigger", "null", "");
    check("device_id", "\"\"", "");
    check("device_id", "5", "wrong_type E1 p-1: `device_id` is 5, expected a text");
    check("note", "{\"any\":[1,2]}", "");
    check("future_field", "{\"any\":[1,2]}", "unknown 1");
}

#[test]
fn times() {
    check("occurred_at", "0", "p-1 E1 in 1970-01-01T00:00:00Z phone");
    check("occurred_at", "7258118399999", "p-1 E1 in 2199-12-31T23:59:59.999Z phone");
    let impossible = |value: &str, shown: &str, why: &str| {
        check("occurred_at", value, &format!("time_impossible E1 p-1: `occurred_at` is {shown}: {why}"));
    };
    impossible("-1", "-1", "outside 1970 to 2199");
    impossible("7258118400000", "7258118400000", "outside 1970 to 2199");
    impossible("9223372036854775807", "9223372036854775807", "outside 1970 to 2199");
    impossible("\"9999-12-31T00:00:00Z\"", "the text \"9999-12-31T00:00:00Z\"", "outside 1970 to 2199");
    impossible("\"1969-12-31T23:59:59Z\"", "the text \"1969-12-31T23:59:59Z\"", "outside 1970 to 2199");
    let no_time = "no RFC 3339 time with offset";
    impossible("18446744073709551615", "18446744073709552000", no_time);
    impossible("\"2026-11-22T08:58:31\"", "the text \"2026-11-22T08:58:31\"", no_time);
    impossible("\"2026-02-30T08:58:31Z\"", "the text \"2026-02-30T08:58:31Z\"", no_time);
    impossible("\"yesterday\"", "the text \"yesterday\"", no_time);
    let expected = "expected RFC 3339 text with offset, or whole epoch milliseconds";
    check("occurred_at", "1.5", &format!("wrong_type E1 p-1: `occurred_at` is 1.5, {expected}"));
    check("occurred_at", "true", &format!("wrong_type E1 p-1: `occurred_at` is true, {expected}"));
}

#[test]
fn locations() {
    check("location", "null", "");
    check("location", "{\"lon\":-180,\"lat\":90}", "fix -180 90 None wgs84 Unknown");
    check(
        "location",
        "{\"lat\":1,\"lon\":2,\"accuracy_m\":-1,\"x\":0}",
        "fix 2 1 Some(-1.0) wgs84 Unknown unknown 1",
    );
    check(
        "location",
        "{\"lon\":1,\"lat\":2,\"datum\":null,\"mocked\":null,\"platform\":null,\"accuracy_m\":null}",
        "fix 1 2 None wgs84 Unknown",
    );
    let bad =
        |value: &str, message: &str| check("location", value, &format!("bad_coordinates E1 p-1: {message}"));
    bad("{\"lon\":180.1,\"lat\":0}", "`lon` is beyond ±180");
    bad("{\"lon\":0,\"lat\":-91}", "`lat` is beyond ±90; are they swapped?");
    bad("{\"lon\":22.3,\"lat\":114.2}", "`lat` is beyond ±90; are they swapped?");
    bad("{\"lon\":999,\"lat\":999}", "`lon` is beyond ±180, `lat` beyond ±90");
    bad("{\"lon\":\"114.1\",\"lat\":0}", "`location.lon` is a text, expected a number");
    bad("{\"lon\":1,\"lat\":null}", "`location.lat` is null, expected a number");
    bad("{\"lon\":1}", "`location` lacks `lon` or `lat`");
    bad("{}", "`location` lacks `lon` or `lat`");
    for value in ["NaN", "Infinity", "-Infinity", "1e999"] {
        let text = format!("{{\"employee_id\":\"E1\",\"location\":{{\"lon\":{value},\"lat\":1}}}}");
        check_bytes(text.as_bytes(), "bad_coordinates E1 -: `location.lon` is no number: ");
    }
    check_bytes(b"{\"location\":{\"lon\":11", "not_json");
    check_bytes(b"{\"location\":{\"lon\":1,\"lat\":2,\"accuracy_m\":NaN}}", "not_json");
    let wrong =
        |value: &str, message: &str| check("location", value, &format!("wrong_type E1 p-1: {message}"));
    wrong("\"here\"", "`location` is a text, expected an object");
    wrong("[1,2]", "`location` is an array, expected an object");
    wrong(
        "{\"lon\":1,\"lat\":2,\"accuracy_m\":\"5\"}",
        "`location.accuracy_m` is the text \"5\", expected a number",
    );
    wrong(
        "{\"lon\":1,\"lat\":2,\"mocked\":\"no\"}",
        "`location.mocked` is the text \"no\", expected true or false",
    );
    wrong("{\"lon\":1,\"lat\":2,\"lon\":3}", "`lon` appears twice");
    wrong(
        "{\"lon\":1,\"lat\":2,\"datum\":\"nad27\"}",
        "`location.datum` is the text \"nad27\", expected wgs84, gcj02 or bd09",
    );
    wrong(
        "{\"lon\":1,\"lat\":2,\"platform\":\"symbian\"}",
        "`location.platform` is the text \"symbian\", expected android or ios",
    );
}

#[test]
fn malformed_radios_are_dropped_and_never_a_reject() {
    let good = "{\"bssid\":\"a456300b9cff\"}";
    let kept = "ap a4:56:30:0b:9c:ff None false 0";
    check("wifi", "[]", "");
    check("wifi", "null", "");
    check("wifi", "{}", "wrong_type E1 p-1: `wifi` is an object, expected an array");
    for bad in [
        "{\"bssid\":\"00:00:00:00:00:00\"}",
        "{\"bssid\":\"02:00:00:00:00:00\"}",
        "{\"bssid\":\"ff:ff:ff:ff:ff:ff\"}",
        "{\"bssid\":\"01:00:5e:00:00:01\"}",
        "{\"bssid\":\"192.168.1.1\"}",
        "{\"bssid\":7}",
        "{\"rssi\":-60}",
        "{\"bssid\":\"a456300b9cfe\",\"rssi\":\"strong\"}",
        "{\"bssid\":\"a456300b9cfe\",\"connected\":1}",
        "{\"bssid\":\"a456300b9cfe\",\"age_ms\":-1}",
        "{\"bssid\":\"a456300b9cfe\",\"bssid\":\"a456300b9cfd\"}",
        "\"a456300b9cfe\"",
        "null",
        "[[]]",
    ] {
        check("wifi", &format!("[{bad},{good},{bad}]"), &format!("{kept} ignored 2"));
    }
    let edges =
        "{\"bssid\":\"a456300b9cff\",\"rssi\":-61.6,\"connected\":null,\"age_ms\":1e12,\"ssid\":\"x\"}";
    check("wifi", &format!("[{edges}]"), "ap a4:56:30:0b:9c:ff Some(-62) false 4294967295 unknown 1");
    let beacon = "{\"uuid\":\"fda50693a4e24fb1afcfc6eb07647825\",\"major\":1,\"minor\":2}";
    let kept = "beacon fda50693a4e24fb1afcfc6eb07647825/1/2 None";
    for bad in [
        "{\"uuid\":\"fda5\",\"major\":1,\"minor\":2}",
        "{\"uuid\":\"fda50693a4e24fb1afcfc6eb07647825\",\"major\":65536,\"minor\":2}",
        "{\"uuid\":\"fda50693a4e24fb1afcfc6eb07647825\",\"major\":1}",
        "{\"uuid\":\"fda50693a4e24fb1afcfc6eb07647825\",\"major\":1.5,\"minor\":2}",
        "17",
    ] {
        check("beacons", &format!("[{bad},{beacon}]"), kept);
    }
    check("beacons", "5", "wrong_type E1 p-1: `beacons` is 5, expected an array");
    let hash = "0e".repeat(32);
    let whole = format!("photo \"s3://x\" sha256 {hash:?}");
    check("photo", &format!("{{\"ref\":\"s3://x\",\"sha256\":{hash:?}}}"), &whole);
    check("photo", &format!("{{ \"sha256\":{:?},\"ref\":\"s3:\\/\\/x\"}}", hash.to_uppercase()), &whole);
    check("photo", "{\"ref\":\"s3://x\",\"sha256\":\"00\"}", "photo \"s3://x\" sha256 \"\"");
    check("photo", "{\"ref\":\"data:image/png;base64,AA==\",\"sha256\":null}", "photo \"\"");
    check("photo", "{\"ref\":\"\",\"sha256\":\"\"}", "");
    check("photo", "{\"ref\":\"s3://x\",\"ref\":\"s3://y\"}", "wrong_type E1 p-1: `ref` appears twice");
    check("photo", "{\"ref\":5}", "wrong_type E1 p-1: `photo.ref` is 5, expected a text");
}

#[test]
fn a_key_that_appears_twice_is_refused() {
    check("employee_id", "\"E2\",\"employee_id\":\"E3\"", "wrong_type E2 p-1: `employee_id` appears twice");
    check("x", "1,\"x\":2", "unknown 2");
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let depth = 40_000;
        let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        check("x", &nested, "unknown 1");
        check("note", &nested, "");
        check("wifi", &format!("[{nested}]"), if open == "[" { "ignored 1" } else { "ignored 1 unknown 1" });
        let kind = shown(Format::Json, ImportOptions::default(), Some(nested.as_bytes()), None);
        assert!(kind.starts_with("wrong_type") || kind.starts_with("missing_field"), "{kind}");
    }
}

fn hong_kong() -> ImportOptions {
    let time_zone = TimeZone::get("Asia/Hong_Kong").unwrap();
    ImportOptions { time_zone, device_id: "clock-9".to_owned(), ..ImportOptions::default() }
}

/// Ids are left out of what is compared; they have their own test.
fn check_line(format: &Format, options: &ImportOptions, line: &str, want: &str) {
    let shown = shown(format.clone(), options.clone(), Some(line.as_bytes()), None);
    let shown = match shown.split_once(' ') {
        Some((id, rest)) if id.len() == 32 => rest,
        _ => &shown,
    };
    assert_eq!(shown, want, "{line}");
}

#[test]
fn attlog_lines() {
    let check = |line: &str, want: &str| check_line(&Format::AttLog, &hong_kong(), line, want);
    check("      126\t2020-01-07 10:34:08\t1\t0\t1\t0\r\n", "126 in 2020-01-07T02:34:08Z import device 1");
    check("7\t2020-01-07 10:34:08\t\t4\t1\t0\tM", "7 in 2020-01-07T02:34:08Z import device clock-9");
    for (state, kind) in
        [("1", "out"), ("2", "break_out"), ("3", "break_in"), ("5", "out"), ("255", "auto"), ("", "auto")]
    {
        check(
            &format!("7\t2020-01-07 10:34:08\t1\t{state}"),
            &format!("7 {kind} 2020-01-07T02:34:08Z import device 1"),
        );
    }
    check(
        "7\t2020-01-07 10:34:08\t1\t9\t1",
        "wrong_type 7 -: `state` is \"9\", which the state map does not name",
    );
    check(
        "7\t2020-01-07 10:34:08\t1\tin\t1",
        "wrong_type 7 -: `state` is \"in\", which the state map does not name",
    );
    check("\t2020-01-07 10:34:08\t1\t0\t1", "missing_field - -: `person` is missing or empty");
    check("7\t \t1\t0\t1", "missing_field 7 -: `time` is missing or empty");
    check(
        "7\t2020-13-07 10:34:08\t1\t0\t1",
        "time_impossible 7 -: `time` is \"2020-13-07 10:34:08\": no date and time such as 2026-11-22 08:58:31",
    );
    check(
        "7\t1899-12-30 00:00:00\t1\t0\t1",
        "time_impossible 7 -: `time` is \"1899-12-30 00:00:00\": outside 1970 to 2199",
    );
    let format = "not the file's format: expected person, time, device and state, separated by tabs";
    check("7 2020-01-07 10:34:08 1 0", &format!("not_json - -: {format}"));
    check("", &format!("not_json - -: {format}"));
    let ignored = ImportOptions { attlog_states: AttLogStates::Ignored, ..hong_kong() };
    check_line(
        &Format::AttLog,
        &ignored,
        "7\t2020-01-07 10:34:08\t1\t0",
        "7 auto 2020-01-07T02:34:08Z import device 1",
    );
    let own = ImportOptions { attlog_states: AttLogStates::Mapped(vec![(9, Kind::Out)]), ..hong_kong() };
    check_line(
        &Format::AttLog,
        &own,
        "7\t2020-01-07 10:34:08\t1\t9",
        "7 out 2020-01-07T02:34:08Z import device 1",
    );
}

#[test]
fn cn_terminal_lines_never_keep_the_name() {
    let check = |line: &str, want: &str| check_line(&Format::CnTerminal, &hong_kong(), line, want);
    check("E0045,員工甲,2019/10/8 星期二 8:20\r\n", "E0045 auto 2019-10-08T00:20:00Z import device clock-9");
    check(
        "E0045,\"陳, 大文\",2019/10/8 星期二 8:20",
        "E0045 auto 2019-10-08T00:20:00Z import device clock-9",
    );
    check(
        "E0045,員工甲,2019/10/8 星期三 8:20",
        "time_impossible E0045 -: `出勤时间` is \"2019/10/8 星期三 8:20\": the date has another weekday",
    );
    check(",員工甲,2019/10/8 星期二 8:20", "missing_field - -: `登记号码` is missing or empty");
    check("E0045,員工甲,", "missing_field E0045 -: `出勤时间` is missing or empty");
    let format = "not_json - -: not the file's format: ";
    check("E0045,員工甲", &format!("{format}expected 登记号码, 姓名 and 出勤时间, found 2 columns"));
    check("E0045,\"員工甲,2019/10/8 星期二 8:20", &format!("{format}a quote is not closed"));
    check("", &format!("{format}the record is empty"));
}

fn columns(header: &str, names: &[(&str, &str)]) -> Result<CsvColumns, CsvHeaderError> {
    let names = names.iter().map(|(field, column)| ((*field).to_owned(), (*column).to_owned())).collect();
    CsvColumns::from_header(header.as_bytes(), &names)
}

#[test]
fn csv_lines() {
    let header = "event_id,employee_id,kind,occurred_at,origin,device_id,site_id,lon,lat,accuracy_m,datum,mocked,\
        platform,bssids,note,shoe_size\r\n";
    let format = Format::Csv(columns(header, &[]).unwrap());
    let check = |line: &str, want: &str| check_line(&format, &hong_kong(), line, want);
    check(
        "p-1, E1 ,in,2026-11-22T08:58:31+08:00,phone,d,s,114.1,22.2,5,gcj02,TRUE,ios,a456300b9cff; 02:00:00:00:00:00;,n,44",
        "p-1 E1 in 2026-11-22T00:58:31Z phone device d site s fix 114.1 22.2 Some(5.0) gcj02 Ios mocked \
         ap a4:56:30:0b:9c:ff None false 0 ignored 1 unknown 1",
    );
    check(
        "p-1,E1,,1795309111000,,,,,,,,,,,\"a\nb\",",
        "p-1 E1 auto 2026-11-22T00:58:31Z import device clock-9 unknown 1",
    );
    check(
        ",E1,out,2026-11-22 08:58,,,,,,,,,,,,",
        "E1 out 2026-11-22T00:58:00Z import device clock-9 unknown 1",
    );
    let tail = ",,,,,,";
    let bad = |lon_lat: &str, want: &str| {
        check(&format!("p-1,E1,in,1795309111000,,,,{lon_lat}{tail}{}", ","), &format!("{want} unknown 1"));
    };
    bad("nan,1", "bad_coordinates E1 p-1: `lon` is no number");
    bad("1,", "bad_coordinates E1 p-1: one of `lon` and `lat` is empty");
    bad("181,1", "bad_coordinates E1 p-1: `lon` is beyond ±180");
    check("p-1,E1,in", "not_json - -: not the file's format: 3 columns, the header has 16");
    check("p-1,,in,1,,,,,,,,,,,,", "missing_field - p-1: `employee_id` is missing or empty unknown 1");
    check("p-1,E1,in,,,,,,,,,,,,,", "missing_field E1 p-1: `occurred_at` is missing or empty unknown 1");
    check("p-1,E1,IN,1,,,,,,,,,,,,", "wrong_type E1 p-1: `kind` is \"IN\", which it cannot be unknown 1");
    check(
        "p-1,E1,in,-1,,,,,,,,,,,,",
        "time_impossible E1 p-1: `occurred_at` is \"-1\": outside 1970 to 2199 unknown 1",
    );
}

#[test]
fn csv_headers() {
    let other = columns("Staff No;Zeit", &[("employee_id", "Staff No"), ("occurred_at", "Zeit")]).unwrap();
    check_line(
        &Format::Csv(other),
        &hong_kong(),
        "E1;2026-11-22 08:58:31",
        "E1 auto 2026-11-22T00:58:31Z import device clock-9",
    );
    assert!(matches!(
        columns("employee_id,when", &[]),
        Err(CsvHeaderError::MissingColumn { field: "occurred_at", .. })
    ));
    assert!(matches!(
        columns("employee_id,occurred_at,kind,kind", &[]),
        Err(CsvHeaderError::ColumnTwice { .. })
    ));
    assert!(matches!(columns("a", &[("colour", "a")]), Err(CsvHeaderError::UnknownField { .. })));
    assert_eq!(CsvColumns::from_header(b"\xff", &ColumnNames::new()), Err(CsvHeaderError::NotCsv));
    assert_eq!(
        columns("\u{feff}employee_id\toccurred_at\r\n", &[]),
        columns("employee_id\toccurred_at", &[])
    );
}

#[test]
fn ids_of_imports_depend_on_clock_person_time_and_flags_alone() {
    let id = |format: &Format, options: &ImportOptions, line: &str| {
        let shown = shown(format.clone(), options.clone(), Some(line.as_bytes()), None);
        shown.split(' ').next().unwrap().to_owned()
    };
    let options = hong_kong();
    let attlog = |line: &str| id(&Format::AttLog, &options, line);
    let one = attlog("  126\t2020-01-07 10:34:08\t1\t0\t1\t0");
    // sha256sum of "1␟126␟2020-01-07T10:34:08␟0␟1␟0", where ␟ is the byte 0x1f.
    assert_eq!(one, EXPECTED_ID);
    assert_eq!(
        one,
        attlog("126\t2020-01-07 10:34:08 \t1\t0\t1\t0\tM\r\n"),
        "padding and what follows do not count"
    );
    for other in [
        "127\t2020-01-07 10:34:08\t1\t0\t1\t0",
        "126\t2020-01-07 10:34:09\t1\t0\t1\t0",
        "126\t2020-01-07 10:34:08\t2\t0\t1\t0",
        "126\t2020-01-07 10:34:08\t1\t1\t1\t0",
        "126\t2020-01-07 10:34:08\t1\t0\t0\t0",
        "126\t2020-01-07 10:34:08\t1\t0\t1\t1",
    ] {
        assert_ne!(one, attlog(other), "{other}");
    }
    let terminal = |device: &str, line: &str| {
        let options = ImportOptions { device_id: device.to_owned(), ..hong_kong() };
        id(&Format::CnTerminal, &options, line)
    };
    let line = "E1,甲,2019/10/8 星期二 8:20";
    assert_eq!(
        terminal("a", line),
        terminal("a", "E1,乙,2019-10-08 08:20:00"),
        "spelling and name do not count"
    );
    assert_ne!(terminal("a", line), terminal("b", line));
}

const EXPECTED_ID: &str = "bac92b2593d9cc5dad11b74babf2f34c";

/// What producers usually write is for the scanner: were it left to the general reader, the answer would be the same, late.
#[test]
fn the_scanner_takes_what_producers_write() {
    let takes = |text: &str| {
        let mut batch = Batch::new(Partition::new(0), NextOffset::START);
        let mut draft = draft::Draft::new(&batch);
        let compact = scan::read::<false>(text, &mut batch, &mut draft).is_some();
        let mut draft = draft::Draft::new(&batch);
        (compact, scan::read::<true>(text, &mut batch, &mut draft).is_some())
    };
    let golden = include_str!("../../golden/v1/punches.ndjson");
    let taken = golden.lines().filter(|line| takes(line).0).count();
    assert_eq!(taken, 4, "of the golden file the punches without lists in unknown fields");
    let plain = r#"{"event_id":"p-1","employee_id":"E1","kind":"in","occurred_at":1795309111000,"origin":"phone","trigger":null,"location":{"lon":114.1694123456789,"lat":-22.3,"accuracy_m":5},"wifi":[{"bssid":"a4:56:30:0b:9c:ff","rssi":-61},{"bssid":"","rssi":null}],"beacons":[{"uuid":"fda50693a4e24fb1afcfc6eb07647825","major":1,"minor":2}],"later":"x"}"#;
    assert_eq!(takes(plain), (true, true));
    let spaced = plain.replace("\":", "\": ").replace(",\"", ", \"");
    assert_eq!(takes(&spaced), (false, true), "as Python writes it");
    let reordered = r#"{"tz":"UTC","origin":"phone","occurred_at":"2026-11-22T08:58:31.5Z","kind":"in","event_id":"p","employee_id":"E"}"#;
    assert_eq!(takes(reordered), (true, true));
}
