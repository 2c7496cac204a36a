//! Table `anomalies`: what was last said about a broken rule, a row per version.

use std::sync::LazyLock;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use model::anomaly::Finding;
use model::{Anomaly, AnomalyId, AnomalyKind, AnomalyState};

use super::columns::{Cells, Type, cause_fields, optional, required, schema as make_schema};
use super::read::{Interner, ReadError, Rows};
use super::{TableBuilder, TableRows};

/// The table's name.
pub const NAME: &str = "anomalies";

/// What may resolve an anomaly. A stored word that is not among them reads back as [`UNKNOWN_RESOLVER`].
pub const RESOLVERS: &[&str] =
    &["punch", "leave", "correction", "decision", "superseded", "reference", "rule"];

/// Stands for a resolver that a newer version wrote.
pub const UNKNOWN_RESOLVER: &str = "unknown";

/// The table `anomalies`.
#[derive(Clone, Copy, Debug)]
pub struct Anomalies;

/// Collects rows of `anomalies`.
pub type Builder = TableBuilder<Anomalies>;

/// The table's columns.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let mut fields = vec![
            required("first_at", Type::Time),
            optional("employee_id", Type::Text),
            optional("site_id", Type::Text),
            required("business_date", Type::Day),
            required("kind", Type::Text),
            required("state", Type::Text),
            required("org", Type::Text),
            required("anomaly_id", Type::Text),
            required("version", Type::Int),
            required("severity", Type::Text),
            required("audience", Type::Text),
            optional("shift_id", Type::Text),
            optional("minutes", Type::Int),
            required("last_at", Type::Time),
            required("detected_at", Type::Time),
            optional("resolved_by", Type::Text),
            required("review", Type::Text),
        ];
        fields.extend(cause_fields());
        fields.push(required("event_ids", Type::Texts));
        fields.push(optional("resolved_ref", Type::Text));
        fields.push(optional("device_id", Type::Text));
        make_schema(fields)
    });
    SCHEMA.clone()
}

impl TableRows for Anomalies {
    const NAME: &'static str = NAME;
    type Row<'a> = Anomaly;

    fn schema() -> SchemaRef {
        schema()
    }

    /// `review` is `open`: what a reviewer decides is a later version, written by the review.
    fn write(row: &Anomaly, cells: &mut Cells<'_>) {
        let finding = &row.finding;
        cells
            .time(finding.first_at)
            .text_or_null(finding.employee_id.as_deref())
            .text_or_null(finding.site_id.as_deref())
            .day(finding.business_date)
            .text(finding.kind.name())
            .text(row.state.name())
            .text(&finding.org)
            .written(|out| {
                // Writing to a builder's buffer cannot fail.
                let _ = std::fmt::Write::write_fmt(out, format_args!("{}", finding.id));
            })
            .int(row.version)
            .text(finding.kind.severity().name())
            .text(finding.kind.audience().name())
            .text_or_null(finding.shift_id.as_deref())
            .int_or_null(finding.minutes)
            .time(finding.last_at)
            .time(row.detected_at)
            .text_or_null(row.resolved_by)
            .text("open")
            .cause(&row.cause)
            .displayed(&finding.event_ids)
            .text_or_null(row.resolved_ref.as_deref())
            .text_or_null(finding.device_id.as_deref())
            .month(finding.business_date);
    }
}

/// The rows as they were said, in the batch's order.
pub fn read(batch: &RecordBatch) -> Result<Vec<Anomaly>, ReadError> {
    let rows = Rows::new(NAME, batch);
    let text = |name| rows.text(name);
    let (id, kind, state) = (text("anomaly_id")?, text("kind")?, text("state")?);
    let (employee_id, site_id, org) = (text("employee_id")?, text("site_id")?, text("org")?);
    let (shift_id, device_id) = (text("shift_id")?, text("device_id")?);
    let (resolved_by, resolved_ref) = (text("resolved_by")?, text("resolved_ref")?);
    let (business_date, event_ids) = (rows.day("business_date")?, rows.texts("event_ids")?);
    let (version, minutes) = (rows.int("version")?, rows.int("minutes")?);
    let (first_at, last_at) = (rows.time("first_at")?, rows.time("last_at")?);
    let (detected_at, cause) = (rows.time("detected_at")?, rows.cause()?);
    let mut known = Interner::default();
    let mut read_row = |row| {
        let finding = Finding {
            id: id.named(row, AnomalyId::parse)?,
            kind: kind.named(row, AnomalyKind::from_name)?,
            employee_id: employee_id.get(row).map(|id| known.get(id)),
            site_id: site_id.get(row).map(|id| known.get(id)),
            org: known.get(org.some(row)?),
            business_date: business_date.some(row)?,
            shift_id: shift_id.get(row).map(Into::into),
            device_id: device_id.get(row).map(Into::into),
            event_ids: event_ids.get(row).map(Into::into).collect(),
            minutes: minutes.is_valid(row).then(|| minutes.value(row)),
            first_at: first_at.some(row)?,
            last_at: last_at.some(row)?,
        };
        Ok(Anomaly {
            version: version.value(row),
            state: state.named(row, AnomalyState::from_name)?,
            finding,
            detected_at: detected_at.some(row)?,
            resolved_by: resolved_by.get(row).map(known_resolver),
            resolved_ref: resolved_ref.get(row).map(Into::into),
            cause: cause.some(row)?,
        })
    };
    (0..rows.len()).map(&mut read_row).collect()
}

fn known_resolver(text: &str) -> &'static str {
    RESOLVERS.iter().copied().find(|known| *known == text).unwrap_or(UNKNOWN_RESOLVER)
}
