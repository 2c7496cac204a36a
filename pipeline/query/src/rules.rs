//! Rules in SQL: what a file of one says, and its answer at an instant as rows of one meaning.
//!
//! In: the text of a rule; a session; an instant.  Out: [`Rule`]s; [`RuledRow`]s, sorted by subject and day.  Owns: nothing.
//! Absent on purpose: when a rule runs and what becomes of its answer (`muster` decides both); any way for a rule to change
//! something: it is a statement like any other.
//! Invariants: I-31 a rule's answer is a function of the lake and the instant: a rule asks for the time by `$now` and `$since`
//! alone.
//! Why so: a header of comments above plain SQL, as views have it: the file pasted into `muster sql` with two instants in place
//! runs as it stands.

mod answer;
mod header;

use arrow::datatypes::SchemaRef;
use model::{AnomalyKind, EventTime};

use crate::error::{Error, Kind};
use crate::files::LakeTables;
use crate::session::{Options, Session};

pub use answer::RuledRow;

/// Most rows an answer may have: a rule that finds more finds something everywhere, and no reviewer could look at it.
pub const ROWS_MAX: usize = 10_000;

/// Whom the rows of a rule are about; the name is that of the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A person.
    Employee,
    /// A site.
    Site,
    /// An org.
    Org,
    /// A device.
    Device,
}

impl Subject {
    /// The column that tells the subject.
    pub const fn column(self) -> &'static str {
        match self {
            Self::Employee => "employee_id",
            Self::Site => "site_id",
            Self::Org => "org",
            Self::Device => "device_id",
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its file's name, without `.sql`.
    pub name: String,
    /// What its rows are.
    pub kind: AnomalyKind,
    /// Whom they are about.
    pub subject: Subject,
    /// How far it looks back from an instant, in minutes.
    pub window_min: i64,
    /// How often it runs, in minutes.
    pub every_min: i64,
    /// Whether it rests on when punches were received, which only a log's own clock tells.
    pub needs_append_clock: bool,
    /// The statement.
    sql: String,
}

/// The rules that Muster brings along: (name, text).
pub const SHIPPED: &[(&str, &str)] = &[
    ("absence_rate", include_str!("../rules/absence_rate.sql")),
    ("access_point_moved", include_str!("../rules/access_point_moved.sql")),
    ("device_clock", include_str!("../rules/device_clock.sql")),
    ("frozen_fix", include_str!("../rules/frozen_fix.sql")),
    ("impossible_travel", include_str!("../rules/impossible_travel.sql")),
    ("late_hotspot", include_str!("../rules/late_hotspot.sql")),
    ("shared_device", include_str!("../rules/shared_device.sql")),
    ("site_drift", include_str!("../rules/site_drift.sql")),
];

impl Rule {
    /// Reads the file of the rule `name`.
    ///
    /// # Errors
    /// What is wrong with its header, in one sentence.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        header::parse(name, text)
    }

    /// The statement that asks for the instant `now`.
    fn statement(&self, now: EventTime) -> String {
        let literal = |at: EventTime| {
            format!("arrow_cast('{}', 'Timestamp(Microsecond, Some(\"UTC\"))')", at.timestamp())
        };
        let since = now.plus_min(-self.window_min);
        self.sql.replace("$now", &literal(now)).replace("$since", &literal(since))
    }
}

impl Session {
    /// What `rule` answers at `now`, on the state of the lake that the session sees.
    ///
    /// # Errors
    /// A statement that does not run or runs into a limit, a column that is missing or of another type, too many rows.
    pub async fn rule(&self, rule: &Rule, now: EventTime) -> Result<Vec<RuledRow>, Error> {
        let answer = self.sql(&rule.statement(now)).await?;
        if answer.rows() > ROWS_MAX {
            let what = format!("the rule finds {} rows, and at most {ROWS_MAX} are taken", answer.rows());
            return Err(Error::new(Kind::Limit, what).with_remedy("make it find less"));
        }
        answer::read(rule, &answer)
    }
}

/// Runs every rule over a lake that has all tables and no rows. Gives what does not run, by name.
///
/// # Errors
/// If no session can be started at all.
pub async fn try_all(rules: &[Rule]) -> Result<Vec<(String, Error)>, Error> {
    let lake = LakeTables::nothing();
    let session = Session::over(lake, Options { parallelism: Some(1), ..Options::default() }).await?;
    let mut broken = Vec::new();
    for rule in rules {
        if let Err(error) = session.rule(rule, EventTime::from_ms(1_793_577_600_000)).await {
            broken.push((rule.name.clone(), error));
        }
    }
    Ok(broken)
}

/// A statement that is wrong because of a column.
fn wrong_column(what: String, schema: &SchemaRef) -> Error {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    Error::new(Kind::Statement, what).with_remedy(format!("it has the columns {}", names.join(", ")))
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
