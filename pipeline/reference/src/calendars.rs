//! Files of `[[calendar]]` tables, laid over the calendars that Muster ships, to the kinds of days.
//!
//! In: files of `[reference] calendars`; `presets/*.toml` of this crate.  Out: one [`Calendar`] per org path.  Owns: nothing.
//! Tables of the same `applies_to` are one calendar told in pieces (a file a year), so they may not contradict each other.
//! They do override what is shipped for that path, day by day and weekday by weekday.
//! Invariants: what a chain says itself is never overruled by what is shipped: a calendar of its own for everywhere keeps
//! shipped ones out of all paths for which it has none; kept by [`Calendars::for_orgs`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use jiff::civil::Date;
use model::reference::{Calendar, CalendarDay, DayKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::files;
use crate::ids::org_fault;
use crate::problem::{At, FileId, Report};
use crate::toml_tree::Source;

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const KEYS: &[&str] = &["applies_to", "source", "status", "preset", "weekdays", "days"];
const DAY_KEYS: &[&str] = &["date", "kind", "statutory", "name", "status"];
const STATUSES: &[&str] = &["official", "estimated"];

/// The shipped files, one for each first segment of an org path that is a country; `presets/README.md` says where they are from.
const SHIPPED: [&str; 6] = [
    include_str!("../presets/cn.toml"),
    include_str!("../presets/hk.toml"),
    include_str!("../presets/jp.toml"),
    include_str!("../presets/mo.toml"),
    include_str!("../presets/sg.toml"),
    include_str!("../presets/tw.toml"),
];

type ByOrg = BTreeMap<Arc<str>, Pieces>;

/// What the tables of one org path have said so far.
#[derive(Clone, Default)]
struct Pieces {
    /// Whether what is shipped for the path is left out.
    is_bare: bool,
    weekdays: [Option<(DayKind, At)>; 7],
    days: BTreeMap<Date, (Told, At)>,
}

/// What a table tells of a day.
#[derive(Clone, Copy)]
struct Told {
    kind: DayKind,
    is_statutory: Option<bool>,
    is_estimated: bool,
}

/// The calendars of a chain's own files, and the shipped ones.
pub(crate) struct Calendars {
    own: Vec<Calendar>,
    shipped: Vec<Calendar>,
}

/// Reads every calendar.
pub(crate) fn read(report: &mut Report, files: &[(FileId, PathBuf)]) -> Calendars {
    let mut own = ByOrg::new();
    for (file, path) in files {
        let file = *file;
        let Some(text) = files::read_text(report, file, path) else { continue };
        let source = Source { file, text: &text };
        for table in source.tables(report, "calendar") {
            calendar(report, source, &table, &mut own);
        }
    }
    let is_everywhere = own.contains_key("");
    let mut shipped = shipped().clone();
    let lay = |(org, pieces): (Arc<str>, Pieces)| match shipped.remove(&org) {
        Some(under) if !pieces.is_bare => (org, pieces.over(under)),
        _ => (org, pieces),
    };
    let own = own.into_iter().map(lay).map(whole).collect();
    let shipped = if is_everywhere { Vec::new() } else { shipped.into_iter().map(whole).collect() };
    Calendars { own, shipped }
}

impl Calendars {
    /// Those that count, sorted by org path: a chain's own, and the shipped ones of the countries in `roots`.
    pub(crate) fn for_orgs(&self, roots: &[&str]) -> Vec<Calendar> {
        let is_met = |calendar: &&Calendar| roots.contains(&&*calendar.applies_to);
        let met = self.shipped.iter().filter(is_met);
        let mut all: Vec<Calendar> = self.own.iter().chain(met).cloned().collect();
        all.sort_by(|a, b| a.applies_to.cmp(&b.applies_to));
        all
    }
}

/// The shipped calendars as if a chain had told them.
fn shipped() -> &'static ByOrg {
    static READ: LazyLock<ByOrg> = LazyLock::new(|| {
        let (mut report, mut by_org) = (Report::default(), ByOrg::new());
        let file = report.add_file("presets".into());
        for text in SHIPPED {
            let source = Source { file, text };
            for table in source.tables(&mut report, "calendar") {
                calendar(&mut report, source, &table, &mut by_org);
            }
        }
        debug_assert_eq!(report.errors(), 0, "held by `tests::every_shipped_file_is_read_without_a_word`");
        by_org
    });
    &READ
}

