//! The state of a partition: memory, snapshots, silence, and where a log begins and ends.

// Helpers below are test code outside of test functions.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use attendance::*;
use model::anomaly::Finding;
use model::reference::{Calendar, CalendarDay, DayKind, Person, Shift};
use model::*;
use support::*;

fn outcomes(steps: &[Step]) -> Vec<String> {
    let mut lines = Vec::new();
    for step in steps {
        match step {
            Step::Judged(judged) => {
                lines.extend(judged.outcomes.iter().map(|o| format!("{} {}", o.shift_id, o.status.name())));
                lines.extend(judged.findings.iter().map(|f| format!("! {}", f.kind.name())));
            }
            Step::Recall(recall) => lines.push(format!("recall {}", recall.employee_id)),
            Step::Silence(note) => lines.push(format!("silence {}", note.state.name())),
            Step::Listen(listen) => lines.push(format!("listen {}", listen.employee_ids.len())),
        }
    }
    lines
}

fn row(world: &World, event: &str, kind: Kind, at: &str) -> StoredPunch {
    StoredPunch {
        employee_id: EMPLOYEE.into(),
        event_id: event.into(),
        kind,
        occurred_at: world.time(at),
        received_at: world.time(at),
        origin: Origin::Phone,
        device_id: "".into(),
        place: Place::Inside,
        site_id: Some("A".into()),
        reasons: Reasons::EMPTY,
        business_date: world.date,
        offset: Offset::new(0).unwrap(),
    }
}

/// The facts of a punch that comes again.
fn facts_of<'a>(state: &PartitionState, punch: &'a StoredPunch) -> Facts<'a> {
    Facts {
        person: state.roster().person(&punch.employee_id),
        employee_id: &punch.employee_id,
        event_id: EventId::new(&punch.event_id),
        kind: punch.kind,
        occurred_at: punch.occurred_at,
        received_at: punch.received_at,
        origin: punch.origin,
        device_id: &punch.device_id,
        time_zone: "",
        place: punch.place,
        site: None,
        import_zone: None,
    }
}

#[test]
fn what_memory_does_not_reach_is_recalled_and_judged_the_same() {
    let world = World::parse("shift s1 09:00-18:00; shift s2 81:00-90:00; leave l1 09:00-18:00 from 9d12:00");
    let settings = Settings { state_days: 5, ..settings() };
    let mut state = PartitionState::new(world.roster(), settings);
    let mut steps = Vec::new();
    state.advance(world.time("09:00"), &mut |step| steps.push(step));
    let punch = row(&world, "e1", Kind::In, "09:00");
    assert_eq!(state.apply(&punch, &mut |step| steps.push(step)), Applied::Folded);
    assert!(state.lookup(&facts_of(&state, &punch)).is_some());
    state.advance(world.time("6d10:00"), &mut |step| steps.push(step));
    assert!(state.is_late(world.time("09:00")) && !state.is_late(world.time("1d10:00")));
    assert_eq!(state.lookup(&facts_of(&state, &punch)), None);
    let late = row(&world, "e2", Kind::Out, "18:00");
    assert_eq!(state.apply(&late, &mut |step| steps.push(step)), Applied::Late);

    steps.clear();
    state.advance(world.time("9d12:00"), &mut |step| steps.push(step));
    let recalls: Vec<_> =
        steps.iter().filter_map(|step| if let Step::Recall(r) = step { Some(r) } else { None }).collect();
    assert_eq!(recalls.len(), 1, "{:?}", outcomes(&steps));
    let recall = recalls[0];
    assert!(recall.read.contains(&punch.occurred_at) && recall.read.contains(&late.occurred_at));
    let judged = state.recalled(recall, &[late.clone(), punch.clone()]);
    assert_eq!(judged.scope.shift_ids, ["s1".into()]);
    assert_eq!(
        world.outcome(&judged.outcomes[0]),
        "s1 leave in 09:00 out 18:00 worked 9:00 leave 540 due 0 worked_on_leave (l1)"
    );

    let recall = state.recall(&EMPLOYEE.into(), late.occurred_at);
    assert_eq!(state.recalled(&recall, &[punch, late]).outcomes[0].status, ShiftStatus::Leave);
}

