//! The rules of a run: those Muster brings along, and the customer's own files, which replace them by name or add to them.
//!
//! In: `[rules]`.  Out: rules for the pipeline, and what is wrong with any.  Owns: nothing.
//! Absent on purpose: a way for a broken file to keep the processor from starting: that rule is left out, the log says so, and
//! `muster check` finds it. A change while a live log is processed is taken whole or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lake::{Lake, LogIdentity};
use query::Rule;
use query::rules::{SHIPPED, try_all};
use reference::{Problem, Severity};
use tokio::runtime::Handle;

use crate::config::{Config, RulesConfig};
use crate::worker::{ClockMode, Rules};

/// What is wrong with one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleProblem {
    /// The rule's file; of one that Muster brings along its name.
    pub file: PathBuf,
    /// What is wrong.
    pub what: String,
}

/// The rules of a run over `log`, where the configuration asks for any. What is left out is told in the log.
pub fn of_run(
    config: &Config,
    (lake, log): (&Lake, &LogIdentity),
    clock: ClockMode,
    runtime: &Handle,
) -> Option<Rules> {
    let settings = config.rules.as_ref()?;
    let (rules, problems) = load(settings);
    for problem in problems {
        tracing::error!(rule = %problem.file.display(), problem.what, "a rule is left out");
    }
    let (lake, log, runtime) = (lake.clone(), log.clone(), runtime.clone());
    Some(Rules { rules, files: None, every_min: settings.every_min(), lake, log, clock, runtime })
}

/// The files of a run's rules, to be looked at again.
#[derive(Clone, Debug)]
pub struct RuleFiles {
    config: RulesConfig,
    seen: Vec<(PathBuf, Option<(SystemTime, u64)>)>,
}

impl RuleFiles {
    /// Those that `config` names, as they look now; `None` where it names none.
    pub fn of(config: &RulesConfig) -> Option<Self> {
        config.dir.as_ref()?;
        let mut files = Self { config: config.clone(), seen: Vec::new() };
        files.seen = files.look();
        Some(files)
    }

    /// The rules once more, if any file looks otherwise than when it was last read.
    ///
    /// # Errors
    /// All that is wrong with them: those in force had better stay.
    pub fn changed(&mut self, runtime: &Handle) -> Option<Result<Vec<Rule>, Vec<RuleProblem>>> {
        let now = self.look();
        if now == self.seen {
            return None;
        }
        self.seen = now;
        let (rules, problems) = tried(&self.config, runtime);
        Some(if problems.is_empty() { Ok(rules) } else { Err(problems) })
    }

    /// Time and size of each file, the folder among them.
    fn look(&self) -> Vec<(PathBuf, Option<(SystemTime, u64)>)> {
        let folder = self.config.dir.clone().unwrap_or_default();
        let mut files = rule_files(&folder).unwrap_or_default();
        files.push(folder);
        let look = |file: PathBuf| {
            let stamp =
                std::fs::metadata(&file).ok().and_then(|seen| Some((seen.modified().ok()?, seen.len())));
            (file, stamp)
        };
        files.into_iter().map(look).collect()
    }
}

/// The rules that `config` asks for, by name, and what is wrong with those that are left out.
pub fn load(config: &RulesConfig) -> (Vec<Rule>, Vec<RuleProblem>) {
    let mut texts: BTreeMap<String, (PathBuf, String)> = BTreeMap::new();
    for (name, text) in SHIPPED {
        texts.insert((*name).to_owned(), (PathBuf::from(*name), (*text).to_owned()));
    }
    let mut problems = Vec::new();
    if let Some(folder) = &config.dir {
        own_files(folder, &mut texts, &mut problems);
    }
    let mut rules = Vec::new();
    for (name, (file, text)) in texts {
        match Rule::parse(&name, &text) {
            Ok(rule) => rules.push(rule),
            Err(what) => problems.push(RuleProblem { file, what }),
        }
    }
    (rules, problems)
}

/// Puts the customer's files in; one that cannot be read takes its name's place all the same.
fn own_files(
    folder: &Path,
    texts: &mut BTreeMap<String, (PathBuf, String)>,
    problems: &mut Vec<RuleProblem>,
) {
    let files = match rule_files(folder) {
        Ok(files) => files,
        Err(error) => {
            let what = format!("the folder cannot be read: {error}");
            return problems.push(RuleProblem { file: folder.to_owned(), what });
        }
    };
    for file in files {
        let Some(name) = file.file_stem().map(|name| name.to_string_lossy().into_owned()) else { continue };
        match std::fs::read_to_string(&file) {
            Ok(text) => _ = texts.insert(name, (file, text)),
            Err(error) => {
                texts.remove(&name);
                problems.push(RuleProblem { file, what: format!("it cannot be read: {error}") });
            }
        }
    }
}

