//! Table `orgs`: the org tree of every snapshot.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;
use model::reference::Org;

use super::columns::{Cells, Type, optional, required, schema as make_schema};
use super::local_time::local_date;
use super::{SnapshotRef, TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "orgs";

/// The table `orgs`.
#[derive(Clone, Copy, Debug)]
pub struct Orgs;

/// Collects rows of `orgs`.
pub type Builder = TableBuilder<Orgs>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("org", Type::Text),
            optional("name_en", Type::Text),
            optional("name_zh_hant", Type::Text),
            optional("name_zh_hans", Type::Text),
            required("managers", Type::Texts),
            required("reference_version", Type::Text),
            required("taken_at", Type::Time),
        ])
    });
    SCHEMA.clone()
}

/// One row, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The snapshot it belongs to.
    pub snapshot: SnapshotRef<'a>,
    /// The org.
    pub org: &'a Org,
}

impl TableRows for Orgs {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        let Org { org, names: [en, zh_hant, zh_hans], managers } = row.org;
        cells
            .text(org)
            .text_or_null(en.as_deref())
            .text_or_null(zh_hant.as_deref())
            .text_or_null(zh_hans.as_deref())
            .texts(managers)
            .text(row.snapshot.version)
            .time(row.snapshot.taken_at)
            .month(local_date(row.snapshot.taken_at, &TimeZone::UTC));
    }
}
