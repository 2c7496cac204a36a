//! The recent punches of one partition's people: the state that judging reads and that recovery folds again.
//!
//! In: punches as stored ([`Book::fold`]), live as in recovery.  Out: a person's punches in a span, known identities, the
//! latest believable time of a source.
//! Owns: per punch at most 72 bytes and its event id, per person 40 bytes; sources of terminal and import records.
//! Absent on purpose: eviction by size (the floor is a function of the log's clock, so that what is known never depends
//! on when memory was last swept), names and evidence.
//! Invariants: I-13 nothing but `fold` and `forget_before` changes it; a punch older than the floor is unknown even
//! while it is still in memory, kept by every reading method.
//! Why so: memory is swept now and then, answers must not depend on it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use jiff::civil::Date;
use model::{EventTime, Kind, Offset, Origin, Place, Reason, Reasons, StoredPunch};
use std::hash::BuildHasher;

use crate::digest::Fnv;
use crate::standing::Seen;

/// Sweep when the floor has moved this far.
const SWEEP_EVERY_US: i64 = 86_400_000_000;

const NO_SITE: u32 = u32::MAX;

/// A punch already taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its record's offset.
    pub offset: Offset,
    /// [`content_hash`] of what it says: a repeat with another content is a conflict.
    pub content: u64,
}

/// A hash of what a punch says beside its identity: kind, time, origin and device.
pub fn content_hash(kind: Kind, occurred_at: EventTime, origin: Origin, device_id: &str) -> u64 {
    let mut hash = Fnv::new();
    hash.text(kind.name());
    hash.number(occurred_at.us());
    hash.text(origin.name());
    hash.text(device_id);
    hash.finish()
}

/// One punch as it is kept.
#[derive(Clone, Debug)]
struct Kept {
    event_id: Arc<str>,
    occurred_at: EventTime,
    offset: Offset,
    content: u64,
    reasons: Reasons,
    site: u32,
    event_hash: u32,
    business_date: Date,
    kind: Kind,
    origin: Origin,
    place: Place,
}

struct PersonPunches {
    employee_id: Arc<str>,
    /// By instant, then id.
    punches: Vec<Kept>,
}

/// The recent punches of one partition's people.
pub struct Book {
    hasher: FixedState,
    people: HashTable<PersonPunches>,
    sites: Vec<Arc<str>>,
    site_places: HashMap<Arc<str>, u32>,
    sources: HashMap<Arc<str>, EventTime>,
    floor: EventTime,
    swept: EventTime,
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Book")
            .field("people", &self.people.len())
            .field("floor", &self.floor)
            .finish_non_exhaustive()
    }
}

impl Default for Book {
    fn default() -> Self {
        let floor = EventTime::from_us(i64::MIN);
        Self {
            hasher: FixedState::default(),
            people: HashTable::new(),
            sites: Vec::new(),
            site_places: HashMap::new(),
            sources: HashMap::new(),
            floor,
            swept: floor,
        }
    }
}

impl Book {
    /// Nothing known, no floor.
    pub fn new() -> Self {
        Self::default()
    }

    /// The oldest instant known: punches before it are not, and are judged from the lake.
    pub fn floor(&self) -> EventTime {
        self.floor
    }

    /// How many people have punches in memory.
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// Takes in a punch as stored. One below the floor is ignored; one already known replaces itself.
    pub fn fold(&mut self, punch: &StoredPunch) {
        if punch.occurred_at < self.floor {
            return;
        }
        self.note_source(punch);
        self.fold_beside(punch);
    }

