//! Reads every set in the order in which they lean on each other, checks what spans sets, and makes the snapshot.
//!
//! In: [`Sources`].  Out: [`Loaded`].  Owns: nothing.
//! Invariants: a snapshot is made only if no problem is an error; people's names never enter it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use model::Reference;
use model::reference::{Org, PolicyBook, org_covers};

use crate::ids::{Lookup, Strings};
use crate::people::People;
use crate::policies::Scope;
use crate::policy_resolution::{Resolver, SCOPES_MAX};
use crate::problem::{At, Problem, Report};
use crate::shifts::{Known, unknown_policy};
use crate::sites::Sites;
use crate::{calendars, orgs, people, policies, requests, shifts, sites, version};

/// Files and folders of each set. A folder stands for all its files with a fitting ending; an empty list is a set that
/// is empty and complete (contract, section 7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// GeoJSON.
    pub sites: Vec<PathBuf>,
    /// NDJSON or CSV.
    pub orgs: Vec<PathBuf>,
    /// NDJSON or CSV.
    pub people: Vec<PathBuf>,
    /// NDJSON or CSV.
    pub shifts: Vec<PathBuf>,
    /// NDJSON or CSV.
    pub leave: Vec<PathBuf>,
    /// NDJSON or CSV.
    pub corrections: Vec<PathBuf>,
    /// TOML.
    pub policies: Vec<PathBuf>,
    /// TOML.
    pub calendars: Vec<PathBuf>,
}

/// How many good rows each set has, and how many problems there are, kept or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sites.
    pub sites: usize,
    /// Described orgs.
    pub orgs: usize,
    /// People.
    pub people: usize,
    /// Shift instances.
    pub shifts: usize,
    /// Leave, overtime and field permissions.
    pub leave: usize,
    /// Corrections.
    pub corrections: usize,
    /// `[[policy]]` tables.
    pub policies: usize,
    /// Calendars, one per org path.
    pub calendars: usize,
    /// All errors, also those that only "and N more" stands for.
    pub errors: u64,
    /// All warnings.
    pub warnings: u64,
}

/// What came of reading the sources.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The snapshot; `None` if any problem is an error.
    pub reference: Option<Arc<Reference>>,
    /// (employee_id, name), sorted: for the restricted table `people_names` and nowhere else.
    pub names: Vec<(Arc<str>, String)>,
    /// Everything that is wrong, in file and line order, few of a kind.
    pub problems: Vec<Problem>,
    /// How much was read.
    pub counts: Counts,
}

/// Reads, checks and joins everything that `sources` names.
pub fn load(sources: &Sources) -> Loaded {
    let mut report = Report::default();
    let report = &mut report;
    let mut strings = Strings::default();
    let calendars = calendars::read(report, &sources.calendars);
    let lost = report.files_lost();
    let mut resolver = Resolver::new(policies::read(report, &sources.policies));
    resolver.set_partial(report.files_lost() > lost);
    let (orgs, org_places) = orgs::read(report, &sources.orgs, &mut strings);
    let lost = report.files_lost();
    let mut sites = sites::read(report, &sources.sites, &mut strings);
    sites.ids.set_partial(report.files_lost() > lost);
    tell_unknown_policies(report, &sites, &resolver);
    let lost = report.files_lost();
    let mut people = people::read(report, &sources.people, &sites, &mut strings);
    people.ids.set_partial(report.files_lost() > lost);
    tell_unknown_managers(report, &sites, &people, (&orgs, &org_places));
    if !sites.ids.is_partial() && !people.ids.is_partial() {
        tell_idle_policies(report, &resolver, &sites, &people);
    }
    let known = Known { sites: &sites, people: &people };
    let lost = report.files_lost();
    let mut shifts = shifts::read(report, &sources.shifts, &known, &mut resolver, &mut strings);
    shifts.ids.set_partial(report.files_lost() > lost);
    let leave = requests::read_leave(report, &sources.leave, &known, &mut strings);
    let corrections = requests::read_corrections(report, &sources.corrections, &known, &shifts, &mut strings);
    let policy_rules = book(report, &mut resolver, &sites, &people);
    let tables = resolver.layers().len();
    let mut counts = Counts {
        sites: sites.sites.len(),
        orgs: orgs.len(),
        people: people.people.len(),
        shifts: shifts.shifts.len(),
        leave: leave.len(),
        corrections: corrections.len(),
        policies: tables,
        calendars: calendars.len(),
        errors: 0,
        warnings: 0,
    };
    let mut reference = Reference {
        version: Arc::from(""),
        sites: sites.sites,
        orgs,
        people: people.people,
        shifts: shifts.shifts,
        leave,
        corrections,
        policies: resolver.into_policies(),
        policy_rules,
        calendars,
    };
    let (problems, errors, warnings) = std::mem::take(report).finish();
    (counts.errors, counts.warnings) = (errors, warnings);
    let reference = (errors == 0).then(|| {
        reference.version = version::of(&reference);
        Arc::new(reference)
    });
    Loaded { reference, names: people.names, problems, counts }
}

