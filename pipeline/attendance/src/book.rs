//! The recent punches of one partition's people: the state that judging reads and that recovery folds again.
//!
//! In: punches as stored ([`Book::fold`]), live as in recovery.  Out: a person's punches in a span, known identities, the
//! latest believable time of a source.
//! Owns: per punch 56 bytes in chunks shared by all people, per person 12 bytes; sources of terminal and import records.
//! Absent on purpose: eviction by size (the floor is a function of the log's clock, so that what is known never depends
//! on when memory was last swept), names and evidence, and an allocation a punch (but for ids that [`EventId`] shares).
//! Invariants: I-13 nothing but `fold` and `forget_before` changes it; a punch older than the floor is unknown even
//! while it is still in memory, kept by every reading method.
//! Why so: memory is swept now and then, answers must not depend on it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use jiff::civil::Date;
use model::{
    EventId, EventTime, Kind, Offset, Origin, PersonIndex, Place, Reason, Reasons, SiteIndex, StoredRef,
};
use std::hash::BuildHasher;

use crate::digest::Fnv;
use crate::lists::{List, Lists};
use crate::roster::Roster;
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
    content_of(kind, occurred_at, origin, device_hash(device_id))
}

fn content_of(kind: Kind, occurred_at: EventTime, origin: Origin, device: u32) -> u64 {
    let mut hash = Fnv::new();
    hash.number(kind as i64);
    hash.number(occurred_at.us());
    hash.number(origin as i64);
    hash.number(i64::from(device));
    hash.finish()
}

fn device_hash(device_id: &str) -> u32 {
    let mut hash = Fnv::new();
    hash.text(device_id);
    hash.finish() as u32
}

/// Reasons, place, origin and kind in 32 bits.
#[derive(Clone, Copy, Debug, Default)]
struct Marks(u32);

const PLACE_BITS: u32 = 24;
const ORIGIN_BITS: u32 = 26;
const KIND_BITS: u32 = 29;
const _: () = assert!(Reason::ALL.len() <= PLACE_BITS as usize && Place::ALL.len() <= 4);
const _: () = assert!(Origin::ALL.len() <= 8 && Kind::ALL.len() <= 8);

impl Marks {
    fn of(punch: &StoredRef<'_>) -> Self {
        let place = place_in(Place::ALL, punch.place) << PLACE_BITS;
        let origin = place_in(Origin::ALL, punch.origin) << ORIGIN_BITS;
        let kind = place_in(Kind::ALL, punch.kind) << KIND_BITS;
        Self(punch.reasons.bits() | place | origin | kind)
    }

    fn reasons(self) -> Reasons {
        Reasons::from_bits(self.0)
    }

    fn place(self) -> Place {
        Place::ALL[(self.0 >> PLACE_BITS & 3) as usize]
    }

    fn origin(self) -> Origin {
        Origin::ALL[(self.0 >> ORIGIN_BITS & 7) as usize]
    }

    fn kind(self) -> Kind {
        Kind::ALL[(self.0 >> KIND_BITS) as usize]
    }
}

fn place_in<T: PartialEq>(all: &[T], value: T) -> u32 {
    all.iter().position(|other| *other == value).unwrap_or(0) as u32
}

/// One punch as it is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) event_id: EventId,
    pub(crate) occurred_at: EventTime,
    offset: Offset,
    /// [`device_hash`].
    device: u32,
    site: u32,
    pub(crate) business_date: Date,
    marks: Marks,
}

impl Kept {
    pub(crate) fn kind(&self) -> Kind {
        self.marks.kind()
    }

    /// Whether it was stored as a repeat.
    pub(crate) fn is_repunch(&self) -> bool {
        self.marks.reasons().contains(Reason::Repunch)
    }

