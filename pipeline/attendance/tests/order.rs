//! I-4: what holds in the end is a function of the set of punches, and what is said on the way never depends on how far
//! the clock moves at once.

mod support;

use model::EventTime;
use support::*;

const SEEDS: std::ops::Range<u64> = 0..400;

/// Sends the punches in the given order, each when it has happened and the ones before it have arrived.
fn live<'a>(world: &'a World, order: &[Sent], between: &mut dyn FnMut(&mut Life<'a>, EventTime)) -> Life<'a> {
    let mut life = Life::new(world);
    for sent in order {
        let arrives_at = sent.occurred_at.max(life.state.clock());
        between(&mut life, arrives_at);
        life.send(&Sent { arrives_at, ..sent.clone() });
    }
    life
}

#[test]
fn any_order_of_arrival_ends_the_same() {
    for seed in SEEDS {
        let mut random = Random::new(seed);
        let script = random_script(&mut random);
        let world = World::parse(&script);
        let mut sent = world.sent.clone();
        sent.sort_by_key(|sent| sent.occurred_at);
        let mut in_order = live(&world, &sent, &mut |_, _| {});
        in_order.finish();
        for _ in 0..4 {
            random.shuffle(&mut sent);
            let mut shuffled = live(&world, &sent, &mut |_, _| {});
            shuffled.finish();
            let order: Vec<_> = sent.iter().map(|sent| &sent.event_id).collect();
            let (one, two) = (shuffled.said.text(&world), in_order.said.text(&world));
            assert_eq!(one, two, "seed {seed}, order {order:?}\n{script}");
            assert_eq!(shuffled.said.outcomes, in_order.said.outcomes, "seed {seed}\n{script}");
        }
    }
}

#[test]
fn any_cut_tells_the_same_story() {
    for seed in SEEDS {
        let mut random = Random::new(seed ^ 0xc0ffee);
        let script = random_script(&mut random);
        let world = World::parse(&script);
        let mut sent = world.sent.clone();
        random.shuffle(&mut sent);
        let mut whole = live(&world, &sent, &mut |_, _| {});
        whole.finish();
        let mut cut = live(&world, &sent, &mut |life, until| {
            let gap_us = until.us_since(life.state.clock());
            for part in 1..4 {
                let step_us = gap_us / 4 * part + random.below(1_000_000) as i64;
                life.advance(life.state.clock().plus_us(step_us.min(gap_us / 4)));
            }
        });
        cut.finish();
        assert_eq!(cut.said.story, whole.said.story, "seed {seed}\n{script}");
        assert_eq!(cut.said, whole.said, "seed {seed}\n{script}");
    }
}

#[test]
fn the_state_agrees_with_the_pure_function_at_every_record() {
    for seed in SEEDS {
        let mut random = Random::new(seed ^ 0xbeef);
        let script = random_script(&mut random);
        let world = World::parse(&script);
        let mut sent = world.sent.clone();
        random.shuffle(&mut sent);
        let mut life = Life::new(&world);
        for sent in &sent {
            let arrives_at = sent.occurred_at.max(life.state.clock());
            life.send(&Sent { arrives_at, ..sent.clone() });
            let judged = judged_at(&world, &life.rows, life.state.clock(), attendance::Moment::NO_END);
            let findings: Vec<_> = judged.findings.values().collect();
            let said: Vec<_> = life.said.findings.values().collect();
            assert_eq!(said, findings, "seed {seed} at {}\n{script}", sent.event_id);
            for (shift_id, outcome) in &judged.outcomes {
                assert_eq!(life.said.outcomes.get(shift_id), Some(outcome), "seed {seed}\n{script}");
            }
        }
    }
}

/// What is compared above says something of every rule.
#[test]
fn the_days_made_at_random_break_every_judged_rule() {
    let mut told = std::collections::BTreeSet::new();
    for seed in SEEDS {
        let mut random = Random::new(seed ^ 0xbeef);
        let world = World::parse(&random_script(&mut random));
        let mut sent = world.sent.clone();
        sent.sort_by_key(|sent| sent.occurred_at);
        let mut life = live(&world, &sent, &mut |_, _| {});
        life.finish();
        told.extend(life.said.story.iter().map(|line| line[1..].split(' ').next().unwrap().to_owned()));
    }
    // Punches made at random come when they happen: no clock of theirs is suspect.
    let is_due = |kind: &&model::AnomalyKind| kind.is_judged() && **kind != model::AnomalyKind::ClockSuspect;
    let due = model::AnomalyKind::ALL.iter().filter(is_due).map(|kind| kind.name().to_owned());
    assert_eq!(told, due.collect());
}
