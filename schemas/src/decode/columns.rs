//! Punches as Arrow columns, read row by row straight into the batch: the fastest way in, as nothing is parsed.
//!
//! ```text
//! event_id, employee_id, kind, origin     text, required     occurred_at   timestamp with a time zone, or int64 milliseconds
//! trigger, device_id, site_id, tz, note, notice_version      text
//! location   struct {lon, lat: float; accuracy_m: float; datum, platform: text; mocked: bool}
//! wifi       list of struct {bssid: text or six octets; rssi: integer; connected: bool; age_ms: integer}
//! beacons    list of struct {uuid: text or sixteen octets; major, minor, rssi: integer}
//! photo      struct {ref, sha256: text}
//! ```
//!
//! In: an `arrow::RecordBatch`.  Out: [`PunchColumns`], of which a row is a record.  Owns: the columns.
//! Absent on purpose: numbers taken for texts or texts for numbers: a column of another type is told before any row is
//! read. Widths, dictionaries and views are all the same.
//! Why so: outcomes are those of JSON: an absent column is a field that no record has, a null is JSON's null.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray, StringArray,
    StructArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use arrow::record_batch::RecordBatch;
use model::{Batch, Datum, EventTime, Kind, Origin, Text, Trigger};

use super::FIELDS;
use super::draft::{Draft, Fault};
use super::framed::values::{self, Filler, Place, SeenBeacon, Sighting};
use super::json_nested::platform_of;
use crate::punch::{AccessPointLine, BeaconLine, LocationLine, OccurredAt, PhotoLine, PunchLine};

