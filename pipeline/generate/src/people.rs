//! People: how many work in which store, and each one's habits.
//!
//! In: the spec and the stores.  Out: people in id order, those of one store side by side.  Owns: nothing after building.

use rand_distr::{Distribution, Zipf};

use crate::dice::{Seed, Subject};
use crate::roster::TEMPLATES;
use crate::spec::Spec;
use crate::stores::Store;

/// One person, 20 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    /// The store the person belongs to.
    pub(crate) home: u32,
    /// A second store where the person may punch.
    pub(crate) other: Option<u32>,
    /// The person's working hours: a place in [`TEMPLATES`].
    pub(crate) template: u8,
    /// Which day of the week is the first off.
    pub(crate) rest_day: u8,
    /// How the person punches at home.
    pub(crate) device: Device,
    /// Whether the phone runs iOS.
    pub(crate) is_ios: bool,
    /// Whether the phone tells fixes in GCJ-02.
    pub(crate) tells_gcj02: bool,
    /// Whether the person declined location.
    pub(crate) declined: bool,
    /// Whether the person punches breaks.
    pub(crate) punches_breaks: bool,
}

/// How a person punches at home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    /// By the time clock, which says in or out.
    Terminal,
    /// By a time clock that does not say which.
    TerminalAuto,
    /// By the shared tablet.
    Kiosk,
    /// By their own phone.
    Phone,
}

/// The pseudonym of person `index`: a letter, a hyphen and seven digits look like no identity card.
pub(crate) fn employee_id(index: u32) -> String {
    format!("p-{index:07}")
}

/// Where each store's people begin, and the total: `starts[store]..starts[store + 1]`.
pub(crate) fn staff(spec: &Spec, seed: &Seed) -> Vec<u32> {
    let stores = spec.stores as usize;
    let mut dice = seed.dice(Subject::Staff, 0, 0, 0);
    // Which store has which rank is chance: a shuffle.
    let mut by_rank: Vec<u32> = (0..spec.stores).collect();
    for place in (1..stores).rev() {
        by_rank.swap(place, dice.below(place as u64 + 1) as usize);
    }
    let mut counts = vec![0_u32; stores];
    // Everybody gets a first employee while there are enough; the rest follow Zipf's law.
    let first = spec.employees.min(spec.stores);
    by_rank.iter().take(first as usize).for_each(|store| counts[*store as usize] = 1);
    let zipf =
        Zipf::new(f64::from(spec.stores), spec.zipf_exponent).expect("a checked spec has a store and s ≥ 0");
    let mut rng = dice.into_rng();
    for _ in first..spec.employees {
        let rank = (zipf.sample(&mut rng) as usize).clamp(1, stores);
        counts[by_rank[rank - 1] as usize] += 1;
    }
    let mut starts = Vec::with_capacity(stores + 1);
    let mut total = 0;
    starts.push(0);
    for count in counts {
        total += count;
        starts.push(total);
    }
    starts
}

/// Everybody, by store.
pub(crate) fn people(spec: &Spec, seed: &Seed, stores: &[Store], starts: &[u32]) -> Vec<Person> {
    let mut of_area: Vec<Vec<u32>> = Vec::new();
    for (index, store) in stores.iter().enumerate() {
        let area = store.area as usize;
        of_area.resize(of_area.len().max(area + 1), Vec::new());
        of_area[area].push(index as u32);
    }
    let mut people = Vec::with_capacity(spec.employees as usize);
    for (home, bounds) in starts.windows(2).enumerate() {
        for index in bounds[0]..bounds[1] {
            people.push(person(spec, seed, (home as u32, &stores[home]), &of_area, index));
        }
    }
    people
}

fn person(spec: &Spec, seed: &Seed, home: (u32, &Store), of_area: &[Vec<u32>], index: u32) -> Person {
    let mut dice = seed.dice(Subject::Person, index, 0, 0);
    let (home, store) = home;
    let neighbours = &of_area[store.area as usize];
    let other = dice
        .chance(spec.shares.multi_store)
        .then(|| neighbours[dice.below(neighbours.len() as u64) as usize])
        .filter(|other| *other != home);
    let template = dice.weighted(&TEMPLATES.each_ref().map(|template| template.weight)) as u8;
    let rest_day = dice.below(7) as u8;
    let by_habit = dice.unit();
    let device = match (store.terminals.is_empty(), store.kiosk.is_none()) {
        (false, _) if by_habit < 0.5 => Device::Terminal,
        (false, _) if by_habit < 0.75 && !TEMPLATES[template as usize].is_split() => Device::TerminalAuto,
        (_, false) if by_habit > 0.4 => Device::Kiosk,
        _ => Device::Phone,
    };
    Person {
        home,
        other,
        template,
        rest_day,
        device,
        is_ios: dice.chance(spec.noise.ios_share),
        tells_gcj02: dice.chance(spec.noise.phone_gcj02_share),
        declined: dice.chance(spec.shares.location_declined),
        punches_breaks: dice.chance(0.25),
    }
}
