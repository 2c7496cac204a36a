//! Filters, their file and what an owner notes, against sets that know exactly.

use std::collections::{BTreeMap, BTreeSet};

use frontier::PartitionFrontier;
use model::{EventTime, LogClock, NextOffset, Partition};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use xorf::{BinaryFuse32, Filter as _};

use super::build::filter;
use super::fuse_file::{self, FIXED_BYTES, Head, Section, Unreadable};
use super::{Identities, IdentityKey, KnownIds};

const PARTITIONS: u32 = 4;

fn made(keys: &[u64]) -> (BinaryFuse32, u64) {
    filter(keys.to_vec()).unwrap().unwrap()
}

/// A file of two sections over `keys`, and what it covers.
fn file_of(keys: &[u64]) -> (Vec<u8>, Vec<String>) {
    let covers: Vec<String> =
        ["a", "b c"].iter().map(|name| format!("business_month=2026-11/part-{name}.parquet")).collect();
    let (even, odd): (Vec<u64>, Vec<u64>) = keys.iter().partition(|key| *key % 2 == 0);
    let sections: Vec<(Partition, (BinaryFuse32, u64))> = [(0, even), (3, odd)]
        .into_iter()
        .filter_map(|(partition, keys)| Some((Partition::new(partition), filter(keys).unwrap()?)))
        .collect();
    let sections: Vec<Section<'_>> = sections
        .iter()
        .map(|(partition, (filter, keys))| Section { partition: *partition, keys: *keys, filter })
        .collect();
    (fuse_file::encode(PARTITIONS, &covers, &sections).to_vec(), covers)
}

/// Reads a file as it is read from a store: first bytes, head, sections.
fn read(file: &[u8]) -> Result<(Head, BTreeMap<Partition, BinaryFuse32>), Unreadable> {
    let size = file.len() as u64;
    let part = |from: u64, until: u64| &file[from as usize..until as usize];
    let head_bytes = fuse_file::head_bytes(part(0, FIXED_BYTES.min(size)), size)?;
    let head = Head::parse(part(0, head_bytes), size)?;
    let mut filters = BTreeMap::new();
    for section in &head.sections {
        let range = section.range();
        filters.insert(section.partition, section.parse_filter(part(range.start, range.end))?);
    }
    Ok((head, filters))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_file_gives_back_its_filters(keys in prop::collection::hash_set(any::<u64>(), 0..600)) {
        let keys: Vec<u64> = keys.into_iter().collect();
        let (file, covers) = file_of(&keys);
        let (head, filters) = read(&file).unwrap();
        prop_assert_eq!(head.partitions, PARTITIONS);
        prop_assert_eq!(head.keys, keys.len() as u64);
        prop_assert_eq!(&head.covers, &covers);
        for key in &keys {
            let partition = Partition::new(if key % 2 == 0 { 0 } else { 3 });
            prop_assert!(filters[&partition].contains(key), "{key:016x} of {}", keys.len());
        }
        let strangers = (0..2_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5555);
        let wrong = strangers.filter(|key| !keys.contains(key) && filters.values().any(|f| f.contains(key)));
        prop_assert!(wrong.count() <= 1, "one wrong answer in 4 thousand million is expected");
    }
}

