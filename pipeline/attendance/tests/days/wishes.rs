//! What users of other systems asked for, one test a thread, by its number in the domain notes (section 2.2).
//!
//! No day's case, and why: I2 (in and out by crossing a fence: the phone decides when to punch, this system takes punches)
//! and I9 (zones for single people: permitted sites, `matcher`'s tests). Of I8 the alerts are `alerts`' tests, of I6 and I13
//! the reports are `query`'s.

use crate::{check, check_story};

#[test]
fn i01_an_overnight_out_belongs_to_the_shift_it_ends() {
    check(
        "shift s1 22:00-31:00; shift s2 46:00-55:00; in 21:55; out 31:10; in 45:58; out 55:02",
        "s1 present in 21:55 out +1d07:10 worked 9:15 due 540
         s2 present in +1d21:58 out +2d07:02 worked 9:04 due 540",
    );
}

#[test]
fn i03_a_day_at_several_stores() {
    check(
        "shift s1 09:00-13:00 at A; shift s2 14:00-18:00 at B; in 08:58 at A; out 13:02 at A; in 13:55 at B; out 18:01 at B",
        "s1 present in 08:58 out 13:02 worked 4:04 due 240
         s2 present in 13:55 out 18:01 worked 4:06 due 240",
    );
}

#[test]
fn i04_windows_that_overlap_make_no_early_absence() {
    let day = "policy before=60 after=60; shift s1 06:00-14:00; shift s2 14:00-22:00; in 13:10;";
    check(&format!("{day} clock 15:00"), "s2 present in 13:10 worked ? due 480 open\n! no_show s1");
    check_story(&format!("{day} out 22:00; clock 22:30"), "+no_show s1, +absent s1");
}

#[test]
fn i05_one_shift_holds_both_its_ends() {
    check(
        "shift s1 09:00-18:00; shift s2 17:00-23:00; in 08:55; out 18:10; clock 18:11",
        "s1 present in 08:55 out 18:10 worked 9:15 due 540 open\n! no_show s2",
    );
}

#[test]
fn i06_every_shift_has_its_row() {
    check(
        "shift s1 09:00-12:00; shift s2 33:00-36:00 cancelled; shift s3 57:00-60:00; shift s4 81:00-84:00; \
         leave l1 57:00-60:00; in 81:00; out 84:00",
        "s1 absent due 180 -in -out
         s2 cancelled due 0
         s3 leave leave 180 due 0 (l1)
         s4 present in +3d09:00 out +3d12:00 worked 3:00 due 180
         ! absent s1",
    );
}

#[test]
fn i07_a_clock_that_does_not_say_in_or_out() {
    check(
        "shift s1 09:00-18:00; auto 08:57 terminal; auto 08:57:30 terminal; auto 18:04 terminal",
        "s1 present in 08:57 out 18:04 worked 9:07 due 540",
    );
    check(
        "shift s1 09:00-18:00; auto 17:58 terminal",
        "s1 present out 17:58 worked ? early 2 due 540 -in\n! early_leave s1 2 [e1]\n! missing_in s1 [e1]",
    );
}

#[test]
fn i08_rules_run_on_records_that_come_days_later() {
    check(
        "shift s1 09:00-18:00; in 09:20 arrives 90:00; out 17:00 arrives 90:00",
        "s1 late in 09:20 out 17:00 worked 7:40 late 20 early 60 due 540
         ! late s1 20 [e1]
         ! early_leave s1 60 [e2]",
    );
}

#[test]
fn i10_a_forgotten_out_is_not_made_up_by_the_next_in() {
    check(
        "shift s1 09:00-18:00; shift s2 33:00-42:00; in 09:00; in 33:00; out 42:00",
        "s1 present in 09:00 worked ? due 540 -out
         s2 present in +1d09:00 out +1d18:00 worked 9:00 due 540
         ! missing_out s1 [e1]",
    );
    check(
        "shift s1 22:00-26:00; in 22:00; out 26:01",
        "s1 present in 22:00 out +1d02:01 worked 4:01 due 240",
    );
}

#[test]
fn i11_a_monday_that_is_still_sunday_elsewhere_stays_open() {
    check(
        "date 2026-11-02; shift s1 07:00-15:00; in 06:55; clock 08:01",
        "s1 present in 06:55 worked ? due 480 open",
    );
    check(
        "zone America/New_York; date 2026-11-02; shift s1 16:00-23:30; in 15:58; out 23:31",
        "s1 present in 15:58 out 23:31 worked 7:33 due 450",
    );
}

#[test]
fn i12_flexible_schedules_are_judged_too() {
    check("shift s1 09:00-18:00 free", "s1 absent due 540 -in -out\n! absent s1");
    check(
        "shift s1 09:00-18:00 free; in 10:30",
        "s1 present in 10:30 worked ? due 540 -out\n! missing_out s1 [e1]",
    );
    check_story("policy flex=slide flex_min=60; shift s1 09:00-18:00; clock 10:15", "+no_show s1");
}

#[test]
fn i13_coming_late_and_going_early_on_one_day() {
    check(
        "shift s1 09:00-18:00; in 09:10; out 17:50",
        "s1 late in 09:10 out 17:50 worked 8:40 late 10 early 10 due 540
         ! late s1 10 [e1]
         ! early_leave s1 10 [e2]",
    );
}

#[test]
fn i14_all_hours_are_recorded_whatever_counts_as_overtime() {
    check("shift s1 09:00-18:00; in 07:30; out 21:45", "s1 present in 07:30 out 21:45 worked 14:15 due 540");
    check(
        "policy overtime=punched overtime_after=0 overtime_min=0; shift s1 09:00-18:00; in 09:00; out 18:20",
        "s1 present in 09:00 out 18:20 worked 9:20 overtime 20 due 540",
    );
}

#[test]
fn i15_several_breaks_one_of_them_too_long() {
    let shift =
        "shift s1 09:00-21:00 break 12:00-13:00 paid 15:00-15:15 break 17:00-17:30; in 09:00; out 21:00;";
    check(shift, "s1 present in 09:00 out 21:00 worked 10:30 break 90 due 630 auto");
    check(
        &format!("{shift} break_out 12:00; break_in 13:20; break_out 15:00; break_in 15:25"),
        "s1 present in 09:00 out 21:00 worked 10:00 break 120 due 630 auto",
    );
}
