//! `[lake]` and `[lake.s3]`: where rows go, how often, and how a store that is no folder is reached.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use lake::{Addressing, PlaceProblem, S3Options};
use serde::Deserialize;

use super::sections::Length;

/// What lies beside remote lakes, unless the configuration says otherwise.
const BESIDE: &str = "beside";

/// `[lake]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct LakeConfig {
    /// A directory, or `s3://BUCKET/PREFIX`.
    pub url: String,
    /// For a lake that is no folder: the folder of what is kept beside it as files, in a folder of its own for each lake.
    /// Turned where the configuration's own folder may not be written.
    pub beside: Option<PathBuf>,
    /// How the store is reached.
    pub s3: Option<S3Config>,
    /// At most so long between two commits while there is something to commit.
    pub commit_every_ms: u64,
    /// Whether a lake in a folder syncs each file to the disk before it counts: a power cut then takes nothing back.
    pub sync: bool,
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
            beside: None,
            s3: None,
            commit_every_ms: 2_000,
            sync: true,
            target_file_bytes: 128 << 20,
            state_days: 45,
            restate_days: 45,
        }
    }
}

/// `[lake.s3]`: what is unset is taken from the environment, as other tools take it (`AWS_REGION`, `AWS_ENDPOINT_URL`,
/// `AWS_ACCESS_KEY_ID`, …).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3Config {
    /// Where the store is: `"https://minio.example.com:9000"`.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: Option<String>,
    /// Where requests name the bucket: `"path"` (default) or `"host"`, for stores that ask for that.
    pub addressing: AddressingKind,
    /// Whether an endpoint without TLS may be elsewhere than on this machine.
    pub allow_http: bool,
    /// Whom to trust beside the machine's own list, as a PEM file.
    pub ca: Option<PathBuf>,
    /// The environment variable that holds the access key's id, in place of `AWS_ACCESS_KEY_ID`.
    pub access_key_env: Option<String>,
    /// The environment variable that holds its secret, in place of `AWS_SECRET_ACCESS_KEY`.
    pub secret_key_env: Option<String>,
    /// How long one request may take: a slow line needs longer for a large file. `"60 s"` unless set.
    pub timeout: Option<Length>,
}

/// Where requests name the bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressingKind {
    /// In the path.
    #[default]
    Path,
    /// In the host's name.
    Host,
}

impl S3Config {
    /// As the lake takes them, without keys.
    pub fn options(&self) -> S3Options {
        let default = S3Options::default();
        S3Options {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            addressing: match self.addressing {
                AddressingKind::Path => Addressing::Path,
                AddressingKind::Host => Addressing::Host,
            },
            allow_http: self.allow_http,
            ca: self.ca.clone(),
            keys: None,
            timeout: self
                .timeout
                .and_then(|length| Duration::try_from(length.0).ok())
                .unwrap_or(default.timeout),
        }
    }
}

impl LakeConfig {
    /// Whether the lake is in a store that is no folder.
    pub fn is_remote(&self) -> bool {
        self.url.contains("://") && !self.url.starts_with("file://")
    }

    /// What only fits together as a whole.
    pub(super) fn check(&self) -> Vec<PlaceProblem> {
        let mut problems = Vec::new();
        let mut tell = |key: &'static str, what: &str, remedy: &str| {
            problems.push(PlaceProblem { key, what: what.to_owned(), remedy: remedy.to_owned() });
        };
        let s3 = self.s3.clone().unwrap_or_default();
        if !self.is_remote() {
            let remote = [("beside", self.beside.is_some()), ("lake.s3", self.s3.is_some())];
            for (key, _) in remote.into_iter().filter(|(_, is_set)| *is_set) {
                tell(
                    key,
                    "the lake is a folder, and this is for one in a store",
                    "remove it, or set url = \"s3://…\"",
                );
            }
        } else if s3.access_key_env.is_some() != s3.secret_key_env.is_some() {
            tell(
                "_key_env",
                "[lake.s3] has one of access_key_env and secret_key_env",
                "give both, or neither",
            );
        }
        let bounds = SignedDuration::from_secs(1)..=SignedDuration::from_mins(60);
        if s3.timeout.is_some_and(|timeout| !bounds.contains(&timeout.0)) {
            tell("timeout", "[lake.s3] `timeout` is out of range", "set it to \"1 s\" to \"60 min\"");
        }
        if self.url.starts_with("s3://") {
            problems.extend(s3.options().check(&self.url).err());
        }
        problems
    }

    /// Takes relative paths from `folder`.
    pub(super) fn resolve(&mut self, folder: &std::path::Path) {
        if !self.url.contains("://") {
            self.url = folder.join(&self.url).to_string_lossy().into_owned();
        }
        let beside = self.beside.take().unwrap_or_else(|| BESIDE.into());
        self.beside = Some(folder.join(beside));
        if let Some(ca) = self.s3.as_mut().and_then(|s3| s3.ca.as_mut()) {
            *ca = folder.join(&*ca);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use lake::Addressing;

    use crate::config::Config;

    fn problems(text: &str) -> Vec<String> {
        let found = Config::parse(text, Path::new("/conf")).map(|_| ()).unwrap_err();
        found.iter().map(|p| format!("{}: {p}", &text[p.span.clone()])).collect()
    }

    #[test]
    fn a_store_is_reached_as_the_section_says() {
        let text = "[lake]\nurl = 's3://b/x'\n[lake.s3]\nendpoint = 'https://minio:9000'\nregion = 'ap-east-1'\n\
                    addressing = 'host'\nca = 'minio.pem'\ntimeout = '5 s'";
        let lake = Config::parse(text, Path::new("/conf")).unwrap().lake;
        assert_eq!(lake.beside.as_deref(), Some(Path::new("/conf/beside")));
        let options = lake.s3.unwrap().options();
        assert_eq!(options.ca.as_deref(), Some(Path::new("/conf/minio.pem")));
        assert_eq!((options.addressing, options.timeout), (Addressing::Host, Duration::from_secs(5)));
        assert_eq!((options.region.as_deref(), options.allow_http), (Some("ap-east-1"), false));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let s3 = |more: &str| problems(&format!("[lake]\nurl = 's3://b/x'\n[lake.s3]\n{more}"));
        assert_eq!(s3("access_key_env = 'A'").len(), 1);
        assert!(s3("access_key_env = 'A'")[0].contains("give both, or neither"));
        assert!(s3("timeout = '0 s'")[0].starts_with("timeout: [lake.s3] `timeout` is out of range"));
        assert!(s3("endpoint = 'http://minio:9000'")[0].contains("set allow_http = true"));
        assert!(s3("endpont = 'x'")[0].contains("unknown field `endpont`"));
        let folder = problems("[lake]\nurl = 'lake'\nbeside = 'x'\n[lake.s3]\nregion = 'y'");
        assert_eq!(folder.len(), 2, "{folder:?}");
        assert!(problems("[lake]\nurl = 's3://b/a b'")[0].contains("name another prefix"));
    }
}