    /// Takes in a punch of another log of the same people: a fact about them, but no witness of this log's devices.
    pub fn fold_beside(&mut self, punch: &StoredPunch) {
        if punch.occurred_at < self.floor {
            return;
        }
        let site = punch.site_id.as_ref().map_or(NO_SITE, |site| self.site_place(site));
        let kept = Kept {
            event_id: punch.event_id.clone(),
            occurred_at: punch.occurred_at,
            offset: punch.offset,
            content: content_hash(punch.kind, punch.occurred_at, punch.origin, &punch.device_id),
            reasons: punch.reasons,
            site,
            event_hash: self.event_hash(&punch.event_id),
            business_date: punch.business_date,
            kind: punch.kind,
            origin: punch.origin,
            place: punch.place,
        };
        let hasher = &self.hasher;
        let hash = hasher.hash_one(&*punch.employee_id);
        let entry = self.people.entry(
            hash,
            |person| person.employee_id == punch.employee_id,
            |person| hasher.hash_one(&*person.employee_id),
        );
        let person = entry
            .or_insert_with(|| PersonPunches { employee_id: punch.employee_id.clone(), punches: Vec::new() })
            .into_mut();
        let key = |kept: &Kept| (kept.occurred_at, kept.event_id.clone());
        match person.punches.binary_search_by(|other| {
            (other.occurred_at, &*other.event_id).cmp(&(kept.occurred_at, &*kept.event_id))
        }) {
            Ok(at) => {
                debug_assert_eq!(key(&person.punches[at]), key(&kept));
                person.punches[at] = kept;
            }
            Err(at) => {
                // Most people have two to four punches in memory: growing by doubling from four would waste half.
                if person.punches.len() == person.punches.capacity() {
                    person.punches.reserve_exact((person.punches.len() / 2).max(1));
                }
                person.punches.insert(at, kept);
            }
        }
    }

    /// The punch of that identity, if it is in memory.
    pub fn lookup(&self, employee_id: &str, event_id: &str) -> Option<Known> {
        let hash = self.event_hash(event_id);
        let kept = self.punches(employee_id).iter().find(|kept| {
            kept.event_hash == hash && kept.occurred_at >= self.floor && &*kept.event_id == event_id
        })?;
        Some(Known { offset: kept.offset, content: kept.content })
    }

    /// The latest believable time that a source told, if it told one since the floor: a device's, or that of terminal and
    /// import records without a device.
    pub fn latest_of(&self, device_id: &str) -> Option<EventTime> {
        self.sources.get(device_id).copied().filter(|latest| *latest >= self.floor)
    }

    /// Moves the floor; it never goes back.
    pub fn forget_before(&mut self, floor: EventTime) {
        self.floor = self.floor.max(floor);
        if self.floor.us_since(self.swept) < SWEEP_EVERY_US {
            return;
        }
        self.swept = self.floor;
        let floor = self.floor;
        self.people.retain(|person| {
            let gone = person.punches.partition_point(|kept| kept.occurred_at < floor);
            person.punches.drain(..gone);
            if gone > 0 {
                person.punches.shrink_to_fit();
            }
            !person.punches.is_empty()
        });
        self.sources.retain(|_, latest| *latest >= floor);
    }

    /// Every person with punches in memory, sorted.
    pub fn employees(&self) -> Vec<Arc<str>> {
        let mut employees: Vec<Arc<str>> =
            self.people.iter().map(|person| person.employee_id.clone()).collect();
        employees.sort();
        employees
    }

