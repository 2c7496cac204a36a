//! Reads every set in the order in which they lean on each other, checks what spans sets, and makes the snapshot; the next
//! time, only of what changed.
//!
//! In: [`Sources`].  Out: [`Loaded`].  Owns: [`Loader`]: the sets as last read without an error.
//! Invariants: a snapshot is made only if no problem is an error; people's names never enter it; what a [`Loader`] loads is
//! what [`load`] would load (`load::tests::loading_again_is_loading_afresh`).
//!
//! ```text
//! orgs   policies   sites ──▶ people ──▶ leave            a set is read again when its files changed,
//!            └────────┴──────────┴──▶ shifts ──▶ corrections   or when one was from which an arrow comes;
//!                                                         sites: fences, tolerances and radios are not what others rest on
//! ```

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use model::reference::{Calendar, LawValue, Org, PolicyBook, ShiftPlan, org_covers};
use model::{Correction, Leave, Reference, Rows, Shift};

use crate::calendars::Calendars;
use crate::ids::{Ids, Lookup, Strings};
use crate::law::Law;
use crate::part::{Part, Set, Stamp};
use crate::people::People;
use crate::policies::{Layer, Scope};
use crate::policy_resolution::{Resolver, SCOPES_MAX};
use crate::problem::{At, Problem, Report};
use crate::shifts::{Known, Shifts, unknown_policy};
use crate::sites::{Sites, Update};
use crate::zone_rules::zone_rules;
use crate::{calendars, files, law, orgs, people, policies, requests, shifts, sites, version};

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
    /// TOML.
    pub law: Vec<PathBuf>,
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
    pub names: Rows<(Arc<str>, String)>,
    /// Everything that is wrong, in file and line order, few of a kind.
    pub problems: Vec<Problem>,
    /// How much was read.
    pub counts: Counts,
}

/// Reads, checks and joins everything that `sources` names.
pub fn load(sources: &Sources) -> Loaded {
    Loader::new(sources.clone()).load()
}

/// Loads again and again, and reads only what changed since.
///
/// Sets whose files say the same are kept, unless one they rest on was read anew. Of changed files of sites only the features
/// that say something else are read, as long as they are features of known sites. The outcome is that of [`load`] but for
/// warnings about a site beside others, which are told when all sites are read.
pub struct Loader {
    sources: Sources,
    kept: Kept,
    tz_version: Arc<str>,
}

/// What the last load read without an error.
#[derive(Default)]
struct Kept {
    /// All files by set.
    files: Vec<Vec<PathBuf>>,
    calendars: Option<Part<Calendars>>,
    law: Option<Part<Law>>,
    policies: Option<Part<Vec<Layer>>>,
    orgs: Option<Part<(Rows<Org>, Vec<At>)>>,
    sites: Option<Part<Sites>>,
    people: Option<Part<People>>,
    shifts: Option<Part<Planned>>,
    leave: Option<Part<Rows<Leave>>>,
    corrections: Option<Part<Rows<Correction>>>,
    /// The calendars and legal values that files say, or that are shipped for a country where there is a site.
    met: Option<(Vec<Calendar>, Vec<LawValue>)>,
    /// What is wrong between sets.
    between: Option<Report>,
    /// Which shifts rest on estimated days.
    estimated: Option<Report>,
}

/// Shifts, and the policies that hold for them.
struct Planned {
    shifts: Shifts,
    resolver: Resolver,
    book: PolicyBook,
}

/// The files of every set, in the order of reading.
struct Sets {
    calendars: Set,
    law: Set,
    policies: Set,
    orgs: Set,
    sites: Set,
    people: Set,
    shifts: Set,
    leave: Set,
    corrections: Set,
}

impl Sets {
    fn of(sources: &Sources) -> Self {
        let mut files = Report::default();
        let mut set = |paths: &[PathBuf], endings| {
            let mut report = files.over_same_files();
            let found = files::expand(&mut report, paths, endings);
            files = report.over_same_files();
            Set { files: found, report }
        };
        let calendars = set(&sources.calendars, files::TOML_ENDINGS);
        let law = set(&sources.law, files::TOML_ENDINGS);
        let policies = set(&sources.policies, files::TOML_ENDINGS);
        let orgs = set(&sources.orgs, files::ROW_ENDINGS);
        let sites = set(&sources.sites, files::SITE_ENDINGS);
        let people = set(&sources.people, files::ROW_ENDINGS);
        let shifts = set(&sources.shifts, files::ROW_ENDINGS);
        let leave = set(&sources.leave, files::ROW_ENDINGS);
        let corrections = set(&sources.corrections, files::ROW_ENDINGS);
        Self { calendars, law, policies, orgs, sites, people, shifts, leave, corrections }
    }

    fn all(&self) -> [&Set; 9] {
        let Self { calendars, law, policies, orgs, sites, people, shifts, leave, corrections } = self;
        [calendars, law, policies, orgs, sites, people, shifts, leave, corrections]
    }

    /// A report without findings over all files.
    fn report(&self) -> Report {
        self.corrections.report.over_same_files()
    }
}