fn book(report: &mut Report, resolver: &mut Resolver, sites: &Sites, people: &People) -> PolicyBook {
    let of_sites = sites.sites.iter().map(|site| (&*site.org, site.policy.as_ref()));
    let of_people = people.people.iter().map(|person| &person.groups[..]);
    if let Some(book) = resolver.book(of_sites, of_people) {
        return book;
    }
    if let Some(layer) = resolver.layers().first() {
        let what = format!("the tables make more than {SCOPES_MAX} combinations of orgs, groups and names");
        report.error("too_many_scopes", At::file(layer.at.file), "", what, "name fewer groups in applies_to");
    }
    PolicyBook::default()
}

fn tell_unknown_policies(report: &mut Report, sites: &Sites, resolver: &Resolver) {
    for (site, at) in sites.sites.iter().zip(&sites.places) {
        if let Some(name) = &site.policy
            && let Some(remedy) = unknown_policy(resolver, name)
        {
            let what = format!("`policy` `{name}` is no policy");
            report.error("unknown_policy", *at, &format!("site {}", site.site_id), what, remedy);
        }
    }
}

/// A manager who is no person gets no alert: a warning, as the punches can be judged without.
fn tell_unknown_managers(
    report: &mut Report,
    sites: &Sites,
    people: &People,
    (orgs, org_places): (&[Org], &[At]),
) {
    let mut tell = |at: &At, subject: &dyn Fn() -> String, managers: &[Arc<str>]| {
        for id in managers.iter().filter(|id| people.ids.find(id) == Lookup::Unknown) {
            let what = format!("manager `{id}` is no person");
            report.warning("unknown_manager", *at, &subject(), what, people.ids.remedy("people", id));
        }
    };
    for (site, at) in sites.sites.iter().zip(&sites.places) {
        tell(at, &|| format!("site {}", site.site_id), &site.managers);
    }
    for (person, at) in people.people.iter().zip(&people.places) {
        tell(at, &|| format!("person {}", person.employee_id), &person.managers);
    }
    for (org, at) in orgs.iter().zip(org_places) {
        tell(at, &|| format!("org {}", org.org), &org.managers);
    }
}

/// Tables that apply to nobody, and tables asked for by name that apply everywhere besides.
fn tell_idle_policies(report: &mut Report, resolver: &Resolver, sites: &Sites, people: &People) {
    let orgs: HashSet<&str> = sites
        .sites
        .iter()
        .map(|site| &*site.org)
        .chain(people.people.iter().map(|person| &*person.org))
        .collect();
    let groups: HashSet<&str> =
        people.people.iter().flat_map(|person| person.groups.iter().map(|group| &**group)).collect();
    let asked: HashSet<&str> = sites.sites.iter().filter_map(|site| site.policy.as_deref()).collect();
    for layer in resolver.layers() {
        let subject = format!("policy {}", layer.name);
        let is_asked = asked.contains(&*layer.name);
        let is_met = match &layer.scope {
            Scope::Org(org) => org.is_empty() || orgs.iter().any(|path| org_covers(org, path)),
            Scope::Group(group) => groups.contains(&**group),
        };
        if !is_met && !is_asked && !orgs.is_empty() {
            let what = format!("it applies to `{}`, where there is no site and no person", layer.applies_to);
            report.warning(
                "idle_policy",
                layer.at,
                &subject,
                what,
                "correct applies_to, unless only shifts ask for it by name",
            );
        }
        if is_asked && !layer.is_scoped {
            let what =
                "sites ask for it by name, and it also applies everywhere because it has no applies_to";
            let remedy =
                "if it is only for those sites, give it an applies_to nobody is in, such as group:by-name";
            report.warning("policy_everywhere", layer.at, &subject, what, remedy);
        }
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
