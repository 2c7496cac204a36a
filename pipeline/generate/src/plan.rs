//! A person's day as it will happen: when they come and go, what they forget, what arrives late, twice or broken.
//!
//! In: the world, a person, a business day.  Out: a [`Plan`]; the same one however often it is asked for.
//! Owns: nothing.
//! Absent on purpose: verdicts and findings. A plan only makes things happen; what is true of them is reckoned
//! elsewhere from the times alone, so that a slip here shows as a truth nobody planted and not as a wrong ledger.
//! Invariants: no instant lies within 2 s of a whole minute, so that no rule's border is ever close, kept by `clear`;
//! whether a no-show or a reminder fires never hangs on how people are spread over partitions, kept by `reckon::tests`.

use model::{EventTime, Kind};

use crate::dice::{Dice, Subject};
use crate::people::{Device, Person};
use crate::roster::{Duty, TEMPLATES};
use crate::spec::LATENCY_MAX_S;
use crate::story::{Flaw, Plan, Planned, PlannedCorrection, PlannedLeave, Scene, Story, What};
use crate::world::World;

/// What share of their duties people with two stores have at the second one.
const AT_OTHER_STORE: f64 = 0.3;
/// Latest in of somebody who is on time, in seconds after the start: still the same minute.
const ON_TIME_UNTIL_S: f64 = 45.0;

/// What `person` does on business day `day`.
pub(crate) fn plan(world: &World, index: u32, day: u16) -> Plan {
    let person = world.person(index);
    let mut dice = world.seed.dice(Subject::Day, index, day, 0);
    let duties = world.roster.duties(person, day);
    let site = shift_site(world, index, day);
    let mut writer = Writer { world, index, person, site, plan: Plan::default() };
    if duties.is_empty() {
        if world.roster.days() > 1 && dice.chance(world.spec.shares.unscheduled) {
            let duty = world.roster.hours(person, day)[0];
            writer.ordinary(&mut dice, &duty, Scene::Certain, Scene::Certain);
        }
        return writer.plan;
    }
    let story = match world.clock_ahead(index, day) {
        Some(_) => Story::ClockAhead,
        None => possible(world, person, site, drawn(world, &mut dice)),
    };
    let hit = dice.below(duties.len() as u64) as usize;
    for (place, duty) in duties.iter().enumerate() {
        let story = if story.is_of_the_day() || place == hit { story } else { Story::OnTime };
        writer.live(&mut dice, duty, story);
    }
    match story {
        Story::LeaveBefore | Story::LeaveAfter => writer.take_leave(&mut dice, duties, story),
        Story::Unscheduled => writer.come_at_far_hours(&mut dice, day),
        _ => {}
    }
    if dice.chance(world.spec.shares.unknown_employee) {
        let (kind, at) = (Kind::In, clear(duties[0].start.plus_min(dice.within(-30..-5))));
        let arrival = at.plus_us(latency_us(&mut dice, world));
        writer.push(What::Stranger, kind, at, arrival);
    }
    writer.add_repeats_and_flaws(&mut dice);
    writer.plan
}

/// Where the person is due on that day.
pub(crate) fn shift_site(world: &World, index: u32, day: u16) -> u32 {
    let person = world.person(index);
    match person.other {
        Some(other) if world.seed.dice(Subject::Day, index, day, 1).chance(AT_OTHER_STORE) => other,
        _ => person.home,
    }
}

fn drawn(world: &World, dice: &mut Dice) -> Story {
    let mut left = dice.unit();
    for (story, share) in Story::PLANTED.iter().zip(&world.duty_shares) {
        left -= share;
        if left < 0.0 {
            return *story;
        }
    }
    Story::OnTime
}

/// The story, or an ordinary day where the person cannot have it.
fn possible(world: &World, person: &Person, site: u32, story: Story) -> Story {
    let is_possible = match story {
        Story::WrongStore => person.other.is_some(),
        Story::ClockBehind => {
            matches!(person.device, Device::Terminal)
                && site == person.home
                && !world.store(site).terminals.is_empty()
        }
        _ => !(story.needs_a_fix() && person.declined),
    };
    if is_possible { story } else { Story::OnTime }
}

/// The instant, or one a few seconds on, away from the turn of the minute.
fn clear(at: EventTime) -> EventTime {
    let minute = at.floor_minute();
    minute.plus_us(at.us_since(minute).clamp(3_000_000, 56_999_000) / 1_000 * 1_000)
}

/// From device to log: never at once, and at most a few seconds.
fn latency_us(dice: &mut Dice, world: &World) -> i64 {
    let seconds = (0.2 + dice.exponential(world.spec.noise.latency_mean_s)).min(LATENCY_MAX_S);
    (seconds * 1e6) as i64 / 1_000 * 1_000
}

