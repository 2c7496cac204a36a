//! Table `sites`: the sites of every snapshot, with what reports and maps need of them.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use jiff::tz::TimeZone;
use model::{Fence, Site};

use super::columns::{Cells, Type, optional, required, schema as make_schema};
use super::local_time::local_date;
use super::{SnapshotRef, TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "sites";

/// The table `sites`.
#[derive(Clone, Copy, Debug)]
pub struct Sites;

/// Collects rows of `sites`.
pub type Builder = TableBuilder<Sites>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("site_id", Type::Text),
            required("org", Type::Text),
            required("name", Type::Text),
            required("time_zone", Type::Text),
            optional("lon", Type::Number),
            optional("lat", Type::Number),
            optional("radius_m", Type::Number),
            optional("tolerance_m", Type::Number),
            optional("policy", Type::Text),
            required("access_points", Type::Int),
            required("beacons", Type::Int),
            optional("valid_from", Type::Time),
            optional("valid_to", Type::Time),
            required("terminals", Type::Texts),
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
    /// The site.
    pub site: &'a Site,
}

impl TableRows for Sites {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        let site = row.site;
        // A circle's centre and radius; a polygon has none.
        let (centre, radius_m) = match &site.fence {
            Fence::Circle { centre, radius_m } => (Some(*centre), Some(*radius_m)),
            Fence::Polygons(_) => (None, None),
        };
        let count = |rows: usize| i64::try_from(rows).unwrap_or(i64::MAX);
        cells
            .text(&site.site_id)
            .text(&site.org)
            .text(&site.name)
            .text(&site.time_zone_name)
            .number_or_null(centre.map(|point| point.lon()))
            .number_or_null(centre.map(|point| point.lat()))
            .number_or_null(radius_m)
            .number_or_null(site.tolerance_m)
            .text_or_null(site.policy.as_deref())
            .int(count(site.bssids.len()))
            .int(count(site.beacons.len()))
            .time_or_null(site.valid_from)
            .time_or_null(site.valid_to)
            .texts(&site.terminals)
            .texts(&site.managers)
            .text(row.snapshot.version)
            .time(row.snapshot.taken_at)
            .month(local_date(row.snapshot.taken_at, &TimeZone::UTC));
    }
}
