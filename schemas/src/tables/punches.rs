//! Table `punches`: every punch once, as judged on arrival, never rewritten.
//!
//! In: a punch of a batch with its verdict and judgement; or rows as stored.  Out: a record batch; or `StoredPunch`es,
//! the one form from which state is folded, live as in recovery.
//! Absent on purpose: coordinates and scans (`punch_evidence`), pictures (a row says where one is kept), and what later facts do to a punch (`shift_results`).

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, SchemaRef};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::{
    Batch, EventTime, EvidenceSet, Kind, Offset, Origin, Partition, Place, Punch, Reason, Reasons, Reference,
    SiteIndex, StoredPunch, StoredRef, Trigger, Verdict, Verdicts,
};

use super::columns::{Cells, Type, optional, required, schema as make_schema};
use super::local_time;
use super::read::{Interner, ReadError, Rows};
use super::{TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "punches";

/// The table `punches`.
#[derive(Clone, Copy, Debug)]
pub struct Punches;

/// Collects rows of `punches`.
pub type Builder = TableBuilder<Punches>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| make_schema(fields()));
    SCHEMA.clone()
}

impl TableRows for Punches {
    const NAME: &'static str = NAME;
    type Row<'a> = Row<'a>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn write(row: &Row<'_>, cells: &mut Cells<'_>) {
        row.write(cells);
        cells.month(row.business_date);
    }
}

/// The columns less the month; `late` has them too.
pub(super) fn fields() -> Vec<Field> {
    vec![
        required("occurred_at", Type::Time),
        required("employee_id", Type::Text),
        optional("site_id", Type::Text),
        required("business_date", Type::Day),
        required("event_id", Type::Text),
        required("kind", Type::Text),
        optional("direction", Type::Text),
        required("received_at", Type::Time),
        required("origin", Type::Text),
        optional("trigger", Type::Text),
        optional("device_id", Type::Text),
        required("place", Type::Text),
        optional("distance_m", Type::Number),
        optional("shift_id", Type::Text),
        required("local_time", Type::Text),
        required("topic", Type::Text),
        required("partition", Type::Small),
        required("offset", Type::Int),
        required("reference_version", Type::Text),
        required("candidates", Type::Texts),
        required("evidence", Type::Texts),
        required("reasons", Type::Texts),
        optional("photo_ref", Type::Text),
        optional("photo_sha256", Type::Text),
    ]
}

/// What judging adds to a verdict.
#[derive(Clone, Debug)]
pub struct Judgement<'a> {
    /// `in`, `out`, `break_out` or `break_in` as judged; `None` where an `auto` punch could not be told.
    pub direction: Option<Kind>,
    /// The shift instance it was bound to on arrival.
    pub shift_id: Option<&'a str>,
    /// Reasons that need history: `clock_suspect`, `repunch`, `unscheduled`. The verdict's own are added.
    pub reasons: Reasons,
    /// The day it counts for.
    pub business_date: Date,
    /// The zone of `local_time`: the site's, else the home site's, else the device's, else the import's, else UTC.
    pub time_zone: &'a TimeZone,
}

/// The sites that the evidence cannot tell apart.
#[derive(Clone, Copy, Debug)]
pub enum Candidates<'a> {
    /// As the matcher gives them.
    Sites(&'a [SiteIndex], &'a Reference),
    /// Their ids.
    Ids(&'a [&'a str]),
}

/// One row, borrowed.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// When it happened by the device's clock.
    pub occurred_at: EventTime,
    /// The person's pseudonym.
    pub employee_id: &'a str,
    /// The site, where one is told.
    pub site_id: Option<&'a str>,
    /// The day it counts for.
    pub business_date: Date,
    /// With `employee_id` the identity, for ever.
    pub event_id: &'a str,
    /// What the person said it is.
    pub kind: Kind,
    /// What it is, as judged.
    pub direction: Option<Kind>,
    /// When the log took it.
    pub received_at: EventTime,
    /// By what road it came.
    pub origin: Origin,
    /// How the phone came to punch.
    pub trigger: Option<Trigger>,
    /// The device; empty = none, stored as null.
    pub device_id: &'a str,
    /// Where it was made.
    pub place: Place,
    /// Signed metres to the fence's edge.
    pub distance_m: Option<f64>,
    /// The shift instance it was bound to on arrival.
    pub shift_id: Option<&'a str>,
    /// The zone of `local_time`.
    pub time_zone: &'a TimeZone,
    /// The log's topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: Partition,
    /// The record's offset there.
    pub offset: Offset,
    /// The reference data it was judged by.
    pub reference_version: &'a str,
    /// The sites the evidence cannot tell apart.
    pub candidates: Candidates<'a>,
    /// The evidence that decided.
    pub evidence: EvidenceSet,
    /// Why, verdict and history together.
    pub reasons: Reasons,
    /// Where a photo is kept; empty = none, stored as null.
    pub photo_ref: &'a str,
    /// Its SHA-256, 64 hex digits; empty = none, stored as null.
    pub photo_sha256: &'a str,
}