impl Loader {
    /// Loads from there.
    pub fn new(sources: Sources) -> Self {
        Self { sources, kept: Kept::default(), tz_version: Arc::clone(&zone_rules().version) }
    }

    /// What the files look like without reading them: as long as this stays equal, there is nothing to load.
    pub fn look(&self) -> Look {
        let sets = Sets::of(&self.sources);
        let files = sets.all().into_iter().flat_map(|set| &set.files);
        Look(files.map(|(_, path)| (path.clone(), Stamp::of(path))).collect())
    }

    /// What the sources say now.
    pub fn load(&mut self) -> Loaded {
        let sets = Sets::of(&self.sources);
        let paths = |set: &Set| set.files.iter().map(|(_, path)| path.clone()).collect();
        let files: Vec<Vec<PathBuf>> = sets.all().into_iter().map(paths).collect();
        if self.kept.files != files {
            // Places of files have other numbers now.
            self.kept = Kept { files, ..Kept::default() };
        }
        let loaded = self.kept.load(&sets, &self.tz_version);
        self.kept.forget_faulty();
        loaded
    }
}

/// What [`Loader::look`] saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look(Vec<(PathBuf, Option<Stamp>)>);

impl Kept {
    fn load(&mut self, sets: &Sets, tz_version: &Arc<str>) -> Loaded {
        let mut report = sets.report();
        let strings = &mut Strings::default();
        let (calendars, same_calendars) =
            Part::keep(&mut self.calendars, &sets.calendars, true, calendars::read);
        let (law, same_law) = Part::keep(&mut self.law, &sets.law, true, law::read);
        let (policies, same_policies) = Part::keep(&mut self.policies, &sets.policies, true, policies::read);
        let (orgs, same_orgs) = Part::keep(&mut self.orgs, &sets.orgs, true, |report, files| {
            let (orgs, places) = orgs::read(report, files, strings);
            (orgs.into(), places)
        });
        let (sites, same_links, same_managers) =
            keep_sites(&mut self.sites, &sets.sites, &mut report, strings);
        let (people, same_people) =
            Part::keep(&mut self.people, &sets.people, same_links, |report, files| {
                let mut people = people::read(report, files, &sites.value, strings);
                people.ids.set_partial(report.files_lost() > 0);
                people
            });
        let known = Known { sites: &sites.value, people: &people.value };
        let rests = same_people && same_links;
        let (planned, same_shifts) =
            Part::keep(&mut self.shifts, &sets.shifts, rests && same_policies, |report, files| {
                let mut resolver = Resolver::new(policies.value.clone());
                resolver.set_partial(policies.report.files_lost() > 0);
                let mut shifts = shifts::read(report, files, &known, &mut resolver, strings);
                shifts.ids.set_partial(report.files_lost() > 0);
                let book = book(report, &mut resolver, known.sites, known.people);
                Planned { shifts, resolver, book }
            });
        let (leave, _) = Part::keep(&mut self.leave, &sets.leave, rests, |report, files| {
            requests::read_leave(report, files, &known, strings).into()
        });
        let (corrections, _) =
            Part::keep(&mut self.corrections, &sets.corrections, rests && same_shifts, |report, files| {
                requests::read_corrections(report, files, &known, &planned.value.shifts, strings).into()
            });
        if !(rests && same_managers && same_orgs && same_policies) {
            self.between = None;
        }
        let resolver = &planned.value.resolver;
        let between = self.between.get_or_insert_with(|| {
            let mut report = sets.report();
            tell_between(&mut report, &known, (&orgs.value.0, &orgs.value.1), resolver);
            report
        });
        for part in
            [&calendars.report, &law.report, &policies.report, &orgs.report, &sites.report, &people.report]
        {
            report.absorb(part);
        }
        for part in [&planned.report, &leave.report, &corrections.report, between] {
            report.absorb(part);
        }
        if !(same_links && same_calendars && same_law) {
            self.met = None;
        }
        let (calendars_met, law_met) = self.met.get_or_insert_with(|| {
            let roots = roots(&sites.value);
            (calendars.value.for_orgs(&roots), law.value.for_orgs(&roots))
        });
        let mut reference = Reference {
            version: Arc::from(""),
            sites: sites.value.sites.clone(),
            orgs: orgs.value.0.clone(),
            people: people.value.people.clone(),
            shifts: planned.value.shifts.shifts.clone(),
            leave: leave.value.clone(),
            corrections: corrections.value.clone(),
            policies: resolver.policies().to_vec(),
            policy_rules: planned.value.book.clone(),
            calendars: calendars_met.clone(),
            law: law_met.clone(),
            tz_version: Arc::clone(tz_version),
        };
        if !(rests && same_shifts && same_calendars) {
            self.estimated = None;
        }
        report.absorb(self.estimated.get_or_insert_with(|| {
            let mut report = sets.report();
            tell_estimated(&mut report, &reference, &planned.value.shifts.ids);
            report
        }));
        let mut counts = counts(&reference, resolver);
        let problems;
        (problems, counts.errors, counts.warnings) = report.finish();
        let reference = (counts.errors == 0).then(|| {
            let all = &reference;
            let digests = [
                orgs.digest(|| version::orgs(all)),
                people.digest(|| version::people(all)),
                planned.digest(|| version::shifts(all)),
                leave.digest(|| version::leave(all)),
                corrections.digest(|| version::corrections(all)),
                version::policies(all),
                version::calendars(all),
                version::law(all),
                version::tz(all),
            ];
            reference.version = version::of(&sites.value.digests, &digests);
            Arc::new(reference)
        });
        Loaded { reference, names: people.value.names.clone(), problems, counts }
    }

