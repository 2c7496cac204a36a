//! Rows of people to employees under pseudonyms; their names go another way.
//!
//! In: files of `[reference] people`, the sites.  Out: people sorted by id, names apart.  Owns: nothing.
//! Invariants: a name never enters a [`Person`]; an id that looks like an identity card is refused, and told without its
//! last characters.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Date;
use model::{Person, Rows, SiteIndex};
use schemas::rows::PersonRow;

use crate::identity_card::{Card, Look, SharedShapes, look};
use crate::ids::{Ids, Lookup, Strings, org_fault};
use crate::problem::{At, FileId, Report};
use crate::sites::Sites;
use crate::{rows, wall_time};

const REQUIRED: &[&str] = &["employee_id", "org"];

/// Languages Muster speaks.
const LANGUAGES: &[&str] = &["en", "zh-Hant", "zh-Hans"];

/// The people read, sorted by id, each with its place.
#[derive(Default)]
pub(crate) struct People {
    pub(crate) people: Rows<Person>,
    pub(crate) places: Vec<At>,
    pub(crate) ids: Ids,
    pub(crate) names: Rows<(Arc<str>, String)>,
}

/// Reads every person.
pub(crate) fn read(
    report: &mut Report,
    files: &[(FileId, PathBuf)],
    sites: &Sites,
    strings: &mut Strings,
) -> People {
    let mut reader = Reader { sites, strings, ids: Ids::default(), read: Vec::new(), names: Vec::new() };
    let mut shapes = SharedShapes::default();
    let mut shaped: Vec<(At, Arc<str>, Card)> = Vec::new();
    rows::read::<PersonRow>(
        report,
        files,
        REQUIRED,
        |_| (),
        |report, at, row| {
            if let Some((card, passes, id)) = reader.person(report, at, row) {
                shapes.count(card, passes);
                if passes {
                    shaped.push((at, id, card));
                }
            }
        },
    );
    for (at, id, card) in shaped {
        if shapes.are_cards(card) {
            tell_card(report, at, &id, card);
        }
    }
    let Reader { mut read, mut ids, mut names, .. } = reader;
    read.sort_by(|a, b| a.0.employee_id.cmp(&b.0.employee_id));
    names.sort_by(|a, b| a.0.cmp(&b.0));
    for (index, (person, _)) in read.iter().enumerate() {
        ids.set_index(&person.employee_id, index);
    }
    let (people, places): (Vec<Person>, _) = read.into_iter().unzip();
    People { people: people.into(), places, ids, names: names.into() }
}

fn tell_card(report: &mut Report, at: At, id: &str, card: Card) {
    let begin: String = id.chars().take(3).collect();
    let what = format!("its id looks like {}", card.name());
    let remedy = "use a pseudonym: a staff number, never a number of an identity card";
    report.error("identity_card", at, &format!("person {begin}…"), what, remedy);
}

struct Reader<'a> {
    sites: &'a Sites,
    strings: &'a mut Strings,
    ids: Ids,
    read: Vec<(Person, At)>,
    names: Vec<(Arc<str>, String)>,
}

