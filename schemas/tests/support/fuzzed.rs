//! What any bytes must keep, one function a decoder: the fuzz targets of `tests/fuzz` and the test `fuzz_corpus` call the
//! same ones. Each holds our reader against another: the general reader of JSON, `apache-avro`, `prost-reflect`.

use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use model::{Batch, EventTime, NextOffset, Offset, Partition};
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage as _, Value as Proto};
use schemas::decode::{ColumnNames, CsvColumns, SchemaId, WriterSchema, read_arrow};
use schemas::punch::{AccessPointLine, BeaconLine, LocationLine, OccurredAt, PhotoLine, PunchLine};
use schemas::{Decoder, Format, ImportOptions};

use crate::seen::{decode_all, seen};

/// One of the decoders.
pub(crate) type Target = fn(&[u8]);

/// All of them by the names of their corpora.
pub(crate) const TARGETS: [(&str, Target); 6] = [
    ("json", json),
    ("radios", radios),
    ("avro", avro),
    ("protobuf", protobuf),
    ("arrow", arrow),
    ("csv", csv),
];

const PUNCH: &str = include_str!("../../avro/punch.avsc");
/// From the folder of whoever includes this: `schemas` or `tests/fuzz`.
const PROTO_DIRS: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/proto"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/proto"),
];
const CSV_HEADER: &[u8] = b"event_id,employee_id,kind,occurred_at,lon,lat,bssids";

fn batch_of(decoder: &mut Decoder, values: &[&[u8]]) -> Batch {
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    decode_all(decoder, values, &mut batch);
    assert_eq!(batch.records(), values.len(), "a record is one punch or one reject");
    if batch.punches.is_empty() {
        assert!(batch.access_points.is_empty() && batch.beacons.is_empty(), "a reject leaves nothing behind");
    }
    batch
}

/// The punches of a batch, without counts of unknown fields.
fn punches(mut batch: Batch) -> Vec<String> {
    batch.unknown_fields = 0;
    seen(&batch)
}

fn general() -> Decoder {
    Decoder::general_json(ImportOptions::default())
}

fn as_json(line: &PunchLine) -> Batch {
    batch_of(&mut general(), &[&serde_json::to_vec(line).unwrap()])
}

/// JSON: the scanner and the general reader make the same of it.
pub(crate) fn json(value: &[u8]) {
    let mut scanner = Decoder::new(Format::Json, ImportOptions::default());
    assert_eq!(seen(&batch_of(&mut scanner, &[value])), seen(&batch_of(&mut general(), &[value])));
}

/// JSON within the lists of access points and beacons of a punch that is whole otherwise.
pub(crate) fn radios(value: &[u8]) {
    const HEAD: &[u8] =
        br#"{"event_id":"a","employee_id":"E","kind":"in","occurred_at":1,"origin":"phone","wifi":"#;
    let (wifi, beacons) = value.split_at(value.iter().position(|byte| *byte == b'|').unwrap_or(value.len()));
    let beacons = beacons.strip_prefix(b"|").unwrap_or(b"[]");
    json(&[HEAD, wifi, b",\"beacons\":", beacons, b"}"].concat());
}

/// An Avro datum of our schema: what `apache-avro` reads, we read the same.
pub(crate) fn avro(value: &[u8]) {
    thread_local! {
        static SCHEMA: Schema = {
            // It makes room for as many items as an array claims.
            apache_avro::util::max_allocation_bytes(1 << 16);
            Schema::parse_str(PUNCH).unwrap()
        };
    }
    let mut decoder = Decoder::new(Format::Framed, ImportOptions::default());
    decoder.add_schema(SchemaId(0), WriterSchema::avro(PUNCH).unwrap());
    let ours = batch_of(&mut decoder, &[&[&[0; 5], value].concat()]);
    // What breaks off is null or empty there, whatever the schema says: with more behind it, it reads too far.
    let padded = [value, &[0; 64]].concat();
    let mut rest = &padded[..];
    let Ok(theirs) = SCHEMA.with(|schema| apache_avro::from_avro_datum(schema, &mut rest, None)) else {
        return;
    };
    let Some(line) = (rest.len() == 64).then(|| of_avro(&theirs)).flatten() else { return };
    compare(ours, &line);
}

