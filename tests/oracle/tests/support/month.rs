//! A month at random: who was due when and where, what was asked for, what the plan became meanwhile, and the punches.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::reference::{Approval, CorrectionKind, CorrectionType, RequestStatus};
use model::{EventTime, Kind, Origin, Place, Reasons};
use oracle::{Correction, Leave, Person, Plan, Seconds, Site, World};

use super::{Random, days, tables};

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) people: i64,
    pub(crate) days: i64,
}

/// A punch as it arrives.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) employee_id: String,
    pub(crate) event_id: String,
    pub(crate) kind: Kind,
    pub(crate) occurred_at: Seconds,
    pub(crate) arrives_at: Seconds,
    pub(crate) place: Place,
    pub(crate) site: Option<String>,
    pub(crate) reasons: Reasons,
    pub(crate) origin: Origin,
    pub(crate) device: String,
}

/// A month.
pub(crate) struct Month {
    /// What was written down at first, and what it became at which instant.
    pub(crate) worlds: Vec<(Seconds, World)>,
    /// The punches by the time at which they happened; each arrives when it happened, unless its clock is wrong.
    pub(crate) sent: Vec<Sent>,
    /// Where the log begins.
    pub(crate) since: Seconds,
    /// When all windows have closed and settled.
    pub(crate) end: Seconds,
}

const DAY_S: Seconds = 86_400;

impl Month {
    pub(crate) fn of(seed: u64, size: Size) -> Self {
        let random = &mut Random::new(seed);
        // Nights with a change of clocks lie in these months: in London, New York and on Lord Howe Island (by half an hour).
        let first = random.pick(&["2026-03-01", "2026-10-01", "2026-11-01", "2026-04-01", "2026-06-15"]);
        let first: Date = first.parse().unwrap();
        let mut world = World {
            sites: sites(random),
            policies: tables::policies(random, first),
            calendars: tables::calendars(random, first),
            ..World::default()
        };
        for number in 0..size.people {
            world.people.push(person(random, number));
            days::shifts(random, &mut world, first, size.days);
        }
        let since = TimeZone::UTC.to_timestamp(first.at(0, 0, 0, 0)).unwrap().as_second() - 2 * DAY_S;
        let end = since + (size.days + 12) * DAY_S;
        for person in world.people.clone() {
            requests(random, &mut world, &person.id, (since, end));
        }
        let mut sent = days::punches(random, &world, since);
        sent.sort_by_key(|sent| (sent.occurred_at, sent.event_id.clone()));
        let mut worlds = vec![(since, world)];
        let mut at = since;
        for _ in 0..random.below(4) {
            at += random.between(DAY_S, 1 + (size.days * DAY_S / 3).max(2 * DAY_S));
            let mut next = worlds.last().unwrap().1.clone();
            (0..random.between(1, 6)).for_each(|_| change(random, &mut next, first, size.days, (since, end)));
            if at < end - 10 * DAY_S {
                worlds.push((at, next));
            }
        }
        Self { worlds, sent, since, end }
    }

    /// What is written down at `clock`.
    pub(crate) fn world_at(&self, clock: EventTime) -> &World {
        let holds = |(at, _): &&(Seconds, World)| at * 1_000_000 <= clock.us();
        &self.worlds.iter().rev().find(holds).unwrap_or(&self.worlds[0]).1
    }
}

/// Two sites of an org, one within the other's org, and one of another.
pub(crate) fn sites(random: &mut Random) -> Vec<Site> {
    let zones =
        ["Asia/Hong_Kong", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];
    let (near, far) = (random.pick(&zones), random.pick(&zones));
    let site = |id: &str, org: &str, zone: &str, policy: Option<&str>| Site {
        id: id.to_owned(),
        org: org.to_owned(),
        zone: TimeZone::get(zone).unwrap(),
        policy: policy.map(str::to_owned),
    };
    let own = if random.happens(15) { Some("special") } else { None };
    vec![
        site("A", "acme/north/a", near, None),
        site("B", "acme/north/b", near, own),
        site("C", "acme/south-east", far, None),
        site("D", "acme/north/a/annex", near, None),
    ]
}

pub(crate) fn person(random: &mut Random, number: i64) -> Person {
    let groups = ["night", "part-timers"].into_iter().filter(|_| random.happens(35));
    Person {
        id: format!("P{number}"),
        org: "acme/north".to_owned(),
        groups: groups.map(str::to_owned).collect(),
        home: Some(random.pick(&["A", "A", "B", "C"]).to_owned()),
        allowed: if random.happens(50) { vec!["B".to_owned()] } else { vec![] },
    }
}

fn approvals(random: &mut Random, around: Seconds) -> Vec<Approval> {
    let mut at = around + random.between(-4 * DAY_S, 5 * DAY_S);
    let mut all = Vec::new();
    for level in 1..=random.below(3) {
        let told = random.happens(80);
        all.push(Approval {
            level: told.then_some(level as u32),
            by: told.then(|| format!("M{level}").into()),
            at: EventTime::from_us(at * 1_000_000),
        });
        at += random.below(2 * DAY_S);
    }
    all
}

