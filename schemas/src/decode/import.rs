//! What records of files share: local times, and ids for records that have none.

use std::fmt::{self, Write};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use model::{Batch, EventTime, RejectCode, Text};
use sha2::{Digest, Sha256};

use super::draft::Fault;
use super::time_text::{self, Local};
use crate::tables::local_time;

/// A time of a file: what the identity is made from, and the instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileTime {
    pub(super) instant: EventTime,
    /// The wall-clock time as written; `None` where the file tells an instant.
    local: Option<DateTime>,
}

impl FileTime {
    /// A time that a file tells as an instant.
    pub(super) const fn of_instant(instant: EventTime) -> Self {
        Self { instant, local: None }
    }

    /// Reads a wall-clock time of `zone`.
    pub(super) fn read_local(field: &str, text: &str, zone: &TimeZone) -> Result<Self, Fault> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Fault::missing(field));
        }
        let impossible = |why: &str| {
            // A message stays short whatever the record holds.
            let shown: String = text.chars().take(40).collect();
            Fault::new(RejectCode::TimeImpossible, format!("`{field}` is {shown:?}: {why}"))
        };
        let local = match time_text::local(text) {
            Some(Local::At(local)) => local,
            Some(Local::WrongWeekday) => return Err(impossible("the date has another weekday")),
            None => return Err(impossible("no date and time such as 2026-11-22 08:58:31")),
        };
        let instant = time_text::instant(local, zone).filter(|instant| instant.is_possible());
        let instant = instant.ok_or_else(|| impossible("outside 1970 to 2199"))?;
        Ok(Self { instant, local: Some(local) })
    }
}

/// Pushes the id of a record that has none: the first 128 bits, hex, of SHA-256 over clock, person, local time and
/// flags, each trimmed, separated by 0x1f (contract, section 7). The time is written in one spelling whatever the
/// file's, `2020-01-07T10:34:08`, so that overlapping exports of one clock add nothing twice, even in two formats; a time
/// that the file tells as an instant is written in UTC, `2020-01-07T02:34:08+00:00`.
pub(super) fn push_event_id(
    device: &str,
    person: &str,
    time: FileTime,
    flags: &[&str],
    batch: &mut Batch,
) -> Text {
    let mut hash = HashText(Sha256::new());
    // Hashing cannot fail.
    let _ = write!(hash, "{}{SEPARATOR}{}{SEPARATOR}", device.trim(), person.trim());
    match time.local {
        Some(local) => _ = write!(hash, "{local}"),
        None => local_time::write(time.instant, &TimeZone::UTC, &mut hash),
    }
    for flag in flags {
        let _ = write!(hash, "{SEPARATOR}{}", flag.trim());
    }
    let digest = hash.0.finalize();
    let mut hex = [0_u8; 32];
    for (two, byte) in hex.chunks_exact_mut(2).zip(digest.iter()) {
        two[0] = HEX[usize::from(byte >> 4)];
        two[1] = HEX[usize::from(byte & 15)];
    }
    batch.push_text(std::str::from_utf8(&hex).unwrap_or_default())
}

/// A hash that text is written into.
struct HashText(Sha256);

impl Write for HashText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

const SEPARATOR: char = '\u{1f}';
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Pushes a trimmed text; an empty one is no text.
pub(super) fn push_trimmed(text: &str, batch: &mut Batch) -> Text {
    match text.trim() {
        "" => Text::default(),
        text => batch.push_text(text),
    }
}