/// Why columns are none of punches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// A column that every punch needs is not there.
    #[error("the column `{0}` is missing")]
    Missing(&'static str),
    /// A column has a type that its field cannot have.
    #[error("the column `{column}` is {found}, expected {expected}")]
    WrongType {
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The bytes are no Arrow IPC.
    #[error("not Arrow IPC: {0}")]
    NotArrow(String),
}

/// Rows of punches.
#[derive(Clone, Debug)]
pub struct PunchColumns {
    rows: usize,
    bytes: usize,
    event_id: Texts,
    employee_id: Texts,
    kind: Texts,
    /// Microseconds.
    occurred_at: Int64Array,
    origin: Texts,
    trigger: Texts,
    device_id: Texts,
    site_id: Texts,
    time_zone: Texts,
    note: Texts,
    notice_version: Texts,
    location: Option<Location>,
    wifi: Option<Wifi>,
    beacons: Option<Beacons>,
    photo: Option<Photo>,
    /// Columns that no version of the contract has.
    unknown: Vec<ArrayRef>,
}

/// A column of texts, if there is one.
#[derive(Clone, Debug)]
struct Texts(Option<StringArray>);

#[derive(Clone, Debug)]
struct Location {
    of: StructArray,
    lon: Option<Float64Array>,
    lat: Option<Float64Array>,
    accuracy_m: Option<Float64Array>,
    datum: Texts,
    mocked: Option<BooleanArray>,
    platform: Texts,
}

#[derive(Clone, Debug)]
struct Wifi {
    of: ListArray,
    items: StructArray,
    bssid: Option<BinaryArray>,
    rssi: Option<Int64Array>,
    connected: Option<BooleanArray>,
    age_ms: Option<Int64Array>,
}

#[derive(Clone, Debug)]
struct Beacons {
    of: ListArray,
    items: StructArray,
    uuid: Option<BinaryArray>,
    major: Option<Int64Array>,
    minor: Option<Int64Array>,
    rssi: Option<Int64Array>,
}

#[derive(Clone, Debug)]
struct Photo {
    of: StructArray,
    reference: Texts,
    sha256: Texts,
}

impl Texts {
    #[inline]
    fn get(&self, row: usize) -> Option<&str> {
        get(self.0.as_ref(), row, |texts, row| texts.value(row))
    }
}

/// A value, `None` where its column is absent or it is null.
#[inline]
fn get<'a, A: Array, T>(
    column: Option<&'a A>,
    row: usize,
    value: impl FnOnce(&'a A, usize) -> T,
) -> Option<T> {
    column.filter(|column| column.is_valid(row)).map(|column| value(column, row))
}

impl PunchColumns {
    /// The columns of `batch` that the contract names, by name, in whatever order.
    ///
    /// # Errors
    /// A required column that is not there; a column of another type.
    pub fn of(batch: &RecordBatch) -> Result<Self, ColumnError> {
        let column = |name: &str| batch.column_by_name(name);
        // A column of nulls has as many rows as it claims, and none that is a punch.
        let is_some = |column: &&ArrayRef| *column.data_type() != DataType::Null;
        let required = |name: &'static str| column(name).filter(is_some).ok_or(ColumnError::Missing(name));
        let text_of = |name: &'static str| texts(name, Some(required(name)?));
        let text = |name: &str| texts(name, column(name));
        let fields = batch.schema_ref().fields().iter().zip(batch.columns());
        let unknown = fields.filter(|(field, _)| !FIELDS.contains(&field.name().as_str()));
        Ok(Self {
            rows: batch.num_rows(),
            bytes: batch.columns().iter().map(bytes_of).sum(),
            event_id: text_of("event_id")?,
            employee_id: text_of("employee_id")?,
            kind: text_of("kind")?,
            occurred_at: instants(required("occurred_at")?)?,
            origin: text_of("origin")?,
            trigger: text("trigger")?,
            device_id: text("device_id")?,
            site_id: text("site_id")?,
            time_zone: text("tz")?,
            note: text("note")?,
            notice_version: text("notice_version")?,
            location: column("location").map(Location::of).transpose()?.flatten(),
            wifi: column("wifi").map(Wifi::of).transpose()?.flatten(),
            beacons: column("beacons").map(Beacons::of).transpose()?.flatten(),
            photo: column("photo").map(Photo::of).transpose()?.flatten(),
            unknown: unknown.map(|(_, column)| Arc::clone(column)).collect(),
        })
    }

    /// The schema that `muster` itself would write; others may be narrower, wider or in another order.
    pub fn schema() -> Fields {
        let field = |name: &str, of: DataType| Field::new(name, of, true);
        let needed = |name: &str, of: DataType| Field::new(name, of, false);
        let list = |of: Vec<Field>| DataType::new_list(DataType::Struct(of.into()), false);
        let (text, int) = (DataType::Utf8, DataType::Int16);
        let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        Fields::from(vec![
            needed("event_id", text.clone()),
            needed("employee_id", text.clone()),
            needed("kind", text.clone()),
            needed("occurred_at", micros),
            needed("origin", text.clone()),
            field("trigger", text.clone()),
            field("device_id", text.clone()),
            field("site_id", text.clone()),
            field(
                "location",
                DataType::Struct(Fields::from(vec![
                    needed("lon", DataType::Float64),
                    needed("lat", DataType::Float64),
                    field("accuracy_m", DataType::Float64),
                    field("datum", text.clone()),
                    field("mocked", DataType::Boolean),
                    field("platform", text.clone()),
                ])),
            ),
            field(
                "wifi",
                list(vec![
                    needed("bssid", DataType::FixedSizeBinary(6)),
                    field("rssi", int.clone()),
                    field("connected", DataType::Boolean),
                    field("age_ms", DataType::UInt32),
                ]),
            ),
            field(
                "beacons",
                list(vec![
                    needed("uuid", DataType::FixedSizeBinary(16)),
                    needed("major", DataType::UInt16),
                    needed("minor", DataType::UInt16),
                    field("rssi", int),
                ]),
            ),
            field(
                "photo",
                DataType::Struct(Fields::from(vec![
                    needed("ref", text.clone()),
                    field("sha256", text.clone()),
                ])),
            ),
            field("note", text.clone()),
            field("notice_version", text.clone()),
            field("tz", text),
        ])
    }

    /// How many rows there are.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes that its columns fill, those of rows that were cut off left out.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reads a row into the draft.
    pub(super) fn read(&self, row: usize, batch: &mut Batch, draft: &mut Draft) -> Result<(), Fault> {
        batch.unknown_fields += self.unknown.iter().filter(|column| column.is_valid(row)).count() as u64;
        let mut filler = Filler::new(batch, draft);
        let text = |filler: &mut Filler<'_>, texts: &Texts| match texts.get(row) {
            None | Some("") => Text::default(),
            Some(text) => filler.batch.push_text(text),
        };
        filler.draft.event_id = text(&mut filler, &self.event_id);
        filler.draft.employee_id = text(&mut filler, &self.employee_id);
        filler.draft.kind = named(&mut filler, "kind", &self.kind, row, Kind::from_name);
        if self.occurred_at.is_valid(row) {
            filler.occurred_at(EventTime::from_us(self.occurred_at.value(row)));
        }
        filler.draft.origin = named(&mut filler, "origin", &self.origin, row, Origin::from_name);
        filler.draft.trigger = named(&mut filler, "trigger", &self.trigger, row, Trigger::from_name);
        filler.draft.device_id = text(&mut filler, &self.device_id);
        filler.draft.site_claim = text(&mut filler, &self.site_id);
        if let Some(location) = self.location.as_ref().filter(|location| location.of.is_valid(row)) {
            location.read(row, &mut filler);
        }
        if let Some(wifi) = self.wifi.as_ref().filter(|wifi| wifi.of.is_valid(row)) {
            items(&wifi.of, row).for_each(|item| wifi.read(item, &mut filler));
        }
        if let Some(beacons) = self.beacons.as_ref().filter(|beacons| beacons.of.is_valid(row)) {
            items(&beacons.of, row).for_each(|item| beacons.read(item, &mut filler));
        }
        if let Some(photo) = self.photo.as_ref().filter(|photo| photo.of.is_valid(row)) {
            for (at, texts) in [&photo.reference, &photo.sha256].into_iter().enumerate() {
                filler.photo_part(at, texts.get(row).unwrap_or_default().as_bytes());
            }
        }
        filler.draft.time_zone = text(&mut filler, &self.time_zone);
        filler.finish()
    }

    /// The row as a record of JSON would say it; what no field of it can say is left out.
    pub fn line(&self, row: usize) -> PunchLine {
        let text = |texts: &Texts| texts.get(row).map(str::to_owned);
        let needed = |texts: &Texts| text(texts).unwrap_or_default();
        let at = get(Some(&self.occurred_at), row, Int64Array::value);
        PunchLine {
            event_id: needed(&self.event_id),
            employee_id: needed(&self.employee_id),
            kind: needed(&self.kind),
            occurred_at: match at {
                None => OccurredAt::Text(String::new()),
                Some(at) if at % 1_000 == 0 || !EventTime::from_us(at).is_possible() => {
                    OccurredAt::EpochMs(at.div_euclid(1_000))
                }
                Some(at) => OccurredAt::Text(crate::lines::utc_text(EventTime::from_us(at))),
            },
            origin: needed(&self.origin),
            trigger: text(&self.trigger),
            device_id: text(&self.device_id),
            site_id: text(&self.site_id),
            location: self.location.as_ref().and_then(|location| location.line(row)),
            wifi: self.wifi.as_ref().map(|wifi| wifi.lines(row)),
            beacons: self.beacons.as_ref().map(|beacons| beacons.lines(row)),
            photo: self.photo.as_ref().and_then(|photo| photo.line(row)),
            note: text(&self.note),
            notice_version: text(&self.notice_version),
            tz: text(&self.time_zone),
        }
    }
}

