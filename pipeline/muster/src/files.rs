//! Files of punches: which decoder reads which format, and what their failures mean to a person.
//!
//! In: an opened file and the configuration.  Out: a format, a decoder.  Owns: nothing.

use jiff::tz::TimeZone;
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

/// A failure of a log or file, as a person reads it.
pub fn failure(error: source::Error) -> Box<Failure> {
    Box::new(Failure::from_outside(error))
}

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
        FileFormat::Ndjson => Format::Json,
        FileFormat::AttLog => Format::AttLog,
        FileFormat::CnTerminal => Format::CnTerminal,
        FileFormat::Csv => {
            let header = source.header().unwrap_or_default();
            let columns = CsvColumns::from_header(header, &config.import.columns).map_err(|error| {
                let what = format!("{}: {error}", source.path().display());
                Failure::usage(what, "name the columns in [import.columns]: field = \"column\"")
            })?;
            Format::Csv(columns)
        }
    })
}
