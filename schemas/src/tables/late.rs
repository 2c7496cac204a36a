//! Table `late`: the inbox of punches older than the owner's memory; rows are those of `punches` and a code.
//!
//! A late row must be able to become a row of `punches`, so it has all of its columns; [`to_punches`] cuts it to them.

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::columns::{Cells, Type, required, schema as make_schema};
use super::read::{ReadError, Rows};
use super::{TableBuilder, TableRows, punches, rejects};

/// The table's name.
pub const NAME: &str = "late";

/// The table `late`.
#[derive(Clone, Copy, Debug)]
pub struct Late;

/// Collects rows of `late`.
pub type Builder = TableBuilder<Late>;

/// The table's columns: those of `punches`, then `code`, then the month.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let mut fields = punches::fields();
        fields.push(required("code", Type::Text));
        make_schema(fields)
    });
    SCHEMA.clone()
}

/// One row, borrowed.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The punch as it would stand in `punches`.
    pub punch: punches::Row<'a>,
    /// Why it went to the inbox: `beyond_memory`, …
    pub code: &'a str,
}

impl TableRows for Late {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        row.punch.write(cells);
        cells.text(row.code).month(row.punch.business_date);
    }
}

/// The rows of `late` as rows of `punches`.
pub fn to_punches(batch: &RecordBatch) -> Result<RecordBatch, ReadError> {
    let schema = punches::schema();
    let rows = Rows::new(NAME, batch);
    let columns = schema.fields().iter().map(|field| rows.column(field.name()).cloned());
    Ok(RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)?)
}

/// Where each row comes from, in the batch's order.
pub fn read_origins(batch: &RecordBatch) -> Result<Vec<rejects::RecordOrigin>, ReadError> {
    rejects::origins(NAME, batch)
}
