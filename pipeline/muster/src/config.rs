//! `muster.toml`: every key with its default, unknown keys refused, several mistakes told at once with their places.
//!
//! In: the file's text.  Out: `Config`, or `Vec<ConfigProblem>`.  Owns: nothing.
//! Absent on purpose: globals (each room is handed its own small struct), keys of things that are not built, and any
//! look at the paths named (the commands need different ones).
//! Invariants: an accepted config has every limit in its range, kept by `check_ranges`, tested below.
//! Why so: serde stops at the first mistake; walking the tables by hand tells all of them in one run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use schemas::decode::{CsvColumns, CsvHeaderError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// One file, a folder, or several of either.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "OneOrMany")]
pub struct Paths(pub Vec<PathBuf>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a path or a list of paths")]
enum OneOrMany {
    One(PathBuf),
    Many(Vec<PathBuf>),
}

impl From<OneOrMany> for Paths {
    fn from(value: OneOrMany) -> Self {
        match value {
            OneOrMany::One(path) => Self(vec![path]),
            OneOrMany::Many(paths) => Self(paths),
        }
    }
}

/// `[reference]`: files or folders of reference data; an unset one is empty and complete.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReferenceConfig {
    /// GeoJSON.
    pub sites: Paths,
    /// NDJSON or CSV.
    pub orgs: Paths,
    /// NDJSON or CSV.
    pub people: Paths,
    /// NDJSON or CSV.
    pub shifts: Paths,
    /// NDJSON or CSV.
    pub leave: Paths,
    /// NDJSON or CSV.
    pub corrections: Paths,
    /// TOML.
    pub policies: Paths,
    /// TOML.
    pub calendars: Paths,
}

/// Which log the processor reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// The log in a SQLite file of this machine.
    #[default]
    Embedded,
}

/// Which clock timers see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockKind {
    /// The log's append time.
    #[default]
    Append,
    /// The latest believable `occurred_at`: for replays, demonstrations and tests.
    Record,
}

/// `[source]`: the log.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct SourceConfig {
    /// Which log.
    pub kind: SourceKind,
    /// The topic of punches.
    pub topic: String,
    /// The embedded log's folder.
    pub dir: PathBuf,
    /// Partitions of a topic the embedded log creates.
    pub partitions: u32,
    /// Which clock timers see.
    pub clock: ClockKind,
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            kind: SourceKind::Embedded,
            topic: "punches".into(),
            dir: "log".into(),
            partitions: 4,
            clock: ClockKind::Append,
        }
    }
}

/// `[lake]`: where rows go, and how often.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct LakeConfig {
    /// A directory.
    pub url: String,
    /// At most so long between two commits while there is something to commit.
    pub commit_every_ms: u64,
    /// Parquet files are rolled at about this size.
    pub target_file_bytes: u64,
    /// Days of punches kept in memory; older ones go through the table `late`.
    pub state_days: i64,
    /// Days whose results are judged again when reference data changed.
    pub restate_days: i64,
}

impl Default for LakeConfig {
    fn default() -> Self {
        Self {
            url: "lake".into(),
            commit_every_ms: 2_000,
            target_file_bytes: 128 << 20,
            state_days: 45,
            restate_days: 45,
        }
    }
}

/// `[alerts]`: the topic, and how old an alert may be when it is published.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct AlertsConfig {
    /// The topic of alerts.
    pub topic: String,
    /// Older ones are not published (wall time; no limit under `clock = "record"`): `"12 h"`, `"30 min"`.
    pub max_age: MaxAge,
}

/// A length of time as people write it: `"12 h"`, `"90 min"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MaxAge(pub SignedDuration);

impl TryFrom<String> for MaxAge {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad = || format!("`{text}` is no length of time such as \"12 h\" or \"30 min\"");
        text.parse::<SignedDuration>().map(Self).map_err(|_| bad())
    }
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self { topic: "alerts".into(), max_age: MaxAge(SignedDuration::from_hours(12)) }
    }
}

