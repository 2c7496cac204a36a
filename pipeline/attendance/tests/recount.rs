//! Minutes against a recount that counts single minutes and shares no code with the crate.

mod support;

use support::*;

/// One shift 09:00–18:00, mostly with an hour of unpaid break at noon; everything on whole minutes.
const START: u64 = 540;
const END: u64 = 1080;
const BREAK: std::ops::Range<u64> = 720..780;

#[test]
fn worked_late_and_early_minutes_equal_a_count_of_single_minutes() {
    let clock = |minute: u64| format!("{:02}:{:02}", minute / 60, minute % 60);
    for seed in 0..500 {
        let mut random = Random::new(seed ^ 0xabba);
        let came = START - 60 + random.below(180);
        let left = END - 120 + random.below(200);
        let grace = random.below(3) * 10;
        let away = random.one_in(2).then(|| {
            let from = came + 1 + random.below(left - came - 20);
            from..from + 1 + random.below(left - from - 1)
        });
        let leave = random.one_in(2).then(|| {
            let from = START + 1 + random.below(400);
            from..(from + 10 + random.below(120)).min(END - 1)
        });
        let has_break = !random.one_in(3);
        let planned = if has_break { "break 12:00-13:00" } else { "" };
        let (after, deduct, half) = (random.below(4), random.below(3) * 15, random.below(3) * 240);
        // The night may lie within the day, or on both sides of it.
        let (dusk, dawn) = (random.below(1440), random.below(1440));
        let mut script = format!(
            "policy grace_in={grace} grace_out={grace} serious=0 debounce=0 night={dusk}-{dawn}\n\
             policy break_after={after} break_deduct={deduct} half_day={half}\n\
             shift s1 09:00-18:00 {planned}\nin {}\nout {}\n",
            clock(came),
            clock(left)
        );
        if let Some(away) = &away {
            script += &format!("break_out {}\nbreak_in {}\n", clock(away.start), clock(away.end));
        }
        if let Some(leave) = &leave {
            script += &format!("leave l1 {}-{}\n", clock(leave.start), clock(leave.end));
        }

        let world = World::parse(&script);
        let mut sent = world.sent.clone();
        sent.sort_by_key(|sent| sent.occurred_at);
        let mut life = Life::new(&world);
        sent.iter().for_each(|sent| _ = life.send(sent));
        life.finish();
        let outcome = life.said.outcomes.values().next().unwrap();

        let is_away = |minute: &u64| away.as_ref().is_some_and(|away| away.contains(minute));
        let on_leave = |minute: &u64| leave.as_ref().is_some_and(|leave| leave.contains(minute));
        let replaced = away.as_ref().is_some_and(|away| away.clone().any(|minute| BREAK.contains(&minute)));
        let in_break = |minute: &u64| is_away(minute) || has_break && !replaced && BREAK.contains(minute);
        let is_work = |minute: &u64| !in_break(minute) && !on_leave(minute);
        let present = (came..left).filter(is_work).count() as u64;
        let deducted =
            if has_break || away.is_some() || after == 0 { 0 } else { present / (after * 60) * deduct };
        let worked = (present - deducted) as i64;
        let is_due = |minute: &u64| !(has_break && BREAK.contains(minute)) && !on_leave(minute);
        let due = (START..END).filter(is_due).count() as i64;
        let late = came.saturating_sub(START) as i64;
        let early = END.saturating_sub(left) as i64;
        let beyond = |minutes: i64| if minutes <= grace as i64 { 0 } else { minutes };
        let counted = (worked * 60, due, beyond(late), beyond(early));
        let judged = (outcome.worked_s.unwrap(), outcome.due_min, outcome.late_min, outcome.early_min);
        assert_eq!(judged, counted, "seed {seed}\n{script}");
        let breaks = (came..left).filter(|minute| in_break(minute) && !on_leave(minute)).count() as i64;
        let is_night = |minute: &u64| {
            if dusk <= dawn { (dusk..dawn).contains(minute) } else { *minute >= dusk || *minute < dawn }
        };
        let night = (came..left).filter(|minute| is_work(minute) && is_night(minute)).count() as i64;
        assert_eq!(outcome.night_s, night * 60, "seed {seed}\n{script}");
        let is_half = outcome.reasons.contains(&"half_day");
        assert_eq!(is_half, worked < half as i64, "seed {seed}\n{script}");
        assert_eq!(outcome.break_min, breaks + deducted as i64, "seed {seed}\n{script}");
    }
}
