//! The schema registry as the configuration names it, and what is told of it.
//!
//! In: `[source.registry]`; the registry's status.  Out: an open registry, a decoder for the topic's records; metrics and
//! health.  Owns: nothing.

use std::sync::Arc;
use std::time::Duration;

use schemas::{Decoder, Format, ImportOptions};
use serve::metrics::RegistryTotals;
use serve::{Health, Metrics};
use source::registry::{Login, RegistryOptions};
use source::{Registry, RegistryStatus};
use tokio::runtime::Handle;

use crate::config::{Config, RegistryConfig};
use crate::failure::Failure;
use crate::files;

/// The check of `/readyz` about the registry.
pub const CHECK: &str = "registry";

/// Opens the registry, where the configuration names one.
///
/// # Errors
/// A secret that is not set; what the registry's client says of its options.
pub fn open(config: &Config, runtime: &Handle) -> Result<Option<Registry>, Box<Failure>> {
    let Some(registry) = &config.source.registry else { return Ok(None) };
    let options = RegistryOptions {
        url: registry.url.clone(),
        login: login(registry)?,
        ca: registry.ca.clone(),
        timeout: length(registry.timeout.0),
        grace: length(registry.grace.0),
        cache: registry.cache.clone(),
    };
    let opened = Registry::open(options, crate::wall_clock(), runtime.clone());
    opened.map(Some).map_err(|error| match error.kind() {
        source::ErrorKind::InvalidOptions => {
            Box::new(Failure::usage(error.to_string(), "look at [source.registry]"))
        }
        _ => files::failure(error),
    })
}

/// Makes decoders for the topic's records.
pub fn decoders(
    registry: Option<&Registry>,
    import: ImportOptions,
) -> Arc<dyn Fn() -> Decoder + Send + Sync> {
    match registry.map(Registry::book) {
        Some(book) => Arc::new(move || Decoder::with_schemas(import.clone(), book.clone())),
        None => Arc::new(move || Decoder::new(Format::Json, import.clone())),
    }
}

/// Tells metrics and health where the registry stands.
pub fn tell(status: &RegistryStatus, metrics: &Metrics, health: &Health) {
    let RegistryStatus { loaded, answered, failed, waits } = status;
    let waiting = waits.iter().map(|wait| (wait.partition, wait.id.0, wait.since)).collect::<Vec<_>>();
    let totals = RegistryTotals { loaded: *loaded, answered: *answered, failed: *failed };
    metrics.set_registry(totals, &waiting);
    let Some(first) = waits.iter().min_by_key(|wait| wait.since) else {
        return health.pass(CHECK, format!("{loaded} schemas loaded"));
    };
    let others = match waits.len() - 1 {
        0 => String::new(),
        others => format!(", and {others} more partitions wait"),
    };
    let since = schemas::lines::utc_text(first.since);
    health.fail(
        CHECK,
        format!(
            "partition {} waits for schema {} since {since}: {}{others}",
            first.partition, first.id.0, first.why
        ),
    );
}

fn login(registry: &RegistryConfig) -> Result<Login, Box<Failure>> {
    let secret = |key: &str, value: &Option<String>, name: &Option<String>| match (value, name) {
        (Some(value), _) => Ok(Some(value.clone())),
        (None, Some(name)) => std::env::var(name).map(Some).map_err(|_| {
            let what = format!("[source.registry] {key}_env = \"{name}\": no such environment variable");
            Box::new(Failure::usage(what, format!("set {name}, or give {key}")))
        }),
        (None, None) => Ok(None),
    };
    if let Some(token) = secret("token", &registry.token, &registry.token_env)? {
        return Ok(Login::Token(token));
    }
    let password = secret("password", &registry.password, &registry.password_env)?;
    Ok(match (&registry.user, password) {
        (Some(user), Some(password)) => Login::User { user: user.clone(), password },
        _ => Login::None,
    })
}

/// The configuration has refused negative ones.
fn length(length: jiff::SignedDuration) -> Duration {
    Duration::try_from(length).unwrap_or_default()
}