    /// Whether its time is believed and it is no hand-made correction.
    pub(crate) fn counts(&self) -> bool {
        self.marks.origin() != Origin::Correction && !self.marks.reasons().contains(Reason::ClockSuspect)
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            event_id: EventId::default(),
            occurred_at: EventTime::from_us(0),
            offset: Offset::FIRST,
            device: 0,
            site: NO_SITE,
            business_date: Date::ZERO,
            marks: Marks::default(),
        }
    }
}

/// Whose punch, and which: looked up and read once for every question about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'a> {
    /// The person in the snapshot, if known.
    pub(crate) person: Option<PersonIndex>,
    pub(crate) employee_id: &'a str,
    pub(crate) event_id: &'a EventId,
    /// The punch's site in the snapshot, with its id, where the caller has it.
    pub(crate) site: Option<(SiteIndex, &'a Arc<str>)>,
}

/// One person of the snapshot. Lists hold punches by instant, then id.
struct Own {
    person: PersonIndex,
    punches: List,
}

/// Somebody whom the snapshot does not know.
struct Stranger {
    employee_id: Arc<str>,
    punches: List,
}

/// The recent punches of one partition's people.
pub(crate) struct Book {
    hasher: FixedState,
    own: HashTable<Own>,
    strangers: HashTable<Stranger>,
    kept: Lists<Kept>,
    sites: Vec<Arc<str>>,
    site_places: HashMap<Arc<str>, u32, FixedState>,
    /// The places of the snapshot's sites, as far as seen.
    own_sites: Vec<u32>,
    sources: HashMap<Arc<str>, EventTime, FixedState>,
    floor: EventTime,
    swept: EventTime,
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Book")
            .field("people", &self.people())
            .field("floor", &self.floor)
            .finish_non_exhaustive()
    }
}

impl Default for Book {
    fn default() -> Self {
        let floor = EventTime::from_us(i64::MIN);
        Self {
            hasher: FixedState::default(),
            own: HashTable::new(),
            strangers: HashTable::new(),
            kept: Lists::default(),
            sites: Vec::new(),
            site_places: HashMap::default(),
            own_sites: Vec::new(),
            sources: HashMap::default(),
            floor,
            swept: floor,
        }
    }
}

impl Book {
    /// Nothing known, no floor.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The oldest instant known: punches before it are not, and are judged from the lake.
    pub(crate) fn floor(&self) -> EventTime {
        self.floor
    }

    /// How many people have punches in memory.
    pub(crate) fn people(&self) -> usize {
        self.own.len() + self.strangers.len()
    }

    /// Makes room for that many people of the snapshot, so that none of them has to wait for a table to grow.
    pub(crate) fn reserve(&mut self, people: usize) {
        let Self { hasher, own, .. } = self;
        own.reserve(people.saturating_sub(own.len()), |own| hasher.hash_one(own.person.0));
    }

    /// Another snapshot numbers people and sites anew.
    pub(crate) fn renumber(&mut self, before: &Roster, after: &Roster) {
        self.own_sites.clear();
        let (own, strangers) = (std::mem::take(&mut self.own), std::mem::take(&mut self.strangers));
        let named = own
            .into_iter()
            .map(|own| (before.reference().person(own.person).employee_id.clone(), own.punches));
        let named =
            named.chain(strangers.into_iter().map(|stranger| (stranger.employee_id, stranger.punches)));
        for (employee_id, punches) in named {
            let hasher = &self.hasher;
            match after.person(&employee_id) {
                Some(person) => {
                    let own = Own { person, punches };
                    self.own
                        .insert_unique(hasher.hash_one(person.0), own, |own| hasher.hash_one(own.person.0));
                }
                None => {
                    let hash = hasher.hash_one(&*employee_id);
                    let stranger = Stranger { employee_id, punches };
                    let rehash = |stranger: &Stranger| hasher.hash_one(&*stranger.employee_id);
                    self.strangers.insert_unique(hash, stranger, rehash);
                }
            }
        }
    }

    /// Takes in a punch as stored. One below the floor is ignored; one already known replaces itself.
    pub(crate) fn fold(&mut self, punch: &StoredRef<'_>, key: Key<'_>) {
        if punch.occurred_at < self.floor {
            return;
        }
        self.note_source(punch);
        self.fold_beside(punch, key);
    }

