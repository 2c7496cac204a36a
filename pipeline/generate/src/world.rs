//! A generated chain: its stores and people, and the way to everything that happens in it.
//!
//! In: a checked [`Spec`].  Out: reference data ([`Chain`]), records in arrival order ([`Punches`]), the ledger.
//! Owns: stores, people and the roster; nothing of any punch.
//! Absent on purpose: files, clocks and randomness beyond the seed; a punch in memory that has not arrived yet.
//! Invariants: everything is a function of the spec, kept by `tests::the_same_seed_gives_the_same_bytes`.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use model::{BeaconId, Bssid, EventTime, Policy};
use schemas::lines::LedgerLine;

use crate::chain::Chain;
use crate::dice::{Seed, Subject};
use crate::people::{self, Person, employee_id};
use crate::punches::Punches;
use crate::record;
use crate::region::{self, Area};
use crate::roster::{Roster, TEMPLATES};
use crate::spec::{CLOCKS_AHEAD_MAX, STORIES, Spec, SpecError};
use crate::stores::{self, Grid, Store};

const DAY_US: i64 = 86_400_000_000;
/// Days between two clocks that are years ahead: more than the 31 within which one record confirms another.
const CLOCKS_APART_DAYS: i64 = 40;

/// A chain, its people and what they do.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) spec: Spec,
    pub(crate) seed: Seed,
    pub(crate) roster: Roster,
    pub(crate) grid: Grid,
    pub(crate) areas: Vec<Area>,
    pub(crate) duty_shares: [f64; STORIES],
    stores: Vec<Store>,
    people: Vec<Person>,
    /// Where each store's people begin, and the total.
    staff_starts: Vec<u32>,
    /// What each block of sixteen addresses has listed: first and last address, store. No two stores share a block.
    radios: HashMap<u64, (u64, u64, u32)>,
    beacons: BTreeMap<BeaconId, u32>,
    clocks_ahead: BTreeMap<(u32, u16), EventTime>,
}

/// The chain that `spec` asks for.
pub fn chain(spec: &Spec) -> Result<World, SpecError> {
    let zone = spec.check()?;
    let seed = Seed::new(spec.seed);
    let areas = region::areas(spec.stores.div_ceil(spec.stores_per_city));
    let stores = stores::stores(spec, &seed, &areas);
    let staff_starts = people::staff(spec, &seed);
    let people = people::people(spec, &seed, &stores, &staff_starts);
    let mut radios = HashMap::new();
    let mut beacons = BTreeMap::new();
    for (index, store) in stores.iter().enumerate() {
        for block in &store.access_points {
            let first = block.first().bits();
            let last = first + (1 << (48 - block.prefix_bits())) - 1;
            radios.insert(first >> 4, (first, last, index as u32));
        }
        beacons.extend(store.beacons.iter().map(|beacon| (*beacon, index as u32)));
    }
    let mut world = World {
        roster: Roster::new(spec, zone),
        grid: Grid::new(&stores),
        duty_shares: spec.shares.of_duties(),
        spec: spec.clone(),
        seed,
        areas,
        stores,
        people,
        staff_starts,
        radios,
        beacons,
        clocks_ahead: BTreeMap::new(),
    };
    world.set_clocks_ahead();
    Ok(world)
}

