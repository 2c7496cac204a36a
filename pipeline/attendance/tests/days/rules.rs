//! Rules of one person's hours, each off unless a policy asks: rest, rest days, coming late after leaving late, the most
//! hours, reminders, overtime's limits, deducted breaks, half days, seconds, the night; and snapshots that change them.

use crate::{check, check_first_at, check_story, check_versions};

/// An evening and the morning after.
const EVENING: &str = "shift s1 14:00-22:00; shift s2 31:00-39:00;";

#[test]
fn short_rest_counts_from_the_last_leaving_of_an_earlier_day() {
    check(
        &format!("policy rest=11; {EVENING} in 13:58; out 22:05; in 30:55; out 39:01"),
        "s1 present in 13:58 out 22:05 worked 8:07 due 480
         s2 present in +1d06:55 out +1d15:01 worked 8:06 due 480
         ! short_rest s2 130 [e2,e3]",
    );
    check_story(&format!("{EVENING} in 13:58; out 22:05; in 30:55; out 39:01"), "");
    let mornings = "policy rest=11; shift s1 14:00-22:00; shift s2 33:00-41:00; in 14:00; out 22:00;";
    check_story(&format!("{mornings} in 33:00; out 41:00"), "");
    check_story(&format!("{mornings} in 32:59:59; out 41:00"), "+short_rest s2");
    // The parts of a split day follow one another without rest, and only the first of the next day asks for it.
    check_story(
        "policy rest=11; shift s1 09:00-13:00; shift s2 14:00-18:00; in 09:00; out 13:00; in 14:00; out 18:00",
        "",
    );
    check_story(
        &format!(
            "policy rest=11 after=120; {EVENING} shift s3 41:00-44:00; in 14:00; out 22:00; in 31:00; out 39:00; in 41:00; out 44:00"
        ),
        "+short_rest s2",
    );
}

#[test]
fn short_rest_hangs_on_true_ends_however_late_they_are_known() {
    check_story(
        &format!("policy rest=11; {EVENING} in 13:58; out 22:05 arrives 40:00; in 30:55; out 39:01"),
        "+missing_out s1, -missing_out s1, +short_rest s2",
    );
    check_story(
        "policy rest=11 grace_out=10; shift s1 12:00-20:00; shift s2 31:00-39:00; in 12:00; out 22:05; in 30:55; \
         out 39:00; correct c1 out 19:55 for s1 from 40:00",
        "+short_rest s2, -short_rest s2",
    );
    // The rule is the later shift's own.
    let mixed = "policy@ruled rest=11; shift s1 14:00-22:00; shift s2 31:00-39:00 as ruled; \
                 shift s3 50:00-58:00; in 14:00; out 22:00; in 31:00; out 39:00; in 50:00; out 58:00";
    check_story(mixed, "+short_rest s2");
    check_story(&mixed.replace(" as ruled", ""), "");
    // Nobody knows when the person left: nothing is concluded.
    check_story(&format!("policy rest=11; {EVENING} in 14:00; in 31:00; out 39:00"), "+missing_out s1");
    // The night has an hour less than the wall clock says.
    check(
        &format!(
            "zone Europe/London; date 2026-03-28; policy rest=11; {EVENING} in 14:00; out 22:00; in 31:00; out 39:00"
        ),
        "s1 present in 14:00 out 22:00 worked 8:00 due 480
         s2 present in +1d07:00 out +1d15:00 worked 8:00 due 480
         ! short_rest s2 180 [e2,e3]",
    );
}

/// Eight hours on each of those days.
fn days(of: &[i64]) -> String {
    let day = |at: &i64| {
        let (start, end) = (9 + 24 * at, 17 + 24 * at);
        format!("shift s{at} {start:02}:00-{end:02}:00; in {start:02}:00; out {end:02}:00;")
    };
    of.iter().map(day).collect()
}

