//! One reference snapshot made ready for questions by id and by time.
//!
//! In: a [`Reference`].  Out: people, sites and shifts by id; a person's windows, permitted sites and policy by instant.
//! Owns: look-up tables beside the shared snapshot, themselves shared with snapshots that differ in sites alone: about 35
//! bytes a person, 5 a site, 40 a shift; under append time 4 more.
//! Absent on purpose: maps from id to value (a table of places hashes through the snapshot itself; it holds no text but
//! short ids of people, who are looked up for every punch).
//! Invariants: slots are parallel to `Reference::shifts`; a run is a contiguous range of one person's shifts; every
//! window of a run overlaps no window of another run, unless a chain was cut (see [`RUN_SHIFTS_MAX`]); both kept by
//! `Roster::new` and checked in `tests`.
//! Why so: shifts are sorted by person and start, and a window reaches at most `reach_us` around its start, so every
//! look-up by time is one binary search and a walk over a handful of neighbours.

mod groups;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::position::Partition;
use model::reference::{DayKind, RequestStatus, ShiftPlan};
use model::{
    Correction, EventTime, Leave, Person, PersonIndex, Policy, PolicyIndex, Reference, Shift, Site, SiteIndex,
};
use std::hash::BuildHasher;

use crate::caps::{Refusal, Refused, refused};
use crate::minutes::corrected;
use crate::neighbours::reach_us;

/// Windows that overlap one another in a chain are judged together. A chain of more than this many shifts (windows of
/// round the clock, week after week) is cut at fixed seven-day borders, so that judging one punch stays bounded.
pub(crate) const RUN_SHIFTS_MAX: usize = 16;

/// A person "has shifts" around a punch if one lies within this many days of it (contract, section 4, `unscheduled`).
const ROSTERED_WITHIN_DAYS: i64 = 31;

const DAY_US: i64 = 86_400_000_000;

/// A shift instance's place in [`Reference::shifts`] of one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShiftIndex(pub u32);

/// The acceptance window of a shift instance: `[planned start − accept_before, planned end + accept_after]`, both ends
/// inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first instant at which a punch binds.
    pub opens: EventTime,
    /// The last instant at which a punch binds.
    pub closes: EventTime,
}

impl Window {
    /// Whether a punch at `at` falls into it.
    pub fn holds(self, at: EventTime) -> bool {
        self.opens <= at && at <= self.closes
    }

    /// The first instant at which it counts as closed: one millisecond (the resolution of a stored log clock) after the
    /// last instant at which a punch binds.
    pub const fn closed_from(self) -> EventTime {
        self.closes.plus_us(1_000)
    }

    /// Whether it has closed when the log's clock stands at `clock`.
    pub fn is_closed(self, clock: EventTime) -> bool {
        clock >= self.closed_from()
    }
}

/// What looking up by time needs of a shift instance, two to a cache line.
#[derive(Clone, Copy, Debug)]
struct Slot {
    window: Window,
    start: EventTime,
    /// The place of the first shift of its run.
    run: u32,
    marks: Marks,
}

/// What a snapshot tells of a shift instance once and for all.
#[derive(Clone, Copy, Debug, Default)]
struct Marks(u32);

impl Marks {
    const PLANNED: u32 = 1;
    const PLAIN: u32 = 2;
    const DAY_KIND_FROM: u32 = 2;
    const LONE: u32 = 1 << 4;
    const STATUTORY: u32 = 1 << 5;
    const NEAR_RULES: u32 = 1 << 6;

    const fn has(self, mark: u32) -> bool {
        self.0 & mark != 0
    }
}

/// One snapshot with its look-up tables. Immutable; swap the whole.
pub struct Roster {
    reference: Arc<Reference>,
    /// Shared with the snapshots in which people, shifts and what they rest on are the same.
    tables: Arc<Tables>,
}