/// The rules in a folder, in order.
fn rule_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let files = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|end| end == "sql")).collect();
    files.sort();
    Ok(files)
}

/// Everything wrong with the rules of `config`: headers, and statements that do not run on a lake's tables.
pub fn problems(config: &Config, runtime: &Handle) -> Vec<Problem> {
    let Some(config) = &config.rules else { return Vec::new() };
    tried(config, runtime).1.into_iter().map(told).collect()
}

/// The rules, and everything wrong with them: tried on tables without rows.
fn tried(config: &RulesConfig, runtime: &Handle) -> (Vec<Rule>, Vec<RuleProblem>) {
    let (rules, mut problems) = load(config);
    let folder = config.dir.clone().unwrap_or_default();
    match runtime.block_on(try_all(&rules)) {
        Ok(broken) => problems.extend(broken.into_iter().map(|(name, error)| {
            let file = folder.join(format!("{name}.sql"));
            RuleProblem { file, what: error.to_string() }
        })),
        Err(error) => problems.push(RuleProblem { file: folder, what: error.to_string() }),
    }
    (rules, problems)
}

fn told(problem: RuleProblem) -> Problem {
    Problem {
        severity: Severity::Error,
        code: "rule_broken",
        file: problem.file,
        line: None,
        column: None,
        subject: String::new(),
        what: format!("the rule does not run: {}", problem.what),
        remedy: "mend it; until then a run goes on without it".to_owned(),
        excerpt: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str =
        "-- kind: shared_device\n-- subject: device\n-- window: 2 hours\n-- every: 1 hour\nSELECT 1";

    #[test]
    fn own_files_replace_by_name_or_add_and_a_broken_one_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("shared_device.sql", OWN);
        write("tablets.sql", OWN);
        write("frozen_fix.sql", "SELECT 1");
        write("notes.txt", "no rule");
        let config = RulesConfig { dir: Some(folder.path().to_owned()), ..RulesConfig::default() };
        let (rules, problems) = load(&config);
        let window = |name: &str| rules.iter().find(|rule| rule.name == name).map(|rule| rule.window_min);
        assert_eq!((window("shared_device"), window("tablets")), (Some(120), Some(120)));
        assert_eq!((window("frozen_fix"), rules.len()), (None, SHIPPED.len()));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].what.contains("lacks `-- kind"), "{problems:?}");
        let config = RulesConfig { dir: Some("/nowhere/at/all".into()), ..RulesConfig::default() };
        let (rules, problems) = load(&config);
        assert_eq!((rules.len(), problems.len()), (SHIPPED.len(), 1));
    }

    #[test]
    fn changed_files_are_read_whole_or_not_at_all() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let config = RulesConfig { dir: Some(folder.path().to_owned()), ..RulesConfig::default() };
        let whole = "-- kind: shared_device\n-- subject: site\n-- window: 2 hours\n-- every: 1 hour\n\
                     SELECT site_id, business_date, occurred_at AS first_at, occurred_at AS last_at FROM punches \
                     WHERE occurred_at <= $now AND occurred_at > $since";
        let mut files = RuleFiles::of(&config).unwrap();
        let mut changed = || files.changed(runtime.handle());
        assert!(changed().is_none());
        write("tablets.sql", whole);
        assert_eq!(changed().unwrap().unwrap().len(), SHIPPED.len() + 1);
        assert!(changed().is_none());
        write("tablets.sql", &whole.replace("punches", "no_such_table"));
        let problems = changed().unwrap().unwrap_err();
        assert!(problems.len() == 1 && problems[0].what.contains("no_such_table"), "{problems:?}");
        write("other.sql", "SELECT 1");
        assert_eq!(changed().unwrap().unwrap_err().len(), 2);
        std::fs::remove_file(folder.path().join("other.sql")).unwrap();
        write("tablets.sql", &whole.replace("2 hours", "30 hours"));
        let rules = changed().unwrap().unwrap();
        assert_eq!(rules.iter().find(|rule| rule.name == "tablets").unwrap().window_min, 1_800);
        assert!(RuleFiles::of(&RulesConfig::default()).is_none());
    }
}