#[test]
fn a_rest_day_is_missed_on_each_day_beyond_the_most_in_a_row() {
    check_story(&format!("policy days_max=2; {}", days(&[0, 1])), "");
    check_story(&format!("policy days_max=2; {}", days(&[0, 1, 2])), "+rest_day_missed s2");
    check_story(
        &format!("policy days_max=2; {}", days(&[0, 1, 2, 3])),
        "+rest_day_missed s2, +rest_day_missed s3",
    );
    check_story(&format!("policy days_max=2; {}", days(&[0, 2, 3])), "");
    check_story(&format!("policy days_max=2; {} shift sx 34:00-35:00 cancelled", days(&[0, 2])), "");
    // A day of absence breaks the row until its punches are uploaded.
    check_story(
        &format!(
            "policy days_max=2; {} shift s1 33:00-41:00; in 33:00 arrives 66:00; out 41:00 arrives 66:00",
            days(&[0, 2])
        ),
        "+no_show s1, +absent s1, -no_show s1, -absent s1, +missing_out s1, +rest_day_missed s2, -missing_out s1",
    );
    // Two parts of a day are one day.
    check_story(
        &format!("policy days_max=2 after=60; {} shift t1 43:00-45:00; in 43:00; out 45:00", days(&[0, 1])),
        "",
    );
}

#[test]
fn leaving_late_allows_coming_late_the_day_after() {
    let two = |left: &str, came: &str| {
        format!(
            "policy late_leave=1260+60; shift s1 12:00-20:00; shift s2 33:00-41:00; in 12:00; out {left}; {came}"
        )
    };
    check(
        &two("21:05", "in 33:50; out 41:00"),
        "s1 present in 12:00 out 21:05 worked 9:05 due 480
         s2 present in +1d09:50 out +1d17:00 worked 7:10 due 480",
    );
    check(
        &two("21:05", "in 34:01; out 41:00"),
        "s1 present in 12:00 out 21:05 worked 9:05 due 480
         s2 late in +1d10:01 out +1d17:00 worked 6:59 late 1 due 480
         ! late s2 1 [e3]",
    );
    check_story(&two("20:59", "in 33:50; out 41:00"), "+no_show s2, -no_show s2, +late s2");
    check_story(&two("21:05", "clock 34:14"), "");
    check_story(&two("21:05", "clock 34:15"), "+no_show s2");
    // Known only when the no-show has fired: it is taken back.
    check_story(
        &two("21:05 arrives 33:20", "in 33:50; out 41:00"),
        "+missing_out s1, +no_show s2, -no_show s2, -missing_out s1",
    );
    // Of several rules the furthest reached counts, and hours beyond 24 are the night after.
    check_story(
        "policy late_leave=1260+60,1560+120; shift s1 16:00-25:00; shift s2 33:00-41:00; in 16:00; out 26:05; \
         in 34:55; out 41:00",
        "",
    );
    // Two days later nothing is excused, nor in the second part of the day.
    check_story(
        "policy late_leave=1260+60; shift s1 12:00-20:00; shift s2 57:00-65:00; in 12:00; out 21:05; in 57:10; out 65:00",
        "+late s2",
    );
    check_story(
        "policy late_leave=1260+60 after=60; shift s1 12:00-20:00; shift s2 32:00-34:00; shift s3 37:00-41:00; \
         in 12:00; out 20:50; correct c1 out 21:05 for s1; in 32:30; out 34:00; in 37:10; out 41:00",
        "+late s3",
    );
}

#[test]
fn hours_of_a_day_come_near_and_go_beyond() {
    let day = |rest: &str| format!("policy day_hours=8 warn=60; shift s1 09:00-18:00; in 09:00; {rest}");
    let open = "s1 present in 09:00 worked ? due 540 open";
    check(&day("clock 15:59"), open);
    check(&day("clock 16:00"), &format!("{open}\n! hours_near s1 [e1]"));
    check(&day("clock 17:00:59"), &format!("{open}\n! hours_near s1 [e1]"));
    check(&day("clock 17:01"), &format!("{open}\n! hours_exceeded s1 [e1]"));
    check(
        &day("out 18:00"),
        "s1 present in 09:00 out 18:00 worked 9:00 due 540\n! hours_exceeded s1 60 [e1]",
    );
    check_story(&day("out 18:00"), "+hours_near s1, -hours_near s1, +hours_exceeded s1");
    check_story(
        "policy day_hours=8 warn=60; shift s1 09:00-16:30; in 09:00; out 16:30",
        "+hours_near s1, -hours_near s1",
    );
    check_story("policy day_hours=8 warn=0; shift s1 09:00-17:00; in 09:00; out 17:00", "");
    // Who comes back after the end has taken no break: an hour is deducted all the same, and moves the instant.
    check_first_at(
        "policy day_hours=4 break_after=2 break_deduct=30; shift s1 09:00-18:00; in 09:00; out 18:00; in 18:30",
        "hours_exceeded 14:01",
    );
    // A break that was never ended is none of somebody who left.
    check_first_at(
        "policy day_hours=4; shift s1 09:00-18:00; in 09:00; break_out 10:00; correct c1 out 18:00",
        "hours_exceeded 13:01",
    );
    // The hours of somebody who never left are not known.
    check_story(
        "policy day_hours=4; shift s1 09:00-18:00; in 09:00",
        "+hours_near s1, -hours_near s1, +hours_exceeded s1, -hours_exceeded s1, +missing_out s1",
    );
}

