//! What is held of a person outside the lake's tables: records of the log, the outbox, files beside the lake.
//!
//! In: an open log, paths.  Out: how much was found, or went, by place.  Owns: nothing.
//! Absent on purpose: the log of a broker: its records go by its own retention; there the person's alerts get tombstones.
//! Why so: a record is the person's by its key. One without that key is theirs if some text in it is the id, or, where it is no
//! JSON, if a word in it is: dead letters hold what nobody could read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::time::Duration;

use lake::{names, unnamed};
use model::{NextOffset, Partition};
use schemas::lines::DeadLetterLine;
use serde_json::Value;
use source::{Polled, RawBatch};

use crate::config::Config;
use crate::failure::Failure;
use crate::files;
use crate::live_log::LiveLog;

/// How long one poll waits, and how many may hear nothing: half a minute.
const POLL_WAIT: Duration = Duration::from_millis(100);
const SILENT_POLLS_MAX: u32 = 300;

/// What was found or went, by place.
pub(super) type Counts = BTreeMap<String, u64>;

/// Whether a record, a letter or a body is of the person.
pub(super) fn is_theirs(id: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> bool {
    key == Some(id.as_bytes()) || value.is_some_and(|value| tells_of(id, value))
}

/// Whether bytes tell of the person.
pub(super) fn tells_of(id: &str, value: &[u8]) -> bool {
    // Nothing is taken apart that does not have the bytes of the id, or an escape in their place.
    let has = |wanted: &[u8]| value.windows(wanted.len()).any(|found| found == wanted);
    if !has(id.as_bytes()) && !has(b"\\u") {
        return false;
    }
    match serde_json::from_slice::<Value>(value) {
        Ok(value) => has_text(&value, id),
        Err(_) => names(&String::from_utf8_lossy(value), id),
    }
}

fn has_text(value: &Value, id: &str) -> bool {
    match value {
        Value::String(text) => text == id,
        Value::Array(values) => values.iter().any(|value| has_text(value, id)),
        Value::Object(values) => values.values().any(|value| has_text(value, id)),
        _ => false,
    }
}

/// How many records of the person lie behind what the lake has taken.
pub(super) fn unread(
    config: &Config,
    log: &LiveLog,
    taken: &BTreeMap<Partition, NextOffset>,
    id: &str,
) -> Result<u64, Box<Failure>> {
    let topic = &config.source.topic;
    let ends = log.ends(topic).map_err(files::failure)?;
    let begin = |partition: Partition| taken.get(&partition).copied().unwrap_or(NextOffset::START);
    let mut open: BTreeMap<Partition, NextOffset> =
        ends.into_iter().filter(|(partition, end)| begin(*partition) < *end).collect();
    if open.is_empty() {
        return Ok(0);
    }
    let mut reader = log.reader(topic).map_err(files::failure)?;
    let (mut batch, mut theirs, mut silent_polls) = (RawBatch::new(), 0, 0);
    while !open.is_empty() {
        match reader.poll(POLL_WAIT, &mut batch).map_err(files::failure)? {
            Polled::Assigned(partitions) => {
                let wanted = partitions.into_iter().filter(|partition| open.contains_key(partition));
                let starts: Vec<_> = wanted.map(|partition| (partition, begin(partition))).collect();
                reader.start(&starts).map_err(files::failure)?;
            }
            Polled::Batch => {
                theirs += batch.iter().filter(|entry| is_theirs(id, entry.key, entry.value)).count() as u64;
                let end = open.get(&batch.partition()).copied();
                let last = batch.iter().last().map(|entry| entry.offset.next());
                if end.is_some_and(|end| last.is_some_and(|last| last >= end)) {
                    open.remove(&batch.partition());
                }
            }
            Polled::CaughtUp { partition, .. } | Polled::Ended(partition) => {
                open.remove(&partition);
            }
            Polled::Idle if silent_polls >= SILENT_POLLS_MAX => {
                let what = format!("topic {topic}: it does not answer");
                return Err(Box::new(Failure::outside(what, "see that the log is well, then run it again")));
            }
            _ => silent_polls += 1,
        }
    }
    Ok(theirs)
}

/// The ids of alerts about the person that the topic of an embedded log still tells of.
pub(super) fn alerts_of(log: &LiveLog, topic: &str, id: &str) -> Result<BTreeSet<String>, Box<Failure>> {
    let LiveLog::Embedded(log) = log else { return Ok(BTreeSet::new()) };
    let mut alerts = BTreeSet::new();
    let found = log.count_due(&mut |found, key, value| {
        let is_theirs = found == topic && value.is_some_and(|value| tells_of(id, value));
        if let Some(key) = key.filter(|_| is_theirs).and_then(|key| std::str::from_utf8(key).ok()) {
            alerts.insert(key.to_owned());
        }
        false
    });
    found.map_err(files::failure)?;
    Ok(alerts)
}

/// Records of the person in any topic of an embedded log, by topic: counted, or taken out of it.
pub(super) fn records(
    log: &LiveLog,
    alerts: &BTreeSet<String>,
    id: &str,
    dry_run: bool,
) -> Result<Counts, Box<Failure>> {
    let LiveLog::Embedded(log) = log else { return Ok(Counts::new()) };
    let mut is_due = |_: &str, key: Option<&[u8]>, value: Option<&[u8]>| {
        let is_of_alert =
            || key.and_then(|key| std::str::from_utf8(key).ok()).is_some_and(|key| alerts.contains(key));
        is_theirs(id, key, value) || is_of_alert()
    };
    let found = if dry_run { log.count_due(&mut is_due) } else { log.erase(&mut is_due) };
    let found = found.map_err(files::failure)?;
    Ok(found.into_iter().map(|(topic, records)| (format!("topic {topic}"), records)).collect())
}

/// Lines and files in the folder `beside` the lake: counted, or taken out of it.
pub(super) fn files_beside(beside: &Path, id: &str, dry_run: bool) -> Result<Counts, Box<Failure>> {
    let mut counts = Counts::new();
    let muster = beside.join("_muster");
    let letter = |line: &[u8]| !is_letter_of(id, line);
    let alert = |line: &[u8]| !tells_of(id, line);
    for (path, keeps) in [
        (files::letters_file(beside), &letter as &dyn Fn(&[u8]) -> bool),
        (beside.join("alerts.ndjson"), &alert),
    ] {
        let keep = |line: &[u8]| keeps(line).then(|| line.to_vec());
        note(&mut counts, &path, rewrite_lines(&path, &keep, dry_run)?);
    }
    for name in ["replayed.ndjson", "dropped.ndjson"] {
        let path = muster.join(name);
        let keep = |line: &[u8]| {
            let changed = std::str::from_utf8(line).ok().and_then(|text| unnamed(text, id));
            Some(changed.map_or_else(|| line.to_vec(), String::into_bytes))
        };
        note(&mut counts, &path, rewrite_lines(&path, &keep, dry_run)?);
    }
    let folder = files::kept_records_dir(beside);
    note(&mut counts, &folder, kept_records(&folder, id, dry_run)?);
    Ok(counts)
}

fn note(counts: &mut Counts, path: &Path, count: u64) {
    if count > 0 {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        counts.insert(name, count);
    }
}

/// Whether a line of dead letters holds a record of the person.
fn is_letter_of(id: &str, line: &[u8]) -> bool {
    let Ok(letter) = serde_json::from_slice::<DeadLetterLine>(line) else { return tells_of(id, line) };
    let (key, value) = (letter.key_bytes().flatten(), letter.value_bytes().flatten());
    is_theirs(id, key.as_deref(), value.as_deref())
}

/// Puts what `keep` makes of each line in its place; how many lines are other ones then. Whole or not at all.
fn rewrite_lines(
    path: &Path,
    keep: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
    dry_run: bool,
) -> Result<u64, Box<Failure>> {
    let failed = |error: std::io::Error| failed(path, &error);
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed(error)),
    };
    let (mut kept, mut changed) = (Vec::with_capacity(bytes.len()), 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let new = keep(text);
        changed += u64::from(new.as_deref() != Some(text));
        if let Some(new) = new {
            kept.extend_from_slice(&new);
            kept.extend_from_slice(&line[text.len()..]);
        }
    }
    if changed > 0 && !dry_run {
        let beside = path.with_extension("new");
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(&kept)?;
            file.sync_all()?;
            std::fs::rename(&beside, path)?;
            File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(failed)?;
    }
    Ok(changed)
}

