//! Which shift a punch belongs to, in which direction, and which punches bind at all.

use crate::check;

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