#[test]
fn hours_run_without_breaks_and_over_parts_of_a_day() {
    let lunch = "policy day_hours=8; shift s1 09:00-19:00 break 12:00-13:00; in 09:00;";
    check_story(&format!("{lunch} clock 16:59"), "");
    check_story(&format!("{lunch} clock 17:00"), "+hours_near s1");
    let away = "policy day_hours=8; shift s1 09:00-19:00; in 09:00; break_out 12:00;";
    check_story(&format!("{away} clock 16:30"), "");
    check_story(&format!("{away} break_in 13:00; clock 16:59"), "");
    check_story(&format!("{away} break_in 13:00; clock 17:00"), "+hours_near s1");
    let split =
        "policy day_hours=8; shift s1 09:00-13:00; shift s2 17:00-21:00; in 09:00; out 13:00; in 16:58;";
    check_story(&format!("{split} clock 19:57"), "");
    check(
        &format!("{split} clock 19:58"),
        "s1 present in 09:00 out 13:00 worked 4:00 due 240 open
         s2 present in 16:58 worked ? due 240 open
         ! hours_near s2 [e3]",
    );
    let deducted = "policy day_hours=8 break_after=4 break_deduct=30; shift s1 09:00-19:00; in 09:00;";
    check_story(&format!("{deducted} clock 16:29"), "");
    check_story(&format!("{deducted} clock 16:30"), "+hours_near s1");
}

#[test]
fn hours_of_a_week_begin_on_sunday() {
    check_story(
        &format!("policy week_hours=16; {}", days(&[0, 1, 2])),
        "+hours_near s1, -hours_near s1, +hours_near s2, -hours_near s2, +hours_exceeded s2",
    );
    check_story(&format!("date 2026-11-07; policy week_hours=8 warn=0; {}", days(&[0, 1])), "");
    check_story(
        &format!("date 2026-11-08; policy week_hours=8 warn=0; {}", days(&[0, 1])),
        "+hours_exceeded s1",
    );
}

#[test]
fn who_is_not_there_before_a_shift_is_reminded() {
    let day = |rest: &str| format!("policy reminder=15; shift s1 09:00-18:00; {rest}");
    check(&day("clock 08:44"), "");
    check(&day("clock 08:45"), "! reminder s1");
    check_story(&day("in 08:44; out 18:00"), "");
    check_story(&day("in 08:50; out 18:00"), "+reminder s1, -reminder s1");
    check_story(&day("clock 23:00"), "+reminder s1, -reminder s1, +no_show s1, +absent s1");
    check_story(&day("leave l1 09:00-18:00; clock 20:00"), "");
    check_story(&day("leave l1 09:00-11:00; clock 10:44"), "");
    check_story(&day("leave l1 09:00-11:00; clock 10:45"), "+reminder s1");
    check_story(&day("leave l1 09:00-18:00 from 08:50; clock 20:00"), "+reminder s1, -reminder s1");
    check_story(
        &day("leave l1 09:00-11:00 from 08:50; clock 10:46"),
        "+reminder s1, -reminder s1, +reminder s1",
    );
    check_story("policy reminder=15; shift s1 09:00-18:00 free; clock 20:00", "");
    check_story("policy reminder=15; shift s1 09:00-18:00 cancelled; clock 20:00", "");
    // Who left late may come two hours later, and is reminded then, long after a no-show without that.
    check_story(
        "policy reminder=15 late_leave=1260+120; shift s1 12:00-20:00; shift s2 33:00-41:00; in 11:40; out 21:05; \
         clock 34:46",
        "+reminder s2",
    );
    check("policy reminder=15; since 09:05; shift s1 09:00-18:00; clock 09:06", "! reminder s1");
    // Earlier than the window opens.
    check("policy reminder=180; shift s1 09:00-18:00; clock 06:00", "! reminder s1");
    check_story(
        "policy reminder=180; shift s1 09:00-18:00; in 07:30; clock 08:00",
        "+reminder s1, -reminder s1",
    );
}

