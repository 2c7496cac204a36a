//! Section 4 of the contract, sentence by sentence, as days in the small language of `support`.

mod support;

use support::*;

/// Lives through the day and compares what is said in the end; and asks the pure function for the same clock, which must
/// agree.
#[track_caller]
fn check(script: &str, expected: &str) {
    let world = World::parse(script);
    let mut sent = world.sent.clone();
    sent.sort_by_key(|sent| sent.arrives_at);
    let mut life = Life::new(&world);
    sent.iter().for_each(|sent| _ = life.send(sent));
    let until = life.finish();
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = life.said.text(&world);
    assert_eq!(said, expected.join("\n"), "\n--- said\n{said}\n--- of\n{script}");
    let clock = world.clock.unwrap_or_else(|| life.state.clock());
    let mut judged = judged_at(&world, &life.rows, clock, until);
    judged.story = life.said.story.clone();
    assert_eq!(judged.text(&world), said, "the pure function at the same clock");
}

/// As [`check`], of the story of findings instead of the end.
#[track_caller]
fn check_story(script: &str, expected: &str) {
    let world = World::parse(script);
    let mut sent = world.sent.clone();
    sent.sort_by_key(|sent| sent.arrives_at);
    let mut life = Life::new(&world);
    sent.iter().for_each(|sent| _ = life.send(sent));
    life.finish();
    assert_eq!(life.said.story.join(", "), expected, "{script}");
}

#[test]
fn an_ordinary_day() {
    check(
        "shift s1 09:00-18:00 break 12:00-13:00; in 08:58; out 18:03",
        "s1 present in 08:58 out 18:03 worked 8:05 break 60 due 480 auto",
    );
    check(
        "shift s1 22:00-30:00; in 21:58; out 30:03",
        "s1 present in 21:58 out +1d06:03 worked 8:05 due 480",
    );
    check("", "");
    check("shift s1 09:00-18:00; in 08:58; clock 10:00", "s1 present in 08:58 worked ? due 540 open");
    check("shift s1 09:00-18:00; clock 09:10", "");
}

#[test]
fn lateness_is_read_like_a_clock_and_grace_is_inclusive() {
    let day =
        |policy: &str, came: &str| format!("policy {policy}; shift s1 09:00-18:00; in {came}; out 18:00");
    check(&day("grace_in=15", "09:15:59"), "s1 present in 09:15:59 out 18:00 worked 8:44:01 due 540");
    check(
        &day("grace_in=15", "09:16"),
        "s1 late in 09:16 out 18:00 worked 8:44 late 16 due 540\n! late s1 16 [e1]",
    );
    check(&day("grace_in=0", "09:00:59"), "s1 present in 09:00:59 out 18:00 worked 8:59:01 due 540");
    check(
        &day("grace_in=0", "09:01"),
        "s1 late in 09:01 out 18:00 worked 8:59 late 1 due 540\n! late s1 1 [e1]",
    );
    check(
        &day("grace_in=10 late_from=grace_end", "09:25"),
        "s1 late in 09:25 out 18:00 worked 8:35 late 15 due 540\n! late s1 15 [e1]",
    );
    check(
        &day("grace_in=10 late_from=grace_end", "09:10:30"),
        "s1 present in 09:10:30 out 18:00 worked 8:49:30 due 540",
    );
}

#[test]
fn the_second_and_third_thresholds_are_inclusive() {
    let day =
        |policy: &str, came: &str| format!("policy {policy}; shift s1 09:00-18:00; in {came}; out 18:00");
    check(
        &day("serious=60", "09:59:59"),
        "s1 late in 09:59:59 out 18:00 worked 8:00:01 late 59 due 540\n! late s1 59 [e1]",
    );
    check(
        &day("serious=60", "10:00"),
        "s1 serious_late in 10:00 out 18:00 worked 8:00 late 60 due 540\n! serious_late s1 60 [e1]",
    );
    check(
        &day("serious=0", "11:00"),
        "s1 late in 11:00 out 18:00 worked 7:00 late 120 due 540\n! late s1 120 [e1]",
    );
    check(
        &day("as_absent=120", "11:00"),
        "s1 absent in 11:00 out 18:00 worked 7:00 late 120 due 540 late_as_absent\n! serious_late s1 120 [e1]",
    );
    check(
        &day("as_absent=120", "10:59"),
        "s1 serious_late in 10:59 out 18:00 worked 7:01 late 119 due 540\n! serious_late s1 119 [e1]",
    );
}