#[test]
fn what_a_punch_shows_of_a_day_that_memory_knows_in_part_is_asked_of_the_lake() {
    // The shift is there so that whoever punches days later is said to have had none.
    let world = World::parse("shift s1 09:00-18:00; shift s2 129:00-138:00");
    let mut state = PartitionState::new(world.roster(), Settings { state_days: 5, ..settings() });
    state.advance(world.time("09:00"), &mut |_| {});
    for (arrives, is_known) in [("3d10:00", true), ("6d10:00", false)] {
        let mut steps = Vec::new();
        state.advance(world.time(arrives), &mut |_| {});
        let punch = StoredPunch {
            business_date: world.date.saturating_add(jiff::Span::new().days(2)),
            ..row(&world, arrives, Kind::In, "2d14:00")
        };
        assert!(!state.is_late(punch.occurred_at));
        assert_eq!(state.apply(&punch, &mut |step| steps.push(step)), Applied::Folded);
        let recalls = |punch: &StoredPunch| {
            let covers =
                |step: &&Step| matches!(step, Step::Recall(r) if r.span.contains(&punch.occurred_at));
            steps.iter().find(covers).cloned()
        };
        let said = |step: &Step| outcomes(std::slice::from_ref(step)).contains(&"! unscheduled".to_owned());
        assert_eq!(steps.iter().any(said), is_known, "{:?}", outcomes(&steps));
        match recalls(&punch) {
            None => assert!(is_known),
            Some(Step::Recall(recall)) => {
                assert!(!is_known);
                let judged = state.recalled(&recall, std::slice::from_ref(&punch));
                assert!(judged.findings.iter().any(|f| f.kind == AnomalyKind::Unscheduled));
            }
            Some(step) => panic!("{step:?}"),
        }
    }
}

#[test]
fn a_shift_that_closed_before_the_log_began_becomes_final_too() {
    let world =
        World::parse("policy settle=1440; shift s1 09:00-18:00; since 30:00; out 18:00 arrives 31:00");
    let mut life = Life::new(&world);
    world.sent.iter().for_each(|sent| _ = life.send(sent));
    assert!(life.said.text(&world).ends_with("open\n! missing_in s1 [e1]"), "{}", life.said.text(&world));
    life.advance(world.time("3d00:00"));
    assert_eq!(life.said.text(&world), "s1 present out 18:00 worked ? due 540 -in\n! missing_in s1 [e1]");
}

#[test]
fn a_new_snapshot_is_judged_by_restating() {
    let before = World::parse("shift s1 09:00-18:00; in 09:20; in 33:00");
    let after = World::parse("shift s1 09:30-18:00; shift s2 33:00-40:00; in 09:20; in 33:00");
    let mut life = Life::new(&before);
    before.sent.iter().for_each(|sent| _ = life.send(sent));
    assert_eq!(
        life.said.story,
        ["+no_show s1", "-no_show s1", "+late s1", "+missing_out s1", "+unscheduled day1"]
    );
    life.state.swap(after.roster());
    life.restate(before.time("-2d00:00"));
    assert_eq!(
        life.said.text(&after),
        "s1 present in 09:20 worked ? due 510 -out open\ns2 present in +1d09:00 worked ? due 420 open\n! missing_out s1 [e1]"
    );
    // The new shift's instants are set too.
    life.advance(before.time("90:00"));
    assert_eq!(life.said.text(&after).lines().last(), Some("! missing_out s2 [e2]"));
}

#[test]
fn a_calendar_changed_after_the_fact_is_judged_by_restating() {
    let before =
        World::parse("shift s1 09:00-18:00; shift s2 33:00-42:00; in 09:00; out 18:00; in 33:00; out 42:00");
    let mut life = Life::new(&before);
    before.sent.iter().for_each(|sent| _ = life.send(sent));
    life.finish();
    let days = |life: &Life<'_>| -> Vec<(DayKind, bool, u64)> {
        let outcomes = life.said.outcomes.values();
        outcomes.map(|o| (o.day_kind, o.statutory_holiday, digest(o))).collect()
    };
    let plain = days(&life);
    assert!(plain.iter().all(|day| (day.0, day.1) == (DayKind::Workday, false)), "{plain:?}");
    let mut restated = |calendar: Option<CalendarDay>| {
        let mut after = before.clone();
        after.reference.calendars = vec![Calendar {
            applies_to: "".into(),
            days: calendar.into_iter().collect(),
            weekdays: [DayKind::Workday; 7],
        }];
        life.state.swap(after.roster());
        life.restate(before.time("-2d00:00"));
        days(&life)
    };
    let holiday = |is_statutory, is_estimated| {
        Some(CalendarDay { date: before.date, kind: DayKind::Holiday, is_statutory, is_estimated })
    };
    let general = restated(holiday(false, true));
    assert_eq!((general[0].0, general[0].1), (DayKind::Holiday, false));
    assert_ne!(general[0].2, plain[0].2, "another hash is another version");
    assert_eq!(general[1], plain[1], "the day after says nothing new");
    assert_eq!(restated(holiday(false, false)), general, "nor does an estimate that came true");
    let statutory = restated(holiday(true, false));
    assert_eq!((statutory[0].0, statutory[0].1, statutory[1]), (DayKind::Holiday, true, plain[1]));
    assert_ne!(statutory[0].2, general[0].2);
    assert_eq!(restated(None), plain, "a day taken back is as it was");
}

