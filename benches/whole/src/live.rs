//! A chain that is at work right now, and its punches at a given rate: what alerts are timed with.
//!
//! In: how many people, how many a second.  Out: reference files ([`LiveChain`]), an offered load, the alerts that came
//! of it with the time each took ([`Alerts`]).  Owns: the thread that reads the alerts.
//! Absent on purpose: anything generated with errors in it: one punch in fifty is far from every store, and that is all
//! that is wrong.
//! Invariants: everybody punches once, so that each alert is about one punch, known by its id; the time of an alert is
//! from the broker's append time of that punch to the return of the call that read the alert.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use jiff::{SignedDuration, Timestamp};
use rdkafka::Message;
use serde_json::{Value, json};

use crate::topic::Topic;

/// Of so many punches one is far from every store.
const OUTSIDE_EVERY: u32 = 50;

const STORES: u32 = 2_000;

/// A chain whose shifts begin in 40 minutes: whoever punches now is in time.
#[derive(Clone, Debug)]
pub struct LiveChain {
    /// How many people it has; each punches once.
    pub people: u32,
}

impl LiveChain {
    /// Writes its reference files into `folder`.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn write(folder: &Path, people: u32) -> Self {
        let sites: Vec<Value> = (0..STORES).map(site).collect();
        let sites = json!({"type": "FeatureCollection", "features": sites});
        let start = Timestamp::now() + SignedDuration::from_mins(40);
        let start = Timestamp::from_second(start.as_second()).expect("a second");
        let end = start + SignedDuration::from_hours(8);
        let date = start.to_zoned(jiff::tz::TimeZone::UTC).date();
        let (mut rows, mut shifts) = (String::new(), String::new());
        for n in 0..people {
            let (person, store) = (employee(n), n % STORES);
            let row = json!({"employee_id": person, "org": "hk/a", "home_site": format!("s{store}")});
            let shift = json!({"shift_id": format!("w{n}"), "employee_id": person, "site_id": format!("s{store}"),
                "business_date": date.to_string(), "start": start.to_string(), "end": end.to_string()});
            writeln!(rows, "{row}").expect("memory");
            writeln!(shifts, "{shift}").expect("memory");
        }
        for (name, text) in
            [("sites.geojson", sites.to_string()), ("people.ndjson", rows), ("shifts.ndjson", shifts)]
        {
            fs::write(folder.join(name), text).expect("the disk takes the reference data");
        }
        Self { people }
    }

    /// The configuration of a process `name` that reads `topic` into the lake `lake`.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn config(&self, folder: &Path, name: &str, topic: &Topic, lake: &str) -> std::path::PathBuf {
        let text = format!(
            "[reference]\nsites = \"sites.geojson\"\npeople = \"people.ndjson\"\nshifts = \"shifts.ndjson\"\n\n\
             [lake]\nurl = \"{lake}\"\n\n[alerts]\ntopic = \"{}\"\n\n\
             [source]\nkind = \"kafka\"\nbrokers = \"{}\"\ntopic = \"{}\"\ngroup = \"{}\"\nsession_timeout = \"6 s\"\n",
            alerts_of(topic),
            topic.brokers,
            topic.name,
            topic.name,
        );
        let path = folder.join(format!("{name}.toml"));
        fs::write(&path, text).expect("the disk takes the configuration");
        path
    }

    /// Appends the punches of the first `count` people to `topic`, `rate` a second, calling `meanwhile` every few
    /// milliseconds. Gives the rate that was reached.
    ///
    /// # Panics
    /// If the broker does not take them.
    pub fn offer(&self, topic: &Topic, count: u32, rate: f64, mut meanwhile: impl FnMut(Duration)) -> f64 {
        assert!(count <= self.people, "everybody punches once");
        let now = Timestamp::now().to_string();
        let punches: Vec<(String, String)> = (0..count).map(|n| (employee(n), punch(n, &now))).collect();
        let sender = topic.producer();
        let begun = Instant::now();
        let mut sent = 0;
        while sent < punches.len() {
            let due = ((begun.elapsed().as_secs_f64() * rate) as usize).min(punches.len());
            for (key, value) in &punches[sent..due] {
                sender.send(key, Some(value.as_bytes()));
            }
            sent = due;
            meanwhile(begun.elapsed());
            std::thread::sleep(Duration::from_millis(1));
        }
        sender.flush();
        f64::from(count) / begun.elapsed().as_secs_f64()
    }

    /// How many alerts the punches of the first `count` people cause.
    pub fn outside(&self, count: u32) -> usize {
        count.div_ceil(OUTSIDE_EVERY) as usize
    }
}

