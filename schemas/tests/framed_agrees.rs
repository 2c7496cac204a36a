//! Avro and Protobuf in a registry's frame against JSON: a punch written by the reference implementation of either format
//! is the same punch as its JSON, under our schemas and under other writers'; damage is one punch or one reject; an
//! unknown schema is neither. `FRAMED_SEED` repeats a run, `FRAMED_CASES` makes it longer.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code outside of `#[test]` functions")]

#[path = "support/dice.rs"]
mod dice;
#[path = "support/lines.rs"]
mod lines;
#[path = "support/seen.rs"]
mod seen;

use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use dice::Dice;
use lines::AvroStyle;
use model::{Batch, EventTime, NextOffset, Offset, Partition};
use schemas::decode::{SchemaId, WriterSchema};
use schemas::{Decoded, Decoder, Format, ImportOptions, RawRecord};
use seen::{decode_all, seen};

const PUNCH: &str = include_str!("../avro/punch.avsc");
const PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");

/// Another writer's schema: fields in another order, enums and addresses as texts, promotable types, and fields that no
/// version of the contract has, one of them recursive.
const OTHER: &str = r#"{"type":"record","name":"x.Clocking","fields":[
    {"name":"tz","type":["null","string"]},
    {"name":"wifi","type":{"type":"array","items":{"type":"record","name":"Seen","fields":[
        {"name":"age_ms","type":"long"},{"name":"channel","type":"int","default":0},{"name":"rssi","type":["null","int"]},
        {"name":"connected","type":"boolean"},{"name":"bssid","type":"string"}]}}},
    {"name":"tree","type":{"type":"record","name":"Tree","fields":[{"name":"kids","type":{"type":"array","items":"Tree"}}]}},
    {"name":"beacons","type":{"type":"array","items":{"type":"record","name":"Beacon","fields":[
        {"name":"minor","type":"long"},{"name":"major","type":"int"},{"name":"uuid","type":"string"},{"name":"rssi","type":["null","int"]}]}}},
    {"name":"occurred_at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"location","type":["null",{"type":"record","name":"Place","fields":[
        {"name":"lat","type":"double"},{"name":"lon","type":"double"},{"name":"accuracy_m","type":["null","float"]},
        {"name":"mocked","type":"boolean"},{"name":"platform","type":["null","string"]},{"name":"datum","type":"string"}]}]},
    {"name":"labels","type":{"type":"map","values":["null","long","string"]}},
    {"name":"kind","type":"string"},{"name":"origin","type":"string"},{"name":"trigger","type":["null","string"]},
    {"name":"employee_id","type":"string"},{"name":"event_id","type":"string"},
    {"name":"photo","type":["null",{"type":"record","name":"Photo","fields":[{"name":"sha256","type":"string"},{"name":"ref","type":"string"}]}]},
    {"name":"site_id","type":["null","string"]},{"name":"device_id","type":["null","string"]}]}"#;

fn decoder() -> Decoder {
    let mut decoder = Decoder::new(Format::Framed, ImportOptions::default());
    decoder.add_schema(SchemaId(1), WriterSchema::avro(PUNCH).unwrap());
    decoder.add_schema(SchemaId(2), WriterSchema::avro(OTHER).unwrap());
    decoder.add_schema(SchemaId(3), WriterSchema::protobuf(&[0]));
    decoder.add_schema(SchemaId(4), WriterSchema::protobuf(&[2, 1]));
    decoder.add_schema(SchemaId(5), WriterSchema::json());
    decoder
}

fn decoded(decoder: &mut Decoder, value: &[u8]) -> Batch {
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    decode_all(decoder, &[value], &mut batch);
    batch
}

/// `golden/v1/punches.framed.txt`: a line per record, its format and its bytes in hex, of the same punches. They were written
/// by the reference implementations; `UPDATE_GOLDEN=1` writes them anew.
#[test]
fn every_version_reads_the_golden_records() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/v1/punches.framed.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, golden()).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text == golden(), "what the reference implementations write has changed: look at the difference");
    let mut decoder = decoder();
    for (line, made) in text.lines().zip(golden_lines().iter().flat_map(|line| [line, line])) {
        let digits = line.rsplit_once(' ').unwrap().1;
        let value: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect();
        let json =
            decoded(&mut Decoder::general_json(ImportOptions::default()), &serde_json::to_vec(made).unwrap());
        assert_eq!(seen(&decoded(&mut decoder, &value)), seen(&json), "{line}");
    }
}