struct Tables {
    hasher: FixedState,
    people: HashTable<Named>,
    sites: HashTable<u32>,
    shifts: HashTable<u32>,
    shifts_from: Vec<u32>,
    leave_from: Vec<u32>,
    corrections_from: Vec<u32>,
    slots: Vec<Slot>,
    permitted: Vec<SiteIndex>,
    permitted_from: Vec<u32>,
    before_us_max: i64,
    after_us_max: i64,
    debounce_us_max: i64,
    refused: Refused,
    /// How far back the rules of any policy look.
    reach_us: i64,
    /// Planned shifts by their site's org, by start; made when somebody listens for silence.
    starts: OnceLock<HashMap<Arc<str>, Vec<ShiftIndex>, FixedState>>,
    /// The partition of each person's key, in a log of so many; made when a partition asks for its people.
    partitions: OnceLock<(u32, Vec<Partition>)>,
}

impl std::fmt::Debug for Roster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Roster").field("version", &self.reference.version).finish_non_exhaustive()
    }
}

impl Roster {
    /// Builds the tables: linear in the snapshot but for sorting a person's few windows.
    pub fn new(reference: Arc<Reference>) -> Self {
        let hasher = FixedState::default();
        let people = named(&hasher, reference.people.iter().map(|person| &*person.employee_id));
        let sites = table(&hasher, reference.sites.iter().map(|site| &site.site_id));
        let shifts = table(&hasher, reference.shifts.iter().map(|shift| &shift.shift_id));
        let count = reference.people.len();
        let windows: Vec<Window> =
            reference.shifts.iter().map(|shift| window_of(&reference, shift)).collect();
        let starts = || reference.shifts.iter().map(|shift| shift.start);
        let before = starts().zip(&windows).map(|(start, window)| start.us_since(window.opens));
        let after = starts().zip(&windows).map(|(start, window)| window.closes.us_since(start));
        let (before_us_max, after_us_max) = (before.max().unwrap_or(0), after.max().unwrap_or(0));
        let shifts_from = borders(count, reference.shifts.iter().map(|shift| shift.person));
        let mut slots = slots(&reference, &shifts_from, &windows);
        let reach_us = mark_near_rules(&reference, &shifts_from, &mut slots);
        let debounces = reference.policies.iter().map(|policy| policy.debounce_s);
        let mut tables = Tables {
            hasher,
            people,
            sites,
            shifts,
            leave_from: borders(count, reference.leave.iter().map(|leave| leave.person)),
            corrections_from: borders(
                count,
                reference.corrections.iter().map(|correction| correction.person),
            ),
            slots,
            shifts_from,
            permitted: Vec::new(),
            permitted_from: Vec::new(),
            before_us_max,
            after_us_max,
            debounce_us_max: debounces.max().unwrap_or(0).saturating_mul(1_000_000),
            refused: Refused::default(),
            reach_us,
            starts: OnceLock::new(),
            partitions: OnceLock::new(),
        };
        tables.list_permitted(&reference);
        let plain = Self { reference: Arc::clone(&reference), tables: Arc::new(tables) };
        let (touched, refused) = (plain.touched(), refused(&plain));
        let Self { mut tables, .. } = plain;
        let made = Arc::get_mut(&mut tables).expect("tables that are being made are held here alone");
        touched.into_iter().for_each(|index| made.slots[index.0 as usize].marks.0 &= !Marks::PLAIN);
        made.refused = refused;
        Self { reference, tables }
    }

    /// The roster of a snapshot that differs from this one in sites alone, and in these not in what a roster rests on: ids,
    /// orgs, zones and policies. `None` for any other.
    pub fn with_sites_of(&self, next: &Arc<Reference>) -> Option<Self> {
        let (before, after) = (&self.reference, next);
        let same_rows = before.people.is_shared_with(&after.people)
            && before.shifts.is_shared_with(&after.shifts)
            && before.leave.is_shared_with(&after.leave)
            && before.corrections.is_shared_with(&after.corrections);
        let same_rules = || {
            before.calendars == after.calendars
                && before.policies == after.policies
                && before.policy_rules == after.policy_rules
        };
        let links = |site: &Site| {
            let Site { site_id, org, time_zone_name, policy, .. } = site;
            (site_id.clone(), org.clone(), time_zone_name.clone(), policy.clone())
        };
        let same_links = |(before, after): (&Arc<Site>, &Arc<Site>)| {
            Arc::ptr_eq(before, after) || links(before) == links(after)
        };
        let same_sites = || {
            before.sites.len() == after.sites.len() && before.sites.iter().zip(&after.sites).all(same_links)
        };
        (same_rows && same_rules() && same_sites())
            .then(|| Self { reference: Arc::clone(after), tables: Arc::clone(&self.tables) })
    }