fn status(random: &mut Random) -> RequestStatus {
    use RequestStatus::{Approved, Pending, Rejected, Revoked, Withdrawn};
    *random.pick(&[
        &Approved, &Approved, &Approved, &Approved, &Approved, &Pending, &Rejected, &Withdrawn, &Revoked,
    ])
}

/// Some leave, permissions and corrections of one person.
pub(crate) fn requests(random: &mut Random, world: &mut World, employee_id: &str, span: (Seconds, Seconds)) {
    for _ in 0..random.below(7) {
        let row = leave(random, world, employee_id, span);
        world.leave.push(row);
    }
    for _ in 0..random.below(7) {
        let Some(row) = correction(random, world, employee_id) else { continue };
        // Some ask again for the same end.
        let again = random.happens(30).then(|| Correction {
            id: format!("c{:03}", world.corrections.len() + 1),
            at: row.at + random.between(-20, 20) * 60,
            approvals: approvals(random, row.at),
            ..row.clone()
        });
        world.corrections.extend([row].into_iter().chain(again));
    }
}

/// Leave around one of the person's shifts, or anywhere.
fn leave(random: &mut Random, world: &World, employee_id: &str, (since, end): (Seconds, Seconds)) -> Leave {
    let plan = Plan::of(world, employee_id);
    let (from, until) = match plan.duties().len() as i64 {
        0 => (since, end),
        some => plan.duties()[random.below(some) as usize].planned(),
    };
    let kind = random.pick(&["annual", "annual", "sick", "overtime", "overtime", "field"]);
    let length = until - from;
    let odd = if random.happens(15) { random.below(60) } else { 0 };
    let (from, until) = match (kind, random.below(4)) {
        ("overtime", _) => (until - random.below(4) * 1_800, until + random.between(1, 6) * 1_800),
        (_, 0) => (from - random.below(5) * 3_600, until + random.below(30) * 3_600),
        (_, 1) => (from, from + length / 7_200 * 3_600 + 1_800 + odd),
        (_, 2) => (until - length / 10_800 * 3_600 - 1_800 - odd, until + 3_600),
        _ => (
            from + length / 2 / 900 * 900 - 1_800,
            from + length / 2 / 900 * 900 + random.between(1, 4) * 1_200 + odd,
        ),
    };
    Leave {
        id: format!("l{:03}", world.leave.len()),
        person: employee_id.to_owned(),
        from,
        until: until.max(from + 60),
        kind: kind.to_owned(),
        status: status(random),
        approvals: approvals(random, from),
    }
}

/// A correction of an end of one of the person's shifts.
fn correction(random: &mut Random, world: &World, employee_id: &str) -> Option<Correction> {
    let plan = Plan::of(world, employee_id);
    let duties = plan.duties();
    let duty = duties.get(random.below(duties.len().max(1) as i64) as usize)?;
    let kind = if random.happens(50) { CorrectionKind::In } else { CorrectionKind::Out };
    let planned = if kind == CorrectionKind::In { duty.planned().0 } else { duty.planned().1 };
    let at = planned + random.between(-40, 60) * 60;
    Some(Correction {
        id: format!("c{:03}", world.corrections.len()),
        person: employee_id.to_owned(),
        kind,
        at,
        shift: random.happens(50).then(|| duty.id().to_owned()),
        mends: *random.pick(&[
            &CorrectionType::Missing,
            &CorrectionType::Missing,
            &CorrectionType::Late,
            &CorrectionType::Early,
            &CorrectionType::Other,
        ]),
        status: status(random),
        approvals: approvals(random, at),
    })
}

/// One thing in the reference data becomes another.
fn change(random: &mut Random, world: &mut World, first: Date, days: i64, span: (Seconds, Seconds)) {
    let shifts = world.shifts.len() as i64;
    let people = world.people.len() as i64;
    let someone = world.people[random.below(people) as usize].id.clone();
    let shift = (shifts > 0).then(|| random.below(shifts) as usize);
    match (random.below(9), shift) {
        (0, Some(at)) => {
            // A correction names a shift of its own person, or none.
            world.shifts[at].person = someone;
            let names_it = |row: &&mut Correction| row.shift.as_ref() == Some(&world.shifts[at].id);
            world.corrections.iter_mut().filter(names_it).for_each(|row| row.shift = None);
        }
        (1, Some(at)) => world.shifts[at].is_cancelled ^= true,
        (2 | 3, Some(at)) => days::move_shift(random, &mut world.shifts[at]),
        (4, _) => {
            let row = leave(random, world, &someone, span);
            world.leave.push(row);
        }
        (5, _) => {
            let row = correction(random, world, &someone);
            world.corrections.extend(row);
        }
        (6, _) => {
            if let Some(row) = world.leave.last_mut() {
                row.status = status(random);
            }
        }
        (7, _) => world.calendars = tables::calendars(random, first),
        (8, _) if random.happens(40) => world.policies = tables::policies(random, first),
        _ => days::add_shift(random, world, &someone, first, days),
    }
}