/// The topic of the alerts about the punches in `topic`.
fn alerts_of(topic: &Topic) -> String {
    format!("{}-alerts", topic.name)
}

fn employee(n: u32) -> String {
    format!("e{n:07}")
}

fn event_id(n: u32) -> String {
    format!("{n:08x}-7e57-7000-8000-000000000000")
}

/// Stores half a kilometre from each other, with four access points and a beacon each.
fn site(n: u32) -> Value {
    let bssids: Vec<String> = (0..4).map(|radio| bssid(n, radio)).collect();
    let (lon, lat) = place(n);
    json!({"type": "Feature", "geometry": {"type": "Point", "coordinates": [lon, lat]},
        "properties": {"site_id": format!("s{n}"), "name": format!("Store {n}"), "org": "hk/a",
            "time_zone": "Asia/Hong_Kong", "radius_m": 100, "bssids": bssids}})
}

fn place(n: u32) -> (f64, f64) {
    (114.0 + f64::from(n % 50) * 0.005, 22.2 + f64::from(n / 50) * 0.005)
}

fn bssid(store: u32, radio: u32) -> String {
    let [_, high, middle, low] = store.to_be_bytes();
    format!("5c:5b:{high:02x}:{middle:02x}:{low:02x}:{radio:02x}")
}

/// About 420 bytes: a fix, four access points, a beacon.
fn punch(n: u32, now: &str) -> String {
    let is_outside = n.is_multiple_of(OUTSIDE_EVERY);
    let (lon, lat) = place(n % STORES);
    // Far at sea, and four access points that nobody lists.
    let (lat, store) = if is_outside { (lat - 3.0, n | 0x0080_0000) } else { (lat, n % STORES) };
    let scan: Vec<Value> = (0..4)
        .map(|radio| json!({"bssid": bssid(store, radio), "rssi": -50 - radio as i32, "age_ms": 300}))
        .collect();
    let beacon = json!({"uuid": "2f234454-cf6d-4a0f-adf2-f4911ba9ffa6", "major": n % 997, "minor": 7});
    json!({"event_id": event_id(n), "employee_id": employee(n), "kind": "in", "origin": "phone",
        "occurred_at": now, "location": {"lon": lon, "lat": lat, "accuracy_m": 12}, "wifi": scan, "ble": [beacon]})
    .to_string()
}

/// Reads the alerts of one topic in a thread of its own.
#[derive(Debug)]
pub struct Alerts {
    seen: Arc<AtomicUsize>,
    owners: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<HashMap<String, u64>>,
}