/// A Protobuf message of ours: what `prost-reflect` reads, we read the same.
pub(crate) fn protobuf(value: &[u8]) {
    thread_local! {
        static POOL: DescriptorPool = {
            let is_there = |dir: &&str| std::path::Path::new(dir).is_dir();
            crate::lines::proto_pool(PROTO_DIRS.into_iter().find(is_there).unwrap())
        };
    }
    let mut decoder = Decoder::new(Format::Framed, ImportOptions::default());
    decoder.add_schema(SchemaId(0), WriterSchema::protobuf(&[0]));
    let ours = batch_of(&mut decoder, &[&[&[0; 6], value].concat()]);
    let descriptor = POOL.with(|pool| pool.get_message_by_name("muster.v1.Punch").unwrap());
    let Ok(theirs) = DynamicMessage::decode(descriptor, value) else { return };
    let Some(line) = of_proto(&theirs) else { return };
    // Of a field said twice the last holds, and theirs forgets the first; ours refuses a first that cannot be, too.
    let says_twice = theirs.encode_to_vec().len() < value.len();
    if says_twice && ours.punches.is_empty() {
        return;
    }
    compare(ours, &line);
}

/// A punch by another reader: the same as by JSON, and a reject only where JSON has one.
fn compare(ours: Batch, line: &PunchLine) {
    let json = as_json(line);
    if json.punches.is_empty() || ours.punches.is_empty() {
        assert_eq!(
            json.punches.len(),
            ours.punches.len(),
            "{line:?}\n{:?}\n{:?}",
            json.rejects,
            ours.rejects
        );
        return;
    }
    assert_eq!(punches(ours), punches(json), "{line:?}");
}

/// Arrow IPC: a row goes to JSON and comes back the same.
pub(crate) fn arrow(value: &[u8]) {
    let Ok(batches) = read_arrow(value.to_vec()) else { return };
    for columns in &batches {
        for row in 0..columns.rows().min(1_000) {
            let mut batch = Batch::new(Partition::new(0), NextOffset::START);
            let offset = Offset::new(0).unwrap();
            Decoder::decode_row(offset, Some(EventTime::from_us(1)), (columns, row), &mut batch);
            assert_eq!(batch.records(), 1);
            if !batch.punches.is_empty() {
                assert_eq!(punches(batch), punches(as_json(&columns.line(row))));
            }
        }
    }
}

/// A record of CSV: what it is does not depend on those before it.
pub(crate) fn csv(value: &[u8]) {
    let columns = CsvColumns::from_header(CSV_HEADER, &ColumnNames::new()).unwrap();
    let decoder = || Decoder::new(Format::Csv(columns.clone()), ImportOptions::default());
    let whole: &[u8] =
        b"1,\"E,1\",in,2026-11-22T08:58:31+08:00,114.1,22.3,a4:56:30:0b:9c:ff;a4:56:30:0b:9c:fe";
    let both = batch_of(&mut decoder(), &[whole, value]);
    let alone = batch_of(&mut decoder(), &[value]);
    assert_eq!((both.punches.len(), both.rejects.len()), (1 + alone.punches.len(), alone.rejects.len()));
    if let (Some(first), Some(second)) = (alone.punches.first(), both.punches.get(1)) {
        let texts = |batch: &Batch, punch: &model::Punch| {
            let radios = format!("{:?} {}", batch.wifi(punch), punch.wifi_ignored);
            let place = punch.fix.map(|fix| (fix.point.lon().to_bits(), fix.point.lat().to_bits()));
            let texts = [punch.event_id, punch.employee_id].map(|text| batch.text(text).to_owned());
            (texts, punch.kind, punch.occurred_at, place, radios)
        };
        assert_eq!(texts(&alone, first), texts(&both, second));
    }
    let messages = |batch: &Batch| batch.rejects.first().map(|reject| (reject.code, reject.message.clone()));
    assert_eq!(messages(&alone), messages(&both));
}

/// A time of JSON, if it is one that the contract may name; others are `time_impossible` in every format.
fn finite(location: &LocationLine) -> bool {
    location.lon.is_finite() && location.lat.is_finite() && location.accuracy_m.is_none_or(f64::is_finite)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn field<'a>(record: &'a Avro, name: &str) -> Option<&'a Avro> {
    let Avro::Record(fields) = record else { return None };
    let value = fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)?;
    match value {
        Avro::Union(_, inner) if **inner == Avro::Null => None,
        Avro::Union(_, inner) => Some(inner),
        Avro::Null => None,
        value => Some(value),
    }
}

