//! Files of `[[law]]` tables, beside those that Muster ships, to dated legal values.
//!
//! In: files of `[reference] law`; `presets/law-*.toml` of this crate.  Out: [`LawValue`]s.  Owns: nothing.
//! Absent on purpose: any rule. What a value means is said by the view that reads the table `law_values`, so that a new value
//! is a row and not a release.
//! Invariants: a row of a chain's own takes the place of the shipped one of the same path, key and day, and of no other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use jiff::civil::Date;
use model::reference::LawValue;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::files;
use crate::ids::org_fault;
use crate::problem::{At, FileId, Report};
use crate::toml_tree::Source;

const COLUMNS: &[&str] = &["applies_to", "key", "value", "valid_from", "source", "status"];
const REQUIRED: [&str; 4] = ["key", "value", "valid_from", "source"];
const STATUSES: &[&str] = &["official", "estimated"];

/// The values that views read. The keys of leave types are open: a chain names its types itself.
const KEYS: &[&str] = &[
    "week_first_day",
    "continuous_week_hours",
    "continuous_four_week_hours",
    "continuous_counts_leave",
    "rest_day_every_days",
    "minimum_wage_hourly",
    "hours_record_below",
];
const LEAVE_KEY: &str = "legal_leave.";

const SHIPPED: [&str; 1] = [include_str!("../presets/law-hk.toml")];

/// Of which path, what, from when.
type Place = (Arc<str>, Arc<str>, Date);

/// The values of a chain's own files, and the shipped ones.
pub(crate) struct Law {
    own: BTreeMap<Place, (LawValue, At)>,
}

/// Reads every value.
pub(crate) fn read(report: &mut Report, files: &[(FileId, PathBuf)]) -> Law {
    let mut own = BTreeMap::new();
    for (file, path) in files {
        let file = *file;
        let Some(text) = files::read_text(report, file, path) else { continue };
        take(report, Source { file, text: &text }, &mut own);
    }
    Law { own }
}

impl Law {
    /// Those that count, sorted by path, key and day: a chain's own, and the shipped ones of the countries in `roots`.
    pub(crate) fn for_orgs(&self, roots: &[&str]) -> Vec<LawValue> {
        let met = shipped().iter().filter(|((applies_to, ..), _)| roots.contains(&&**applies_to));
        let mut all: BTreeMap<&Place, &LawValue> = met.map(|(place, (value, _))| (place, value)).collect();
        all.extend(self.own.iter().map(|(place, (value, _))| (place, value)));
        all.into_values().cloned().collect()
    }
}

fn shipped() -> &'static BTreeMap<Place, (LawValue, At)> {
    static READ: LazyLock<BTreeMap<Place, (LawValue, At)>> = LazyLock::new(|| {
        let (mut report, mut all) = (Report::default(), BTreeMap::new());
        let file = report.add_file("presets".into());
        for text in SHIPPED {
            take(&mut report, Source { file, text }, &mut all);
        }
        debug_assert_eq!(report.errors(), 0, "held by `tests::what_is_shipped_is_read_without_a_word`");
        all
    });
    &READ
}

fn take(report: &mut Report, source: Source<'_>, all: &mut BTreeMap<Place, (LawValue, At)>) {
    for table in source.tables(report, "law") {
        let at = At { column: 0, ..source.at(&table.span()) };
        let Some(value) = law_value(report, source, &table) else { continue };
        let place = (value.applies_to.clone(), value.key.clone(), value.valid_from);
        if let Some((_, first)) = all.get(&place) {
            let what = format!(
                "`{}` from {} stands already in {}",
                value.key,
                value.valid_from,
                report.place(*first)
            );
            report.error("contradiction", at, &format!("law {}", value.key), what, "keep one of them");
            continue;
        }
        all.insert(place, (value, at));
    }
}

