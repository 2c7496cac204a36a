//! The columns of one table under construction: cells are written in the schema's order, a row at a time.
//!
//! In: a schema, then cells.  Out: a record batch.  Owns: one Arrow builder per column.
//! Invariants: a row writes every column once and closes with the month, kept by `Cells::month`.
//! Why so: one list of columns a table, in one place, instead of a struct of builders that repeats it twice; the
//! price is one predictable comparison a cell. A finished builder is made anew with the room its last batch needed.

use std::fmt::{Display, Write as _};
use std::slice::IterMut;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder, ListBuilder,
    RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use jiff::civil::Date;
use model::{Cause, EventTime};

use crate::civil;

/// The types a column may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// UTF-8.
    Text,
    /// UTC microseconds.
    Time,
    /// A calendar day.
    Day,
    /// 64 bits.
    Int,
    /// 32 bits.
    Small,
    /// A double.
    Number,
    /// A boolean.
    Flag,
    /// A list of texts.
    Texts,
    /// A list of 32-bit numbers.
    Smalls,
}

impl Type {
    fn data_type(self) -> DataType {
        let list = |item| DataType::List(Arc::new(Field::new(LIST_ITEM, item, true)));
        match self {
            Self::Text => DataType::Utf8,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            Self::Day => DataType::Date32,
            Self::Int => DataType::Int64,
            Self::Small => DataType::Int32,
            Self::Number => DataType::Float64,
            Self::Flag => DataType::Boolean,
            Self::Texts => list(DataType::Utf8),
            Self::Smalls => list(DataType::Int32),
        }
    }
}

const UTC: &str = "UTC";
const LIST_ITEM: &str = "element";

/// A column that always has a value.
pub(super) fn required(name: &str, kind: Type) -> Field {
    Field::new(name, kind.data_type(), false)
}

/// A column that may be null.
pub(super) fn optional(name: &str, kind: Type) -> Field {
    Field::new(name, kind.data_type(), true)
}

/// The columns of what made Muster say something: the log in short, its partition, the position just behind the last
/// record that had been judged, the log clock.
pub(super) fn cause_fields() -> [Field; 4] {
    [
        required("cause_log", Type::Text),
        required("cause_partition", Type::Small),
        required("cause_offset", Type::Int),
        required("cause_clock", Type::Time),
    ]
}

/// The table's schema: its own columns and the month.
pub(super) fn schema(mut fields: Vec<Field>) -> SchemaRef {
    fields.push(required(super::MONTH_COLUMN, Type::Text));
    Arc::new(Schema::new(fields))
}

#[derive(Debug)]
enum Column {
    Text(StringBuilder),
    Time(TimestampMicrosecondBuilder),
    Day(Date32Builder),
    Int(Int64Builder),
    Small(Int32Builder),
    Number(Float64Builder),
    Flag(BooleanBuilder),
    Texts(ListBuilder<StringBuilder>),
    Smalls(ListBuilder<Int32Builder>),
}

/// How much room a new builder gets.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    rows: usize,
    items: usize,
    bytes: usize,
}