    /// Takes in a punch of another log of the same people: a fact about them, but no witness of this log's devices.
    pub(crate) fn fold_beside(&mut self, punch: &StoredRef<'_>, key: Key<'_>) {
        if punch.occurred_at < self.floor {
            return;
        }
        let kept = Kept {
            event_id: key.event_id.clone(),
            occurred_at: punch.occurred_at,
            offset: punch.offset,
            device: device_hash(punch.device_id),
            site: punch.site_id.map_or(NO_SITE, |site| self.site_place(site, key.site)),
            business_date: punch.business_date,
            marks: Marks::of(punch),
        };
        let Self { hasher, own, strangers, kept: lists, .. } = self;
        let list = match key.person {
            Some(person) => {
                let rehash = |own: &Own| hasher.hash_one(own.person.0);
                let entry = own.entry(hasher.hash_one(person.0), |own| own.person == person, rehash);
                &mut entry.or_insert_with(|| Own { person, punches: List::default() }).into_mut().punches
            }
            None => {
                let rehash = |stranger: &Stranger| hasher.hash_one(&*stranger.employee_id);
                let is_it = |stranger: &Stranger| &*stranger.employee_id == key.employee_id;
                let entry = strangers.entry(hasher.hash_one(key.employee_id), is_it, rehash);
                let new = || Stranger { employee_id: key.employee_id.into(), punches: List::default() };
                &mut entry.or_insert_with(new).into_mut().punches
            }
        };
        let known = lists.get_mut(list);
        let before = |other: &Kept| (other.occurred_at, &other.event_id) < (kept.occurred_at, &kept.event_id);
        // Most punches come in the order of time.
        let at = match known.last() {
            Some(last) if !before(last) => known.partition_point(before),
            _ => known.len(),
        };
        match known.get_mut(at) {
            Some(other) if other.occurred_at == kept.occurred_at && other.event_id == kept.event_id => {
                *other = kept;
            }
            _ => lists.insert(list, at, kept),
        }
    }

    /// The punch of that identity, if it is in memory.
    pub(crate) fn lookup(&self, key: Key<'_>) -> Option<Known> {
        let is_it = |kept: &&Kept| kept.event_id == *key.event_id && kept.occurred_at >= self.floor;
        let kept = self.punches(key.person, key.employee_id).iter().find(is_it)?;
        let content = content_of(kept.marks.kind(), kept.occurred_at, kept.marks.origin(), kept.device);
        Some(Known { offset: kept.offset, content })
    }

    /// The latest believable time that a source told, if it told one since the floor: a device's, or that of terminal and
    /// import records without a device.
    pub(crate) fn latest_of(&self, device_id: &str) -> Option<EventTime> {
        self.sources.get(device_id).copied().filter(|latest| *latest >= self.floor)
    }

    /// Moves the floor; it never goes back.
    pub(crate) fn forget_before(&mut self, floor: EventTime) {
        self.floor = self.floor.max(floor);
        if self.floor.us_since(self.swept) < SWEEP_EVERY_US {
            return;
        }
        self.swept = self.floor;
        let (floor, lists) = (self.floor, &mut self.kept);
        let mut forget = |punches: &mut List| {
            let gone = lists.get(punches).partition_point(|kept| kept.occurred_at < floor);
            lists.remove_front(punches, gone);
            !lists.get(punches).is_empty()
        };
        self.own.retain(|own| forget(&mut own.punches));
        self.strangers.retain(|stranger| forget(&mut stranger.punches));
        self.sources.retain(|_, latest| *latest >= floor);
    }

    /// Everybody with punches in memory whom the snapshot does not know, sorted.
    pub(crate) fn strangers(&self) -> Vec<Arc<str>> {
        let mut strangers: Vec<Arc<str>> =
            self.strangers.iter().map(|stranger| stranger.employee_id.clone()).collect();
        strangers.sort();
        strangers
    }

