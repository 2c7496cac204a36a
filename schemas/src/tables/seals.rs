//! Table `seals`: which months are closed, for which orgs, and how far the logs had been taken then.
//!
//! ```text
//!   one sealing = a row for each partition of each log: month org sealed_at … topic partition next_offset generation
//!   tried again (an owner was faster): all rows once more, with a later generation; the latest of a month and org holds
//! ```
//!
//! In: [`Row`].  Out: a record batch; or, read back, [`Seal`]s.

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use jiff::civil::Date;
use model::{EventTime, NextOffset, Partition};

use super::columns::{Cells, Type, optional, required, schema as make_schema};
use super::read::{ReadError, Rows};
use super::{TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "seals";

/// The table `seals`.
#[derive(Clone, Copy, Debug)]
pub struct Seals;

/// Collects rows of `seals`.
pub type Builder = TableBuilder<Seals>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("month", Type::Text),
            required("org", Type::Text),
            required("sealed_at", Type::Time),
            required("sealed_on", Type::Time),
            optional("sealed_by", Type::Text),
            required("unresolved", Type::Int),
            required("topic", Type::Text),
            required("partition", Type::Small),
            required("next_offset", Type::Int),
            required("generation", Type::Int),
        ])
    });
    SCHEMA.clone()
}

/// What is sealed, by whom, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The first day of the month.
    pub month: Date,
    /// The org path it holds for, at path-segment borders; empty = everywhere.
    pub org: Arc<str>,
    /// Where the log's clock stood.
    pub sealed_at: EventTime,
    /// When it was sealed, by the wall.
    pub sealed_on: EventTime,
    /// Who sealed it, where that was told.
    pub sealed_by: Option<Arc<str>>,
    /// Shifts of the month that were not final, or of which nothing had been said.
    pub unresolved: i64,
}

/// One row, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// What is sealed.
    pub seal: &'a Seal,
    /// The log's topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: Partition,
    /// How far it had been taken.
    pub next: NextOffset,
    /// The generation of the claim by which it was sealed.
    pub generation: i64,
}

impl TableRows for Seals {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        let seal = row.seal;
        cells
            .written(|out| {
                // Writing to a builder's buffer cannot fail.
                let _ = std::fmt::Write::write_fmt(
                    out,
                    format_args!("{:04}-{:02}", seal.month.year(), seal.month.month()),
                );
            })
            .text(&seal.org)
            .time(seal.sealed_at)
            .time(seal.sealed_on)
            .text_or_null(seal.sealed_by.as_deref())
            .int(seal.unresolved)
            .text(row.topic)
            .small(row.partition.number())
            .int(row.next.get())
            .int(row.generation)
            .month(seal.month);
    }
}

/// The seals that hold, each once, by month and org.
pub fn read(batches: &[RecordBatch]) -> Result<Vec<Seal>, ReadError> {
    let mut latest: std::collections::BTreeMap<(Date, Arc<str>), (i64, Seal)> = Default::default();
    for batch in batches {
        let rows = Rows::new(NAME, batch);
        let (month, org, sealed_by) = (rows.text("month")?, rows.text("org")?, rows.text("sealed_by")?);
        let (sealed_at, sealed_on) = (rows.time("sealed_at")?, rows.time("sealed_on")?);
        let (unresolved, generation) = (rows.int("unresolved")?, rows.int("generation")?);
        for row in 0..rows.len() {
            let seal = Seal {
                month: month.named(row, |month| format!("{month}-01").parse().ok())?,
                org: org.some(row)?.into(),
                sealed_at: sealed_at.some(row)?,
                sealed_on: sealed_on.some(row)?,
                sealed_by: sealed_by.get(row).map(Into::into),
                unresolved: unresolved.value(row),
            };
            let generation = generation.value(row);
            let known = latest.entry((seal.month, seal.org.clone())).or_insert((generation, seal.clone()));
            if known.0 < generation {
                *known = (generation, seal);
            }
        }
    }
    Ok(latest.into_values().map(|(_, seal)| seal).collect())
}