impl Alerts {
    /// Begins to read. The topic must exist: some process has made it.
    ///
    /// # Panics
    /// If no thread can be had.
    pub fn watch(topic: &Topic) -> Self {
        let (seen, owners) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let is_over = Arc::new(AtomicBool::new(false));
        let reader = topic.reader(&alerts_of(topic));
        let (count, marks, over) = (Arc::clone(&seen), Arc::clone(&owners), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let mut times = HashMap::new();
            while !over.load(Ordering::Relaxed) {
                // The topic may not be there yet.
                let Some(Ok(message)) = reader.poll(Duration::from_millis(20)) else { continue };
                let at_us = wall_us();
                if message.key().is_some_and(|key| key.starts_with(b"_owner/")) {
                    marks.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let body = message.payload().and_then(|body| serde_json::from_slice::<Value>(body).ok());
                let Some(id) = body.as_ref().and_then(|body| body["event_ids"][0].as_str()) else { continue };
                if times.insert(id.to_owned(), at_us).is_none() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            times
        });
        Self { seen, owners, is_over, thread }
    }

    /// Waits until so many partitions have been claimed, counted over all owners.
    ///
    /// # Panics
    /// If that takes longer than `within`.
    pub fn await_owners(&self, owners: usize, within: Duration) {
        await_count(&self.owners, owners, within)
            .unwrap_or_else(|had| panic!("{had} of {owners} claims were seen"));
    }

    /// Waits until alerts about `count` punches have come, at most `within`; gives how many have.
    pub fn await_alerts(&self, count: usize, within: Duration) -> usize {
        await_count(&self.seen, count, within).map_or_else(|had| had, |()| count)
    }

    /// Ends reading. When each alert came, beside the append time of its punch in `topic`, which holds `records`.
    ///
    /// # Panics
    /// If the reader failed.
    pub fn finish(self, topic: &Topic, records: u64) -> Vec<Told> {
        self.is_over.store(true, Ordering::Relaxed);
        let times = self.thread.join().expect("reading alerts does not fail");
        let mut told = Vec::with_capacity(times.len());
        topic.drain(records, |message| {
            let body = message.payload().expect("a punch");
            // The id is the first value of the first field that is looked for.
            let text = std::str::from_utf8(body).expect("text");
            let id = text.split_once("\"event_id\":\"").map_or("", |(_, rest)| &rest[..36]);
            if let Some(at_us) = times.get(id) {
                let appended_ms = message.timestamp().to_millis().expect("an append time") as u64;
                told.push(Told { appended_ms, took_us: at_us.saturating_sub(appended_ms * 1_000) });
            }
        });
        assert_eq!(told.len(), times.len(), "every alert is about a punch of the topic");
        told
    }
}

/// One alert.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// When the broker took the punch, ms since 1970.
    pub appended_ms: u64,
    /// From then until the alert was read, µs; up to 1 ms too much, since append times are whole milliseconds.
    pub took_us: u64,
}

/// Percentiles of what alerts took, in ms.
///
/// # Panics
/// Never: the histogram takes any time under an hour.
pub fn percentiles(told: impl IntoIterator<Item = Told>) -> Value {
    let mut histogram: Histogram<u64> = Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("bounds");
    for one in told {
        histogram.saturating_record(one.took_us);
    }
    let ms = |us: u64| (us as f64 / 10.0).round() / 100.0;
    json!({
        "alerts": histogram.len(),
        "p50_ms": ms(histogram.value_at_quantile(0.5)),
        "p99_ms": ms(histogram.value_at_quantile(0.99)),
        "p999_ms": ms(histogram.value_at_quantile(0.999)),
        "max_ms": ms(histogram.max()),
    })
}

/// The seconds of a load in which alerts took longer than `limit`: which second, how many alerts, the longest, in ms.
pub fn slow_seconds(told: &[Told], limit: Duration) -> Vec<Value> {
    let Some(begun_ms) = told.iter().map(|one| one.appended_ms).min() else { return Vec::new() };
    let mut slow: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for one in told.iter().filter(|one| u128::from(one.took_us) > limit.as_micros()) {
        let (count, longest_us) = slow.entry((one.appended_ms - begun_ms) / 1_000).or_default();
        (*count, *longest_us) = (*count + 1, one.took_us.max(*longest_us));
    }
    slow.into_iter().map(|(second, (count, longest_us))| json!([second, count, longest_us / 1_000])).collect()
}

/// Now, in µs since 1970: the clock that the broker on this machine stamps with.
///
/// # Panics
/// If the clock stands before 1970.
pub fn wall_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_micros() as u64
}

fn await_count(counter: &AtomicUsize, count: usize, within: Duration) -> Result<(), usize> {
    let begun = Instant::now();
    loop {
        let had = counter.load(Ordering::Relaxed);
        if had >= count {
            return Ok(());
        }
        if begun.elapsed() > within {
            return Err(had);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
