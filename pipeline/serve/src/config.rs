//! `[serve]`: where the HTTP face listens and whom it answers, checked as a whole before anything is bound.
//!
//! In: the section as serde reads it.  Out: `Checked`, or every problem found.  Owns: nothing.
//! Absent on purpose: tokens themselves (the file holds their SHA-256), and any look at the certificate's content
//! (`tls` reads it at start and says what is wrong with it).
//! Invariants: an address that others can reach has TLS and at least one token, kept by `ServeConfig::check`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;

use crate::access::{Access, TokenHash};

/// Where the HTTP face listens unless the configuration says otherwise: this machine alone, on the port that
/// Prometheus' list of exporters leaves to exporters embedded in programs.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:9464";

/// Bytes of the longest token's name.
const NAME_BYTES_MAX: usize = 100;

/// `[serve]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServeConfig {
    /// `"IP:port"`; port 0 takes a free one. Beyond loopback it needs `tls` and `tokens`.
    pub address: String,
    /// The certificate and its key; unset = plain HTTP, which only loopback may speak.
    pub tls: Option<TlsFiles>,
    /// Who may send punches and read metrics; unset = whoever reaches the address.
    pub tokens: Vec<Token>,
    /// Networks (`"10.0.0.0/8"`, `"2001:db8::/32"`, or one address) that are answered; unset = all. This machine
    /// always is.
    pub allow_from: Vec<String>,
    /// A longer body is refused (413). For those whose terminals upload days at once.
    pub body_bytes_max: usize,
    /// Requests with punches answered at the same time; more are refused (429). With `body_bytes_max` it bounds memory.
    pub requests_max: usize,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            address: DEFAULT_ADDRESS.into(),
            tls: None,
            tokens: Vec::new(),
            allow_from: Vec::new(),
            body_bytes_max: 2 << 20,
            requests_max: 64,
        }
    }
}

/// The files of a certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The chain, leaf first, PEM.
    pub cert: PathBuf,
    /// The leaf's private key, PEM, unencrypted.
    pub key: PathBuf,
}

/// One bearer token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Whose it is, for the log: never the token.
    pub name: String,
    /// The SHA-256 of the token, 64 hex digits: `printf %s "$TOKEN" | sha256sum`.
    pub sha256: String,
}

/// One mistake in `[serve]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key it is about: a text that stands in the file, where there is one.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[serve] {}; {}", self.what, self.remedy)
    }
}

/// A `[serve]` that fits together.
#[derive(Clone, Debug)]
pub struct Checked {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) access: Access,
    pub(crate) body_bytes_max: usize,
    pub(crate) requests_max: usize,
}

impl Checked {
    /// Where it will listen.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate it will show, where it speaks TLS.
    pub fn certificate(&self) -> Option<&Path> {
        self.tls.as_ref().map(|tls| tls.cert.as_path())
    }

    /// Where a client on this machine finds it: `http://127.0.0.1:9464`.
    pub fn local_url(&self) -> String {
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("{}://{address}", if self.tls.is_some() { "https" } else { "http" })
    }
}

impl ServeConfig {
    /// Takes relative paths from `folder`, the configuration's.
    pub fn resolve(&mut self, folder: &Path) {
        if let Some(tls) = &mut self.tls {
            tls.cert = folder.join(&tls.cert);
            tls.key = folder.join(&tls.key);
        }
    }

    /// The section as a whole.
    ///
    /// # Errors
    /// Every problem found.
    pub fn check(&self) -> Result<Checked, Vec<Problem>> {
        let mut problems = Vec::new();
        let address = self.check_address(&mut problems);
        let mut tokens = Vec::new();
        for token in &self.tokens {
            tokens.extend(check_token(token, &mut problems));
        }
        let twice =
            |(at, token): (usize, &Token)| self.tokens[..at].iter().any(|other| other.name == token.name);
        if let Some((_, token)) = self.tokens.iter().enumerate().find(|pair| twice(*pair)) {
            let what = format!("two tokens are named `{}`", token.name);
            problems.push(problem(
                &token.name,
                what,
                "give each its own name: the log tells them apart by it",
            ));
        }
        let mut networks = Vec::new();
        for text in &self.allow_from {
            match parse_network(text) {
                Some(network) => networks.push(network),
                None => {
                    let what = format!("allow_from: `{text}` is no network");
                    problems.push(problem(
                        text,
                        what,
                        "write \"10.0.0.0/8\", \"2001:db8::/32\" or one address",
                    ));
                }
            }
        }
        self.check_limits(&mut problems);
        match address {
            Some(address) if problems.is_empty() => Ok(Checked {
                address,
                tls: self.tls.clone(),
                access: Access::new(tokens, networks),
                body_bytes_max: self.body_bytes_max,
                requests_max: self.requests_max,
            }),
            _ => Err(problems),
        }
    }

