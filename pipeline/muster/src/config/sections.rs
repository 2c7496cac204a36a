//! The sections of `muster.toml`: every key, its meaning, its default.
//!
//! In: values as serde reads them.  Out: plain structs, to the commands.  Owns: nothing.
//! Absent on purpose: checks across keys (`config` makes them, with their places in the text).

use std::collections::BTreeMap;
use std::path::PathBuf;

use alerts::DestinationConfig;
use jiff::{SignedDuration, Timestamp};
use model::EventTime;
use serde::Deserialize;
use source::StartAt;

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
    /// TOML.
    pub law: Paths,
}

/// Which log the processor reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// The log in a SQLite file of this machine.
    #[default]
    Embedded,
    /// A topic of Apache Kafka.
    Kafka,
}

/// What the bytes of the topic's records are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceFormat {
    /// A JSON object each.
    #[default]
    Json,
    /// Avro, Protobuf or JSON in a schema registry's frame; JSON objects without a frame are read, too.
    Registry,
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
    /// What the bytes of its records are.
    pub format: SourceFormat,
    /// The schema registry, under `format = "registry"`.
    pub registry: Option<RegistryConfig>,
    /// Which clock timers see.
    pub clock: ClockKind,
    /// Where a partition that the lake does not know yet is read from: `"earliest"`, `"latest"`, or a time (RFC 3339).
    pub start: Start,
    /// Kafka: `host:port`, several separated by commas.
    pub brokers: String,
    /// Kafka: processes of one group share the partitions; a shadow's group has `-shadow` behind its name.
    pub group: String,
    /// Kafka: this process's name within the group, unique in it; unset, it is a new member at every start.
    pub instance: Option<String>,
    /// Kafka: how long the group waits for a silent process before others take its partitions over.
    pub session_timeout: Length,
    /// Kafka: how long the group waits for a process that lives and does not poll before others take its partitions over: one
    /// that is wedged, since no outage keeps one from polling. Turned down where that must be quick.
    pub poll_interval_max: Length,
    /// Kafka: encryption.
    pub tls: Option<TlsConfig>,
    /// Kafka: a user and a password.
    pub sasl: Option<SaslConfig>,
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            kind: SourceKind::Embedded,
            topic: "punches".into(),
            dir: "log".into(),
            partitions: 4,
            format: SourceFormat::Json,
            registry: None,
            clock: ClockKind::Append,
            start: Start(StartAt::Earliest),
            brokers: String::new(),
            group: "muster".into(),
            instance: None,
            session_timeout: Length(SignedDuration::from_secs(45)),
            poll_interval_max: Length(SignedDuration::from_mins(10)),
            tls: None,
            sasl: None,
        }
    }
}

/// A place in the log as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Start(pub StartAt);

impl TryFrom<String> for Start {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let time = |text: &str| text.parse::<Timestamp>().map(|time| StartAt::Time(EventTime::from(time)));
        match text.as_str() {
            "earliest" => Ok(Self(StartAt::Earliest)),
            "latest" => Ok(Self(StartAt::Latest)),
            other => time(other).map(Self).map_err(|_| {
                format!("`{other}` is neither \"earliest\" nor \"latest\" nor a time such as \"2026-11-01T00:00:00Z\"")
            }),
        }
    }
}

/// `[source.tls]`: certificates as PEM files.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// Whom to trust; unset, the machine's own list.
    pub ca: Option<PathBuf>,
    /// Our certificate chain, where brokers ask for one.
    pub cert: Option<PathBuf>,
    /// Our certificate's private key.
    pub key: Option<PathBuf>,
}

/// `[source.sasl]`: a user and a password.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaslConfig {
    /// `"PLAIN"`, `"SCRAM-SHA-256"` or `"SCRAM-SHA-512"`.
    pub mechanism: String,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Option<String>,
    /// The environment variable that holds the password.
    pub password_env: Option<String>,
}

impl std::fmt::Debug for SaslConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SaslConfig").field("user", &self.user).finish_non_exhaustive()
    }
}