impl Reader<'_> {
    /// Takes one row; gives back the id if it has a shape that cards share with staff numbers.
    fn person(&mut self, report: &mut Report, at: At, row: PersonRow) -> Option<(Card, bool, Arc<str>)> {
        let looks = look(&row.employee_id);
        if let Look::Card(card) = looks {
            tell_card(report, at, &row.employee_id, card);
            return None;
        }
        let id = self.ids.claim(report, at, "person", &row.employee_id)?;
        let errors = report.errors();
        let person = self.checked(report, at, id.clone(), &row);
        if let Some(name) = row.name.filter(|name| !name.is_empty()) {
            self.names.push((id.clone(), name));
        }
        if report.errors() == errors {
            self.read.push((person, at));
        }
        match looks {
            Look::Shared(card, passes) => Some((card, passes, id)),
            _ => None,
        }
    }

    fn checked(&mut self, report: &mut Report, at: At, employee_id: Arc<str>, row: &PersonRow) -> Person {
        let subject = || format!("person {employee_id}");
        if let Some(fault) = org_fault(&row.org) {
            let what = format!("`org` `{}` {fault}", row.org);
            report.error("bad_org", at, &subject(), what, "write a path such as hk/kln/mong-kok");
        }
        let home_site = row.home_site.as_deref().filter(|id| !id.is_empty());
        let home_site = home_site.and_then(|id| self.home_site(report, at, &subject, id));
        let allowed_sites = self.allowed_sites(report, at, &subject, home_site, &row.allowed_sites);
        let location_declined = match row.location_consent.as_deref() {
            None | Some("" | "given") => false,
            Some("declined") => true,
            Some(other) => {
                let what = format!("`location_consent` is `{other}`");
                report.error("bad_value", at, &subject(), what, "write declined or given, or leave it out");
                false
            }
        };
        if let Some(lang) = row.lang.as_deref()
            && !LANGUAGES.contains(&lang)
        {
            let remedy = format!("write one of {}", LANGUAGES.join(", "));
            report.warning("bad_value", at, &subject(), format!("`lang` is `{lang}`"), remedy);
        }
        let joined = date(report, at, &subject, "joined", row.joined.as_deref());
        let left = date(report, at, &subject, "left", row.left.as_deref());
        if let (Some(joined), Some(left)) = (joined, left)
            && left < joined
        {
            report.error("empty_span", at, &subject(), "`left` is before `joined`", "correct one of them");
        }
        let mut groups = self.strings.all(&row.groups);
        groups.sort();
        groups.dedup();
        Person {
            org: self.strings.get(&row.org),
            home_site,
            allowed_sites,
            groups,
            managers: self.strings.all(&row.managers),
            location_declined,
            joined,
            left,
            employee_id,
        }
    }

    fn home_site(
        &self,
        report: &mut Report,
        at: At,
        subject: &dyn Fn() -> String,
        id: &str,
    ) -> Option<SiteIndex> {
        match self.sites.ids.find(id) {
            Lookup::Row(index) => Some(SiteIndex(index)),
            Lookup::Refused => None,
            Lookup::Unknown => {
                let what = format!("`home_site` `{id}` is no site");
                report.error("unknown_site", at, &subject(), what, self.sites.ids.remedy("sites", id));
                None
            }
        }
    }

    /// The sites known among `ids`. An unknown one is a warning while another permitted site remains: without any, the
    /// person would be permitted everywhere, which nobody wrote.
    fn allowed_sites(
        &self,
        report: &mut Report,
        at: At,
        subject: &dyn Fn() -> String,
        home_site: Option<SiteIndex>,
        ids: &[String],
    ) -> Vec<SiteIndex> {
        let mut sites: Vec<SiteIndex> = Vec::with_capacity(ids.len());
        let mut unknown: Vec<&str> = Vec::new();
        for id in ids {
            match self.sites.ids.find(id) {
                Lookup::Row(index) => sites.push(SiteIndex(index)),
                Lookup::Refused => {}
                Lookup::Unknown => unknown.push(id),
            }
        }
        sites.sort_unstable();
        sites.dedup();
        if let Some(first) = unknown.first() {
            let what = format!("`allowed_sites` names no site by `{}`", unknown.join("`, `"));
            let remedy = self.sites.ids.remedy("sites", first);
            if sites.is_empty() && home_site.is_none() {
                report.error("unknown_site", at, &subject(), what, remedy);
            } else {
                report.warning("unknown_allowed_site", at, &subject(), what, remedy);
            }
        }
        sites
    }
}

fn date(
    report: &mut Report,
    at: At,
    subject: &dyn Fn() -> String,
    key: &str,
    text: Option<&str>,
) -> Option<Date> {
    let text = text.filter(|text| !text.is_empty())?;
    match wall_time::date(text) {
        Ok(date) => Some(date),
        Err(fault) => {
            let what = format!("`{key}` `{text}` {fault}");
            report.error("bad_time", at, &subject(), what, "write a day such as 2026-11-02");
            None
        }
    }
}
