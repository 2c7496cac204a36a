//! CSV with a header: one record's cells, and which column holds which field of the contract.
//!
//! In: the header line once, then records, a quoted one perhaps over several lines.  Out: a draft.
//! Owns: the cells of the record at hand, reused.
//! Absent on purpose: the `csv` crate, whose reader wants a file and owns its buffers; `csv-core` splits what is there.

use std::collections::BTreeMap;

use csv_core::ReadRecordResult;
use model::{
    AccessPoint, Batch, Bssid, Datum, EventTime, Fix, Kind, LonLat, Origin, Photo, Platform, RejectCode,
    Trigger,
};

use super::ImportOptions;
use super::draft::{Draft, Fault};
use super::import::{FileTime, push_event_id, push_trimmed};
use super::json_nested::{out_of_range, platform_of};
use super::photo;
use super::time_text;

/// The cells of one record.
#[derive(Debug, Default)]
pub(super) struct Cells {
    text: Vec<u8>,
    /// Where each cell ends in `text`.
    ends: Vec<usize>,
    len: usize,
}

impl Cells {
    /// Cuts one record; line ends behind it are not part of it.
    pub(super) fn split(&mut self, record: &str, delimiter: u8) -> Result<(), Fault> {
        let mut reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        let record = record.trim_end_matches(['\r', '\n']).as_bytes();
        self.len = 0;
        // A torn line must not pass for a whole one: within a well-formed record every quote has its partner.
        if record.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
            return Err(not_csv("a quote is not closed"));
        }
        // Unquoting only shortens, and every cell but the first follows a delimiter: this room is always enough.
        self.text.resize(self.text.len().max(record.len()), 0);
        self.ends.resize(self.ends.len().max(record.len() + 2), 0);
        let (mut input, mut text_len) = (record, 0);
        loop {
            let (result, read, written, ended) =
                reader.read_record(input, &mut self.text[text_len..], &mut self.ends[self.len..]);
            input = &input[read..];
            text_len += written;
            self.len += ended;
            match result {
                ReadRecordResult::Record if input.is_empty() => return Ok(()),
                // An empty input tells the reader that the record has ended.
                ReadRecordResult::InputEmpty => input = &[],
                ReadRecordResult::End if self.len > 0 => return Ok(()),
                ReadRecordResult::End => return Err(not_csv("the record is empty")),
                _ => return Err(not_csv("a line ends outside quotes within the record")),
            }
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The cell at `index`, trimmed.
    pub(super) fn get(&self, index: usize) -> &str {
        let from = if index == 0 { 0 } else { self.ends[index - 1] };
        // The record was UTF-8 and cells are cut at ASCII bytes.
        std::str::from_utf8(&self.text[from..self.ends[index]]).unwrap_or_default().trim()
    }
}

fn not_csv(message: &str) -> Fault {
    Fault::new(RejectCode::NotJson, format!("not the file's format: {message}"))
}

/// The fields that a CSV file may have: all those of the contract that fit into a cell, and `bssids`.
const FIELDS: [&str; 17] = [
    "event_id",
    "employee_id",
    "kind",
    "occurred_at",
    "origin",
    "trigger",
    "device_id",
    "site_id",
    "lon",
    "lat",
    "accuracy_m",
    "datum",
    "mocked",
    "platform",
    "bssids",
    "photo_ref",
    "photo_sha256",
];
/// Fields that may have a column and are not kept.
const SKIPPED: [&str; 4] = ["note", "notice_version", "tz", "photo"];

/// What a file calls the contract's fields: field → column. A field that is not named is called by its own name.
pub type ColumnNames = BTreeMap<String, String>;

/// Why a file's columns cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvHeaderError {
    /// The header line is no UTF-8 or no CSV.
    #[error("read the header line: it is no UTF-8 CSV")]
    NotCsv,
    /// A column of a required field is missing.
    #[error("read the header line: there is no column `{column}` for `{field}`; name it in [import] columns")]
    MissingColumn {
        /// The contract's field.
        field: &'static str,
        /// The column that was looked for.
        column: String,
    },
    /// Two columns have the same name.
    #[error("read the header line: the column `{column}` appears twice")]
    ColumnTwice {
        /// The name.
        column: String,
    },
    /// The configuration names a field that CSV files cannot have.
    #[error(
        "[import] columns names the field `{field}`, which a CSV file cannot have; the fields are {fields}"
    )]
    UnknownField {
        /// The name as written.
        field: String,
        /// All of them.
        fields: String,
    },
}

