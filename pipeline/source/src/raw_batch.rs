//! Undecoded records of one partition in offset order, in memory that is used again.
//!
//! In: a source's rows or lines.  Out: [`RawEntry`]s, to a decoder of `schemas`.  Owns: one arena of bytes and flat vectors;
//! of an Arrow file the columns, of which each row is a record.
//! Absent on purpose: decoding, and an allocation per record.
//! Invariants: offsets rise and lie in `from..next`; gaps rise, lie in `from..next` and hold no entry's offset: asserted
//! by `push` and `push_gap`.
//! Why so: a consumer that may take only a part (a limit, an unbelievable time at the end) splits the tail off and
//! puts the next batch behind it, so no source needs a push-back of its own.
//!
//! ```text
//! arena    | key | value | headers | key | value | headers | …
//! headers  { name length u32 le | name | value length u32 le, or ffffffff = absent | value } …
//! ```

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use model::{Batch, EventTime, NextOffset, Offset, Partition};
use schemas::decode::PunchColumns;
use schemas::{Decoded, Decoder, RawRecord};

use crate::log::Header;

/// Marks an absent key, value or header value in a length.
const ABSENT: u32 = u32::MAX;

/// Offsets `from..until` that the log does not hold (trimmed or compacted away), though it once counted them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first missing offset.
    pub from: Offset,
    /// The position behind the last missing offset.
    pub until: NextOffset,
}

/// Records of one partition in offset order, undecoded.
#[derive(Clone, Debug)]
pub struct RawBatch {
    partition: Partition,
    from: NextOffset,
    next: NextOffset,
    entries: Vec<Entry>,
    arena: Vec<u8>,
    columns: Vec<Arc<PunchColumns>>,
    gaps: Vec<Gap>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: Offset,
    append_time: Option<EventTime>,
    at: usize,
    key_len: u32,
    value_len: u32,
    headers_len: u32,
    row: Option<RowAt>,
}

/// A row of the batch's columns.
#[derive(Clone, Copy, Debug)]
struct RowAt {
    columns: u32,
    row: u32,
}

impl Entry {
    fn len(&self) -> usize {
        present(self.key_len) + present(self.value_len) + self.headers_len as usize
    }
}

fn present(len: u32) -> usize {
    if len == ABSENT { 0 } else { len as usize }
}

fn length_of(bytes: Option<&[u8]>) -> u32 {
    bytes.map_or(ABSENT, |bytes| length(bytes.len()))
}

fn length(len: usize) -> u32 {
    u32::try_from(len)
        .ok()
        .filter(|len| *len != ABSENT)
        .expect("a record stays below 4 GiB: sources bound it")
}

/// One undecoded record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEntry<'a> {
    /// Its offset.
    pub offset: Offset,
    /// When the log took it; files do not know.
    pub append_time: Option<EventTime>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value, untouched; none where the record is a row.
    pub value: Option<&'a [u8]>,
    /// The row that it is, in an Arrow file.
    pub row: Option<RawRow<'a>>,
    /// Its headers.
    pub headers: RawHeaders<'a>,
}

/// A record that has no bytes of its own: a row of columns.
#[derive(Clone, Copy, Debug)]
pub struct RawRow<'a> {
    columns: &'a Arc<PunchColumns>,
    row: usize,
}

impl PartialEq for RawRow<'_> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.columns, other.columns) && self.row == other.row
    }
}

impl Eq for RawRow<'_> {}

impl<'a> RawEntry<'a> {
    /// Reads it into `batch`: bytes by `decoder`, a row as it is.
    pub fn decode(&self, decoder: &mut Decoder, batch: &mut Batch) -> Decoded {
        let (offset, append_time) = (self.offset, self.append_time);
        match self.row {
            None => decoder.decode(RawRecord { offset, append_time, value: self.value }, batch),
            Some(RawRow { columns, row }) => {
                Decoder::decode_row(offset, append_time, (columns, row), batch);
                Decoded::Taken
            }
        }
    }

    /// Its value as bytes: a row is spelled out as a record of JSON.
    pub fn bytes(&self) -> Option<Cow<'a, [u8]>> {
        match self.row {
            None => self.value.map(Cow::Borrowed),
            Some(RawRow { columns, row }) => {
                let json = serde_json::to_vec(&columns.line(row)).expect("a line is text under names");
                Some(Cow::Owned(json))
            }
        }
    }
}

/// The headers of one record, as the batch keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawHeaders<'a>(&'a [u8]);

