//! Breaks, flexible time, overtime, and nights with a change of clocks.

use crate::check;

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
