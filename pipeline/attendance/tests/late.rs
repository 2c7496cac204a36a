//! A re-punch told from stored history is the one that arrival tells from memory.

mod support;

use attendance::*;
use model::*;
use support::*;

#[test]
fn the_inbox_says_of_a_punch_what_arrival_says() {
    let mut found = [0, 0];
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let script = random_script(&mut random);
        let world = World::parse(&script);
        let roster = world.roster();
        let mut life = Life::new(&world);
        let mut sent = world.sent.clone();
        random.shuffle(&mut sent);
        // Random days seldom hold two punches of one kind within a minute: every one is sent a second time soon after.
        let again = |sent: &Sent, apart_s: i64| Sent {
            event_id: format!("{}-{apart_s}", sent.event_id),
            occurred_at: sent.occurred_at.plus_s(apart_s),
            ..sent.clone()
        };
        let sent: Vec<Sent> = sent
            .iter()
            .flat_map(|first| {
                let apart_s = [-45, 0, 60, 61][random.below(4) as usize];
                [first.clone(), again(first, apart_s)]
            })
            .collect();
        for sent in &sent {
            let known = life.rows.clone();
            let arrives_at = sent.occurred_at.max(life.state.clock());
            let arrival = life.send(&Sent { arrives_at, ..sent.clone() });
            let stored = life.rows.last().unwrap();
            let without = Reason::ALL.iter().copied().filter(|reason| *reason != Reason::Repunch);
            let reasons = without.filter(|reason| stored.reasons.contains(*reason));
            let row = StoredPunch { reasons: reasons.fold(Reasons::EMPTY, Reasons::with), ..stored.clone() };
            // A row that was sent as a re-punch already says so itself.
            let expected = arrival.reasons.contains(Reason::Repunch);
            if !sent.reasons.contains(Reason::Repunch) {
                assert_eq!(is_repunch(&roster, &row, &known), expected, "seed {seed} {row:?}\n{script}");
                found[usize::from(expected)] += 1;
            }
        }
    }
    assert!(found.iter().all(|count| *count > 500), "too few of one kind: {found:?}");
}
