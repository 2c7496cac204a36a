//! What `muster check` reads in the lake: feeds whose fixes lie apart from their sites in a common way, so that a missing
//! datum tag is told as such and not as people who are outside.
//!
//! In: the lake of the configuration, the snapshot just read.  Out: a warning for each shift.  Owns: nothing.
//! Absent on purpose: the rule, which is [`model::datum_shift`]'s (`site_health` asks it, too), and any change of the lake.
//! Why so: sites are taken from the files and not from the lake, so that the warning about a site is gone once its tag is
//! there. Fixes are what the lake still holds: a sender that was mended is told until its last untagged fixes are dropped
//! (`[privacy] location_days`).

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use lake::{Lake, LakeOptions};
use model::datum_shift::{FIXES_MIN, Shift, Untagged, shifts};
use model::{Fence, LonLat, Reference};
use query::Session;
use reference::{Problem, Severity};

use crate::config::Config;

/// Sites named in a warning; the rest are counted.
const NAMED_MAX: usize = 5;
/// The months of kept fixes, so that the view reads no others.
const MONTHS: &str = "SELECT DISTINCT business_month FROM punch_evidence WHERE lon IS NOT NULL";

/// The sites of one feed that can be asked about: each one's id, place, and middle of the fixes.
type Feed<'a> = BTreeMap<&'a str, (LonLat, LonLat)>;

/// Warnings about shifts; none where there is no lake, or no fixes are kept.
pub(super) fn problems(config: &Config, reference: &Reference) -> Vec<Problem> {
    let rows = crate::runtime().map_err(|failure| failure.to_string());
    match rows.and_then(|runtime| runtime.block_on(kept_fixes(&config.lake.url))) {
        Ok(rows) => told(config, reference, &rows),
        Err(what) => vec![Problem {
            severity: Severity::Warning,
            code: "shift_not_looked_for",
            file: PathBuf::from(&config.lake.url),
            line: None,
            column: None,
            subject: String::new(),
            what: format!("whether fixes lie apart from their sites could not be looked for: {what}"),
            remedy: "try again when the lake can be read".to_owned(),
            excerpt: None,
        }],
    }
}

/// Where the fixes of a site are in the middle, of one feed in one month.
struct Middle {
    site_id: String,
    feed: String,
    point: LonLat,
}

/// The middles worth asking, of each site and feed the newest.
async fn kept_fixes(url: &str) -> Result<Vec<Middle>, String> {
    let lake = match Lake::open_existing(url, LakeOptions::default()).await {
        Err(error) if error.kind() == lake::ErrorKind::NoLake => return Ok(Vec::new()),
        opened => opened.map_err(|error| error.to_string())?,
    };
    let failed = |error: query::Error| error.to_string();
    let session = Session::open(lake, query::Options::default()).await.map_err(failed)?;
    let months = session.sql(MONTHS).await.map_err(failed)?;
    let months: Vec<String> = months.batches.iter().flat_map(|batch| texts(batch, 0)).collect();
    if months.is_empty() {
        return Ok(Vec::new());
    }
    let months: Vec<String> = months.iter().map(|month| format!("'{month}'")).collect();
    let statement = format!(
        "SELECT site_id, feed, lon, lat FROM (SELECT *, row_number() OVER (PARTITION BY site_id, feed ORDER BY month DESC) \
         AS place FROM fixes_by_feed WHERE month IN ({}) AND fixes >= {FIXES_MIN}) WHERE place = 1",
        months.join(", ")
    );
    let answer = session.sql(&statement).await.map_err(failed)?;
    Ok(answer.batches.iter().flat_map(middles).collect())
}

fn texts(batch: &RecordBatch, column: usize) -> Vec<String> {
    let column = arrow::compute::cast(batch.column(column), &arrow::datatypes::DataType::Utf8);
    let column = column.expect("a column of texts is texts, however they are stored");
    column.as_string::<i32>().iter().flatten().map(str::to_owned).collect()
}

fn middles(batch: &RecordBatch) -> Vec<Middle> {
    let [lon, lat] = [2, 3].map(|column| batch.column(column).as_primitive::<Float64Type>());
    let points = lon.values().iter().zip(lat.values());
    let named = texts(batch, 0).into_iter().zip(texts(batch, 1));
    let middle = |((site_id, feed), (lon, lat)): ((String, String), (&f64, &f64))| {
        Some(Middle { site_id, feed, point: LonLat::new(*lon, *lat)? })
    };
    named.zip(points).filter_map(middle).collect()
}

