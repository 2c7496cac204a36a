//! Requests with approvals: who approved what counts, of which levels, and what withdrawing it brings back.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use attendance::*;
use model::anomaly::Finding;
use model::reference::RequestStatus;
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

/// What became of each shift of a month in which corrections were approved.
fn check(script: &str, expected: &str) {
    let world = World::parse(script);
    let mut life = Life::new(&world);
    life.finish();
    assert_eq!(
        life.said.text(&world).lines().filter(|line| !line.starts_with('!')).collect::<Vec<_>>().join("\n"),
        expected
    );
}

#[test]
fn a_month_has_so_many_corrections_and_those_approved_first_count() {
    let shifts = "shift a 09:00-18:00; shift b 1d09:00-1d18:00; shift c 31d09:00-31d18:00; ";
    let two = "correct c2 in 09:00 from 2d10:00; correct c1 in 1d09:00 from 2d09:00; correct c3 in 31d09:00 from 32d09:00; ";
    let [a, b, c] = [
        "a present in 09:00* worked ? due 540 -out (c2)",
        "b present in +1d09:00* worked ? due 540 -out (c1)",
        "c present in +31d09:00* worked ? due 540 -out (c3)",
    ];
    let told = |max: &str, expected: [&str; 3]| {
        check(&format!("{shifts}{two}policy fix_max={max}"), &expected.join("\n"));
    };
    told("-1", [a, b, c]);
    told("2", [a, b, c]);
    let refused = "a absent due 540 -in -out correction_over_cap";
    told("1", [refused, b, c]);
    let none = ["a", "b", "c"].map(|shift| format!("{shift} absent due 540 -in -out correction_over_cap"));
    told("0", [&none[0], &none[1], &none[2]]);
}

#[test]
fn a_correction_of_too_late_or_of_another_kind_does_not_count() {
    let counts = "s1 present in 09:00* worked ? due 540 -out (c1)";
    for (policy, expected) in [
        ("fix_days=3", counts),
        ("fix_days=2", "s1 absent due 540 -in -out correction_too_late"),
        ("fix_days=0 fix_kinds=late", "s1 absent due 540 -in -out correction_kind_refused"),
        ("fix_kinds=missing", counts),
        ("fix_kinds=late+missing+late", counts),
        ("fix_kinds=late+early+other", "s1 absent due 540 -in -out correction_kind_refused"),
    ] {
        check(
            &format!(
                "shift s1 09:00-18:00; correct c1 in 09:00 from 3d23:59; policy {policy}; clock 5d00:00"
            ),
            expected,
        );
    }
    // One that needs no approval is in time; and what is refused takes no place of what counts.
    check("shift s1 09:00-18:00; correct c1 in 09:00; policy fix_days=0 fix_max=1", counts);
    check(
        "shift s1 09:00-18:00; correct c1 in 09:30 from 1d10:00 as late; correct c2 in 09:00 from 1d12:00; \
         policy fix_max=1 fix_kinds=missing",
        "s1 present in 09:00* worked ? due 540 -out correction_kind_refused (c2)",
    );
    // A request that is not in force yet is no reason.
    check(
        "shift s1 09:00-18:00; correct c1 in 09:00 from 1d10:00; policy fix_max=0; clock 23:00",
        "s1 absent due 540 -in -out open",
    );
}

#[test]
fn who_waits_for_a_decision_is_told_and_what_it_was() {
    let script = "leave l1 09:00-18:00 pending; correct c1 in 1d09:00 pending; leave l2 2d09:00-2d18:00";
    let before = World::parse(script);
    let life = Life::new(&before);
    let pending = life.state.pending_requests();
    let told = |findings: &[Finding]| -> Vec<String> {
        findings.iter().map(|finding| before.finding(finding)).collect()
    };
    assert_eq!(
        told(&pending),
        ["! approval_pending day0 [leave/l1]", "! approval_pending day1 [correction/c1]"]
    );
    assert_ne!(pending[0].id, pending[1].id);
    for (status, word) in [
        ("approved", Some("approved")),
        ("rejected", Some("rejected")),
        ("revoked", Some("revoked")),
        ("withdrawn", None),
    ] {
        let after = World::parse(&script.replace("pending", status)).roster();
        let decided: Vec<_> = pending.iter().map(|finding| after.decided(finding)).collect();
        assert!(decided.iter().all(|decided| decided.status == RequestStatus::from_name(status)));
        let ids: Vec<_> = decided.iter().map(|decided| decided.request_id.as_deref()).collect();
        assert_eq!(ids, [Some("l1"), Some("c1")]);
        let findings: Vec<Finding> = decided.into_iter().filter_map(|decided| decided.finding).collect();
        let expected = word.map_or(vec![], |word| {
            vec![
                format!("! approval_decided day0 [leave/l1 {word}]"),
                format!("! approval_decided day1 [correction/c1 {word}]"),
            ]
        });
        assert_eq!(told(&findings), expected);
    }
    assert_eq!(
        World::parse("").roster().decided(&pending[0]),
        RequestDecision::default(),
        "no longer listed"
    );
}