    /// A person's punches within `span`, by instant.
    pub(crate) fn seen<'a>(
        &'a self,
        employee_id: &str,
        span: Range<EventTime>,
    ) -> impl Iterator<Item = Seen<'a>> {
        let punches = self.punches(employee_id);
        let from = span.start.max(self.floor);
        let first = punches.partition_point(|kept| kept.occurred_at < from);
        punches[first..].iter().take_while(move |kept| kept.occurred_at < span.end).map(|kept| Seen {
            event_id: &kept.event_id,
            event: Some(&kept.event_id),
            kind: kept.kind,
            occurred_at: kept.occurred_at,
            origin: kept.origin,
            place: kept.place,
            site_id: self.sites.get(kept.site as usize),
            reasons: kept.reasons,
            business_date: kept.business_date,
            offset: kept.offset.get(),
        })
    }

    /// The shared pseudonym, where the person is known.
    pub(crate) fn employee(&self, employee_id: &str) -> Option<&Arc<str>> {
        self.person(employee_id).map(|person| &person.employee_id)
    }

    fn person(&self, employee_id: &str) -> Option<&PersonPunches> {
        self.people.find(self.hasher.hash_one(employee_id), |person| &*person.employee_id == employee_id)
    }

    fn punches(&self, employee_id: &str) -> &[Kept] {
        self.person(employee_id).map_or(&[], |person| &person.punches)
    }

    fn note_source(&mut self, punch: &StoredPunch) {
        if !is_machine(punch.origin) || punch.reasons.contains(Reason::ClockSuspect) {
            return;
        }
        match self.sources.get_mut(&punch.device_id) {
            Some(latest) => *latest = (*latest).max(punch.occurred_at),
            None => _ = self.sources.insert(punch.device_id.clone(), punch.occurred_at),
        }
    }

    fn site_place(&mut self, site: &Arc<str>) -> u32 {
        if let Some(place) = self.site_places.get(site) {
            return *place;
        }
        let place = self.sites.len() as u32;
        self.sites.push(site.clone());
        self.site_places.insert(site.clone(), place);
        place
    }

    fn event_hash(&self, event_id: &str) -> u32 {
        self.hasher.hash_one(event_id) as u32
    }
}

/// Whether records of this origin come from a machine whose clock runs on by itself.
pub(crate) fn is_machine(origin: Origin) -> bool {
    matches!(origin, Origin::Terminal | Origin::Import)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_punch_on_duty_stays_within_its_bytes() {
        assert!(size_of::<Kept>() <= 72, "{}", size_of::<Kept>());
        assert!(size_of::<PersonPunches>() <= 40);
    }

    fn punch(employee: &str, event: &str, minute: i64) -> StoredPunch {
        StoredPunch {
            employee_id: employee.into(),
            event_id: event.into(),
            kind: Kind::In,
            occurred_at: EventTime::from_us(0).plus_min(minute),
            received_at: EventTime::from_us(0).plus_min(minute),
            origin: Origin::Terminal,
            device_id: "d".into(),
            place: Place::Inside,
            site_id: Some("s".into()),
            reasons: Reasons::EMPTY,
            business_date: Date::constant(1970, 1, 1),
            offset: Offset::new(minute).unwrap(),
        }
    }

    #[test]
    fn what_lies_below_the_floor_is_unknown_before_and_after_a_sweep() {
        let mut book = Book::new();
        let day_min = 24 * 60;
        for minute in [10, 2 * day_min, 40 * day_min] {
            book.fold(&punch("E", &format!("e{minute}"), minute));
        }
        let known = |book: &Book, minute: i64| book.lookup("E", &format!("e{minute}")).is_some();
        assert!(known(&book, 10) && known(&book, 2 * day_min));
        book.forget_before(EventTime::from_us(0).plus_min(11));
        assert!(!known(&book, 10) && known(&book, 2 * day_min));
        book.forget_before(EventTime::from_us(0).plus_min(3 * day_min));
        assert!(!known(&book, 2 * day_min) && known(&book, 40 * day_min));
        book.fold(&punch("E", "late", 20));
        assert!(book.lookup("E", "late").is_none(), "a late punch never enters memory");
        book.forget_before(EventTime::from_us(0).plus_min(41 * day_min));
        assert_eq!((book.people(), book.latest_of("d")), (0, None));
    }

    #[test]
    fn a_repeat_is_told_from_a_conflict_by_content() {
        let mut book = Book::new();
        let stored = punch("E", "e", 5);
        book.fold(&stored);
        let known = book.lookup("E", "e").unwrap();
        assert_eq!(known.offset, stored.offset);
        let again = |kind, minute| {
            content_hash(kind, EventTime::from_us(0).plus_min(minute), stored.origin, &stored.device_id)
        };
        assert_eq!(known.content, again(Kind::In, 5));
        assert_ne!(known.content, again(Kind::Out, 5));
        assert_ne!(known.content, again(Kind::In, 6));
        assert_eq!(book.lookup("F", "e"), None, "the identity includes the person");
    }
}