/// The value that a text names; `None` where it is null or empty, which is as absent.
#[inline]
fn named<T>(
    filler: &mut Filler<'_>,
    field: &str,
    texts: &Texts,
    row: usize,
    from_name: fn(&str) -> Option<T>,
) -> Option<T> {
    let name = texts.get(row).filter(|name| !name.is_empty())?;
    let value = from_name(name);
    if value.is_none() {
        filler.wrong(field, format_args!("{name:?}"), "a name of the contract");
    }
    value
}

/// Columns whose size cannot be told are counted by what they keep alive.
fn bytes_of(column: &ArrayRef) -> usize {
    column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
}

fn items(lists: &ListArray, row: usize) -> std::ops::Range<usize> {
    let offsets = lists.value_offsets();
    // Offsets of a list are not negative and rise.
    offsets[row] as usize..offsets[row + 1] as usize
}

impl Location {
    fn of(column: &ArrayRef) -> Result<Option<Self>, ColumnError> {
        let Some(of) = structs("location", column)? else { return Ok(None) };
        let part = |name: &str| of.column_by_name(name);
        let number = |name: &str| floats(&format!("location.{name}"), part(name));
        Ok(Some(Self {
            lon: number("lon")?,
            lat: number("lat")?,
            accuracy_m: number("accuracy_m")?,
            datum: texts("location.datum", part("datum"))?,
            mocked: booleans("location.mocked", part("mocked"))?,
            platform: texts("location.platform", part("platform"))?,
            of,
        }))
    }