impl Pieces {
    /// These, and what `under` says beside them. A holiday is statutory as `under` says unless these say it themselves.
    fn over(self, mut under: Self) -> Self {
        for (date, (told, at)) in self.days {
            let known = under.days.get(&date).map(|(known, _)| known);
            let inherited =
                known.filter(|known| known.kind == told.kind).and_then(|known| known.is_statutory);
            let is_statutory = told.is_statutory.or(inherited);
            under.days.insert(date, (Told { is_statutory, ..told }, at));
        }
        for (kind, own) in under.weekdays.iter_mut().zip(self.weekdays) {
            *kind = own.or(*kind);
        }
        under
    }
}

fn whole((applies_to, pieces): (Arc<str>, Pieces)) -> Calendar {
    let day = |(date, (told, _)): (Date, (Told, At))| CalendarDay {
        date,
        kind: told.kind,
        is_statutory: told.is_statutory.unwrap_or(false),
        is_estimated: told.is_estimated,
    };
    Calendar {
        applies_to,
        days: pieces.days.into_iter().map(day).collect(),
        weekdays: pieces.weekdays.map(|kind| kind.map_or(DayKind::Workday, |(kind, _)| kind)),
    }
}

fn calendar(report: &mut Report, source: Source<'_>, table: &Spanned<DeTable<'_>>, by_org: &mut ByOrg) {
    let applies_to =
        table.get_ref().get("applies_to").and_then(|value| value.get_ref().as_str()).unwrap_or_default();
    let subject =
        if applies_to.is_empty() { "calendar".to_owned() } else { format!("calendar {applies_to}") };
    let pieces = by_org.entry(applies_to.into()).or_default();
    let is_estimated = table.get_ref().get("status").is_some_and(is_estimated);
    for (key, value) in table.get_ref() {
        match &**key.get_ref() {
            "applies_to" => {
                let text = source.text(report, &subject, "applies_to", value).unwrap_or_default();
                if let Some(fault) = org_fault(text).filter(|_| !text.is_empty()) {
                    let what = format!("`applies_to` `{text}` {fault}");
                    report.error(
                        "bad_value",
                        source.at(&value.span()),
                        &subject,
                        what,
                        "write an org path such as hk/kln",
                    );
                }
            }
            "source" => {
                source.text(report, &subject, "source", value);
            }
            "status" => status(report, source, &subject, value),
            "preset" => {
                pieces.is_bare |= source.flag(report, &subject, "preset", value) == Some(false);
            }
            "weekdays" => weekdays(report, source, &subject, value, pieces),
            "days" => days(report, source, &subject, value, is_estimated, pieces),
            _ => source.unknown_key(report, key, &subject, KEYS),
        }
    }
}

fn is_estimated(status: &Spanned<DeValue<'_>>) -> bool {
    status.get_ref().as_str() == Some(STATUSES[1])
}

fn status(report: &mut Report, source: Source<'_>, subject: &str, value: &Spanned<DeValue<'_>>) {
    let Some(text) = source.text(report, subject, "status", value) else { return };
    if !STATUSES.contains(&text) {
        let what = format!("`status` is `{text}`");
        report.error(
            "bad_value",
            source.at(&value.span()),
            subject,
            what,
            format!("write {}", STATUSES.join(" or ")),
        );
    }
}

fn kind(
    report: &mut Report,
    source: Source<'_>,
    subject: &str,
    key: &str,
    value: &Spanned<DeValue<'_>>,
) -> Option<DayKind> {
    let text = source.text(report, subject, key, value)?;
    let kind = DayKind::from_name(text);
    if kind.is_none() {
        let what = format!("`{key}` is `{text}`");
        report.error("bad_value", source.at(&value.span()), subject, what, "write workday, rest or holiday");
    }
    kind
}

