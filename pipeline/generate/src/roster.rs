//! Who is due when: working hours that whole cities share, as instants of each business date.
//!
//! In: the spec and its zone.  Out: [`Duty`] values, and the duty whose window holds an instant.
//! Owns: the instants of every (day, hours) pair, computed once.
//! Invariants: windows of one person's duties overlap only within a split day, kept by the hours below and
//! `tests::windows_overlap_only_within_a_split_day`.

use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::EventTime;

use crate::people::Person;
use crate::spec::Spec;

/// Minutes before the planned start at which a window opens: the contract's default, which no policy here changes.
pub(crate) const ACCEPT_BEFORE_MIN: i64 = 120;
/// Minutes after the planned end at which a window closes: likewise.
pub(crate) const ACCEPT_AFTER_MIN: i64 = 240;

/// Working hours, in minutes from the business date's midnight on the wall clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Template {
    /// How many people have them.
    pub(crate) weight: f64,
    /// Start, end, and the start and end of an unpaid break (equal where there is none).
    pub(crate) segments: &'static [[i64; 4]],
    /// Hours that no window of these hours reaches, on any day.
    pub(crate) far: [i64; 2],
}

impl Template {
    /// Whether the day has two parts.
    pub(crate) const fn is_split(&self) -> bool {
        self.segments.len() > 1
    }
}

const fn at(hour: i64, minute: i64) -> i64 {
    hour * 60 + minute
}

/// Morning, day, late, overnight, split.
pub(crate) const TEMPLATES: [Template; 5] = [
    Template {
        weight: 0.30,
        segments: &[[at(7, 0), at(15, 30), at(11, 30), at(12, 0)]],
        far: [at(20, 30), at(22, 30)],
    },
    Template {
        weight: 0.38,
        segments: &[[at(9, 0), at(18, 0), at(13, 0), at(14, 0)]],
        far: [at(4, 30), at(5, 15)],
    },
    Template {
        weight: 0.22,
        segments: &[[at(14, 0), at(22, 30), at(18, 0), at(18, 30)]],
        far: [at(8, 0), at(10, 0)],
    },
    Template {
        weight: 0.06,
        segments: &[[at(22, 0), at(30, 0), at(26, 0), at(26, 30)]],
        far: [at(13, 0), at(17, 0)],
    },
    Template {
        weight: 0.04,
        segments: &[[at(10, 0), at(14, 0), 0, 0], [at(17, 0), at(21, 0), 0, 0]],
        far: [at(5, 0), at(6, 0)],
    },
];

/// One person's planned duty, less the person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Duty {
    /// The business date, counted from the first.
    pub(crate) day: u16,
    /// Its number within the day.
    pub(crate) segment: u8,
    /// The planned start.
    pub(crate) start: EventTime,
    /// The planned end.
    pub(crate) end: EventTime,
    /// The unpaid break.
    pub(crate) lunch: Option<(EventTime, EventTime)>,
}

impl Duty {
    /// When its window opens.
    pub(crate) const fn opens(&self) -> EventTime {
        self.start.plus_min(-ACCEPT_BEFORE_MIN)
    }

    /// When its window closes.
    pub(crate) const fn closes(&self) -> EventTime {
        self.end.plus_min(ACCEPT_AFTER_MIN)
    }

    /// Whether its window holds `time`: both borders do.
    pub(crate) fn holds(&self, time: EventTime) -> bool {
        self.opens() <= time && time <= self.closes()
    }
}

/// Everybody's working hours on every day.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    zone: TimeZone,
    first_day: Date,
    days: u16,
    days_per_week: u8,
    midnights: Vec<EventTime>,
    duties: Vec<[Vec<Duty>; TEMPLATES.len()]>,
}

impl Roster {
    /// The roster of the spec's days.
    pub(crate) fn new(spec: &Spec, zone: TimeZone) -> Self {
        let wall = |day: u16, minutes| wall_time(&zone, date(spec.first_day, day), minutes);
        let duties = (0..spec.days)
            .map(|day| {
                TEMPLATES.each_ref().map(|template| {
                    let duty = |(segment, [start, end, from, until]): (usize, &[i64; 4])| Duty {
                        day,
                        segment: segment as u8,
                        start: wall(day, *start),
                        end: wall(day, *end),
                        lunch: (from < until).then(|| (wall(day, *from), wall(day, *until))),
                    };
                    template.segments.iter().enumerate().map(duty).collect()
                })
            })
            .collect();
        let midnights = (0..=spec.days).map(|day| wall(day, 0)).collect();
        let (first_day, days, days_per_week) = (spec.first_day, spec.days, spec.days_per_week);
        Self { zone, first_day, days, days_per_week, midnights, duties }
    }

    /// The zone of every wall clock.
    pub(crate) const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The calendar date of business day `day`.
    pub(crate) fn date(&self, day: u16) -> Date {
        date(self.first_day, day)
    }

    /// How many business days there are.
    pub(crate) const fn days(&self) -> u16 {
        self.days
    }

    /// The instant at which `day` begins on the wall clock; `day` may be the one behind the last.
    pub(crate) fn midnight(&self, day: u16) -> EventTime {
        self.midnights[usize::from(day)]
    }

