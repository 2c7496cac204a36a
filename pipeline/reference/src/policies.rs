//! Files of `[[policy]]` tables to layers, checked one by one and against each other.
//!
//! In: files of `[reference] policies`.  Out: [`Layer`]s in file order, problems.  Owns: nothing.
//! Absent on purpose: which layer wins where: `policy_resolution`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::{Date, date};
use model::Policy;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::files;
use crate::ids::org_fault;
use crate::policy_keys::{KEYS, Setting};
use crate::problem::{At, FileId, Report};
use crate::toml_tree::Source;

/// The name of a table that gives itself none (contract, section 2).
pub(crate) const DEFAULT_NAME: &str = "default";
/// The first business date of a table that gives itself none.
const DEFAULT_FROM: Date = date(2020, 1, 1);

/// Whom a table applies to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// An org path and all below it; empty = everywhere.
    Org(Arc<str>),
    /// People of a group.
    Group(Arc<str>),
}

/// One `[[policy]]` table.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) name: Arc<str>,
    /// As written: its length decides between scopes.
    pub(crate) applies_to: Arc<str>,
    pub(crate) scope: Scope,
    /// Whether `applies_to` was written at all.
    pub(crate) is_scoped: bool,
    pub(crate) valid_from: Date,
    /// (place in [`KEYS`], value), sorted.
    pub(crate) settings: Vec<(usize, Setting)>,
    pub(crate) at: At,
}

impl Layer {
    /// Puts what this table sets on top of `policy`.
    pub(crate) fn apply(&self, policy: &mut Policy) {
        for (key, setting) in &self.settings {
            (KEYS[*key].set)(policy, setting).expect("a setting was tried when it was read");
        }
    }
}

/// Reads every table.
pub(crate) fn read(report: &mut Report, files: &[(FileId, PathBuf)]) -> Vec<Layer> {
    let mut layers = Vec::new();
    for (file, path) in files {
        let file = *file;
        let Some(text) = files::read_text(report, file, path) else { continue };
        let source = Source { file, text: &text };
        for table in source.tables(report, "policy") {
            layers.extend(layer(report, source, &table));
        }
    }
    tell_clashes(report, &layers);
    layers
}

fn layer(report: &mut Report, source: Source<'_>, table: &Spanned<DeTable<'_>>) -> Option<Layer> {
    let errors = report.errors();
    let name = table.get_ref().get("name").and_then(|value| value.get_ref().as_str()).unwrap_or(DEFAULT_NAME);
    let subject = format!("policy {name}");
    let mut layer = Layer {
        name: name.into(),
        applies_to: "".into(),
        scope: Scope::Org("".into()),
        is_scoped: false,
        valid_from: DEFAULT_FROM,
        settings: Vec::new(),
        at: At { column: 0, ..source.at(&table.span()) },
    };
    let mut known = vec!["name", "applies_to", "valid_from"];
    known.extend(KEYS.iter().map(|key| key.name));
    for (key, value) in table.get_ref() {
        match &**key.get_ref() {
            "name" => {
                if source.text(report, &subject, "name", value).is_some_and(|name| name.trim().is_empty()) {
                    report.error(
                        "bad_value",
                        source.at(&value.span()),
                        &subject,
                        "`name` is empty",
                        "name it",
                    );
                }
            }
            "applies_to" => set_scope(report, source, &subject, value, &mut layer),
            "valid_from" => {
                if let Some(date) = source.date(report, &subject, "valid_from", value) {
                    layer.valid_from = date;
                }
            }
            other => match KEYS.iter().position(|known| known.name == other) {
                Some(index) => layer.settings.extend(setting(report, source, &subject, index, value)),
                None => source.unknown_key(report, key, &subject, &known),
            },
        }
    }
    layer.settings.sort_by_key(|(key, _)| *key);
    (report.errors() == errors).then_some(layer)
}

