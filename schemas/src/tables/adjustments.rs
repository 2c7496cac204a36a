//! Table `adjustments`: the versions of shift results that were said after their month had been sealed.
//!
//! The columns are those of `shift_results`, the versions go on from there, and a version is in one of the two tables. So what
//! an adjustment changes is the difference from the version before it, wherever that is.

use arrow::datatypes::SchemaRef;

use super::columns::Cells;
use super::shift_results::{Row, ShiftResults, schema as schema_of_results};
use super::{TableBuilder, TableRows};

pub use super::shift_results::read;

/// The table's name.
pub const NAME: &str = "adjustments";

/// The table `adjustments`.
#[derive(Clone, Copy, Debug)]
pub struct Adjustments;

/// Collects rows of `adjustments`.
pub type Builder = TableBuilder<Adjustments>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    schema_of_results()
}

impl TableRows for Adjustments {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        ShiftResults::write(row, cells);
    }
}