#[test]
fn leaving_early_counts_whole_minutes_of_true_time() {
    let day =
        |policy: &str, left: &str| format!("policy {policy}; shift s1 09:00-18:00; in 09:00; out {left}");
    check(&day("grace_out=0", "17:59:01"), "s1 present in 09:00 out 17:59:01 worked 8:59:01 due 540");
    check(
        &day("grace_out=0", "17:58:59"),
        "s1 present in 09:00 out 17:58:59 worked 8:58:59 early 1 due 540\n! early_leave s1 1 [e2]",
    );
    check(&day("grace_out=15", "17:44:30"), "s1 present in 09:00 out 17:44:30 worked 8:44:30 due 540");
    check(
        &day("grace_out=15", "17:44:00"),
        "s1 present in 09:00 out 17:44 worked 8:44 early 16 due 540\n! early_leave s1 16 [e2]",
    );
}

#[test]
fn an_early_out_is_taken_back_by_a_later_one_or_by_coming_back() {
    check_story("shift s1 09:00-18:00; in 09:00; out 15:00; out 18:00", "+early_leave s1, -early_leave s1");
    check_story(
        "shift s1 09:00-18:00; in 09:00; out 12:00; in 13:00; clock 13:01",
        "+early_leave s1, -early_leave s1",
    );
}

#[test]
fn a_missing_end_is_a_flag_and_no_hours() {
    check(
        "shift s1 09:00-18:00; in 09:00",
        "s1 present in 09:00 worked ? due 540 -out\n! missing_out s1 [e1]",
    );
    check(
        "shift s1 09:00-18:00; out 18:00",
        "s1 present out 18:00 worked ? due 540 -in\n! missing_in s1 [e1]",
    );
    check(
        "shift s1 09:00-18:00; in 09:20; clock 22:00",
        "s1 late in 09:20 worked ? late 20 due 540 open\n! late s1 20 [e1]",
    );
    check(
        "shift s1 09:00-18:00; in 09:20; clock 22:01",
        "s1 late in 09:20 worked ? late 20 due 540 -out open\n! late s1 20 [e1]\n! missing_out s1 [e1]",
    );
    check(
        "shift s1 09:00-18:00; out 17:00",
        "s1 present out 17:00 worked ? early 60 due 540 -in\n! early_leave s1 60 [e1]\n! missing_in s1 [e1]",
    );
    check(
        "shift s1 09:00-18:00; break_out 12:00; break_in 13:00",
        "s1 present due 540 -in -out\n! missing_in s1\n! missing_out s1",
    );
}

#[test]
fn absence_needs_a_closed_window_and_is_final_when_settled() {
    let absent = "s1 absent due 540 -in -out";
    check("shift s1 09:00-18:00", &format!("{absent}\n! absent s1"));
    check("shift s1 09:00-18:00; clock 22:00", "! no_show s1");
    check("shift s1 09:00-18:00; clock 22:01", &format!("{absent} open\n! no_show s1\n! absent s1"));
    check("shift s1 09:00-18:00; clock 45:59", &format!("{absent} open\n! no_show s1\n! absent s1"));
    check("shift s1 09:00-18:00; clock 46:00", &format!("{absent}\n! absent s1"));
    check_story("shift s1 09:00-18:00", "+no_show s1, +absent s1, -no_show s1");
    check("policy settle=0; shift s1 09:00-18:00; clock 22:01", &format!("{absent}\n! absent s1"));
}

#[test]
fn a_no_show_fires_after_start_grace_and_waiting_time() {
    check("policy grace_in=10 no_show=15; shift s1 09:00-18:00; clock 09:24", "");
    check("policy grace_in=10 no_show=15; shift s1 09:00-18:00; clock 09:25", "! no_show s1");
    check_story("shift s1 09:00-18:00; in 09:20; out 18:00", "+no_show s1, -no_show s1, +late s1");
    check_story("shift s1 09:00-18:00; in 09:10; out 18:00", "+late s1");
    check_story("shift s1 09:00-18:00; in 08:55 arrives 11:00; out 18:00", "+no_show s1, -no_show s1");
    check_story("shift s1 09:00-18:00 free; clock 22:00", "");
    check_story("policy flex=forgive flex_min=30; shift s1 09:00-18:00; clock 09:44", "");
    check_story("policy flex=forgive flex_min=30; shift s1 09:00-18:00; clock 09:45", "+no_show s1");
}

#[test]
fn a_late_upload_after_the_close_takes_absence_back() {
    check_story(
        "shift s1 09:00-18:00; in 08:55 arrives 23:00; out 18:00 arrives 23:00",
        "+no_show s1, +absent s1, -no_show s1, -absent s1, +missing_out s1, -missing_out s1",
    );
    check(
        "shift s1 09:00-18:00; in 08:55 arrives 60:00; out 18:00 arrives 60:00",
        "s1 present in 08:55 out 18:00 worked 9:05 due 540",
    );
}

