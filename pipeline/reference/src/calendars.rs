//! Files of `[[calendar]]` tables to the kinds of days.
//!
//! In: files of `[reference] calendars`.  Out: one [`Calendar`] per org path.  Owns: nothing.
//! Tables of the same `applies_to` are one calendar told in pieces (a file a year), so they may not contradict each other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Date;
use model::reference::{Calendar, DayKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::files;
use crate::ids::org_fault;
use crate::problem::{At, FileId, Report};
use crate::toml_tree::Source;

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const KEYS: &[&str] = &["applies_to", "source", "status", "weekdays", "days"];
const DAY_KEYS: &[&str] = &["date", "kind", "name", "status"];
const STATUSES: &[&str] = &["official", "estimated"];

/// What the tables of one org path have said so far.
#[derive(Default)]
struct Pieces {
    weekdays: [Option<(DayKind, At)>; 7],
    days: BTreeMap<Date, (DayKind, At)>,
}

/// Reads every calendar; sorted by org path.
pub(crate) fn read(report: &mut Report, files: &[(FileId, PathBuf)]) -> Vec<Calendar> {
    let mut by_org: BTreeMap<Arc<str>, Pieces> = BTreeMap::new();
    for (file, path) in files {
        let file = *file;
        let Some(text) = files::read_text(report, file, path) else { continue };
        let source = Source { file, text: &text };
        for table in source.tables(report, "calendar") {
            calendar(report, source, &table, &mut by_org);
        }
    }
    let whole = |(applies_to, pieces): (Arc<str>, Pieces)| Calendar {
        applies_to,
        days: pieces.days.into_iter().map(|(date, (kind, _))| (date, kind)).collect(),
        weekdays: pieces.weekdays.map(|kind| kind.map_or(DayKind::Workday, |(kind, _)| kind)),
    };
    by_org.into_iter().map(whole).collect()
}

fn calendar(
    report: &mut Report,
    source: Source<'_>,
    table: &Spanned<DeTable<'_>>,
    by_org: &mut BTreeMap<Arc<str>, Pieces>,
) {
    let applies_to =
        table.get_ref().get("applies_to").and_then(|value| value.get_ref().as_str()).unwrap_or_default();
    let subject =
        if applies_to.is_empty() { "calendar".to_owned() } else { format!("calendar {applies_to}") };
    let pieces = by_org.entry(applies_to.into()).or_default();
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
            "weekdays" => weekdays(report, source, &subject, value, pieces),
            "days" => days(report, source, &subject, value, pieces),
            _ => source.unknown_key(report, key, &subject, KEYS),
        }
    }
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
    pieces: &mut Pieces,
) {
    let Some(days) = value.get_ref().as_array() else {
        let remedy = "head each day with [[calendar.days]]";
        report.error("wrong_type", source.at(&value.span()), subject, "`days` is no list", remedy);
        return;
    };
    for day in days {
        let at = source.at(&day.span());
        let Some(table) = day.get_ref().as_table() else {
            report.error(
                "wrong_type",
                at,
                subject,
                "a day is no table",
                "write { date = 2026-12-25, kind = \"holiday\" }",
            );
            continue;
        };
        let (mut date, mut day_kind) = (None, None);
        for (key, value) in table {
            match &**key.get_ref() {
                "date" => date = source.date(report, subject, "date", value),
                "kind" => day_kind = kind(report, source, subject, "kind", value),
                "name" => {
                    source.text(report, subject, "name", value);
                }
                "status" => status(report, source, subject, value),
                _ => source.unknown_key(report, key, subject, DAY_KEYS),
            }
        }
        for name in ["date", "kind"] {
            if !table.contains_key(name) {
                report.error("missing_field", at, subject, format!("a day has no `{name}`"), "add it");
            }
        }
        let (Some(date), Some(kind)) = (date, day_kind) else { continue };
        match pieces.days.get(&date) {
            Some((other, place)) if *other != kind => {
                contradiction(report, at, subject, &date.to_string(), *other, *place)
            }
            _ => {
                pieces.days.insert(date, (kind, at));
            }
        }
    }
}

fn contradiction(report: &mut Report, at: At, subject: &str, what: &str, other: DayKind, place: At) {
    let what = format!("{what} is already a {} ({})", other.name(), report.place(place));
    report.error("contradiction", at, subject, what, "keep one of them");
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn check(files: &[&str], expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        for (index, text) in files.iter().enumerate() {
            fs::write(folder.path().join(format!("{index}.toml")), text).unwrap();
            toml::from_str::<schemas::rows::CalendarFile>(text).map(|_| ()).unwrap_or(());
        }
        let mut report = Report::default();
        let files = files::expand(&mut report, &[folder.path().to_owned()], files::TOML_ENDINGS);
        let calendars = read(&mut report, &files);
        let (problems, errors, _) = report.finish();
        let mut got: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let prefix = format!("{}/", folder.path().display());
        got.iter_mut().for_each(|line| *line = line.replace(&prefix, ""));
        if errors == 0 {
            got.extend(calendars.iter().map(|c| {
                let week: String = c.weekdays.iter().map(|kind| &kind.name()[..1]).collect();
                let days = c.days.iter().map(|(date, kind)| format!(" {date} {}", kind.name()));
                format!("[{}] {week}{}", c.applies_to, days.collect::<String>())
            }));
        }
        assert_eq!(got, expected, "{files:?}");
    }

    #[test]
    fn a_calendar_may_be_told_in_pieces() {
        let first = "[[calendar]]\napplies_to = \"hk\"\nstatus = \"official\"\nsource = \"gov.hk\"\nweekdays = { saturday = \"rest\", sunday = \"rest\" }\n[[calendar.days]]\ndate = 2026-12-25\nkind = \"holiday\"\nname = \"Christmas Day\"\n";
        let second = "[[calendar]]\napplies_to = \"hk\"\ndays = [{ date = 2027-01-01, kind = \"holiday\", status = \"estimated\" }, { date = \"2026-12-25\", kind = \"holiday\" }]\n[[calendar]]\nweekdays = { sunday = \"rest\" }\n";
        check(&[first, second], &["[] wwwwwwr", "[hk] wwwwwrr 2026-12-25 holiday 2027-01-01 holiday"]);
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
}
