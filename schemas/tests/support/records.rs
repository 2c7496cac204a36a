//! Records of JSON in every shape and style, values near the border of what a scanner takes, and damage.

use std::fmt::Write as _;

use crate::dice::Dice;

/// A whole punch in compact spelling.
pub(crate) const PLAIN: &str = r#"{"event_id":"0f8fad5b-d9cb-469f-a165-70867728950e","employee_id":"E1024","kind":"in","occurred_at":"2026-11-22T08:58:31.250+08:00","origin":"phone","trigger":"manual","device_id":"d-1","location":{"lon":114.1694,"lat":22.3193,"accuracy_m":12.5,"datum":"wgs84","mocked":false,"platform":"android"},"wifi":[{"bssid":"a4:56:30:0b:9c:ff","rssi":-61,"connected":true,"age_ms":120},{"bssid":"02:00:00:00:00:00"},{"bssid":"A456300B9C00","rssi":-70}],"beacons":[{"uuid":"fda50693-a4e2-4fb1-afcf-c6eb07647825","major":1,"minor":2,"rssi":-70}],"photo":{"ref":"s3://x","sha256":"00"},"note":"雨","notice_version":"3","tz":"Asia/Hong_Kong"}"#;

/// Values that a field may have, rightly or wrongly.
pub(crate) const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "nul",
    "nullx",
    "True",
    "0",
    "-0",
    "-0.0",
    "0.0",
    "00",
    "01",
    "-01",
    "-",
    "+1",
    "1.",
    ".5",
    "1.5",
    "-61",
    "-61.5",
    "-61.49999999999999999",
    "1e2",
    "1E-2",
    "1.5e3",
    "1e999",
    "-1e999",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "-32769",
    "32768",
    "1795309111000",
    "7258118399999",
    "7258118400000",
    "253402300799999",
    "999999999999999999",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "0.1000000000000000055",
    "114.16941234567890123",
    "179.99999999999999",
    "180",
    "180.00000000000001",
    "-180",
    "90",
    "90.5",
    "NaN",
    "Infinity",
    "\"\"",
    "\"in\"",
    "\"IN\"",
    "\"break_out\"",
    "\"phone\"",
    "\"wifi\"",
    "\"gcj02\"",
    "\"ios\"",
    "\"a\\n\"",
    "\"a\\u0041\"",
    "\"\\ud800\"",
    "\"雨\"",
    "\"a\tb\"",
    "\"a",
    "\"a\\\"",
    "\"\u{7f}\"",
    "\"x\"y",
    "\"exactly 8\"",
    "\"exactly sixteen!\"",
    "\"2026-11-22T08:58:31+08:00\"",
    "\"2026-11-22T08:58:31Z\"",
    "\"2026-11-22t08:58:31z\"",
    "\"2026-11-22 08:58:31Z\"",
    "\"2026-11-22T08:58:31.123456789+08:00\"",
    "\"2016-12-31T23:59:60Z\"",
    "\"2026-02-29T00:00:00Z\"",
    "\"2026-11-22T08:58:31\"",
    "\"1969-12-31T23:59:59-01:00\"",
    "\"1970-01-01T00:00:00+00:01\"",
    "\"2200-01-01T00:00:00Z\"",
    "\"a4:56:30:0b:9c:ff\"",
    "\"a4-56:30-0B:9c-Ff\"",
    "\"a456300b9c00\"",
    "\"a4:56:30:0b:9c:fg\"",
    "\"00:00:00:00:00:00\"",
    "\"ff:ff:ff:ff:ff:ff\"",
    "\"01:00:5e:00:00:01\"",
    "\"a4:56:30:0b:9c\"",
    "\"fda50693-a4e2-4fb1-afcf-c6eb07647825\"",
    "\"FDA50693A4E24FB1AFCFC6EB07647825\"",
    "\"fda5069-3a4e24fb1afcfc6eb07647825\"",
    "\"gda50693-a4e2-4fb1-afcf-c6eb07647825\"",
    "[]",
    "{}",
    "[null]",
    "[1]",
    "[[]]",
    "[{}]",
    "[{}, {} ]",
    "{\"a\":1}",
    "{\"a\":[1,{\"b\":null}]}",
    "[1,]",
    "{,}",
    "{\"lon\":1,\"lat\":2}",
    "{\"lat\":2 , \"lon\" : 1}",
    "{\"lon\":1,\"lon\":2,\"lat\":3}",
    "[{\"bssid\":\"a456300b9c00\"}]",
    "{\"ref\":\"x\"}",
    "{\"ref\":\"\",\"sha256\":null}",
    "{\"ref\":null}",
    "{\"ref\":1}",
    "",
];

/// How a producer spells its JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Nothing between tokens.
    Compact,
    /// A space behind each comma and colon, as Python does.
    Spaced,
    /// Lines and indents.
    Pretty,
}

