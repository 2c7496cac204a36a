//! Table `reviews`: what a reviewer decided about an anomaly, a row for each decision; the last one holds.
//!
//! Absent on purpose: names of people: `reviewer` is who reviews, as the organisation calls that role or person, and a note is to
//! name nobody.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;
use model::{AnomalyId, EventTime};

use super::columns::{Cells, Type, optional, required, schema as make_schema};
use super::local_time::local_date;
use super::{TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "reviews";

/// The table `reviews`.
#[derive(Clone, Copy, Debug)]
pub struct Reviews;

/// Collects rows of `reviews`.
pub type Builder = TableBuilder<Reviews>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("reviewed_at", Type::Time),
            required("anomaly_id", Type::Text),
            required("version", Type::Int),
            required("number", Type::Int),
            required("review", Type::Text),
            required("reviewer", Type::Text),
            optional("note", Type::Text),
        ])
    });
    SCHEMA.clone()
}

/// One decision, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// When it was made, by the wall; its UTC month is the row's month.
    pub reviewed_at: EventTime,
    /// About what.
    pub anomaly_id: AnomalyId,
    /// The version the reviewer saw.
    pub version: i64,
    /// 1 for the first decision about the anomaly.
    pub number: i64,
    /// `confirmed` or `dismissed`.
    pub review: &'a str,
    /// Who decided.
    pub by: &'a str,
    /// Why.
    pub note: Option<&'a str>,
}

impl TableRows for Reviews {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        cells
            .time(row.reviewed_at)
            .text(&row.anomaly_id.to_string())
            .int(row.version)
            .int(row.number)
            .text(row.review)
            .text(row.by)
            .text_or_null(row.note)
            .month(local_date(row.reviewed_at, &TimeZone::UTC));
    }
}