fn told(config: &Config, reference: &Reference, rows: &[Middle]) -> Vec<Problem> {
    let sites: HashMap<&str, &Fence> =
        reference.sites.iter().map(|site| (&*site.site_id, &site.fence)).collect();
    let mut feeds: BTreeMap<&str, Feed<'_>> = BTreeMap::new();
    for row in rows {
        if let Some(site) = sites.get(row.site_id.as_str()).and_then(|fence| middle_of(fence)) {
            feeds.entry(&row.feed).or_default().insert(&row.site_id, (site, row.point));
        }
    }
    let of_feed = |(feed, sites): (&str, Feed<'_>)| -> Vec<Problem> {
        let (names, pairs): (Vec<&str>, Vec<_>) = sites.into_iter().unzip();
        let problem = |shift: &Shift| problem(config, feed, &names, shift);
        shifts(&pairs).iter().map(problem).collect()
    };
    feeds.into_iter().flat_map(of_feed).collect()
}

/// The centre of a circle; the middle of the box around the first outline of anything else.
fn middle_of(fence: &Fence) -> Option<LonLat> {
    match fence {
        Fence::Circle { centre, .. } => Some(*centre),
        Fence::Polygons(polygons) => {
            let corners = &polygons.first()?.first()?.0;
            let middle = |value: fn(&(f64, f64)) -> f64| {
                let (low, high) = corners
                    .iter()
                    .map(value)
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                        (low.min(value), high.max(value))
                    });
                f64::midpoint(low, high)
            };
            LonLat::new(middle(|corner| corner.0), middle(|corner| corner.1))
        }
    }
}

fn problem(config: &Config, feed: &str, names: &[&str], shift: &Shift) -> Problem {
    let shown: Vec<&str> = shift.sites.iter().take(NAMED_MAX).map(|at| names[*at]).collect();
    let more = match shift.sites.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = format!(
        "the fixes at {} of {} lie about {:.0} m to the {} of them, {} ({}{more})",
        shift.sites.len(),
        crate::counted(names.len() as u64, "site", "sites"),
        shift.distance_m,
        wind(shift.bearing_deg()),
        explanation(shift.untagged),
        shown.join(", "),
    );
    let sites = config.reference.sites.0.first().cloned().unwrap_or_default();
    let file = match shift.untagged {
        Some(Untagged::Sites(_)) => sites,
        _ => PathBuf::from(&config.lake.url),
    };
    Problem {
        severity: Severity::Warning,
        code: "shift_suspected",
        file,
        line: None,
        column: None,
        subject: format!("feed {feed}"),
        what,
        remedy: remedy(shift.untagged),
        excerpt: None,
    }
}

fn explanation(untagged: Option<Untagged>) -> String {
    match untagged {
        Some(Untagged::Fixes(datum)) => {
            format!("as fixes do that are told in {} without its tag", datum.name())
        }
        Some(Untagged::Sites(datum)) => {
            format!("as if these sites had been drawn in {} without its tag", datum.name())
        }
        None => "in one direction that no datum explains".to_owned(),
    }
}

fn remedy(untagged: Option<Untagged>) -> String {
    match untagged {
        Some(Untagged::Fixes(datum)) => format!(
            "if its devices report {0}, have the feed say so in every punch: `\"datum\": \"{0}\"` in `location` \
             (column `datum` of a CSV file); punches that are in the lake stay as they were judged",
            datum.name()
        ),
        Some(Untagged::Sites(datum)) => format!(
            "if they were drawn on such a map, write `\"datum\": \"{0}\"` into the properties of these sites; if the feed \
             tags its fixes {0}, see whether they are",
            datum.name()
        ),
        None => "look one of these sites up on a map: either the sites or the feed's coordinates are moved"
            .to_owned(),
    }
}

/// The wind of eight that is nearest.
fn wind(bearing_deg: f64) -> &'static str {
    const WINDS: [&str; 8] =
        ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"];
    WINDS[(bearing_deg / 45.0).round() as usize % WINDS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn winds_go_round() {
        for (bearing, name) in [(0.0, "north"), (22.4, "north"), (22.6, "north-east"), (118.0, "south-east")]
        {
            assert_eq!(wind(bearing), name, "{bearing}");
        }
        assert_eq!((wind(337.6), wind(359.9)), ("north", "north"));
    }
}
