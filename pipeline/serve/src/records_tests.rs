//! Cases of bodies: what is a record, and what is said of it.

use proptest::prelude::*;

use super::*;

const GOOD: &str = r#"{"event_id":"e1","employee_id":"E1","kind":"in","occurred_at":"2026-11-02T08:58:31+08:00","origin":"phone"}"#;

fn punch(id: &str) -> String {
    GOOD.replace("e1", id)
}

/// Each record as `id ok key` or `id code`.
fn told(body: impl Into<Vec<u8>>, shape: Shape) -> Result<Vec<String>, Fault> {
    let records = read(&Bytes::from(body.into()), shape, 1_000)?;
    let line = |record: Record| {
        let id = record.event_id.unwrap_or_else(|| "-".into());
        match record.taken {
            Taken::Punch { key, .. } => format!("{id} ok {key}"),
            Taken::Reject { code, .. } => format!("{id} {}", code.name()),
        }
    };
    Ok(records.into_iter().map(line).collect())
}

fn values(body: &str, shape: Shape) -> Vec<Bytes> {
    let value = |record: Record| match record.taken {
        Taken::Punch { value, .. } => value,
        Taken::Reject { code, message } => panic!("{code:?}: {message}"),
    };
    read(&Bytes::copy_from_slice(body.as_bytes()), shape, 1_000).unwrap().into_iter().map(value).collect()
}

#[test]
fn a_record_keeps_its_bytes() {
    let spaced = GOOD.replace(",", " ,\n ").replace("E1", "\\u0045\\u0031");
    assert_eq!(values(&format!(" [ {spaced} , {GOOD}]\n"), Shape::Json), [&*spaced, GOOD]);
    assert_eq!(values(&format!("{GOOD}\r\n\n{GOOD}"), Shape::Lines), [GOOD, GOOD]);
    assert_eq!(values(&format!("\u{feff}[{GOOD}]"), Shape::Json), [GOOD]);
}

#[test]
fn a_body_is_an_array_a_lone_value_or_lines() {
    let two = Ok(vec!["a ok E1".to_owned(), "b ok E1".to_owned()]);
    assert_eq!(told(format!("[{},{}]", punch("a"), punch("b")), Shape::Json), two);
    assert_eq!(told(format!("{}\n{}\n", punch("a"), punch("b")), Shape::Lines), two);
    assert_eq!(told(format!("{}\n{}", punch("a"), punch("b")), Shape::Json), two);
    let pretty = GOOD.replace(',', ",\n  ");
    assert_eq!(told(pretty, Shape::Json), Ok(vec!["e1 ok E1".to_owned()]));
    assert_eq!(told("[]", Shape::Json), Ok(vec![]));
}

#[test]
fn a_row_of_arrow_is_a_record_of_json() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/golden/v1/punches.arrows");
    let golden = std::fs::read(path).unwrap();
    let records = read(&Bytes::from(golden.clone()), Shape::Arrow, 100_000).unwrap();
    assert_eq!(records.len(), 6);
    assert!(records.iter().all(|record| matches!(record.taken, Taken::Punch { .. })), "{records:?}");
    assert!(matches!(told(golden[..200].to_vec(), Shape::Arrow), Err(Fault::NotArrow(_))));
    assert!(matches!(told(GOOD, Shape::Arrow), Err(Fault::NotArrow(_))));
    assert_eq!(Shape::of(Some("application/vnd.apache.arrow.stream")), Some(Shape::Arrow));
}

#[test]
fn each_record_is_judged_by_itself() {
    let body = format!(
        "{GOOD}\nnot json\n{}\n{{\"event_id\":\"x\"}}\n{}\n7\n",
        punch("b").replace("\"in\"", "\"inn\""),
        punch("c").replace("2026", "1926"),
    );
    let expected =
        ["e1 ok E1", "- not_json", "b wrong_type", "x missing_field", "c time_impossible", "- wrong_type"];
    assert_eq!(told(body, Shape::Lines).unwrap(), expected);
    let long = punch(&"l".repeat(1_000));
    assert_eq!(told(format!("[{long}, null]"), Shape::Json).unwrap(), ["- too_large", "- wrong_type"]);
    let mut bytes = GOOD.as_bytes().to_vec();
    bytes.extend_from_slice(b"\n\xff\xfe\n");
    assert_eq!(told(bytes, Shape::Lines).unwrap(), ["e1 ok E1", "- not_utf8"]);
}