    /// The shared pseudonym of somebody whom the snapshot does not know.
    pub(crate) fn stranger(&self, employee_id: &str) -> Option<&Arc<str>> {
        let is_it = |stranger: &Stranger| &*stranger.employee_id == employee_id;
        self.strangers.find(self.hasher.hash_one(employee_id), is_it).map(|stranger| &stranger.employee_id)
    }

    /// Whether a person of the snapshot has punches in memory.
    pub(crate) fn holds(&self, person: PersonIndex) -> bool {
        self.list(person).is_some()
    }

    /// A person's punches within `span`, by instant.
    pub(crate) fn seen<'a>(
        &'a self,
        (person, employee_id): (Option<PersonIndex>, &str),
        span: Range<EventTime>,
    ) -> impl Iterator<Item = Seen<'a>> {
        let punches = self.punches(person, employee_id);
        let from = span.start.max(self.floor);
        let first = punches.partition_point(|kept| kept.occurred_at < from);
        let within = punches[first..].iter().take_while(move |kept| kept.occurred_at < span.end);
        within.map(|kept| self.seen_of(kept))
    }

    /// A punch as judging sees it.
    pub(crate) fn seen_of<'a>(&'a self, kept: &'a Kept) -> Seen<'a> {
        Seen {
            event: &kept.event_id,
            kind: kept.kind(),
            occurred_at: kept.occurred_at,
            origin: kept.marks.origin(),
            place: kept.marks.place(),
            site_id: self.sites.get(kept.site as usize),
            reasons: kept.marks.reasons(),
            business_date: kept.business_date,
            offset: kept.offset.get(),
        }
    }

    /// A person's punches since the floor, by instant, then id.
    pub(crate) fn punches_of(&self, person: PersonIndex) -> &[Kept] {
        let punches = self.list(person).map_or(&[][..], |punches| self.kept.get(punches));
        match punches.first() {
            Some(first) if first.occurred_at < self.floor => {
                &punches[punches.partition_point(|kept| kept.occurred_at < self.floor)..]
            }
            _ => punches,
        }
    }

    fn list(&self, person: PersonIndex) -> Option<&List> {
        self.own.find(self.hasher.hash_one(person.0), |own| own.person == person).map(|own| &own.punches)
    }

    fn punches(&self, person: Option<PersonIndex>, employee_id: &str) -> &[Kept] {
        let list = match person {
            Some(person) => self.list(person),
            None => {
                let is_it = |stranger: &Stranger| &*stranger.employee_id == employee_id;
                let found = self.strangers.find(self.hasher.hash_one(employee_id), is_it);
                found.map(|stranger| &stranger.punches)
            }
        };
        list.map_or(&[], |list| self.kept.get(list))
    }

    fn note_source(&mut self, punch: &StoredRef<'_>) {
        if !is_machine(punch.origin) || punch.reasons.contains(Reason::ClockSuspect) {
            return;
        }
        match self.sources.get_mut(punch.device_id) {
            Some(latest) => *latest = (*latest).max(punch.occurred_at),
            None => _ = self.sources.insert(punch.device_id.into(), punch.occurred_at),
        }
    }

    /// The place of a site's id among those seen; `own` is its place in the snapshot, where the caller has it.
    fn site_place(&mut self, site: &str, own: Option<(SiteIndex, &Arc<str>)>) -> u32 {
        let Some((own, shared)) = own else { return self.place_of(site, || site.into()) };
        let at = own.0 as usize;
        if let Some(place) = self.own_sites.get(at).copied().filter(|place| *place != NO_SITE) {
            debug_assert_eq!(&*self.sites[place as usize], site);
            return place;
        }
        let place = self.place_of(site, || Arc::clone(shared));
        if self.own_sites.len() <= at {
            self.own_sites.resize(at + 1, NO_SITE);
        }
        self.own_sites[at] = place;
        place
    }

    fn place_of(&mut self, site: &str, make: impl FnOnce() -> Arc<str>) -> u32 {
        if let Some(place) = self.site_places.get(site) {
            return *place;
        }
        let (place, site) = (self.sites.len() as u32, make());
        self.sites.push(Arc::clone(&site));
        self.site_places.insert(site, place);
        place
    }
}