#[test]
fn windows_are_inclusive_at_both_ends() {
    check("shift s1 09:00-18:00; in 07:00; out 22:00", "s1 present in 07:00 out 22:00 worked 15:00 due 540");
    check(
        "shift s1 09:00-18:00; in 06:59:59; out 22:00:01",
        "s1 absent due 540 -in -out\n! unscheduled day0 [e1,e2]\n! absent s1",
    );
}

#[test]
fn of_several_windows_the_verdicts_site_decides_first() {
    let split = "shift s1 09:00-13:00; shift s2 13:00-17:00 at B;";
    check(
        &format!("{split} in 12:30 at B; out 17:00 at B; clock 17:00"),
        "s2 present in 12:30 out 17:00 worked 4:30 due 240 open\n! no_show s1",
    );
    check(
        &format!("{split} in 12:30 none; clock 12:31"),
        "s2 present in 12:30 worked ? due 240 open\n! no_show s1",
    );
    check(
        &format!("{split} in 12:30 at A; clock 12:31"),
        "s1 serious_late in 12:30 worked ? late 210 due 240 open\n! serious_late s1 210 [e1]",
    );
}

#[test]
fn an_out_goes_to_the_shift_with_an_in_and_no_out() {
    check(
        "shift s1 09:00-13:00; shift s2 13:00-17:00; in 08:55; out 13:02; in 13:04; out 17:01",
        "s1 present in 08:55 out 13:02 worked 4:07 due 240
         s2 late in 13:04 out 17:01 worked 3:57 late 4 due 240
         ! late s2 4 [e3]",
    );
    check(
        "shift s1 09:00-13:00; shift s2 13:00-17:00; in 08:55; out 16:30; clock 16:31",
        "s1 present in 08:55 out 16:30 worked 7:35 due 240 open\n! no_show s2",
    );
    check(
        "shift s1 09:00-13:00; shift s2 13:00-17:00; in 08:55; in 12:58; out 13:10; clock 13:11",
        "s1 present in 08:55 out 13:10 worked 4:15 due 240 open\ns2 present in 12:58 worked ? due 240 open",
    );
}

#[test]
fn an_in_goes_to_the_nearest_start_not_yet_entered() {
    check(
        "shift s1 10:00-14:00; shift s2 18:00-22:00; in 17:50; out 22:05",
        "s1 absent due 240 -in -out\ns2 present in 17:50 out 22:05 worked 4:15 due 240\n! absent s1",
    );
    check(
        "policy before=300; shift s1 10:00-12:00; shift s2 14:00-18:00; in 12:00; clock 12:01",
        "s1 serious_late in 12:00 worked ? late 120 due 120 open\n! serious_late s1 120 [e1]",
    );
    check(
        "shift s1 10:00-12:00; shift s2 13:00-18:00; in 09:50; in 11:55; clock 12:00",
        "s1 present in 09:50 worked ? due 120 open\ns2 present in 11:55 worked ? due 300 open",
    );
}

#[test]
fn where_no_criterion_names_a_shift_the_one_punched_last_is_meant() {
    let split = "shift s1 09:00-13:00; shift s2 13:00-17:00; in 08:55; out 13:00; in 13:05;";
    check(
        &format!("{split} out 15:00; in 15:20; out 17:00; clock 17:00"),
        "s1 present in 08:55 out 13:00 worked 4:05 due 240 open
         s2 late in 13:05 out 17:00 worked 3:35 late 5 break 20 due 240 open
         ! late s2 5 [e3]",
    );
    check(
        "shift s1 09:00-13:00; shift s2 13:00-17:00; out 13:02; clock 13:03",
        "s1 present out 13:02 worked ? due 240 open",
    );
}

#[test]
fn first_in_and_last_out_hold_the_ends() {
    check(
        "shift s1 09:00-18:00; in 08:50; in 08:55; out 18:00; out 18:20",
        "s1 present in 08:50 out 18:20 worked 9:30 due 540",
    );
    check(
        "shift s1 09:00-18:00; out 08:05; in 08:58; out 18:00",
        "s1 present in 08:58 out 18:00 worked 9:02 due 540",
    );
    check(
        "shift s1 09:00-18:00; in 09:00; out 18:00; in 18:02",
        "s1 present in 09:00 out 18:00 worked 9:00 due 540",
    );
    check(
        "shift s1 09:00-18:00; in 09:00; out 12:00; in 13:00",
        "s1 present in 09:00 worked ? due 540 -out\n! missing_out s1 [e1]",
    );
}

