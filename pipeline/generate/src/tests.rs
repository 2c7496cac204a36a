//! The promises of the crate: certain, repeatable, as asked for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use model::{EventTime, NextOffset, Offset, Partition, RejectCode};
use schemas::lines::LedgerLine;
use schemas::punch::{OccurredAt, PunchLine};
use schemas::{Decoder, Format, ImportOptions, RawRecord};
use sha2::{Digest, Sha256};

use crate::record::day;
use crate::stores::Store;
use crate::{Part, Record, Shares, Spec, SpecError, Truth, World, chain};

fn small(seed: u64) -> Spec {
    Spec { seed, stores: 40, employees: 600, ..Spec::demo() }
}

/// Everything that can go wrong goes wrong often.
fn rough(seed: u64) -> Spec {
    let shares = Shares {
        duplicate: 0.05,
        duplicate_conflict: 0.03,
        bad: 0.2,
        clock_ahead: 0.03,
        unknown_employee: 0.05,
        multi_store: 0.5,
        location_declined: 0.1,
        terminal_unlisted: 0.1,
        ..frequent()
    };
    Spec { days: 3, shares, employees: 300, ..small(seed) }
}

/// Every story for one duty in thirty.
const fn frequent() -> Shares {
    let mut shares = Shares::typical();
    shares.late = 0.1;
    shares.serious_late = 0.03;
    shares.early_leave = 0.03;
    shares.absent = 0.03;
    shares.leave_after = 0.03;
    shares.leave_partial = 0.03;
    shares.missing_in = 0.03;
    shares.missing_out = 0.03;
    shares.corrected_out = 0.03;
    shares.corrected_out_later = 0.03;
    shares.corrected_late = 0.03;
    shares.outside = 0.03;
    shares.mocked = 0.03;
    shares.contradiction = 0.03;
    shares.wrong_store = 0.06;
    shares.unscheduled = 0.03;
    shares.offline_in = 0.03;
    shares.offline_out = 0.03;
    shares.repunch = 0.03;
    shares.clock_behind = 0.03;
    shares
}