/// All of them.
pub(crate) const STYLES: [Style; 3] = [Style::Compact, Style::Spaced, Style::Pretty];

/// A compact record in another style.
pub(crate) fn styled(compact: &str, style: Style) -> String {
    let (mut out, mut in_text) = (String::new(), false);
    for c in compact.chars() {
        in_text ^= c == '"';
        out.push(c);
        match (style, c) {
            _ if in_text => {}
            (Style::Spaced, ',' | ':') => out.push(' '),
            (Style::Pretty, ',' | '{' | '[') => out.push_str("\n    "),
            (Style::Pretty, ':') => out.push(' '),
            _ => {}
        }
    }
    if style == Style::Pretty {
        out.push_str("\r\n");
    }
    out
}

/// A record: most fields most of the time, in the contract's order or another one, in some style, good or nearly good.
pub(crate) fn record(dice: &mut Dice) -> String {
    let mut fields: Vec<String> = Vec::new();
    let names = [
        "event_id",
        "employee_id",
        "kind",
        "occurred_at",
        "origin",
        "trigger",
        "device_id",
        "site_id",
        "location",
        "wifi",
        "beacons",
        "photo",
        "note",
        "notice_version",
        "tz",
    ];
    let missing = 2 + dice.below(30);
    let strange = 4 + dice.below(200);
    for (at, name) in names.iter().enumerate() {
        if at > 4 && dice.once_in(2) || dice.once_in(missing) {
            continue;
        }
        let value = if dice.once_in(strange) { dice.pick(VALUES).to_owned() } else { good(dice, name) };
        fields.push(format!("\"{name}\":{value}"));
        if dice.once_in(20) {
            fields.push(format!("\"later_{at}\":{}", dice.pick(VALUES)));
        }
    }
    if dice.once_in(3) && fields.len() > 1 {
        for at in (1..fields.len()).rev() {
            fields.swap(at, dice.below(at + 1));
        }
    }
    if dice.once_in(30) && !fields.is_empty() {
        let again = fields[dice.below(fields.len())].clone();
        fields.insert(dice.below(fields.len()), again);
    }
    styled(&format!("{{{}}}", fields.join(",")), STYLES[[0, 0, 1, 2][dice.below(4)]])
}

/// A value that the field may well have.
fn good(dice: &mut Dice, name: &str) -> String {
    let text = |dice: &mut Dice, of: &[&str]| format!("\"{}\"", dice.pick(of));
    match name {
        "kind" => text(dice, &["in", "out", "break_out", "break_in", "auto"]),
        "origin" => text(dice, &["phone", "terminal", "kiosk", "field", "import", "correction"]),
        "trigger" => text(dice, &["manual", "wifi", "fence"]),
        "occurred_at" if dice.once_in(4) => dice.below(7_258_118_400_000).to_string(),
        "occurred_at" => {
            let (year, month, day) = (1970 + dice.below(230), 1 + dice.below(12), 1 + dice.below(28));
            let (hour, minute, second) = (dice.below(24), dice.below(60), dice.below(60));
            let fraction = ["", ".2", ".250", ".123456", ".123456789"][dice.below(5)];
            let offset = ["Z", "+08:00", "-03:30", "+00:00", "+14:00"][dice.below(5)];
            format!("\"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{offset}\"")
        }
        "location" => {
            let (lon, lat) = (coordinate(dice, 180), coordinate(dice, 90));
            let mut out = format!("{{\"lon\":{lon},\"lat\":{lat}");
            for (name, values) in [
                ("accuracy_m", &["12.5", "0", "-1", "65.00000000000001"][..]),
                ("datum", &["\"wgs84\"", "\"gcj02\"", "\"bd09\"", "null"]),
                ("mocked", &["true", "false", "null"]),
                ("platform", &["\"android\"", "\"ios\"", "\"\""]),
            ] {
                if dice.once_in(2) {
                    _ = write!(out, ",\"{name}\":{}", dice.pick(values));
                }
            }
            out + "}"
        }
        "wifi" => list(dice, access_point),
        "beacons" => list(dice, beacon),
        "photo" => {
            let whole = "0e".repeat(32);
            let [small, capital] = [whole.clone(), whole.to_uppercase()].map(|hash| format!("{hash:?}"));
            let hash = dice.pick(&["\"00\"", "null", "\"\"", &small, &capital]);
            let reference = dice.pick(&["\"s3://x\"", "null", "\"\"", "\"data:,x\"", "\"s3:\\/\\/x\""]);
            let (a, b) = (format!("\"ref\":{reference}"), format!("\"sha256\":{hash}"));
            match dice.below(4) {
                0 => format!("{{{b},{a}}}"),
                1 => format!("{{{a}}}"),
                _ => format!("{{{a},{b}}}"),
            }
        }
        _ => {
            let len = dice.below(40);
            let of = ["a", "b", "-", "7", "é", "員", "🏪", " ", ":", "{", ","];
            let ascii = dice.once_in(2);
            let letters: String =
                (0..len).map(|_| of[dice.below(if ascii { 4 } else { of.len() })]).collect();
            let escape = if dice.once_in(15) { "\\n" } else { "" };
            format!("\"{letters}{escape}\"")
        }
    }
}

