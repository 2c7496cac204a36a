//! I-13: a state folded from stored rows goes on exactly as the one that lived through them.

mod support;

use attendance::*;
use support::*;

#[test]
fn a_restart_at_any_record_is_never_seen() {
    for seed in 0..300 {
        let mut random = Random::new(seed ^ 0xdead);
        let script = random_script(&mut random);
        let world = World::parse(&script);
        let mut sent = world.sent.clone();
        random.shuffle(&mut sent);
        let cut = random.below(sent.len() as u64 + 1) as usize;
        let play = |restart: bool| {
            let mut life = Life::new(&world);
            for (at, sent) in sent.iter().enumerate() {
                if restart && at == cut {
                    restart_in(&mut life, &world);
                }
                let arrives_at = sent.occurred_at.max(life.state.clock());
                life.send(&Sent { arrives_at, ..sent.clone() });
            }
            if restart && cut == sent.len() {
                restart_in(&mut life, &world);
            }
            life.finish();
            life.said
        };
        let (whole, restarted) = (play(false), play(true));
        assert_eq!(restarted.story, whole.story, "seed {seed} cut at {cut}\n{script}");
        assert_eq!(restarted, whole, "seed {seed} cut at {cut}\n{script}");
    }
}

fn restart_in(life: &mut Life<'_>, world: &World) {
    let clock = life.state.clock();
    let mut state = PartitionState::new(world.roster(), settings());
    // Recovery reads rows in no particular order.
    life.rows.iter().rev().for_each(|row| state.fold(row));
    state.resume(clock, Some(world.since));
    life.state = state;
}

#[test]
fn judging_everything_again_after_a_restart_says_nothing_new() {
    for seed in 0..200 {
        let mut random = Random::new(seed ^ 0xfeed);
        let script = random_script(&mut random);
        let world = World::parse(&script);
        let mut life = Life::new(&world);
        let mut sent = world.sent.clone();
        sent.sort_by_key(|sent| sent.occurred_at);
        sent.iter().for_each(|sent| _ = life.send(sent));
        let before = life.said.clone();
        restart_in(&mut life, &world);
        life.restate(world.since);
        assert_eq!(life.said, before, "seed {seed}\n{script}");
    }
}