/// Whether records of this origin come from a machine whose clock runs on by itself.
pub(crate) fn is_machine(origin: Origin) -> bool {
    matches!(origin, Origin::Terminal | Origin::Import)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::StoredPunch;

    #[test]
    fn a_punch_on_duty_stays_within_its_bytes() {
        assert!(size_of::<Kept>() <= 56, "{}", size_of::<Kept>());
        assert!(size_of::<Own>() <= 12);
    }

    #[test]
    fn marks_keep_what_they_were_made_of() {
        let reasons = Reason::ALL.iter().fold(Reasons::EMPTY, |set, reason| set.with(*reason));
        for kind in Kind::ALL {
            for (origin, place) in Origin::ALL.iter().flat_map(|o| Place::ALL.iter().map(move |p| (o, p))) {
                for reasons in [Reasons::EMPTY, reasons, Reasons::EMPTY.with(Reason::Repunch)] {
                    let of = StoredPunch {
                        kind: *kind,
                        origin: *origin,
                        place: *place,
                        reasons,
                        ..punch("E", "e", 0)
                    };
                    let marks = Marks::of(&(&of).into());
                    let back = (marks.kind(), marks.origin(), marks.place(), marks.reasons());
                    assert_eq!(back, (*kind, *origin, *place, reasons));
                }
            }
        }
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

    fn fold(book: &mut Book, punch: &StoredPunch) {
        let event_id = EventId::new(&punch.event_id);
        let key = Key { person: None, employee_id: &punch.employee_id, event_id: &event_id, site: None };
        book.fold(&punch.into(), key);
    }

    fn lookup(book: &Book, employee_id: &str, event_id: &str) -> Option<Known> {
        book.lookup(Key { person: None, employee_id, event_id: &EventId::new(event_id), site: None })
    }

    #[test]
    fn what_lies_below_the_floor_is_unknown_before_and_after_a_sweep() {
        let mut book = Book::new();
        let day_min = 24 * 60;
        for minute in [10, 2 * day_min, 40 * day_min] {
            fold(&mut book, &punch("E", &format!("e{minute}"), minute));
        }
        let known = |book: &Book, minute: i64| lookup(book, "E", &format!("e{minute}")).is_some();
        assert!(known(&book, 10) && known(&book, 2 * day_min));
        book.forget_before(EventTime::from_us(0).plus_min(11));
        assert!(!known(&book, 10) && known(&book, 2 * day_min));
        book.forget_before(EventTime::from_us(0).plus_min(3 * day_min));
        assert!(!known(&book, 2 * day_min) && known(&book, 40 * day_min));
        fold(&mut book, &punch("E", "late", 20));
        assert!(lookup(&book, "E", "late").is_none(), "a late punch never enters memory");
        book.forget_before(EventTime::from_us(0).plus_min(41 * day_min));
        assert_eq!((book.people(), book.latest_of("d")), (0, None));
    }

    #[test]
    fn a_repeat_is_told_from_a_conflict_by_content() {
        let mut book = Book::new();
        let stored = punch("E", "e", 5);
        fold(&mut book, &stored);
        let known = lookup(&book, "E", "e").unwrap();
        assert_eq!(known.offset, stored.offset);
        let again = |kind, minute| {
            content_hash(kind, EventTime::from_us(0).plus_min(minute), stored.origin, &stored.device_id)
        };
        assert_eq!(known.content, again(Kind::In, 5));
        assert_ne!(known.content, again(Kind::Out, 5));
        assert_ne!(known.content, again(Kind::In, 6));
        assert_eq!(lookup(&book, "F", "e"), None, "the identity includes the person");
    }
}
