//! Destinations that were checked: where messages go, what they carry, how they are signed.
//!
//! In: tables of the configuration, the environment's variables by name.  Out: destinations, or every problem at once.
//! Owns: nothing.
//! Absent on purpose: reading files or the environment (the caller hands in how).
//! Why so: **region.** A destination states where its receiver is. Alert bodies carry pseudonyms, so the table itself
//! is the allow-list of receivers; names are another matter: handing them to another jurisdiction needs a ground of its
//! own (research/domain.md, 4.2 and 4.3). So names are added only where the destination asks for them *and* its region
//! is the one this lake is in or is listed in `names_regions`. Asking for them elsewhere is a mistake of the
//! configuration, never a silent omission.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use model::anomaly::Severity;
use url::Url;

use super::address::{AllowList, host_is_allowed};
use super::config::DestinationConfig;
use super::signature::Secret;

/// The longest and shortest a request may take, in ms.
const TIMEOUT_MS: std::ops::RangeInclusive<u128> = 100..=60_000;
/// The longest that alerts may be kept back to be sent together, in seconds.
const WAIT_S_MAX: u64 = 24 * 3_600;
/// The longest name of a destination, in bytes: it is part of ids and of metric labels.
const NAME_BYTES_MAX: usize = 64;

/// What holds for all destinations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Regions {
    /// Where this lake is; needed only where a destination asks for names.
    pub home: Option<String>,
    /// Other regions that names may go to.
    pub names_allowed: Vec<String>,
}

/// One mistake in the destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationProblem {
    /// The destination's name, or its number where it has none.
    pub destination: String,
    /// The key it is about.
    pub key: &'static str,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub remedy: String,
}

impl fmt::Display for DestinationProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alerts.destinations `{}`, {}: {}; {}", self.destination, self.key, self.what, self.remedy)
    }
}

/// A destination that was checked.
#[derive(Clone, Debug)]
pub struct Destination {
    pub(crate) name: String,
    pub(crate) url: Url,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) region: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) min_severity: Severity,
    pub(crate) orgs: Vec<String>,
    pub(crate) group_wait: Duration,
    pub(crate) group_interval: Duration,
    pub(crate) send_resolved: bool,
    pub(crate) rate_per_minute: u32,
    pub(crate) allow_private: AllowList,
    pub(crate) timeout: Duration,
    pub(crate) names: bool,
}