impl Column {
    fn new(kind: &DataType, room: Room) -> Self {
        let item = |kind| Arc::new(Field::new(LIST_ITEM, kind, true));
        match kind {
            DataType::Utf8 => Self::Text(StringBuilder::with_capacity(room.rows, room.bytes)),
            DataType::Timestamp(_, _) => {
                Self::Time(TimestampMicrosecondBuilder::with_capacity(room.rows).with_data_type(kind.clone()))
            }
            DataType::Date32 => Self::Day(Date32Builder::with_capacity(room.rows)),
            DataType::Int64 => Self::Int(Int64Builder::with_capacity(room.rows)),
            DataType::Int32 => Self::Small(Int32Builder::with_capacity(room.rows)),
            DataType::Float64 => Self::Number(Float64Builder::with_capacity(room.rows)),
            DataType::Boolean => Self::Flag(BooleanBuilder::with_capacity(room.rows)),
            DataType::List(field) if *field.data_type() == DataType::Utf8 => {
                let items = StringBuilder::with_capacity(room.items, room.bytes);
                Self::Texts(ListBuilder::with_capacity(items, room.rows).with_field(item(DataType::Utf8)))
            }
            DataType::List(_) => {
                let items = Int32Builder::with_capacity(room.items);
                Self::Smalls(ListBuilder::with_capacity(items, room.rows).with_field(item(DataType::Int32)))
            }
            other => unreachable!("`Type` makes no column of {other}"),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(column) => Arc::new(column.finish()),
            Self::Time(column) => Arc::new(column.finish()),
            Self::Day(column) => Arc::new(column.finish()),
            Self::Int(column) => Arc::new(column.finish()),
            Self::Small(column) => Arc::new(column.finish()),
            Self::Number(column) => Arc::new(column.finish()),
            Self::Flag(column) => Arc::new(column.finish()),
            Self::Texts(column) => Arc::new(column.finish()),
            Self::Smalls(column) => Arc::new(column.finish()),
        }
    }

    fn refuse(&self, cell: &str) -> ! {
        unreachable!("{cell} does not fit into {self:?}: a row is written in its schema's order")
    }

    fn room(&self, rows: usize) -> Room {
        let room = Room { rows, ..Room::default() };
        match self {
            Self::Text(column) => Room { bytes: column.values_slice().len(), ..room },
            Self::Texts(column) => {
                let items = column.values_ref();
                Room { items: items.offsets_slice().len(), bytes: items.values_slice().len(), ..room }
            }
            Self::Smalls(column) => Room { items: column.values_ref().values_slice().len(), ..room },
            _ => room,
        }
    }
}

/// The columns of one table under construction.
#[derive(Debug)]
pub(super) struct Columns {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
}

impl Columns {
    pub(super) fn new(schema: SchemaRef) -> Self {
        let columns =
            schema.fields().iter().map(|field| Column::new(field.data_type(), Room::default())).collect();
        Self { schema, columns, rows: 0 }
    }

    /// Rows since the last `finish`.
    pub(super) const fn len(&self) -> usize {
        self.rows
    }

    /// Begins a row.
    pub(super) fn row(&mut self) -> Cells<'_> {
        self.rows += 1;
        Cells(self.columns.iter_mut())
    }

    /// The rows so far; the columns are empty again and keep as much room as these rows took.
    pub(super) fn finish(&mut self) -> RecordBatch {
        let rows = std::mem::take(&mut self.rows);
        let fields = self.schema.fields().iter();
        let arrays = self.columns.iter_mut().zip(fields).map(|(column, field)| {
            let room = column.room(rows);
            let array = column.finish();
            *column = Column::new(field.data_type(), room);
            array
        });
        let arrays = arrays.collect();
        RecordBatch::try_new(self.schema.clone(), arrays)
            .expect("a row writes every column of its schema once")
    }
}

/// The cells of one row, written in the schema's order.
#[derive(Debug)]
pub struct Cells<'a>(IterMut<'a, Column>);