/// Which column holds which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvColumns {
    delimiter: u8,
    count: usize,
    /// The column of each of [`FIELDS`].
    at: [Option<u16>; FIELDS.len()],
    unknown: u64,
}

impl CsvColumns {
    /// Reads the header line. Cells are separated by the first of tab, `;` or `,` that the header holds (a comma wins
    /// where it holds one).
    pub fn from_header(header: &[u8], names: &ColumnNames) -> Result<Self, CsvHeaderError> {
        if let Some(field) = names.keys().find(|field| !FIELDS.contains(&field.as_str())) {
            return Err(CsvHeaderError::UnknownField { field: field.clone(), fields: FIELDS.join(", ") });
        }
        let header = std::str::from_utf8(header).map_err(|_| CsvHeaderError::NotCsv)?;
        let header = header.strip_prefix('\u{feff}').unwrap_or(header);
        let delimiter =
            [b',', b'\t', b';'].into_iter().find(|byte| header.as_bytes().contains(byte)).unwrap_or(b',');
        let mut cells = Cells::default();
        cells.split(header, delimiter).map_err(|_| CsvHeaderError::NotCsv)?;
        let mut at = [None; FIELDS.len()];
        let mut unknown = 0;
        for column in 0..cells.len() {
            let name = cells.get(column);
            if (0..column).any(|earlier| cells.get(earlier) == name) {
                return Err(CsvHeaderError::ColumnTwice { column: name.to_owned() });
            }
            let is_field = |field: &&str| names.get(*field).map_or(*field, String::as_str) == name;
            match FIELDS.iter().position(is_field) {
                Some(field) => at[field] = Some(u16::try_from(column).map_err(|_| CsvHeaderError::NotCsv)?),
                None => unknown += u64::from(!SKIPPED.contains(&name)),
            }
        }
        for required in [EMPLOYEE_ID, OCCURRED_AT] {
            if at[required].is_none() {
                let field = FIELDS[required];
                let column = names.get(field).map_or(field, String::as_str).to_owned();
                return Err(CsvHeaderError::MissingColumn { field, column });
            }
        }
        Ok(Self { delimiter, count: cells.len(), at, unknown })
    }
}

const EVENT_ID: usize = 0;
const EMPLOYEE_ID: usize = 1;
const KIND: usize = 2;
const OCCURRED_AT: usize = 3;
const ORIGIN: usize = 4;
const TRIGGER: usize = 5;
const DEVICE_ID: usize = 6;
const SITE_ID: usize = 7;
const LON: usize = 8;
const LAT: usize = 9;
const ACCURACY_M: usize = 10;
const DATUM: usize = 11;
const MOCKED: usize = 12;
const PLATFORM: usize = 13;
const BSSIDS: usize = 14;
const PHOTO: [usize; 2] = [15, 16];

/// One record's cells, by field.
struct Record<'a> {
    columns: &'a CsvColumns,
    cells: &'a Cells,
}

impl<'a> Record<'a> {
    /// The cell's text; empty where there is no such column.
    fn get(&self, field: usize) -> &'a str {
        self.columns.at[field].map_or("", |column| self.cells.get(usize::from(column)))
    }

    /// The value a cell names; `None` where it is empty.
    fn named<T>(&self, field: usize, from_name: fn(&str) -> Option<T>) -> Result<Option<T>, Fault> {
        match self.get(field) {
            "" => Ok(None),
            name => from_name(name).map(Some).ok_or_else(|| wrong(field, name)),
        }
    }

    fn number(&self, field: usize, code: RejectCode) -> Result<Option<f64>, Fault> {
        let text = self.get(field);
        if text.is_empty() {
            return Ok(None);
        }
        // Rust's parser also reads `inf` and `nan`, which are no numbers here.
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        // Without the value: coordinates stay out of messages.
        number.map(Some).ok_or_else(|| Fault::new(code, format!("`{}` is no number", FIELDS[field])))
    }
}

fn wrong(field: usize, text: &str) -> Fault {
    let shown: String = text.chars().take(40).collect();
    let message = format!("`{}` is {shown:?}, which it cannot be", FIELDS[field]);
    Fault::new(RejectCode::WrongType, message)
}