    /// Whether both say the same of people and shifts: they differ in sites alone.
    pub fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.tables, &other.tables)
    }

    /// Shifts that a request of the person touches.
    fn touched(&self) -> Vec<ShiftIndex> {
        let reference = &self.reference;
        let mut touched = Vec::new();
        for row in reference.leave.iter().filter(|row| row.status == RequestStatus::Approved) {
            touched.extend(self.windows_in(row.person, row.from, row.until));
        }
        let corrections = reference.corrections.iter();
        touched.extend(
            corrections
                .filter(|row| row.status == RequestStatus::Approved)
                .filter_map(|row| corrected(self, row)),
        );
        touched
    }

    /// The snapshot.
    pub fn reference(&self) -> &Arc<Reference> {
        &self.reference
    }

    /// The person of that pseudonym.
    pub fn person(&self, employee_id: &str) -> Option<PersonIndex> {
        let found = self.tables.people.find(self.tables.hasher.hash_one(employee_id), |named| {
            named.is(employee_id, |at| &self.reference.people[at as usize].employee_id)
        });
        found.map(|named| PersonIndex(named.place))
    }

    /// The site of that id.
    pub fn site(&self, site_id: &str) -> Option<SiteIndex> {
        let found = self.tables.sites.find(self.tables.hasher.hash_one(site_id), |at| {
            &*self.reference.sites[*at as usize].site_id == site_id
        });
        found.map(|at| SiteIndex(*at))
    }

    /// The shift instance of that id.
    pub fn shift(&self, shift_id: &str) -> Option<ShiftIndex> {
        let found = self.tables.shifts.find(self.tables.hasher.hash_one(shift_id), |at| {
            &*self.reference.shifts[*at as usize].shift_id == shift_id
        });
        found.map(|at| ShiftIndex(*at))
    }

    /// The shift instance at `index`.
    pub fn shift_at(&self, index: ShiftIndex) -> &Shift {
        &self.reference.shifts[index.0 as usize]
    }

    /// The acceptance window of the shift instance at `index`.
    pub fn window(&self, index: ShiftIndex) -> Window {
        self.tables.slots[index.0 as usize].window
    }

    /// Whether the shift instance at `index` is planned, its window overlaps no other, and no leave, permission or
    /// correction that is or may come into force touches it: what holds about it rests on the clock and on the punches
    /// within its window, and with [`Self::is_near_rules`] on the shifts before it.
    pub(crate) fn is_plain(&self, index: ShiftIndex) -> bool {
        self.tables.slots[index.0 as usize].marks.has(Marks::PLAIN)
    }

    /// Whether the shift instance at `index` is planned and its window overlaps no other: which punches bind to it rests
    /// on those within its window alone.
    pub(crate) fn is_lone(&self, index: ShiftIndex) -> bool {
        self.tables.slots[index.0 as usize].marks.has(Marks::LONE)
    }

    /// Whether a rule of the person's policies looks from shift to shift: what holds about this one may rest on others, or
    /// others on it.
    pub(crate) fn is_near_rules(&self, index: ShiftIndex) -> bool {
        self.tables.slots[index.0 as usize].marks.has(Marks::NEAR_RULES)
    }

    /// How far before a shift's start the starts of others lie that rules look at.
    pub(crate) fn reach_us(&self) -> i64 {
        self.tables.reach_us
    }

    /// What kind of day the shift instance at `index` counts for.
    pub(crate) fn day_kind(&self, index: ShiftIndex) -> DayKind {
        DayKind::ALL[((self.tables.slots[index.0 as usize].marks.0 >> Marks::DAY_KIND_FROM) & 3) as usize]
    }

    /// Whether the shift instance at `index` counts for a holiday to which the law entitles every employee.
    pub(crate) fn is_statutory_holiday(&self, index: ShiftIndex) -> bool {
        self.tables.slots[index.0 as usize].marks.has(Marks::STATUTORY)
    }

    /// The policy of the shift instance at `index`.
    pub fn shift_policy(&self, index: ShiftIndex) -> &Policy {
        self.reference.policy(self.shift_at(index).policy)
    }

    /// The places of a person's shift instances, by start.
    pub fn shifts_of(&self, person: PersonIndex) -> Range<u32> {
        let at = person.0 as usize;
        self.tables.shifts_from[at]..self.tables.shifts_from[at + 1]
    }

    /// A person's leave and permissions, by first instant.
    pub fn leave_of(&self, person: PersonIndex) -> &[Leave] {
        let places = self.leave_places(person);
        &self.reference.leave[places.start as usize..places.end as usize]
    }

    /// A person's corrections, by instant.
    pub fn corrections_of(&self, person: PersonIndex) -> &[Correction] {
        let places = self.correction_places(person);
        &self.reference.corrections[places.start as usize..places.end as usize]
    }

    /// Why the correction at `place` of the snapshot does not count, if the policy refuses it.
    pub(crate) fn refusal(&self, place: u32) -> Option<Refusal> {
        self.tables.refused.get(&place).copied()
    }

    /// The approved corrections that the policy refuses, by their ids.
    pub fn refused_corrections(&self) -> Vec<(Arc<str>, Refusal)> {
        let named = |(place, refusal): (&u32, &Refusal)| {
            (self.reference.corrections[*place as usize].correction_id.clone(), *refusal)
        };
        let mut refused: Vec<_> = self.tables.refused.iter().map(named).collect();
        refused.sort_by(|(a, _), (b, _)| a.cmp(b));
        refused
    }

    /// The places of a person's leave in the snapshot.
    pub(crate) fn leave_places(&self, person: PersonIndex) -> Range<u32> {
        let at = person.0 as usize;
        self.tables.leave_from[at]..self.tables.leave_from[at + 1]
    }

    /// The places of a person's corrections in the snapshot.
    pub(crate) fn correction_places(&self, person: PersonIndex) -> Range<u32> {
        let at = person.0 as usize;
        self.tables.corrections_from[at]..self.tables.corrections_from[at + 1]
    }

    /// The sites where a person may punch: home, allowed, and those of all own shifts of the snapshot, sorted. Empty
    /// means that none is given: everywhere.
    pub fn permitted(&self, person: PersonIndex) -> &[SiteIndex] {
        let at = person.0 as usize;
        &self.tables.permitted
            [self.tables.permitted_from[at] as usize..self.tables.permitted_from[at + 1] as usize]
    }

    /// A person's shift instances whose window overlaps `from..=until`, by start; cancelled ones too.
    pub fn windows_in(
        &self,
        person: PersonIndex,
        from: EventTime,
        until: EventTime,
    ) -> impl Iterator<Item = ShiftIndex> + '_ {
        let all = self.shifts_of(person);
        let slots = &self.tables.slots[all.start as usize..all.end as usize];
        let earliest = from.plus_us(-self.tables.after_us_max);
        let latest = until.plus_us(self.tables.before_us_max);
        let first = slots.partition_point(|slot| slot.start < earliest);
        let numbered = slots[first..].iter().zip(first as u32 + all.start..);
        numbered
            .take_while(move |(slot, _)| slot.start <= latest)
            .filter(move |(slot, _)| slot.window.opens <= until && slot.window.closes >= from)
            .map(|(_, at)| ShiftIndex(at))
    }

    /// A person's planned shift instances whose window holds `at`, by start.
    pub fn holding(&self, person: PersonIndex, at: EventTime) -> impl Iterator<Item = ShiftIndex> + '_ {
        self.windows_in(person, at, at)
            .filter(|index| self.tables.slots[index.0 as usize].marks.has(Marks::PLANNED))
    }

    /// The shift whose window holds `at`; of several the one with the nearest start, then the earlier.
    pub fn scheduled(&self, person: PersonIndex, at: EventTime) -> Option<ShiftIndex> {
        let start = |index: &ShiftIndex| self.tables.slots[index.0 as usize].start;
        self.holding(person, at).min_by_key(|index| start(index).us_since(at).saturating_abs())
    }

    /// The policy for a punch at `at`: the scheduled shift's; else by the home site's org and policy name, the person's
    /// groups and the day at home; else by the person's org; for an unknown person that of the empty org.
    pub fn policy_for(
        &self,
        person: Option<PersonIndex>,
        scheduled: Option<ShiftIndex>,
        at: EventTime,
    ) -> PolicyIndex {
        if let Some(shift) = scheduled {
            return self.shift_at(shift).policy;
        }
        let book = &self.reference.policy_rules;
        let Some(person) = person.map(|person| self.reference.person(person)) else {
            return book.find("", &[], None, local_date(at, &TimeZone::UTC));
        };
        let home = person.home_site.map(|site| self.reference.site(site));
        let find = |groups: &[Arc<str>]| match home {
            Some(site) => {
                book.find(&site.org, groups, site.policy.as_deref(), local_date(at, &site.time_zone))
            }
            None => book.find(&person.org, groups, None, local_date(at, &TimeZone::UTC)),
        };
        if person.groups.is_sorted() {
            return find(&person.groups);
        }
        let mut groups = person.groups.clone();
        groups.sort();
        find(&groups)
    }

    /// Whether the person has a shift instance, cancelled or not, within 31 days of `at`.
    pub fn is_rostered_near(&self, person: PersonIndex, at: EventTime) -> bool {
        let reach = ROSTERED_WITHIN_DAYS * DAY_US;
        let all = self.shifts_of(person);
        let shifts = &self.reference.shifts[all.start as usize..all.end as usize];
        let behind = shifts.partition_point(|shift| shift.start <= at.plus_us(reach));
        shifts[..behind].iter().rev().any(|shift| shift.end >= at.plus_us(-reach))
    }

    /// Reads what tells where a person is due at `at`, so that it is at hand when asked for. What comes of it is nothing.
    pub(crate) fn glance(&self, person: PersonIndex, at: EventTime) -> u32 {
        let shift = self.windows_in(person, at, at).next().map_or(0, |index| self.shift_at(index).site.0);
        let site = self.permitted(person).first().map_or(0, |site| site.0);
        let is_declined = self.reference.person(person).location_declined;
        shift ^ site ^ u32::from(is_declined) ^ self.leave_places(person).start
    }

    /// The longest debounce of any policy: punches further apart never repeat one another.
    pub(crate) fn debounce_us_max(&self) -> i64 {
        self.tables.debounce_us_max
    }

    /// The run of a shift instance: the contiguous range of the person's shifts that are judged together with it.
    pub(crate) fn run(&self, index: ShiftIndex) -> Range<u32> {
        let first = self.tables.slots[index.0 as usize].run;
        let mut end = index.0 + 1;
        while self.tables.slots.get(end as usize).is_some_and(|slot| slot.run == first) {
            end += 1;
        }
        first..end
    }

    /// The run a punch at `at` belongs to. Where a cut chain offers two, the one with the nearest planned time, then
    /// the earlier.
    pub(crate) fn run_at(&self, person: PersonIndex, at: EventTime) -> Option<u32> {
        let distance = |index: &ShiftIndex| {
            let shift = self.shift_at(*index);
            shift.start.us_since(at).max(at.us_since(shift.end)).max(0)
        };
        let mut holding = self.holding(person, at).peekable();
        let run_of = |index: ShiftIndex| self.tables.slots[index.0 as usize].run;
        let first = run_of(*holding.peek()?);
        let nearest = holding.min_by_key(distance)?;
        let run = run_of(nearest);
        debug_assert!(first <= run);
        Some(run)
    }

    /// From the first opening to the last closing of a run's windows.
    pub(crate) fn run_span(&self, run: Range<u32>) -> (EventTime, EventTime) {
        let slots = &self.tables.slots[run.start as usize..run.end as usize];
        let opens = slots.iter().map(|slot| slot.window.opens).min();
        let closes = slots.iter().map(|slot| slot.window.closes).max();
        (opens.unwrap_or(EventTime::from_us(0)), closes.unwrap_or(EventTime::from_us(0)))
    }

    /// The site of the shift instance at `index`.
    pub(crate) fn shift_site(&self, index: ShiftIndex) -> &Site {
        self.reference.site(self.shift_at(index).site)
    }

    /// The person, where known, with the home site.
    pub(crate) fn home(&self, person: Option<PersonIndex>) -> (Option<&Person>, Option<&Site>) {
        let person = person.map(|person| self.reference.person(person));
        let home = person.and_then(|person| person.home_site).map(|site| self.reference.site(site));
        (person, home)
    }
}