fn golden_lines() -> Vec<schemas::PunchLine> {
    let mut dice = Dice::seeded(1);
    (0..6).map(|_| lines::line(&mut dice)).collect()
}

fn golden() -> String {
    let pool = lines::proto_pool(PROTO);
    let punch = Schema::parse_str(PUNCH).unwrap();
    let shown = |value: &[u8]| value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines = golden_lines().into_iter().map(|line| {
        let avro = lines::framed(1, &lines::avro(&punch, &line, AvroStyle::Octets, Vec::new()));
        let proto = lines::framed(3, &[&[0], &lines::protobuf(&pool, &line)[..]].concat());
        format!("avro {}\nprotobuf {}\n", shown(&avro), shown(&proto))
    });
    lines.collect()
}

/// An Avro value that skips deeper than the reader's own fields go.
fn tree(dice: &mut Dice, depth: usize) -> Avro {
    let kids = (0..if depth == 0 { 0 } else { dice.below(3) }).map(|_| tree(dice, depth - 1)).collect();
    Avro::Record(vec![("kids".to_owned(), Avro::Array(kids))])
}

#[test]
fn a_punch_is_the_same_in_every_format() {
    let mut dice = Dice::from_env("FRAMED_SEED");
    let pool = lines::proto_pool(PROTO);
    let [punch, other] = [PUNCH, OTHER].map(|text| Schema::parse_str(text).unwrap());
    let mut decoder = decoder();
    for _ in 0..dice.cases("FRAMED_CASES", 1_000) {
        let line = lines::any_line(&mut dice);
        let json = serde_json::to_vec(&line).unwrap();
        let mut batch = Batch::new(Partition::new(0), NextOffset::START);
        decode_all(&mut Decoder::general_json(ImportOptions::default()), &[&json], &mut batch);
        assert_eq!(batch.punches.len(), 1);
        let want = seen(&batch);
        let avro = lines::avro(&punch, &line, AvroStyle::Octets, Vec::new());
        let proto = lines::protobuf(&pool, &line);
        for (id, head, body) in [
            (1, &[][..], &avro),
            (3, &[0][..], &proto),
            (3, &[2, 0][..], &proto),
            (4, &[4, 4, 2][..], &proto),
            (5, &[][..], &json),
        ] {
            let value = lines::framed(id, &[head, body].concat());
            assert_eq!(seen(&decoded(&mut decoder, &value)), want, "schema {id}: {line:?}");
        }
        let labels = [("a".to_owned(), Avro::Union(1, Avro::Long(7).into()))].into();
        let extra = vec![("tree", tree(&mut dice, 4)), ("labels", Avro::Map(labels))];
        let body = lines::avro(&other, &line, AvroStyle::Texts, extra);
        let mut batch = decoded(&mut decoder, &lines::framed(2, &body));
        assert_eq!(batch.unknown_fields, 2 + line.wifi.iter().flatten().count() as u64);
        batch.unknown_fields = 0;
        assert_eq!(seen(&batch), want, "another writer: {line:?}");
    }
}

#[test]
fn damaged_bytes_are_one_punch_or_one_reject() {
    let mut dice = Dice::from_env("FRAMED_SEED");
    let pool = lines::proto_pool(PROTO);
    let punch = Schema::parse_str(PUNCH).unwrap();
    let mut decoder = decoder();
    for _ in 0..dice.cases("FRAMED_CASES", 2_000) {
        let line = lines::any_line(&mut dice);
        let proto = [&[0], &lines::protobuf(&pool, &line)[..]].concat();
        let avro = lines::avro(&punch, &line, AvroStyle::Octets, Vec::new());
        for mut value in [lines::framed(3, &proto), lines::framed(1, &avro), lines::framed(2, &avro)] {
            for _ in 0..4 {
                let at = 5 + dice.below(value.len() - 5);
                match dice.below(4) {
                    0 => value[at] ^= 1 << dice.below(8),
                    1 => value.truncate(at),
                    2 => value.insert(at, dice.below(256) as u8),
                    _ => drop(value.remove(at)),
                }
                let batch = decoded(&mut decoder, &value);
                assert_eq!(batch.records(), 1, "{}", value.escape_ascii());
                if !batch.rejects.is_empty() {
                    assert!(batch.access_points.is_empty() && batch.beacons.is_empty());
                }
                if value.len() < 7 {
                    break;
                }
            }
        }
    }
}

