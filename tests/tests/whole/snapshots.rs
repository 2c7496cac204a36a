//! Reference data that changes under a running processor: each punch is judged by one snapshot, as if its indexes had been
//! built for it alone, and its row names that snapshot, which the lake then holds.
//!
//! In: a processor on the embedded log with its HTTP face; sites that change while two senders post punches without a pause.
//! Out: its rows, held against `muster match` over the files as they were at each version.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reference::Sources;
use serde_json::{Value, json};
use tests::program::Program;
use tests::running::{Running, http};

const SITES: usize = 40;
const PEOPLE: usize = 400;
/// The senders wait while so many punches are not judged yet: a backlog would only make the test last.
const BACKLOG_MAX: usize = 500;
const LIMIT: Duration = Duration::from_secs(60);
/// Reasons that take a person's other punches: `muster match` has no history.
const OF_HISTORY: [&str; 3] = ["clock_suspect", "repunch", "unscheduled"];

/// A site as told: where it stands in steps of 50 m, and its access points.
#[derive(Clone)]
struct Store {
    at: (f64, f64),
    bssids: BTreeSet<usize>,
}

fn bssid(number: usize) -> String {
    format!("a4:56:30:00:{:02x}:{:02x}", number / 256, number % 256)
}

/// `steps` of 50 m east and north of the first site.
fn lon_lat((east, north): (f64, f64)) -> (f64, f64) {
    (114.17 + east * 0.000_485, 22.3 + north * 0.000_45)
}

fn collection(stores: &[Store]) -> String {
    let mut text = "{\"type\":\"FeatureCollection\",\"features\":[\n".to_owned();
    for (n, Store { at, bssids }) in stores.iter().enumerate() {
        let (lon, lat) = lon_lat(*at);
        let bssids: Vec<String> = bssids.iter().map(|number| bssid(*number)).collect();
        let feature = json!({"type": "Feature", "geometry": {"type": "Point", "coordinates": [lon, lat]},
            "properties": {"site_id": format!("s{n:02}"), "org": "hk", "time_zone": "UTC", "radius_m": 40, "bssids": bssids}});
        writeln!(text, "{feature}{}", if n + 1 < stores.len() { "," } else { "" }).unwrap();
    }
    text + "]}\n"
}

/// Puts the sites in force as they should be: the whole file at once.
fn put(folder: &Path, text: &str) {
    std::fs::write(folder.join("sites.new"), text).unwrap();
    std::fs::rename(folder.join("sites.new"), folder.join("sites.geojson")).unwrap();
}

fn config(folder: &Path, name: &str, sites: &str) {
    let text = format!(
        "[reference]\nsites = \"{sites}\"\npeople = \"people.ndjson\"\n\n[source]\ndir = \"log\"\npartitions = 2\n\n\
         [lake]\nurl = \"lake\"\ncommit_every_ms = 100\n\n[serve]\naddress = \"127.0.0.1:0\"\n"
    );
    std::fs::write(folder.join(name), text).unwrap();
}

/// Somewhere among the stores, within earshot of some access points.
fn punch(n: usize) -> Value {
    let step = |factor: usize, steps: usize| ((n * factor) % (steps * 100)) as f64 / 100.0;
    let (lon, lat) = lon_lat((step(733, 8), step(419, 5)));
    let heard: Vec<Value> = (0..n % 4).map(|i| json!({"bssid": bssid((n * 31 + i * 7) % 420)})).collect();
    json!({"event_id": format!("p-{n:06}"), "employee_id": format!("e-{:03}", n % PEOPLE), "kind": "auto", "origin": "phone",
        "occurred_at": jiff::Timestamp::now().to_string(),
        "location": {"lon": lon, "lat": lat, "accuracy_m": 5 + n % 30}, "wifi": heard})
}

/// One processor, and what it was sent.
struct Scene {
    folder: tempfile::TempDir,
    running: Running,
    url: String,
    sent: std::sync::Mutex<Vec<Value>>,
    next: AtomicUsize,
}