#[test]
fn a_break_as_punched_replaces_the_planned_one_it_overlaps() {
    let day = "shift s1 09:00-18:00 break 12:00-13:00; in 09:00; out 18:00;";
    check(day, "s1 present in 09:00 out 18:00 worked 8:00 break 60 due 480 auto");
    check(
        &format!("{day} out 12:10; in 12:40"),
        "s1 present in 09:00 out 18:00 worked 8:30 break 30 due 480",
    );
    check(
        &format!("{day} break_out 12:10; break_in 13:20"),
        "s1 present in 09:00 out 18:00 worked 7:50 break 70 due 480",
    );
    check(
        &format!("{day} break_out 15:00; break_in 15:10"),
        "s1 present in 09:00 out 18:00 worked 7:50 break 70 due 480 auto",
    );
    check(
        &format!("{day} break_out 12:00"),
        "s1 present in 09:00 out 18:00 worked 8:00 break 60 due 480 auto",
    );
    check(
        "shift s1 09:00-18:00 break 12:00-13:00; in 09:00; out 12:30",
        "s1 present in 09:00 out 12:30 worked 3:00 early 330 break 30 due 480 auto\n! early_leave s1 330 [e2]",
    );
}

#[test]
fn paid_breaks_are_work() {
    check(
        "shift s1 09:00-18:00 paid 15:00-15:30; in 09:00; out 18:00",
        "s1 present in 09:00 out 18:00 worked 9:00 due 540",
    );
    check(
        "shift s1 09:00-18:00 paid 15:00-15:30; in 09:00; break_out 15:05; break_in 15:40; out 18:00",
        "s1 present in 09:00 out 18:00 worked 8:50 break 10 due 540",
    );
}

#[test]
fn auto_punches_alternate() {
    check(
        "shift s1 09:00-18:00; auto 08:58; auto 12:00; auto 12:45; auto 18:01",
        "s1 present in 08:58 out 18:01 worked 8:18 break 45 due 540",
    );
    check(
        "shift s1 09:00-18:00; auto 09:00",
        "s1 present in 09:00 worked ? due 540 -out\n! missing_out s1 [e1]",
    );
    check(
        "shift s1 09:00-18:00; auto 17:50",
        "s1 present out 17:50 worked ? early 10 due 540 -in\n! early_leave s1 10 [e1]\n! missing_in s1 [e1]",
    );
    check("shift s1 09:00-18:00; in 09:00; auto 18:00", "s1 present in 09:00 out 18:00 worked 9:00 due 540");
    check("shift s1 09:00-18:00; auto 09:00; out 18:00", "s1 present in 09:00 out 18:00 worked 9:00 due 540");
    check(
        "shift s1 09:00-18:00; in 09:00; break_out 12:00; auto 12:30; auto 18:00",
        "s1 present in 09:00 out 18:00 worked 8:30 break 30 due 540",
    );
    check(
        "shift s1 09:00-13:00; shift s2 13:00-17:00; auto 08:59; auto 13:01; auto 13:04; auto 17:00; clock 17:00",
        "s1 present in 08:59 out 13:01 worked 4:02 due 240 open\ns2 late in 13:04 out 17:00 worked 3:56 late 4 due 240 open\n! late s2 4 [e3]",
    );
}

#[test]
fn a_repeat_within_the_debounce_never_binds() {
    check(
        "shift s1 09:00-18:00; in 08:59; in 09:00; out 18:00; out 18:01",
        "s1 present in 08:59 out 18:00 worked 9:01 due 540",
    );
    check(
        "shift s1 09:00-18:00; in 08:59; out 18:00; out 18:01:01",
        "s1 present in 08:59 out 18:01:01 worked 9:02:01 due 540",
    );
    check(
        "policy debounce=0; shift s1 09:00-18:00; in 09:00; out 18:00; out 18:00:05",
        "s1 present in 09:00 out 18:00:05 worked 9:00:05 due 540",
    );
    check(
        "shift s1 09:00-18:00; auto 09:00; auto 09:00:40; auto 18:00",
        "s1 present in 09:00 out 18:00 worked 9:00 due 540",
    );
    check(
        "shift s1 09:00-18:00; in 09:00:30; in 08:59:50 arrives 10:00; out 18:00",
        "s1 present in 08:59:50 out 18:00 worked 9:00:10 due 540",
    );
    check(
        "shift s1 09:00-18:00; in 09:00; out 09:00:30; clock 09:01",
        "s1 present in 09:00 out 09:00:30 worked 0:00:30 early 539 due 540 open\n! early_leave s1 539 [e2]",
    );
}

