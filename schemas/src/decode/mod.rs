//! Records into batches: the first step of the hot path. A record becomes exactly one punch or one reject; that of another
//! attendance system may instead be what that system says, and nothing of ours.
//!
//! In: the bytes of one record (JSON, Avro or Protobuf from a log; lines of CSV and of time clocks, elements of vendors'
//! answers from files).  Out: a `Punch` or a `Reject` in a `model::Batch`.  Owns: scratch buffers, reused; the options of
//! one source.
//! Absent on purpose: allocation per well-formed record once the batch and the scratch are warm (only a text with
//! escapes that is kept makes the JSON reader allocate, and a vendor's record), and any judgement: an unknown person, a
//! fix on the moon's side of the earth or a time of next year is still a punch.
//! Invariants: a reject leaves nothing behind in the batch but itself, kept by `Batch::roll_back`; no bytes panic and
//! none overflow the stack, kept by `tests/decode_properties.rs`; nothing is allocated, by `tests/decode_allocation.rs`; the
//! scanner agrees with the general reader, by `tests/scan_agrees.rs`.
//! Why so: fields that decide nothing (`note`, `notice_version`) are not looked at; fields that decide something are
//! strict, because a punch that was half understood is worse for a payroll clerk than a dead letter that says why. JSON
//! is read by a scanner where it looks as expected, by a general reader where it does not; both give the same answer.

mod arrow_ipc;
mod attlog;
mod cn_terminal;
mod columns;
mod csv;
mod cursor;
mod draft;
mod framed;
mod hex;
mod import;
mod json;
mod json_nested;
mod json_shape;
mod photo;
mod scan;
mod scan_radios;
mod time_text;
mod vendor;

pub use arrow_ipc::{ARROW_FILE_MAGIC, ArrowReader, read_arrow};
pub use columns::{ColumnError, PunchColumns};
pub use csv::{ColumnNames, CsvColumns, CsvHeaderError};
pub use framed::{AvroSchemaError, ProtobufSchemaError, SchemaBook, SchemaId, WriterSchema, framed_id};

use jiff::tz::TimeZone;
use model::batch::Mark;
use model::{Batch, EventTime, Kind, Offset, Reject, RejectCode, Vendor};

use draft::Fault;

/// The fields of a punch (contract, section 1). Readers go by the names' places: a new one comes last.
const FIELDS: [&str; 15] = [
    "event_id",
    "employee_id",
    "kind",
    "occurred_at",
    "origin",
    "trigger",
    "device_id",
    "site_id",
    "location",
    "wifi",
    "beacons",
    "photo",
    "note",
    "notice_version",
    "tz",
];

/// How large a record may be, in bytes, unless [`ImportOptions`] say otherwise.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;

/// What the bytes of a source's records are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a record (contract, section 1).
    Json,
    /// Avro, Protobuf or JSON in a schema registry's frame, or JSON without one; the schemas as
    /// [`Decoder::with_schemas`] or [`Decoder::add_schema`] told them.
    Framed,
    /// CSV with a header; the columns as resolved from it.
    Csv(CsvColumns),
    /// The `attlog.dat` of ZKTeco time clocks: person, local time, device, state, verify mode, work code, by tabs.
    AttLog,
    /// The CSV of a Chinese terminal: `登记号码,姓名,出勤时间`; the name is never kept.
    CnTerminal,
    /// One element of another attendance system's answer, or one event it pushed, a JSON object a record. A record may say what the
    /// vendor thinks and be no punch: then it is in [`Batch::vendor_records`] alone.
    Vendor(Vendor),
}

/// What a time clock's state column says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttLogStates {
    /// Each number a kind; 255 (undefined) and an empty column are `auto`, any other number is a reject.
    Mapped(Vec<(u8, Kind)>),
    /// Nothing: the clock's keys are not used, so that every state is 0. All punches are `auto`.
    Ignored,
}