impl Tables {
    fn list_permitted(&mut self, reference: &Reference) {
        self.permitted_from.reserve_exact(reference.people.len() + 1);
        self.permitted_from.push(0);
        let mut own: Vec<SiteIndex> = Vec::new();
        for (place, person) in reference.people.iter().enumerate() {
            own.clear();
            own.extend(person.home_site);
            own.extend(&person.allowed_sites);
            let shifts = self.shifts_from[place] as usize..self.shifts_from[place + 1] as usize;
            own.extend(reference.shifts[shifts].iter().map(|shift| shift.site));
            own.sort_unstable();
            own.dedup();
            self.permitted.extend(&own);
            self.permitted_from.push(self.permitted.len() as u32);
        }
    }
}

/// The day on the wall clock of `zone`.
pub(crate) fn local_date(at: EventTime, zone: &TimeZone) -> Date {
    zone.to_datetime(at.timestamp()).date()
}

fn table<'a>(
    hasher: &FixedState,
    ids: impl ExactSizeIterator<Item = &'a Arc<str>> + Clone,
) -> HashTable<u32> {
    let places: Vec<u64> = ids.map(|id| hasher.hash_one(&**id)).collect();
    let mut table = HashTable::with_capacity(places.len());
    for (place, hash) in places.iter().enumerate() {
        table.insert_unique(*hash, place as u32, |at| places[*at as usize]);
    }
    table
}