/// Files of records that were too large for a letter.
fn kept_records(folder: &Path, id: &str, dry_run: bool) -> Result<u64, Box<Failure>> {
    let failed = |error: std::io::Error| failed(folder, &error);
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed(error)),
    };
    let mut theirs = 0;
    for file in listed {
        let path = file.map_err(failed)?.path();
        let bytes = std::fs::read(&path).map_err(failed)?;
        if is_letter_of(id, bytes.strip_suffix(b"\n").unwrap_or(&bytes)) || tells_of(id, &bytes) {
            theirs += 1;
            if !dry_run {
                std::fs::remove_file(&path).map_err(failed)?;
            }
        }
    }
    Ok(theirs)
}

fn failed(path: &Path, error: &std::io::Error) -> Box<Failure> {
    let what = format!("erase from {}: {error}", path.display());
    Box::new(Failure::outside(what, "check the disk, its owner and permissions, then run it again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_tell_of_whom_a_text_or_a_word_in_them_is() {
        for (value, tells) in [
            (r#"{"employee_id":"E1","kind":"in"}"#, true),
            (r#"{"employee_id":"\u00451"}"#, true),
            (r#"{"alerts":[{"employee_id":"E1"}]}"#, true),
            (r#"{"employee_id":"E12","note":"not E1"}"#, false),
            (r#"{"employee_id":"E1","kind":"#, true),
            ("E1,in,2026-11-02", true),
            ("E12,in,2026-11-02", false),
            ("", false),
        ] {
            assert_eq!(tells_of("E1", value.as_bytes()), tells, "{value}");
        }
        assert!(is_theirs("E1", Some(b"E1"), None) && !is_theirs("E1", Some(b"E12"), None));
    }

    #[test]
    fn lines_of_the_person_go_and_the_others_stay_to_the_byte() {
        let folder = tempfile::tempdir().unwrap();
        let alerts = folder.path().join("alerts.ndjson");
        let before = "{\"employee_id\":\"E2\"}\n{\"employee_id\":\"E1\"}\n{\"site_id\":\"s\"}";
        std::fs::write(&alerts, before).unwrap();
        let letters = folder.path().join("dead_letters.ndjson");
        let value = DeadLetterLine { value: Some("RTEsaW4=".to_owned()), ..DeadLetterLine::default() };
        std::fs::write(&letters, serde_json::to_string(&value).unwrap() + "\n").unwrap();
        let kept = files::kept_records_dir(folder.path());
        std::fs::create_dir_all(&kept).unwrap();
        std::fs::write(kept.join("a"), "E1 too large").unwrap();
        std::fs::write(kept.join("b"), "E2 too large").unwrap();
        let expected: Counts = [("alerts.ndjson", 1), ("dead_letters.ndjson", 1), ("dead_letters", 1)]
            .map(|(name, count)| (name.to_owned(), count))
            .into();
        assert_eq!(files_beside(folder.path(), "E1", true).unwrap(), expected);
        assert_eq!(std::fs::read_to_string(&alerts).unwrap(), before);
        assert_eq!(files_beside(folder.path(), "E1", false).unwrap(), expected);
        assert_eq!(
            std::fs::read_to_string(&alerts).unwrap(),
            "{\"employee_id\":\"E2\"}\n{\"site_id\":\"s\"}"
        );
        assert_eq!(std::fs::read_to_string(&letters).unwrap(), "");
        assert!(!kept.join("a").exists() && kept.join("b").exists());
        assert_eq!(files_beside(folder.path(), "E1", false).unwrap(), Counts::new());
    }
}