    /// Keeps nothing in which there is an error: it is read again, whatever its files look like then.
    fn forget_faulty(&mut self) {
        fn forget<T>(kept: &mut Option<Part<T>>) {
            kept.take_if(|part| part.report.errors() > 0);
        }
        forget(&mut self.calendars);
        forget(&mut self.law);
        forget(&mut self.policies);
        forget(&mut self.orgs);
        forget(&mut self.sites);
        forget(&mut self.people);
        forget(&mut self.shifts);
        forget(&mut self.leave);
        forget(&mut self.corrections);
    }
}

/// The sites, and whether what other sets rest on in them is as it was: ids, orgs, zones, policies and dates; managers.
/// What is wrong with features that changed goes to `report`; the sites are then those of before.
fn keep_sites<'a>(
    kept: &'a mut Option<Part<Sites>>,
    set: &Set,
    report: &mut Report,
    strings: &mut Strings,
) -> (&'a mut Part<Sites>, bool, bool) {
    let (mut part, mut same) = (kept.take(), (false, false));
    if let Some(sites) = &mut part {
        let stamps = sites.restamped(set);
        let file = |(at, _): &(usize, Option<Stamp>)| (*at, set.files[*at].0, set.files[*at].1.as_path());
        let changed: Vec<_> = stamps.iter().map(file).collect();
        let mut found = set.report.over_same_files();
        let update = match changed.is_empty() {
            true => Update::Taken { same_links: true, same_managers: true },
            false => sites.value.update(&mut found, &changed, strings),
        };
        match update {
            Update::Taken { same_links, same_managers } => {
                sites.restamp(&stamps);
                same = (same_links, same_managers);
                report.absorb(&found);
            }
            Update::Faulty => {
                // All that is wrong is told as of the whole files; what was good is kept for when they are mended.
                let mut found = set.report.clone();
                sites::read(&mut found, &set.files, strings);
                same = (true, true);
                report.absorb(&found);
            }
            Update::Unfit => part = None,
        }
    }
    let part = part.unwrap_or_else(|| {
        Part::read_unhashed(set, |report, files| {
            let mut sites = sites::read(report, files, strings);
            sites.ids.set_partial(report.files_lost() > 0);
            sites
        })
    });
    (kept.insert(part), same.0, same.1)
}

fn counts(reference: &Reference, resolver: &Resolver) -> Counts {
    Counts {
        sites: reference.sites.len(),
        orgs: reference.orgs.len(),
        people: reference.people.len(),
        shifts: reference.shifts.len(),
        leave: reference.leave.len(),
        corrections: reference.corrections.len(),
        policies: resolver.layers().len(),
        calendars: reference.calendars.len(),
        errors: 0,
        warnings: 0,
    }
}

/// The first segments of the sites' orgs.
fn roots(sites: &Sites) -> Vec<&str> {
    let mut roots: Vec<&str> = Vec::new();
    for site in sites.sites.iter() {
        let root = site.org.split('/').next().unwrap_or_default();
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    roots
}

/// Shifts on days whose kind is not published yet: they are paid by what they turn out to be.
fn tell_estimated(report: &mut Report, reference: &Reference, ids: &Ids) {
    let estimated =
        reference.calendars.iter().flat_map(|calendar| &calendar.days).filter(|day| day.is_estimated);
    let Some(first) = estimated.map(|day| day.date).min() else { return };
    let planned = |shift: &&Shift| shift.plan == ShiftPlan::Planned && shift.business_date >= first;
    for shift in reference.shifts.iter().filter(planned) {
        let day = reference.day(&reference.site(shift.site).org, shift.business_date);
        if day.is_estimated
            && let Some(at) = ids.place(&shift.shift_id)
        {
            let what = format!("{} is a {} only by estimate", day.date, day.kind.name());
            let remedy = "once the list of its year is published, give its days under [reference] calendars";
            report.warning("estimated_day", at, &format!("shift {}", shift.shift_id), what, remedy);
        }
    }
}

/// What only several sets together show.
fn tell_between(report: &mut Report, known: &Known<'_>, orgs: (&[Org], &[At]), resolver: &Resolver) {
    let Known { sites, people } = known;
    tell_unknown_policies(report, sites, resolver);
    tell_unknown_managers(report, sites, people, orgs);
    if !sites.ids.is_partial() && !people.ids.is_partial() {
        tell_idle_policies(report, resolver, sites, people);
    }
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
