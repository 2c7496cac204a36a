//! The embedded log after a crash: its files as they stood at some moment, opened elsewhere.

use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::tests::{Read, World, keyed, read_all};
use super::*;
use crate::log::Append;

/// The files as a killed process leaves them (the shared-memory index is rebuilt), the write-ahead log cut at `wal_bytes`
/// as a power cut may leave it.
fn copy(from: &Path, wal_bytes: Option<u64>) -> TempDir {
    let to = TempDir::new().unwrap();
    for name in ["log.sqlite", "log.sqlite-wal"] {
        std::fs::copy(from.join(name), to.path().join(name)).unwrap();
    }
    if let Some(bytes) = wal_bytes {
        let wal = std::fs::File::options().write(true).open(to.path().join("log.sqlite-wal")).unwrap();
        wal.set_len(bytes.min(wal.metadata().unwrap().len())).unwrap();
    }
    to
}

fn read_copy(world: &World, wal_bytes: Option<u64>) -> Vec<Read> {
    let copied = copy(world.folder.path(), wal_bytes);
    let log = EmbeddedLog::open(copied.path(), Options::default(), world.clock()).unwrap();
    let reads = read_all(&log, "punches");
    // The log goes on where it ended.
    let ends = log.extents("punches");
    let placed = log.appender().append("punches", &[keyed("a", "after"), keyed("b", "after")]).unwrap();
    for (partition, offset) in placed {
        assert!(offset.get() >= ends[partition.number() as usize].next.get());
    }
    reads
}

#[test]
fn what_was_answered_survives_a_kill() {
    let world = World::new();
    let log = world.open();
    for round in 0..20 {
        let text = round.to_string();
        log.appender().append("punches", &[keyed("a", &text), keyed("b", &text)]).unwrap();
        let (copied, here) = (read_copy(&world, None), read_all(&log, "punches"));
        assert_eq!(copied, here);
        assert_eq!(here.len(), 2 * (round + 1));
    }
}

#[test]
fn an_append_that_was_not_committed_is_invisible() {
    let world = World::new();
    let log = world.open();
    log.appender().append("punches", &[keyed("a", "answered")]).unwrap();
    let mut store = log.shared.store();
    store.connection.pragma_update(None, "cache_size", 2).unwrap();
    let transaction = store.connection.transaction().unwrap();
    let table = store::table(1, 0);
    for offset in 100..400 {
        // More than the page cache holds, so that uncommitted pages do reach the write-ahead log.
        let sql = format!("INSERT INTO {table}(offset, append_ms, value) VALUES (?1, 0, zeroblob(4000))");
        transaction.execute(&sql, [offset]).unwrap();
    }
    let wal = std::fs::metadata(world.folder.path().join("log.sqlite-wal")).unwrap().len();
    assert!(wal > 400_000, "the pages were written, {wal} bytes");
    assert_eq!(read_copy(&world, None).len(), 1);
    drop(transaction);
    drop(store);
    assert_eq!(read_all(&log, "punches").len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Wherever the write-ahead log is cut, the log holds the first so many appends, each whole or not at all.
    #[test]
    fn a_torn_write_ahead_log_loses_whole_appends_from_the_end(cut in 0.0..1.0_f64) {
        let world = World::new();
        let log = world.open();
        let mut appender = log.appender();
        let folder = world.folder.path();
        let wal = || std::fs::metadata(folder.join("log.sqlite-wal")).unwrap().len();
        appender.append("punches", &[keyed("a", "0"), keyed("b", "0")]).unwrap();
        let settled = wal();
        for round in 1..6 {
            let text = round.to_string();
            appender.append("punches", &[keyed("a", &text), keyed("b", &text), keyed("c", &text)]).unwrap();
        }
        let at = settled + ((wal() - settled) as f64 * cut) as u64;
        let all = read_all(&log, "punches");
        let left = read_copy(&world, Some(at));
        prop_assert!(left.len() >= 2 && (left.len() - 2).is_multiple_of(3), "{} records", left.len());
        for partition in 0..2 {
            let of = |reads: &[Read]| -> Vec<Read> { reads.iter().filter(|r| r.partition == partition).cloned().collect() };
            let (left, all) = (of(&left), of(&all));
            prop_assert_eq!(&left[..], &all[..left.len()]);
        }
    }
}
