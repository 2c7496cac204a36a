//! `muster shadow accept`: a file of sites as the shadow's evidence would have it, beside the one that is configured.
//!
//! In: figures, the snapshot of the configured files, the file's text.  Out: a new file, and a line for each site that changed
//! or was left alone.  Owns: nothing.
//! Absent on purpose: putting the file in place: whoever answers for the sites looks at it first; and advice about a site that
//! is not any more as the shadow saw it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use model::{Fence, Reference, Site};
use reference::Severity;

use super::advice::{self, Listing, Radius};
use super::figures::{Figures, SiteFigures, SiteRow};
use super::sites_file::{self, Change};
use crate::commands::load;
use crate::config::Config;
use crate::failure::Failure;

/// What is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Only {
    /// Radii alone.
    Radius,
    /// Access points alone.
    AccessPoints,
}

/// What becomes of the sites: changes, and a line for each that is worth one.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    pub(super) changes: BTreeMap<String, Change>,
    /// Site, line.
    pub(super) lines: Vec<(String, String)>,
}

/// What of the advice holds for the sites as `reference` has them now.
pub(super) fn accepted(figures: &Figures, reference: &Reference, only: Option<Only>) -> Accepted {
    let mut accepted = Accepted::default();
    let known: BTreeMap<&str, &Site> = reference.sites.iter().map(|site| (&*site.site_id, &**site)).collect();
    for (site_id, of) in &figures.sites {
        let Some(row) = &of.row else { continue };
        let (change, note) = advised(row, of, only);
        let mut tell = |what: String| accepted.lines.push((site_id.clone(), what));
        note.into_iter().for_each(&mut tell);
        if change == Change::default() {
            continue;
        }
        let Some(site) = known.get(site_id.as_str()) else {
            tell("left out: the files of sites have no such site".to_owned());
            continue;
        };
        if !is_as_seen(site, row) {
            tell("left as it is: the site has changed since; let the shadow judge by it first".to_owned());
            continue;
        }
        if let (Some(radius_m), Some(today_m)) = (change.radius_m, row.radius_m) {
            tell(format!("radius_m {today_m} becomes {radius_m}"));
        }
        if !change.bssids.is_empty() {
            let count = crate::counted(change.bssids.len() as u64, "access point", "access points");
            tell(format!("lists {count} more: {}", change.bssids.join(", ")));
        }
        accepted.changes.insert(site_id.clone(), change);
    }
    accepted
}

/// What the figures advise for one site, and what they cannot.
fn advised(row: &SiteRow, of: &SiteFigures, only: Option<Only>) -> (Change, Option<String>) {
    let mut change = Change::default();
    let mut note = None;
    if only != Some(Only::AccessPoints) {
        match advice::radius(row) {
            Radius::Change(radius_m) => change.radius_m = Some(radius_m),
            Radius::None(reach_m) => {
                note = Some(format!(
                    "no radius fits (98% of the fixes need {reach_m:.0} m): look where it was drawn"
                ));
            }
            Radius::Polygon(p98_m) if p98_m > 0.0 => {
                note = Some(format!(
                    "a polygon has no radius; 98% of the fixes lie up to {p98_m:.0} m off its outline"
                ));
            }
            Radius::Polygon(_) | Radius::Fits | Radius::NotEnough => {}
        }
    }
    if only != Some(Only::Radius) {
        let fit = of.access_points.iter().filter(|row| advice::listing(row) == Listing::List);
        change.bssids = fit.map(|row| row.bssid.clone()).collect();
    }
    (change, note)
}

/// Whether the site's fence is the one that the figures were reckoned against. Of a polygon the lake keeps no outline, but how
/// many access points it listed.
fn is_as_seen(site: &Site, row: &SiteRow) -> bool {
    match &site.fence {
        Fence::Circle { centre, radius_m } => {
            (row.lon, row.lat, row.radius_m) == (Some(centre.lon()), Some(centre.lat()), Some(*radius_m))
        }
        Fence::Polygons(_) => row.radius_m.is_none() && row.access_points == site.bssids.len() as i64,
    }
}

/// The one configured file of sites, or the one `named` of several.
///
/// # Errors
/// It is not told which.
pub(super) fn sites_path(config: &Config, named: Option<&Path>) -> Result<PathBuf, Box<Failure>> {
    let configured = &config.reference.sites.0;
    match (named, &configured[..]) {
        (Some(named), _) => Ok(named.to_owned()),
        (None, [one]) if one.is_file() => Ok(one.clone()),
        (None, _) => Err(Box::new(Failure::usage(
            format!(
                "[reference] sites names {}",
                if configured.is_empty() { "no file" } else { "more than one file" }
            ),
            "name the file to change with --sites",
        ))),
    }
}