impl Default for AttLogStates {
    /// ZKTeco's: 0 in, 1 out, 2 break out, 3 break in, 4 overtime in, 5 overtime out.
    fn default() -> Self {
        use Kind::{BreakIn, BreakOut, In, Out};
        Self::Mapped(vec![(0, In), (1, Out), (2, BreakOut), (3, BreakIn), (4, In), (5, Out)])
    }
}

/// How records are read that do not say everything themselves.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The zone of times without an offset.
    pub time_zone: TimeZone,
    /// The device of records without a device column; empty = none.
    pub device_id: String,
    /// What a time clock's state column says.
    pub attlog_states: AttLogStates,
    /// How large a record may be, in bytes.
    pub record_bytes_max: usize,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            time_zone: TimeZone::UTC,
            device_id: String::new(),
            attlog_states: AttLogStates::default(),
            record_bytes_max: RECORD_BYTES_MAX,
        }
    }
}

/// One record as its source gives it.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// Its offset.
    pub offset: Offset,
    /// When the log took it; `None` for files, whose punches are then received when they occurred.
    pub append_time: Option<EventTime>,
    /// Its bytes; `None` for a record without a value.
    pub value: Option<&'a [u8]>,
}

/// Decodes the records of one source.
#[derive(Debug)]
pub struct Decoder {
    format: Format,
    options: ImportOptions,
    cells: csv::Cells,
    json: JsonReader,
    schemas: framed::Schemas,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Its punch or its reject is in the batch, or what a vendor says without a punch.
    Taken,
    /// It is framed with a schema's id that nobody has added, and the batch is as it was: add the schema, then decode
    /// the record again.
    UnknownSchema(SchemaId),
}

/// Who reads JSON.
#[derive(Clone, Copy, Debug)]
enum JsonReader {
    /// The scanner, then whoever it leaves the record to.
    ScannerFirst,
    General,
}

impl Decoder {
    /// A decoder for records of `format`.
    pub fn new(format: Format, options: ImportOptions) -> Self {
        Self {
            format,
            options,
            cells: csv::Cells::default(),
            json: JsonReader::ScannerFirst,
            schemas: framed::Schemas::default(),
        }
    }

    /// A decoder of framed records that looks for schemas in `book`, which others fill meanwhile.
    pub fn with_schemas(options: ImportOptions, book: SchemaBook) -> Self {
        Self { schemas: framed::Schemas::of(book), ..Self::new(Format::Framed, options) }
    }

    /// Tells the schema of an id of the registry; for ever, as ids are never given again.
    pub fn add_schema(&mut self, id: SchemaId, schema: WriterSchema) {
        self.schemas.add(id, schema);
    }

    /// A decoder of JSON without the fast way in: slow, and what the fast one is held against.
    pub fn general_json(options: ImportOptions) -> Self {
        Self { json: JsonReader::General, ..Self::new(Format::Json, options) }
    }

    /// Pushes the record's punch, or its reject, or what a vendor says alone, and moves the batch's end behind it if it is not there already; of a
    /// record under an unknown schema nothing of that. Other formats than [`Format::Framed`] know no unknown schemas.
    pub fn decode(&mut self, record: RawRecord<'_>, batch: &mut Batch) -> Decoded {
        let mark = batch.mark();
        let mut draft = draft::Draft::new(batch);
        let outcome = match self.read(record, batch, &mut draft) {
            Ok(()) => draft.push(record, batch),
            Err(Stop::Fault(fault)) => Err(fault),
            Err(Stop::NoPunch) => Ok(()),
            Err(Stop::UnknownSchema(id)) => return Decoded::UnknownSchema(id),
        };
        close(record.offset, outcome, (&draft, mark), batch);
        Decoded::Taken
    }

    /// As [`Decoder::decode`], of a row of columns instead of a record's bytes.
    pub fn decode_row(
        offset: Offset,
        append_time: Option<EventTime>,
        (columns, row): (&PunchColumns, usize),
        batch: &mut Batch,
    ) {
        let mark = batch.mark();
        let mut draft = draft::Draft::new(batch);
        let record = RawRecord { offset, append_time, value: None };
        let outcome = columns.read(row, batch, &mut draft).and_then(|()| draft.push(record, batch));
        close(offset, outcome, (&draft, mark), batch);
    }

