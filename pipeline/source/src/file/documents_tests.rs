//! Documents against `serde_json`, torn documents, and the limits.

use std::io::{Seek, Write};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const LISTS: &[&str] = &["recordresult", "dataList"];

fn documents(bytes: &[u8]) -> Documents {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Documents::new(file, bytes.len() as u64, LISTS)
}

/// All records in order, as text.
fn records(bytes: &[u8]) -> Vec<String> {
    let (mut documents, mut record, mut found) = (documents(bytes), Vec::new(), Vec::new());
    while let Some(framed) = documents.next_record(&mut record).unwrap() {
        assert_eq!((framed.line, framed.omitted), (found.len() as u64, 0));
        found.push(String::from_utf8_lossy(&record).into_owned());
    }
    assert_eq!(documents.place().byte, bytes.len() as u64);
    found
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(records(text.as_bytes()), expected, "{text}");
}

/// The records of a well-formed value, as the module's header states them.
fn oracle(value: &Value, records: &mut Vec<Value>) {
    if let Value::Array(items) = value {
        items.iter().for_each(|item| element(item, records));
    } else {
        element(value, records);
    }
}

fn element(value: &Value, records: &mut Vec<Value>) {
    let before = records.len();
    if !lists_within(value, records) {
        records.truncate(before);
        records.push(value.clone());
    }
}