#[test]
fn no_damage_goes_unseen() {
    let keys: Vec<u64> = (0..40).map(|n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    let (file, _) = file_of(&keys);
    assert!(read(&file).is_ok());
    for at in 0..file.len() {
        for bit in [0, 7] {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << bit;
            assert!(read(&damaged).is_err(), "bit {bit} of byte {at} of {} went unseen", file.len());
        }
        assert!(read(&file[..at]).is_err(), "a file cut off at {at} went unseen");
    }
}

#[test]
fn a_later_format_is_left_alone() {
    let (mut file, _) = file_of(&[1, 2, 3]);
    file[8] = 2;
    assert_eq!(read(&file).unwrap_err(), Unreadable::Later);
}

/// The keys of the written file.
fn written_keys() -> Vec<u64> {
    (0..100).map(|n| IdentityKey::of(&format!("E{}", n % 7), &format!("ev-{n:04}")).get()).collect()
}

/// Filters on disk are read by later programs: neither the hash, nor the format, nor the way a key is looked up may change. If
/// this fails, a later format number is due, not a new file.
#[test]
fn a_filter_of_format_1_answers_for_ever() {
    let file = include_bytes!("format_1.fuse");
    let (head, filters) = read(file).unwrap();
    assert_eq!((head.partitions, head.keys, head.covers.len()), (PARTITIONS, 100, 2));
    for key in written_keys() {
        let partition = Partition::new(if key % 2 == 0 { 0 } else { 3 });
        assert!(filters[&partition].contains(&key), "{key:016x} is forgotten");
    }
    assert_eq!(file_of(&written_keys()).0, file, "the same keys give another file");
}

#[test]
fn what_an_owner_noted_is_known_until_filters_cover_it() {
    for seed in 0..200 {
        let mut random = StdRng::seed_from_u64(seed);
        let frontier = |offset: i64, late: i64| {
            let next = |offset| NextOffset::new(offset).unwrap();
            PartitionFrontier::new(next(offset), LogClock::at(EventTime::from_us(offset)), next(late))
        };
        let key = |offset: i64| IdentityKey::of("E", &offset.to_string());
        // A model of the lake: rows up to each version's frontier, and the inbox beyond its drained part.
        let (mut noted, mut late, mut cuts) = (BTreeSet::new(), 0, vec![(0, 0)]);
        let mut identities = Identities::new(KnownIds::new(0, frontier(0, 0), Vec::new()));
        for step in 0..60 {
            match random.random_range(0..4) {
                0 | 1 => {
                    let offset = noted.len() as i64;
                    assert!(!identities.may_hold(key(offset)), "seed {seed}: {offset} is new");
                    identities.note(key(offset));
                    noted.insert(offset);
                }
                2 => {
                    late = random.random_range(late..=noted.len() as i64);
                    identities.cut(frontier(noted.len() as i64, late));
                    cuts.push((noted.len() as i64, late));
                }
                _ => {
                    // Filters of any commit made so far, the order of their coming being no matter.
                    let version = random.random_range(0..cuts.len());
                    let (until, late) = cuts[version];
                    let keys: Vec<u64> = (0..until).map(|offset| key(offset).get()).collect();
                    let filters = filter(keys).unwrap().map(|(filter, _)| filter.into());
                    let filters = filters.into_iter().collect();
                    identities.learn(KnownIds::new(version as u64, frontier(until, late), filters));
                }
            }
            for offset in &noted {
                assert!(identities.may_hold(key(*offset)), "seed {seed} step {step}: {offset} is forgotten");
            }
        }
        // Behind the last commit's filters nothing is kept beside them.
        identities.cut(frontier(noted.len() as i64, late));
        let keys: Vec<u64> = noted.iter().map(|offset| key(*offset).get()).collect();
        let filters = filter(keys).unwrap().map(|(filter, _)| filter.into()).into_iter().collect();
        let until = frontier(noted.len() as i64, late);
        identities.learn(KnownIds::new(cuts.len() as u64, until, filters));
        assert_eq!(identities.since(), 0, "seed {seed}");
    }
}

#[test]
fn a_filter_of_few_keys_answers_for_each() {
    for count in 1..200_u64 {
        let keys: Vec<u64> = (0..count).map(|n| IdentityKey::of("E", &n.to_string()).get()).collect();
        let (filter, number) = made(&keys);
        assert_eq!(number, count);
        assert!(keys.iter().all(|key| filter.contains(key)), "{count} keys");
    }
    // The same key twice is one key.
    assert_eq!(made(&[5, 5, 9]).1, 2);
    assert!(filter(Vec::new()).unwrap().is_none());
}
