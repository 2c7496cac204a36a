//! Cells of a record batch that was read back from the lake, by column name.
//!
//! Absent on purpose: columns by position. A reader of the lake may have projected, and later versions add columns.

use std::any::type_name;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray,
};
use arrow::error::ArrowError;
use hashbrown::HashMap;
use jiff::civil::Date;
use model::{Cause, EventTime, LogClock, LogMark, NextOffset, Offset, Partition};

use crate::civil;

/// Why rows of the lake cannot be folded back. Our own state contradicts itself: stop.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The batch has no such column.
    #[error("read table {table}: there is no column `{column}`")]
    NoColumn {
        /// The table.
        table: &'static str,
        /// The column.
        column: String,
    },
    /// The column has another type.
    #[error("read table {table}: column `{column}` is {found}, expected {expected}")]
    WrongType {
        /// The table.
        table: &'static str,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A value that no version of the contract up to this one knows, or a null where none may be.
    #[error(
        "read table {table}: column `{column}` row {row} holds {found}, which this version does not know"
    )]
    BadValue {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row within the batch.
        row: usize,
        /// What it holds.
        found: String,
    },
    /// Arrow could not cut the batch.
    #[error("cut a record batch: {0}")]
    Arrow(#[from] ArrowError),
}

/// The rows of one batch of one table.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    table: &'static str,
    batch: &'a RecordBatch,
}

impl<'a> Rows<'a> {
    pub(super) const fn new(table: &'static str, batch: &'a RecordBatch) -> Self {
        Self { table, batch }
    }

    pub(super) fn len(&self) -> usize {
        self.batch.num_rows()
    }

    pub(super) fn column(&self, name: &str) -> Result<&'a ArrayRef, ReadError> {
        let missing = || ReadError::NoColumn { table: self.table, column: name.to_owned() };
        self.batch.column_by_name(name).ok_or_else(missing)
    }

    fn wrong(&self, name: &str, found: &ArrayRef, expected: &'static str) -> ReadError {
        let found = found.data_type().to_string();
        ReadError::WrongType { table: self.table, column: name.to_owned(), found, expected }
    }

    pub(super) fn array<T: Array + 'static>(&self, name: &str) -> Result<&'a T, ReadError> {
        let column = self.column(name)?;
        column.as_any().downcast_ref().ok_or_else(|| self.wrong(name, column, type_name::<T>()))
    }

    pub(super) fn text(&self, name: &'static str) -> Result<TextCells<'a>, ReadError> {
        let column = self.column(name)?;
        let any = column.as_any();
        let cells = match (any.downcast_ref(), any.downcast_ref()) {
            (Some(array), _) => TextArray::Plain(array),
            (_, Some(array)) => TextArray::View(array),
            _ => return Err(self.wrong(name, column, "text")),
        };
        Ok(TextCells { table: self.table, column: name, cells })
    }

    pub(super) fn time(&self, name: &'static str) -> Result<TimeCells<'a>, ReadError> {
        Ok(TimeCells { rows: *self, column: name, cells: self.array(name)? })
    }

    pub(super) fn day(&self, name: &'static str) -> Result<DayCells<'a>, ReadError> {
        Ok(DayCells { rows: *self, column: name, cells: self.array(name)? })
    }

    pub(super) fn int(&self, name: &str) -> Result<&'a Int64Array, ReadError> {
        self.array(name)
    }

    pub(super) fn flag(&self, name: &str) -> Result<&'a BooleanArray, ReadError> {
        self.array(name)
    }

    pub(super) fn partition(&self, name: &'static str) -> Result<PartitionCells<'a>, ReadError> {
        Ok(PartitionCells { rows: *self, column: name, cells: self.array(name)? })
    }

    pub(super) fn offset(&self, name: &'static str) -> Result<OffsetCells<'a>, ReadError> {
        Ok(OffsetCells { rows: *self, column: name, cells: self.array(name)? })
    }

    pub(super) fn cause(&self) -> Result<CauseCells<'a>, ReadError> {
        Ok(CauseCells {
            log: self.text("cause_log")?,
            partition: self.partition("cause_partition")?,
            next: self.offset("cause_offset")?,
            clock: self.time("cause_clock")?,
        })
    }

    pub(super) fn texts(&self, name: &'static str) -> Result<ListCells<'a>, ReadError> {
        let lists: &ListArray = self.array(name)?;
        let any = lists.values().as_any();
        let items = match (any.downcast_ref(), any.downcast_ref()) {
            (Some(array), _) => TextArray::Plain(array),
            (_, Some(array)) => TextArray::View(array),
            _ => return Err(self.wrong(name, lists.values(), "a list of text")),
        };
        Ok(ListCells { lists, items })
    }

    pub(super) fn smalls(&self, name: &'static str) -> Result<NumberCells<'a>, ReadError> {
        let lists: &ListArray = self.array(name)?;
        let items = lists.values();
        let items =
            items.as_any().downcast_ref().ok_or_else(|| self.wrong(name, items, "a list of numbers"))?;
        Ok(NumberCells { lists, items })
    }

    pub(super) fn bad(&self, column: &'static str, row: usize, found: impl Into<String>) -> ReadError {
        ReadError::BadValue { table: self.table, column, row, found: found.into() }
    }
}

#[derive(Clone, Copy)]
enum TextArray<'a> {
    Plain(&'a StringArray),
    View(&'a StringViewArray),
}

impl<'a> TextArray<'a> {
    fn get(self, row: usize) -> Option<&'a str> {
        match self {
            Self::Plain(array) => array.is_valid(row).then(|| array.value(row)),
            Self::View(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

/// A column of text.
#[derive(Clone, Copy)]
pub(super) struct TextCells<'a> {
    table: &'static str,
    column: &'static str,
    cells: TextArray<'a>,
}

impl<'a> TextCells<'a> {
    pub(super) fn get(&self, row: usize) -> Option<&'a str> {
        self.cells.get(row)
    }

    pub(super) fn some(&self, row: usize) -> Result<&'a str, ReadError> {
        self.get(row).ok_or_else(|| self.bad(row, "null"))
    }

    /// The value of a text that names one.
    pub(super) fn named<T>(&self, row: usize, from_name: fn(&str) -> Option<T>) -> Result<T, ReadError> {
        let name = self.some(row)?;
        from_name(name).ok_or_else(|| self.bad(row, name))
    }

    fn bad(&self, row: usize, found: &str) -> ReadError {
        ReadError::BadValue { table: self.table, column: self.column, row, found: found.to_owned() }
    }
}

/// A column of instants.
#[derive(Clone, Copy)]
pub(super) struct TimeCells<'a> {
    rows: Rows<'a>,
    column: &'static str,
    cells: &'a TimestampMicrosecondArray,
}

impl TimeCells<'_> {
    pub(super) fn get(&self, row: usize) -> Option<EventTime> {
        self.cells.is_valid(row).then(|| EventTime::from_us(self.cells.value(row)))
    }

    pub(super) fn some(&self, row: usize) -> Result<EventTime, ReadError> {
        self.get(row).ok_or_else(|| self.rows.bad(self.column, row, "null"))
    }
}

/// A column of days.
#[derive(Clone, Copy)]
pub(super) struct DayCells<'a> {
    rows: Rows<'a>,
    column: &'static str,
    cells: &'a Date32Array,
}

impl DayCells<'_> {
    pub(super) fn some(&self, row: usize) -> Result<Date, ReadError> {
        let days = self.cells.value(row);
        let date = self.cells.is_valid(row).then(|| civil::date_of(days)).flatten();
        date.ok_or_else(|| self.rows.bad(self.column, row, format!("day {days}")))
    }
}

