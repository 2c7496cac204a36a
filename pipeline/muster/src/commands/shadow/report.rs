//! `muster shadow report`: what would have happened, site by site: as tables for a person, as one JSON object for machines.
//!
//! In: [`Findings`].  Out: text.  Owns: nothing.
//! Absent on purpose: coordinates, and whom an access point was seen by: fewer than three people are never told of at all.

use serde_json::{Value, json};

use super::advice::{self, Listing, Radius};
use super::figures::{Figures, SiteFigures, SiteRow};
use super::table::Table;

/// Pseudonyms named in a cell; the rest are counted.
const NAMED_MAX: usize = 5;

/// Steps of late minutes that a table tells; the last one is open.
const LATE_STEPS: [(&str, u64, u64); 5] =
    [("1-5 min", 0, 5), ("6-10", 5, 10), ("11-15", 10, 15), ("16-30", 15, 30), ("later", 30, u64::MAX)];

/// The figures, and what the files of sites say of access points.
pub(super) struct Findings {
    pub(super) figures: Figures,
    /// Whether access points could be held against the files of sites.
    pub(super) knows_lists: bool,
}

impl Findings {
    /// For a person.
    pub(super) fn text(&self) -> String {
        let Figures { since, until, sites } = &self.figures;
        let count = crate::counted(sites.keys().filter(|id| !id.is_empty()).count() as u64, "site", "sites");
        let mut parts = vec![format!("{since} to {until}, {count}"), self.fences()];
        if self.knows_lists {
            parts.extend([self.unlisted(), self.misjudged()]);
        } else {
            parts.push(
                "access points: name the configuration with -c: the lake does not know which are listed"
                    .to_owned(),
            );
        }
        parts.extend([self.unrostered(), self.lateness(), self.alerts()]);
        parts.join("\n\n")
    }

    fn each(&self) -> impl Iterator<Item = (&str, &SiteFigures)> {
        self.figures.sites.iter().map(|(id, of)| (if id.is_empty() { "(no site)" } else { id }, of))
    }

    fn fences(&self) -> String {
        let mut table = Table::new(&[
            "site",
            "punches",
            "success",
            "outside",
            "uncertain",
            "no evidence",
            "fixes",
            "far",
            "median m",
            "95% m",
            "drift m",
            "radius",
            "fits",
        ]);
        for (site, row) in self.each().filter_map(|(site, of)| Some((site, of.row.as_ref()?))) {
            let fits = match advice::radius(row) {
                Radius::NotEnough => "not enough fixes".to_owned(),
                Radius::Polygon(p98_m) if p98_m > 0.0 => format!("outline: 98% lie up to {p98_m:.0} m off"),
                Radius::Fits | Radius::Polygon(_) => "yes".to_owned(),
                Radius::Change(radius_m) => format!("{radius_m}"),
                Radius::None(reach_m) => format!("none: 98% need {reach_m:.0} m"),
            };
            table.row(vec![
                site.to_owned(),
                row.punches.to_string(),
                percent(row),
                row.outside.to_string(),
                row.uncertain.to_string(),
                row.no_evidence.to_string(),
                row.fixes.to_string(),
                row.far_fixes.to_string(),
                metres(row.p50_m),
                metres(row.p95_m),
                metres(row.drift_m),
                row.radius_m.map_or("polygon".to_owned(), |radius_m| format!("{radius_m}")),
                fits,
            ]);
        }
        table.titled("fences: signed metres from the fence to people's fixes, negative inside")
    }

    fn unlisted(&self) -> String {
        let mut table = Table::new(&[
            "site",
            "access point",
            "people",
            "punches",
            "days",
            "median m",
            "spread m",
            "advice",
        ]);
        for (site, of) in self.each() {
            for row in &of.access_points {
                table.row(vec![
                    site.to_owned(),
                    row.bssid.clone(),
                    row.people.to_string(),
                    row.punches.to_string(),
                    row.days.to_string(),
                    format!("{:.0}", row.fence_m),
                    format!("{:.0}", row.spread_m),
                    advice::listing(row).text().to_owned(),
                ]);
            }
        }
        table.titled("access points seen at a site and listed nowhere")
    }

    fn misjudged(&self) -> String {
        let mut table =
            Table::new(&["listed at", "access point", "people", "punches", "median m", "fixes lie at"]);
        for (site, of) in self.each() {
            for row in &of.misjudged {
                table.row(vec![
                    site.to_owned(),
                    row.bssid.clone(),
                    row.people.to_string(),
                    row.punches.to_string(),
                    metres(row.fence_m),
                    row.fix_site_id.clone().unwrap_or_else(|| "no other site".to_owned()),
                ]);
            }
        }
        table.titled("misjudged Wi-Fi: listed at one site, and those who see it stand elsewhere")
    }

    fn unrostered(&self) -> String {
        let mut table = Table::new(&["site", "people", "punches", "who"]);
        for (site, of) in self.each().filter(|(_, of)| !of.unrostered.is_empty()) {
            let named = of.unrostered.iter().take(NAMED_MAX).map(|person| person.employee_id.as_str());
            let mut who = named.collect::<Vec<_>>().join(", ");
            if let more @ 1.. = of.unrostered.len().saturating_sub(NAMED_MAX) {
                who += &format!(" and {more} more");
            }
            let punches: u64 = of.unrostered.iter().map(|person| person.punches).sum();
            table.row(vec![site.to_owned(), of.unrostered.len().to_string(), punches.to_string(), who]);
        }
        table.titled("people who punched without a shift")
    }

