//! Table `people`: the people of every snapshot, under their pseudonyms; names stand in `people_names`.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;
use model::{Person, Reference};

use super::columns::{Cells, Type, optional, required, schema as make_schema};
use super::local_time::local_date;
use super::{SnapshotRef, TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "people";

/// The table `people`.
#[derive(Clone, Copy, Debug)]
pub struct People;

/// Collects rows of `people`.
pub type Builder = TableBuilder<People>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("employee_id", Type::Text),
            required("org", Type::Text),
            optional("home_site", Type::Text),
            required("location_declined", Type::Flag),
            optional("joined", Type::Day),
            optional("left", Type::Day),
            required("allowed_sites", Type::Texts),
            required("groups", Type::Texts),
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
    /// The person.
    pub person: &'a Person,
    /// The values of that snapshot, which name the person's sites.
    pub reference: &'a Reference,
}

impl TableRows for People {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        let person = row.person;
        let site_id = |site| &*row.reference.site(site).site_id;
        cells
            .text(&person.employee_id)
            .text(&person.org)
            .text_or_null(person.home_site.map(site_id))
            .flag(person.location_declined)
            .day_or_null(person.joined)
            .day_or_null(person.left)
            .texts(person.allowed_sites.iter().copied().map(site_id))
            .texts(&person.groups)
            .texts(&person.managers)
            .text(row.snapshot.version)
            .time(row.snapshot.taken_at)
            .month(local_date(row.snapshot.taken_at, &TimeZone::UTC));
    }
}