/// A column of partition numbers.
#[derive(Clone, Copy)]
pub(super) struct PartitionCells<'a> {
    rows: Rows<'a>,
    column: &'static str,
    cells: &'a Int32Array,
}

impl PartitionCells<'_> {
    pub(super) fn some(&self, row: usize) -> Result<Partition, ReadError> {
        let number = u32::try_from(self.cells.value(row)).ok().filter(|_| self.cells.is_valid(row));
        number.map(Partition::new).ok_or_else(|| self.rows.bad(self.column, row, "no partition"))
    }
}

/// A column of offsets or positions.
#[derive(Clone, Copy)]
pub(super) struct OffsetCells<'a> {
    rows: Rows<'a>,
    column: &'static str,
    cells: &'a Int64Array,
}

impl OffsetCells<'_> {
    pub(super) fn some(&self, row: usize) -> Result<Offset, ReadError> {
        let value = self.cells.value(row);
        let offset = Offset::new(value).filter(|_| self.cells.is_valid(row));
        offset.ok_or_else(|| self.rows.bad(self.column, row, value.to_string()))
    }

    pub(super) fn next(&self, row: usize) -> Result<NextOffset, ReadError> {
        let value = self.cells.value(row);
        let next = NextOffset::new(value).filter(|_| self.cells.is_valid(row));
        next.ok_or_else(|| self.rows.bad(self.column, row, value.to_string()))
    }
}

/// The columns of what made Muster say something.
#[derive(Clone, Copy)]
pub(super) struct CauseCells<'a> {
    log: TextCells<'a>,
    partition: PartitionCells<'a>,
    next: OffsetCells<'a>,
    clock: TimeCells<'a>,
}

impl CauseCells<'_> {
    pub(super) fn some(&self, row: usize) -> Result<Cause, ReadError> {
        Ok(Cause {
            log: self.log.named(row, LogMark::parse)?,
            partition: self.partition.some(row)?,
            next: self.next.next(row)?,
            clock: LogClock::at(self.clock.some(row)?),
        })
    }
}

/// A column of lists of text.
#[derive(Clone, Copy)]
pub(super) struct ListCells<'a> {
    lists: &'a ListArray,
    items: TextArray<'a>,
}

impl<'a> ListCells<'a> {
    /// The texts of one row; none for a null.
    pub(super) fn get(&self, row: usize) -> impl Iterator<Item = &'a str> + use<'a> {
        let items = self.items;
        items_of(self.lists, row).filter_map(move |item| items.get(item))
    }
}

/// A column of lists of numbers.
#[derive(Clone, Copy)]
pub(super) struct NumberCells<'a> {
    lists: &'a ListArray,
    items: &'a Int32Array,
}

impl<'a> NumberCells<'a> {
    /// The numbers of one row; none for a null.
    pub(super) fn get(&self, row: usize) -> impl Iterator<Item = i32> + use<'a> {
        let items = self.items;
        items_of(self.lists, row).filter(|item| items.is_valid(*item)).map(|item| items.value(item))
    }
}

fn items_of(lists: &ListArray, row: usize) -> Range<usize> {
    let offsets = lists.value_offsets();
    if lists.is_valid(row) { offsets[row] as usize..offsets[row + 1] as usize } else { 0..0 }
}

/// Texts that repeat from row to row, each kept once.
#[derive(Debug, Default)]
pub(super) struct Interner(HashMap<Arc<str>, ()>);

impl Interner {
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        if let Some((known, ())) = self.0.get_key_value(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.0.insert(new.clone(), ());
        new
    }
}