fn avro_text(record: &Avro, name: &str) -> Option<String> {
    match field(record, name)? {
        Avro::String(text) | Avro::Enum(_, text) => Some(text.clone()),
        _ => None,
    }
}

fn avro_rssi(record: &Avro) -> Option<i16> {
    match field(record, "rssi")? {
        Avro::Int(rssi) => Some((*rssi).clamp(i16::MIN.into(), i16::MAX.into()) as i16),
        _ => None,
    }
}

fn avro_number(record: &Avro, name: &str) -> Option<f64> {
    match field(record, name)? {
        Avro::Double(number) => Some(*number),
        _ => None,
    }
}

fn avro_items<'a>(record: &'a Avro, name: &str) -> &'a [Avro] {
    match field(record, name) {
        Some(Avro::Array(items)) => items,
        _ => &[],
    }
}

/// The datum as a line; `None` where JSON could not say it.
fn of_avro(punch: &Avro) -> Option<PunchLine> {
    let location = match field(punch, "location") {
        None => None,
        Some(place) => Some(LocationLine {
            lon: avro_number(place, "lon")?,
            lat: avro_number(place, "lat")?,
            accuracy_m: avro_number(place, "accuracy_m"),
            datum: avro_text(place, "datum"),
            mocked: field(place, "mocked").map(|mocked| *mocked == Avro::Boolean(true)),
            platform: avro_text(place, "platform"),
        }),
    };
    let octets = |record: &Avro, name| match field(record, name) {
        Some(Avro::Fixed(_, octets) | Avro::Bytes(octets)) => hex(octets),
        _ => String::new(),
    };
    let mut wifi = Vec::new();
    for point in avro_items(punch, "wifi") {
        let Some(Avro::Long(age_ms)) = field(point, "age_ms") else { return None };
        wifi.push(AccessPointLine {
            bssid: octets(point, "bssid"),
            rssi: avro_rssi(point),
            connected: field(point, "connected").map(|connected| *connected == Avro::Boolean(true)),
            // A negative age is malformed, and the contract's line cannot say it.
            age_ms: Some(u32::try_from(u64::try_from(*age_ms).ok()?).unwrap_or(u32::MAX)),
        });
    }
    let mut beacons = Vec::new();
    for beacon in avro_items(punch, "beacons") {
        let number = |name| match field(beacon, name) {
            Some(Avro::Int(number)) => u16::try_from(*number).ok(),
            _ => None,
        };
        // A number out of range is malformed, and passed over.
        if let (Some(major), Some(minor)) = (number("major"), number("minor")) {
            beacons.push(BeaconLine { uuid: octets(beacon, "uuid"), major, minor, rssi: avro_rssi(beacon) });
        }
    }
    let photo = field(punch, "photo").map(|photo| PhotoLine {
        reference: avro_text(photo, "ref").unwrap_or_default(),
        sha256: avro_text(photo, "sha256").unwrap_or_default(),
    });
    let Some(Avro::TimestampMillis(at)) = field(punch, "occurred_at") else { return None };
    let needed = |name| avro_text(punch, name).unwrap_or_default();
    location.as_ref().is_none_or(finite).then(|| PunchLine {
        event_id: needed("event_id"),
        employee_id: needed("employee_id"),
        kind: needed("kind"),
        occurred_at: OccurredAt::EpochMs(*at),
        origin: needed("origin"),
        trigger: avro_text(punch, "trigger"),
        device_id: avro_text(punch, "device_id"),
        site_id: avro_text(punch, "site_id"),
        location,
        wifi: Some(wifi),
        beacons: Some(beacons),
        photo,
        note: None,
        notice_version: None,
        tz: avro_text(punch, "tz"),
    })
}