impl World {
    /// What was asked for.
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The reference data.
    pub const fn chain(&self) -> Chain<'_> {
        Chain::new(self)
    }

    /// All records in arrival order. They are made as they are asked for: memory holds 24 bytes for each record of
    /// the one or two days that are under way, and nothing else.
    pub fn punches(&self) -> Punches<'_> {
        Punches::new(self)
    }

    /// What is true without a punch to show it, by day and person: no-shows that fired, absences, missing ends. Lines
    /// of the ledger without `event_id`, place and site; one line for each finding.
    pub fn ledger_without_punch(&self) -> impl Iterator<Item = LedgerLine> + '_ {
        let days = 0..self.roster.days();
        days.flat_map(move |day| (0..self.spec.employees).flat_map(move |index| self.findings_of(index, day)))
    }

    /// How many records [`World::punches`] gives. Plans every day once.
    pub fn count_records(&self) -> u64 {
        let of_day =
            |day| (0..self.spec.employees).map(move |index| self.records_of(index, day)).sum::<u64>();
        (0..self.roster.days()).map(of_day).sum()
    }

    /// From this instant on nothing of the generated days can change: every window has closed and settled, and every
    /// request has been decided.
    pub fn settled_at(&self) -> EventTime {
        let last_day = self.roster.days() - 1;
        let closes = (0..TEMPLATES.len())
            .flat_map(|template| self.roster.hours_of(template, last_day))
            .map(|duty| duty.closes());
        let settle_min = Policy::default().settle_min;
        closes.max().unwrap_or(EventTime::from_us(0)).plus_min(settle_min)
    }

    fn records_of(&self, index: u32, day: u16) -> u64 {
        crate::plan::plan(self, index, day).records.len() as u64
    }

    fn findings_of(&self, index: u32, day: u16) -> impl Iterator<Item = LedgerLine> + '_ {
        let findings = record::day(self, index, day).reckoning.without_punch;
        findings.into_iter().map(move |(segment, kind)| LedgerLine {
            employee_id: employee_id(index),
            anomalies: vec![kind.name().to_owned()],
            shift_id: Some(self.shift_id(index, day, segment)),
            ..LedgerLine::default()
        })
    }

    pub(crate) fn person(&self, index: u32) -> &Person {
        &self.people[index as usize]
    }

    pub(crate) fn store(&self, index: u32) -> &Store {
        &self.stores[index as usize]
    }

    pub(crate) fn stores(&self) -> &[Store] {
        &self.stores
    }

    /// The people of a store.
    pub(crate) fn staff_of(&self, store: u32) -> std::ops::Range<u32> {
        self.staff_starts[store as usize]..self.staff_starts[store as usize + 1]
    }

    /// The policy in force at a store.
    pub(crate) fn policy_at(&self, store: u32) -> &Policy {
        &self.areas[self.store(store).area as usize].policy
    }

    /// The id of a person's duty: `s-20261102-0000123-0`.
    pub(crate) fn shift_id(&self, index: u32, day: u16, segment: u8) -> String {
        let date = self.roster.date(day);
        format!("s-{:04}{:02}{:02}-{index:07}-{segment}", date.year(), date.month(), date.day())
    }

    /// The store that lists the address.
    pub(crate) fn store_of_bssid(&self, bssid: Bssid) -> Option<u32> {
        let (first, last, store) = *self.radios.get(&(bssid.bits() >> 4))?;
        (first <= bssid.bits() && bssid.bits() <= last).then_some(store)
    }

    /// The store that lists the beacon.
    pub(crate) fn store_of_beacon(&self, beacon: BeaconId) -> Option<u32> {
        self.beacons.get(&beacon).copied()
    }

    /// What the device's clock says at the person's last out of that day, if it is years ahead.
    pub(crate) fn clock_ahead(&self, index: u32, day: u16) -> Option<EventTime> {
        self.clocks_ahead.get(&(index, day)).copied()
    }

    /// Chooses the devices whose clock is years ahead. In their order of arrival each stands 40 days before the one
    /// ahead of it, so that none is confirmed by a later one, however people are spread over partitions.
    fn set_clocks_ahead(&mut self) {
        let days = u64::from(self.spec.days);
        let duties = self.spec.employees as f64 * days as f64 * f64::from(self.spec.days_per_week) / 7.0;
        let wanted =
            (duties * self.spec.shares.clock_ahead).round().min(f64::from(CLOCKS_AHEAD_MAX)) as usize;
        let first = self.roster.midnight(0);
        let years = first.plus_us((500 + days as i64) * DAY_US);
        let mut dice = self.seed.dice(Subject::Clock, 0, 0, 0);
        for _ in 0..20 * wanted {
            if self.clocks_ahead.len() == wanted {
                break;
            }
            let chosen = (dice.below(self.spec.employees.into()) as u32, dice.below(days) as u16);
            if self.roster.works(self.person(chosen.0), chosen.1) {
                self.clocks_ahead.insert(chosen, years);
            }
        }
        let mut arrivals: Vec<(EventTime, (u32, u16))> = Vec::new();
        for (index, day) in self.clocks_ahead.keys() {
            let plan = crate::plan::plan(self, *index, *day);
            let ahead = plan.records.iter().find(|record| record.occurred_at == years);
            arrivals.extend(ahead.map(|record| (record.arrival, (*index, *day))));
        }
        arrivals.sort_unstable();
        let last = arrivals.len() as i64;
        for (place, (arrival, chosen)) in arrivals.into_iter().enumerate() {
            let of_the_day = arrival.us_since(first).rem_euclid(DAY_US);
            let apart = (last - place as i64) * CLOCKS_APART_DAYS * DAY_US;
            self.clocks_ahead.insert(chosen, years.plus_us(apart + of_the_day).floor_minute().plus_s(30));
        }
    }
}
