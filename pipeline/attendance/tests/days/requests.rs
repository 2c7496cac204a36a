//! Leave, permissions and corrections, approved before and after the fact.

use crate::{check, check_story};

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