/// A field without bytes in every record makes none of them one of the contract's own, while the bytes stay as they are.
#[test]
fn plain_records_read_as_walked_ones() {
    let mut dice = Dice::from_env("FRAMED_SEED");
    let with_nothing =
        |text: &str| text.replace(r#""fields": ["#, r#""fields": [{"name": "nothing", "type": "null"}, "#);
    // Under the other names some symbols mean nothing.
    let others = PUNCH
        .replace(r#""bd09""#, r#""mars""#)
        .replace(r#""ios""#, r#""watch""#)
        .replace(r#""out""#, r#""away""#);
    let mut decoder = decoder();
    for (id, text) in [(11, PUNCH), (12, &others)] {
        decoder.add_schema(SchemaId(id), WriterSchema::avro(text).unwrap());
        decoder.add_schema(SchemaId(id + 10), WriterSchema::avro(&with_nothing(text)).unwrap());
    }
    let punch = Schema::parse_str(PUNCH).unwrap();
    let mut taken = 0;
    for _ in 0..dice.cases("FRAMED_CASES", 2_000) {
        let body = lines::avro(&punch, &lines::line(&mut dice), AvroStyle::Octets, Vec::new());
        let mut damaged = body.clone();
        let at = dice.below(body.len());
        match dice.below(3) {
            0 => damaged[at] ^= 1 << dice.below(8),
            1 => damaged.truncate(at),
            _ => damaged[at] = dice.below(256) as u8,
        }
        for body in [&body, &damaged] {
            for id in [11, 12] {
                let plain = decoded(&mut decoder, &lines::framed(id, body));
                let mut walked = decoded(&mut decoder, &lines::framed(id + 10, body));
                taken += walked.punches.len();
                walked.unknown_fields = plain.unknown_fields;
                assert_eq!(format!("{plain:?}"), format!("{walked:?}"), "{}", body.escape_ascii());
            }
        }
    }
    assert!(taken > 2_000, "{taken} punches");
}

#[test]
fn a_cut_datum_is_no_other_punch() {
    let mut dice = Dice::from_env("FRAMED_SEED");
    let punch = Schema::parse_str(PUNCH).unwrap();
    let mut decoder = decoder();
    let value =
        lines::framed(1, &lines::avro(&punch, &lines::line(&mut dice), AvroStyle::Octets, Vec::new()));
    for len in 0..value.len() {
        let batch = decoded(&mut decoder, &value[..len]);
        assert_eq!(batch.rejects.len(), 1, "{len} of {}", value.len());
    }
    let longer = [&value[..], &[0]].concat();
    assert_eq!(
        decoded(&mut decoder, &longer).rejects[0].message,
        "not the topic's format: bytes behind the Avro datum"
    );
}

#[test]
fn an_unknown_schema_is_neither_punch_nor_reject() {
    let mut decoder = decoder();
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    let record = RawRecord {
        offset: Offset::new(3).unwrap(),
        append_time: Some(EventTime::from_us(1)),
        value: Some(&[0, 0, 0, 1, 7, 9]),
    };
    assert_eq!(decoder.decode(record, &mut batch), Decoded::UnknownSchema(SchemaId(263)));
    assert_eq!((batch.records(), batch.next), (0, NextOffset::START));
    decoder.add_schema(SchemaId(263), WriterSchema::json());
    assert_eq!(decoder.decode(record, &mut batch), Decoded::Taken);
    assert_eq!((batch.records(), batch.next.get()), (1, 4));
}

fn check(id: u32, body: &[u8], want: &str) {
    let batch = decoded(&mut decoder(), &lines::framed(id, body));
    let shown: Vec<_> = batch
        .rejects
        .iter()
        .map(|reject| format!("{} {:?}: {}", reject.code.name(), reject.employee_id, reject.message))
        .collect();
    assert_eq!(shown.join("|"), want, "{}", body.escape_ascii());
}

#[test]
fn faults_of_protobuf() {
    let whole = b"\x00\x0a\x01p\x12\x02E1\x18\x01\x20\x01\x28\x01";
    check(3, whole, "");
    let with = |more: &[u8]| [&whole[..], more].concat();
    check(
        3,
        &whole[1..],
        "not_json None: not the topic's format: another message of its Protobuf file than a punch",
    );
    check(
        4,
        whole,
        "not_json None: not the topic's format: another message of its Protobuf file than a punch",
    );
    check(3, b"", "not_json None: not the topic's format: Protobuf without message indexes");
    check(3, b"\x00", "missing_field None: `event_id` is missing or empty");
    check(3, &with(b"\x18\x09"), "wrong_type Some(\"E1\"): `kind` is 9, expected a number of punch.proto");
    check(3, &with(b"\x0a\x01\xff"), "not_utf8 Some(\"E1\"): `event_id`: byte 0 is not UTF-8");
    check(
        3,
        &with(b"\x08\x01"),
        "wrong_type Some(\"E1\"): `Punch.1` is a varint, expected the type of punch.proto",
    );
    check(3, &with(b"\x4a\x00"), "bad_coordinates Some(\"E1\"): `location` lacks `lon` or `lat`");
    let far = with(b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\x7f");
    check(
        3,
        &far,
        "time_impossible Some(\"E1\"): `occurred_at` is 9223372036854775807 µs: outside 1970 to 2199",
    );
    check(3, &with(b"\x4c"), "not_json Some(\"E1\"): not the topic's format: broken Protobuf");
    check(3, &with(b"\x0a\x05p"), "not_json Some(\"E1\"): not the topic's format: broken Protobuf");
    // Unknown fields of every wire type, a group in a group among them; an access point that is none.
    let unknown = with(
        b"\x80\x01\x07\x81\x01********\x82\x01\x01*\x83\x01\x83\x01\x84\x01\x84\x01\x85\x01****\x52\x00",
    );
    let batch = decoded(&mut decoder(), &lines::framed(3, &unknown));
    assert_eq!((batch.rejects.len(), batch.unknown_fields, batch.punches[0].wifi_ignored), (0, 5, 1));
}

#[test]
fn what_is_no_avro_schema_says_so() {
    for (text, want) in [
        ("{", "read the Avro schema: it is no JSON"),
        ("\"string\"", "read the Avro schema: its top is no record"),
        ("\"strin\"", "read the Avro schema: `strin` is no type"),
        (r#"{"type":"record","name":"P"}"#, "read the Avro schema: `P` lacks a usable `fields`"),
        (
            r#"{"type":"record","name":"P","fields":[{"name":"a"}]}"#,
            "read the Avro schema: `a` lacks a usable `type`",
        ),
        (r#"{"type":"array"}"#, "read the Avro schema: `array or map` lacks a usable `items`"),
    ] {
        let error = WriterSchema::avro(text).unwrap_err().to_string();
        assert!(error.starts_with(want), "{text}: {error}");
    }
}

#[test]
fn faults_of_avro() {
    let schema = |fields: &str| {
        let text = format!("{{\"type\":\"record\",\"name\":\"P\",\"fields\":[{fields}]}}");
        let mut decoder = Decoder::new(Format::Framed, ImportOptions::default());
        decoder.add_schema(SchemaId(9), WriterSchema::avro(&text).unwrap());
        decoder
    };
    let check = |fields: &str, body: &[u8], want: &str| {
        let batch = decoded(&mut schema(fields), &lines::framed(9, body));
        assert_eq!(
            (batch.rejects[0].code.name(), batch.rejects[0].message.as_str()),
            want.split_once(": ").unwrap()
        );
    };
    check(
        r#"{"name":"event_id","type":"long"}"#,
        &[2],
        "wrong_type: `event_id` is a number, expected a text",
    );
    check(
        r#"{"name":"kind","type":{"type":"enum","name":"K","symbols":["IN"]}}"#,
        &[0],
        "wrong_type: `kind` is the symbol \"IN\", expected a name of the contract",
    );
    check(
        r#"{"name":"wifi","type":"string"}"#,
        &[0],
        "wrong_type: `wifi` is a text or bytes, expected an array",
    );
    check(r#"{"name":"location","type":"null"}"#, &[], "missing_field: `event_id` is missing or empty");
    check(
        r#"{"name":"location","type":{"type":"array","items":"null"}}"#,
        &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0],
        "wrong_type: `location` is an array, a map or a record, expected a record",
    );
    let broken = "not_json: not the topic's format: broken Avro, or of another schema than its id says";
    check(r#"{"name":"kind","type":{"type":"enum","name":"K","symbols":["in"]}}"#, &[2], broken);
    check(r#"{"name":"kind","type":["null","string"]}"#, &[4], broken);
    check(r#"{"name":"event_id","type":"string"}"#, &[0x80; 11], broken);
    // A schema may nest without end; what nobody asked for is followed only so far.
    let linked = r#"{"name":"later","type":{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}}"#;
    check(linked, &[2; 200_000], broken);
}