    #[inline]
    fn place(&self, row: usize) -> Place {
        Place {
            lon: get(self.lon.as_ref(), row, Float64Array::value),
            lat: get(self.lat.as_ref(), row, Float64Array::value),
            accuracy_m: get(self.accuracy_m.as_ref(), row, Float64Array::value),
            mocked: get(self.mocked.as_ref(), row, BooleanArray::value).unwrap_or_default(),
            ..Place::default()
        }
    }

    #[inline]
    fn read(&self, row: usize, filler: &mut Filler<'_>) {
        let datum = named(filler, "location.datum", &self.datum, row, Datum::from_name);
        let platform = named(filler, "location.platform", &self.platform, row, platform_of);
        filler.location(&Place {
            datum: datum.unwrap_or_default(),
            platform: platform.unwrap_or_default(),
            ..self.place(row)
        });
    }

    fn line(&self, row: usize) -> Option<LocationLine> {
        let place = self.place(row);
        self.of.is_valid(row).then(|| LocationLine {
            lon: place.lon.unwrap_or(f64::NAN),
            lat: place.lat.unwrap_or(f64::NAN),
            accuracy_m: place.accuracy_m,
            datum: self.datum.get(row).map(str::to_owned),
            mocked: get(self.mocked.as_ref(), row, BooleanArray::value),
            platform: self.platform.get(row).map(str::to_owned),
        })
    }
}

impl Wifi {
    fn of(column: &ArrayRef) -> Result<Option<Self>, ColumnError> {
        let Some((of, items)) = lists("wifi", column)? else { return Ok(None) };
        let part = |name: &str| items.column_by_name(name);
        // An item without any column has no bytes that bound how many there are.
        let bssid = octets("wifi.bssid", part("bssid"))?.ok_or(ColumnError::Missing("wifi.bssid"))?;
        Ok(Some(Self {
            bssid: Some(bssid),
            rssi: integers("wifi.rssi", part("rssi"))?,
            connected: booleans("wifi.connected", part("connected"))?,
            age_ms: integers("wifi.age_ms", part("age_ms"))?,
            of,
            items,
        }))
    }

    #[inline]
    fn read(&self, item: usize, filler: &mut Filler<'_>) {
        let age_ms = get(self.age_ms.as_ref(), item, Int64Array::value).unwrap_or_default();
        // An age below zero is malformed; one beyond seven weeks is as stale as one of seven weeks.
        let Ok(age_ms) = u64::try_from(age_ms) else { return filler.ignore_access_point() };
        if self.items.is_null(item) {
            return filler.ignore_access_point();
        }
        filler.access_point(&Sighting {
            bssid: get(self.bssid.as_ref(), item, BinaryArray::value).and_then(values::bssid),
            rssi_dbm: get(self.rssi.as_ref(), item, Int64Array::value).map(values::rssi),
            connected: get(self.connected.as_ref(), item, BooleanArray::value).unwrap_or_default(),
            age_ms: u32::try_from(age_ms).unwrap_or(u32::MAX),
        });
    }

    fn lines(&self, row: usize) -> Vec<AccessPointLine> {
        let line = |item: usize| AccessPointLine {
            bssid: spelt(get(self.bssid.as_ref(), item, BinaryArray::value), 6),
            rssi: get(self.rssi.as_ref(), item, Int64Array::value).map(values::rssi),
            connected: get(self.connected.as_ref(), item, BooleanArray::value),
            age_ms: get(self.age_ms.as_ref(), item, Int64Array::value)
                .map(|age| u32::try_from(age.max(0)).unwrap_or(u32::MAX)),
        };
        // A negative age makes an access point malformed, and so does no address at all.
        let malformed =
            |item: usize| get(self.age_ms.as_ref(), item, Int64Array::value).is_some_and(|age| age < 0);
        let nothing = || AccessPointLine { bssid: String::new(), rssi: None, connected: None, age_ms: None };
        let of = |item| if malformed(item) || self.items.is_null(item) { nothing() } else { line(item) };
        if self.of.is_valid(row) { items(&self.of, row).map(of).collect() } else { Vec::new() }
    }
}

