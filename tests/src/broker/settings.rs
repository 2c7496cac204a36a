//! What a private broker is to be: its listeners, users and settings, as Kafka's `server.properties` says them.

use std::collections::BTreeMap;
use std::path::Path;

use super::certificates::{BROKER_FILE, CA_FILE};

/// Kafka's key of the controllers that vote, where these are several.
pub(super) const VOTERS: &str = "controller.quorum.voters";

/// What a private broker has beyond the plain listener and beyond `tests/kafka/server.properties`; by default nothing.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub(super) tls: Tls,
    pub(super) users: Vec<(String, String)>,
    properties: BTreeMap<String, String>,
}

/// Whether there are listeners with TLS, and whom they let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tls {
    #[default]
    Off,
    Anybody,
    ClientsWithCertificates,
}

/// A listener; the controller's is for the broker itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Listener {
    Plain,
    Ssl,
    SaslPlain,
    SaslSsl,
    Controller,
}

impl Listener {
    /// Kafka's name of it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlain => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
            Self::Controller => "CONTROLLER",
        }
    }
}

impl Settings {
    /// One setting of Kafka's broker, such as `message.max.bytes`; takes the place of the one in
    /// `tests/kafka/server.properties`.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.properties.insert(key.to_owned(), value.to_owned());
        self
    }

    /// A listener with TLS as well, its certificate for 127.0.0.1 and localhost.
    pub fn with_tls(mut self) -> Self {
        self.tls = Tls::Anybody;
        self
    }

    /// As [`Settings::with_tls`], and the TLS listener (without SASL) wants a certificate from its clients.
    pub fn with_client_certificates(mut self) -> Self {
        self.tls = Tls::ClientsWithCertificates;
        self
    }

    /// A user of the listeners with SASL, by PLAIN and by SCRAM-SHA-512.
    ///
    /// # Panics
    /// If name or password are not of ASCII letters, digits, `-`, `_` and `.`: Kafka's files would need them quoted.
    pub fn with_user(mut self, name: &str, password: &str) -> Self {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        assert!(
            name.chars().all(is_plain) && password.chars().all(is_plain),
            "user {name}: plain letters only"
        );
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// Whether it is one of several whose controllers vote.
    pub(super) fn is_one_of_several(&self) -> bool {
        self.properties.contains_key(VOTERS)
    }

    /// A port for each listener.
    pub(super) fn free_ports(&self) -> BTreeMap<Listener, u16> {
        self.listeners().into_iter().map(|listener| (listener, super::free_port())).collect()
    }

    /// The listeners it has.
    pub(super) fn listeners(&self) -> Vec<Listener> {
        let has_tls = self.tls != Tls::Off;
        let has_users = !self.users.is_empty();
        let all = [
            (Listener::Plain, true),
            (Listener::Ssl, has_tls),
            (Listener::SaslPlain, has_users),
            (Listener::SaslSsl, has_tls && has_users),
            (Listener::Controller, true),
        ];
        all.into_iter().filter_map(|(listener, is_there)| is_there.then_some(listener)).collect()
    }

    /// The text of `server.properties`: `base`, then what is this broker's own. Of a key said twice the last holds.
    pub(super) fn properties(&self, base: &str, ports: &BTreeMap<Listener, u16>, folder: &Path) -> String {
        let folder = folder.display();
        let mut lines = vec![base.trim_end().to_owned(), format!("log.dirs={folder}/data")];
        let listener =
            |(listener, port): (&Listener, &u16)| format!("{}://127.0.0.1:{port}", listener.name());
        lines.push(format!("listeners={}", ports.iter().map(listener).collect::<Vec<_>>().join(",")));
        if !self.is_one_of_several() {
            let controller = ports[&Listener::Controller];
            lines.push(format!("controller.quorum.bootstrap.servers=127.0.0.1:{controller}"));
        }
        if self.tls != Tls::Off {
            lines.push(format!("ssl.keystore.type=PEM\nssl.keystore.location={folder}/{BROKER_FILE}"));
            lines.push(format!("ssl.truststore.type=PEM\nssl.truststore.location={folder}/{CA_FILE}"));
        }
        if self.tls == Tls::ClientsWithCertificates {
            lines.push("listener.name.ssl.ssl.client.auth=required".to_owned());
        }
        if !self.users.is_empty() {
            lines.push("sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512".to_owned());
            let user = |(name, password): &(String, String)| format!(" user_{name}=\"{password}\"");
            let users: String = self.users.iter().map(user).collect();
            let modules = "org.apache.kafka.common.security";
            for name in ["sasl_plaintext", "sasl_ssl"] {
                let jaas = |mechanism: &str| format!("listener.name.{name}.{mechanism}.sasl.jaas.config");
                lines.push(format!("{}={modules}.plain.PlainLoginModule required{users};", jaas("plain")));
                lines.push(format!("{}={modules}.scram.ScramLoginModule required;", jaas("scram-sha-512")));
            }
        }
        lines.extend(self.properties.iter().map(|(key, value)| format!("{key}={value}")));
        lines.join("\n") + "\n"
    }
}
