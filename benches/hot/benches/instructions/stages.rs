//! The stages whose instructions are counted, each over records of a fixed seed.
//!
//! In: nothing.  Out: a pass over records, warm.  Owns: its world, records and buffers.
//!
//! | stage | a record is |
//! |---|---|
//! | `decode-json`, `-avro`, `-protobuf` | a phone's punch: a fix, four access points, a beacon (`hot::phone_records`) |
//! | `match-gps` | a punch by GPS alone among 20,000 fences in cities, every fifth a polygon (`hot::Cities`) |
//! | `match-wifi` | the same with four access points, of which its store lists three |
//! | `expect`, `judge` | a punch of a day of 200 stores (`hot::Chain`) as decoded, as located |

use std::sync::Arc;

use hot::{BATCH_RECORDS, Chain, Cities, Judge, Locator, Scale, is_tiny, phone_records};
use matcher::{Scratch, SiteIndex};
use model::{
    AccessPoint, Batch, Bssid, BssidBlock, Due, DueBatch, EventTime, NextOffset, Offset, Partition, Place,
    Reference, Verdicts,
};
use schemas::decode::{SchemaId, WriterSchema};
use schemas::punch::{OccurredAt, PunchLine};
use schemas::{Decoder, Format, ImportOptions, RawRecord};

use crate::lines::{self, AvroStyle};

/// A stage ready to be counted.
pub(crate) struct Stage {
    /// Over how many records one pass goes.
    pub(crate) records: usize,
    /// One pass; counted once.
    pub(crate) pass: Box<dyn FnMut()>,
}

/// Makes a stage's work.
type Make = fn() -> Stage;

/// Every stage by its name.
pub(crate) const STAGES: [(&str, Make); 7] = [
    ("decode-json", decode_json),
    ("decode-avro", decode_avro),
    ("decode-protobuf", decode_protobuf),
    ("match-gps", match_gps),
    ("match-wifi", match_wifi),
    ("expect", expect),
    ("judge", judge),
];

/// A pass that may be made again and again is made once before it is counted, so that its buffers are warm.
fn warmed(records: usize, mut pass: impl FnMut() + 'static) -> Stage {
    pass();
    Stage { records, pass: Box::new(pass) }
}

fn decode(values: Vec<Vec<u8>>, mut decoder: Decoder) -> Stage {
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    warmed(values.len(), move || {
        batch.clear(Partition::new(0), NextOffset::START);
        for (place, value) in values.iter().enumerate() {
            let offset = Offset::new(place as i64).expect("a place is not negative");
            let record = RawRecord { offset, append_time: Some(EventTime::from_us(0)), value: Some(value) };
            decoder.decode(record, &mut batch);
        }
        assert_eq!(batch.punches.len(), values.len(), "{:?}", batch.rejects.first());
    })
}

fn decode_json() -> Stage {
    let json = |line: &PunchLine| serde_json::to_vec(line).expect("a punch has no map");
    let values = phone_records(BATCH_RECORDS).iter().map(json).collect();
    decode(values, Decoder::new(Format::Json, ImportOptions::default()))
}

/// The records with their times as numbers, which the binary formats have.
fn timed() -> Vec<PunchLine> {
    let mut records = phone_records(BATCH_RECORDS);
    for line in &mut records {
        if let OccurredAt::Text(text) = &line.occurred_at {
            let at: jiff::Timestamp = text.parse().expect("the records' times are RFC 3339");
            line.occurred_at = OccurredAt::EpochMs(at.as_millisecond());
        }
    }
    records
}

fn decode_avro() -> Stage {
    const AVRO: &str = include_str!("../../../../schemas/avro/punch.avsc");
    let schema = apache_avro::Schema::parse_str(AVRO).expect("the contract's schema");
    let body = |line: &PunchLine| lines::avro(&schema, line, AvroStyle::Octets, Vec::new());
    let values = timed().iter().map(|line| lines::framed(1, &body(line))).collect();
    let mut decoder = Decoder::new(Format::Framed, ImportOptions::default());
    decoder.add_schema(SchemaId(1), WriterSchema::avro(AVRO).expect("the contract's schema"));
    decode(values, decoder)
}