/// Writes the file `sites` with the changes to `out`, and only if it reads as the sites it is to be. Gives which of the
/// changed sites it holds.
///
/// # Errors
/// A file that is there, or cannot be read, changed or written.
pub(super) fn write(
    config: &Config,
    sites: &Path,
    out: &Path,
    is_forced: bool,
    changes: &BTreeMap<String, Change>,
) -> Result<BTreeSet<String>, Box<Failure>> {
    if out.exists() && !is_forced {
        let what = format!("{}: it is there already", out.display());
        return Err(Box::new(Failure::usage(what, "name another file, or add --force to write over it")));
    }
    let told = |path: &Path, error: std::io::Error| {
        Box::new(Failure::usage(
            format!("{}: {error}", path.display()),
            "name files that can be read and written",
        ))
    };
    let text = std::fs::read_to_string(sites).map_err(|error| told(sites, error))?;
    let (new, found) = sites_file::changed(&text, changes).map_err(|what| {
        Failure::usage(format!("{}: {what}", sites.display()), "`muster check` lists what is wrong with it")
    })?;
    let mut partial = out.as_os_str().to_owned();
    partial.push(".partial.geojson");
    let partial = PathBuf::from(partial);
    std::fs::write(&partial, new).map_err(|error| told(&partial, error))?;
    let checked = check(config, sites, &partial);
    let placed = checked.and_then(|()| std::fs::rename(&partial, out).map_err(|error| told(out, error)));
    if placed.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    placed.map(|()| found)
}

/// Loads the reference data with `new` in the place of `sites`.
fn check(config: &Config, sites: &Path, new: &Path) -> Result<(), Box<Failure>> {
    let mut sources = load::sources(&config.reference);
    for path in &mut sources.sites {
        if path == sites {
            *path = new.to_owned();
        }
    }
    let loaded = reference::load(&sources);
    let error = loaded.problems.iter().find(|problem| problem.severity == Severity::Error);
    match error {
        Some(error) => {
            Err(Box::new(Failure::from_outside(format!("the changed sites do not load: {error}"))))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use reference::Sources;
    use serde_json::json;

    use super::*;

    /// A circle, a polygon that lists one access point, and a circle that nobody punches at.
    fn reference() -> std::sync::Arc<Reference> {
        let site = |id: &str, geometry: serde_json::Value, bssids: serde_json::Value| {
            json!({"type": "Feature", "geometry": geometry, "properties": {"site_id": id, "org": "hk",
                "time_zone": "Asia/Hong_Kong", "radius_m": 100, "bssids": bssids}})
        };
        let point = json!({"type": "Point", "coordinates": [114.17, 22.30]});
        let ring = json!([[[114.2, 22.3], [114.21, 22.3], [114.21, 22.31], [114.2, 22.3]]]);
        let features = [
            site("circle", point.clone(), json!([])),
            site("quiet", point, json!([])),
            site("mall", json!({"type": "Polygon", "coordinates": ring}), json!(["aa:00:00:00:00:01"])),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sites.geojson");
        std::fs::write(&path, json!({"type": "FeatureCollection", "features": features}).to_string())
            .unwrap();
        reference::load(&Sources { sites: vec![path], ..Sources::default() }).reference.unwrap()
    }

    /// Fixes up to 62 m from the fence, and one access point that belongs there.
    fn figures(site_id: &str, more: serde_json::Value) -> Figures {
        let mut row = json!({"punches": 60, "fixes": 60, "fix_people": 5, "p98_m": 62.0, "access_points": 0});
        more.as_object().unwrap().iter().for_each(|(key, value)| row[key] = value.clone());
        let point = json!({"bssid": "aa:00:00:00:00:02", "people": 3, "punches": 9, "days": 2, "share": 1.0,
            "fence_m": -20.0, "spread_m": 20.0});
        let of = SiteFigures {
            row: Some(serde_json::from_value(row).unwrap()),
            access_points: vec![serde_json::from_value(point).unwrap()],
            ..SiteFigures::default()
        };
        let day = jiff::civil::date(2026, 11, 2);
        Figures { since: day, until: day, sites: BTreeMap::from([(site_id.to_owned(), of)]) }
    }

    fn check(figures: &Figures, only: Option<Only>, change: Option<(Option<f64>, usize)>, said: &str) {
        let accepted = accepted(figures, &reference(), only);
        let found: Vec<_> =
            accepted.changes.values().map(|change| (change.radius_m, change.bssids.len())).collect();
        assert_eq!(found, Vec::from_iter(change), "{accepted:?}");
        assert!(accepted.lines.iter().any(|(_, line)| line.contains(said)), "{said}: {accepted:?}");
    }

    #[test]
    fn a_site_is_changed_if_it_is_as_the_shadow_saw_it() {
        let circle =
            |radius_m: f64| figures("circle", json!({"lon": 114.17, "lat": 22.30, "radius_m": radius_m}));
        check(&circle(100.0), None, Some((Some(170.0), 1)), "radius_m 100 becomes 170");
        check(&circle(100.0), Some(Only::Radius), Some((Some(170.0), 0)), "radius_m 100 becomes 170");
        check(&circle(100.0), Some(Only::AccessPoints), Some((None, 1)), "lists 1 access point more");
        check(&circle(90.0), None, None, "left as it is");
        check(&figures("gone", json!({"radius_m": 100.0})), None, None, "have no such site");
        let moved = figures("circle", json!({"lon": 114.18, "lat": 22.30, "radius_m": 100.0}));
        check(&moved, None, None, "left as it is");
    }

    #[test]
    fn a_polygon_gets_access_points_only() {
        let mall = |access_points: i64| figures("mall", json!({"access_points": access_points}));
        check(&mall(1), None, Some((None, 1)), "a polygon has no radius");
        check(&mall(1), Some(Only::AccessPoints), Some((None, 1)), "lists 1 access point more");
        check(&mall(2), None, None, "left as it is");
    }
}