fn set_scope(
    report: &mut Report,
    source: Source<'_>,
    subject: &str,
    value: &Spanned<DeValue<'_>>,
    layer: &mut Layer,
) {
    let Some(text) = source.text(report, subject, "applies_to", value) else { return };
    let fault = match text.strip_prefix("group:") {
        Some(group) if group.trim().is_empty() || group.trim() != group => Some("names no group"),
        Some(group) => {
            layer.scope = Scope::Group(group.into());
            None
        }
        None if text.is_empty() => None,
        None => {
            layer.scope = Scope::Org(text.into());
            org_fault(text)
        }
    };
    if let Some(fault) = fault {
        let what = format!("`applies_to` `{text}` {fault}");
        let remedy = "write an org path such as hk/kln, group:NAME, or nothing for everywhere";
        report.error("bad_value", source.at(&value.span()), subject, what, remedy);
    }
    layer.applies_to = text.into();
    layer.is_scoped = true;
}

fn setting(
    report: &mut Report,
    source: Source<'_>,
    subject: &str,
    index: usize,
    value: &Spanned<DeValue<'_>>,
) -> Option<(usize, Setting)> {
    let key = &KEYS[index];
    let setting = match value.get_ref() {
        DeValue::String(text) => Some(Setting::Text(text.to_string())),
        DeValue::Integer(integer) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Setting::Integer)
        }
        DeValue::Float(number) => number.as_str().parse().ok().map(Setting::Number),
        _ => None,
    };
    let checked = match &setting {
        Some(setting) => (key.set)(&mut Policy::default(), setting),
        None => Err("write one plain value".to_owned()),
    };
    if let Err(remedy) = checked {
        let written = source.text.get(value.span()).unwrap_or_default();
        let what = format!("`{}` is {written}", key.name);
        report.error("bad_value", source.at(&value.span()), subject, what, remedy);
        return None;
    }
    setting.map(|setting| (index, setting))
}

/// Two tables of the same scope and date that set one key differently: nothing decides between them, unless one is the
/// table named `default`, which then wins, with a warning.
fn tell_clashes(report: &mut Report, layers: &[Layer]) {
    let mut by_scope: HashMap<(&Scope, Date), Vec<&Layer>> = HashMap::new();
    for layer in layers {
        by_scope.entry((&layer.scope, layer.valid_from)).or_default().push(layer);
    }
    let mut groups: Vec<Vec<&Layer>> = by_scope.into_values().filter(|group| group.len() > 1).collect();
    groups.sort_by_key(|group| group[0].at);
    for group in groups {
        for (index, layer) in group.iter().enumerate() {
            for other in &group[..index] {
                tell_clash(report, other, layer);
            }
        }
    }
}

