//! Requests with approvals: who approved what counts, of which levels, and what withdrawing it brings back.

mod support;

use attendance::*;
use model::shift_result::Approved;
use support::*;

/// What was said of the only shift, and who approved what counts of it.
fn told(life: &Life<'_>) -> (String, Vec<String>) {
    let outcome = life.said.outcomes.values().next().unwrap();
    let approved = |one: &Approved| {
        let level = one.approval.level.map_or("-".to_owned(), |level| level.to_string());
        let by = one.approval.by.as_deref().unwrap_or("-");
        format!("{} {level} {by} {}", one.request_id, life.world.local(one.approval.at))
    };
    (life.world.outcome(outcome), outcome.approvals.iter().map(approved).collect())
}

#[test]
fn the_last_level_decides_when_and_every_level_is_told() {
    let world = World::parse(
        "shift s1 09:00-18:00; leave l1 09:00-12:00 by M1@08:00 by M2@14:00; correct c1 out 18:00 by M3@20:00; in 12:00",
    );
    let mut life = Life::new(&world);
    world.sent.iter().for_each(|sent| _ = life.send(sent));
    assert_eq!(told(&life), ("s1 serious_late in 12:00 worked ? late 180 due 540 open".to_owned(), vec![]));
    life.advance(world.time("14:00"));
    let levels = ["l1 1 M1 08:00", "l1 2 M2 14:00", "c1 1 M3 20:00"];
    assert_eq!(told(&life).0, "s1 present in 12:00 worked ? leave 180 due 360 open (l1)");
    assert_eq!(told(&life).1, levels[..2]);
    life.advance(world.time("23:00"));
    assert_eq!(told(&life).0, "s1 present in 12:00 out 18:00* worked 6:00 leave 180 due 360 open (l1) (c1)");
    assert_eq!(told(&life).1, levels);
    assert_eq!(life.said.story, ["+no_show s1", "-no_show s1", "+serious_late s1", "-serious_late s1"]);
}

#[test]
fn what_an_approval_took_back_fires_again_when_it_is_taken_back() {
    let approved = "shift s1 09:00-18:00; leave l1 09:00-18:00 by M1@07:00; correct c1 in 09:00 by M1@12:00";
    for status in ["withdrawn", "revoked", "rejected"] {
        let before = World::parse(approved);
        let after = World::parse(&approved.replace(" by", &format!(" {status} by")));
        let mut life = Life::new(&before);
        life.advance(before.time("23:00"));
        assert_eq!(
            told(&life).0,
            "s1 leave in 09:00* worked ? leave 540 due 0 open worked_on_leave (l1) (c1)"
        );
        assert!(life.said.findings.is_empty());
        life.state.swap(after.roster());
        life.restate(before.time("-2d00:00"));
        assert_eq!(told(&life), ("s1 absent due 540 -in -out open".to_owned(), vec![]), "{status}");
        assert_eq!(life.said.story, ["+no_show s1", "+absent s1"], "{status}");
        life.state.swap(before.roster());
        life.restate(before.time("-2d00:00"));
        assert_eq!(life.said.story[2..], ["-no_show s1", "-absent s1"]);
        assert_eq!(told(&life).1.len(), 2);
    }
}

#[test]
fn an_approval_is_part_of_what_was_said() {
    let digest_of = |script: &str| {
        let world = World::parse(script);
        let mut life = Life::new(&world);
        life.finish();
        digest(life.said.outcomes.values().next().unwrap())
    };
    let digests = ["", "by M1@07:00", "by M2@07:00", "by M2@07:00 by M3@07:00", "from 07:00"]
        .map(|by| digest_of(&format!("shift s1 09:00-18:00; leave l1 09:00-18:00 {by}")));
    assert!((1..5).all(|at| !digests[..at].contains(&digests[at])), "{digests:?}");
}