/// `[import]`: how files of other systems are read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ImportConfig {
    /// The zone of local times; UTC where unset.
    pub time_zone: Option<String>,
    /// The device of records that name none.
    pub device_id: Option<String>,
    /// Contract field → column of a CSV file.
    pub columns: BTreeMap<String, String>,
    /// `"stated"` (default) or `"ignored"`: whether a time clock's state column is believed.
    pub state: StateColumn,
}

impl ImportConfig {
    fn check(&self, text: &str, problems: &mut Vec<ConfigProblem>) {
        let mut tell = |name: &str, what: String, remedy: String| {
            let at = text.find(name).map_or(0..0, |at| at..at + name.len());
            problems.push(ConfigProblem { span: at, what, remedy });
        };
        if let Some(name) = self.time_zone.as_deref().filter(|name| TimeZone::get(name).is_err()) {
            let remedy = "write a name such as \"Asia/Hong_Kong\"".to_owned();
            tell(name, format!("[import] time_zone = \"{name}\" is no IANA time zone"), remedy);
        }
        for (field, column) in &self.columns {
            let one = BTreeMap::from([(field.clone(), column.clone())]);
            if let Err(CsvHeaderError::UnknownField { field, fields }) = CsvColumns::from_header(b"", &one) {
                let what =
                    format!("[import.columns] names the field `{field}`, which a CSV file cannot have");
                tell(&field, what, format!("the fields are {fields}"));
            }
        }
    }
}

/// Whether a time clock's in/out state is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateColumn {
    /// As the clock says.
    #[default]
    Stated,
    /// The shift decides the direction.
    Ignored,
}

/// `[privacy]`: what is kept, for how long.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct PrivacyConfig {
    /// 0 = the fix and the scan are never written to `punch_evidence`. How many days they may stay is recorded here; nothing
    /// deletes them yet.
    pub location_days: i64,
}

impl Default for PrivacyConfig {
    fn default() -> Self {
        Self { location_days: 7 }
    }
}

/// `[limits]`: every bound by name.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct LimitsConfig {
    /// A larger record is a reject (`too_large`).
    pub record_bytes_max: usize,
    /// Records in one batch.
    pub batch_records_max: usize,
    /// Rows buffered before a commit is made early.
    pub buffered_rows_max: usize,
    /// Worker threads; 0 = one for each core.
    pub threads: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            record_bytes_max: 256 << 10,
            batch_records_max: 4_096,
            buffered_rows_max: 1_000_000,
            threads: 0,
        }
    }
}

/// The whole file.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `[reference]`
    pub reference: ReferenceConfig,
    /// `[source]`
    pub source: SourceConfig,
    /// `[lake]`
    pub lake: LakeConfig,
    /// `[alerts]`
    pub alerts: AlertsConfig,
    /// `[import]`
    pub import: ImportConfig,
    /// `[privacy]`
    pub privacy: PrivacyConfig,
    /// `[limits]`
    pub limits: LimitsConfig,
}

/// One mistake in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Bytes of the text it is about.
    pub span: std::ops::Range<usize>,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub remedy: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

const SECTIONS: [(&str, &[&str]); 7] = [
    ("reference", &["sites", "orgs", "people", "shifts", "leave", "corrections", "policies", "calendars"]),
    ("source", &["kind", "topic", "dir", "partitions", "clock"]),
    ("lake", &["url", "commit_every_ms", "target_file_bytes", "state_days", "restate_days"]),
    ("alerts", &["topic", "max_age"]),
    ("import", &["time_zone", "device_id", "columns", "state"]),
    ("privacy", &["location_days"]),
    ("limits", &["record_bytes_max", "batch_records_max", "buffered_rows_max", "threads"]),
];

