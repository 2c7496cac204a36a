//! A brute-force recount of the office year: what `monthly_statistics` has to say, told from the punches alone.
//!
//! In: punches on the wall clock, workdays, Monday to Friday 08:00–17:00 without breaks under the default policy.
//! Out: one row a person and month.  Owns: nothing.
//! Absent on purpose: any code of `attendance` or of the views; Hong Kong has no summer time, so wall-clock differences
//! are true durations here.
//! Why so: P8 is worth something only if the second count is another one.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime, Time};

use crate::office::{Office, OfficePunch};

/// One person's month.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Month {
    /// Days with a shift.
    pub due_days: i64,
    /// Of those, days not absent.
    pub attended_days: f64,
    /// Days begun late.
    pub late_count: i64,
    /// Late minutes.
    pub late_min: i64,
    /// Days begun 60 minutes late or more.
    pub serious_late_count: i64,
    /// Days left early.
    pub early_count: i64,
    /// Minutes left early.
    pub early_min: i64,
    /// Days without an in, absent ones among them.
    pub missing_in: i64,
    /// Days without an out, absent ones among them.
    pub missing_out: i64,
    /// Days with nothing bound.
    pub absent_days: f64,
    /// Seconds worked on days with both ends.
    pub worked_s: i64,
}

/// The months of every person by (employee_id, `2020-01`): shifts from `first` until `last`, both included.
pub fn recount(office: &Office, first: Date, last: Date) -> BTreeMap<(String, String), Month> {
    let mut by_day: BTreeMap<(&str, Date), Vec<&OfficePunch>> = BTreeMap::new();
    for punch in &office.punches {
        by_day.entry((&punch.employee_id, punch.local.date())).or_default().push(punch);
    }
    let mut months: BTreeMap<(String, String), Month> = BTreeMap::new();
    for employee_id in office.homes.keys() {
        for day in office.workdays().into_iter().filter(|day| (first..=last).contains(day)) {
            let punches = by_day.get(&(employee_id.as_str(), day)).map_or(&[][..], Vec::as_slice);
            let month = months.entry((employee_id.clone(), day.to_string()[..7].to_owned())).or_default();
            count_day(&counted(punches, day), day, month);
        }
    }
    months
}

/// Of the day's punches those within 06:00:00–21:00:00, by time, without those that repeat one of their kind made in the
/// minute before.
fn counted<'a>(punches: &[&'a OfficePunch], day: Date) -> Vec<&'a OfficePunch> {
    let mut all: Vec<&OfficePunch> = punches.to_vec();
    all.sort_by_key(|punch| (punch.local, punch.event_id.clone()));
    let repeats = |at: usize| {
        all[..at]
            .iter()
            .any(|earlier| earlier.is_in == all[at].is_in && seconds(earlier.local, all[at].local) <= 60)
    };
    let inside = |punch: &OfficePunch| at(day, 6, 0) <= punch.local && punch.local <= at(day, 21, 0);
    (0..all.len()).filter(|n| inside(all[*n]) && !repeats(*n)).map(|n| all[n]).collect()
}

fn count_day(punches: &[&OfficePunch], day: Date, month: &mut Month) {
    month.due_days += 1;
    if punches.is_empty() {
        month.absent_days += 1.0;
        month.missing_in += 1;
        month.missing_out += 1;
        return;
    }
    month.attended_days += 1.0;
    let first_in = punches.iter().position(|punch| punch.is_in);
    let outs_after = (first_in.unwrap_or(0)..punches.len()).filter(|n| !punches[*n].is_in);
    // An out with a return before the planned end began a break: then nobody knows when the person left.
    let returned =
        |n: usize| punches[n + 1..].iter().any(|later| later.is_in && later.local < at(day, 17, 0));
    let last_out = outs_after.max().filter(|n| !returned(*n));
    match first_in {
        None => month.missing_in += 1,
        Some(n) => {
            let late = whole_minutes(seconds(at(day, 8, 0), floor_minute(punches[n].local)));
            month.late_count += i64::from(late > 0);
            month.late_min += late;
            month.serious_late_count += i64::from(late >= 60);
        }
    }
    match last_out {
        None => month.missing_out += 1,
        Some(n) => {
            let early = whole_minutes(seconds(punches[n].local, at(day, 17, 0)));
            month.early_count += i64::from(early > 0);
            month.early_min += early;
        }
    }
    if let (Some(came), Some(left)) = (first_in, last_out) {
        let away: i64 = punches[came..=left]
            .windows(2)
            .filter(|pair| !pair[0].is_in && pair[1].is_in)
            .map(|pair| seconds(pair[0].local, pair[1].local))
            .sum();
        month.worked_s += seconds(punches[came].local, punches[left].local) - away;
    }
}

fn at(day: Date, hour: i8, minute: i8) -> DateTime {
    day.to_datetime(Time::constant(hour, minute, 0, 0))
}

fn floor_minute(time: DateTime) -> DateTime {
    time.with().second(0).subsec_nanosecond(0).build().unwrap()
}

fn seconds(from: DateTime, until: DateTime) -> i64 {
    from.duration_until(until).as_secs()
}

/// Whole minutes of a time, none of a negative one.
fn whole_minutes(seconds: i64) -> i64 {
    (seconds / 60).max(0)
}