#[test]
fn a_lone_first_record_before_a_jump_is_no_beginning() {
    let world = World::parse("shift s0 -60d09:00--60d18:00; shift s1 09:00-18:00");
    let record = Settings { clock: ClockSource::Record, ..settings() };
    for (source, absent) in [(record, false), (settings(), true)] {
        let mut state = PartitionState::new(world.roster(), source);
        let mut steps = Vec::new();
        state.advance(world.time("-90d09:00"), &mut |step| steps.push(step));
        state.advance(world.time("08:00"), &mut |step| steps.push(step));
        assert_eq!(outcomes(&steps).contains(&"s0 absent".to_owned()), absent, "{:?}", outcomes(&steps));
        state.advance(world.time("23:00"), &mut |step| steps.push(step));
        assert!(outcomes(&steps).contains(&"s1 absent".to_owned()));
    }
}

#[test]
fn nothing_is_said_before_the_clock_is_set() {
    let world = World::parse("shift s1 09:00-18:00");
    let mut state =
        PartitionState::new(world.roster(), Settings { clock: ClockSource::Record, ..settings() });
    let mut steps = Vec::new();
    state.advance(EventTime::from_us(0), &mut |step| steps.push(step));
    let suspect = StoredPunch {
        reasons: Reasons::EMPTY.with(Reason::ClockSuspect),
        ..row(&world, "e1", Kind::In, "09:00")
    };
    state.apply(&suspect, &mut |step| steps.push(step));
    state.end(&mut |step| steps.push(step));
    assert_eq!(outcomes(&steps), ["! clock_suspect"]);
    assert_eq!((state.since(), state.clock().us()), (None, 0));
}

#[test]
fn ending_twice_in_a_row_of_runs_says_the_same() {
    let world = World::parse("shift s1 09:00-18:00; shift s2 33:00-42:00; in 09:00; out 18:00");
    let mut life = Life::new(&world);
    world.sent.iter().for_each(|sent| _ = life.send(sent));
    let clock = life.state.clock();
    life.finish();
    let said = life.said.clone();
    assert_eq!(
        life.state.clock(),
        world.time("46:00"),
        "the run goes to the settling of the last window opened"
    );
    // The frontier kept the clock of the last record; who resumes there ends the same way.
    let mut state = PartitionState::new(world.roster(), settings());
    life.rows.iter().for_each(|row| state.fold(row));
    state.resume(clock, Some(world.since));
    life.state = state;
    life.end();
    assert_eq!(life.said, said);
}

#[test]
fn people_of_other_partitions_have_no_timers_here() {
    let world = World::parse("shift s1 09:00-18:00");
    let partitions = 3;
    let own = position::partition_of(EMPLOYEE.as_bytes(), partitions);
    for number in 0..partitions {
        let partition = Partition::new(number);
        let mut state = PartitionState::new(world.roster(), Settings { partition, partitions, ..settings() });
        let mut steps = Vec::new();
        for at in ["08:00", "23:00"] {
            state.advance(world.time(at), &mut |step| steps.push(step));
        }
        state.restate(world.time("00:00"), &mut |step| steps.push(step));
        assert_eq!(steps.is_empty(), partition != own);
    }
}