impl<'a> Row<'a> {
    /// The row of `punch`, matched and judged.
    pub fn judged(
        topic: &'a str,
        batch: &'a Batch,
        punch: &Punch,
        (verdicts, verdict): (&'a Verdicts, &Verdict),
        reference: &'a Reference,
        judgement: &Judgement<'a>,
    ) -> Self {
        Self {
            occurred_at: punch.occurred_at,
            employee_id: batch.text(punch.employee_id),
            site_id: verdict.site.map(|site| &*reference.site(site).site_id),
            business_date: judgement.business_date,
            event_id: batch.text(punch.event_id),
            kind: punch.kind,
            direction: judgement.direction,
            received_at: punch.received_at,
            origin: punch.origin,
            trigger: punch.trigger,
            device_id: batch.text(punch.device_id),
            place: verdict.place,
            distance_m: verdict.distance_m,
            shift_id: judgement.shift_id,
            time_zone: judgement.time_zone,
            topic,
            partition: batch.partition,
            offset: punch.offset,
            reference_version: &reference.version,
            candidates: Candidates::Sites(verdicts.candidates(verdict), reference),
            evidence: verdict.evidence,
            reasons: verdict.reasons.union(judgement.reasons),
            photo_ref: batch.text(punch.photo.reference.unwrap_or_default()),
            photo_sha256: batch.text(punch.photo.sha256.unwrap_or_default()),
        }
    }

    /// The row as attendance sees it, owned: what [`read`] gives once it is stored.
    pub fn stored(&self) -> StoredPunch {
        self.stored_ref().into()
    }

    /// The row as attendance sees it.
    pub fn stored_ref(&self) -> StoredRef<'a> {
        StoredRef {
            employee_id: self.employee_id,
            event_id: self.event_id,
            kind: self.kind,
            occurred_at: self.occurred_at,
            received_at: self.received_at,
            origin: self.origin,
            device_id: self.device_id,
            place: self.place,
            site_id: self.site_id,
            reasons: self.reasons,
            business_date: self.business_date,
            offset: self.offset,
        }
    }

    /// Writes all cells but the last, the month.
    pub(super) fn write(&self, cells: &mut Cells<'_>) {
        cells
            .time(self.occurred_at)
            .text(self.employee_id)
            .text_or_null(self.site_id)
            .day(self.business_date)
            .text(self.event_id)
            .text(self.kind.name())
            .text_or_null(self.direction.map(Kind::name))
            .time(self.received_at)
            .text(self.origin.name())
            .text_or_null(self.trigger.map(Trigger::name))
            .text_or_null(Some(self.device_id).filter(|id| !id.is_empty()))
            .text(self.place.name())
            .number_or_null(self.distance_m)
            .text_or_null(self.shift_id)
            .written(|out| local_time::write(self.occurred_at, self.time_zone, out))
            .text(self.topic)
            .small(self.partition.number())
            .int(self.offset.get())
            .text(self.reference_version);
        match self.candidates {
            Candidates::Sites(sites, reference) => {
                cells.texts(sites.iter().map(|site| &*reference.site(*site).site_id))
            }
            Candidates::Ids(ids) => cells.texts(ids.iter()),
        };
        let some = |text: &'a str| Some(text).filter(|text| !text.is_empty());
        cells
            .texts(self.evidence.names())
            .texts(self.reasons.iter().map(Reason::name))
            .text_or_null(some(self.photo_ref))
            .text_or_null(some(self.photo_sha256));
    }
}

/// The columns that [`read`] needs.
pub const READ_COLUMNS: [&str; 13] = [
    "occurred_at",
    "employee_id",
    "site_id",
    "business_date",
    "event_id",
    "kind",
    "received_at",
    "origin",
    "device_id",
    "place",
    "partition",
    "offset",
    "reasons",
];

/// The rows as attendance sees them, each with its partition, in the batch's order. Rows of `late` read so too. A
/// reason that this version does not know is left out: a newer version wrote it, and it cannot decide anything here.
pub fn read(batch: &RecordBatch) -> Result<Vec<(Partition, StoredPunch)>, ReadError> {
    let rows = Rows::new(NAME, batch);
    let (occurred_at, received_at) = (rows.time("occurred_at")?, rows.time("received_at")?);
    let (employee_id, event_id) = (rows.text("employee_id")?, rows.text("event_id")?);
    let (site_id, device_id) = (rows.text("site_id")?, rows.text("device_id")?);
    let (kind, origin, place) = (rows.text("kind")?, rows.text("origin")?, rows.text("place")?);
    let (business_date, reasons) = (rows.day("business_date")?, rows.texts("reasons")?);
    let (partition, offset) = (rows.partition("partition")?, rows.offset("offset")?);
    let mut known = Interner::default();
    let mut read_row = |row| {
        let punch = StoredPunch {
            employee_id: known.get(employee_id.some(row)?),
            event_id: event_id.some(row)?.into(),
            kind: kind.named(row, Kind::from_name)?,
            occurred_at: occurred_at.some(row)?,
            received_at: received_at.some(row)?,
            origin: origin.named(row, Origin::from_name)?,
            device_id: known.get(device_id.get(row).unwrap_or_default()),
            place: place.named(row, Place::from_name)?,
            site_id: site_id.get(row).map(|id| known.get(id)),
            reasons: reasons.get(row).filter_map(Reason::from_name).fold(Reasons::EMPTY, Reasons::with),
            business_date: business_date.some(row)?,
            offset: offset.some(row)?,
        };
        Ok((partition.some(row)?, punch))
    };
    (0..rows.len()).map(&mut read_row).collect()
}