    fn check_address(&self, problems: &mut Vec<Problem>) -> Option<SocketAddr> {
        let Ok(address) = self.address.parse::<SocketAddr>() else {
            let what = format!("address: `{}` is no address with a port", self.address);
            problems.push(problem(&self.address, what, "write \"127.0.0.1:9464\" or \"[::1]:9464\""));
            return None;
        };
        if address.ip().to_canonical().is_loopback() {
            return Some(address);
        }
        let mut lacking = Vec::new();
        if self.tls.is_none() {
            lacking.push("tls = { cert = \"…\", key = \"…\" }");
        }
        if self.tokens.is_empty() {
            lacking.push("tokens = [{ name = \"…\", sha256 = \"…\" }]");
        }
        if !lacking.is_empty() {
            let what =
                format!("address: {address} can be reached from other machines, so it needs TLS and tokens");
            let remedy = format!(
                "add {}, or listen on this machine alone: \"{DEFAULT_ADDRESS}\"",
                lacking.join(" and ")
            );
            problems.push(problem(&self.address, what, &remedy));
        }
        Some(address)
    }

    fn check_limits(&self, problems: &mut Vec<Problem>) {
        let limits = [
            ("body_bytes_max", self.body_bytes_max, 1 << 10, 256 << 20, "1 KiB to 256 MiB"),
            ("requests_max", self.requests_max, 1, 10_000, "1 to 10000"),
        ];
        for (key, value, from, to, range) in limits {
            if !(from..=to).contains(&value) {
                let what = format!("{key} = {value} is out of range");
                problems.push(problem(key, what, &format!("set it to {range}")));
            }
        }
    }
}

fn check_token(token: &Token, problems: &mut Vec<Problem>) -> Option<TokenHash> {
    let is_name = (1..=NAME_BYTES_MAX).contains(&token.name.len()) && !token.name.contains(char::is_control);
    if !is_name {
        let what = format!("tokens: {:?} is no name", token.name);
        problems.push(problem("tokens", what, "name whose token it is, in 1 to 100 bytes"));
    }
    let hash = TokenHash::parse(&token.name, &token.sha256);
    if hash.is_none() {
        let what = format!("tokens: the sha256 of `{}` is not 64 hex digits", token.name);
        let remedy =
            "take it from `printf %s \"$TOKEN\" | sha256sum`; the token itself does not belong in the file";
        problems.push(problem(&token.name, what, remedy));
    }
    hash.filter(|_| is_name)
}

fn parse_network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn problem(key: &str, what: String, remedy: &str) -> Problem {
    Problem { key: key.to_owned(), what, remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn from_json(json: &str) -> ServeConfig {
        serde_json::from_str(json).unwrap()
    }

    fn told(json: &str) -> Vec<String> {
        from_json(json).check().map(|_| ()).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_default_is_this_machine_alone() {
        let checked = ServeConfig::default().check().unwrap();
        assert!(checked.address().ip().is_loopback() && checked.certificate().is_none());
        assert_eq!(checked.local_url(), "http://127.0.0.1:9464");
        for address in ["127.0.0.2:0", "[::1]:9464", "[::ffff:127.0.0.1]:80"] {
            assert!(from_json(&format!("{{\"address\":\"{address}\"}}")).check().is_ok(), "{address}");
        }
    }

    #[test]
    fn an_address_others_reach_needs_tls_and_tokens() {
        let tls = r#""tls":{"cert":"c.pem","key":"k.pem"}"#;
        let tokens = format!(r#""tokens":[{{"name":"kiosk","sha256":"{SHA256}"}}]"#);
        for address in ["0.0.0.0:443", "[::]:443", "192.0.2.1:443", "[::ffff:192.0.2.1]:80"] {
            let problems = told(&format!(r#"{{"address":"{address}"}}"#));
            assert!(problems[0].contains("needs TLS and tokens"), "{problems:?}");
            assert!(problems[0].contains("add tls") && problems[0].contains("and tokens ="), "{problems:?}");
            let problems = told(&format!(r#"{{"address":"{address}",{tls}}}"#));
            assert!(problems[0].contains("add tokens ="), "{problems:?}");
            let problems = told(&format!(r#"{{"address":"{address}",{tokens}}}"#));
            assert!(problems[0].contains("add tls ="), "{problems:?}");
            let whole = format!(r#"{{"address":"{address}",{tls},{tokens}}}"#);
            assert!(from_json(&whole).check().unwrap().certificate().is_some());
        }
        let whole = format!(r#"{{"address":"0.0.0.0:443",{tls},{tokens}}}"#);
        assert_eq!(from_json(&whole).check().unwrap().local_url(), "https://127.0.0.1:443");
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let problems = told(
            r#"{"address":"localhost:1","tokens":[{"name":"a","sha256":"secret"},{"name":"a","sha256":"x"}],
                "allow_from":["10.0.0.0/33","10.1.2.3"],"body_bytes_max":1,"requests_max":0}"#,
        );
        let expected = [
            "`localhost:1` is no address",
            "sha256 of `a`",
            "sha256 of `a`",
            "two tokens",
            "`10.0.0.0/33` is no network",
            "body_bytes_max = 1",
            "requests_max = 0",
        ];
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (told, part) in problems.iter().zip(expected) {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(!problems.concat().contains("secret"), "what was taken for a hash may be the token");
    }

    #[test]
    fn paths_are_taken_from_the_configurations_folder() {
        let mut config = from_json(r#"{"tls":{"cert":"c.pem","key":"/etc/k.pem"}}"#);
        config.resolve(Path::new("/srv/muster"));
        let tls = config.tls.unwrap();
        assert_eq!((tls.cert, tls.key), ("/srv/muster/c.pem".into(), "/etc/k.pem".into()));
    }
}