impl Destination {
    /// Checks all of `configs` at once. `variable` reads an environment variable.
    ///
    /// # Errors
    /// Every problem found.
    pub fn check_all(
        configs: &[DestinationConfig],
        regions: &Regions,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<Self>, Vec<DestinationProblem>> {
        let (mut found, mut problems) = (Vec::new(), Vec::new());
        let mut names = HashSet::new();
        for (number, config) in configs.iter().enumerate() {
            let called = match config.name.as_str() {
                "" => format!("number {}", number + 1),
                name => name.to_owned(),
            };
            let mut check = Check { called, problems: &mut problems };
            if !names.insert(config.name.as_str()) {
                let what = "another destination has this name".to_owned();
                check.tell("name", what, "give each one a name of its own");
            }
            found.extend(check.destination(config, regions, variable));
        }
        if problems.is_empty() { Ok(found) } else { Err(problems) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether an alert of this audience, severity and org goes there. A severity that is not known counts as the
    /// highest: better one alert too many.
    pub(crate) fn wants(&self, audience: &str, severity: &str, org: &str) -> bool {
        let mut audiences = audience.split(',');
        let is_reviewers = audience.split(',').any(|audience| audience == "reviewer");
        let severity = Severity::from_name(severity).unwrap_or(Severity::High);
        !is_reviewers
            && audiences.any(|audience| self.audiences.iter().any(|own| own == audience))
            && severity >= self.min_severity
            && (self.orgs.is_empty() || self.orgs.iter().any(|subtree| covers(subtree, org)))
    }
}

/// Whether `org` lies in `subtree`, at path-segment borders.
fn covers(subtree: &str, org: &str) -> bool {
    subtree.is_empty()
        || org.strip_prefix(subtree).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The check of one destination.
struct Check<'a> {
    called: String,
    problems: &'a mut Vec<DestinationProblem>,
}

impl Check<'_> {
    fn tell(&mut self, key: &'static str, what: String, remedy: &str) {
        let problem =
            DestinationProblem { destination: self.called.clone(), key, what, remedy: remedy.to_owned() };
        self.problems.push(problem);
    }

    fn destination(
        &mut self,
        config: &DestinationConfig,
        regions: &Regions,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Destination> {
        self.name(&config.name);
        let allow_private = self.allow_private(&config.allow_private);
        let url = self.url(&config.url.0, &allow_private);
        let secrets = self.secrets(config, variable);
        self.region(config, regions);
        self.audiences(&config.audiences);
        let min_severity = self.severity(config.min_severity.as_deref());
        self.lengths(config);
        let org = |org: &String| org.trim_matches('/').to_owned();
        Some(Destination {
            name: config.name.clone(),
            url: url?,
            secrets,
            region: config.region.clone(),
            audiences: config.audiences.clone(),
            min_severity,
            orgs: config.orgs.iter().map(org).collect(),
            group_wait: config.group_wait.0,
            group_interval: config.group_interval.0,
            send_resolved: config.send_resolved,
            rate_per_minute: config.rate_per_minute,
            allow_private,
            timeout: config.timeout.0,
            names: config.names,
        })
    }

    fn name(&mut self, name: &str) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(fits) {
            let what = format!("`{name}` is no name");
            self.tell("name", what, "use 1 to 64 letters, digits, `-` and `_`");
        }
    }

    fn allow_private(&mut self, entries: &[String]) -> AllowList {
        let (list, bad) = AllowList::parse(entries);
        for entry in bad {
            let what = format!("`{entry}` is no host, address or network");
            self.tell("allow_private", what, "write hooks.intern, 10.1.2.3 or 10.1.0.0/16");
        }
        list
    }

    fn url(&mut self, text: &str, allowed: &AllowList) -> Option<Url> {
        // The text is not repeated: a robot's URL is its password.
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => {
                self.tell("url", format!("no URL: {error}"), "write https://host/path");
                return None;
            }
        };
        let Some(host) = url.host().map(|host| host.to_owned()) else {
            self.tell("url", "it names no host".into(), "write https://host/path");
            return None;
        };
        if !url.username().is_empty() || url.password().is_some() {
            let remedy = "messages are signed: remove it, or put a token into the path";
            self.tell("url", "it holds a user name or password".into(), remedy);
        }
        match url.scheme() {
            "https" => {}
            "http" if allowed.lists_host(&host) => {}
            "http" => self.tell(
                "url",
                format!("http to {host} would send alerts in clear"),
                "use https, or list the host in allow_private if the way there is your own",
            ),
            other => self.tell("url", format!("scheme `{other}`"), "use https"),
        }
        if let Err(refused) = host_is_allowed(&host, allowed) {
            self.tell("url", refused.to_string(), "list it in allow_private if that is meant");
        }
        Some(url)
    }

    fn secrets(
        &mut self,
        config: &DestinationConfig,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<Secret> {
        const MAKE_ONE: &str = "make one with: echo whsec_$(openssl rand -base64 32)";
        let mut secrets = Vec::new();
        for secret in &config.secrets {
            match Secret::parse(&secret.0) {
                Ok(secret) => secrets.push(secret),
                Err(what) => self.tell("secrets", what.into(), MAKE_ONE),
            }
        }
        for name in &config.secrets_env {
            match variable(name).as_deref().map(str::trim).map(Secret::parse) {
                Some(Ok(secret)) => secrets.push(secret),
                Some(Err(what)) => {
                    self.tell("secrets_env", format!("variable {name}: {what}"), MAKE_ONE);
                }
                None => {
                    let what = format!("variable {name} is not set");
                    self.tell("secrets_env", what, "set it in the environment of this process");
                }
            }
        }
        if config.secrets.is_empty() && config.secrets_env.is_empty() {
            self.tell("secrets", "there is none, and messages must be signed".into(), MAKE_ONE);
        }
        secrets
    }

    fn region(&mut self, config: &DestinationConfig, regions: &Regions) {
        let region = &config.region;
        if region.trim().is_empty() || region.len() > NAME_BYTES_MAX {
            let what = "it is empty or longer than 64 bytes".into();
            self.tell("region", what, "say where the receiver is: \"hk\"");
        }
        if !config.names {
            return;
        }
        let is_listed = regions.names_allowed.contains(region);
        match &regions.home {
            _ if is_listed => {}
            Some(home) if home == region => {}
            Some(home) => self.tell(
                "names",
                format!("names would leave region {home} for {region}"),
                "remove `names`, or list the region in alerts.names_regions once the transfer has its ground",
            ),
            None => self.tell(
                "names",
                "the region of this lake is not known".into(),
                "set alerts.region, or remove `names`",
            ),
        }
    }

    fn audiences(&mut self, audiences: &[String]) {
        if audiences.is_empty() {
            self.tell("audiences", "it is empty: nothing would be sent".into(), "write [\"manager\"]");
        }
        for audience in audiences {
            match audience.as_str() {
                "manager" | "employee" | "operations" => {}
                "reviewer" => self.tell(
                    "audiences",
                    "what reviewers look at is suspicion and is never sent out".into(),
                    "remove `reviewer`: they find it in Muster",
                ),
                other => {
                    let what = format!("`{other}` is no audience");
                    self.tell("audiences", what, "use manager, employee or operations");
                }
            }
        }
    }

    fn severity(&mut self, name: Option<&str>) -> Severity {
        match name.map(|name| (name, Severity::from_name(name))) {
            None => Severity::Info,
            Some((_, Some(severity))) => severity,
            Some((name, None)) => {
                let what = format!("`{name}` is no severity");
                self.tell("min_severity", what, "use info, low, medium or high");
                Severity::Info
            }
        }
    }

    fn lengths(&mut self, config: &DestinationConfig) {
        for (key, length) in [("group_wait", config.group_wait), ("group_interval", config.group_interval)] {
            if length.0.as_secs() > WAIT_S_MAX {
                self.tell(key, "longer than a day".into(), "use minutes: alerts are for today");
            }
        }
        if !TIMEOUT_MS.contains(&config.timeout.0.as_millis()) {
            self.tell("timeout", "not within 100 ms and 60 s".into(), "15 s is usual");
        }
        if config.rate_per_minute == 0 {
            self.tell("rate_per_minute", "0 would send nothing".into(), "use at least 1");
        }
    }
}

#[cfg(test)]
#[path = "destination_tests.rs"]
mod tests;
