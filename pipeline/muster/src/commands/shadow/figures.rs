//! What a shadow's lake tells of its last days, by site.
//!
//! In: an open session, a first day.  Out: [`Figures`].  Owns: nothing.
//! Absent on purpose: where anybody was: figures tell metres. A site's own centre is read to be held against the files of
//! sites, and is not shown.

use std::collections::BTreeMap;

use jiff::civil::Date;
use query::{Format, Session, ShadowStatement, run_once};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::commands::sql::failure;
use crate::failure::Failure;

/// The figures of every site, by its id; under the empty one what belongs to no site.
#[derive(Debug)]
pub(super) struct Figures {
    /// The first of the days.
    pub(super) since: Date,
    /// The last of them.
    pub(super) until: Date,
    pub(super) sites: BTreeMap<String, SiteFigures>,
}

/// What is told of one site; `row` where its people punched.
#[derive(Debug, Default)]
pub(super) struct SiteFigures {
    pub(super) row: Option<SiteRow>,
    pub(super) access_points: Vec<AccessPointRow>,
    pub(super) misjudged: Vec<MisjudgedRow>,
    pub(super) unrostered: Vec<PersonRow>,
    pub(super) lateness: Vec<LatenessRow>,
    pub(super) alerts: Vec<AlertRow>,
}

/// Columns as `shadow/sites.sql` explains them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SiteRow {
    pub(super) site_id: Option<String>,
    pub(super) org: Option<String>,
    pub(super) radius_m: Option<f64>,
    pub(super) tolerance_m: Option<f64>,
    pub(super) lon: Option<f64>,
    pub(super) lat: Option<f64>,
    pub(super) access_points: i64,
    pub(super) punches: u64,
    pub(super) people: u64,
    pub(super) inside_permitted: u64,
    pub(super) outside: u64,
    pub(super) uncertain: u64,
    pub(super) no_evidence: u64,
    pub(super) not_permitted: u64,
    pub(super) fixes: u64,
    pub(super) fix_people: u64,
    pub(super) far_fixes: u64,
    pub(super) p50_m: Option<f64>,
    pub(super) p95_m: Option<f64>,
    pub(super) p98_m: Option<f64>,
    pub(super) drift_m: Option<f64>,
}

/// Columns as `shadow/access_points.sql` explains them.
#[derive(Debug, Deserialize)]
pub(super) struct AccessPointRow {
    site_id: Option<String>,
    pub(super) bssid: String,
    pub(super) people: u64,
    pub(super) punches: u64,
    pub(super) days: u64,
    pub(super) share: f64,
    pub(super) fence_m: f64,
    pub(super) spread_m: f64,
}

/// Columns as `shadow/misjudged.sql` explains them.
#[derive(Debug, Deserialize)]
pub(super) struct MisjudgedRow {
    site_id: Option<String>,
    pub(super) bssid: String,
    pub(super) people: u64,
    pub(super) punches: u64,
    pub(super) fence_m: Option<f64>,
    pub(super) fix_site_id: Option<String>,
}

/// Columns as `shadow/unrostered.sql` explains them.
#[derive(Debug, Deserialize)]
pub(super) struct PersonRow {
    site_id: Option<String>,
    pub(super) employee_id: String,
    pub(super) known: bool,
    pub(super) punches: u64,
    pub(super) days: u64,
}

/// Columns as `shadow/lateness.sql` explains them.
#[derive(Debug, Deserialize)]
pub(super) struct LatenessRow {
    site_id: Option<String>,
    pub(super) until_min: u64,
    pub(super) comings: u64,
}

/// Columns as `shadow/alerts.sql` explains them.
#[derive(Debug, Deserialize)]
pub(super) struct AlertRow {
    site_id: Option<String>,
    pub(super) kind: String,
    pub(super) audience: String,
    pub(super) alerts: u64,
}

/// The last day of the lake; a device ahead of its time does not tell it.
const LAST: &str = "SELECT CAST(max(business_date) AS VARCHAR) AS last FROM punches \
                    WHERE NOT array_has(reasons, 'clock_suspect')";

#[derive(Deserialize)]
struct Last {
    last: Option<String>,
}

/// Reads the last `days` business dates; `None` of a lake without a punch.
pub(super) async fn read(session: &Session, days: i64) -> Result<Option<Figures>, Box<Failure>> {
    let last = rows::<Last>(session, LAST).await?.into_iter().find_map(|row| row.last?.parse().ok());
    let Some(until): Option<Date> = last else { return Ok(None) };
    let since = until.saturating_sub(jiff::Span::new().days(days - 1));
    let mut sites: BTreeMap<String, SiteFigures> = BTreeMap::new();
    let ask = |statement: ShadowStatement| statement.since(since);
    for mut row in rows::<SiteRow>(session, &ask(ShadowStatement::Sites)).await? {
        let of_site = of(&mut sites, row.site_id.take());
        of_site.row = Some(row);
    }
    for mut row in rows::<AccessPointRow>(session, &ask(ShadowStatement::AccessPoints)).await? {
        of(&mut sites, row.site_id.take()).access_points.push(row);
    }
    for mut row in rows::<MisjudgedRow>(session, &ask(ShadowStatement::Misjudged)).await? {
        of(&mut sites, row.site_id.take()).misjudged.push(row);
    }
    for mut row in rows::<PersonRow>(session, &ask(ShadowStatement::Unrostered)).await? {
        of(&mut sites, row.site_id.take()).unrostered.push(row);
    }
    for mut row in rows::<LatenessRow>(session, &ask(ShadowStatement::Lateness)).await? {
        of(&mut sites, row.site_id.take()).lateness.push(row);
    }
    for mut row in rows::<AlertRow>(session, &ask(ShadowStatement::Alerts)).await? {
        of(&mut sites, row.site_id.take()).alerts.push(row);
    }
    Ok(Some(Figures { since, until, sites }))
}

fn of(sites: &mut BTreeMap<String, SiteFigures>, site_id: Option<String>) -> &mut SiteFigures {
    sites.entry(site_id.unwrap_or_default()).or_default()
}

/// The rows that a statement gives.
async fn rows<T: DeserializeOwned>(session: &Session, statement: &str) -> Result<Vec<T>, Box<Failure>> {
    let mut out = Vec::new();
    run_once(session, statement, Format::Json, &mut out).await.map_err(|error| failure(&error, statement))?;
    let lines = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(|e| Box::new(Failure::from_outside(e)))).collect()
}
