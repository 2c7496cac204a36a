//! Files as logs: formats, ends of lines, offsets, restarts, identity, and the real files where they are at hand.

use std::fmt::Write as _;

use tempfile::TempDir;

use schemas::decode::read_arrow;

use super::*;
use crate::error::Action;
use crate::raw_batch::RawEntry;

struct Case {
    folder: TempDir,
    name: &'static str,
}

impl Case {
    fn new(name: &'static str, bytes: &[u8]) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join(name), bytes).unwrap();
        Self { folder, name }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.name)
    }

    fn open(&self) -> FileSource {
        self.open_with(BatchLimits::default())
    }

    fn open_with(&self, limits: BatchLimits) -> FileSource {
        FileSource::open(&self.path(), None, limits).unwrap()
    }
}

fn start_at(source: &mut FileSource, next: u64) {
    let polled = source.poll(Duration::ZERO, &mut RawBatch::new()).unwrap();
    assert_eq!(polled, Polled::Assigned(vec![PARTITION]));
    source.start(&[(PARTITION, position(next))]).unwrap();
}

/// Every record until the end, a line each: `offset: value`.
fn drain(source: &mut FileSource) -> String {
    let (mut text, mut batch) = (String::new(), RawBatch::new());
    loop {
        match source.poll(Duration::ZERO, &mut batch).unwrap() {
            Polled::Batch => {
                assert!(batch.gaps().is_empty(), "a line that is no record is no gap");
                for entry in batch.iter() {
                    assert_eq!((entry.append_time, entry.key), (None, None));
                    let value = entry.value.unwrap().escape_ascii();
                    writeln!(text, "{}: {value}", entry.offset.get()).unwrap();
                }
            }
            Polled::Ended(partition) => {
                assert_eq!(partition, PARTITION);
                assert_eq!(source.poll(Duration::ZERO, &mut batch).unwrap(), Polled::Idle);
                return text;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

/// `bytes` in a file called `name` are of `format` and have these records, `offset: value` each, at any batch size and
/// from any record on.
fn check(name: &'static str, bytes: &[u8], format: FileFormat, expected: &[&str]) {
    let case = Case::new(name, bytes);
    let mut all = String::new();
    for line in expected {
        writeln!(all, "{line}").unwrap();
    }
    for records_max in [1, 2, 1_000] {
        let mut source = case.open_with(BatchLimits { records_max, bytes_max: 1 << 20 });
        assert_eq!(source.format(), format, "{name}");
        start_at(&mut source, 0);
        assert_eq!(drain(&mut source), all, "{name}, {records_max} records a batch");
    }
    for (at, line) in expected.iter().enumerate() {
        let mut source = case.open();
        start_at(&mut source, line.split(':').next().unwrap().parse().unwrap());
        let rest: String = expected[at..].iter().map(|line| format!("{line}\n")).collect();
        assert_eq!(drain(&mut source), rest, "{name} from {line}");
    }
}

#[test]
fn ndjson_is_a_record_a_line() {
    use FileFormat::Ndjson;
    check("p.ndjson", b"{}\n{1}\n", Ndjson, &["0: {}", "1: {1}"]);
    check("p.jsonl", b"{}\r\n{1}", Ndjson, &["0: {}", "1: {1}"]);
    check("p.json", b"\xef\xbb\xbf{}\n\xef\xbb\xbf{1}\n", Ndjson, &["0: {}", r"1: \xef\xbb\xbf{1}"]);
    check("p.txt", b"\n  \n{}\n\r\n\t\n{1}\n\n", Ndjson, &["2: {}", "5: {1}"]);
    check("no-ending", b"\"open\nnext\n", Ndjson, &[r#"0: \"open"#, "1: next"]);
    check("p.ndjson", b"a\0b\n\xff\xfe\n\0\n", Ndjson, &[r"0: a\x00b", r"1: \xff\xfe", r"2: \x00"]);
    check("p.ndjson", b"", Ndjson, &[]);
    check("p.ndjson", b"\n\n", Ndjson, &[]);
    check("p.ndjson", b"\xef\xbb\xbf", Ndjson, &[]);
    check("p.ndjson", b"{\"a\":1}\r\r\n", Ndjson, &[r#"0: {\"a\":1}\r"#]);
}

#[test]
fn a_csv_record_may_span_lines_and_its_offset_is_its_first() {
    use FileFormat::Csv;
    check("p.csv", b"id,note\n1,a\n2,b\n", Csv, &["1: 1,a", "2: 2,b"]);
    check("p.CSV", b"\xef\xbb\xbfid,note\r\n\r\n1,a\r\n2,b", Csv, &["2: 1,a", "3: 2,b"]);
    check(
        "p.csv",
        b"id,\"no\nte\"\n1,\"a\nb, \"\"c\"\"\n\nd\"\n2,b\n",
        Csv,
        &[r#"2: 1,\"a\nb, \"\"c\"\"\n\nd\""#, "6: 2,b"],
    );
    check("p.csv", b"id\n5\" pipe\nx\n", Csv, &[r#"1: 5\" pipe"#, "2: x"]);
    check("p.csv", b"id,n\n1,\"a\r\nb\"\r\n2,c\r\n", Csv, &[r#"1: 1,\"a\r\nb\""#, "3: 2,c"]);
    check("p.csv", b"id,n", Csv, &[]);
    check("p.csv", b"", Csv, &[]);
}

#[test]
fn a_header_is_no_record_but_can_be_asked_for() {
    for (name, bytes, header) in [
        ("p.csv", &b"\xef\xbb\xbfid,note\r\n1,a\n"[..], Some(&b"id,note"[..])),
        ("p.csv", b"\n\nid,\"no\nte\"\n1,a\n", Some(b"id,\"no\nte\"")),
        ("p.csv", b"", None),
        ("p.ndjson", b"id,note\n", None),
    ] {
        assert_eq!(Case::new(name, bytes).open().header(), header, "{}", bytes.escape_ascii());
    }
}

#[test]
fn time_clock_files_are_known() {
    use FileFormat::{AttLog, CnTerminal};
    check(
        "attlog.dat",
        b"  213\t2015-05-05 15:21:26\t1\t0\t1\t0\t\r\n  209\t2015-05-05 15:27:55\t1\t0\t1\t0\t\r\n",
        AttLog,
        &[r"0:   213\t2015-05-05 15:21:26\t1\t0\t1\t0\t", r"1:   209\t2015-05-05 15:27:55\t1\t0\t1\t0\t"],
    );
    for header in ["登记号码,姓名,出勤时间", "\u{feff}\"登记号码\",姓名,出勤时间"] {
        let text = format!("{header}\r\nE1,X,2019/10/8\r\n");
        for name in ["p.csv", "p.txt", "p.dat"] {
            check(name, text.as_bytes(), CnTerminal, &["1: E1,X,2019/10/8"]);
        }
        let source = Case::new("p.csv", text.as_bytes());
        assert!(source.open().header().unwrap().ends_with("姓名,出勤时间".as_bytes()));
    }
    for format in FileFormat::ALL {
        assert_eq!(FileFormat::from_name(format.name()), Some(*format));
    }
    let case = Case::new("p.dat", b"a,b\n1,2\n");
    let mut stated = FileSource::open(&case.path(), Some(FileFormat::Csv), BatchLimits::default()).unwrap();
    start_at(&mut stated, 0);
    assert_eq!(stated.header(), Some(&b"a,b"[..]));
    assert_eq!(drain(&mut stated), "1: 1,2\n");
}

#[test]
fn vendors_documents_are_known_by_their_lists() {
    use FileFormat::{DingTalk, Feishu, Ndjson, WeCom};
    let answer = b"{\"errcode\":0,\n\"recordresult\" : [{\"a\":1},{\"a\":2},\n{\"a\":3}]}";
    let expected = [r#"0: {\"a\":1}"#, r#"1: {\"a\":2}"#, r#"2: {\"a\":3}"#];
    for name in ["p.json", "p.txt", "p"] {
        check(name, answer, DingTalk, &expected);
    }
    check("p.json", br#"{"data":{"dataList":[{"a":1}]}}"#, DingTalk, &[r#"0: {\"a\":1}"#]);
    check("p.json", br#"{"checkindata":[]}"#, WeCom, &[]);
    check("p.json", br#"{"data":{"user_task_results":null}}"#, Feishu, &[]);
    check("p.json", br#"{"note":"recordresult"}"#, Ndjson, &[r#"0: {\"note\":\"recordresult\"}"#]);
    let case = Case::new("p.json", answer);
    let mut source = case.open();
    let mut batch = RawBatch::new();
    start_at(&mut source, 2);
    assert_eq!(source.poll(Duration::ZERO, &mut batch).unwrap(), Polled::Batch);
    let last = batch.get(0).unwrap();
    assert_eq!((last.offset.get(), last.headers.get(LINE_HEADER)), (2, Some(&b"3"[..])));
    let error = source.start(&[(PARTITION, position(4))]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BeyondEnd);
    assert!(error.to_string().ends_with("it has 3 records"), "{error}");
}

#[test]
fn the_identity_is_the_bytes_not_the_name() {
    let (one, same, other) =
        (Case::new("a.ndjson", b"abc"), Case::new("b.csv", b"abc"), Case::new("a.ndjson", b"abd"));
    let identity = one.open().identity().clone();
    // SHA-256 of "abc" begins with ba7816bf8f01cfea (FIPS 180-2).
    assert_eq!(identity.topic, "file:ba7816bf8f01cfea");
    assert_eq!((identity.log_id.as_str(), identity.partitions), (identity.topic.as_str(), 1));
    assert_eq!(*same.open().identity(), identity);
    assert_ne!(*other.open().identity(), identity);
}

#[test]
fn a_huge_line_is_delivered_up_to_its_limit_and_says_how_long_it_was() {
    let mut bytes = b"{}\n".to_vec();
    bytes.resize(bytes.len() + LINE_BYTES_MAX + 7, b'x');
    bytes.extend_from_slice(b"\n{1}\n");
    let case = Case::new("p.ndjson", &bytes);
    let (mut source, mut batch) = (case.open(), RawBatch::new());
    start_at(&mut source, 0);
    assert_eq!(source.poll(Duration::ZERO, &mut batch).unwrap(), Polled::Batch);
    assert_eq!((batch.records(), batch.next().get()), (2, 2), "a batch may pass its limit by one record");
    let huge = batch.get(1).unwrap();
    assert_eq!(huge.value.unwrap().len(), LINE_BYTES_MAX);
    let length = (LINE_BYTES_MAX + 8).to_string();
    assert_eq!(huge.headers.get(VALUE_BYTES_HEADER), Some(length.as_bytes()));
    assert_eq!(drain(&mut source), "2: {1}\n");
    assert!(batch.get(0).unwrap().headers.is_empty());
}

#[test]
fn a_start_beyond_the_end_is_refused_and_at_the_end_is_the_end() {
    for (bytes, lines) in [(&b"a\nb\nc"[..], 3), (b"a\nb\nc\n", 3), (b"", 0), (b"\n", 1)] {
        let case = Case::new("p.ndjson", bytes);
        let mut source = case.open();
        start_at(&mut source, lines);
        assert_eq!(drain(&mut source), "");
        let error = source.start(&[(PARTITION, position(lines + 1))]).unwrap_err();
        assert_eq!((error.kind(), error.action()), (ErrorKind::BeyondEnd, Action::Stop));
        assert!(error.to_string().contains(&format!("{lines} lines")), "{error}");
        assert_eq!(source.locate(PARTITION, StartAt::Latest).unwrap(), position(lines));
        assert_eq!(source.locate(PARTITION, StartAt::Earliest).unwrap(), NextOffset::START);
    }
}

#[test]
fn a_start_may_go_back_and_a_pause_holds() {
    let case = Case::new("p.csv", b"id\n1\n2\n3\n");
    let (mut source, mut batch) = (case.open(), RawBatch::new());
    assert_eq!(source.start(&[(PARTITION, position(0))]).unwrap_err().kind(), ErrorKind::NotAssigned);
    start_at(&mut source, 3);
    assert_eq!(drain(&mut source), "3: 3\n");
    source.start(&[(PARTITION, position(0))]).unwrap();
    source.pause(PARTITION);
    assert_eq!(source.poll(Duration::ZERO, &mut batch).unwrap(), Polled::Idle);
    source.resume(PARTITION);
    assert_eq!(source.locate(PARTITION, StartAt::Latest).unwrap(), position(4));
    assert_eq!(drain(&mut source), "1: 1\n2: 2\n3: 3\n");
    let elsewhere = Partition::new(1);
    assert_eq!(source.start(&[(elsewhere, position(0))]).unwrap_err().kind(), ErrorKind::NotAssigned);
}

#[test]
fn a_file_that_changes_while_it_is_read_stops_the_replay() {
    for bytes in [&b"a\nb\nmore\n"[..], b"a\n"] {
        let case = Case::new("p.ndjson", b"a\nb\n");
        let (mut source, mut batch) =
            (case.open_with(BatchLimits { records_max: 1, bytes_max: 1 }), RawBatch::new());
        start_at(&mut source, 0);
        std::fs::write(case.path(), bytes).unwrap();
        let error = loop {
            match source.poll(Duration::ZERO, &mut batch) {
                Ok(Polled::Batch) => {}
                Ok(other) => panic!("unexpected {other:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.action()), (ErrorKind::FileChanged, Action::Stop));
    }
}

#[test]
fn a_missing_file_is_named() {
    let folder = TempDir::new().unwrap();
    let error = FileSource::open(&folder.path().join("no.csv"), None, BatchLimits::default()).err().unwrap();
    assert_eq!((error.kind(), error.action()), (ErrorKind::Io, Action::Stop));
    assert!(error.to_string().contains("no.csv"), "{error}");
}

/// The real files: every line of them is a record, whatever the batch size.
#[test]
fn real_files_are_read_to_their_last_line() {
    let Some(data) = std::env::var_os("MUSTER_DATA") else {
        println!("skipped: MUSTER_DATA is not set");
        return;
    };
    for (name, format) in [
        ("attlog-office-2020.dat", FileFormat::AttLog),
        ("attlog-college.dat", FileFormat::AttLog),
        ("terminal-cn.csv", FileFormat::CnTerminal),
    ] {
        let path = Path::new(&data).join("punches").join(name);
        let bytes = std::fs::read(&path).unwrap();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        let mut source = FileSource::open(&path, None, BatchLimits::default()).unwrap();
        assert_eq!(source.format(), format);
        start_at(&mut source, 0);
        let text = drain(&mut source);
        assert_eq!(text.lines().count(), lines - usize::from(format.is_csv()), "{name}");
        assert!(!text.contains("\\r\n"), "{name}: ends of lines are cut off");
    }
}

/// The golden stream's rows: six, in one record batch.
const ARROWS: &[u8] = include_bytes!("../../../../schemas/golden/v1/punches.arrows");

/// The offset and the record of JSON of every row from `row` on.
fn rows_from(case: &Case, row: u64, limits: BatchLimits) -> Vec<(i64, String)> {
    let mut source = case.open_with(limits);
    assert_eq!(source.format(), FileFormat::Arrow);
    start_at(&mut source, row);
    let (mut rows, mut batch) = (Vec::new(), RawBatch::new());
    while source.poll(Duration::ZERO, &mut batch).unwrap() == Polled::Batch {
        assert!(batch.records() <= limits.records_max && batch.bytes() > 0);
        let text = |entry: RawEntry<'_>| String::from_utf8(entry.bytes().unwrap().into_owned()).unwrap();
        rows.extend(batch.iter().map(|entry| (entry.offset.get(), text(entry))));
    }
    rows
}

#[test]
fn an_arrow_file_is_a_record_a_row() {
    let case = Case::new("p.arrows", ARROWS);
    let all = rows_from(&case, 0, BatchLimits::default());
    assert_eq!(all.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    let columns = read_arrow(ARROWS.to_vec()).unwrap().remove(0);
    for (row, (_, json)) in all.iter().enumerate() {
        assert_eq!(*json, serde_json::to_string(&columns.line(row)).unwrap());
    }
    for (records_max, bytes_max) in [(1, 1 << 20), (4, 1 << 20), (1_000, 1)] {
        for from in 0..=6 {
            let rows = rows_from(&case, from, BatchLimits { records_max, bytes_max });
            assert_eq!(rows, all[from as usize..], "from {from}, {records_max} rows, {bytes_max} bytes");
        }
    }
}

#[test]
fn rows_cut_anywhere_and_joined_again_are_the_same() {
    let mut source = Case::new("p.arrows", ARROWS).open();
    let mut whole = RawBatch::new();
    start_at(&mut source, 0);
    assert_eq!(source.poll(Duration::ZERO, &mut whole).unwrap(), Polled::Batch);
    let texts =
        |batch: &RawBatch| batch.iter().map(|entry| entry.bytes().unwrap().into_owned()).collect::<Vec<_>>();
    for at in 0..=6 {
        let (mut head, mut tail) = (whole.clone(), RawBatch::new());
        head.split_off(position(at), &mut tail);
        assert_eq!((head.records(), tail.records()), (at as usize, 6 - at as usize));
        assert_eq!([texts(&head), texts(&tail)].concat(), texts(&whole));
        head.append_tail(&tail);
        assert_eq!(texts(&head), texts(&whole));
        assert_eq!(head.bytes(), whole.bytes());
    }
}

#[test]
fn an_arrow_file_that_is_none_or_breaks_off_is_told() {
    let end = ARROWS.len() - 8;
    for (name, bytes, told) in [
        ("p.arrow", &b"{}"[..], "not Arrow IPC"),
        ("p.arrow", b"", "it is empty"),
        ("p.bin", b"ARROW1\0\0", "the file breaks off"),
        ("p.arrows", &ARROWS[..end - 1], "not Arrow IPC"),
    ] {
        let error = FileSource::open(&Case::new(name, bytes).path(), None, BatchLimits::default());
        let error = error.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(told) && error.contains(name), "{error}");
    }
    let case = Case::new("p.arrows", &ARROWS[..end]);
    let (mut source, mut batch) = (case.open(), RawBatch::new());
    start_at(&mut source, 0);
    let error = loop {
        match source.poll(Duration::ZERO, &mut batch) {
            Ok(Polled::Batch) => assert_eq!(batch.records(), 6),
            Ok(other) => panic!("unexpected {other:?}"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("breaks off behind 6 rows"), "{error}");
}