impl Config {
    /// Reads the text of a `muster.toml`; relative paths are taken from `folder`.
    ///
    /// # Errors
    /// Every mistake found, in the order of the text.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            problems.push(ConfigProblem {
                span: error.span().unwrap_or(0..0),
                what: error.message().to_owned(),
                remedy: "this is no TOML: https://toml.io tells the syntax".into(),
            });
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut config = Self::default();
        for (name, value) in table.into_inner() {
            config.take_section(&name, value, &mut problems);
        }
        if problems.is_empty() {
            config.check_ranges(text, &mut problems);
            config.import.check(text, &mut problems);
        }
        config.resolve(folder);
        problems.sort_by_key(|problem| problem.span.start);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    fn take_section(
        &mut self,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: Spanned<DeValue<'_>>,
        problems: &mut Vec<ConfigProblem>,
    ) {
        let Some((_, keys)) = SECTIONS.iter().find(|(section, _)| section == name.get_ref()) else {
            let names: Vec<&str> = SECTIONS.iter().map(|(section, _)| *section).collect();
            problems.push(unknown("section", name.get_ref(), name.span(), &names));
            return;
        };
        if let DeValue::Table(table) = value.get_ref() {
            for key in table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref())) {
                let what = format!("key `{}` in [{}]", key.get_ref(), name.get_ref());
                problems.push(unknown(&what, key.get_ref(), key.span(), keys));
            }
        }
        match name.get_ref().as_ref() {
            "reference" => take(&mut self.reference, value, problems),
            "source" => take(&mut self.source, value, problems),
            "lake" => take(&mut self.lake, value, problems),
            "alerts" => take(&mut self.alerts, value, problems),
            "import" => take(&mut self.import, value, problems),
            "privacy" => take(&mut self.privacy, value, problems),
            _ => take(&mut self.limits, value, problems),
        }
    }

    fn check_ranges(&self, text: &str, problems: &mut Vec<ConfigProblem>) {
        let mut check = |fits: bool, key: &str, range: &str| {
            if !fits {
                let at = text.find(key).unwrap_or(0);
                let what = format!("`{key}` is out of range");
                problems.push(ConfigProblem {
                    span: at..at + key.len(),
                    what,
                    remedy: format!("set it to {range}"),
                });
            }
        };
        check((1..=10_000).contains(&self.source.partitions), "partitions", "1 to 10000");
        check((10..=600_000).contains(&self.lake.commit_every_ms), "commit_every_ms", "10 to 600000 ms");
        check(
            (1 << 20..=1 << 32).contains(&self.lake.target_file_bytes),
            "target_file_bytes",
            "1 MiB to 4 GiB",
        );
        check(
            (32..=3_660).contains(&self.lake.state_days),
            "state_days",
            "32 to 3660 days (rules look back 31)",
        );
        check(
            (0..=self.lake.state_days).contains(&self.lake.restate_days),
            "restate_days",
            "0 to `state_days`",
        );
        check(self.alerts.max_age.0.is_positive(), "max_age", "more than nothing");
        check((0..=3_660).contains(&self.privacy.location_days), "location_days", "0 to 3660 days");
        check(
            (1_024..=8 << 20).contains(&self.limits.record_bytes_max),
            "record_bytes_max",
            "1 KiB to 8 MiB",
        );
        check((1..=65_536).contains(&self.limits.batch_records_max), "batch_records_max", "1 to 65536");
        check(
            (1..=100_000_000).contains(&self.limits.buffered_rows_max),
            "buffered_rows_max",
            "1 to 100000000",
        );
        check(self.limits.threads <= 1_024, "threads", "0 to 1024");
    }

    fn resolve(&mut self, folder: &Path) {
        let reference = &mut self.reference;
        let sets = [
            &mut reference.sites,
            &mut reference.orgs,
            &mut reference.people,
            &mut reference.shifts,
            &mut reference.leave,
            &mut reference.corrections,
            &mut reference.policies,
            &mut reference.calendars,
        ];
        for path in sets.into_iter().flat_map(|paths| &mut paths.0) {
            *path = folder.join(&*path);
        }
        self.source.dir = folder.join(&self.source.dir);
        if !self.lake.url.contains("://") {
            self.lake.url = folder.join(&self.lake.url).to_string_lossy().into_owned();
        }
    }
}

fn take<T: DeserializeOwned>(into: &mut T, value: Spanned<DeValue<'_>>, problems: &mut Vec<ConfigProblem>) {
    let span = value.span();
    match T::deserialize(ValueDeserializer::from(value)) {
        Ok(section) => *into = section,
        Err(error) => problems.push(ConfigProblem {
            span: error.span().unwrap_or(span),
            what: error.message().to_owned(),
            remedy: "write a value of the kind named".into(),
        }),
    }
}