/// 30 people due at 09:00 and a log in append time.
fn crowd() -> (World, PartitionState) {
    let mut world = World::parse("shift s 09:00-18:00");
    let (person, shift) = (world.reference.people[0].clone(), world.reference.shifts[0].clone());
    (world.reference.people, world.reference.shifts) = (Rows::default(), Rows::default());
    for at in 0..30_u32 {
        let employee_id: Arc<str> = format!("P{at:02}").into();
        let shift_id: Arc<str> = format!("s{at:02}").into();
        world.reference.people.push(Person { employee_id, ..person.clone() });
        world.reference.shifts.push(Shift { shift_id, person: PersonIndex(at), ..shift.clone() });
    }
    let mut state = PartitionState::new(world.roster(), settings());
    state.advance(world.time("06:00"), &mut |_| panic!("nothing is due"));
    (world, state)
}

fn story(steps: &[Step]) -> (usize, Vec<String>) {
    let is_no_show = |finding: &&Finding| finding.kind == AnomalyKind::NoShow;
    let no_shows =
        steps.iter().filter_map(|step| if let Step::Judged(judged) = step { Some(judged) } else { None });
    let count = no_shows.flat_map(|judged| judged.findings.iter().filter(is_no_show)).count();
    let notes = outcomes(steps).into_iter().filter(|line| line.starts_with("silence")).collect();
    (count, notes)
}

#[test]
fn no_shows_wait_while_the_log_is_silent_and_for_two_hours_at_most() {
    let (world, mut state) = crowd();
    let mut steps = Vec::new();
    state.advance(world.time("11:14"), &mut |step| steps.push(step));
    assert_eq!(story(&steps), (0, vec!["silence firing".to_owned()]));
    let Some(Step::Silence(note)) = steps.first() else { panic!("{steps:?}") };
    assert_eq!((&*note.finding.org, note.clock), ("hk/a", world.time("09:15")));
    state.advance(world.time("11:15"), &mut |step| steps.push(step));
    assert_eq!(story(&steps).0, 30);
}

#[test]
fn a_log_that_speaks_again_lets_the_true_no_shows_go() {
    let (world, mut state) = crowd();
    let mut steps = Vec::new();
    state.advance(world.time("09:40"), &mut |step| steps.push(step));
    for at in 0..28 {
        let employee_id = format!("P{at:02}").as_str().into();
        let punch = StoredPunch { employee_id, ..row(&world, "e", Kind::In, "08:55") };
        state.apply(&punch, &mut |step| steps.push(step));
    }
    state.advance(world.time("09:42"), &mut |step| steps.push(step));
    let expected = ["silence firing", "silence resolved"].map(str::to_owned).to_vec();
    assert_eq!(story(&steps), (2, expected));
}

#[test]
fn a_restart_in_silence_goes_on_holding() {
    let (world, mut state) = crowd();
    state.advance(world.time("09:40"), &mut |_| {});
    let mut again = PartitionState::new(world.roster(), settings());
    again.resume(state.clock(), state.since());
    let mut steps = Vec::new();
    again.advance(world.time("11:14"), &mut |step| steps.push(step));
    assert_eq!(story(&steps).0, 0, "{:?}", outcomes(&steps));
    again.advance(world.time("11:15"), &mut |step| steps.push(step));
    assert_eq!(story(&steps).0, 30);
}

#[test]
fn few_people_or_a_replay_hold_nothing_back() {
    let (world, _) = crowd();
    for (people, clock, expected) in [(19, ClockSource::Append, 19), (30, ClockSource::Record, 30)] {
        let mut world = world.clone();
        world.reference.people.truncate(people);
        world.reference.shifts.truncate(people);
        let mut state = PartitionState::new(world.roster(), Settings { clock, ..settings() });
        let mut steps = Vec::new();
        for at in ["06:00", "09:15"] {
            state.advance(world.time(at), &mut |step| steps.push(step));
        }
        assert_eq!(story(&steps), (expected, vec![]));
    }
}

/// The crowd over the partitions of one log, and the lake that their owners commit to.
struct Spread {
    world: World,
    states: Vec<PartitionState>,
    lake: Vec<StoredPunch>,
    steps: Vec<Step>,
}

impl Spread {
    fn over(partitions: u32) -> Self {
        let (world, _) = crowd();
        let state = |number| {
            let settings = Settings { partition: Partition::new(number), partitions, ..settings() };
            let mut state = PartitionState::new(world.roster(), settings);
            state.advance(world.time("06:00"), &mut |_| panic!("nothing is due"));
            state
        };
        let states = (0..partitions).map(state).collect();
        Self { world, states, lake: Vec::new(), steps: Vec::new() }
    }