/// A place under its name, which is looked at without following it anywhere where it is short.
#[derive(Clone, Copy)]
struct Named {
    place: u32,
    /// How many bytes the name has; more than `text` holds for a longer one.
    len: u8,
    text: [u8; NAMED_BYTES],
}

const NAMED_BYTES: usize = 15;

impl Named {
    fn new(place: u32, name: &str) -> Self {
        let mut text = [0; NAMED_BYTES];
        match text.get_mut(..name.len()) {
            Some(text) => text.copy_from_slice(name.as_bytes()),
            None => return Self { place, len: u8::MAX, text },
        }
        Self { place, len: name.len() as u8, text }
    }

    fn is<'a>(&self, name: &str, of: impl FnOnce(u32) -> &'a str) -> bool {
        match self.text.get(..usize::from(self.len)) {
            Some(text) => text == name.as_bytes(),
            None => name.len() > NAMED_BYTES && of(self.place) == name,
        }
    }
}

fn named<'a>(hasher: &FixedState, names: impl ExactSizeIterator<Item = &'a str>) -> HashTable<Named> {
    let mut table = HashTable::with_capacity(names.len());
    let hashed =
        |named: &Named| unreachable!("{}: a table that was given its room does not grow", named.place);
    for (place, name) in (0_u32..).zip(names) {
        table.insert_unique(hasher.hash_one(name), Named::new(place, name), hashed);
    }
    table
}