/// `minutes` after `base`, at a random second.
fn minute_after(dice: &mut Dice, base: EventTime, minutes: i64) -> EventTime {
    base.plus_min(minutes).plus_us(dice.within(3_000..57_000) * 1_000)
}

/// Puts a day together.
struct Writer<'w> {
    world: &'w World,
    index: u32,
    person: &'w Person,
    /// Where the person is now.
    site: u32,
    plan: Plan,
}

impl Writer<'_> {
    fn push(&mut self, what: What, kind: Kind, occurred_at: EventTime, arrival: EventTime) {
        let ordinal = self.plan.records.len() as u8;
        self.plan.records.push(Planned { ordinal, what, kind, store: self.site, occurred_at, arrival });
    }

    /// A punch that arrives a moment later.
    fn punch(&mut self, dice: &mut Dice, kind: Kind, at: EventTime, scene: Scene) {
        let arrival = at.plus_us(latency_us(dice, self.world));
        self.push(What::Punch(scene), kind, at, arrival);
    }

    /// One duty as the story has it.
    fn live(&mut self, dice: &mut Dice, duty: &Duty, story: Story) {
        let (plain, certain) = (Scene::AtStore, Scene::Certain);
        match story {
            Story::Absent | Story::LeaveBefore | Story::LeaveAfter => {}
            Story::OnTime => self.with_breaks(dice, duty, None),
            Story::Late | Story::CorrectedLate => {
                let minutes = self.late_minutes(dice);
                self.with_breaks(dice, duty, Some(minutes));
                if story == Story::CorrectedLate {
                    self.forgive_lateness(dice, duty);
                }
            }
            Story::SeriousLate => {
                let late_min = dice.within(62..151);
                let (came, left) = (minute_after(dice, duty.start, late_min), self.leaving(dice, duty));
                self.come(dice, came, plain);
                self.leave(dice, left, plain);
            }
            Story::EarlyLeave => {
                let came = self.coming(dice, duty.start);
                self.come(dice, came, plain);
                let early_min = self.grace_min() + dice.within(5..121);
                let left = minute_after(dice, duty.end, -early_min - 1);
                self.leave(dice, left, plain);
            }
            Story::LeavePartial => self.come_after_leave(dice, duty),
            Story::MissingIn => {
                let left = self.leaving(dice, duty);
                self.leave(dice, left, plain);
            }
            Story::MissingOut | Story::CorrectedOut | Story::CorrectedOutLater => {
                let came = self.coming(dice, duty.start);
                self.come(dice, came, plain);
                self.mend_out(dice, duty, story);
            }
            Story::Outside => self.one_odd(dice, duty, Scene::Away),
            Story::Mocked => self.one_odd(dice, duty, Scene::Simulated),
            Story::Contradiction => self.one_odd(dice, duty, Scene::Torn),
            Story::WrongStore => {
                let shift_site = self.site;
                let elsewhere =
                    if shift_site == self.person.home { self.person.other } else { Some(self.person.home) };
                self.site = elsewhere.unwrap_or(shift_site);
                self.ordinary(dice, duty, certain, certain);
                self.site = shift_site;
            }
            Story::Unscheduled => self.ordinary(dice, duty, plain, plain),
            Story::OfflineIn => self.upload_in_last(dice, duty),
            Story::OfflineOut => self.upload_out_late(dice, duty),
            Story::Repunch => self.twice(dice, duty),
            Story::ClockBehind => {
                self.ordinary(dice, duty, Scene::Clock, Scene::Clock);
                let days = 60 + i64::from(self.world.spec.days);
                self.set_last_clock(|at| at.plus_min(-1_440 * days));
            }
            Story::ClockAhead => {
                self.ordinary(dice, duty, plain, certain);
                let years_ahead = self.world.clock_ahead(self.index, duty.day);
                self.set_last_clock(|at| years_ahead.unwrap_or(at));
            }
        }
    }

    /// The kind of a coming or leaving: a time clock may not say.
    fn kind(&self, said: Kind, scene: Scene) -> Kind {
        let at_home = self.site == self.person.home && scene == Scene::AtStore;
        if at_home && self.person.device == Device::TerminalAuto { Kind::Auto } else { said }
    }

    fn come(&mut self, dice: &mut Dice, at: EventTime, scene: Scene) {
        self.punch(dice, self.kind(Kind::In, scene), at, scene);
    }

    fn leave(&mut self, dice: &mut Dice, at: EventTime, scene: Scene) {
        self.punch(dice, self.kind(Kind::Out, scene), at, scene);
    }

    fn ordinary(&mut self, dice: &mut Dice, duty: &Duty, coming: Scene, leaving: Scene) {
        let (came, left) = (self.coming(dice, duty.start), self.leaving(dice, duty));
        self.come(dice, came, coming);
        self.leave(dice, left, leaving);
    }

    /// When somebody on time comes: a few minutes early, seldom more, some in the last second. Not just before the instant
    /// of the reminder, for then it would hang on the clock of the partition whether it fires.
    fn coming(&self, dice: &mut Dice, due: EventTime) -> EventTime {
        let early_s = dice.two_waits(self.world.spec.noise.early_wait_mean_min * 60.0).min(2_700.0);
        let came = clear(due.plus_us(((ON_TIME_UNTIL_S - early_s) * 1e6) as i64));
        let reminded = due.plus_min(-self.world.policy_at(self.site).reminder_before_min);
        let ahead_us = reminded.us_since(came);
        if (0..=(LATENCY_MAX_S as i64 + 1) * 1_000_000).contains(&ahead_us) { came.plus_s(14) } else { came }
    }

    /// When somebody leaves who does not leave early.
    fn leaving(&self, dice: &mut Dice, duty: &Duty) -> EventTime {
        let after_s = (5.0 + dice.two_waits(180.0)).min(5_400.0);
        clear(duty.end.plus_us((after_s * 1e6) as i64))
    }

    fn grace_min(&self) -> i64 {
        self.world.policy_at(self.site).grace_in_min
    }

    /// Minutes late: mostly few. The minute in which the no-show fires is left out, for then it would hang on the
    /// clock of the partition whether it does.
    fn late_minutes(&self, dice: &mut Dice) -> i64 {
        let after_grace = (1 + dice.exponential(6.0) as i64).min(57 - self.grace_min());
        let no_show = self.world.policy_at(self.site).no_show_after_min;
        self.grace_min() + if after_grace == no_show - 1 { no_show } else { after_grace }
    }

    /// In, breaks where the person punches them, out; late if `late_min` says so.
    fn with_breaks(&mut self, dice: &mut Dice, duty: &Duty, late_min: Option<i64>) {
        let came = match late_min {
            Some(minutes) => minute_after(dice, duty.start, minutes),
            None => self.coming(dice, duty.start),
        };
        self.come(dice, came, Scene::AtStore);
        let punches_breaks = self.person.punches_breaks && self.person.device != Device::TerminalAuto;
        if let (true, Some((from, until))) = (punches_breaks, duty.lunch) {
            let (went, back) = (dice.within(0..9), dice.within(1..6));
            let (went, back) = (minute_after(dice, from, went), minute_after(dice, until, -back));
            self.punch(dice, Kind::BreakOut, went, Scene::AtStore);
            self.punch(dice, Kind::BreakIn, back, Scene::AtStore);
        }
        let left = self.leaving(dice, duty);
        self.leave(dice, left, Scene::AtStore);
    }

    fn one_odd(&mut self, dice: &mut Dice, duty: &Duty, odd: Scene) {
        let (coming, leaving) = if dice.chance(0.5) { (odd, Scene::Certain) } else { (Scene::Certain, odd) };
        self.ordinary(dice, duty, coming, leaving);
    }

    fn set_last_clock(&mut self, shown: impl Fn(EventTime) -> EventTime) {
        if let Some(last) = self.plan.records.last_mut() {
            last.occurred_at = shown(last.occurred_at);
        }
    }

    fn forgive_lateness(&mut self, dice: &mut Dice, duty: &Duty) {
        let after_min = dice.within(120..240);
        let approved_at = minute_after(dice, duty.start, after_min);
        let occurred_at = duty.start.plus_min(-4).plus_s(-20);
        let segment = duty.segment;
        self.plan.correction = Some(PlannedCorrection { segment, kind: Kind::In, occurred_at, approved_at });
    }

    fn mend_out(&mut self, dice: &mut Dice, duty: &Duty, story: Story) {
        let after_min = match story {
            Story::CorrectedOut => dice.within(60..121),
            Story::CorrectedOutLater => dice.within(300..540),
            _ => return,
        };
        let occurred_at = minute_after(dice, duty.end, 2);
        let approved_at = minute_after(dice, duty.end, after_min);
        let segment = duty.segment;
        self.plan.correction = Some(PlannedCorrection { segment, kind: Kind::Out, occurred_at, approved_at });
    }

    fn take_leave(&mut self, dice: &mut Dice, duties: &[Duty], story: Story) {
        let (first, last) = (duties[0], duties[duties.len() - 1]);
        let policy = self.world.policy_at(self.site);
        let no_show = first.start.plus_min(policy.grace_in_min + policy.no_show_after_min);
        let after_min =
            if story == Story::LeaveAfter { dice.within(30..75) } else { dice.within(-1_500..-900) };
        self.plan.leave = Some(PlannedLeave {
            from: first.start.plus_min(-60),
            until: last.end.plus_min(60),
            approved_at: minute_after(dice, no_show, after_min),
        });
    }

    fn come_after_leave(&mut self, dice: &mut Dice, duty: &Duty) {
        let back = duty.start.plus_min(if dice.chance(0.5) { 120 } else { 150 });
        let approved_at = minute_after(dice, duty.start, -1_000);
        self.plan.leave = Some(PlannedLeave { from: duty.start, until: back, approved_at });
        let (came, left) = (self.coming(dice, back), self.leaving(dice, duty));
        self.come(dice, came, Scene::AtStore);
        self.leave(dice, left, Scene::AtStore);
    }

    /// The phone had no network when the person came, and sends that punch after the next one.
    fn upload_in_last(&mut self, dice: &mut Dice, duty: &Duty) {
        let (came, left) = (self.coming(dice, duty.start), self.leaving(dice, duty));
        let out_arrives = left.plus_us(latency_us(dice, self.world));
        let in_arrives = out_arrives.plus_us(dice.within(5_000..60_000) * 1_000);
        self.push(What::Punch(Scene::Certain), Kind::In, came, in_arrives);
        self.push(What::Punch(Scene::Certain), Kind::Out, left, out_arrives);
    }

    /// The phone has no network when the person leaves, and sends that punch before the window closes.
    fn upload_out_late(&mut self, dice: &mut Dice, duty: &Duty) {
        let (came, left) = (self.coming(dice, duty.start), self.leaving(dice, duty));
        let after_min = dice.within(100..200);
        let arrives = minute_after(dice, duty.end, after_min);
        self.come(dice, came, Scene::AtStore);
        self.push(What::Punch(Scene::Certain), Kind::Out, left, arrives);
    }

    fn twice(&mut self, dice: &mut Dice, duty: &Duty) {
        let (came, left) = (self.coming(dice, duty.start), self.leaving(dice, duty));
        let again = |dice: &mut Dice, at: EventTime| {
            let later = at.plus_us(dice.within(15_000..45_000) * 1_000);
            let second = later.us_since(later.floor_minute());
            // Never back over the turn of the minute: past it, and still within the minute of the first.
            if (3_000_000..57_000_000).contains(&second) { later } else { later.plus_s(6) }
        };
        let (coming, leaving) = if dice.chance(0.5) { (2, 1) } else { (1, 2) };
        for (kind, at, times) in [(Kind::In, came, coming), (Kind::Out, left, leaving)] {
            self.punch(dice, kind, at, Scene::Certain);
            if times == 2 {
                let at = again(dice, at);
                let arrival = at.plus_s(LATENCY_MAX_S as i64).plus_us(latency_us(dice, self.world));
                self.push(What::Punch(Scene::Certain), kind, at, arrival);
            }
        }
    }

    fn come_at_far_hours(&mut self, dice: &mut Dice, day: u16) {
        let [from, until] = TEMPLATES[usize::from(self.person.template)].far;
        let came = self.world.roster.wall(day, dice.within(from..until));
        let came = minute_after(dice, came, 0);
        let left = dice.within(30..80);
        let left = minute_after(dice, came.floor_minute(), left);
        self.site = self.person.home;
        self.punch(dice, Kind::In, came, Scene::Certain);
        self.punch(dice, Kind::Out, left, Scene::Certain);
    }

    /// Records that come with the punches: the same bytes again, the same id with other content, attempts that failed.
    fn add_repeats_and_flaws(&mut self, dice: &mut Dice) {
        let shares = &self.world.spec.shares;
        for place in 0..self.plan.records.len() {
            let punch = self.plan.records[place];
            let is_believable = punch.arrival.us_since(punch.occurred_at).abs() < 86_400_000_000;
            let is_punch = matches!(punch.what, What::Punch(_)) && is_believable;
            self.site = punch.store;
            if is_punch && dice.chance(shares.duplicate) {
                let arrival = punch.arrival.plus_us(dice.within(2_000..120_000) * 1_000);
                self.push(What::Again(punch.ordinal), punch.kind, punch.occurred_at, arrival);
            }
            if is_punch && dice.chance(shares.duplicate_conflict) {
                let arrival = punch.arrival.plus_us(dice.within(2_000..120_000) * 1_000);
                self.push(What::Conflict(punch.ordinal), punch.kind, punch.occurred_at.plus_s(-90), arrival);
            }
            if dice.chance(shares.bad) {
                let flaw = Flaw::ALL[dice.below(Flaw::ALL.len() as u64) as usize];
                let arrival = punch.arrival.plus_us(-dice.within(1_000..9_000) * 1_000);
                self.push(What::Bad(flaw), punch.kind, punch.occurred_at, arrival);
            }
        }
    }
}
