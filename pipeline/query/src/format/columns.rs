//! How a value of any column reads as text.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, DurationFormat, FormatOptions};

use crate::error::Error;

/// What stands between the items of a list, as in the contract's CSV files.
const LIST_SEPARATOR: &str = ";";

/// Whether values of this type are set to the right.
pub(super) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// A column's values as text.
pub(super) struct TextColumn<'a> {
    array: &'a ArrayRef,
    null: &'a str,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Plain(ArrayFormatter<'a>),
    List(ArrayRef),
}

impl<'a> TextColumn<'a> {
    /// The columns of `batch`; nulls read as `null`.
    pub(super) fn all(batch: &'a RecordBatch, null: &'a str) -> Result<Vec<Self>, Error> {
        batch.columns().iter().map(|array| Self::new(array, null)).collect()
    }

    fn new(array: &'a ArrayRef, null: &'a str) -> Result<Self, Error> {
        let kind = match array.data_type() {
            DataType::List(_) => Kind::List(array.as_list::<i32>().values().clone()),
            _ => Kind::Plain(ArrayFormatter::try_new(array.as_ref(), &options()).map_err(Error::output)?),
        };
        Ok(Self { array, null, kind })
    }

    /// The value of `row`.
    pub(super) fn text(&self, row: usize) -> Result<String, Error> {
        if self.array.is_null(row) {
            return Ok(self.null.to_owned());
        }
        match &self.kind {
            Kind::Plain(formatter) => formatter.value(row).try_to_string().map_err(Error::output),
            Kind::List(items) => {
                let items_of = ArrayFormatter::try_new(items.as_ref(), &options()).map_err(Error::output)?;
                let offsets = self.array.as_list::<i32>().value_offsets();
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                let items: Result<Vec<_>, _> = range.map(|at| items_of.value(at).try_to_string()).collect();
                Ok(items.map_err(Error::output)?.join(LIST_SEPARATOR))
            }
        }
    }
}

fn options() -> FormatOptions<'static> {
    FormatOptions::new()
        .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"))
        .with_duration_format(DurationFormat::Pretty)
}