fn proto_text(message: &DynamicMessage, name: &str) -> String {
    message.get_field_by_name(name).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The contract's name of an enum's number; outer `None` where there is none, as 0 or an unknown one.
fn proto_name(message: &DynamicMessage, name: &str) -> Result<Option<String>, ()> {
    let field = message.descriptor().get_field_by_name(name).unwrap();
    let number = message.get_field(&field).as_enum_number().unwrap_or_default();
    let of = field.kind();
    let of = of.as_enum().unwrap();
    let value = of.get_value(number).ok_or(())?;
    let short = value.name().split_once('_').unwrap().1.to_lowercase();
    Ok(Some(short).filter(|short| short != "unspecified"))
}

fn proto_set<T>(message: &DynamicMessage, name: &str, of: fn(&Proto) -> Option<T>) -> Option<T> {
    let is_set = message.has_field_by_name(name);
    message.get_field_by_name(name).filter(|_| is_set).and_then(|value| of(&value))
}

fn proto_rssi(message: &DynamicMessage) -> Option<i16> {
    let rssi = proto_set(message, "rssi", Proto::as_i32)?;
    Some(rssi.clamp(i16::MIN.into(), i16::MAX.into()) as i16)
}

fn proto_items(message: &DynamicMessage, name: &str) -> Vec<DynamicMessage> {
    let list = message.get_field_by_name(name).unwrap();
    list.as_list().unwrap().iter().filter_map(|item| item.as_message().cloned()).collect()
}

/// Octets in hex; a text as it stands.
fn proto_octets(message: &DynamicMessage, name: &str, len: usize) -> String {
    let value = message.get_field_by_name(name).unwrap();
    let bytes = value.as_bytes().unwrap();
    if bytes.len() == len { hex(bytes) } else { String::from_utf8_lossy(bytes).into_owned() }
}

/// The message as a line; `None` where JSON could not say it.
fn of_proto(punch: &DynamicMessage) -> Option<PunchLine> {
    let location = match punch.has_field_by_name("location") {
        false => None,
        true => {
            let value = punch.get_field_by_name("location").unwrap();
            let place = value.as_message().unwrap();
            Some(LocationLine {
                lon: proto_set(place, "lon", Proto::as_f64)?,
                lat: proto_set(place, "lat", Proto::as_f64)?,
                accuracy_m: proto_set(place, "accuracy_m", Proto::as_f64),
                datum: proto_name(place, "datum").ok()?,
                mocked: Some(place.get_field_by_name("mocked").unwrap().as_bool().unwrap()),
                platform: proto_name(place, "platform").ok()?,
            })
        }
    };
    let number = |message: &DynamicMessage, name| message.get_field_by_name(name).unwrap().as_u32().unwrap();
    let points = proto_items(punch, "wifi");
    let wifi = points.iter().map(|point| AccessPointLine {
        bssid: proto_octets(point, "bssid", 6),
        rssi: proto_rssi(point),
        connected: Some(point.get_field_by_name("connected").unwrap().as_bool().unwrap()),
        age_ms: Some(number(point, "age_ms")),
    });
    let beacons = proto_items(punch, "beacons");
    let beacons = beacons.iter().filter_map(|beacon| {
        Some(BeaconLine {
            uuid: proto_octets(beacon, "uuid", 16),
            major: u16::try_from(number(beacon, "major")).ok()?,
            minor: u16::try_from(number(beacon, "minor")).ok()?,
            rssi: proto_rssi(beacon),
        })
    });
    let photo = punch.get_field_by_name("photo").filter(|_| punch.has_field_by_name("photo"));
    let photo = photo
        .as_ref()
        .and_then(|value| value.as_message())
        .map(|photo| PhotoLine { reference: proto_text(photo, "ref"), sha256: proto_text(photo, "sha256") });
    let at = proto_set(punch, "occurred_at", Proto::as_i64)?;
    let text = |name| Some(proto_text(punch, name)).filter(|text| !text.is_empty());
    location.as_ref().is_none_or(finite).then_some(())?;
    Some(PunchLine {
        event_id: proto_text(punch, "event_id"),
        employee_id: proto_text(punch, "employee_id"),
        kind: proto_name(punch, "kind").ok()?.unwrap_or_default(),
        occurred_at: OccurredAt::EpochMs(at),
        origin: proto_name(punch, "origin").ok()?.unwrap_or_default(),
        trigger: proto_name(punch, "trigger").ok()?,
        device_id: text("device_id"),
        site_id: text("site_id"),
        location,
        wifi: Some(wifi.collect()),
        beacons: Some(beacons.collect()),
        photo,
        note: None,
        notice_version: None,
        tz: text("tz"),
    })
}
