//! Coming, leaving, not coming: status, minutes and flags of a shift's two ends.

use crate::{check, check_story};

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
fn a_cancelled_shift_has_a_row_and_nothing_else() {
    check("shift s1 09:00-18:00 cancelled", "s1 cancelled due 0");
    check("shift s1 09:00-18:00 cancelled; clock 22:00", "");
    check("shift s1 09:00-18:00 cancelled; correct c1 in 09:00 for s1", "s1 cancelled due 0");
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