/// Pushes the elements of the lists in `value`; false if there is none.
fn lists_within(value: &Value, records: &mut Vec<Value>) -> bool {
    match value {
        Value::Object(map) => map.iter().fold(false, |found, (key, value)| match value {
            Value::Array(items) if LISTS.contains(&key.as_str()) => {
                items.iter().for_each(|item| element(item, records));
                true
            }
            Value::Null if LISTS.contains(&key.as_str()) => true,
            _ => lists_within(value, records) || found,
        }),
        // Every item is looked at, whatever was found before.
        Value::Array(items) => items.iter().filter(|item| lists_within(item, records)).count() > 0,
        _ => false,
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_i32..99).prop_map(Value::from),
        // What a scanner could stumble over: brackets, quotes, backslashes, ends of lines, the lists' names.
        "[]\\[{}:,\"\\\\\n\u{e9}a ]{0,6}".prop_map(Value::from),
        Just(json!("recordresult")),
    ];
    scalar.prop_recursive(5, 48, 5, |inner| {
        let key = prop_oneof![
            Just("recordresult".to_owned()),
            Just("dataList".to_owned()),
            "[a-c\"\\\\:]{0,3}",
            Just("data".to_owned()),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Documents one behind the other, each written in one of the usual ways.
fn any_file() -> impl Strategy<Value = (Vec<Value>, String)> {
    let document = any_json().prop_filter("scalars end with their line only", |value| !value.is_string());
    proptest::collection::vec((document, any::<bool>()), 0..4).prop_map(|documents| {
        let mut text = String::new();
        for (value, is_pretty) in &documents {
            let written =
                if *is_pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
            text.push_str(&written.unwrap());
            text.push('\n');
        }
        (documents.into_iter().map(|(value, _)| value).collect(), text)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Of well-formed documents, whatever is in them, the records are those that `serde_json` and the rule of the header give.
    #[test]
    fn records_are_those_of_serde_json((documents, text) in any_file()) {
        let mut expected = Vec::new();
        documents.iter().for_each(|document| oracle(document, &mut expected));
        let found: Vec<Value> =
            records(text.as_bytes()).iter().map(|record| serde_json::from_str(record).unwrap()).collect();
        prop_assert_eq!(found, expected, "{}", text);
    }

    /// Reading from any record on gives the records that reading from the start gives, whatever the bytes.
    #[test]
    fn reading_may_begin_at_any_record(text in "([a,:\"\\\\\n \\[\\]{}]|\"recordresult\":\\[){0,40}") {
        let all = records(text.as_bytes());
        for at in 0..all.len() {
            let (mut documents, mut record) = (documents(text.as_bytes()), Vec::new());
            for start in [at, 0, at] {
                documents.seek(start as u64).unwrap();
                documents.next_record(&mut record).unwrap().unwrap();
                prop_assert_eq!(&String::from_utf8_lossy(&record), &all[start]);
            }
        }
    }

    /// Whatever a file is cut off at, the records before the cut are there, and a last one tells of it.
    #[test]
    fn a_file_cut_short_is_told((_, text) in any_file(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(text.len() + 1);
        let (whole, part) = (records(text.as_bytes()), records(&text.as_bytes()[..cut]));
        let broken = part.iter().zip(&whole).filter(|(part, whole)| part != whole).count();
        prop_assert!(broken <= 1 && part.len() <= whole.len() + 1, "{:?} of {:?}", part, whole);
    }
}

#[test]
fn answers_events_and_lines_are_cut_alike() {
    check(
        r#"{"errcode":0,"recordresult":[{"a":1},{"b":[2]}],"hasMore":false}"#,
        &[r#"{"a":1}"#, r#"{"b":[2]}"#],
    );
    check("\u{feff}{\"recordresult\" :\n [ {\"a\":1}\n ,\n {\"b\":2} ] }\n", &[r#"{"a":1}"#, r#"{"b":2}"#]);
    check("{\"a\":1}\n{\"a\":2}{\"a\":3}", &[r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#]);
    check(
        r#"[{"data":{"dataList":[{"a":1}]}},{"b":2},{"recordresult":[]},{"recordresult":null}]"#,
        &[r#"{"a":1}"#, r#"{"b":2}"#],
    );
    check(r#"{"data":"recordresult","x":[1]}"#, &[r#"{"data":"recordresult","x":[1]}"#]);
    check(r#"{"a":"}]\"[{\\"}"#, &[r#"{"a":"}]\"[{\\"}"#]);
    check("", &[]);
    check(" \n\t\r\n", &[]);
    check("[]", &[]);
}

#[test]
fn what_is_no_json_is_told_and_stays_within_its_line() {
    check("id,name\n1,x\n", &["id,name", "1,x"]);
    // A line torn anywhere: within a text, a number, behind a comma, behind a bracket.
    for torn in [r#"{"a":"x"#, r#"{"a":{"b":12"#, r#"{"a":1,"#, r#"{"a":[1,2"#, r#"{"a":[1,{"b":1}"#] {
        check(&format!("{torn}\n{{\"b\":2}}\n{{\"c\":3}}\n"), &[torn, r#"{"b":2}"#, r#"{"c":3}"#]);
    }
    check("[{\"a\":1,\n \"b\":\"x},\n {\"c\":2}]", &["{\"a\":1,\n \"b\":\"x},", r#"{"c":2}"#]);
    check(r#"{"recordresult":[{"a":[1,2},{"b":2}]}"#, &[r#"{"a":[1,2}"#, r#"{"b":2}"#]);
    check(r#"{"recordresult":[null, 7,"x,]",{"b":2}]}"#, &["null", "7", r#""x,]""#, r#"{"b":2}"#]);
    check("}\n{\"b\":2}", &["}", r#"{"b":2}"#]);
}

#[test]
fn a_file_that_ends_within_a_list_has_one_more_record() {
    check(r#"{"recordresult":[{"a":1},{"b""#, &[r#"{"a":1}"#, r#"{"b""#]);
    check(r#"{"recordresult":[{"a":1},"#, &[r#"{"a":1}"#, ""]);
    check(r#"{"recordresult":[{"a":1}],"hasMore":"#, &[r#"{"a":1}"#, ""]);
    check(r#"[{"a":1}"#, &[r#"{"a":1}"#, ""]);
}

#[test]
fn a_record_tells_its_line() {
    let text = "\n{\"recordresult\":\n[{\"a\":1},\n\n{\n\"b\":2}]}\n{\"c\":3}";
    let (mut documents, mut record, mut lines) = (documents(text.as_bytes()), Vec::new(), Vec::new());
    while let Some(framed) = documents.next_record(&mut record).unwrap() {
        lines.push(framed.text_line.unwrap());
    }
    assert_eq!(lines, [2, 4, 6]);
}

#[test]
fn a_document_may_be_larger_than_memory_allows_a_record_may_not() {
    let mut text = b"{\"recordresult\":[".to_vec();
    let element = format!("{{\"a\":\"{}\"}},", "x".repeat(1 << 20));
    for _ in 0..20 {
        text.extend_from_slice(element.as_bytes());
    }
    text.extend_from_slice(format!("{{\"a\":\"{}\"}},", "y".repeat(LINE_BYTES_MAX)).as_bytes());
    text.extend_from_slice(b"{\"b\":1}]}");
    let (mut documents, mut record) = (documents(&text), Vec::new());
    for _ in 0..20 {
        let framed = documents.next_record(&mut record).unwrap().unwrap();
        assert_eq!((framed.omitted, record.len() + 1), (0, element.len()));
    }
    let framed = documents.next_record(&mut record).unwrap().unwrap();
    assert_eq!((framed.omitted, record.len()), (8, LINE_BYTES_MAX));
    documents.next_record(&mut record).unwrap().unwrap();
    assert_eq!(record, b"{\"b\":1}");
    assert!(documents.next_record(&mut record).unwrap().is_none());
}

#[test]
fn brackets_without_end_cost_no_memory() {
    let open = "[{\"a\":".repeat(1_000);
    let close = "1}]".repeat(1_000);
    let text = format!("{{\"x\":{open}{close}}}\n{{\"b\":2}}");
    check(&text, &[text.lines().next().unwrap(), r#"{"b":2}"#]);
}