fn unknown(what: &str, name: &str, span: std::ops::Range<usize>, known: &[&str]) -> ConfigProblem {
    let nearest = known.iter().max_by(|a, b| {
        let score = |word: &str| strsim::jaro_winkler(word, name);
        score(a).total_cmp(&score(b))
    });
    let remedy = match nearest.filter(|word| strsim::jaro_winkler(word, name) > 0.75) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("known here: {}", known.join(", ")),
    };
    let what =
        if what == "section" { format!("unknown section [{name}]") } else { format!("unknown {what}") };
    ConfigProblem { span, what, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let found = Config::parse(text, Path::new("/conf")).map(|_| ()).unwrap_err();
        found.iter().map(|p| format!("{}: {p}", &text[p.span.clone()])).collect()
    }

    #[test]
    fn an_empty_file_is_all_defaults() {
        let config = Config::parse("", Path::new("/conf")).unwrap();
        assert_eq!(config.lake.url, "/conf/lake");
        assert_eq!(config.source.partitions, 4);
    }

    #[test]
    fn paths_are_relative_to_the_file_and_may_be_lists() {
        let text = "[reference]\nsites = 'a.geojson'\nshifts = ['x', '/y']\n[lake]\nurl = 's3://bucket/x'";
        let config = Config::parse(text, Path::new("/conf")).unwrap();
        assert_eq!(config.reference.sites.0, [Path::new("/conf/a.geojson")]);
        assert_eq!(config.reference.shifts.0, [Path::new("/conf/x"), Path::new("/y")]);
        assert_eq!(config.lake.url, "s3://bucket/x");
    }

    #[test]
    fn several_mistakes_are_told_at_once_with_their_places() {
        let text = "[lake]\ncommit_evry_ms = 5\nstate_days = 'many'\n[sorce]\nkind = 'embedded'\n";
        assert_eq!(
            problems(text),
            [
                "commit_evry_ms: unknown key `commit_evry_ms` in [lake]; did you mean `commit_every_ms`?",
                "'many': invalid type: string \"many\", expected i64; write a value of the kind named",
                "sorce: unknown section [sorce]; did you mean `source`?",
            ]
        );
    }

    #[test]
    fn values_out_of_range_name_the_range() {
        assert_eq!(problems("[lake]\nstate_days = 3\n").len(), 2, "state_days, and restate_days beyond it");
        let one = problems("[limits]\nthreads = 5000\n");
        assert_eq!(one, ["threads: `threads` is out of range; set it to 0 to 1024"]);
    }

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        let config = Config::parse("[alerts]\nmax_age = '90 min'\n", Path::new("/conf")).unwrap();
        assert_eq!(config.alerts.max_age.0, SignedDuration::from_mins(90));
        assert!(problems("[alerts]\nmax_age = 'soon'\n")[0].contains("no length of time"));
    }

    #[test]
    fn how_files_are_read_is_checked_before_any_is() {
        assert!(
            problems("[import]\ntime_zone = 'Asia/Hongkong'\n")[0]
                .starts_with("Asia/Hongkong: [import] time_zone")
        );
        let columns = problems("[import.columns]\nemploye = 'Person'\noccurred_at = 'Time'\norigi = 'Way'\n");
        assert_eq!(columns.len(), 2, "{columns:?}");
        assert!(columns[0].starts_with("employe: ") && columns[0].contains("employee_id"), "{columns:?}");
        let good = "[import]\ntime_zone = 'Asia/Hong_Kong'\n[import.columns]\nemployee_id = 'Person'\n";
        assert!(Config::parse(good, Path::new("")).is_ok());
    }

    #[test]
    fn what_is_no_toml_is_said_to_be_none() {
        assert!(problems("[lake\n")[0].contains("TOML"));
        assert!(problems("[source]\nkind = 'kafka'\n")[0].contains("unknown variant `kafka`"));
    }
}
