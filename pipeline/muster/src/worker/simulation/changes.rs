//! Reference data of a simulated world, and how it changes while punches come: a shift goes to somebody on another partition, a
//! person to another store and another hour, requests are approved; and some of that is taken back.
//!
//! In: dice of its own.  Out: snapshots, each with the instant from which on nobody works by the one before.  Owns: how many of them
//! are in their files by now.
//! Invariants: files change by the wall, which the log's append times follow. A process may work by any snapshot that is in its
//! files; who reads what was appended an hour of grace behind a change has seen it. Changes lie within the days that are judged
//! again, so that in the end what holds is what the last snapshot alone would have made of the log.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, LazyLock};

use model::{EventTime, Reference};
use serde_json::{Value, json};

use super::dice::Dice;
use super::outside::note;
use super::world::{DAY_MIN, DAYS, at, people};
use crate::worker::world::World;

/// Of so many seeds one has the same reference data all the time.
const UNCHANGED_EVERY: u64 = 4;

/// Changes of one seed at most, and their first and last minute: what they are about lies at most three and a half days before.
const CHANGES_MAX: u64 = 3;
const FIRST_MIN: i64 = DAY_MIN * 3 / 2;
const LAST_MIN: i64 = DAY_MIN * 9 / 2;

/// So long behind a change a process may not have looked at its files yet, in minutes of the log: they lag.
const GRACE_MIN: i64 = 8 * 60;

/// Once in so many looks a file is changed, and a change is seen.
const PUT_EVERY: u64 = 60;
const SEEN_EVERY: u64 = 3;

/// What may differ from the first snapshot, as bits.
const SWAPPED: usize = 1;
const MOVED: usize = 2;
const APPROVED: usize = 4;

/// Every snapshot there may be, by what differs in it.
static WORLDS: LazyLock<Vec<Arc<World>>> =
    LazyLock::new(|| (0..8).map(|differs| Arc::new(World::new(reference(differs)))).collect());

/// The first snapshot: everybody's shifts, from nine to six at one store.
pub(super) fn first_world() -> Arc<World> {
    Arc::clone(&WORLDS[0])
}

/// The snapshots of one seed.
pub(super) struct Changes {
    dice: RefCell<Dice>,
    /// Each with the instant at which it is in its files at the latest.
    snapshots: Vec<(EventTime, usize)>,
    /// The last one that is in its files.
    put: Cell<usize>,
}

impl Changes {
    /// Those of a seed.
    pub(super) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(!seed);
        let mut snapshots = vec![(at(0, 0), 0)];
        if !seed.is_multiple_of(UNCHANGED_EVERY) {
            let count = 1 + dice.below(CHANGES_MAX);
            let mut times: Vec<i64> =
                (0..count).map(|_| dice.below((LAST_MIN - FIRST_MIN) as u64) as i64).collect();
            times.sort_unstable();
            let mut differs = 0;
            for minute in times {
                differs ^= 1 << dice.below(3);
                snapshots.push((at(0, FIRST_MIN + minute), differs));
            }
        }
        Self { dice: RefCell::new(dice), snapshots, put: Cell::new(0) }
    }

    /// The last one of a seed, from the beginning.
    pub(super) fn foreseen(seed: u64) -> Self {
        let Self { dice, mut snapshots, put } = Self::of(seed);
        snapshots.drain(..snapshots.len() - 1);
        Self { dice, snapshots, put }
    }

    /// What is in the files now.
    pub(super) const fn now(&self) -> usize {
        self.put.get()
    }

    /// What a process that works by the snapshot `seen` works by after a look at its files.
    pub(super) fn look(&self, seen: usize) -> usize {
        let mut dice = self.dice.borrow_mut();
        if self.put.get() + 1 < self.snapshots.len() && dice.once_in(PUT_EVERY) {
            self.put.set(self.put.get() + 1);
            note(|| format!("snapshot {} is put", self.put.get()));
        }
        if seen < self.put.get() && dice.once_in(SEEN_EVERY) { seen + 1 } else { seen }
    }

    /// What whoever works by `seen` works by when it reads what was appended at `clock`.
    pub(super) fn by(&self, clock: EventTime, seen: usize) -> usize {
        let is_known = |(at, _): &&(EventTime, usize)| at.plus_min(GRACE_MIN) < clock;
        let known = self.snapshots.iter().skip(1).take_while(is_known).count();
        self.put.set(self.put.get().max(known));
        known.max(seen)
    }

    /// One of them.
    pub(super) fn world(&self, snapshot: usize) -> Arc<World> {
        Arc::clone(&WORLDS[self.snapshots[snapshot].1])
    }

    /// The last one.
    pub(super) fn last(&self) -> usize {
        self.snapshots.len() - 1
    }
}

/// A snapshot.
fn reference(differs: usize) -> Arc<Reference> {
    let has = |change: usize| differs & change != 0;
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        vec![path]
    };
    let lines = |rows: Vec<Value>| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
    let site = |id: &str, org: &str, lon: f64| {
        json!({"type": "Feature", "geometry": {"type": "Point", "coordinates": [lon, 22.3]},
            "properties": {"site_id": id, "name": id, "org": org, "time_zone": "UTC", "radius_m": 100}})
    };
    let sites = json!({"type": "FeatureCollection",
        "features": [site("s1", "hk/a", 114.17), site("s2", "hk/b", 114.19)]});
    let people = people();
    let (swaps, moves, asks) = ([&people[0], &people[2]], &people[1], &people[3]);
    let person = |id: &String| {
        let (org, home) = if has(MOVED) && id == moves { ("hk/b", "s2") } else { ("hk/a", "s1") };
        json!({"employee_id": id, "org": org, "home_site": home})
    };
    let shift = |id: &String, day: i64| {
        let other = if id == swaps[0] { swaps[1] } else { swaps[0] };
        let is_swapped = has(SWAPPED) && (2..4).contains(&day) && swaps.contains(&id);
        let is_moved = has(MOVED) && day >= 2 && id == moves;
        let (start, end) = if is_moved && day == 3 { ("11:00", "20:00") } else { ("09:00", "18:00") };
        json!({"shift_id": format!("{id}/{day}"), "employee_id": if is_swapped { other } else { id },
            "site_id": if is_moved { "s2" } else { "s1" }, "business_date": date(day), "start": start, "end": end})
    };
    let status = if has(APPROVED) { "approved" } else { "pending" };
    let leave = json!({"leave_id": "l1", "employee_id": asks, "from": format!("{}T00:00:00Z", date(2)),
        "to": format!("{}T00:00:00Z", date(3)), "type": "annual", "status": status});
    let correction = json!({"correction_id": "c1", "employee_id": swaps[0], "kind": "out", "type": "missing",
        "occurred_at": format!("{}T18:00:00Z", date(1)), "status": status});
    let days = people.iter().flat_map(|id| (0..DAYS).map(move |day| shift(id, day)));
    let sources = reference::Sources {
        sites: put("sites.geojson", sites.to_string()),
        people: put("people.ndjson", lines(people.iter().map(person).collect())),
        shifts: put("shifts.ndjson", lines(days.collect())),
        leave: put("leave.ndjson", lines(vec![leave])),
        corrections: put("corrections.ndjson", lines(vec![correction])),
        ..reference::Sources::default()
    };
    let loaded = reference::load(&sources);
    loaded.reference.unwrap_or_else(|| panic!("{:?}", loaded.problems))
}

fn date(day: i64) -> String {
    format!("2026-11-{:02}", 2 + day)
}