fn weekdays(
    report: &mut Report,
    source: Source<'_>,
    subject: &str,
    value: &Spanned<DeValue<'_>>,
    pieces: &mut Pieces,
) {
    let Some(table) = value.get_ref().as_table() else {
        let remedy = "write weekdays = { saturday = \"rest\", sunday = \"rest\" }";
        report.error("wrong_type", source.at(&value.span()), subject, "`weekdays` is no table", remedy);
        return;
    };
    for (key, value) in table {
        let Some(day) = WEEKDAYS.iter().position(|name| name == key.get_ref()) else {
            source.unknown_key(report, key, subject, &WEEKDAYS);
            continue;
        };
        let at = source.at(&value.span());
        let Some(kind) = kind(report, source, subject, WEEKDAYS[day], value) else { continue };
        match pieces.weekdays[day] {
            Some((other, place)) if other != kind => {
                contradiction(report, at, subject, WEEKDAYS[day], other, place)
            }
            _ => pieces.weekdays[day] = Some((kind, at)),
        }
    }
}

fn days(
    report: &mut Report,
    source: Source<'_>,
    subject: &str,
    value: &Spanned<DeValue<'_>>,
    is_estimated: bool,
    pieces: &mut Pieces,
) {
    let Some(days) = value.get_ref().as_array() else {
        let remedy = "head each day with [[calendar.days]]";
        report.error("wrong_type", source.at(&value.span()), subject, "`days` is no list", remedy);
        return;
    };
    for value in days {
        let at = source.at(&value.span());
        let Some((date, told)) = day(report, source, subject, value, is_estimated) else { continue };
        match pieces.days.get(&date) {
            Some((other, place)) if other.kind != told.kind => {
                contradiction(report, at, subject, &date.to_string(), other.kind, *place)
            }
            _ => {
                pieces.days.insert(date, (told, at));
            }
        }
    }
}

fn day(
    report: &mut Report,
    source: Source<'_>,
    subject: &str,
    value: &Spanned<DeValue<'_>>,
    mut is_estimated: bool,
) -> Option<(Date, Told)> {
    let at = source.at(&value.span());
    let Some(table) = value.get_ref().as_table() else {
        let remedy = "write { date = 2026-12-25, kind = \"holiday\" }";
        report.error("wrong_type", at, subject, "a day is no table", remedy);
        return None;
    };
    let (mut date, mut day_kind, mut is_statutory) = (None, None, None);
    for (key, value) in table {
        match &**key.get_ref() {
            "date" => date = source.date(report, subject, "date", value),
            "kind" => day_kind = kind(report, source, subject, "kind", value),
            "statutory" => is_statutory = source.flag(report, subject, "statutory", value),
            "name" => {
                source.text(report, subject, "name", value);
            }
            "status" => {
                status(report, source, subject, value);
                is_estimated = self::is_estimated(value);
            }
            _ => source.unknown_key(report, key, subject, DAY_KEYS),
        }
    }
    for name in ["date", "kind"] {
        if !table.contains_key(name) {
            report.error("missing_field", at, subject, format!("a day has no `{name}`"), "add it");
        }
    }
    let (date, kind) = (date?, day_kind?);
    if is_statutory == Some(true) && kind != DayKind::Holiday {
        let what = format!("{date} is a {} and a statutory holiday", kind.name());
        report.error("bad_value", at, subject, what, "write kind = \"holiday\", or leave out `statutory`");
    }
    Some((date, Told { kind, is_statutory, is_estimated }))
}

