//! `muster.toml`: every key with its default, unknown keys refused, several mistakes told at once with their places.
//!
//! In: the file's text.  Out: `Config`, or `Vec<ConfigProblem>`.  Owns: nothing.
//! Absent on purpose: globals (each room is handed its own small struct), keys of things that are not built, and any
//! look at the paths named (the commands need different ones).
//! Invariants: an accepted config has every limit in its range, kept by `check_ranges`, tested below.
//! Why so: serde stops at the first mistake; walking the tables by hand tells all of them in one run.

mod lake_section;
mod sections;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use alerts::{Destination, Regions};
use jiff::tz::TimeZone;
use schemas::decode::{CsvColumns, CsvHeaderError};
use serde::de::DeserializeOwned;
use serve::ServeConfig;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

pub use lake_section::{AddressingKind, LakeConfig, S3Config};
pub use sections::{
    AlertsConfig, ClockKind, ImportConfig, Length, LimitsConfig, Paths, PrivacyConfig, ReferenceConfig,
    RegistryConfig, ResultsConfig, RulesConfig, SaslConfig, SourceConfig, SourceFormat, SourceKind, Start,
    StateColumn, TlsConfig,
};

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
    /// `[results]`
    pub results: ResultsConfig,
    /// `[import]`
    pub import: ImportConfig,
    /// `[privacy]`
    pub privacy: PrivacyConfig,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[rules]`; unset, no rule is asked.
    pub rules: Option<RulesConfig>,
    /// `[serve]`; unset, nothing listens.
    pub serve: Option<ServeConfig>,
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

const SECTIONS: [(&str, &[&str]); 10] = [
    (
        "reference",
        &["sites", "orgs", "people", "shifts", "leave", "corrections", "policies", "calendars", "law"],
    ),
    (
        "source",
        &[
            "kind",
            "topic",
            "dir",
            "partitions",
            "format",
            "registry",
            "clock",
            "start",
            "brokers",
            "group",
            "instance",
            "session_timeout",
            "poll_interval_max",
            "tls",
            "sasl",
        ],
    ),
    (
        "lake",
        &[
            "url",
            "beside",
            "s3",
            "commit_every_ms",
            "sync",
            "target_file_bytes",
            "state_days",
            "restate_days",
        ],
    ),
    ("alerts", &["topic", "max_age", "deliver", "outbox", "region", "names_regions", "destinations"]),
    ("results", &["topic", "position"]),
    ("rules", &["dir", "every"]),
    ("import", &["time_zone", "device_id", "columns", "state"]),
    ("privacy", &["location_days"]),
    (
        "limits",
        &["record_bytes_max", "batch_records_max", "buffered_rows_max", "buffered_bytes_max", "threads"],
    ),
    ("serve", &["address", "tls", "tokens", "allow_from", "body_bytes_max", "requests_max"]),
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
            config.check_log(text, &mut problems);
            config.check_registry(text, &mut problems);
            config.check_faces(text, &mut problems);
            config.check_lake(text, &mut problems);
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
            "results" => take(&mut self.results, value, problems),
            "rules" => take(self.rules.insert(RulesConfig::default()), value, problems),
            "import" => take(&mut self.import, value, problems),
            "privacy" => take(&mut self.privacy, value, problems),
            "serve" => take(self.serve.insert(ServeConfig::default()), value, problems),
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
        let every = self.rules.as_ref().map_or(15, |rules| rules.every.0.as_mins());
        check((1..=1_440).contains(&every), "every", "1 minute to 24 hours");
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
        check(
            (1 << 20..=1 << 40).contains(&self.limits.buffered_bytes_max),
            "buffered_bytes_max",
            "1 MiB to 1 TiB",
        );
        check(self.limits.threads <= 1_024, "threads", "0 to 1024");
    }

    /// What only fits together as a whole: a Kafka log needs its brokers, and its keys mean nothing to the embedded one.
    fn check_log(&self, text: &str, problems: &mut Vec<ConfigProblem>) {
        let SourceConfig { kind, brokers, instance, tls, sasl, .. } = &self.source;
        let mut tell = |key: &str, what: String, remedy: &str| {
            let at = text.find(key).unwrap_or(0);
            problems.push(ConfigProblem { span: at..at + key.len(), what, remedy: remedy.into() });
        };
        if *kind == SourceKind::Kafka {
            if brokers.is_empty() {
                let what = "[source] kind = \"kafka\" without brokers".to_owned();
                tell("kafka", what, "add brokers = \"host:9092\"");
            }
            if sasl.as_ref().is_some_and(|sasl| sasl.password.is_some() == sasl.password_env.is_some()) {
                let what = "[source.sasl] needs either password or password_env".to_owned();
                tell("sasl", what, "give one of them");
            }
            return;
        }
        let of_kafka = [
            ("brokers", !brokers.is_empty()),
            ("instance", instance.is_some()),
            ("tls", tls.is_some()),
            ("sasl", sasl.is_some()),
        ];
        for (key, _) in of_kafka.into_iter().filter(|(_, is_set)| *is_set) {
            let what = format!("[source] {key} is set, and the log is the embedded one");
            tell(key, what, "add kind = \"kafka\", or remove it");
        }
    }

    fn check_lake(&self, text: &str, problems: &mut Vec<ConfigProblem>) {
        for problem in self.lake.check() {
            let at = text.find(problem.key).map_or(0..0, |at| at..at + problem.key.len());
            problems.push(ConfigProblem { span: at, what: problem.what, remedy: problem.remedy });
        }
    }

    /// A registry and records in its frames only make sense together.
    fn check_registry(&self, text: &str, problems: &mut Vec<ConfigProblem>) {
        let mut tell = |key: &str, what: &str, remedy: &str| {
            let at = text.find(key).unwrap_or(0);
            let (what, remedy) = (format!("[source{what}"), remedy.into());
            problems.push(ConfigProblem { span: at..at + key.len(), what, remedy });
        };
        let registry = match (&self.source.registry, self.source.format) {
            (None, SourceFormat::Json) => return,
            (None, SourceFormat::Registry) => {
                let remedy = "add [source.registry] with url = \"https://registry:8081\"";
                return tell("format", "] format = \"registry\" without a registry", remedy);
            }
            (Some(_), SourceFormat::Json) => {
                let remedy = "add format = \"registry\" to [source], or remove it";
                return tell("registry", ".registry] is set, and the records are plain JSON", remedy);
            }
            (Some(registry), SourceFormat::Registry) => registry,
        };
        let RegistryConfig { url, user, password, password_env, token, token_env, timeout, grace, .. } =
            registry;
        if url.is_empty() {
            tell("registry", ".registry] lacks url", "add url = \"https://registry:8081\"");
        }
        let passwords = usize::from(password.is_some()) + usize::from(password_env.is_some());
        if passwords != usize::from(user.is_some()) {
            let what = ".registry] needs either password or password_env, with user";
            tell(if user.is_some() { "user" } else { "password" }, what, "give user and one of them");
        }
        let tokens = usize::from(token.is_some()) + usize::from(token_env.is_some());
        if tokens + usize::from(user.is_some()) > 1 {
            tell("token", ".registry] has more than one login", "give a user, or one token");
        }
        if !timeout.0.is_positive() {
            tell("timeout", ".registry] timeout is nothing", "give it a length of time such as \"5 s\"");
        }
        if grace.0.is_negative() {
            tell(
                "grace",
                ".registry] grace is less than nothing",
                "give it a length of time such as \"10 s\"",
            );
        }
    }

    /// The destinations and the HTTP face, by their own rooms' rules.
    fn check_faces(&self, text: &str, problems: &mut Vec<ConfigProblem>) {
        let mut tell = |key: &str, what: String, remedy: String| {
            let at = text.find(key).unwrap_or(0);
            let end = if text[at..].starts_with(key) { at + key.len() } else { at };
            problems.push(ConfigProblem { span: at..end, what, remedy });
        };
        // Secrets in the environment are looked at when they are used: a check of the file need not have them.
        let any = |_: &str| Some(format!("whsec_{}", "A".repeat(44)));
        if let Err(found) = Destination::check_all(&self.alerts.destinations, &self.regions(), &any) {
            for problem in found {
                let what = format!("[[alerts.destinations]] `{}`: {}", problem.destination, problem.what);
                tell(problem.key, what, problem.remedy);
            }
        }
        if let Some(Err(found)) = self.serve.as_ref().map(ServeConfig::check) {
            for problem in found {
                tell(&problem.key, format!("[serve] {}", problem.what), problem.remedy);
            }
        }
    }

    /// Where names may be delivered to.
    pub fn regions(&self) -> Regions {
        let AlertsConfig { region, names_regions, .. } = &self.alerts;
        Regions { home: region.clone(), names_allowed: names_regions.clone() }
    }

    fn resolve(&mut self, folder: &Path) {
        if let Some(dir) = self.rules.as_mut().and_then(|rules| rules.dir.as_mut()) {
            *dir = folder.join(&*dir);
        }
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
            &mut reference.law,
        ];
        for path in sets.into_iter().flat_map(|paths| &mut paths.0) {
            *path = folder.join(&*path);
        }
        self.source.dir = folder.join(&self.source.dir);
        self.alerts.outbox = folder.join(&self.alerts.outbox);
        self.results.position = folder.join(&self.results.position);
        if let Some(serve) = &mut self.serve {
            serve.resolve(folder);
        }
        if let Some(tls) = &mut self.source.tls {
            for file in [&mut tls.ca, &mut tls.cert, &mut tls.key].into_iter().flatten() {
                *file = folder.join(&*file);
            }
        }
        self.lake.resolve(folder);
        if let Some(registry) = &mut self.source.registry {
            registry.cache = folder.join(&registry.cache);
            registry.ca = registry.ca.take().map(|ca| folder.join(ca));
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
    use jiff::SignedDuration;

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
    fn rules_are_asked_only_where_the_section_is() {
        assert!(Config::parse("", Path::new("")).unwrap().rules.is_none());
        let rules = Config::parse("[rules]\ndir = 'own'\n", Path::new("/conf")).unwrap().rules.unwrap();
        assert_eq!((rules.every_min(), rules.dir.unwrap().as_path()), (15, Path::new("/conf/own")));
        assert!(problems("[rules]\nevery = '2 s'\n")[0].contains("out of range"));
    }

    #[test]
    fn what_is_no_toml_is_said_to_be_none() {
        assert!(problems("[lake\n")[0].contains("TOML"));
        assert!(problems("[source]\nkind = 'kafca'\n")[0].contains("unknown variant `kafca`"));
    }

    #[test]
    fn a_kafka_log_is_checked_as_a_whole() {
        let one = problems("[source]\nkind = 'kafka'\n");
        assert!(one[0].contains("without brokers; add brokers"), "{one:?}");
        let both = problems("[source]\nbrokers = 'a:1'\n[source.tls]\nca = 'x'\n");
        assert_eq!(both.len(), 2, "{both:?}");
        let good = "[source]\nkind = 'kafka'\nbrokers = 'a:1'\nstart = 'latest'\nsession_timeout = '6 s'\n
                    [source.tls]\nca = 'ca.pem'\n[source.sasl]\nmechanism = 'PLAIN'\nuser = 'u'\npassword_env = 'P'\n";
        let config = Config::parse(good, Path::new("/conf")).unwrap();
        assert_eq!(config.source.start.0, source::StartAt::Latest);
        assert_eq!(config.source.tls.unwrap().ca.unwrap(), Path::new("/conf/ca.pem"));
        assert!(problems("[source]\nstart = 'tomorrow'\n")[0].contains("nor a time"));
    }

    #[test]
    fn a_registry_is_checked_as_a_whole() {
        let told = |text: &str| problems(text).join("|");
        assert!(told("[source]\nformat = 'registry'\n").contains("without a registry"));
        assert!(told("[source.registry]\nurl = 'http://r'\n").contains("plain JSON"));
        let with = |more: &str| told(&format!("[source]\nformat = 'registry'\n[source.registry]\n{more}\n"));
        assert!(with("").contains("lacks url"));
        assert!(with("url = 'http://r'\nuser = 'a'").contains("password or password_env"));
        assert!(with("url = 'http://r'\npassword_env = 'P'").contains("password or password_env"));
        assert!(with("url = 'http://r'\ntoken = 'a'\ntoken_env = 'T'").contains("more than one login"));
        assert!(with("url = 'http://r'\ntimeout = '0 s'").contains("timeout is nothing"));
        assert!(with("url = 'http://r'\nuri = 'x'").contains("uri"));
        let good = "[source]\nformat = 'registry'\n[source.registry]\nurl = 'http://r'\nuser = 'u'\npassword = 'p'\n";
        let registry = Config::parse(good, Path::new("/conf")).unwrap().source.registry.unwrap();
        assert_eq!(registry.cache, Path::new("/conf/registry_schemas"));
        assert!(!format!("{registry:?}").contains("http://r"), "an URL may hold a password");
    }

    #[test]
    fn the_faces_are_checked_by_their_rooms() {
        let open = problems("[serve]\naddress = '0.0.0.0:9464'\n");
        assert!(open[0].contains("TLS and tokens"), "{open:?}");
        let reviewer = "[[alerts.destinations]]\nname = 'a'\nurl = 'http://example.org/x'\nregion = 'hk'\n
                        audiences = ['reviewer']\n";
        assert!(problems(reviewer).len() >= 2, "{:?}", problems(reviewer));
    }
}