#[test]
fn leave_in_force_meanwhile_moves_a_no_show() {
    let day = "shift s1 09:00-18:00; leave l1 09:00-11:00 from 09:20;";
    check_story(&format!("{day} clock 11:14"), "+no_show s1, -no_show s1");
    check_story(&format!("{day} clock 11:15"), "+no_show s1, -no_show s1, +no_show s1");
}

#[test]
fn overtime_has_a_cap_and_rest_days_may_count_whole() {
    let day = "shift s1 09:00-18:00; in 09:00; out 20:00;";
    let row =
        |overtime: i64| format!("s1 present in 09:00 out 20:00 worked 11:00 overtime {overtime} due 540");
    check(&format!("policy overtime=punched overtime_max=60; {day}"), &row(60));
    check(&format!("policy overtime=punched overtime_max=90; {day}"), &row(90));
    check(&format!("policy overtime=punched overtime_max=0; {day}"), &row(90));
    for kind in ["rest", "holiday"] {
        let whole =
            |overtime: &str| format!("calendar 0 {kind}; policy rest_day=whole overtime={overtime}; {day}");
        check(&whole("punched"), &row(660));
        check(&format!("{} leave o1 08:00-12:00 type overtime", whole("both")), &row(180));
        check(&format!("{} leave o1 08:00-12:00 type overtime", whole("approved")), &row(240));
        check(&format!("calendar 0 {kind}; policy overtime=punched; {day}"), &row(90));
    }
    check(&format!("calendar 1 holiday; policy rest_day=whole overtime=punched; {day}"), &row(90));
}

#[test]
fn a_break_is_deducted_after_hours_where_none_is_planned_or_punched() {
    let day = |rest: &str| format!("policy break_after=4 break_deduct=30; in 09:00; {rest}");
    check(
        &day("shift s1 09:00-18:00; out 18:00"),
        "s1 present in 09:00 out 18:00 worked 8:00 break 60 due 540 auto",
    );
    check(&day("shift s1 09:00-12:59; out 12:59"), "s1 present in 09:00 out 12:59 worked 3:59 due 239");
    check(
        &day("shift s1 09:00-13:00; out 13:00"),
        "s1 present in 09:00 out 13:00 worked 3:30 break 30 due 240 auto",
    );
    check(
        &day("shift s1 09:00-18:00 break 12:00-12:20; out 18:00"),
        "s1 present in 09:00 out 18:00 worked 8:40 break 20 due 520 auto",
    );
    check(
        &day("shift s1 09:00-18:00; break_out 12:00; break_in 12:10; out 18:00"),
        "s1 present in 09:00 out 18:00 worked 8:50 break 10 due 540",
    );
    // Leave is no time at work.
    check(
        &day("shift s1 09:00-18:00; out 18:00; leave l1 12:00-14:00"),
        "s1 present in 09:00 out 18:00 worked 6:30 break 30 leave 120 due 420 auto (l1)",
    );
}

#[test]
fn few_hours_are_half_a_day() {
    let day = |left: &str| format!("policy half_day=240; shift s1 09:00-13:00; in 09:00; out {left}");
    check(&day("13:00"), "s1 present in 09:00 out 13:00 worked 4:00 due 240");
    check(&day("12:59:30"), "s1 present in 09:00 out 12:59:30 worked 3:59:30 due 240 half_day");
    check(
        "policy half_day=240; shift s1 09:00-13:00; in 09:00",
        "s1 present in 09:00 worked ? due 240 -out\n! missing_out s1 [e1]",
    );
    check("policy half_day=240; shift s1 09:00-13:00", "s1 absent due 240 -in -out\n! absent s1");
}