impl Cells<'_> {
    fn next(&mut self) -> &mut Column {
        self.0.next().expect("a row has no more cells than its table has columns")
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.text_or_null(Some(value))
    }

    pub(super) fn text_or_null(&mut self, value: Option<&str>) -> &mut Self {
        match self.next() {
            Column::Text(column) => column.append_option(value),
            other => other.refuse("text"),
        }
        self
    }

    /// Text that is written in place.
    pub(super) fn written(&mut self, write: impl FnOnce(&mut StringBuilder)) -> &mut Self {
        match self.next() {
            Column::Text(column) => {
                write(column);
                column.append_value("");
            }
            other => other.refuse("text"),
        }
        self
    }

    pub(super) fn time(&mut self, value: EventTime) -> &mut Self {
        self.time_or_null(Some(value))
    }

    pub(super) fn time_or_null(&mut self, value: Option<EventTime>) -> &mut Self {
        match self.next() {
            Column::Time(column) => column.append_option(value.map(EventTime::us)),
            other => other.refuse("an instant"),
        }
        self
    }

    pub(super) fn day(&mut self, value: Date) -> &mut Self {
        self.day_or_null(Some(value))
    }

    pub(super) fn day_or_null(&mut self, value: Option<Date>) -> &mut Self {
        match self.next() {
            Column::Day(column) => column.append_option(value.map(civil::epoch_days)),
            other => other.refuse("a day"),
        }
        self
    }

    pub(super) fn int(&mut self, value: i64) -> &mut Self {
        self.int_or_null(Some(value))
    }

    pub(super) fn int_or_null(&mut self, value: Option<i64>) -> &mut Self {
        match self.next() {
            Column::Int(column) => column.append_option(value),
            other => other.refuse("a 64-bit number"),
        }
        self
    }

    /// Partitions and segments, which stay far below 2^31.
    pub(super) fn small(&mut self, value: u32) -> &mut Self {
        match self.next() {
            Column::Small(column) => column.append_value(i32::try_from(value).unwrap_or(i32::MAX)),
            other => other.refuse("a 32-bit number"),
        }
        self
    }

    pub(super) fn number_or_null(&mut self, value: Option<f64>) -> &mut Self {
        match self.next() {
            Column::Number(column) => column.append_option(value),
            other => other.refuse("a number"),
        }
        self
    }

    pub(super) fn flag(&mut self, value: bool) -> &mut Self {
        self.flag_or_null(Some(value))
    }

    pub(super) fn flag_or_null(&mut self, value: Option<bool>) -> &mut Self {
        match self.next() {
            Column::Flag(column) => column.append_option(value),
            other => other.refuse("a boolean"),
        }
        self
    }

    pub(super) fn texts<T: AsRef<str>>(&mut self, values: impl IntoIterator<Item = T>) -> &mut Self {
        match self.next() {
            Column::Texts(column) => {
                for value in values {
                    column.values().append_value(value);
                }
                column.append(true);
            }
            other => other.refuse("a list of texts"),
        }
        self
    }

    /// A list of texts, each written in place.
    pub(super) fn displayed<T: Display>(&mut self, values: impl IntoIterator<Item = T>) -> &mut Self {
        match self.next() {
            Column::Texts(column) => {
                for value in values {
                    // Writing to a builder's buffer cannot fail.
                    let _ = write!(column.values(), "{value}");
                    column.values().append_value("");
                }
                column.append(true);
            }
            other => other.refuse("a list of texts"),
        }
        self
    }

    pub(super) fn smalls(&mut self, values: impl IntoIterator<Item = Option<i32>>) -> &mut Self {
        match self.next() {
            Column::Smalls(column) => {
                for value in values {
                    column.values().append_option(value);
                }
                column.append(true);
            }
            other => other.refuse("a list of numbers"),
        }
        self
    }

    /// What made Muster say it; the columns of [`cause_fields`].
    pub(super) fn cause(&mut self, cause: &Cause) -> &mut Self {
        // Writing to a builder's buffer cannot fail.
        self.written(|out| _ = write!(out, "{}", cause.log))
            .small(cause.partition.number())
            .int(cause.next.get())
            .time(cause.clock.time())
    }

    /// The month of `date`, which closes the row.
    pub(super) fn month(&mut self, date: Date) {
        let mut text = *b"0000-00";
        let year = i64::from(date.year()).clamp(0, 9_999);
        civil::two_digits(&mut text[0..2], year / 100);
        civil::two_digits(&mut text[2..4], year % 100);
        civil::two_digits(&mut text[5..7], i64::from(date.month()));
        self.text(std::str::from_utf8(&text).unwrap_or_default());
        debug_assert!(self.0.next().is_none(), "the month is a table's last column");
    }
}