fn contradiction(report: &mut Report, at: At, subject: &str, what: &str, other: DayKind, place: At) {
    let what = format!("{what} is already a {} ({})", other.name(), report.place(place));
    report.error("contradiction", at, subject, what, "keep one of them");
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn written(day: &CalendarDay) -> String {
        let CalendarDay { date, kind, is_statutory, is_estimated } = day;
        let mark = |is: &bool, mark| if *is { mark } else { "" };
        format!(" {date} {}{}{}", kind.name(), mark(is_statutory, "!"), mark(is_estimated, "?"))
    }

    fn check(files: &[&str], expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        for (index, text) in files.iter().enumerate() {
            fs::write(folder.path().join(format!("{index}.toml")), text).unwrap();
            toml::from_str::<schemas::rows::CalendarFile>(text).map(|_| ()).unwrap_or(());
        }
        let mut report = Report::default();
        let files = files::expand(&mut report, &[folder.path().to_owned()], files::TOML_ENDINGS);
        let calendars = read(&mut report, &files).own;
        let (problems, errors, _) = report.finish();
        let mut got: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let prefix = format!("{}/", folder.path().display());
        got.iter_mut().for_each(|line| *line = line.replace(&prefix, ""));
        if errors == 0 {
            got.extend(calendars.iter().map(|c| {
                let week: String = c.weekdays.iter().map(|kind| &kind.name()[..1]).collect();
                format!("[{}] {week}{}", c.applies_to, c.days.iter().map(written).collect::<String>())
            }));
        }
        assert_eq!(got, expected, "{files:?}");
    }

    #[test]
    fn a_calendar_may_be_told_in_pieces() {
        let first = "[[calendar]]\napplies_to = \"uk\"\nstatus = \"official\"\nsource = \"gov.uk\"\nweekdays = { saturday = \"rest\", sunday = \"rest\" }\n[[calendar.days]]\ndate = 2026-12-25\nkind = \"holiday\"\nname = \"Christmas Day\"\n";
        let second = "[[calendar]]\napplies_to = \"uk\"\ndays = [{ date = 2027-01-01, kind = \"holiday\", status = \"estimated\" }, { date = \"2026-12-25\", kind = \"holiday\" }]\n[[calendar]]\nweekdays = { sunday = \"rest\" }\n";
        check(&[first, second], &["[] wwwwwwr", "[uk] wwwwwrr 2026-12-25 holiday 2027-01-01 holiday?"]);
        for text in [first, second] {
            toml::from_str::<schemas::rows::CalendarFile>(text).unwrap();
        }
    }

    #[test]
    fn every_slip_is_told() {
        check(
            &[
                "[[calendar]]\napplies = \"hk\"\nstatus = \"oficial\"\nweekdays = { sun = \"rest\", monday = \"work\" }\n[[calendar.days]]\ndate = 2026-12-25\n[[calendar.days]]\ndate = \"25.12.\"\nkind = \"holliday\"\n",
            ],
            &[
                "0.toml:2:1: error: calendar: unknown key `applies`; did you mean `applies_to`?",
                "0.toml:3:10: error: calendar: `status` is `oficial`; write official or estimated",
                "0.toml:4:14: error: calendar: unknown key `sun`; known keys are monday, tuesday, wednesday, thursday, friday, saturday, sunday",
                "0.toml:4:37: error: calendar: `monday` is `work`; write workday, rest or holiday",
                "0.toml:5:1: error: calendar: a day has no `kind`; add it",
                "0.toml:8:8: error: calendar: `date` `25.12.` is no time; write a date such as 2026-01-01",
                "0.toml:9:8: error: calendar: `kind` is `holliday`; write workday, rest or holiday",
            ],
        );
    }

    #[test]
    fn pieces_may_not_contradict_each_other() {
        check(
            &[
                "[[calendar]]\nweekdays = { sunday = \"rest\" }\ndays = [{ date = 2026-12-25, kind = \"rest\" }]\n",
                "[[calendar]]\nweekdays = { sunday = \"workday\" }\ndays = [{ date = 2026-12-25, kind = \"holiday\" }]\n",
            ],
            &[
                "1.toml:2:23: error: calendar: sunday is already a rest (0.toml:2); keep one of them",
                "1.toml:3:9: error: calendar: 2026-12-25 is already a rest (0.toml:3); keep one of them",
            ],
        );
    }

    /// The shipped days of a year: `0403 holiday`, `!` where statutory, `?` where estimated.
    fn shipped_days(org: &str, year: i16) -> Vec<String> {
        let calendar = whole((org.into(), shipped()[org].clone()));
        calendar
            .days
            .iter()
            .filter(|day| day.date.year() == year)
            .map(|day| written(day)[6..].to_owned())
            .collect()
    }

    #[test]
    fn every_shipped_file_is_read_without_a_word() {
        let mut report = Report::default();
        let file = report.add_file("presets".into());
        for text in SHIPPED {
            let source = Source { file, text };
            let mut by_org = ByOrg::new();
            for table in source.tables(&mut report, "calendar") {
                calendar(&mut report, source, &table, &mut by_org);
            }
            assert_eq!(by_org.len(), 1, "a file is one path's");
            let told: schemas::rows::CalendarFile = toml::from_str(text).unwrap();
            assert!(
                told.calendar.iter().all(|calendar| calendar.source.is_some() && calendar.status.is_some())
            );
        }
        let (problems, ..) = report.finish();
        assert_eq!(problems, []);
        assert_eq!(
            shipped().keys().map(|org| &**org).collect::<Vec<_>>(),
            ["cn", "hk", "jp", "mo", "sg", "tw"]
        );
    }

    /// General holidays as gazetted for 2026 (P2025051300354); statutory are all but Good Friday and the day after it.
    #[test]
    fn hong_kong_has_17_general_and_15_statutory_holidays() {
        let statutory = |days: &[String]| days.iter().filter(|day| day.ends_with('!')).count();
        let of_2026 = shipped_days("hk", 2026);
        let expected = "01-01! 02-17! 02-18! 02-19! 04-03 04-04 04-06! 04-07! 05-01! 05-25! 06-19! 07-01! 09-26! \
                        10-01! 10-19! 12-25! 12-26!";
        assert_eq!(of_2026.join(" ").replace(" holiday", ""), expected);
        let of_2027 = shipped_days("hk", 2027);
        let expected = "01-01! 02-06! 02-08! 02-09! 03-26 03-27 03-29! 04-05! 05-01! 05-13! 06-09! 07-01! 09-16! \
                        10-01! 10-08! 12-25! 12-27!";
        assert_eq!(of_2027.join(" ").replace(" holiday", ""), expected);
        // Statutory holidays became more in 2022, 2024 and 2026, and will in 2028 and 2030.
        for (year, count) in
            [(2021, 12), (2022, 13), (2023, 13), (2024, 14), (2025, 14), (2026, 15), (2027, 15)]
        {
            let days = shipped_days("hk", year);
            assert_eq!((days.len(), statutory(&days)), (17, count), "{year}");
        }
        for (year, count) in [(2028, 16), (2029, 16), (2030, 17)] {
            let days = shipped_days("hk", year);
            assert!(days.iter().all(|day| day.ends_with('?')), "{year} is not published: {days:?}");
            assert_eq!(days.iter().filter(|day| day.ends_with("!?")).count(), count, "{year}");
        }
        let week = shipped()["hk"].weekdays.map(|kind| kind.map_or(DayKind::Workday, |(kind, _)| kind));
        assert_eq!(week[5..], [DayKind::Workday, DayKind::Rest]);
    }

    /// State Council notice for 2026: swapped Sundays and Saturdays are workdays, days moved are rest, the 13 days of the
    /// holidays themselves are statutory.
    #[test]
    fn the_mainlands_swapped_days_are_workdays() {
        let days = shipped_days("cn", 2026);
        let of = |kind: &str| -> Vec<&str> {
            days.iter().filter(|day| day.split(' ').nth(1) == Some(kind)).map(|day| &day[..5]).collect()
        };
        assert_eq!(of("workday"), ["01-04", "02-14", "02-28", "05-09", "09-20", "10-10"]);
        assert_eq!(
            of("rest"),
            ["01-02", "02-20", "02-23", "04-06", "05-04", "05-05", "10-05", "10-06", "10-07"]
        );
        assert_eq!(of("holiday!").len(), 13);
    }

    #[test]
    fn taiwans_days_off_are_those_of_its_office_calendars() {
        let Some(folder) = std::env::var_os("MUSTER_DATA") else {
            return println!("skipped: MUSTER_DATA is not set");
        };
        let calendar = whole(("tw".into(), shipped()["tw"].clone()));
        for year in 2018..=2024 {
            let path = PathBuf::from(&folder).join(format!("holidays/taiwan/{year}.json"));
            let text = fs::read_to_string(path).unwrap();
            let days: Vec<serde_json::Value> =
                serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
            assert!(days.len() >= 365);
            for day in days {
                let date: Date = Date::strptime("%Y%m%d", day["date"].as_str().unwrap()).unwrap();
                let of_weekday = calendar.weekdays[date.weekday().to_monday_zero_offset() as usize];
                let told =
                    calendar.days.iter().find(|told| told.date == date).map_or(of_weekday, |told| told.kind);
                // Labour Day is a holiday of workers that offices do not have.
                let is_labour_day = (date.month(), date.day()) == (5, 1);
                let is_off = day["isHoliday"].as_bool().unwrap() || is_labour_day;
                assert_eq!(told != DayKind::Workday, is_off, "{date}: {told:?}, {day}");
            }
        }
    }
}