fn tell_clash(report: &mut Report, first: &Layer, second: &Layer) {
    let value = |layer: &Layer, key| {
        layer.settings.iter().find(|(k, _)| *k == key).map(|(_, setting)| setting.clone())
    };
    let clash = first
        .settings
        .iter()
        .find(|(key, setting)| value(second, *key).is_some_and(|other| other != *setting));
    let Some((key, _)) = clash else { return };
    let scope = if second.applies_to.is_empty() { "everywhere" } else { &second.applies_to };
    let what = format!(
        "`{}` is also set, differently, by policy {} ({}) for the same scope ({scope}) and date ({})",
        KEYS[*key].name,
        first.name,
        report.place(first.at),
        second.valid_from,
    );
    let subject = format!("policy {}", second.name);
    let is_default = |layer: &Layer| &*layer.name == DEFAULT_NAME;
    if is_default(first) == is_default(second) {
        let remedy = "give one of them another applies_to or valid_from";
        report.error("policy_clash", second.at, &subject, what, remedy);
    } else {
        let remedy = "policy default wins; give the other an applies_to of its own (a group nobody is in, if it is only \
                      asked for by name)";
        report.warning("policy_clash", second.at, &subject, what, remedy);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        fs::write(&path, text).unwrap();
        let mut report = Report::default();
        let files = [(report.add_file(path.clone()), path)];
        let layers = read(&mut report, &files);
        let mut got: Vec<String> = layers
            .iter()
            .map(|l| {
                let settings =
                    l.settings.iter().map(|(key, setting)| format!(" {}={setting:?}", KEYS[*key].name));
                format!("{} [{}] {}{}", l.name, l.applies_to, l.valid_from, settings.collect::<String>())
            })
            .collect();
        let (problems, ..) = report.finish();
        let prefix = format!("{}/p.toml", folder.path().display());
        got.extend(problems.iter().map(|problem| problem.to_string().replace(&prefix, "")));
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn tables_are_read_with_their_defaults() {
        check("", &[]);
        check(
            "[[policy]]\n\n[[policy]]\nname = \"kln\"\napplies_to = \"hk/kln\"\nvalid_from = 2026-01-01\ngrace_in_min = 0x5\ntolerance_m = 2.5\n",
            &[
                "default [] 2020-01-01",
                "kln [hk/kln] 2026-01-01 tolerance_m=Number(2.5) grace_in_min=Integer(5)",
            ],
        );
        check(
            "[[policy]]\napplies_to = \"group:night\"\nvalid_from = \"2026-01-01\"",
            &["default [group:night] 2026-01-01"],
        );
    }

    #[test]
    fn every_slip_is_told_with_line_and_column() {
        check(
            "[[policy]]\nname = \"a\"\ngrace_in_mins = 5\n  fence_rule = \"stict\"\nvalid_from = 2026-13-01\n",
            &[
                ":5:14: error: not TOML: invalid date, expected month between 01 and 12 | valid_from = 2026-13-01",
            ],
        );
        check(
            "[[policy]]\nname = \"a\"\ngrace_in_mins = 5\n  fence_rule = \"stict\"\nvalid_from = \"2026-13-01\"\nevidence = [\"wifi\"]\napplies_to = \"hk/\"\n\n[polices]\n",
            &[
                ":3:1: error: policy a: unknown key `grace_in_mins`; did you mean `grace_in_min`?",
                ":4:16: error: policy a: `fence_rule` is \"stict\"; write one of lenient, centre, strict, probability",
                ":5:14: error: policy a: `valid_from` `2026-13-01` is no time; write a date such as 2026-01-01",
                ":6:12: error: policy a: `evidence` is [\"wifi\"]; write one plain value",
                ":7:14: error: policy a: `applies_to` `hk/` has an empty segment, or spaces at a segment's end; write an org path such as hk/kln, group:NAME, or nothing for everywhere",
                ":9:2: error: unknown key `polices`; did you mean `policy`?",
            ],
        );
        check(
            "policy = 5\n",
            &[":1:10: error: `policy` is no list of tables; head each table with [[policy]]"],
        );
    }

    #[test]
    fn tables_that_nothing_decides_between_are_told() {
        check(
            "[[policy]]\nname = \"a\"\ngrace_in_min = 5\n[[policy]]\nname = \"b\"\ngrace_in_min = 6\n",
            &[
                "a [] 2020-01-01 grace_in_min=Integer(5)",
                "b [] 2020-01-01 grace_in_min=Integer(6)",
                ":4: error: policy b: `grace_in_min` is also set, differently, by policy a (:1) for the same scope (everywhere) and date (2020-01-01); give one of them another applies_to or valid_from",
            ],
        );
        check(
            "[[policy]]\ngrace_in_min = 5\n[[policy]]\napplies_to = \"hk\"\ngrace_in_min = 6\n[[policy]]\ngrace_in_min = 7\nvalid_from = 2026-01-01\n",
            &[
                "default [] 2020-01-01 grace_in_min=Integer(5)",
                "default [hk] 2020-01-01 grace_in_min=Integer(6)",
                "default [] 2026-01-01 grace_in_min=Integer(7)",
            ],
        );
    }
}