    fn read(
        &mut self,
        record: RawRecord<'_>,
        batch: &mut Batch,
        draft: &mut draft::Draft,
    ) -> Result<(), Stop> {
        let Some(mut value) = record.value else {
            return Err(Fault::new(RejectCode::NullValue, "the record has no value").into());
        };
        let max = self.options.record_bytes_max;
        if value.len() > max {
            let message = format!("the record has {} bytes or more, a punch has at most {max}", value.len());
            return Err(Fault::new(RejectCode::TooLarge, message).into());
        }
        if self.format == Format::Framed {
            value = match framed::read(value, &mut self.schemas, batch, draft) {
                framed::Framed::Read(outcome) => return outcome.map_err(Stop::Fault),
                framed::Framed::Unknown(id) => return Err(Stop::UnknownSchema(id)),
                framed::Framed::Json(value) => value,
            };
        }
        let text = simdutf8::basic::from_utf8(value).map_err(|_| not_utf8(value))?;
        // Files begin with a byte order mark where some editors made them.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let outcome = match &self.format {
            Format::Json | Format::Framed => match self.json {
                JsonReader::ScannerFirst => read_json(text, batch, draft),
                JsonReader::General => json::read(text, batch, draft),
            },
            Format::Csv(columns) => csv::read(text, columns, &self.options, &mut self.cells, batch, draft),
            Format::AttLog => attlog::read(text, &self.options, batch, draft),
            Format::CnTerminal => cn_terminal::read(text, &self.options, &mut self.cells, batch, draft),
            Format::Vendor(vendor) => {
                return match vendor::read(*vendor, text, record.offset, &self.options, batch, draft)? {
                    vendor::Read::Punch => Ok(()),
                    vendor::Read::NoPunch => Err(Stop::NoPunch),
                };
            }
        };
        Ok(outcome?)
    }
}

/// Moves the batch's end behind the record; of a fault it leaves nothing but the reject.
fn close(
    offset: Offset,
    outcome: Result<(), Fault>,
    (draft, mark): (&draft::Draft, Mark),
    batch: &mut Batch,
) {
    batch.next = batch.next.max(offset.next());
    let Err(fault) = outcome else { return };
    // Text of the draft is read before the batch forgets it.
    let id = |text| Some(batch.text(text)).filter(|id| !id.is_empty()).map(str::to_owned);
    let (employee_id, event_id) = (id(draft.employee_id), id(draft.event_id));
    batch.roll_back(mark);
    batch.rejects.push(Reject {
        offset,
        until: offset.next(),
        code: fault.code,
        message: fault.message,
        employee_id,
        event_id,
    });
}

/// Why reading a record stopped before its punch was complete.
enum Stop {
    Fault(Fault),
    /// It has none: what the vendor says of it is in the batch.
    NoPunch,
    UnknownSchema(SchemaId),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

fn not_utf8(value: &[u8]) -> Fault {
    let valid = std::str::from_utf8(value).map_or_else(|error| error.valid_up_to(), str::len);
    Fault::new(RejectCode::NotUtf8, format!("byte {valid} is not UTF-8"))
}

/// Reads by the scanner; what it does not recognise at once, from the beginning by the general reader.
fn read_json(text: &str, batch: &mut Batch, draft: &mut draft::Draft) -> Result<(), Fault> {
    let (mark, unknown_fields) = (batch.mark(), batch.unknown_fields);
    for scan in [scan::read::<false>, scan::read::<true>] {
        if scan(text, batch, draft).is_some() {
            return Ok(());
        }
        batch.roll_back(mark);
        batch.unknown_fields = unknown_fields;
        *draft = draft::Draft::new(batch);
    }
    json::read(text, batch, draft)
}

#[cfg(test)]
mod tests;
