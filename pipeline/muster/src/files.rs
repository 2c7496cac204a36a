//! Files of punches: which decoder reads which format, and what their failures mean to a person.
//!
//! In: an opened file and the configuration.  Out: a format, a decoder.  Owns: nothing.

use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use model::Vendor;
use schemas::decode::{AttLogStates, CsvColumns};
use schemas::{Decoder, Format, ImportOptions};
use source::{FileFormat, FileSource};

use crate::config::{Config, StateColumn};
use crate::failure::Failure;

/// A format by its name on the command line.
///
/// # Errors
/// Names the formats there are.
pub fn parse_format(name: &str) -> Result<FileFormat, String> {
    let names: Vec<&str> = FileFormat::ALL.iter().map(|format| format.name()).collect();
    FileFormat::from_name(name).ok_or_else(|| format!("one of {}", names.join(", ")))
}

/// Expects a file of punches at `path`.
///
/// # Errors
/// What stands there instead.
pub fn expect_file(path: &Path) -> Result<(), Box<Failure>> {
    let what = match std::fs::metadata(path) {
        Ok(found) if found.is_file() => return Ok(()),
        Ok(found) if found.is_dir() => "it is a folder".to_owned(),
        Ok(_) => "it is no plain file".to_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => "no such file".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Box::new(Failure::usage(format!("{}: {what}", path.display()), "name a file of punches")))
}

/// The file of dead letters in the folder `beside` a lake whose log takes none.
pub fn letters_file(beside: &Path) -> PathBuf {
    beside.join("dead_letters.ndjson")
}

/// Where records that are too large for a dead letter are kept, in the folder `beside` the lake.
pub fn kept_records_dir(beside: &Path) -> PathBuf {
    beside.join("_muster").join("dead_letters")
}

/// A failure of a log or file, as a person reads it: a wrong name is wrong use, a full disk says what to do.
pub fn failure(error: source::Error) -> Box<Failure> {
    let told = disk(&error);
    if told == Some(ErrorKind::NotFound) {
        return Box::new(Failure::usage(error.to_string(), "name a file that is there"));
    }
    if error.kind() == source::ErrorKind::Locked {
        return outside(&error, Some(ONE_PROCESS));
    }
    // A full disk's own text says what to do.
    let is_full = error.kind() == source::ErrorKind::DiskFull;
    outside(&error, told.filter(|_| !is_full).and_then(remedy))
}

/// A failure of the file that alerts are written to.
pub fn outlet_failure(error: &alerts::Error) -> Box<Failure> {
    outside(error, disk(error).and_then(remedy))
}

fn outside(error: &dyn Error, remedy: Option<&str>) -> Box<Failure> {
    Box::new(match remedy {
        Some(remedy) => Failure::outside(error.to_string(), remedy),
        None => Failure::from_outside(error),
    })
}

/// What to do about what the file system says, where that can be known.
const fn remedy(told: ErrorKind) -> Option<&'static str> {
    Some(match told {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            "a file stands where a folder is needed: move it, or name another folder"
        }
        ErrorKind::IsADirectory => "a folder stands where a file is needed: move it, or name a file",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "check its owner and permissions",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => FREE_SPACE,
        _ => return None,
    })
}

/// What to do where another process has the embedded log.
const ONE_PROCESS: &str = "an embedded log is one process's at a time: stop the other, most likely `muster run`, and start it anew afterwards";

/// What the file system said, if it was the file system.
fn disk(error: &dyn Error) -> Option<ErrorKind> {
    type Shared = Arc<dyn Error + Send + Sync>;
    let cause = error.source()?;
    let cause = cause.downcast_ref::<Shared>().map_or(cause, |shared| &**shared);
    cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
}

/// What to do about a full disk.
const FREE_SPACE: &str =
    "the disk is full: free some space and run the same command again: nothing is lost or doubled";

/// How records that do not say everything themselves are read.
///
/// # Errors
/// An unknown time zone.
pub fn import_options(config: &Config) -> Result<ImportOptions, Box<Failure>> {
    let import = &config.import;
    let time_zone = match &import.time_zone {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name).map_err(|_| {
            let what = format!("[import] time_zone = \"{name}\" is no IANA time zone");
            Failure::usage(what, "write a name such as \"Asia/Hong_Kong\"")
        })?,
    };
    let attlog_states = match import.state {
        StateColumn::Stated => AttLogStates::default(),
        StateColumn::Ignored => AttLogStates::Ignored,
    };
    Ok(ImportOptions {
        time_zone,
        device_id: import.device_id.clone().unwrap_or_default(),
        attlog_states,
        record_bytes_max: config.limits.record_bytes_max,
    })
}

/// The decoder for the records of `source`.
///
/// # Errors
/// A CSV header that lacks what a punch needs.
pub fn decoder(source: &FileSource, config: &Config) -> Result<Decoder, Box<Failure>> {
    Ok(Decoder::new(format(source, config)?, import_options(config)?))
}

/// What the bytes of the records of `source` are.
///
/// # Errors
/// A CSV header that lacks what a punch needs.
pub fn format(source: &FileSource, config: &Config) -> Result<Format, Box<Failure>> {
    Ok(match source.format() {
        // A row of an Arrow file is read as it is; no bytes of it come to a decoder.
        FileFormat::Ndjson | FileFormat::Arrow => Format::Json,
        FileFormat::AttLog => Format::AttLog,
        FileFormat::CnTerminal => Format::CnTerminal,
        FileFormat::DingTalk => Format::Vendor(Vendor::DingTalk),
        FileFormat::WeCom => Format::Vendor(Vendor::WeCom),
        FileFormat::Feishu => Format::Vendor(Vendor::Feishu),
        FileFormat::Csv => {
            let Some(header) = source.header() else {
                return Err(Box::new(Failure::usage(
                    format!("{}: the file is empty", source.path().display()),
                    "a CSV file begins with a header that names its columns: write one, or leave the file out",
                )));
            };
            let columns = CsvColumns::from_header(header, &config.import.columns).map_err(|error| {
                let what = format!("{}: {error}", source.path().display());
                Failure::usage(what, "name the columns in [import.columns]: field = \"column\"")
            })?;
            Format::Csv(columns)
        }
    })
}