#[test]
fn a_punch_just_before_the_window_takes_nothing_away() {
    check(
        "shift s1 09:00-18:00; in 06:59:50; in 07:00:10; out 18:00",
        "s1 present in 07:00:10 out 18:00 worked 10:59:50 due 540\n! unscheduled day0 [e1]",
    );
}

#[test]
fn place_never_stops_binding() {
    check(
        "shift s1 09:00-18:00; in 09:00 outside; out 18:00 none",
        "s1 present in 09:00 out 18:00 worked 9:00 due 540\n! outside s1 [e1]",
    );
    check(
        "shift s1 09:00-18:00; in 09:00 outside; out 18:00 outside mocked",
        "s1 present in 09:00 out 18:00 worked 9:00 due 540\n! outside s1 [e1,e2]\n! mocked s1 [e2]",
    );
    check(
        "shift s1 09:00-18:00; in 09:00 contradicts; out 18:00",
        "s1 present in 09:00 out 18:00 worked 9:00 due 540\n! contradiction s1 [e1]",
    );
    check(
        "shift s1 09:00-18:00; in 09:00 at B; out 18:00",
        "s1 present in 09:00@B out 18:00 worked 9:00 due 540\n! wrong_store s1 [e1]",
    );
    check(
        "shift s1 09:00-18:00; in 09:00 at C; out 18:00",
        "s1 present in 09:00@C out 18:00 worked 9:00 due 540",
    );
}

#[test]
fn a_suspect_clock_and_a_correction_by_hand_never_bind() {
    check(
        "shift s1 09:00-18:00; in 09:00 suspect outside; out 18:00",
        "s1 present out 18:00 worked ? due 540 -in\n! clock_suspect day0 [e1]\n! missing_in s1 [e2]",
    );
    check(
        "shift s1 09:00-18:00; in 09:00 correction; out 18:00",
        "s1 present out 18:00 worked ? due 540 -in\n! missing_in s1 [e2]",
    );
    check(
        "shift s1 09:00-18:00; in 09:00 arrives 08:49:59; out 18:00",
        "s1 present out 18:00 worked ? due 540 -in\n! clock_suspect day0 [e1]\n! missing_in s1 [e2]",
    );
    check(
        "shift s1 09:00-18:00; in 09:00 arrives 08:50; out 18:00",
        "s1 present in 09:00 out 18:00 worked 9:00 due 540",
    );
}

#[test]
fn unscheduled_only_for_a_person_with_shifts_around() {
    check("in 09:00", "");
    check("shift s1 31d00:00-31d08:00; in 09:00; out 10:00; clock 11:00", "! unscheduled day0 [e1,e2]");
    check("shift s1 33d00:00-33d08:00; in 09:00; clock 11:00", "");
    check(
        "shift s1 -31d02:00--31d10:00; since -40d00:00; in 09:00; clock 11:00",
        "s1 absent due 480 -in -out\n! absent s1\n! unscheduled day0 [e1]",
    );
    check("shift s1 09:00-18:00 cancelled; in 09:00; clock 11:00", "! unscheduled day0 [e1]");
    check(
        "shift s1 12:00-18:00; in 03:00 outside; clock 04:00",
        "! outside day0 [e1]\n! unscheduled day0 [e1]",
    );
}

#[test]
fn a_cancelled_shift_has_a_row_and_nothing_else() {
    check("shift s1 09:00-18:00 cancelled", "s1 cancelled due 0");
    check("shift s1 09:00-18:00 cancelled; clock 22:00", "");
    check("shift s1 09:00-18:00 cancelled; correct c1 in 09:00 for s1", "s1 cancelled due 0");
}

#[test]
fn leave_over_the_whole_due_time() {
    check("shift s1 09:00-18:00 break 12:00-13:00; leave l1 09:00-18:00", "s1 leave leave 480 due 0 (l1)");
    check(
        "shift s1 09:00-18:00 break 12:00-13:00; leave l1 08:00-12:00; leave l2 13:00-20:00",
        "s1 leave leave 480 due 0 (l1 180,l2 300)",
    );
    check(
        "shift s1 09:00-18:00; leave l1 00:00-24:00; in 10:00; out 12:00",
        "s1 leave in 10:00 out 12:00 worked 2:00 leave 540 due 0 worked_on_leave (l1)",
    );
    check(
        "shift s1 09:00-18:00; leave l1 00:00-24:00; in 10:00",
        "s1 leave in 10:00 worked ? leave 540 due 0 worked_on_leave (l1)",
    );
    check("shift s1 09:00-18:00; leave l1 09:00-18:00 pending", "s1 absent due 540 -in -out\n! absent s1");
    check("shift s1 09:00-18:00; leave l1 09:00-18:00; clock 22:00", "");
}