#[test]
fn lateness_to_the_second_begins_each_minute() {
    let day = |came: &str| {
        format!("policy resolution=second grace_in=15; shift s1 09:00-18:00; in {came}; out 18:00")
    };
    check(&day("09:15:00"), "s1 present in 09:15 out 18:00 worked 8:45 due 540");
    check(
        &day("09:15:01"),
        "s1 late in 09:15:01 out 18:00 worked 8:44:59 late 16 due 540\n! late s1 16 [e1]",
    );
    check(&day("09:16:00"), "s1 late in 09:16 out 18:00 worked 8:44 late 16 due 540\n! late s1 16 [e1]");
    check(
        "policy resolution=second flex=slide flex_min=10; shift s1 09:00-18:00; in 09:10:30; out 18:10",
        "s1 late in 09:10:30 out 18:10 worked 8:59:30 late 1 due 540\n! late s1 1 [e1]",
    );
}

#[test]
fn the_night_is_told_by_the_sites_wall_clock() {
    let night = "policy night=1320-360; shift s1 20:00-30:00";
    check(
        &format!("{night}; in 20:00; out 30:00"),
        "s1 present in 20:00 out +1d06:00 worked 10:00 night 8:00 due 600",
    );
    check(
        &format!("{night} break 23:00-24:00; in 20:00; out 30:00"),
        "s1 present in 20:00 out +1d06:00 worked 9:00 break 60 night 7:00 due 540 auto",
    );
    check(
        &format!("zone Europe/London; date 2026-10-24; {night}; in 20:00; out 30:00"),
        "s1 present in 20:00 out +1d06:00 worked 11:00 night 9:00 due 660",
    );
    check(
        "policy night=60-300; shift s1 00:00-08:00; in 00:00; out 08:00",
        "s1 present in 00:00 out 08:00 worked 8:00 night 4:00 due 480",
    );
    check(
        "policy night=1320-360; shift s1 09:00-18:00; in 09:00; out 18:00",
        "s1 present in 09:00 out 18:00 worked 9:00 due 540",
    );
}

#[test]
fn a_new_snapshot_changes_what_was_said() {
    check_versions(
        "shift s1 09:00-18:00; in 09:20; swap 10:00 shift s1 09:30-18:00; out 18:00",
        "s1 v4 present in 09:20 out 18:00 worked 8:40 due 510",
    );
    check_versions(
        "policy overtime=punched rest_day=whole; shift s1 09:00-18:00; in 09:00; out 18:00; swap 20:00 calendar 0 holiday",
        "s1 v4 present in 09:00 out 18:00 worked 9:00 overtime 540 due 540",
    );
    check_versions(
        "shift s1 09:00-18:00; in 10:00; out 18:00; swap 20:00 leave l1 09:00-10:00",
        "s1 v4 present in 10:00 out 18:00 worked 8:00 leave 60 due 480 (l1)",
    );
    check_versions(
        "shift s1 09:00-18:00; in 09:20; swap 10:00 policy grace_in=30; out 18:00",
        "s1 v4 present in 09:20 out 18:00 worked 8:40 due 540",
    );
    check_story("shift s1 09:00-18:00; leave l1 09:00-18:00; swap 12:00 drop l1; clock 12:01", "+no_show s1");
    // Too late to be reminded in time, and before the window opens: reminded at once.
    check_story(
        "policy reminder=180; shift s1 10:00-18:00; swap 06:30 shift s1 09:00-18:00; clock 06:31",
        "+reminder s1",
    );
    check_story(
        "shift s1 09:00-18:00; in 09:20; swap 10:00 policy grace_in=30; out 18:00",
        "+no_show s1, -no_show s1, +late s1, -late s1",
    );
    // A rule that begins with a snapshot looks back at what was before.
    check_story(
        &format!("{EVENING} in 14:00; out 22:00; in 31:00; swap 32:00 policy rest=11; out 39:00"),
        "+short_rest s2",
    );
    check_story(
        "shift s1 09:00-18:00; in 09:00; swap 17:30 policy day_hours=8; out 18:00",
        "+hours_exceeded s1",
    );
}