#[test]
fn what_is_no_json_at_all_is_refused_as_a_whole() {
    for (body, part) in [
        ("", "it is empty"),
        (" \n\t", "it is empty"),
        ("<html></html>", "no line of it is JSON"),
        ("[{\"event_id\":\"a\"},", "the array breaks off"),
        ("[1] 2", "the array breaks off"),
        ("event_id,employee_id\ne1,E1\n", "no line of it is JSON"),
    ] {
        match told(body, Shape::Json) {
            Err(Fault::NotJson(text)) => assert!(text.contains(part), "{part} in {text}"),
            other => panic!("{body:?}: {other:?}"),
        }
    }
    assert!(matches!(told(b"\xff\xfe\n\xff".to_vec(), Shape::Lines), Err(Fault::NotJson(_))));
}

#[test]
fn records_are_bounded() {
    let most = format!("[{}1]", "1,".repeat(RECORDS_MAX - 1));
    assert_eq!(told(most, Shape::Json).unwrap().len(), RECORDS_MAX);
    assert_eq!(told(format!("[{}1]", "1,".repeat(RECORDS_MAX)), Shape::Json), Err(Fault::TooMany));
    assert_eq!(told("1\n".repeat(RECORDS_MAX + 1), Shape::Lines), Err(Fault::TooMany));
}

#[test]
fn deep_nesting_is_a_reject_and_no_overflow() {
    let deep = format!("[{}{}]", "[".repeat(200_000), "]".repeat(200_000));
    let told = read(&Bytes::from(deep), Shape::Json, 1_000_000).unwrap();
    assert!(matches!(told[0].taken, Taken::Reject { .. }));
}

#[test]
fn content_types() {
    for (text, shape) in [
        ("application/json", Some(Shape::Json)),
        ("Application/JSON; charset=utf-8", Some(Shape::Json)),
        ("application/x-ndjson", Some(Shape::Lines)),
        ("application/ndjson;x=y", Some(Shape::Lines)),
        ("application/jsonl", Some(Shape::Lines)),
        ("application/x-www-form-urlencoded", None),
        ("text/csv", None),
    ] {
        assert_eq!(Shape::of(Some(text)), shape, "{text}");
    }
    assert_eq!(Shape::of(None), Some(Shape::Json));
}

/// Bodies of pieces that matter to the reader, in any order.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(GOOD.as_bytes().to_vec()),
        Just(b"[".to_vec()),
        Just(b"]".to_vec()),
        Just(b",".to_vec()),
        Just(b"\n".to_vec()),
        Just(b" \r\n".to_vec()),
        Just(b"{\"event_id\":\"x\"}".to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        Just(b"\xff".to_vec()),
        Just(b"\"[".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Whatever comes, nothing panics, and what is taken is a piece of the body that the pipeline will take, too.
    #[test]
    fn what_is_accepted_is_a_punch_wherever_it_stood(body in bodies(), is_lines in any::<bool>()) {
        let body = Bytes::from(body);
        let shape = if is_lines { Shape::Lines } else { Shape::Json };
        let mut decoder = Decoder::new(Format::Json, ImportOptions::default());
        let mut batch = Batch::new(Partition::new(0), NextOffset::START);
        for record in read(&body, shape, 1_000).unwrap_or_default() {
            let Taken::Punch { key, value } = record.taken else { continue };
            let range = body.as_ptr_range();
            prop_assert!(range.contains(&value.as_ptr()), "it is a piece of the body, not a copy");
            prop_assert_eq!(key, "E1");
            let again = decode(&mut decoder, &mut batch, value);
            prop_assert!(matches!(again.taken, Taken::Punch { .. }), "taken once, taken again");
        }
    }
}