impl Beacons {
    fn of(column: &ArrayRef) -> Result<Option<Self>, ColumnError> {
        let Some((of, items)) = lists("beacons", column)? else { return Ok(None) };
        let part = |name: &str| items.column_by_name(name);
        let number = |name: &str| integers(&format!("beacons.{name}"), part(name));
        let uuid = octets("beacons.uuid", part("uuid"))?.ok_or(ColumnError::Missing("beacons.uuid"))?;
        Ok(Some(Self {
            uuid: Some(uuid),
            major: number("major")?,
            minor: number("minor")?,
            rssi: number("rssi")?,
            of,
            items,
        }))
    }

    #[inline]
    fn seen(&self, item: usize) -> SeenBeacon {
        let number = |column: &Option<Int64Array>| {
            get(column.as_ref(), item, Int64Array::value).and_then(|value| u16::try_from(value).ok())
        };
        SeenBeacon {
            uuid: get(self.uuid.as_ref(), item, BinaryArray::value)
                .filter(|_| self.items.is_valid(item))
                .and_then(values::uuid),
            major: number(&self.major),
            minor: number(&self.minor),
            rssi_dbm: get(self.rssi.as_ref(), item, Int64Array::value).map(values::rssi),
        }
    }

    #[inline]
    fn read(&self, item: usize, filler: &mut Filler<'_>) {
        filler.beacon(&self.seen(item));
    }

    fn lines(&self, row: usize) -> Vec<BeaconLine> {
        let line = |item: usize| {
            let SeenBeacon { uuid, major, minor, rssi_dbm } = self.seen(item);
            Some(BeaconLine { uuid: format!("{:032x}", uuid?), major: major?, minor: minor?, rssi: rssi_dbm })
        };
        if self.of.is_valid(row) { items(&self.of, row).filter_map(line).collect() } else { Vec::new() }
    }
}

impl Photo {
    fn of(column: &ArrayRef) -> Result<Option<Self>, ColumnError> {
        let Some(of) = structs("photo", column)? else { return Ok(None) };
        let part = |name: &str| of.column_by_name(name);
        let (reference, sha256) = (texts("photo.ref", part("ref"))?, texts("photo.sha256", part("sha256"))?);
        Ok(Some(Self { reference, sha256, of }))
    }

    fn line(&self, row: usize) -> Option<PhotoLine> {
        let text = |texts: &Texts| texts.get(row).unwrap_or_default().to_owned();
        let line = || PhotoLine { reference: text(&self.reference), sha256: text(&self.sha256) };
        self.of.is_valid(row).then(line)
    }
}

/// Octets in hex, or a text as it stands.
fn spelt(bytes: Option<&[u8]>, octets: usize) -> String {
    let bytes = bytes.unwrap_or_default();
    if bytes.len() == octets {
        return bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    }
    String::from_utf8_lossy(bytes).into_owned()
}

