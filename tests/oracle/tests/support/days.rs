//! Shifts of every kind, day by day, and what people do about them.

use jiff::civil::Date;
use model::{Kind, Origin, Place, Reason, Reasons};
use oracle::{Break, Duty, Plan, Seconds, Shift, Time, World};

use super::{Random, Sent};

/// The shifts of the person added last.
pub(crate) fn shifts(random: &mut Random, world: &mut World, first: Date, days: i64) {
    let person = world.people.last().unwrap().clone();
    let home = person.home.clone().unwrap_or_else(|| "A".to_owned());
    // A shift begins only where the one before has ended.
    let mut free_from = 0;
    for day in 0..days {
        free_from = (free_from - 1_440).max(0);
        for segment in 0..random.pick(&[&0_u32, &1, &1, &1, &1, &1, &2, &2]).to_owned() {
            // One in eight is a night, so that some night with a change of clocks is worked through.
            let start = match segment {
                0 if random.happens(12) => free_from.max(1_260 + random.below(6) * 30),
                0 => free_from + random.below(22) * 30 + 360,
                _ => free_from + random.below(22) * 30 + 30,
            };
            let length = 120 + random.below(19) * 30;
            if start > 1_410 || start + length > 2_850 {
                continue;
            }
            free_from = start + length;
            let site =
                if random.happens(75) { home.clone() } else { random.pick(&["A", "B", "C"]).to_owned() };
            let date = first + jiff::Span::new().days(day);
            let id = format!("{}-{date}-{segment}", person.id);
            let mut shift = shift(random, id, &person.id, &site, (date, start, length));
            shift.segment = segment;
            world.shifts.push(shift);
        }
    }
}

/// A shift with breaks; some have no due times, are called off, or ask for a policy by name.
pub(crate) fn shift(
    random: &mut Random,
    id: String,
    person: &str,
    site: &str,
    (date, start, length): (Date, i64, i64),
) -> Shift {
    Shift {
        id,
        person: person.to_owned(),
        site: site.to_owned(),
        date,
        segment: 0,
        start: Time::Wall(start),
        end: Time::Wall(start + length),
        breaks: breaks(random, start, length),
        is_free: random.happens(5),
        is_cancelled: random.happens(4),
        policy: random.happens(12).then(|| "special".to_owned()),
    }
}

/// None, one or two, unpaid or paid. None about the hours that a spring night skips, where one could end as it begins.
fn breaks(random: &mut Random, start: i64, length: i64) -> Vec<Break> {
    let mut breaks = Vec::new();
    let mut at = start + 60 + random.below(3) * 30;
    while at + 90 < start + length && random.happens(45) {
        let end = at + 30 + random.below(2) * 30;
        let is_skipped = |minutes: i64| (60..=240).contains(&(minutes % 1_440));
        if !is_skipped(at) && !is_skipped(end) {
            let is_paid = random.happens(30);
            breaks.push(Break { start: Time::Wall(at), end: Time::Wall(end), is_paid });
        }
        at = end + 60 + random.below(4) * 30;
    }
    breaks
}

/// Moves a shift by some hours, with other breaks.
pub(crate) fn move_shift(random: &mut Random, shift: &mut Shift) {
    let by = random.between(-6, 7) * 30;
    let moved = |time: Time| match time {
        Time::Wall(minutes) => Time::Wall(minutes + by),
        Time::At(at) => Time::At(at + by * 60),
    };
    let (Time::Wall(start), Time::Wall(end)) = (shift.start, shift.end) else { return };
    if start + by < 0 || start + by > 1_410 || end + by > 2_850 {
        return;
    }
    (shift.start, shift.end) = (moved(shift.start), moved(shift.end));
    shift.breaks = breaks(random, start + by, end - start);
}

/// Somebody is asked to come on a day.
pub(crate) fn add_shift(random: &mut Random, world: &mut World, person: &str, first: Date, days: i64) {
    let date = first + jiff::Span::new().days(random.below(days));
    if world.shifts.iter().any(|shift| shift.person == person && shift.date == date) {
        return;
    }
    let id = format!("{person}-{date}-x{}", world.shifts.len());
    let shift = shift(random, id, person, "A", (date, 540, 480));
    world.shifts.push(shift);
}

/// The punches of everybody, by a plan that may change later.
pub(crate) fn punches(random: &mut Random, world: &World, since: Seconds) -> Vec<Sent> {
    let mut diary = Diary { random, sent: Vec::new(), person: String::new(), is_dumb: false };
    for person in &world.people {
        diary.person = person.id.clone();
        // A clock on the wall that knows neither in nor out.
        diary.is_dumb = diary.random.happens(20);
        let plan = Plan::of(world, &person.id);
        for (place, duty) in plan.duties().iter().enumerate() {
            diary.work(duty, plan.duties().get(place + 1));
        }
        for _ in 0..diary.random.below(4) {
            let at = since + diary.random.below(30 * 86_400);
            let kind = *diary.random.pick(&[&Kind::In, &Kind::Out, &Kind::Auto, &Kind::BreakIn]);
            diary.punch(kind, at, "A");
        }
    }
    diary.sent
}