#[test]
fn minutes_of_several_leaves_add_up() {
    // Time under two rows goes with the one that begins first, then with the smaller id.
    check(
        "shift s1 09:00-18:00; leave l2 09:00-12:00; leave l1 11:00-13:00; in 13:00; out 18:00",
        "s1 present in 13:00 out 18:00 worked 5:00 leave 240 due 300 (l1 60,l2 180)",
    );
    check(
        "shift s1 09:00-18:00; leave l2 09:00-12:00; leave l1 09:00-11:00; in 12:00; out 18:00",
        "s1 present in 12:00 out 18:00 worked 6:00 leave 180 due 360 (l1 120,l2 60)",
    );
    // A leave within another, and one that is all unpaid break, have none.
    check(
        "shift s1 09:00-18:00 break 12:00-13:00; leave l1 09:00-12:00; leave l2 10:00-11:00; leave l3 12:00-13:00; \
         in 13:00; out 18:00",
        "s1 present in 13:00 out 18:00 worked 5:00 leave 180 due 300 (l1 180,l2 0,l3 0)",
    );
    // Neither loses the seconds that make a whole minute of both.
    check(
        "shift s1 09:00-18:00; leave l1 09:00-10:00:30; leave l2 16:59:30-18:00; in 10:00; out 17:00",
        "s1 present in 10:00 out 17:00 worked 7:00 leave 121 due 419 (l1 60,l2 61)",
    );
}

#[test]
fn leave_approved_afterwards_takes_back_what_it_explains() {
    check_story(
        "shift s1 09:00-18:00; leave l1 09:00-18:00 from 11:00; clock 23:00",
        "+no_show s1, -no_show s1",
    );
    check_story(
        "shift s1 09:00-18:00; leave l1 09:00-18:00 from 47:00; clock 48:00",
        "+no_show s1, +absent s1, -no_show s1, -absent s1",
    );
    check(
        "shift s1 09:00-18:00; leave l1 09:00-18:00 from 71:00; clock 72:00",
        "s1 leave leave 540 due 0 (l1)",
    );
    check(
        "shift s1 09:00-18:00; leave l1 09:00-18:00 from 71:00; clock 70:00",
        "s1 absent due 540 -in -out\n! absent s1",
    );
    check_story(
        "shift s1 09:00-18:00; in 11:00; out 18:00; leave l1 09:00-11:00 from 20:00; clock 21:00",
        "+no_show s1, -no_show s1, +serious_late s1, -serious_late s1",
    );
}

#[test]
fn leave_over_one_end_moves_it() {
    check(
        "shift s1 09:00-18:00; leave l1 09:00-11:00; in 11:05; out 18:00",
        "s1 late in 11:05 out 18:00 worked 6:55 late 5 leave 120 due 420 (l1)\n! late s1 5 [e1]",
    );
    check(
        "shift s1 09:00-18:00; leave l1 16:00-18:00; in 09:00; out 16:00",
        "s1 present in 09:00 out 16:00 worked 7:00 leave 120 due 420 (l1)",
    );
    check(
        "shift s1 09:00-18:00; leave l1 16:00-18:00; in 09:00; out 15:50",
        "s1 present in 09:00 out 15:50 worked 6:50 early 10 leave 120 due 420 (l1)\n! early_leave s1 10 [e2]",
    );
    check(
        "shift s1 09:00-18:00 break 12:00-13:00; leave l1 09:00-12:00; in 13:00; out 18:00",
        "s1 present in 13:00 out 18:00 worked 5:00 leave 180 due 300 (l1)",
    );
    check(
        "shift s1 09:00-18:00 break 12:00-13:00; leave l1 13:00-18:00; in 09:00; out 12:00",
        "s1 present in 09:00 out 12:00 worked 3:00 leave 300 due 180 (l1)",
    );
    check_story("shift s1 09:00-18:00; leave l1 09:00-11:00; clock 11:14", "");
    check_story("shift s1 09:00-18:00; leave l1 09:00-11:00; clock 11:15", "+no_show s1");
    check(
        "shift s1 09:00-18:00; leave l1 09:00-11:00; in 10:30; out 18:00",
        "s1 present in 10:30 out 18:00 worked 7:30 leave 120 due 420 (l1)",
    );
}