impl<'a> RawHeaders<'a> {
    /// The headers in `encoded`, or `None` if that was not written by [`RawHeaders::encode`].
    pub fn from_encoded(encoded: &'a [u8]) -> Option<Self> {
        let mut rest = encoded;
        while !rest.is_empty() {
            rest = split_header(rest)?.1;
        }
        Some(Self(encoded))
    }

    /// Writes `headers` behind what `into` holds, in the layout of this module's drawing.
    pub fn encode(headers: &[Header<'_>], into: &mut Vec<u8>) {
        for (name, value) in headers {
            into.extend_from_slice(&length(name.len()).to_le_bytes());
            into.extend_from_slice(name.as_bytes());
            into.extend_from_slice(&length_of(*value).to_le_bytes());
            into.extend_from_slice(value.unwrap_or_default());
        }
    }

    /// As encoded.
    pub const fn encoded(self) -> &'a [u8] {
        self.0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Each header in order.
    pub fn iter(self) -> impl Iterator<Item = Header<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (header, behind) = split_header(rest)?;
            rest = behind;
            Some(header)
        })
    }

    /// The value of the last header called `name`, if it has one.
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        self.iter().filter(|(n, _)| *n == name).last().and_then(|(_, value)| value)
    }
}

fn split_header(bytes: &[u8]) -> Option<(Header<'_>, &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (name, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    let name = std::str::from_utf8(name).ok()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len);
    let (value, rest) = rest.split_at_checked(present(len))?;
    Some(((name, (len != ABSENT).then_some(value)), rest))
}

impl Default for RawBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl RawBatch {
    /// An empty batch, to be filled by a poll.
    pub const fn new() -> Self {
        Self {
            partition: Partition::new(0),
            from: NextOffset::START,
            next: NextOffset::START,
            entries: Vec::new(),
            arena: Vec::new(),
            columns: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// Empties it, keeps its memory, and begins a batch of `partition` at `from`.
    pub fn begin(&mut self, partition: Partition, from: NextOffset) {
        self.partition = partition;
        self.from = from;
        self.next = from;
        self.entries.clear();
        self.arena.clear();
        self.columns.clear();
        self.gaps.clear();
    }

    /// Appends a record.
    ///
    /// # Panics
    /// If its offset lies before [`RawBatch::next`].
    pub fn push(
        &mut self,
        offset: Offset,
        append_time: Option<EventTime>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: RawHeaders<'_>,
    ) {
        assert!(!self.next.has_passed(offset), "offset {} again or too late", offset.get());
        let at = self.arena.len();
        let (key_len, value_len) = (length_of(key), length_of(value));
        self.arena.extend_from_slice(key.unwrap_or_default());
        self.arena.extend_from_slice(value.unwrap_or_default());
        self.arena.extend_from_slice(headers.0);
        let headers_len = length(headers.0.len());
        self.entries.push(Entry { offset, append_time, at, key_len, value_len, headers_len, row: None });
        self.next = offset.next();
    }

    /// Appends `rows` of `columns` as records, the first at `offset`, the others behind it.
    ///
    /// # Panics
    /// If `offset` lies before [`RawBatch::next`], or the columns have fewer rows.
    pub fn push_rows(&mut self, offset: Offset, columns: &Arc<PunchColumns>, rows: Range<usize>) {
        assert!(!self.next.has_passed(offset), "offset {} again or too late", offset.get());
        assert!(rows.end <= columns.rows(), "{} rows of {}", rows.end, columns.rows());
        let (at, number) = (self.arena.len(), length(self.columns.len()));
        self.columns.push(Arc::clone(columns));
        let mut offset = offset;
        for row in rows {
            let row = Some(RowAt { columns: number, row: length(row) });
            let (key_len, value_len, headers_len) = (ABSENT, ABSENT, 0);
            self.entries.push(Entry { offset, append_time: None, at, key_len, value_len, headers_len, row });
            self.next = offset.next();
            offset = Offset::new(self.next.get()).expect("a position is not negative");
        }
    }

    /// Says that the log does not hold the offsets from [`RawBatch::next`] to `until`. Empty gaps are left out.
    pub fn push_gap(&mut self, until: NextOffset) {
        if until <= self.next {
            return;
        }
        let from = Offset::new(self.next.get()).expect("a position is not negative");
        match self.gaps.last_mut() {
            Some(last) if last.until == self.next => last.until = until,
            _ => self.gaps.push(Gap { from, until }),
        }
        self.next = until;
    }

    /// Moves [`RawBatch::next`] to `next` over offsets that are no records and no loss either (blank lines of a file).
    pub fn pass_to(&mut self, next: NextOffset) {
        self.next = self.next.max(next);
    }

    /// The partition its records come from.
    pub const fn partition(&self) -> Partition {
        self.partition
    }

    /// The position it begins at.
    pub const fn from(&self) -> NextOffset {
        self.from
    }

    /// The position behind its last record or gap.
    pub const fn next(&self) -> NextOffset {
        self.next
    }

    /// How many records it holds.
    pub fn records(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of keys, values and headers; of rows their part of their columns' bytes.
    pub fn bytes(&self) -> usize {
        let part_of = |at: RowAt| {
            let columns = &self.columns[at.columns as usize];
            columns.bytes() / columns.rows().max(1)
        };
        let rows = if self.columns.is_empty() { &[][..] } else { &self.entries };
        self.arena.len() + rows.iter().filter_map(|entry| entry.row).map(part_of).sum::<usize>()
    }

    /// Whether it holds neither record nor gap.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.gaps.is_empty()
    }

    /// What the log does not hold within `from..next`, in order.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// The records in offset order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = RawEntry<'_>> + ExactSizeIterator {
        self.entries.iter().map(|entry| self.read(entry))
    }

    /// The record numbered `index` within this batch.
    pub fn get(&self, index: usize) -> Option<RawEntry<'_>> {
        self.entries.get(index).map(|entry| self.read(entry))
    }

