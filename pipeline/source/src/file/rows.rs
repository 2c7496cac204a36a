//! The rows of an Arrow file, a record each.
//!
//! In: a file of Arrow IPC.  Out: rows, as columns and as the numbers of their records.  Owns: the open file, and one record
//! batch of it.
//! Absent on purpose: going back by a footer's index: a stream has none, and a replay goes back once, to where it stopped.
//! Invariants: a stream whose writer did not say that nothing follows is told as broken off, behind its last row.

use std::fs::{File, Metadata};
use std::io;
use std::sync::Arc;

use model::Offset;
use schemas::decode::{ArrowReader, PunchColumns};

use super::framing::Place;
use crate::log::BatchLimits;
use crate::raw_batch::RawBatch;

/// The file, before one of its rows.
pub(crate) struct Rows {
    reader: ArrowReader<File>,
    end: u64,
    /// The record batch that the next row lies in, as far as one is read.
    columns: Option<Arc<PunchColumns>>,
    /// The next row within it.
    row: usize,
    /// Rows passed.
    passed: u64,
}

impl Rows {
    /// Reads `file` of `end` bytes, and its first rows: columns that are none of punches are told at once.
    pub(crate) fn new(file: File, end: u64) -> io::Result<Self> {
        let mut rows = Self { reader: ArrowReader::new(file)?, end, columns: None, row: 0, passed: 0 };
        rows.columns()?;
        Ok(rows)
    }

    /// How many rows it has passed; bytes are read ahead of rows, and are told for progress alone.
    pub(crate) fn place(&self) -> Place {
        Place { line: self.passed, byte: self.reader.bytes_read() }
    }

    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.reader.get_ref().metadata()
    }

    /// Stands before the row numbered `row`, or at the file's end if it has fewer.
    pub(crate) fn seek(&mut self, row: u64) -> io::Result<()> {
        if row < self.passed {
            self.reader.rewind()?;
            (self.columns, self.row, self.passed) = (None, 0, 0);
        }
        while self.passed < row {
            let Some(columns) = self.columns()? else { break };
            let left = columns.rows() - self.row;
            self.pass(left.min(usize::try_from(row - self.passed).unwrap_or(usize::MAX)));
        }
        Ok(())
    }

    /// Puts rows into `into` until it has as much as `limits` allow, at least one; none at the file's end.
    pub(crate) fn fill(&mut self, into: &mut RawBatch, limits: BatchLimits) -> io::Result<()> {
        let bytes_max = limits.bytes_max.max(1);
        while into.records() < limits.records_max.max(1) && into.bytes() < bytes_max {
            let Some(columns) = self.columns()? else { break };
            let by_bytes = bytes_max.saturating_sub(into.bytes()) / (columns.bytes() / columns.rows()).max(1);
            let most = by_bytes.clamp(1, limits.records_max.max(1) - into.records());
            let rows = self.row..columns.rows().min(self.row.saturating_add(most));
            into.push_rows(offset(self.passed), &columns, rows.clone());
            self.pass(rows.len());
        }
        Ok(())
    }

    fn pass(&mut self, rows: usize) {
        self.row += rows;
        self.passed += rows as u64;
    }

    /// The record batch that the next row lies in; `None` at the file's end.
    fn columns(&mut self) -> io::Result<Option<Arc<PunchColumns>>> {
        loop {
            if let Some(columns) = self.columns.as_ref().filter(|columns| self.row < columns.rows()) {
                return Ok(Some(Arc::clone(columns)));
            }
            self.row = 0;
            self.columns = self.reader.next_columns()?.map(Arc::new);
            if self.columns.is_none() {
                return if self.reader.has_end() { Ok(None) } else { Err(broken_off(self.passed)) };
            }
        }
    }
}

fn broken_off(rows: u64) -> io::Error {
    let text = format!(
        "the Arrow stream breaks off behind {rows} rows: its end mark is missing: write it anew to its end"
    );
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

fn offset(row: u64) -> Offset {
    Offset::new(row as i64).expect("a file has fewer than 2^63 rows")
}