impl Scene {
    fn start(stores: &[Store]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let people: String = (0..PEOPLE)
            .map(|n| json!({"employee_id": format!("e-{n:03}"), "org": "hk"}).to_string() + "\n")
            .collect();
        std::fs::write(folder.path().join("people.ndjson"), people).unwrap();
        put(folder.path(), &collection(stores));
        config(folder.path(), "m.toml", "sites.geojson");
        let mut running = Running::start(folder.path(), "run", &["run", "-c", "m.toml", "--json"]);
        let url = running.await_said("serving ", LIMIT);
        Self { folder, running, url, sent: Vec::new().into(), next: AtomicUsize::new(0) }
    }

    /// Posts some more punches; they are in the log when this returns.
    fn send(&self) {
        let from = self.next.fetch_add(50, Ordering::Relaxed);
        let punches: Vec<Value> = (from..from + 50).map(punch).collect();
        let (status, answer) =
            http(&self.url, "POST", "/v1/punches", &Value::from(punches.clone()).to_string());
        assert_eq!(status, 200, "{answer}");
        self.sent.lock().unwrap().extend(punches);
    }

    /// How many punches have been judged.
    fn judged(&self) -> usize {
        let metrics = http(&self.url, "GET", "/metrics", "").1;
        let count = metrics.lines().find_map(|line| line.strip_prefix("muster_punches_accepted_total "));
        count.and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// Waits until all that was sent so far has been judged.
    fn await_judged(&self) {
        let (sent, begun) = (self.next.load(Ordering::Relaxed), Instant::now());
        while self.judged() < sent {
            assert!(begun.elapsed() < LIMIT, "{}", self.running.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a counter has come so far.
    fn await_counter(&self, line: &str, count: usize) {
        let begun = Instant::now();
        while !http(&self.url, "GET", "/metrics", "")
            .1
            .lines()
            .any(|found| found == format!("{line} {count}"))
        {
            assert!(begun.elapsed() < LIMIT, "{line} never came to {count}\n{}", self.running.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn rows(&self, statement: &str) -> Vec<Value> {
        let line = ["sql", "--lake", "lake", "--format", "json", statement];
        let ran = Program::new().args(line).in_folder(self.folder.path()).run();
        assert_eq!(ran.code, Some(0), "{}", ran.told());
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The version of these sites, and what a processor that knows no others makes of all punches.
    fn matched(&self, stores: &[Store]) -> (String, BTreeMap<String, Value>) {
        let folder = self.folder.path();
        std::fs::write(folder.join("then.geojson"), collection(stores)).unwrap();
        config(folder, "then.toml", "then.geojson");
        let sent = self.sent.lock().unwrap();
        let punches: String = sent.iter().map(|punch| punch.to_string() + "\n").collect();
        std::fs::write(folder.join("punches.ndjson"), punches).unwrap();
        let sources = Sources {
            sites: vec![folder.join("then.geojson")],
            people: vec![folder.join("people.ndjson")],
            ..Sources::default()
        };
        let version = reference::load(&sources).reference.unwrap().version.to_string();
        let ran = Program::new().args(["match", "-c", "then.toml", "punches.ndjson"]).in_folder(folder).run();
        assert_eq!(ran.code, Some(0), "{}", ran.told());
        let verdicts = ran.stdout.lines().map(|line| {
            let verdict: Value = serde_json::from_str(line).unwrap();
            (verdict["event_id"].as_str().unwrap().to_owned(), verdict)
        });
        (version, verdicts.collect())
    }
}

/// What is compared of a verdict, from either source.
fn told(verdict: &Value) -> Value {
    let reasons = verdict["reasons"].as_array().unwrap().iter();
    let reasons: Vec<&Value> =
        reasons.filter(|reason| !OF_HISTORY.contains(&reason.as_str().unwrap())).collect();
    let centimetres = verdict["distance_m"].as_f64().map(|metres| (metres * 100.0).round());
    json!([
        verdict["place"],
        verdict["site_id"],
        verdict["candidates"],
        verdict["evidence"],
        centimetres,
        reasons
    ])
}

#[test]
fn a_change_under_load_is_judged_as_by_a_fresh_start_and_named_in_every_row() {
    let store = |n: usize| Store {
        at: ((n % 8) as f64, (n / 8) as f64),
        bssids: (n * 8..n * 8 + 8).chain([n * 8 + 12]).collect(),
    };
    let mut stores: Vec<Store> = (0..SITES).map(store).collect();
    let mut scene = Scene::start(&stores);
    let mut states = vec![stores.clone()];
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    match scene.next.load(Ordering::Relaxed) > scene.judged() + BACKLOG_MAX {
                        true => std::thread::sleep(Duration::from_millis(10)),
                        false => scene.send(),
                    }
                }
            });
        }
        scene.send();
        scene.await_judged();
        for change in 0..6 {
            match change {
                // A moved fence; a hundred new access points, some of them listed elsewhere too; and some gone again.
                0 => stores[7].at = (3.4, 2.4),
                1 => stores[11].bssids.extend(300..400),
                2 => drop(stores[11].bssids.split_off(&350)),
                3 => (stores[7].at, stores[20].at) = ((7.0, 0.0), (4.5, 4.5)),
                4 => stores.swap(3, 30),
                _ => {
                    // What cannot be: it is refused, and the old one goes on.
                    put(
                        scene.folder.path(),
                        &collection(&stores).replacen("\"radius_m\":40", "\"radius_m\":-40", 1),
                    );
                    scene.await_counter("muster_reference_swaps_total{outcome=\"refused\"}", 1);
                    scene.send();
                    continue;
                }
            }
            put(scene.folder.path(), &collection(&stores));
            states.push(stores.clone());
            scene.await_counter("muster_reference_swaps_total{outcome=\"accepted\"}", change + 1);
            // In the log behind the swap, so judged by this snapshot or a later one: and none comes before this is judged.
            scene.send();
            scene.await_judged();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    scene.running.terminate();
    assert_eq!(scene.running.await_end(LIMIT), Some(0), "{}", scene.running.log());

    let rows = scene.rows(
        "SELECT event_id, place, site_id, candidates, evidence, distance_m, reasons, reference_version FROM punches",
    );
    assert_eq!(rows.len(), scene.next.load(Ordering::Relaxed));
    let matched: BTreeMap<_, _> = states.iter().map(|stores| scene.matched(stores)).collect();
    assert_eq!(matched.len(), states.len(), "every state has a version of its own");
    let mut judged: BTreeMap<&str, usize> = BTreeMap::new();
    let mut places = BTreeSet::new();
    for row in &rows {
        let version = row["reference_version"].as_str().unwrap();
        let expected = &matched[version][row["event_id"].as_str().unwrap()];
        assert_eq!(told(row), told(expected), "by {version}");
        *judged.entry(version).or_default() += 1;
        places.insert(row["place"].to_string());
    }
    println!("{} punches by {judged:?}", rows.len());
    assert_eq!(judged.len(), states.len(), "every snapshot judged some: {judged:?}");
    assert!(places.len() > 2, "{places:?}");
    let differ = |of: &BTreeMap<String, Value>, by: &BTreeMap<String, Value>| {
        of.iter().filter(|(id, verdict)| told(verdict) != told(&by[*id])).count()
    };
    for pair in states.windows(2) {
        let [(_, before), (_, after)] = [scene.matched(&pair[0]), scene.matched(&pair[1])];
        assert!(differ(&before, &after) > 0, "each change changes a verdict");
    }
    let held: BTreeSet<String> = scene
        .rows("SELECT reference_version FROM snapshots")
        .iter()
        .map(|row| row["reference_version"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        held,
        matched.keys().cloned().collect(),
        "the lake holds every snapshot that judged, and no other"
    );
}