fn borders(people: usize, rows: impl Iterator<Item = PersonIndex>) -> Vec<u32> {
    let mut from = vec![0_u32; people + 1];
    for person in rows {
        from[person.0 as usize + 1] += 1;
    }
    for at in 1..from.len() {
        from[at] += from[at - 1];
    }
    from
}

fn window_of(reference: &Reference, shift: &Shift) -> Window {
    let policy = reference.policy(shift.policy);
    Window {
        opens: shift.start.plus_min(-policy.accept_before_min),
        closes: shift.end.plus_min(policy.accept_after_min),
    }
}

/// The shifts' slots. A run of one shift is plain as far as its neighbours go, unless it was cut off a chain.
fn slots(reference: &Reference, shifts_from: &[u32], windows: &[Window]) -> Vec<Slot> {
    let runs = runs(reference, shifts_from, windows);
    let of_shift = |(at, shift): (usize, &Shift)| {
        let (run, window) = (runs[at] & !CUT, windows[at]);
        let is_planned = shift.plan == ShiftPlan::Planned;
        let shares = |other: Option<&u32>| other.is_some_and(|other| *other & !CUT == run);
        let before = at.checked_sub(1).and_then(|before| runs.get(before));
        let is_lone = !shares(before) && !shares(runs.get(at + 1)) && runs[at] & CUT == 0;
        let day = reference.day(&reference.site(shift.site).org, shift.business_date);
        let day_kind = DayKind::ALL.iter().position(|kind| *kind == day.kind).unwrap_or(0) as u32;
        let statutory = if day.is_statutory { Marks::STATUTORY } else { 0 };
        let is_within = window.opens <= shift.start && shift.end <= window.closes;
        let alone = if is_planned && is_lone { Marks::LONE } else { 0 };
        let plain = if is_planned && is_lone && is_within { Marks::PLAIN } else { 0 };
        let planned = if is_planned { Marks::PLANNED } else { 0 };
        let marks = planned | alone | plain | statutory | (day_kind << Marks::DAY_KIND_FROM);
        Slot { window, start: shift.start, run, marks: Marks(marks) }
    };
    reference.shifts.iter().enumerate().map(of_shift).collect()
}

