//! Proof that a warm decoder allocates nothing per well-formed record. Allocations are counted per thread, so that the
//! test harness's own do not count.
#![allow(unsafe_code, reason = "a counting allocator can only be written as an unsafe impl of GlobalAlloc")]
#![allow(clippy::unwrap_used, reason = "test code outside of `#[test]` functions")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use model::{Batch, EventTime, NextOffset, Offset, Partition};
use schemas::decode::{ColumnNames, CsvColumns, SchemaId, WriterSchema};
use schemas::{Decoder, Format, ImportOptions, RawRecord};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed to the system's allocator unchanged; counting touches only a thread-local number that
// needs no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const JSON: &str = r#"{"event_id":"01HX","employee_id":"E1024","kind":"in","occurred_at":"2026-11-22T08:58:31.250+08:00",
    "origin":"phone","trigger":"manual","device_id":"d-1","location":{"lon":114.1694,"lat":22.3193,"accuracy_m":12.5,
    "datum":"wgs84","mocked":false,"platform":"android"},"wifi":[{"bssid":"a4:56:30:0b:9c:ff","rssi":-61,"connected":true,
    "age_ms":120},{"bssid":"02:00:00:00:00:00"},{"bssid":"A456300B9C00","rssi":-70}],"beacons":[{"uuid":
    "fda50693-a4e2-4fb1-afcf-c6eb07647825","major":1,"minor":2,"rssi":-70}],"photo":{"ref":"s3://x","sha256":"00"},
    "note":"\u96e8 \"wet\"","notice_version":"3","tz":"Asia/Hong_Kong","later_field":17}"#;

/// Allocations during one batch of `value` after one batch has warmed everything.
fn per_batch(format: Format, value: &[u8]) -> u64 {
    const RECORDS: i64 = 1_000;
    let time_zone = jiff::tz::TimeZone::get("Asia/Hong_Kong").unwrap();
    let mut decoder = Decoder::new(format, ImportOptions { time_zone, ..ImportOptions::default() });
    decoder.add_schema(SchemaId(1), WriterSchema::avro(include_str!("../avro/punch.avsc")).unwrap());
    decoder.add_schema(SchemaId(3), WriterSchema::protobuf(&[0]));
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    let mut allocations = 0;
    for _ in 0..2 {
        batch.clear(Partition::new(0), NextOffset::START);
        let before = ALLOCATIONS.get();
        for offset in 0..RECORDS {
            let append_time = Some(EventTime::from_ms(1_795_309_112_000));
            let record = RawRecord { offset: Offset::new(offset).unwrap(), append_time, value: Some(value) };
            decoder.decode(record, &mut batch);
        }
        allocations = ALLOCATIONS.get() - before;
        assert_eq!(
            (batch.punches.len() as i64, batch.rejects.len()),
            (RECORDS, 0),
            "{:?}",
            batch.rejects.first()
        );
    }
    allocations
}

#[test]
fn a_warm_decoder_allocates_nothing() {
    let probe = ALLOCATIONS.get();
    drop(std::hint::black_box(Box::new(7_u64)));
    assert_eq!(ALLOCATIONS.get() - probe, 1, "the allocator counts");
    assert_eq!(per_batch(Format::Json, JSON.as_bytes()), 0);
    assert_eq!(per_batch(Format::AttLog, "     126\t2020-01-07 10:34:08\t1\t0\t1\t0".as_bytes()), 0);
    assert_eq!(per_batch(Format::CnTerminal, "E0045,員工甲,2019/10/8 星期二 8:20".as_bytes()), 0);
    let header = b"event_id,employee_id,kind,occurred_at,lon,lat,bssids";
    let columns = CsvColumns::from_header(header, &ColumnNames::new()).unwrap();
    let line = "p-1,E1,in,2026-11-22T08:58:31+08:00,114.1694,22.3193,a456300b9cff;a456300b9c00";
    assert_eq!(per_batch(Format::Csv(columns), line.as_bytes()), 0);
    for line in include_str!("../golden/v1/punches.framed.txt").lines() {
        let digits = line.rsplit_once(' ').unwrap().1;
        let value: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect();
        assert_eq!(per_batch(Format::Framed, &value), 0, "{line}");
    }
}