/// Columns as the types that rows are read from.
fn cast_to<A: Array + Clone + 'static>(
    name: &str,
    column: Option<&ArrayRef>,
    to: &DataType,
    expected: &'static str,
    fits: fn(&DataType) -> bool,
) -> Result<Option<A>, ColumnError> {
    let Some(column) = column else { return Ok(None) };
    let wrong = || ColumnError::WrongType {
        column: name.to_owned(),
        found: column.data_type().to_string(),
        expected,
    };
    let of = match column.data_type() {
        DataType::Null => return Ok(None),
        DataType::Dictionary(_, of) => of,
        of => of,
    };
    if !fits(of) || unfolded_bytes(column) > UNFOLDED_BYTES_MAX {
        return Err(wrong());
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let cast = cast_with_options(column, to, &options).map_err(|_| wrong())?;
    cast.as_any().downcast_ref::<A>().cloned().map(Some).ok_or_else(wrong)
}

/// Bytes that a column of references to shared texts may unfold to.
const UNFOLDED_BYTES_MAX: usize = 256 << 20;

/// How many bytes of text a column's references name, where several may name the same.
fn unfolded_bytes(column: &ArrayRef) -> usize {
    let of_views = |lengths: &mut dyn Iterator<Item = u32>| lengths.map(|len| len as usize).sum::<usize>();
    if let Some(dictionary) = column.as_any_dictionary_opt() {
        if dictionary.values().is_empty() {
            return 0;
        }
        let Ok(texts) = arrow::compute::cast(dictionary.values(), &DataType::Binary) else { return 0 };
        let Some(texts) = texts.as_any().downcast_ref::<BinaryArray>().cloned() else { return 0 };
        let keys = dictionary.normalized_keys();
        return keys.iter().filter(|key| **key < texts.len()).map(|key| texts.value(*key).len()).sum();
    }
    match column.data_type() {
        DataType::Utf8View => of_views(&mut column.as_string_view().lengths()),
        DataType::BinaryView => of_views(&mut column.as_binary_view().lengths()),
        _ => 0,
    }
}

fn texts(name: &str, column: Option<&ArrayRef>) -> Result<Texts, ColumnError> {
    cast_to(name, column, &DataType::Utf8, "text", is_text).map(Texts)
}

const fn is_text(of: &DataType) -> bool {
    matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn octets(name: &str, column: Option<&ArrayRef>) -> Result<Option<BinaryArray>, ColumnError> {
    let fits = |of: &DataType| {
        use DataType::{Binary, BinaryView, FixedSizeBinary, LargeBinary};
        is_text(of) || matches!(of, Binary | LargeBinary | BinaryView | FixedSizeBinary(1..))
    };
    cast_to(name, column, &DataType::Binary, "text or octets", fits)
}

fn integers(name: &str, column: Option<&ArrayRef>) -> Result<Option<Int64Array>, ColumnError> {
    cast_to(name, column, &DataType::Int64, "an integer", DataType::is_integer)
}

fn floats(name: &str, column: Option<&ArrayRef>) -> Result<Option<Float64Array>, ColumnError> {
    let fits = |of: &DataType| of.is_integer() || of.is_floating();
    cast_to(name, column, &DataType::Float64, "a number", fits)
}

fn booleans(name: &str, column: Option<&ArrayRef>) -> Result<Option<BooleanArray>, ColumnError> {
    cast_to(name, column, &DataType::Boolean, "a boolean", |of| *of == DataType::Boolean)
}

/// Microseconds: of a timestamp with a time zone, or of milliseconds.
fn instants(column: &ArrayRef) -> Result<Int64Array, ColumnError> {
    const EXPECTED: &str = "a timestamp with a time zone, or int64 milliseconds";
    let fits = |of: &DataType| matches!(of, DataType::Timestamp(_, Some(_)) | DataType::Int64);
    let ms = matches!(column.data_type(), DataType::Int64);
    let column = match column.data_type() {
        DataType::Timestamp(_, zone) => {
            let to = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            let options = CastOptions { safe: false, ..CastOptions::default() };
            cast_with_options(column, &to, &options).ok().filter(|_| zone.is_some())
        }
        _ => Some(Arc::clone(column)),
    }
    .ok_or_else(|| ColumnError::WrongType {
        column: "occurred_at".to_owned(),
        found: column.data_type().to_string(),
        expected: EXPECTED,
    })?;
    let values: Option<Int64Array> = cast_to("occurred_at", Some(&column), &DataType::Int64, EXPECTED, fits)?;
    let values = values.unwrap_or_else(|| Int64Array::new_null(column.len()));
    // Milliseconds beyond any time stay beyond it.
    Ok(if ms { values.unary(|ms| ms.saturating_mul(1_000)) } else { values })
}

fn structs(name: &str, column: &ArrayRef) -> Result<Option<StructArray>, ColumnError> {
    if *column.data_type() == DataType::Null {
        return Ok(None);
    }
    let wrong = || ColumnError::WrongType {
        column: name.to_owned(),
        found: column.data_type().to_string(),
        expected: "a struct",
    };
    column.as_any().downcast_ref::<StructArray>().cloned().map(Some).ok_or_else(wrong)
}

fn lists(name: &str, column: &ArrayRef) -> Result<Option<(ListArray, StructArray)>, ColumnError> {
    if *column.data_type() == DataType::Null {
        return Ok(None);
    }
    let wrong = || ColumnError::WrongType {
        column: name.to_owned(),
        found: column.data_type().to_string(),
        expected: "a list of structs",
    };
    let item = match column.data_type() {
        DataType::List(item) | DataType::LargeList(item) => Arc::clone(item),
        _ => return Err(wrong()),
    };
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let cast = cast_with_options(column, &DataType::List(item), &options).map_err(|_| wrong())?;
    let list = cast.as_any().downcast_ref::<ListArray>().cloned().ok_or_else(wrong)?;
    let items = list.values().as_any().downcast_ref::<StructArray>().cloned().ok_or_else(wrong)?;
    Ok(Some((list, items)))
}