#[test]
fn leave_inside_is_deducted_once() {
    let day = "shift s1 09:00-18:00 break 12:00-13:00; in 09:00; out 18:00;";
    check(
        &format!("{day} leave l1 14:00-15:00"),
        "s1 present in 09:00 out 18:00 worked 7:00 break 60 leave 60 due 420 auto (l1)",
    );
    check(
        &format!("{day} leave l1 11:30-13:30"),
        "s1 present in 09:00 out 18:00 worked 7:00 leave 60 due 420 auto (l1)",
    );
    check(
        &format!("{day} leave l1 14:00-15:00; leave l2 14:30-15:30"),
        "s1 present in 09:00 out 18:00 worked 6:30 break 60 leave 90 due 390 auto (l1 60,l2 30)",
    );
    check(
        &format!("{day} leave l1 14:00-15:00; out 14:05; in 14:55"),
        "s1 present in 09:00 out 18:00 worked 7:00 break 60 leave 60 due 420 auto (l1)",
    );
}

#[test]
fn permissions_are_no_absence() {
    check("shift s1 09:00-18:00; leave l1 09:00-18:00 type field", "s1 absent due 540 -in -out\n! absent s1");
    check(
        "shift s1 09:00-18:00; leave l1 09:00-18:00 type overtime",
        "s1 absent due 540 -in -out\n! absent s1",
    );
}

#[test]
fn an_approved_correction_replaces_its_end() {
    check(
        "shift s1 09:00-18:00; in 09:40; out 18:00; correct c1 in 09:00",
        "s1 present in 09:00* out 18:00 worked 9:00 due 540 (c1)",
    );
    check(
        "shift s1 09:00-18:00; in 09:00; correct c1 out 18:05 from 30:00",
        "s1 present in 09:00 out 18:05* worked 9:05 due 540 (c1)",
    );
    check(
        "shift s1 09:00-18:00; in 09:00; correct c1 out 18:05 from 30:00; clock 29:00",
        "s1 present in 09:00 worked ? due 540 -out open\n! missing_out s1 [e1]",
    );
    check(
        "shift s1 09:00-18:00; in 09:00; correct c1 out 23:30 for s1",
        "s1 present in 09:00 out 23:30* worked 14:30 due 540 (c1)",
    );
    check(
        "shift s1 09:00-18:00; in 09:00; correct c1 out 23:30",
        "s1 present in 09:00 worked ? due 540 -out\n! missing_out s1 [e1]",
    );
    check(
        "shift s1 09:00-18:00; correct c1 in 09:00; correct c2 out 18:00",
        "s1 present in 09:00* out 18:00* worked 9:00 due 540 (c1,c2)",
    );
    check(
        "shift s1 09:00-18:00; in 09:00; out 18:00; correct c1 in 08:00 pending",
        "s1 present in 09:00 out 18:00 worked 9:00 due 540",
    );
    check(
        "shift s1 09:00-18:00; correct c1 in 09:00 from 10:00; correct c2 in 08:30 from 12:00; out 18:00",
        "s1 present in 08:30* out 18:00 worked 9:30 due 540 (c2)",
    );
    check(
        "shift s1 09:00-18:00; out 12:00; in 13:00; out 18:00; correct c1 in 09:00",
        "s1 present in 09:00* out 18:00 worked 8:00 break 60 due 540 (c1)",
    );
    check_story(
        "shift s1 09:00-18:00; correct c1 in 09:00 from 12:00; out 18:00",
        "+no_show s1, -no_show s1",
    );
}

#[test]
fn flexible_time_forgives_or_slides() {
    let day = |flex: &str, came: &str, left: &str| {
        format!("policy flex={flex} flex_min=30 grace_in=5; shift s1 09:00-18:00; in {came}; out {left}")
    };
    check(&day("forgive", "09:35", "17:30"), "s1 present in 09:35 out 17:30 worked 7:55 due 540");
    check(
        &day("forgive", "09:36", "18:00"),
        "s1 late in 09:36 out 18:00 worked 8:24 late 36 due 540\n! late s1 36 [e1]",
    );
    check(
        &day("forgive", "09:00", "17:29"),
        "s1 present in 09:00 out 17:29 worked 8:29 early 31 due 540\n! early_leave s1 31 [e2]",
    );
    check(&day("slide", "09:20", "18:20"), "s1 present in 09:20 out 18:20 worked 9:00 due 540");
    check(
        &day("slide", "09:20", "18:10"),
        "s1 present in 09:20 out 18:10 worked 8:50 early 10 due 540\n! early_leave s1 10 [e2]",
    );
    check(
        &day("slide", "08:30", "17:50"),
        "s1 present in 08:30 out 17:50 worked 9:20 early 10 due 540\n! early_leave s1 10 [e2]",
    );
    check(&day("slide", "09:35", "18:30"), "s1 present in 09:35 out 18:30 worked 8:55 due 540");
    check(
        &day("slide", "09:40", "18:30"),
        "s1 late in 09:40 out 18:30 worked 8:50 late 10 due 540\n! late s1 10 [e1]",
    );
}