fn fingerprint(world: &World) -> String {
    let mut hash = Sha256::new();
    for part in Part::ALL {
        hash.update(world.chain().text(part));
    }
    for record in world.punches() {
        hash.update(&record.key);
        hash.update(record.value.unwrap_or_default());
        hash.update(record.arrival.us().to_be_bytes());
        hash.update(format!("{:?}", record.truth));
    }
    world.ledger_without_punch().for_each(|line| hash.update(format!("{line:?}")));
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn lines(world: &World) -> Vec<LedgerLine> {
    let good = world.punches().filter_map(|record| match record.truth {
        Truth::Good(line) => Some(line),
        _ => None,
    });
    good.chain(world.ledger_without_punch()).collect()
}

fn count(lines: &[LedgerLine], kind: &str) -> usize {
    lines.iter().filter(|line| line.anomalies.iter().any(|anomaly| anomaly == kind)).count()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let world = chain(&small(7)).unwrap();
    let first = fingerprint(&world);
    println!("seed 7: {first}");
    assert_eq!(fingerprint(&world), first, "asked twice");
    assert_eq!(fingerprint(&chain(&small(7)).unwrap()), first, "built twice");
    assert_ne!(fingerprint(&chain(&small(8)).unwrap()), first);
}

#[test]
fn arrivals_never_go_back() {
    for seed in [1, 2] {
        let world = chain(&rough(seed)).unwrap();
        let mut last = EventTime::from_us(i64::MIN);
        let mut records = 0;
        for record in world.punches() {
            assert!(record.arrival >= last, "seed {seed}, record {records}");
            last = record.arrival;
            records += 1;
        }
        assert_eq!(records, world.count_records());
        assert!(last < world.settled_at());
    }
}

#[test]
fn no_truth_hangs_on_how_people_are_spread_over_partitions() {
    for seed in 0..6 {
        let world = chain(&rough(seed)).unwrap();
        for (index, number) in (0..300).flat_map(|index| (0..3).map(move |number| (index, number))) {
            let day = day(&world, index, number);
            assert!(!day.reckoning.hangs_on_partition, "seed {seed}: {:?}", day.plan);
            for (record, known) in day.plan.records.iter().zip(&day.reckoning.records) {
                let second = record.occurred_at.us_since(record.occurred_at.floor_minute());
                let is_clear = (2_000_000..58_000_000).contains(&second);
                assert!(is_clear || !known.counts, "seed {seed}: {record:?}");
            }
        }
    }
}

/// What `schemas` makes of every record, against what the generator says of it.
#[test]
fn every_record_decodes_as_its_truth_says() {
    let world = chain(&rough(3)).unwrap();
    let mut decoder = Decoder::new(Format::Json, ImportOptions::default());
    let mut batch = model::Batch::new(Partition::new(0), NextOffset::START);
    let mut seen = BTreeSet::new();
    for (place, Record { key, value, arrival, truth }) in world.punches().enumerate() {
        let offset = Offset::new(place as i64).unwrap();
        batch.clear(Partition::new(0), NextOffset::new(offset.get()).unwrap());
        decoder.decode(RawRecord { offset, append_time: Some(arrival), value: value.as_deref() }, &mut batch);
        match truth {
            Truth::Reject(code) if code != RejectCode::DuplicateConflict => {
                let told = batch.rejects.first().map(|reject| reject.code);
                assert_eq!(
                    told,
                    Some(code),
                    "{}",
                    String::from_utf8_lossy(value.as_deref().unwrap_or_default())
                );
                seen.insert(code);
            }
            _ => {
                let [punch] = batch.punches.as_slice() else { panic!("{:?}", batch.rejects) };
                assert_eq!(batch.text(punch.employee_id), key);
            }
        }
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
}

#[test]
fn the_ledger_has_one_line_for_each_punch() {
    let world = chain(&rough(4)).unwrap();
    let mut ids = BTreeSet::new();
    let mut values = BTreeMap::new();
    for record in world.punches() {
        let value = record.value.unwrap_or_default();
        match record.truth {
            Truth::Good(line) => {
                let punch: PunchLine = serde_json::from_slice(&value).unwrap();
                assert_eq!(line.event_id.as_ref(), Some(&punch.event_id));
                assert_eq!((&line.employee_id, &record.key), (&punch.employee_id, &punch.employee_id));
                assert!(line.site_id.is_none() || line.candidates.is_empty());
                assert_ne!(line.candidates.len(), 1);
                assert!(ids.insert(punch.event_id.clone()), "an id twice");
                values.insert(punch.event_id, value);
            }
            Truth::Duplicate => {
                let punch: PunchLine = serde_json::from_slice(&value).unwrap();
                assert_eq!(values[&punch.event_id], value);
            }
            Truth::Reject(RejectCode::DuplicateConflict) => {
                let punch: PunchLine = serde_json::from_slice(&value).unwrap();
                let first: PunchLine = serde_json::from_slice(&values[&punch.event_id]).unwrap();
                assert_ne!(first.occurred_at, punch.occurred_at);
                assert_eq!(PunchLine { occurred_at: first.occurred_at.clone(), ..punch }, first);
            }
            Truth::Reject(_) => {}
        }
    }
    let shifts: BTreeSet<String> = world
        .chain()
        .text(Part::Shifts)
        .lines()
        .map(|line| serde_json::from_str::<schemas::rows::ShiftRow>(line).unwrap().shift_id)
        .collect();
    for line in lines(&world) {
        assert!(line.shift_id.is_none_or(|shift_id| shifts.contains(&shift_id)));
    }
}

/// Each planted share is met within four standard deviations; kinds that ordinary noise adds to may only exceed it.
#[test]
fn the_shares_are_met() {
    let spec = Spec { employees: 3_000, stores: 120, ..Spec::demo() };
    let world = chain(&spec).unwrap();
    let lines = lines(&world);
    let duties = world.chain().text(Part::Shifts).lines().count() as f64;
    let shares = &spec.shares;
    let no_show =
        shares.absent + shares.missing_in + shares.offline_in + shares.serious_late + shares.leave_after;
    for (kind, share, exceeds) in [
        ("serious_late", shares.serious_late, 1.0),
        ("late", shares.late + shares.corrected_late, 1.0),
        ("early_leave", shares.early_leave, 1.0),
        ("absent", shares.absent, 1.1),
        ("missing_in", shares.missing_in, 1.0),
        ("missing_out", shares.missing_out + shares.corrected_out_later + shares.clock_ahead, 1.1),
        ("mocked", shares.mocked, 1.0),
        ("outside", shares.outside, 6.0),
        ("contradiction", shares.contradiction, 8.0),
        ("no_show", no_show, 1.5),
    ] {
        let (found, due) = (count(&lines, kind) as f64, share * duties);
        let spread = 4.0 * due.sqrt();
        println!("{kind}: {found} of {duties} duties, {due:.0} due");
        assert!(found >= due - spread && found <= due * exceeds + spread, "{kind}: {found}, due {due:.1}");
    }
    let rejects = world.punches().filter(|record| matches!(record.truth, Truth::Reject(_))).count() as f64;
    let due = (shares.bad + shares.duplicate_conflict) * 2.1 * duties;
    assert!((rejects - due).abs() < 5.0 * due.sqrt(), "{rejects} rejects, due {due:.1}");
}

#[test]
fn without_shares_nothing_is_wrong() {
    let mut spec = Spec { shares: Shares::default(), ..small(5) };
    spec.noise.accuracy_median_m = 4.0;
    spec.noise.accuracy_spread = 0.1;
    spec.noise.accuracy_missing_share = 0.0;
    let world = chain(&spec).unwrap();
    for record in world.punches() {
        let Truth::Good(line) = record.truth else { panic!("{:?}", record.truth) };
        assert_eq!(line.anomalies, Vec::<String>::new(), "{line:?}");
        assert!(line.shift_id.is_some());
    }
    // Who comes in the last quarter of an hour is reminded.
    for line in world.ledger_without_punch() {
        assert_eq!(line.anomalies, ["reminder"], "{line:?}");
    }
}

#[test]
fn stores_are_as_unequal_as_zipf_says() {
    let spec = Spec { employees: 20_000, ..Spec::demo() };
    let world = chain(&spec).unwrap();
    let mut sizes: Vec<f64> = (0..spec.stores).map(|store| world.staff_of(store).len() as f64).collect();
    sizes.sort_by(|a, b| b.total_cmp(a));
    // The slope of log size over log rank, least squares, without the noisy tail.
    let points: Vec<(f64, f64)> = sizes
        .iter()
        .take(100)
        .enumerate()
        .map(|(rank, size)| ((rank as f64 + 1.0).ln(), size.ln()))
        .collect();
    let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let slope = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>()
        / points.iter().map(|p| (p.0 - x) * (p.0 - x)).sum::<f64>();
    println!("largest {}, smallest {}, slope {slope:.3}", sizes[0], sizes[199]);
    assert!((slope + spec.zipf_exponent).abs() < 0.06, "{slope}");
    assert!(sizes[199] >= 1.0, "every store has somebody");
}

/// The shift change: minutes from the start of the nine-o'clock shifts to each in.
#[test]
fn most_people_come_in_the_quarter_of_an_hour_around_the_start() {
    let world = chain(&Spec { employees: 4_000, ..small(9) }).unwrap();
    let start = world.roster.wall(0, 9 * 60);
    let mut minutes: Vec<i64> = Vec::new();
    for record in
        world.punches().filter(|record| matches!(&record.truth, Truth::Good(line) if line.shift_id.is_some()))
    {
        let punch: PunchLine = serde_json::from_slice(&record.value.unwrap()).unwrap();
        let minute = at(&punch.occurred_at).us_since(start).div_euclid(60_000_000);
        if punch.kind != "out" && (-60..60).contains(&minute) {
            minutes.push(minute);
        }
    }
    let within = |from: i64, until: i64| {
        minutes.iter().filter(|minute| (from..until).contains(*minute)).count() as f64
    };
    let all = minutes.len() as f64;
    println!(
        "{all} ins, {} in the fullest minute",
        (-60..60).map(|m| within(m, m + 1) as i64).max().unwrap()
    );
    assert!(within(-12, 2) / all > 0.8, "{}", within(-12, 2) / all);
    assert!(within(-12, 0) > 4.0 * within(2, 14), "skewed: early rather than late");
    assert!((-60..60).all(|minute| within(minute, minute + 1) / all < 0.25));
}

fn at(time: &OccurredAt) -> EventTime {
    match time {
        OccurredAt::EpochMs(ms) => EventTime::from_ms(*ms),
        OccurredAt::Text(text) => EventTime::from(text.parse::<jiff::Timestamp>().unwrap()),
    }
}

#[test]
fn no_clock_that_is_ahead_confirms_another() {
    let world = chain(&rough(6)).unwrap();
    let mut ahead: Vec<EventTime> = Vec::new();
    let mut latest = EventTime::from_us(0);
    for record in world.punches().filter(|record| matches!(record.truth, Truth::Good(_))) {
        let punch: PunchLine = serde_json::from_slice(&record.value.unwrap()).unwrap();
        let time = at(&punch.occurred_at);
        if time.us_since(record.arrival) > 31 * 86_400_000_000 {
            ahead.push(time);
        } else {
            latest = latest.max(time);
        }
    }
    assert!(ahead.len() > 20, "{}", ahead.len());
    for pair in ahead.windows(2) {
        assert!(pair[0].us_since(pair[1]) > 31 * 86_400_000_000, "a later one is not near the one before");
    }
    assert!(ahead.iter().all(|time| time.us_since(latest) > 400 * 86_400_000_000 && time.is_possible()));
}

#[test]
fn the_grid_finds_every_store_in_reach() {
    let world = chain(&Spec { stores: 300, employees: 300, ..Spec::demo() }).unwrap();
    for record in 0..300 {
        let store: &Store = world.store(record);
        let near: BTreeSet<u32> = world.grid.around(store.centre).map(|(near, _)| near).collect();
        for (other, there) in world.stores().iter().enumerate() {
            let d = crate::earth::metres(store.centre, there.centre);
            assert!(d > 1_000.0 || near.contains(&(other as u32)), "store {record} to {other}: {d} m");
        }
    }
}

#[test]
fn stores_come_in_every_kind() {
    let world = chain(&Spec { stores: 400, employees: 800, ..Spec::demo() }).unwrap();
    let text = world.chain().text(Part::Sites);
    let sites: serde_json::Value = serde_json::from_str(&text).unwrap();
    let features = sites["features"].as_array().unwrap();
    assert_eq!(features.len(), 400);
    let of = |kind: &str| features.iter().filter(|f| f["geometry"]["type"] == kind).count();
    assert!((280..350).contains(&of("Point")) && of("Polygon") > 30 && of("MultiPolygon") > 5);
    let holes = features.iter().filter(|f| {
        f["geometry"]["type"] == "Polygon"
            && f["geometry"]["coordinates"].as_array().is_some_and(|c| c.len() > 1)
    });
    assert!(holes.count() > 10);
    let sisters = world.stores().iter().filter(|store| store.has_sister).count();
    assert!((8..40).contains(&sisters), "{sisters}");
    let mut addresses = BTreeSet::new();
    for store in world.stores() {
        assert!((2..=6).contains(&store.access_points.len()));
        for block in &store.access_points {
            let size = 1_u64 << (48 - block.prefix_bits());
            (0..size).for_each(|n| {
                assert!(addresses.insert(block.first().bits() + n), "an address of two stores")
            });
            assert!(!block.first().is_placeholder());
        }
        for property in ["site_id", "org", "time_zone", "name"] {
            assert!(features.iter().all(|f| f["properties"][property].is_string()), "{property}");
        }
    }
}

#[test]
fn a_large_chain_begins_at_once() {
    let spec = Spec {
        stores: 6_000,
        employees: 9_000,
        days: 300,
        first_day: Date::constant(2026, 1, 1),
        ..Spec::demo()
    };
    let world = chain(&spec).unwrap();
    assert_eq!(world.punches().take(500).count(), 500, "of some five million");
    let cities: BTreeSet<&str> =
        world.stores().iter().map(|store| &store.site_id[..store.site_id.find('-').unwrap()]).collect();
    assert_eq!(cities.into_iter().collect::<Vec<_>>(), ["c001", "c002", "c003", "hk"]);
}

#[test]
fn what_cannot_be_generated_is_said() {
    for (spec, said) in [
        (Spec { stores: 0, ..Spec::demo() }, "stores is 0: give 1 to 131072"),
        (Spec { days: 400, ..Spec::demo() }, "days is 400: give 1 to 366"),
        (
            Spec { time_zone: "Asia/Kowloon".to_owned(), ..Spec::demo() },
            "time zone Asia/Kowloon is unknown: give an IANA name, Asia/Hong_Kong",
        ),
        (
            Spec { shares: Shares { late: 0.6, absent: 0.6, ..Shares::default() }, ..Spec::demo() },
            "the shares of duties sum to more than 1: lower some",
        ),
        (
            Spec { shares: Shares { bad: f64::NAN, ..Shares::default() }, ..Spec::demo() },
            "bad is out of range: give 0 to 1",
        ),
    ] {
        let error: SpecError = chain(&spec).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), said);
    }
}