    fn lateness(&self) -> String {
        let steps = LATE_STEPS.iter().map(|(name, ..)| *name);
        let columns: Vec<&str> =
            ["site", "comings", "late"].into_iter().chain(steps).chain(["flex_min", "late then"]).collect();
        let mut table = Table::new(&columns);
        for (site, of) in self.each().filter(|(_, of)| late(of) > 0) {
            let between = |(_, from, until): &(&str, u64, u64)| {
                let within =
                    of.lateness.iter().filter(|row| row.until_min > *from && row.until_min <= *until);
                within.map(|row| row.comings).sum::<u64>().to_string()
            };
            let (flex_min, late_then) = match advice::flex(&of.lateness) {
                Some(flex) => (flex.flex_min.to_string(), flex.late_then.to_string()),
                None => ("-".to_owned(), "-".to_owned()),
            };
            let mut cells = vec![site.to_owned(), comings(of).to_string(), late(of).to_string()];
            cells.extend(LATE_STEPS.iter().map(between));
            cells.extend([flex_min, late_then]);
            table.row(cells);
        }
        table.titled("late comings, and the smallest flex window that would halve them")
    }

    fn alerts(&self) -> String {
        let mut table = Table::new(&["site", "kind", "to", "alerts"]);
        for (site, of) in self.each() {
            for row in &of.alerts {
                let cells = [site, &row.kind, &row.audience.replace(',', ", ")].map(str::to_owned);
                table.row(cells.into_iter().chain([row.alerts.to_string()]).collect());
            }
        }
        table.titled("what would have been said, and to whom")
    }

    /// For machines.
    pub(super) fn json(&self) -> Value {
        let sites = self.figures.sites.iter().map(|(id, of)| site_json(id, of, self.knows_lists));
        json!({
            "since": self.figures.since.to_string(), "until": self.figures.until.to_string(),
            "sites": sites.collect::<Vec<_>>(),
        })
    }
}

fn site_json(site_id: &str, of: &SiteFigures, knows_lists: bool) -> Value {
    let fence = of.row.as_ref().map(|row| {
        let (fits_m, why) = match advice::radius(row) {
            Radius::NotEnough => (None, "not_enough"),
            Radius::Polygon(_) => (None, "polygon"),
            Radius::Fits => (row.radius_m, "fits"),
            Radius::Change(radius_m) => (Some(radius_m), "change"),
            Radius::None(_) => (None, "none"),
        };
        json!({
            "org": row.org, "punches": row.punches, "people": row.people, "success_rate": success(row),
            "inside_permitted": row.inside_permitted, "outside": row.outside, "uncertain": row.uncertain,
            "no_evidence": row.no_evidence, "not_permitted": row.not_permitted, "fixes": row.fixes,
            "fix_people": row.fix_people, "far_fixes": row.far_fixes, "median_m": row.p50_m, "p95_m": row.p95_m,
            "p98_m": row.p98_m, "drift_m": row.drift_m, "radius_m": row.radius_m, "fitting_radius_m": fits_m,
            "radius_advice": why,
        })
    });
    let unlisted = of.access_points.iter().map(|row| {
        json!({"bssid": row.bssid, "people": row.people, "punches": row.punches, "days": row.days, "share": row.share,
            "median_m": row.fence_m, "spread_m": row.spread_m, "list": advice::listing(row) == Listing::List})
    });
    let misjudged = of.misjudged.iter().map(|row| {
        json!({"bssid": row.bssid, "people": row.people, "punches": row.punches, "median_m": row.fence_m,
            "fix_site_id": row.fix_site_id})
    });
    let unrostered = of.unrostered.iter().map(|row| {
        json!({"employee_id": row.employee_id, "known": row.known, "punches": row.punches, "days": row.days})
    });
    let alerts =
        of.alerts.iter().map(|row| json!({"kind": row.kind, "audience": row.audience, "alerts": row.alerts}));
    let steps = of.lateness.iter().map(|row| json!({"until_min": row.until_min, "comings": row.comings}));
    let flex = advice::flex(&of.lateness);
    let lists = |rows: Vec<Value>| if knows_lists { Value::Array(rows) } else { Value::Null };
    json!({
        "site_id": (!site_id.is_empty()).then_some(site_id), "fence": fence,
        "unlisted_access_points": lists(unlisted.collect()), "misjudged_access_points": lists(misjudged.collect()),
        "people_without_shift": unrostered.collect::<Vec<_>>(),
        "lateness": {"comings": comings(of), "late": late(of), "steps": steps.collect::<Vec<_>>(),
            "flex_min": flex.map(|flex| flex.flex_min), "late_then": flex.map(|flex| flex.late_then)},
        "alerts": alerts.collect::<Vec<_>>(),
    })
}

fn comings(of: &SiteFigures) -> u64 {
    of.lateness.iter().map(|row| row.comings).sum()
}

fn late(of: &SiteFigures) -> u64 {
    of.lateness.iter().filter(|row| row.until_min > 0).map(|row| row.comings).sum()
}

fn success(row: &SiteRow) -> f64 {
    row.inside_permitted as f64 / row.punches as f64
}

fn percent(row: &SiteRow) -> String {
    format!("{:.1}%", 100.0 * success(row))
}

fn metres(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |metres| format!("{metres:.0}"))
}