    /// The instant `minutes` after midnight of `day` on the wall clock.
    pub(crate) fn wall(&self, day: u16, minutes: i64) -> EventTime {
        wall_time(&self.zone, self.date(day), minutes)
    }

    /// Whether the person works on that day.
    pub(crate) const fn works(&self, person: &Person, day: u16) -> bool {
        (day + person.rest_day as u16) % 7 < self.days_per_week as u16
    }

    /// The person's duties of that business date; none on a day off.
    pub(crate) fn duties(&self, person: &Person, day: u16) -> &[Duty] {
        if self.works(person, day) { self.hours(person, day) } else { &[] }
    }

    /// The person's working hours on that date, whether on duty or off.
    pub(crate) fn hours(&self, person: &Person, day: u16) -> &[Duty] {
        self.hours_of(usize::from(person.template), day)
    }

    /// The duties that those working hours make on that date.
    pub(crate) fn hours_of(&self, template: usize, day: u16) -> &[Duty] {
        &self.duties[usize::from(day)][template]
    }

    /// The duties whose windows may hold `time`, by start.
    pub(crate) fn near(&self, person: &Person, time: EventTime) -> impl Iterator<Item = &Duty> {
        let after = self.midnights.partition_point(|midnight| *midnight <= time) as u16;
        // No window reaches further than into the day before and the day after.
        (after.saturating_sub(3)..(after + 1).min(self.days)).flat_map(|day| self.duties(person, day))
    }

    /// The duty a punch at `time` is expected for: of those whose window holds it, the one with the nearest start.
    pub(crate) fn expected(&self, person: &Person, time: EventTime) -> Option<&Duty> {
        self.near(person, time)
            .filter(|duty| duty.holds(time))
            .min_by_key(|duty| (duty.start.us_since(time).abs(), duty.start))
    }
}

fn date(first: Date, day: u16) -> Date {
    first.saturating_add(SignedDuration::from_hours(24 * i64::from(day)))
}

/// The instant `minutes` after the midnight of `date` on the wall clock of `zone`: a skipped time moves forward by the
/// gap, an ambiguous one is the earlier (contract, section 2).
fn wall_time(zone: &TimeZone, date: Date, minutes: i64) -> EventTime {
    let wall = date.at(0, 0, 0, 0).saturating_add(SignedDuration::from_mins(minutes));
    let instant = zone.to_ambiguous_timestamp(wall).compatible();
    instant.map_or(EventTime::from_us(0), EventTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::Device;

    fn roster(zone: &str, first_day: Date, days: u16) -> Roster {
        let spec = Spec { days, first_day, time_zone: zone.to_owned(), ..Spec::demo() };
        Roster::new(&spec, TimeZone::get(zone).unwrap())
    }

    fn person(template: u8, rest_day: u8) -> Person {
        Person {
            home: 0,
            other: None,
            template,
            rest_day,
            device: Device::Phone,
            is_ios: false,
            tells_gcj02: false,
            declined: false,
            punches_breaks: false,
        }
    }

    #[test]
    fn windows_overlap_only_within_a_split_day() {
        let roster = roster("Asia/Hong_Kong", Date::constant(2026, 11, 2), 14);
        for template in 0..TEMPLATES.len() as u8 {
            let person = person(template, 3);
            let all: Vec<_> = (0..14).flat_map(|day| roster.duties(&person, day)).collect();
            assert_eq!(all.len(), 12 * TEMPLATES[usize::from(template)].segments.len(), "six days of seven");
            for pair in all.windows(2) {
                assert!(pair[0].closes() < pair[1].opens() || pair[0].day == pair[1].day, "{pair:?}");
            }
        }
    }

    #[test]
    fn far_hours_are_in_no_window() {
        let roster = roster("Asia/Hong_Kong", Date::constant(2026, 11, 2), 3);
        for (index, template) in TEMPLATES.iter().enumerate() {
            let person = person(index as u8, 0);
            for minutes in template.far[0]..template.far[1] + 90 {
                assert_eq!(
                    roster.expected(&person, roster.wall(1, minutes)),
                    None,
                    "hours {index}, minute {minutes}"
                );
            }
        }
    }

    #[test]
    fn the_nearest_start_is_expected() {
        let roster = roster("Asia/Hong_Kong", Date::constant(2026, 11, 2), 2);
        let split = person(4, 0);
        for (minutes, segment) in
            [(at(9, 55), Some(0)), (at(16, 55), Some(1)), (at(23, 0), Some(1)), (at(1, 30), None)]
        {
            let expected = roster.expected(&split, roster.wall(0, minutes));
            assert_eq!(expected.map(|duty| duty.segment), segment, "minute {minutes}");
        }
        let night = person(3, 0);
        assert_eq!(roster.expected(&night, roster.wall(1, at(6, 5))).map(|duty| duty.day), Some(0));
    }

    #[test]
    fn a_night_of_clock_change_keeps_the_wall_clock() {
        // 2027-03-28, Europe/London: the clock goes from 01:00 to 02:00, so 22:00–06:00 lasts seven hours.
        let roster = roster("Europe/London", Date::constant(2027, 3, 27), 1);
        let duty = roster.hours(&person(3, 0), 0)[0];
        assert_eq!(duty.end.us_since(duty.start), 7 * 3_600_000_000);
    }
}
