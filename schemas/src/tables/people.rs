//! Table `people`: the people of every snapshot, under their pseudonyms; names stand in `people_names`.

use std::sync::LazyLock;

use arrow::datatypes::SchemaRef;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::policy::Overtime;
use model::{Person, PolicyIndex, Reference};

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
            optional("overtime_rules", Type::Texts),
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

/// How overtime of the person is counted on days without a shift: `day:basis:least:most:before:after`, the first business date
/// of the rule, `overtime`, its least and most minutes, and the acceptance window in minutes; a rule for each day on which one
/// of these changes, none where overtime is never counted.
fn overtime_rules(reference: &Reference, person: &Person) -> Vec<String> {
    let rule = |(from, policy): &(Date, PolicyIndex)| {
        let policy = reference.policy(*policy);
        let (least, most) = (policy.overtime_min_min, policy.overtime_max_min);
        let (before, after) = (policy.accept_before_min, policy.accept_after_min);
        (*from, format!("{}:{least}:{most}:{before}:{after}", policy.overtime.name()))
    };
    let mut rules: Vec<_> = reference.policies_of(person).iter().map(rule).collect();
    rules.dedup_by(|later, earlier| later.1 == earlier.1);
    if rules.iter().all(|(_, rule)| rule.starts_with(Overtime::Off.name())) {
        return Vec::new();
    }
    rules.into_iter().map(|(from, rule)| format!("{from}:{rule}")).collect()
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
            .texts(overtime_rules(row.reference, person))
            .month(local_date(row.snapshot.taken_at, &TimeZone::UTC));
    }
}
