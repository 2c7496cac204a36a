//! Table `punch_evidence`: the fix and the scan of a punch, kept for a few days only.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use jiff::civil::Date;
use model::{AccessPoint, Beacon, EventTime, LonLat, Offset, Partition, Platform};

use super::columns::{Cells, Type, optional, required, schema as make_schema};
use super::{TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "punch_evidence";

/// The table `punch_evidence`.
#[derive(Clone, Copy, Debug)]
pub struct PunchEvidence;

/// Collects rows of `punch_evidence`.
pub type Builder = TableBuilder<PunchEvidence>;

/// The table's columns. `bssids` and `rssi_dbm`, and `beacons` and `beacon_rssi_dbm`, are as long as each other.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        make_schema(vec![
            required("occurred_at", Type::Time),
            required("employee_id", Type::Text),
            required("business_date", Type::Day),
            required("event_id", Type::Text),
            optional("lon", Type::Number),
            optional("lat", Type::Number),
            optional("accuracy_m", Type::Number),
            optional("mocked", Type::Flag),
            optional("platform", Type::Text),
            required("topic", Type::Text),
            required("partition", Type::Small),
            required("offset", Type::Int),
            required("bssids", Type::Texts),
            required("rssi_dbm", Type::Smalls),
            required("beacons", Type::Texts),
            required("beacon_rssi_dbm", Type::Smalls),
        ])
    });
    SCHEMA.clone()
}

/// A fix in WGS-84.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvidenceFix {
    /// Where, in WGS-84 whatever its datum was.
    pub point: LonLat,
    /// The accuracy radius in metres as reported.
    pub accuracy_m: Option<f64>,
    /// Whether the phone says that it was simulated.
    pub mocked: bool,
    /// Whose definition of accuracy holds.
    pub platform: Platform,
}

/// One row, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// When the punch happened.
    pub occurred_at: EventTime,
    /// The person's pseudonym.
    pub employee_id: &'a str,
    /// The day it counts for.
    pub business_date: Date,
    /// The punch.
    pub event_id: &'a str,
    /// The fix.
    pub fix: Option<EvidenceFix>,
    /// The access points to keep: listed ones, and others only where the fix is inside a fence.
    pub access_points: &'a [AccessPoint],
    /// The beacons to keep, likewise.
    pub beacons: &'a [Beacon],
    /// The log's topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: Partition,
    /// The record's offset there.
    pub offset: Offset,
}

impl TableRows for PunchEvidence {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        let fix = row.fix;
        let platform = fix.and_then(|fix| match fix.platform {
            Platform::Unknown => None,
            Platform::Android => Some("android"),
            Platform::Ios => Some("ios"),
        });
        cells
            .time(row.occurred_at)
            .text(row.employee_id)
            .day(row.business_date)
            .text(row.event_id)
            .number_or_null(fix.map(|fix| fix.point.lon()))
            .number_or_null(fix.map(|fix| fix.point.lat()))
            .number_or_null(fix.and_then(|fix| fix.accuracy_m))
            .flag_or_null(fix.map(|fix| fix.mocked))
            .text_or_null(platform)
            .text(row.topic)
            .small(row.partition.number())
            .int(row.offset.get())
            .displayed(row.access_points.iter().map(|point| point.bssid))
            .smalls(row.access_points.iter().map(|point| point.rssi_dbm.map(i32::from)))
            .displayed(row.beacons.iter().map(|beacon| BeaconText(*beacon)))
            .smalls(row.beacons.iter().map(|beacon| beacon.rssi_dbm.map(i32::from)))
            .month(row.business_date);
    }
}

/// A beacon as text: 32 hex digits, major and minor, separated by `/`.
struct BeaconText(Beacon);

impl std::fmt::Display for BeaconText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = self.0.id;
        write!(f, "{:032x}/{}/{}", id.uuid, id.major, id.minor)
    }
}