/// Where rules about coming change their mind: lateness, the window, the middle of the shift and between two starts.
fn coming(duty: &Duty<'_>, next: Option<&Duty<'_>>) -> Vec<Seconds> {
    let ((start, end), policy) = (duty.planned(), duty.policy());
    let grace_min = policy.grace_in_min;
    let minutes = [0, policy.serious_late_min, policy.late_as_absent_min, policy.flex_min];
    let late = minutes.into_iter().flat_map(|minutes| [minutes, minutes + grace_min]);
    let mut edges: Vec<Seconds> = late.map(|minutes| start + minutes * 60).collect();
    edges.extend([duty.window().0, start.midpoint(end)]);
    edges.extend(next.map(|next| start.midpoint(next.planned().0)));
    edges
}

/// Where rules about leaving change their mind: earliness, overtime, half a day, the window.
fn leaving(duty: &Duty<'_>, came: Seconds) -> Vec<Seconds> {
    let ((_, end), policy) = (duty.planned(), duty.policy());
    let half_day = came + policy.half_day_under_min * 60;
    let overtime = end + (policy.overtime_after_min + policy.overtime_min_min) * 60;
    let early = [0, policy.grace_out_min, policy.grace_out_min + policy.flex_min];
    let mut edges = early.map(|minutes| end - minutes * 60).to_vec();
    edges.extend([half_day, overtime, duty.window().1]);
    edges
}

struct Diary<'a> {
    random: &'a mut Random,
    sent: Vec<Sent>,
    person: String,
    is_dumb: bool,
}

impl Diary<'_> {
    fn work(&mut self, duty: &Duty<'_>, next: Option<&Duty<'_>>) {
        let (start, end) = duty.planned();
        if self.random.happens(8) {
            return;
        }
        let site = duty.site_id();
        let late =
            if self.random.happens(12) { self.random.below(200) } else { self.random.between(-25, 25) };
        let came = start + late * 60 + self.random.below(60);
        let came = self.or_edge(came, &coming(duty, next));
        let stays =
            if self.random.happens(20) { self.random.below(240) } else { self.random.between(-20, 30) };
        let left = end + stays * 60 + self.random.below(60);
        let left = self.or_edge(left, &leaving(duty, came)).max(came + 120);
        if !self.random.happens(4) {
            self.punch(Kind::In, came, site);
        }
        for _ in 0..self.random.pick(&[&0, &0, &0, &1, &1, &2]).to_owned() {
            self.pause(came, left, site);
        }
        if !self.random.happens(5) {
            self.punch(Kind::Out, left, site);
        }
    }

    /// One time in four an instant at which a rule changes its mind, or a second beside it.
    fn or_edge(&mut self, at: Seconds, edges: &[Seconds]) -> Seconds {
        if !self.random.happens(25) {
            return at;
        }
        edges[self.random.below(edges.len() as i64) as usize] + self.random.pick(&[&-1, &0, &0, &1, &59])
    }

    fn pause(&mut self, came: Seconds, left: Seconds, site: &str) {
        let from = self.random.between(came, left);
        let until = from + self.random.between(1, 80) * 60 + self.random.below(60);
        let (out, back) = *self.random.pick(&[&(Kind::BreakOut, Kind::BreakIn), &(Kind::Out, Kind::In)]);
        self.punch(out, from, site);
        if !self.random.happens(6) {
            self.punch(back, until, site);
        }
    }

    /// One punch, or two in short order.
    fn punch(&mut self, kind: Kind, at: Seconds, site: &str) {
        let kind = if self.is_dumb { Kind::Auto } else { kind };
        self.one(kind, at, site);
        if self.random.happens(6) {
            let again = at + self.random.below(100);
            self.one(kind, again, site);
        }
    }

    fn one(&mut self, kind: Kind, occurred_at: Seconds, site: &str) {
        let random = &mut *self.random;
        let elsewhere = if random.happens(8) { random.pick(&["A", "B", "C", "D"]) } else { site };
        let place = *random.pick(&[
            &Place::Inside,
            &Place::Inside,
            &Place::Inside,
            &Place::Inside,
            &Place::Inside,
            &Place::Outside,
            &Place::NoEvidence,
        ]);
        let mut reasons = Reasons::EMPTY;
        for reason in [Reason::Mocked, Reason::ContradictionWifiGps] {
            if random.happens(2) {
                reasons.insert(reason);
            }
        }
        let (origin, device) = match random.below(50) {
            0 => (Origin::Correction, ""),
            1..15 => (Origin::Terminal, "T1"),
            _ => (Origin::Phone, ""),
        };
        // A phone whose clock is ahead: what it says happens later than it arrives.
        let arrives_at =
            if random.happens(1) { occurred_at - random.between(500, 3_000) } else { occurred_at };
        self.sent.push(Sent {
            employee_id: self.person.clone(),
            event_id: format!("e{:04}", self.sent.len()),
            kind,
            occurred_at,
            arrives_at,
            place,
            site: (place == Place::Inside).then(|| elsewhere.to_owned()),
            reasons,
            origin,
            device: device.to_owned(),
        });
    }
}
