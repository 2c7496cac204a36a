//! Questions to a snapshot by id and by time, and what the matcher is told about each punch.

// Helpers below are test code outside of test functions.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use attendance::*;
use jiff::civil::Date;
use model::anomaly::Finding;
use model::reference::{Leave, Person, PolicyBook, PolicyScope, RequestStatus};
use model::shift_result::ShiftOutcome;
use model::*;
use support::*;

fn names(world: &World, shifts: impl Iterator<Item = ShiftIndex>) -> String {
    let roster = world.roster();
    shifts.map(|index| roster.shift_at(index).shift_id.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn windows_are_found_by_instant() {
    let world = World::parse(
        "shift s1 09:00-13:00; shift s2 13:00-17:00; shift s3 33:00-37:00 cancelled; shift s4 21:00-45:00",
    );
    let roster = world.roster();
    let person = PersonIndex(0);
    let holding = |at: &str| names(&world, roster.holding(person, world.time(at)));
    assert_eq!(holding("06:59"), "");
    assert_eq!(holding("07:00"), "s1");
    assert_eq!(holding("12:00"), "s1 s2");
    assert_eq!(holding("17:00"), "s1 s2");
    assert_eq!(holding("17:00:01"), "s2");
    assert_eq!(holding("20:00"), "s2 s4");
    assert_eq!(holding("34:00"), "s4", "a cancelled shift holds nothing");
    assert_eq!(holding("49:00"), "s4");
    assert_eq!(holding("49:00:01"), "");
    let scheduled = |at: &str| names(&world, roster.scheduled(person, world.time(at)).into_iter());
    assert_eq!(scheduled("11:00"), "s1", "the earlier of two equally near starts");
    assert_eq!(scheduled("11:01"), "s2");
    let (from, until) = (world.time("18:00"), world.time("34:00"));
    assert_eq!(names(&world, roster.windows_in(person, from, until)), "s2 s4 s3");
}

#[test]
fn windows_agree_with_a_look_at_every_shift() {
    for seed in 0..200 {
        let mut random = Random::new(seed ^ 0x5eed);
        let script = random_script(&mut random);
        let world = World::parse(&script);
        let roster = world.roster();
        for _ in 0..20 {
            let from = world.time("00:00").plus_min(random.below(8_000) as i64 - 1_000);
            let until = from.plus_min(random.below(600) as i64);
            let found: Vec<_> = roster.windows_in(PersonIndex(0), from, until).collect();
            let looked: Vec<_> = roster
                .shifts_of(PersonIndex(0))
                .map(ShiftIndex)
                .filter(|index| {
                    let window = roster.window(*index);
                    window.opens <= until && from <= window.closes
                })
                .collect();
            assert_eq!(found, looked, "seed {seed}\n{script}");
        }
    }
}

#[test]
fn ids_lead_to_places() {
    let world = World::parse("shift s1 09:00-13:00");
    let roster = world.roster();
    assert_eq!(roster.person(EMPLOYEE), Some(PersonIndex(0)));
    assert_eq!(roster.site("C"), Some(SiteIndex(2)));
    assert_eq!(roster.shift("s1"), Some(ShiftIndex(0)));
    assert_eq!((roster.person("E2"), roster.site("D"), roster.shift("")), (None, None, None));
}

#[test]
fn permitted_are_home_allowed_and_own_shifts_sites() {
    let permitted = |script: &str, edit: fn(&mut World)| {
        let mut world = World::parse(script);
        edit(&mut world);
        let sites: Vec<_> = world.roster().permitted(PersonIndex(0)).iter().map(|site| site.0).collect();
        sites
    };
    assert_eq!(permitted("", |_| {}), [0, 1]);
    assert_eq!(permitted("shift s1 09:00-13:00 at C; shift s2 14:00-15:00 at A", |_| {}), [0, 1, 2]);
    let nothing: fn(&mut World) = |world| {
        world.reference.people[0].home_site = None;
        world.reference.people[0].allowed_sites.clear();
    };
    assert_eq!(permitted("", nothing), [0; 0]);
    assert_eq!(permitted("shift s1 09:00-13:00 at B", nothing), [1]);
}

fn batch(world: &World, punches: &[(&str, &str)]) -> Batch {
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    for (at, (employee, time)) in punches.iter().enumerate() {
        let texts = [*employee, "e", "", "", ""].map(|text| batch.push_text(text));
        batch.punches.push(Punch {
            offset: Offset::new(at as i64).unwrap(),
            received_at: world.time(time),
            event_id: texts[1],
            employee_id: texts[0],
            kind: Kind::In,
            occurred_at: world.time(time),
            origin: Origin::Phone,
            trigger: None,
            device_id: texts[2],
            site_claim: texts[3],
            time_zone: texts[4],
            fix: None,
            wifi: 0..0,
            wifi_ignored: 0,
            beacons: 0..0,
            photo: Photo::default(),
        });
    }
    batch
}

#[test]
fn every_punch_gets_its_due() {
    let mut world = World::parse("shift s1 09:00-18:00 at B; shift s2 33:00-42:00 at A");
    world.reference.policies.push(Policy { field_radius_m: 7.0, ..Policy::default() });
    world.reference.policies.push(Policy { field_radius_m: 9.0, ..Policy::default() });
    let scope = |org: &str, index| PolicyScope {
        org: org.into(),
        groups: vec![],
        name: None,
        from: vec![(Date::constant(2026, 11, 4), PolicyIndex(index))],
    };
    world.reference.policy_rules = PolicyBook::new(vec![scope("", 2), scope("hk/a", 1)]);
    let roster = world.roster();
    let batch = batch(
        &world,
        &[(EMPLOYEE, "08:55"), (EMPLOYEE, "33:00"), (EMPLOYEE, "50:00"), ("E9", "60:00"), ("E9", "20:00")],
    );
    let (mut clock, mut clocks, mut due) = (world.time("09:10"), Vec::new(), DueBatch::default());
    append_clocks(&batch, &mut clock, &mut clocks);
    let expected = ["09:10", "33:00", "50:00", "60:00", "60:00"].map(|at| world.time(at));
    assert_eq!((clocks.as_slice(), clock), (&expected[..], expected[4]));
    expect(&roster, &batch, &clocks, &mut due);
    let rows: Vec<_> = due.rows.iter().map(|row| (row.person, row.scheduled, row.policy.0)).collect();
    let (person, a, b) = (Some(PersonIndex(0)), Some(SiteIndex(0)), Some(SiteIndex(1)));
    assert_eq!(rows, [(person, b, 0), (person, a, 0), (person, None, 1), (None, None, 2), (None, None, 0)]);
    assert!(due.permits(&due.rows[0], SiteIndex(1)) && !due.permits(&due.rows[0], SiteIndex(2)));
    assert_eq!(due.rows[3].permitted, Permitted::All);
}

#[test]
fn a_field_permission_counts_while_it_is_in_force() {
    let mut world = World::parse("shift s1 09:00-18:00");
    let place = LonLat::new(114.0, 22.0);
    let field = |status, effective_at, place| Leave {
        leave_id: "f".into(),
        person: PersonIndex(0),
        from: world.time("10:00"),
        until: world.time("12:00"),
        leave_type: "field".into(),
        status,
        approvals: vec![],
        effective_at,
        place,
        compensation: None,
    };
    let approved = field(RequestStatus::Approved, Some(world.time("10:30")), place);
    let cases = [
        (approved.clone(), "10:40", "10:40", true),
        (approved.clone(), "10:40", "10:20", false),
        (approved.clone(), "09:59", "11:00", false),
        (approved.clone(), "12:00", "12:00", false),
        (field(RequestStatus::Pending, None, place), "10:40", "10:40", false),
        (field(RequestStatus::Approved, None, None), "10:40", "10:40", false),
        (Leave { leave_type: "sick".into(), ..approved }, "10:40", "10:40", false),
    ];
    for (row, at, clock, counts) in cases {
        world.reference.leave = vec![row].into();
        let batch = batch(&world, &[(EMPLOYEE, at)]);
        let mut due = DueBatch::default();
        expect(&world.roster(), &batch, &[world.time(clock)], &mut due);
        assert_eq!(
            due.rows[0].field,
            place.filter(|_| counts).map(|place| (place, 100.0)),
            "{at} at {clock}"
        );
    }
}

#[test]
fn instants_of_a_shift_come_in_order() {
    let world = World::parse("policy grace_in=5; shift s1 09:00-18:00; shift s2 33:00-42:00 cancelled");
    let roster = world.roster();
    let instants = |shift| {
        let instants = next_instants(&roster, ShiftIndex(shift), world.time("00:00"));
        instants.into_iter().map(|instant| (instant.timer, instant.at)).collect::<Vec<_>>()
    };
    let (one, two) = (ShiftIndex(0), ShiftIndex(1));
    let closed = |at: &str| world.time(at).plus_us(1_000);
    assert_eq!(
        instants(0),
        [
            (Timer::NoShow(one), world.time("09:20")),
            (Timer::Closed(one), closed("22:00")),
            (Timer::Settled(one), world.time("46:00"))
        ]
    );
    assert_eq!(
        instants(1),
        [(Timer::Closed(two), closed("46:00")), (Timer::Settled(two), world.time("70:00"))]
    );
}

#[test]
fn identities_are_those_of_the_contract() {
    // printf 'late\x1fE1\x1fs1' | sha256sum, and so on.
    for (kind, subject, instance, id) in [
        (AnomalyKind::Late, "E1", "s1", "d796daf17374d9e3b09bc79b9a39e396"),
        (AnomalyKind::Unscheduled, "E1", "2026-11-02", "6d4a17afdde9fd89c8c415a83c076c10"),
        (AnomalyKind::IngestSilent, "hk/a", "2026-11-02", "5caeeb66da7f452ff60776499a17b2f7"),
    ] {
        assert_eq!(anomaly_id(kind, subject, instance).to_string(), id);
    }
    let world = World::parse("shift s1 09:00-18:00; in 09:30; in 33:00; clock 34:00");
    let mut life = Life::new(&world);
    world.sent.iter().for_each(|sent| _ = life.send(sent));
    let ids: Vec<_> = life.said.findings.values().map(|f| (f.kind, f.id.to_string())).collect();
    assert!(ids.contains(&(AnomalyKind::Late, "d796daf17374d9e3b09bc79b9a39e396".to_owned())), "{ids:?}");
    let day: Arc<str> = "2026-11-03".into();
    assert!(
        ids.contains(&(
            AnomalyKind::Unscheduled,
            anomaly_id(AnomalyKind::Unscheduled, "E1", &day).to_string()
        ))
    );
}

#[test]
fn digests_are_stable_and_see_every_field() {
    let world = World::parse("shift s1 09:00-18:00; in 09:30; out 18:00; clock 19:00");
    let mut life = Life::new(&world);
    world.sent.iter().for_each(|sent| _ = life.send(sent));
    let outcome = life.said.outcomes.values().next().unwrap().clone();
    assert_eq!(
        digest(&outcome),
        0x1cbb_75cc_cc67_24e2,
        "{:#x}: written to lakes, it must never change",
        digest(&outcome)
    );
    let mut digests = vec![digest(&outcome)];
    let edits: [fn(&mut ShiftOutcome); 11] = [
        |o| o.is_final = true,
        |o| o.late_min += 1,
        |o| o.worked_s = None,
        |o| o.worked_s = Some(0),
        |o| o.in_event_id = None,
        |o| o.reasons.push("late_as_absent"),
        |o| o.leave_ids.push("late_as_absent".into()),
        |o| o.missing_in = !o.missing_in,
        |o| o.leave_minutes = vec![60, 120],
        |o| o.leave_minutes = vec![120, 60],
        |o| o.statutory_holiday = true,
    ];
    for edit in edits {
        let mut edited = outcome.clone();
        edit(&mut edited);
        digests.push(digest(&edited));
    }
    // A lone leave has the minutes that the shift has: rows written before they were kept apart are not said again.
    assert_eq!(digest(&ShiftOutcome { leave_minutes: vec![60], ..outcome.clone() }), digest(&outcome));
    let finding = life.said.findings.values().next().unwrap();
    digests.push(digest_finding(finding));
    digests.push(digest_finding(&Finding { minutes: None, ..finding.clone() }));
    let count = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), count);
}