fn list(dice: &mut Dice, entry: fn(&mut Dice) -> String) -> String {
    let entries: Vec<String> = (0..dice.below(6)).map(|_| entry(dice)).collect();
    format!("[{}]", entries.join(","))
}

fn access_point(dice: &mut Dice) -> String {
    let bits = (dice.below(1 << 48) as u64).to_be_bytes();
    let between = dice.pick(&[":", "-", ""]);
    let octets: Vec<String> = bits[2..].iter().map(|octet| format!("{octet:02x}")).collect();
    let address = octets.join(between);
    let address = if dice.once_in(2) { address.to_uppercase() } else { address };
    let mut out = format!("{{\"bssid\":\"{address}\"");
    for (name, values) in [
        ("rssi", &["-61", "-61.5", "-7", "0", "null", "-100"][..]),
        ("connected", &["true", "false", "null"]),
        ("age_ms", &["0", "120", "4294967296", "12.9", "-1"]),
    ] {
        if dice.once_in(2) {
            _ = write!(out, ",\"{name}\":{}", dice.pick(values));
        }
    }
    out + "}"
}

fn beacon(dice: &mut Dice) -> String {
    let uuid =
        dice.pick(&["fda50693-a4e2-4fb1-afcf-c6eb07647825", "FDA50693A4E24FB1AFCFC6EB07647825", "fda5"]);
    let (major, minor) = (dice.below(66_000), dice.below(66_000));
    format!("{{\"uuid\":\"{uuid}\",\"major\":{major},\"minor\":{minor},\"rssi\":-{}}}", dice.below(100))
}

fn coordinate(dice: &mut Dice, bound: usize) -> String {
    let sign = dice.pick(&["", "-"]);
    let digits = dice.below(19);
    let fraction: String = (0..digits).map(|_| char::from(b'0' + dice.below(10) as u8)).collect();
    let point = if digits == 0 { "" } else { "." };
    format!("{sign}{}{point}{fraction}", dice.below(bound))
}

/// A number of JSON that is not out of range: of any length, near powers of two and halfway between two floating-point numbers too.
pub(crate) fn number(dice: &mut Dice) -> String {
    match dice.below(4) {
        0 => coordinate(dice, 1_000),
        1 => f64::from_bits((1.0_f64.to_bits() + dice.below(1 << 58) as u64) & !(1 << 63)).to_string(),
        2 => {
            // Halfway between two neighbours, written out: 2^53 + 1 with its point somewhere, or a little beside it.
            let whole = (1_usize << 53) + 2 * dice.below(1 << 40) + dice.below(3);
            let places = 1 + dice.below(15);
            let digits = whole.to_string();
            let (front, back) = digits.split_at(digits.len() - places);
            format!("{front}.{back}{}", dice.pick(&["", "0", "00", "5", "000000000000000000001"]))
        }
        _ => {
            let places = 1 + dice.below(16);
            format!("{}.{:0places$}", dice.below(100), dice.below(10_usize.pow(places as u32)))
        }
    }
}

/// One thing that happens to bytes: a flip, a cut, a piece lost or repeated, white space, an escape or letters put in.
pub(crate) fn damage(dice: &mut Dice, value: &mut Vec<u8>) {
    if value.is_empty() {
        return;
    }
    let at = dice.below(value.len());
    let until = (at + 1 + dice.below(12)).min(value.len());
    match dice.below(8) {
        0 => value[at] ^= 1 << dice.below(8),
        1 => value.truncate(at),
        2 => drop(value.drain(at..until)),
        3 => {
            let piece = value[at..until].to_vec();
            value.splice(until..until, piece);
        }
        4 => {
            let bytes = b" \t\n\r{}[],:\"\\0-.e\x01\x7f\xff";
            value[at] = bytes[dice.below(bytes.len())];
        }
        5 => {
            let piece =
                dice.pick(&[" ", "\n\t", "\\u0041", "\\\"", "雨", "\u{feff}", "null", "0", "\"", ",", "e1"]);
            value.splice(at..at, piece.bytes());
        }
        6 => value.swap(at, until - 1),
        _ => {
            // Exchange two entries: a place where a comma stands becomes the front.
            if let Some(comma) = value.iter().skip(at).position(|byte| *byte == b',') {
                let middle = at + comma;
                let end = value.len();
                value[at..end].rotate_left(middle - at);
            }
        }
    }
}