    /// Ten seconds after ten seconds; what is asked of the lake is answered at once.
    fn advance(&mut self, from: &str, until: &str) {
        let (mut clock, until) = (self.world.time(from), self.world.time(until));
        while clock <= until {
            for state in &mut self.states {
                let mut steps = Vec::new();
                state.advance(clock, &mut |step| steps.push(step));
                answer(state, &self.lake, steps, &mut self.steps);
            }
            clock = clock.plus_us(10_000_000);
        }
    }

    fn punch(&mut self, at: &str, who: impl IntoIterator<Item = usize>) {
        for number in who {
            let employee_id: Arc<str> = format!("P{number:02}").into();
            let own = position::partition_of(employee_id.as_bytes(), self.states.len() as u32);
            let punch = StoredPunch { employee_id, ..row(&self.world, "e", Kind::In, at) };
            let steps = &mut self.steps;
            self.states[own.number() as usize].apply(&punch, &mut |step| steps.push(step));
            self.lake.push(punch);
        }
    }
}

fn answer(state: &mut PartitionState, lake: &[StoredPunch], asked: Vec<Step>, out: &mut Vec<Step>) {
    for step in asked {
        let Step::Listen(listen) = step else {
            out.push(step);
            continue;
        };
        let wanted = lake.iter().filter(|punch| {
            listen.employee_ids.contains(&punch.employee_id) && punch.occurred_at >= listen.since
        });
        let wanted: Vec<StoredPunch> = wanted.cloned().collect();
        state.heard(&listen, &wanted, &mut |step| out.push(step));
    }
}

#[test]
fn silence_is_the_orgs_however_its_people_are_spread() {
    for partitions in [1, 2, 6, 30, 64] {
        let mut spread = Spread::over(partitions);
        spread.advance("08:59", "09:40");
        let firing = vec!["silence firing".to_owned()];
        assert_eq!(story(&spread.steps), (0, firing), "{partitions} partitions");
        spread.punch("08:55", 0..26);
        spread.advance("09:40", "09:41");
        let both = ["silence firing", "silence resolved"].map(str::to_owned).to_vec();
        assert_eq!(story(&spread.steps), (4, both), "{partitions} partitions");
        spread.advance("09:41", "12:00");
        assert_eq!(story(&spread.steps).0, 4, "{partitions} partitions");
    }
}

#[test]
fn a_lone_no_show_on_a_partition_is_no_silence() {
    for partitions in [1, 2, 6, 30, 64] {
        let mut spread = Spread::over(partitions);
        spread.punch("08:55", 1..30);
        spread.advance("08:59", "09:15");
        assert_eq!(story(&spread.steps), (1, vec![]), "{partitions} partitions");
    }
}

#[test]
fn a_lake_that_does_not_answer_holds_for_two_hours_at_most() {
    let mut spread = Spread::over(30);
    spread.punch("08:55", 1..30);
    let own = position::partition_of(b"P00", 30);
    let state = &mut spread.states[own.number() as usize];
    let mut steps = Vec::new();
    state.advance(spread.world.time("11:14"), &mut |step| steps.push(step));
    assert_eq!(story(&steps).0, 0);
    assert!(steps.iter().filter(|step| matches!(step, Step::Listen(_))).count() <= 13, "{}", steps.len());
    state.advance(spread.world.time("11:15"), &mut |step| steps.push(step));
    assert_eq!(story(&steps).0, 1);
}

#[test]
fn a_restart_takes_no_no_show_back_and_brings_none_forward() {
    // Said before: left alone until the lake has answered.
    let mut spread = Spread::over(30);
    spread.punch("08:55", 1..30);
    spread.advance("08:59", "09:20");
    let said = spread.steps.iter().find_map(|step| match step {
        Step::Judged(judged) => judged.findings.iter().find(|f| f.kind == AnomalyKind::NoShow).cloned(),
        _ => None,
    });
    let said = said.unwrap();
    let own = position::partition_of(b"P00", 30);
    let resumed = |spread: &Spread| {
        let partition = Settings { partition: own, partitions: 30, ..settings() };
        let mut state = PartitionState::new(spread.world.roster(), partition);
        spread
            .lake
            .iter()
            .filter(|p| position::partition_of(p.employee_id.as_bytes(), 30) == own)
            .for_each(|punch| state.fold(punch));
        let before = &spread.states[own.number() as usize];
        state.resume(before.clock(), before.since());
        let mut steps = Vec::new();
        state.restate(spread.world.time("00:00"), &mut |step| steps.push(step));
        (state, steps)
    };
    let (mut state, steps) = resumed(&spread);
    let takes_back = |steps: &[Step]| {
        steps.iter().any(|step| {
            matches!(step, Step::Judged(judged) if judged.covers(&said) && !judged.findings.contains(&said))
        })
    };
    assert!(!takes_back(&steps), "{steps:?}");
    let (mut asked, mut steps) = (Vec::new(), Vec::new());
    state.advance(spread.world.time("09:20:01"), &mut |step| asked.push(step));
    answer(&mut state, &spread.lake, asked, &mut steps);
    assert!(!takes_back(&steps) && story(&steps).0 == 1, "{steps:?}");

    // Not said before, since the org was silent: not said by restating either.
    let mut spread = Spread::over(30);
    spread.advance("08:59", "09:20");
    let (_, steps) = resumed(&spread);
    assert_eq!(story(&steps).0, 0, "{steps:?}");
}