fn law_value(report: &mut Report, source: Source<'_>, table: &Spanned<DeTable<'_>>) -> Option<LawValue> {
    let errors = report.errors();
    let key = table.get_ref().get("key").and_then(|key| key.get_ref().as_str()).unwrap_or_default();
    let subject = if key.is_empty() { "law".to_owned() } else { format!("law {key}") };
    for name in REQUIRED {
        if !table.get_ref().contains_key(name) {
            let at = At { column: 0, ..source.at(&table.span()) };
            report.error("missing_field", at, &subject, format!("it has no `{name}`"), "add it");
        }
    }
    let mut read = LawValue {
        applies_to: "".into(),
        key: key.into(),
        value: 0.0,
        valid_from: Date::MIN,
        source: "".into(),
        is_estimated: false,
    };
    for (name, value) in table.get_ref() {
        let at = || source.at(&value.span());
        match &**name.get_ref() {
            "applies_to" => {
                read.applies_to =
                    source.text(report, &subject, "applies_to", value).unwrap_or_default().into();
                if let Some(fault) = org_fault(&read.applies_to).filter(|_| !read.applies_to.is_empty()) {
                    let what = format!("`applies_to` `{}` {fault}", read.applies_to);
                    report.error("bad_value", at(), &subject, what, "write an org path such as hk/kln");
                }
            }
            "key" => {
                if let Some(key) = source.text(report, &subject, "key", value) {
                    tell_unknown(report, at(), key);
                }
            }
            "value" => match number(value.get_ref()) {
                Some(number) => read.value = number,
                None => report.error(
                    "wrong_type",
                    at(),
                    &subject,
                    "`value` is no number of 0 or more",
                    "write it without quotes",
                ),
            },
            "valid_from" => {
                read.valid_from = source.date(report, &subject, "valid_from", value).unwrap_or(Date::MIN);
            }
            "source" => {
                let text = source.text(report, &subject, "source", value).unwrap_or_default();
                if text.trim().is_empty() {
                    report.error("bad_value", at(), &subject, "`source` says nothing", "cite who says so");
                }
                read.source = text.into();
            }
            "status" => {
                let text = source.text(report, &subject, "status", value).unwrap_or(STATUSES[0]);
                if !STATUSES.contains(&text) {
                    let what = format!("`status` is `{text}`");
                    let remedy = format!("write {}", STATUSES.join(" or "));
                    report.error("bad_value", at(), &subject, what, remedy);
                }
                read.is_estimated = text == STATUSES[1];
            }
            _ => source.unknown_key(report, name, &subject, COLUMNS),
        }
    }
    (report.errors() == errors).then_some(read)
}