#[test]
fn free_shifts_have_no_due_ends() {
    check(
        "shift s1 09:00-18:00 free; in 11:00; out 16:00",
        "s1 present in 11:00 out 16:00 worked 5:00 due 540",
    );
    check("shift s1 09:00-18:00 free", "s1 absent due 540 -in -out\n! absent s1");
}

#[test]
fn overtime_is_what_the_policy_says() {
    let day = |policy: &str, left: &str, leave: &str| {
        format!("policy overtime={policy}; shift s1 09:00-18:00; in 09:00; out {left}; {leave}")
    };
    let approved = "leave o1 18:00-20:00 type overtime";
    let row = |left: &str, worked: &str, rest: &str| {
        format!("s1 present in 09:00 out {left} worked {worked}{rest} due 540")
    };
    check(&day("off", "21:00", approved), &row("21:00", "12:00", ""));
    check(&day("punched", "19:30", ""), &row("19:30", "10:30", " overtime 60"));
    check(&day("punched", "18:59", ""), &row("18:59", "9:59", ""));
    check(&day("approved", "18:00", approved), &row("18:00", "9:00", " overtime 120"));
    check(&day("both", "19:00", approved), &row("19:00", "10:00", " overtime 60"));
    check(&day("both", "21:00", approved), &row("21:00", "12:00", " overtime 120"));
    check(&day("both", "21:00", "leave o1 18:00-20:00 type overtime pending"), &row("21:00", "12:00", ""));
    check(
        &day("approved", "18:00", "leave o1 08:00-12:00 type overtime"),
        &row("18:00", "9:00", " overtime 60"),
    );
}

#[test]
fn nights_with_a_change_of_clocks_have_their_true_hours() {
    let night = "shift s1 23:00-31:00; in 23:00; out 31:00";
    check(
        &format!("zone Europe/London; date 2026-03-28; {night}"),
        "s1 present in 23:00 out +1d07:00 worked 7:00 due 420",
    );
    check(
        &format!("zone Europe/London; date 2026-10-24; {night}"),
        "s1 present in 23:00 out +1d07:00 worked 9:00 due 540",
    );
    check(
        &format!("zone America/New_York; date 2026-03-07; {night}"),
        "s1 present in 23:00 out +1d07:00 worked 7:00 due 420",
    );
    check(
        &format!("zone America/New_York; date 2026-10-31; {night}"),
        "s1 present in 23:00 out +1d07:00 worked 9:00 due 540",
    );
    check(
        "zone Europe/London; date 2026-10-24; shift s1 23:00-31:00; in 23:00; out u25:30",
        "s1 present in 23:00 out +1d01:30 worked 3:30 early 330 due 540\n! early_leave s1 330 [e2]",
    );
}

#[test]
fn touching_windows_of_consecutive_nights() {
    check(
        "policy before=480 after=600; shift s1 20:00-32:00; shift s2 44:00-56:00; in 19:55; out 32:05; in 43:58; out 56:01",
        "s1 present in 19:55 out +1d08:05 worked 12:10 due 720\ns2 present in +1d19:58 out +2d08:01 worked 12:03 due 720",
    );
    check(
        "policy before=480 after=600; shift s1 20:00-32:00; shift s2 44:00-56:00; out 32:05; in 43:58; out 56:01",
        "s1 present out +1d08:05 worked ? due 720 -in\ns2 present in +1d19:58 out +2d08:01 worked 12:03 due 720\n! missing_in s1 [e1]",
    );
}

#[test]
fn nobody_is_concluded_absent_where_the_log_does_not_reach() {
    check("shift s1 09:00-18:00; since 22:00:01; clock 60:00", "");
    check("shift s1 09:00-18:00; since 22:00; clock 60:00", "s1 absent due 540 -in -out\n! absent s1");
    check(
        "shift s1 09:00-18:00; since 23:00; in 09:00 arrives 23:00; clock 23:30",
        "s1 present in 09:00 worked ? due 540 -out open\n! missing_out s1 [e1]",
    );
    // At the end of the input the day after has not opened: it is left alone although the clock runs past it.
    check(
        "shift s1 09:00-18:00; shift s2 33:00-42:00; in 09:00; out 18:00",
        "s1 present in 09:00 out 18:00 worked 9:00 due 540",
    );
}