    fn read(&self, entry: &Entry) -> RawEntry<'_> {
        let (key, rest) = self.arena[entry.at..][..entry.len()].split_at(present(entry.key_len));
        let (value, headers) = rest.split_at(present(entry.value_len));
        RawEntry {
            offset: entry.offset,
            append_time: entry.append_time,
            key: (entry.key_len != ABSENT).then_some(key),
            value: (entry.value_len != ABSENT).then_some(value),
            headers: RawHeaders(headers),
            row: entry
                .row
                .map(|at| RawRow { columns: &self.columns[at.columns as usize], row: at.row as usize }),
        }
    }

    /// Cuts the batch at `at`: what lies before stays, what lies behind replaces the contents of `tail`. `at` is clamped
    /// to this batch; in a file it should be a record's offset (a CSV record may cover several lines).
    pub fn split_off(&mut self, at: NextOffset, tail: &mut Self) {
        let at = at.clamp(self.from, self.next);
        tail.begin(self.partition, at);
        let first = self.entries.partition_point(|entry| at.has_passed(entry.offset));
        let first_gap = self.gaps.partition_point(|gap| gap.until <= at);
        tail.gaps.extend(self.gaps.drain(first_gap..));
        if let Some(crossing) = tail.gaps.first_mut().filter(|gap| at.has_passed(gap.from)) {
            self.gaps.push(Gap { from: crossing.from, until: at });
            crossing.from = Offset::new(at.get()).expect("a position is not negative");
        }
        let start = self.entries.get(first).map_or(self.arena.len(), |entry| entry.at);
        tail.arena.extend_from_slice(&self.arena[start..]);
        tail.entries.extend(self.entries.drain(first..).map(|entry| Entry { at: entry.at - start, ..entry }));
        self.arena.truncate(start);
        tail.columns.clone_from(&self.columns);
        tail.next = self.next;
        self.next = at;
    }

    /// Puts `behind`, which begins where this batch ends, behind it.
    ///
    /// # Panics
    /// If `behind` is of another partition or begins elsewhere: a record would be lost or doubled.
    pub fn append_tail(&mut self, behind: &Self) {
        assert!(
            self.partition == behind.partition && self.next == behind.from,
            "a batch of partition {} from {} behind one of partition {} until {}",
            behind.partition,
            behind.from.get(),
            self.partition,
            self.next.get(),
        );
        let start = self.arena.len();
        self.arena.extend_from_slice(&behind.arena);
        let columns = length(self.columns.len());
        self.columns.extend_from_slice(&behind.columns);
        let moved = |at: RowAt| RowAt { columns: at.columns + columns, ..at };
        self.entries.extend(behind.entries.iter().map(|entry| Entry {
            at: entry.at + start,
            row: entry.row.map(moved),
            ..*entry
        }));
        for gap in &behind.gaps {
            match self.gaps.last_mut() {
                Some(last) if last.until.get() == gap.from.get() => last.until = gap.until,
                _ => self.gaps.push(*gap),
            }
        }
        self.next = behind.next;
    }
}

#[cfg(test)]
#[path = "raw_batch_tests.rs"]
mod tests;