fn tell_unknown(report: &mut Report, at: At, key: &str) {
    let is_leave = key.strip_prefix(LEAVE_KEY).is_some_and(|leave_type| !leave_type.is_empty());
    if !is_leave && !KEYS.contains(&key) {
        let otherwise = format!("known keys are {}, {LEAVE_KEY}TYPE", KEYS.join(", "));
        let remedy = crate::suggest::did_you_mean(key, KEYS.iter().copied(), &otherwise);
        report.error("bad_value", at, "law", format!("`key` `{key}` is read by nothing"), remedy);
    }
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    let number: f64 = match value {
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok()? as f64,
        DeValue::Float(number) => number.as_str().parse().ok()?,
        _ => return None,
    };
    (number.is_finite() && number >= 0.0).then_some(number)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn check(text: &str, roots: &[&str], expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("law.toml");
        fs::write(&path, text).unwrap();
        let mut report = Report::default();
        let files = [(report.add_file(path.clone()), path)];
        let law = read(&mut report, &files);
        let (problems, errors, _) = report.finish();
        let prefix = format!("{}/", folder.path().display());
        let mut got: Vec<String> = problems.iter().map(|p| p.to_string().replace(&prefix, "")).collect();
        let hours = |value: &LawValue| value.key.starts_with("continuous_week") || value.is_estimated;
        if errors == 0 {
            let values = law.for_orgs(roots);
            got.extend(
                values
                    .iter()
                    .filter(|v| hours(v))
                    .map(|v| format!("[{}] {} {} {}", v.applies_to, v.key, v.valid_from, v.value)),
            );
        }
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn what_is_shipped_is_read_without_a_word() {
        let (mut report, mut all) = (Report::default(), BTreeMap::new());
        let file = report.add_file("presets".into());
        SHIPPED.into_iter().for_each(|text| take(&mut report, Source { file, text }, &mut all));
        let (problems, ..) = report.finish();
        assert_eq!(problems, []);
        assert!(KEYS.iter().all(|known| all.keys().any(|(_, key, _)| **key == **known)));
        for text in SHIPPED {
            toml::from_str::<schemas::rows::LawFile>(text).unwrap();
        }
    }

    #[test]
    fn own_rows_stand_beside_and_above_shipped_ones() {
        let shipped =
            ["[hk] continuous_week_hours 2000-01-01 18", "[hk] continuous_week_hours 2026-01-18 17"];
        check("", &["hk", "sg"], &shipped);
        check("", &["sg"], &[]);
        check(
            "[[law]]\napplies_to = \"hk\"\nkey = \"continuous_week_hours\"\nvalue = 16.5\nvalid_from = 2026-01-18\nsource = \"s\"\nstatus = \"estimated\"\n\
             [[law]]\nkey = \"week_first_day\"\nvalue = 1\nvalid_from = \"2020-01-01\"\nsource = \"s\"\nstatus = \"estimated\"\n",
            &["hk"],
            &[
                "[] week_first_day 2020-01-01 1",
                "[hk] continuous_week_hours 2000-01-01 18",
                "[hk] continuous_week_hours 2026-01-18 16.5",
            ],
        );
    }

    #[test]
    fn every_slip_is_told() {
        check(
            "[[law]]\nkey = \"continuos_week_hours\"\nvalue = \"17\"\nvalid_from = \"soon\"\nsource = \" \"\nstatus = \"new\"\nfrom = 1\napplies_to = \"hk/\"\n\
             [[law]]\nkey = \"legal_leave.\"\nvalue = -1\n",
            &[],
            &[
                "law.toml:2:7: error: law: `key` `continuos_week_hours` is read by nothing; did you mean `continuous_week_hours`?",
                "law.toml:3:9: error: law continuos_week_hours: `value` is no number of 0 or more; write it without quotes",
                "law.toml:4:14: error: law continuos_week_hours: `valid_from` `soon` is no time; write a date such as 2026-01-01",
                "law.toml:5:10: error: law continuos_week_hours: `source` says nothing; cite who says so",
                "law.toml:6:10: error: law continuos_week_hours: `status` is `new`; write official or estimated",
                "law.toml:7:1: error: law continuos_week_hours: unknown key `from`; known keys are applies_to, key, value, valid_from, source, status",
                "law.toml:8:14: error: law continuos_week_hours: `applies_to` `hk/` has an empty segment, or spaces at a segment's end; write an org path such as hk/kln",
                "law.toml:9: error: law legal_leave.: it has no `valid_from`; add it",
                "law.toml:9: error: law legal_leave.: it has no `source`; add it",
                "law.toml:10:7: error: law: `key` `legal_leave.` is read by nothing; known keys are week_first_day, continuous_week_hours, continuous_four_week_hours, continuous_counts_leave, rest_day_every_days, minimum_wage_hourly, hours_record_below, legal_leave.TYPE",
                "law.toml:11:9: error: law legal_leave.: `value` is no number of 0 or more; write it without quotes",
            ],
        );
        check(
            "[[law]]\nkey = \"hours_record_below\"\nvalue = 1\nvalid_from = 2026-01-01\nsource = \"a\"\n[[law]]\nkey = \"hours_record_below\"\nvalue = 2\nvalid_from = 2026-01-01\nsource = \"b\"\n",
            &[],
            &[
                "law.toml:6: error: law hours_record_below: `hours_record_below` from 2026-01-01 stands already in law.toml:1; keep one of them",
            ],
        );
    }
}