#[test]
fn a_new_owner_tells_that_an_org_speaks_again() {
    let mut spread = Spread::over(6);
    spread.advance("08:59", "09:20");
    assert_eq!(story(&spread.steps).1, ["silence firing"]);
    // Its owner is gone when the punches come; they are on other partitions.
    let speaker = position::partition_of(b"hk/a", 6);
    let others: Vec<usize> =
        (0..30).filter(|n| position::partition_of(format!("P{n:02}").as_bytes(), 6) != speaker).collect();
    spread.punch("08:55", others);
    let partition = Settings { partition: speaker, partitions: 6, ..settings() };
    let mut state = PartitionState::new(spread.world.roster(), partition);
    let before = &spread.states[speaker.number() as usize];
    state.resume(before.clock(), before.since());
    let mut steps = Vec::new();
    for at in ["09:20:10", "09:20:30", "09:20:50"] {
        let mut asked = Vec::new();
        state.advance(spread.world.time(at), &mut |step| asked.push(step));
        answer(&mut state, &spread.lake, asked, &mut steps);
    }
    let (_, notes) = story(&steps);
    assert!(!notes.is_empty() && notes.iter().all(|note| note == "silence resolved"), "{notes:?}");
}

#[test]
fn a_round_the_clock_chain_ends_the_same_in_any_order() {
    for seed in 0..20 {
        let mut random = Random::new(seed ^ 0xc4a1);
        let mut script = "policy before=480 after=720\n".to_owned();
        for day in 0..24 {
            script += &format!("shift s{day:02} {day}d08:00-{day}d20:00\n");
        }
        for _ in 0..50 {
            let kind = random.pick(&["in", "out", "auto"]);
            script +=
                &format!("{kind} {}d{:02}:{:02}\n", random.below(25), random.below(24), random.below(60));
        }
        let world = World::parse(&script);
        let mut sent = world.sent.clone();
        let live = |sent: &[Sent]| {
            let mut life = Life::new(&world);
            for sent in sent {
                life.send(&Sent { arrives_at: sent.occurred_at.max(life.state.clock()), ..sent.clone() });
            }
            life.finish();
            life.said.text(&world)
        };
        let one = live(&sent);
        random.shuffle(&mut sent);
        assert_eq!(live(&sent), one, "seed {seed}\n{script}");
    }
}

#[test]
fn timers_of_a_shift_that_nothing_else_touches_are_silent_where_punches_answer_them() {
    let count = |script: &str| {
        let world = World::parse(script);
        let mut state = PartitionState::new(world.roster(), settings());
        state.advance(world.since, &mut |_| {});
        for (id, kind, at) in [("e1", Kind::In, "08:58"), ("e2", Kind::Out, "18:01")] {
            let punch = row(&world, id, kind, at);
            state.advance(punch.occurred_at, &mut |step| {
                assert!(!matches!(step, Step::Judged(_)), "{step:?}")
            });
            state.apply(&punch, &mut |_| {});
        }
        let mut finals = Vec::new();
        state.end(&mut |step| {
            let Step::Judged(judged) = step else { return };
            finals.extend(judged.outcomes.iter().map(|outcome| outcome.is_final));
        });
        finals
    };
    assert_eq!(
        count("shift s1 09:00-18:00"),
        [true],
        "neither the no-show nor the closing says anything new"
    );
    assert_eq!(
        count("shift s1 09:00-18:00; leave l1 48:00-49:00 type field"),
        [true],
        "leave of another day"
    );
}