/// Marks all shifts of people who have one whose policy looks back; how far any does.
fn mark_near_rules(reference: &Reference, shifts_from: &[u32], slots: &mut [Slot]) -> i64 {
    let reaches: Vec<i64> = reference.policies.iter().map(reach_us).collect();
    let longest = reaches.iter().copied().max().unwrap_or(0);
    if longest == 0 {
        return 0;
    }
    for of_person in shifts_from.windows(2).map(|borders| borders[0] as usize..borders[1] as usize) {
        if reference.shifts[of_person.clone()].iter().any(|shift| reaches[shift.policy.0 as usize] > 0) {
            slots[of_person].iter_mut().for_each(|slot| slot.marks.0 |= Marks::NEAR_RULES);
        }
    }
    longest
}

/// Marks the run of a chain that was cut.
const CUT: u32 = 1 << 31;

/// For each shift the place of the first shift of its run.
fn runs(reference: &Reference, shifts_from: &[u32], windows: &[Window]) -> Vec<u32> {
    assert!(windows.len() < CUT as usize, "a snapshot has fewer than 2^31 shifts");
    let mut runs = vec![0_u32; windows.len()];
    let mut by_opening: Vec<u32> = Vec::new();
    for borders in shifts_from.windows(2) {
        by_opening.clear();
        by_opening.extend(borders[0]..borders[1]);
        by_opening.sort_by_key(|at| windows[*at as usize].opens);
        let mut rest = by_opening.as_slice();
        while let Some(first) = rest.first() {
            let mut closes = windows[*first as usize].closes;
            let mut len = 1;
            while len < rest.len() && windows[rest[len] as usize].opens <= closes {
                closes = closes.max(windows[rest[len] as usize].closes);
                len += 1;
            }
            let (chain, behind) = rest.split_at(len);
            // Windows of different chains do not overlap, and a start lies in its window: a chain is contiguous by start.
            let from = chain.iter().min().copied().unwrap_or(*first);
            number_runs(reference, from..from + len as u32, &mut runs);
            rest = behind;
        }
    }
    runs
}

fn number_runs(reference: &Reference, chain: Range<u32>, runs: &mut [u32]) {
    let week = |at: u32| reference.shifts[at as usize].start.us().div_euclid(7 * DAY_US);
    let is_cut = chain.len() > RUN_SHIFTS_MAX;
    let mut first = chain.start;
    for at in chain {
        if is_cut && week(at) != week(first) {
            first = at;
        }
        runs[at as usize] = first | if is_cut { CUT } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_whatever_its_length() {
        let names = [
            "",
            "E1",
            "E10",
            "fifteen bytes!!",
            "sixteen bytes!!!",
            "打卡打卡打",
            "a name of any length, twice over",
        ];
        let hasher = FixedState::default();
        let table = named(&hasher, names.into_iter());
        let find = |name: &str| {
            let is_it = |named: &Named| named.is(name, |at| names[at as usize]);
            table.find(hasher.hash_one(name), is_it).map(|named| named.place as usize)
        };
        for (place, name) in names.into_iter().enumerate() {
            assert_eq!(find(name), Some(place), "{name}");
        }
        assert_eq!([find("E"), find("fifteen bytes!"), find("sixteen bytes!!?")], [None; 3]);
    }
}