/// `[source.registry]`: a schema registry with Confluent's API. Whoever runs the registry turns these.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// `http://…` or `https://…`; several separated by commas, each asked where the one before does not answer.
    pub url: String,
    /// A user, with a password (HTTP basic).
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// The environment variable that holds the password.
    pub password_env: Option<String>,
    /// Instead of a user: a bearer's token.
    pub token: Option<String>,
    /// The environment variable that holds the token.
    pub token_env: Option<String>,
    /// Whom to trust, as a PEM file; unset, the machine's own list.
    pub ca: Option<PathBuf>,
    /// How long one answer may take. Turned up for a registry far away.
    pub timeout: Length,
    /// How old a record must be before the registry is believed that it has no such schema. Turned up where a registry's
    /// replicas are slow to hear of a new schema.
    pub grace: Length,
    /// The folder that keeps loaded schemas, so that they are known after a restart while the registry is down.
    pub cache: PathBuf,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            user: None,
            password: None,
            password_env: None,
            token: None,
            token_env: None,
            ca: None,
            timeout: Length(SignedDuration::from_secs(5)),
            grace: Length(SignedDuration::from_secs(10)),
            cache: "registry_schemas".into(),
        }
    }
}

impl std::fmt::Debug for RegistryConfig {
    /// Without secrets, one of which may stand in the URL.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryConfig").field("cache", &self.cache).finish_non_exhaustive()
    }
}

/// `[alerts]`: the topic, how old an alert may be when it is published, and who is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct AlertsConfig {
    /// The topic of alerts.
    pub topic: String,
    /// Older ones are not published (wall time; no limit under `clock = "record"`): `"12 h"`, `"30 min"`.
    pub max_age: Length,
    /// Whether this process delivers alerts to the destinations; one process of a chain does.
    pub deliver: bool,
    /// The deliverer's position and outbox.
    pub outbox: PathBuf,
    /// Where this lake is, as destinations name regions; needed only where one asks for names.
    pub region: Option<String>,
    /// Other regions that names may go to.
    pub names_regions: Vec<String>,
    /// Who is told.
    pub destinations: Vec<DestinationConfig>,
}

/// `[results]`: every version of a shift's result as a record, for other systems.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct ResultsConfig {
    /// The topic; unset, nothing is published. One process of a chain publishes.
    pub topic: Option<String>,
    /// How far it has been published.
    pub position: PathBuf,
}

impl Default for ResultsConfig {
    fn default() -> Self {
        Self { topic: None, position: "results.json".into() }
    }
}

/// A length of time as people write it: `"12 h"`, `"90 min"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Length(pub SignedDuration);

impl TryFrom<String> for Length {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad = || format!("`{text}` is no length of time such as \"12 h\" or \"30 min\"");
        text.parse::<SignedDuration>().map(Self).map_err(|_| bad())
    }
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            topic: "alerts".into(),
            max_age: Length(SignedDuration::from_hours(12)),
            deliver: false,
            outbox: "deliveries.sqlite".into(),
            region: None,
            names_regions: Vec::new(),
            destinations: Vec::new(),
        }
    }
}

/// `[rules]`: rules in SQL over the lake, asked by the log's clock. Without the section none is asked: looking for patterns in
/// what people do is to be decided by somebody.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct RulesConfig {
    /// A folder of the customer's own rules (`*.sql`): they replace those Muster brings along by name, or add to them.
    pub dir: Option<PathBuf>,
    /// How far apart the instants are at which rules are asked; each names how often it wants to be. Turned up where the lake
    /// is large and answers are not urgent.
    pub every: Length,
}

impl Default for RulesConfig {
    fn default() -> Self {
        Self { dir: None, every: Length(SignedDuration::from_mins(15)) }
    }
}

impl RulesConfig {
    /// The same in minutes.
    pub fn every_min(&self) -> i64 {
        self.every.0.as_mins().max(1)
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
    /// How many days the fix and the scan of a punch stay in `punch_evidence`; 0 = they are never written. Counted from the
    /// punch by the log's clock, and from the writing by the wall: whichever ends first. A lowered value takes effect within
    /// minutes. Whoever answers for privacy turns it.
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
    /// Bytes of records, as they were read, that may be read and not yet in the lake: beyond them nothing more is read. In memory
    /// they take a few times that. Turned down where memory is scarce, up where a slow lake is to be given larger commits.
    pub buffered_bytes_max: u64,
    /// Worker threads; 0 = one for each core.
    pub threads: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            record_bytes_max: 256 << 10,
            batch_records_max: 4_096,
            buffered_rows_max: 1_000_000,
            buffered_bytes_max: 256 << 20,
            threads: 0,
        }
    }
}
