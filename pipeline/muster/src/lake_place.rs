//! Where a command's lake is, how it is reached, and which folder lies beside it.
//!
//! ```text
//!   a folder         beside it = the folder itself:      alerts.ndjson  dead_letters.ndjson  _muster/…
//!   s3://B/P         beside it = [lake] beside / B / P   the same files; one machine's own, as the log and the outbox are
//! ```
//!
//! In: the configuration, a place named on the command line, the environment.  Out: an open lake, a folder.  Owns: nothing.
//! Why so: these files are appended to and synced record by record, which a store of objects cannot do.

use std::path::{Path, PathBuf};

use lake::{ErrorKind, Lake, LakeOptions, S3Keys, S3Options};

use crate::config::Config;
use crate::failure::Failure;

/// A lake before it is opened.
#[derive(Clone, Debug)]
pub struct LakePlace {
    /// A folder or a URL.
    pub url: String,
    /// How it is written and reached.
    pub options: LakeOptions,
    beside: PathBuf,
}

impl LakePlace {
    /// The place `named` on the command line, else the configured one.
    ///
    /// # Errors
    /// A variable of the environment that the configuration names is not there.
    pub fn of(config: &Config, named: Option<&str>) -> Result<Self, Box<Failure>> {
        let options = LakeOptions {
            target_file_bytes: config.lake.target_file_bytes,
            location_days: config.privacy.location_days,
            sync: config.lake.sync,
            s3: s3_options(config)?,
            ..LakeOptions::default()
        };
        let beside = config.lake.beside.clone().unwrap_or_default();
        Ok(Self { url: named.unwrap_or(&config.lake.url).to_owned(), options, beside })
    }

    /// Opens it for writing.
    ///
    /// # Errors
    /// What the lake says.
    pub async fn open(&self) -> Result<Lake, Box<Failure>> {
        Lake::open(&self.url, self.options.clone()).await.map_err(not_opened)
    }

    /// Opens it for reading.
    ///
    /// # Errors
    /// What the lake says.
    pub async fn open_existing(&self) -> lake::Result<Lake> {
        Lake::open_existing(&self.url, self.options.clone()).await
    }

    /// The folder beside a lake that is none itself; `None` for a folder.
    pub fn remote_beside(&self) -> Option<PathBuf> {
        let within = self.url.strip_prefix("s3://")?;
        Some(
            within
                .split('/')
                .filter(|part| !part.is_empty())
                .fold(self.beside.clone(), |folder, part| folder.join(part)),
        )
    }

    /// The folder of what is no table.
    pub fn beside(&self, lake: &Lake) -> PathBuf {
        let folder = lake.dir().map(Path::to_path_buf).or_else(|| self.remote_beside());
        folder.unwrap_or_else(|| self.beside.clone())
    }
}

fn s3_options(config: &Config) -> Result<S3Options, Box<Failure>> {
    let Some(s3) = &config.lake.s3 else { return Ok(S3Options::default()) };
    let variable = |key: &str, name: &str| {
        std::env::var(name).map_err(|_| {
            let what = format!("[lake.s3] {key} = \"{name}\": the environment has no such variable");
            Box::new(Failure::usage(
                what,
                "set it, or remove the key to take AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ))
        })
    };
    let keys = match (&s3.access_key_env, &s3.secret_key_env) {
        (Some(access), Some(secret)) => Some(S3Keys {
            access_key: variable("access_key_env", access)?,
            secret_key: variable("secret_key_env", secret)?,
        }),
        _ => None,
    };
    Ok(S3Options { keys, ..s3.options() })
}

/// A wrong place is wrong use; a store that is there and refuses is not.
fn not_opened(error: lake::Error) -> Box<Failure> {
    Box::new(match error.kind() {
        ErrorKind::Settings | ErrorKind::NotBuiltYet | ErrorKind::NoLake => {
            Failure::wrong_use(error.to_string())
        }
        _ => Failure::from_outside(error),
    })
}