fn decode_protobuf() -> Stage {
    let pool = lines::proto_pool(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/proto"));
    let framed = |line: &PunchLine| lines::framed(1, &[&[0], &lines::protobuf(&pool, line)[..]].concat());
    let values = timed().iter().map(framed).collect();
    let mut decoder = Decoder::new(Format::Framed, ImportOptions::default());
    decoder.add_schema(SchemaId(1), WriterSchema::protobuf(&[0]));
    decode(values, decoder)
}

fn matched(reference: Arc<Reference>, work: Vec<(Batch, DueBatch)>) -> Stage {
    let sites = SiteIndex::build(&reference);
    let (mut scratch, mut out) = (Scratch::default(), Verdicts::default());
    let records = work.iter().map(|(batch, _)| batch.punches.len()).sum();
    warmed(records, move || {
        let mut inside = 0;
        for (batch, due) in &work {
            sites.match_batch(&reference, batch, due, &mut scratch, &mut out);
            inside += out.rows.iter().filter(|verdict| verdict.place == Place::Inside).count();
        }
        assert!(inside > records / 4, "{inside} of {records} punches are at a store");
    })
}

fn cities() -> (Cities, Vec<(Batch, DueBatch)>) {
    let (fences, batches) = if is_tiny() { (500, 1) } else { (20_000, 4) };
    let mut cities = Cities::make(fences, 5);
    let mut one = || {
        let (mut batch, mut due) = (Batch::new(Partition::new(0), NextOffset::START), DueBatch::default());
        cities.fill(BATCH_RECORDS, &mut batch, &mut due);
        (batch, due)
    };
    let work = (0..batches).map(|_| one()).collect();
    (cities, work)
}

fn match_gps() -> Stage {
    let (cities, work) = cities();
    matched(cities.reference, work)
}

/// The `n`th access point of a site.
fn address(site: usize, n: usize) -> Bssid {
    Bssid::from_bits((0x0c_0000 << 24) | (site * 4 + n) as u64).expect("48 bits")
}

fn match_wifi() -> Stage {
    let (cities, mut work) = cities();
    let mut reference = Reference::clone(&cities.reference);
    for (place, site) in reference.sites.iter_mut().enumerate() {
        let block = |n| BssidBlock::new(address(place, n), 48).expect("a whole address");
        Arc::make_mut(site).bssids = (0..3).map(block).collect();
    }
    for (batch, due) in &mut work {
        let Batch { punches, access_points, .. } = batch;
        for (punch, row) in punches.iter_mut().zip(&due.rows) {
            let from = access_points.len() as u32;
            let seen = |n| AccessPoint { bssid: n, rssi_dbm: Some(-60), connected: false, age_ms: 0 };
            let store = store(row, due);
            access_points.extend((0..4).map(|n| seen(address(store, n))));
            punch.wifi = from..from + 4;
        }
    }
    matched(Arc::new(reference), work)
}

/// Where the person is due; that of a stranger is the first site.
fn store(row: &Due, due: &DueBatch) -> usize {
    let permitted = match &row.permitted {
        model::Permitted::Sites(range) => due.sites.get(range.start as usize),
        model::Permitted::All => None,
    };
    row.scheduled.as_ref().or(permitted).map_or(0, |site| site.0 as usize)
}

/// A day, decoded and located batch by batch.
fn day() -> (Chain, Vec<Locator>) {
    let scale = Scale { stores: 200, employees: 1_000, days_per_week: 6 };
    let chain = Chain::make(Scale::or_tiny(scale));
    let (roster, sites) = (chain.roster(), chain.sites());
    let mut clock = EventTime::from_us(0);
    let mut locate = |records: &Vec<RawRecord<'_>>| {
        let mut locator = Locator::at(clock);
        locator.run(records, &roster, &sites);
        clock = locator.clock();
        locator
    };
    let located = chain.batches().iter().map(&mut locate).collect();
    (chain, located)
}

fn punches(located: &[Locator]) -> usize {
    located.iter().map(|batch| batch.batch.punches.len()).sum()
}

fn expect() -> Stage {
    let (chain, mut located) = day();
    let roster = chain.roster();
    warmed(punches(&located), move || located.iter_mut().for_each(|batch| batch.expect(&roster)))
}

fn judge() -> Stage {
    let (chain, located) = day();
    let mut judge = Judge::new(&chain.roster(), chain.begins());
    let records = punches(&located);
    // A punch is judged once: what was stored would be a repeat, so there is no pass to warm up with.
    let pass = move || {
        for batch in &located {
            judge.take_all(batch);
            judge.cut();
        }
        assert!(judge.stored > 0, "{judge:?}");
    };
    Stage { records, pass: Box::new(pass) }
}