#[test]
fn a_roster_is_taken_over_where_only_sites_changed() {
    let world = World::parse("shift s 09:00-18:00");
    let before = world.roster();
    let with = |change: &dyn Fn(&mut Reference)| {
        let mut next = (**before.reference()).clone();
        change(&mut next);
        before.with_sites_of(&Arc::new(next))
    };
    let radius = |next: &mut Reference| {
        let centre = LonLat::new(114.0, 22.0).unwrap();
        Arc::make_mut(&mut next.sites[0]).fence = Fence::Circle { centre, radius_m: 7.0 };
    };
    let after = with(&radius).expect("only a fence changed");
    assert!(after.is_like(&before) && !Roster::new(Arc::clone(before.reference())).is_like(&before));
    assert_eq!(after.reference().sites[0].fence, with(&radius).unwrap().reference().sites[0].fence);
    assert_ne!(after.reference().sites[0].fence, before.reference().sites[0].fence);
    let changes: [&dyn Fn(&mut Reference); 8] = [
        &|next| Arc::make_mut(&mut next.sites[0]).org = "elsewhere".into(),
        &|next| Arc::make_mut(&mut next.sites[0]).site_id = "Z".into(),
        &|next| Arc::make_mut(&mut next.sites[0]).time_zone_name = "Europe/London".into(),
        &|next| Arc::make_mut(&mut next.sites[0]).policy = Some("strict".into()),
        &|next| next.sites.truncate(2),
        &|next| next.shifts[0].end = next.shifts[0].end.plus_min(1),
        &|next| next.people[0].location_declined = true,
        &|next| next.policies[0].grace_in_min += 1,
    ];
    for change in changes {
        assert!(with(change).is_none());
    }
}

