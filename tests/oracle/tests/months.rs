//! Months made at random, told by the program as it reads them and by the oracle: the same final results in any order of
//! arrival, any cut and over any restarts; the same live alerts, and each at the same clock, where punches come in order.
//!
//! `ORACLE_MONTHS=5000 cargo test -p oracle` plays more of them; `ORACLE_SEED` says which is the first, `ORACLE_PEOPLE` and
//! `ORACLE_DAYS` make one smaller whose seed a failure printed.

// Tests that cannot go on panic, and say on standard output what they ran on.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use support::{Files, Keep, Life, Month, Random, Size, differing};

fn setting(name: &str, default: i64) -> i64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// The seeds to play, and how large a month is.
fn months(share: i64) -> (std::ops::Range<u64>, Size) {
    let first = setting("ORACLE_SEED", 0) as u64;
    let count = (setting("ORACLE_MONTHS", 160) / share).max(1) as u64;
    let size = Size { people: setting("ORACLE_PEOPLE", 2), days: setting("ORACLE_DAYS", 30) };
    (first..first + count, size)
}

/// Nothing may be wrong; the first of what is are shown.
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} people differ:\n{}", wrong.len(), wrong[..wrong.len().min(6)].join("\n"));
}

#[test]
fn any_order_any_cut_any_restart_end_as_the_oracle_says() {
    let (seeds, size) = months(1);
    let files = Files::new();
    let (mut rows, mut wrong) = (0, Vec::new());
    for seed in seeds.clone() {
        let month = Month::of(seed, size);
        let mut random = Random::new(seed ^ 0xa11);
        let mut sent = month.sent.clone();
        for one in &mut sent {
            if random.happens(25) {
                one.arrives_at += random.below(5 * 86_400);
            }
        }
        let mut life = Life::new(&month, &files, Keep::Last);
        life.live(&sent, 2, &mut random);
        for person in &month.worlds[0].1.people {
            let (said, told) = (life.last(&person.id), life.told(&person.id));
            rows += told.rows.len();
            if said != told {
                let around = life.around(&person.id, &said, &told);
                wrong.push(format!("ORACLE_SEED={seed} {}\n{}\n{around}", person.id, said.against(&told)));
            }
        }
    }
    println!("{rows} rows of {} months", seeds.end - seeds.start);
    none(&wrong);
}

#[test]
fn what_is_said_live_is_what_the_oracle_says_at_every_clock() {
    let (seeds, size) = months(16);
    let files = Files::new();
    let (mut changes, mut wrong) = (0, Vec::new());
    for seed in seeds.clone() {
        let month = Month::of(seed ^ 0x11fe, size);
        let mut random = Random::new(seed ^ 0x5eed);
        let mut life = Life::new(&month, &files, Keep::Story);
        life.live(&month.sent, 2, &mut random);
        for person in &month.worlds[0].1.people {
            let (said, told) = (life.story(&person.id), life.told_story(&person.id));
            changes += told.len();
            if let Some((clock, one, two)) = differing(&said, &told) {
                let (at, differ) = (clock.timestamp(), one.against(&two));
                let around = life.around(&person.id, &one, &two);
                wrong.push(format!("ORACLE_SEED={seed} {} at {at}\n{differ}\n{around}", person.id));
            }
        }
    }
    println!("{changes} changes in {} months", seeds.end - seeds.start);
    none(&wrong);
}