pub(super) fn read(
    line: &str,
    columns: &CsvColumns,
    options: &ImportOptions,
    cells: &mut Cells,
    batch: &mut Batch,
    draft: &mut Draft,
) -> Result<(), Fault> {
    cells.split(line, columns.delimiter)?;
    if cells.len() != columns.count {
        let message = format!("{} columns, the header has {}", cells.len(), columns.count);
        return Err(not_csv(&message));
    }
    batch.unknown_fields += columns.unknown;
    let record = Record { columns, cells };
    let person = record.get(EMPLOYEE_ID);
    draft.employee_id = push_trimmed(person, batch);
    draft.event_id = push_trimmed(record.get(EVENT_ID), batch);
    if person.is_empty() {
        return Err(Fault::missing("employee_id"));
    }
    let time = read_time(&record, options)?;
    let kind = record.named(KIND, Kind::from_name)?.unwrap_or(Kind::Auto);
    let device = match record.get(DEVICE_ID) {
        "" => options.device_id.as_str(),
        device => device,
    };
    draft.occurred_at = Some(time.instant);
    draft.kind = Some(kind);
    draft.origin = Some(record.named(ORIGIN, Origin::from_name)?.unwrap_or(Origin::Import));
    draft.trigger = record.named(TRIGGER, Trigger::from_name)?;
    draft.device_id = push_trimmed(device, batch);
    draft.site_claim = push_trimmed(record.get(SITE_ID), batch);
    draft.fix = read_fix(&record)?;
    for text in record.get(BSSIDS).split(';').map(str::trim).filter(|text| !text.is_empty()) {
        match Bssid::parse(text.as_bytes()).filter(|bssid| !bssid.is_placeholder()) {
            Some(bssid) => {
                batch.access_points.push(AccessPoint { bssid, rssi_dbm: None, connected: false, age_ms: 0 });
            }
            None => draft.wifi_ignored = draft.wifi_ignored.saturating_add(1),
        }
    }
    draft.wifi.end = batch.access_points.len() as u32;
    let [reference, sha256] = [0, 1].map(|at| photo::part(at, record.get(PHOTO[at]).as_bytes(), batch));
    draft.photo = Photo { reference, sha256, is_with_vendor: false };
    if draft.event_id.is_empty() {
        draft.event_id = push_event_id(device, person, time, &[kind.name()], batch);
    }
    Ok(())
}

/// RFC 3339 with offset, whole epoch milliseconds, or a wall-clock time of the import's zone.
fn read_time(record: &Record<'_>, options: &ImportOptions) -> Result<FileTime, Fault> {
    let text = record.get(OCCURRED_AT);
    let instant = match text.parse::<i64>() {
        Ok(ms) => Some(EventTime::from_ms(ms)),
        Err(_) => time_text::rfc3339(text),
    };
    match instant {
        Some(instant) if instant.is_possible() => Ok(FileTime::of_instant(instant)),
        Some(_) => {
            let message = format!("`occurred_at` is {text:?}: outside 1970 to 2199");
            Err(Fault::new(RejectCode::TimeImpossible, message))
        }
        None => FileTime::read_local("occurred_at", text, &options.time_zone),
    }
}

fn read_fix(record: &Record<'_>) -> Result<Option<Fix>, Fault> {
    let lon = record.number(LON, RejectCode::BadCoordinates)?;
    let lat = record.number(LAT, RejectCode::BadCoordinates)?;
    let accuracy_m = record.number(ACCURACY_M, RejectCode::WrongType)?;
    let datum = record.named(DATUM, Datum::from_name)?.unwrap_or_default();
    let platform = record.named(PLATFORM, platform_of)?.unwrap_or(Platform::Unknown);
    let mocked = record.named(MOCKED, truth)?.unwrap_or(false);
    match (lon, lat) {
        (None, None) => Ok(None),
        (Some(lon), Some(lat)) => match LonLat::new(lon, lat) {
            Some(point) => Ok(Some(Fix { point, datum, accuracy_m, mocked, platform })),
            None => Err(Fault::new(RejectCode::BadCoordinates, out_of_range(lon, lat))),
        },
        _ => Err(Fault::new(RejectCode::BadCoordinates, "one of `lon` and `lat` is empty")),
    }
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "TRUE" | "True" | "1" => Some(true),
        "false" | "FALSE" | "False" | "0" => Some(false),
        _ => None,
    }
}