#[test]
fn what_was_said_of_a_shift_that_left_is_taken_back() {
    let world = World::parse("shift s1 09:00-18:00; leave l1 16:00-18:00; in 09:20; out 15:00");
    let mut life = Life::new(&world);
    world.sent.iter().for_each(|sent| _ = life.send(sent));
    life.finish();
    let said = life.said.outcomes.values().next().unwrap().clone();
    let plan = Plan::of(&said);
    let departure = |world: &World| world.roster().departure("E1", "s1");
    assert_eq!(departure(&World::parse("")), None, "a roster that does not list it tells nothing");
    let kept = Some(Departure::Kept(ShiftIndex(0)));
    assert_eq!((departure(&world), world.roster().plan(ShiftIndex(0))), (kept, plan));

    let moved = World::parse("shift s1 09:00-17:30");
    assert_eq!(departure(&moved), kept);
    assert_ne!(moved.roster().plan(ShiftIndex(0)), plan);
    let mut anothers = World::parse("shift s1 09:00-18:00");
    let other = Person { employee_id: "E2".into(), ..anothers.reference.people[0].clone() };
    anothers.reference.people.push(other);
    anothers.reference.shifts[0].person = PersonIndex(1);
    assert_eq!(departure(&anothers), Some(Departure::Reassigned(ShiftIndex(0))));
    for (world, reason) in [(moved, "rescheduled"), (anothers, "reassigned")] {
        let outcome = world.roster().taken_back(departure(&world).unwrap(), &said.employee_id, plan);
        assert_eq!(world.outcome(&outcome), format!("s1 cancelled due 0 {reason}"));
        assert_eq!((Plan::of(&outcome), &*outcome.employee_id), (plan, "E1"));
    }
}
