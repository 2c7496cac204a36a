//! The table against a map of the standard library, over keys as they come and over keys chosen to collide.

use std::collections::HashMap;

use super::*;

/// SplitMix64: the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

/// The key that `mixed` takes to `wanted`.
fn unmixed(wanted: u64) -> u64 {
    // Newton's iteration doubles the right bits of an odd number's inverse; 48 bits need five steps from three.
    let inverse = |odd: u64| (0..5).fold(odd, |x, _| x.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(x))));
    let key = wanted.wrapping_mul(inverse(0xbf58_476d_1ce5)) & KEY_MASK;
    let key = key ^ key >> 23 ^ key >> 46;
    let key = key.wrapping_mul(inverse(0x9e37_79b9_7f4b)) & KEY_MASK;
    key ^ key >> 25
}

/// Puts `keys` in, some of them twice, and asks for them, for their neighbours and for others.
fn check(what: &str, keys: &[u64], number_max: u32) -> RadioTable {
    let mut numbers = Numbers(42);
    let mut table = RadioTable::with_room(keys.len(), number_max);
    let mut map: HashMap<u64, u32> = HashMap::new();
    for key in keys {
        let number = (numbers.next() % u64::from(number_max)) as u32 + 1;
        assert_eq!(table.insert(*key, number), map.get(key).copied(), "{what}: {key:x} put in");
        map.entry(*key).or_insert(number);
    }
    for key in keys.iter().step_by(3) {
        let number = (numbers.next() % u64::from(number_max)) as u32 + 1;
        table.replace(*key, number);
        map.insert(*key, number);
    }
    let get = |key: u64| table.get(key, table.home(key));
    for key in keys {
        for near in [0, 1, 16, 1 << 24, 1 << 47] {
            let key = key ^ near;
            assert_eq!(get(key), map.get(&key).copied().unwrap_or(0), "{what}: {key:x} asked for");
        }
    }
    for _ in 0..1_000 {
        let key = numbers.next() & KEY_MASK;
        assert_eq!(get(key), map.get(&key).copied().unwrap_or(0), "{what}: {key:x} asked for");
    }
    table
}

#[test]
fn it_answers_as_a_map_does() {
    let mut numbers = Numbers(7);
    for count in [0, 1, 5, 64, 1_000, 40_000] {
        let scattered: Vec<u64> = (0..count).map(|_| numbers.next() & KEY_MASK).collect();
        let runs: Vec<u64> = (0..count).map(|at| 0xa456_3000_0000 + at).collect();
        let makers: Vec<u64> = (0..count).map(|at| at << 24 | 0x00_0007).collect();
        let first_octets: Vec<u64> = (0..count).map(|at| (at & 0xff) << 40 | at >> 8).collect();
        for (what, keys) in
            [("scattered", scattered), ("runs", runs), ("makers", makers), ("first octets", first_octets)]
        {
            for number_max in [3, 1_000_000, u32::MAX] {
                // So many numbers need so many lines, whatever the keys.
                if number_max < u32::MAX || count == 1_000 {
                    check(&format!("{count} {what}, {number_max}"), &keys, number_max);
                }
            }
        }
    }
}

#[test]
fn keys_of_one_home_find_room_behind_it_and_beside_it() {
    for (count, room) in [(9, 2_000), (40, 2_000), (64, 2_000), (65, 2_000), (300, 2_000), (90, 90)] {
        // What lies closest together when mixed lies in one home, or in two.
        let keys: Vec<u64> = (0..count).map(|at| unmixed((1 << 47) + at)).collect();
        let mut table = RadioTable::with_room(room, 1_000);
        keys.iter().for_each(|key| assert_eq!(table.insert(*key, 9), None));
        let homes: Vec<_> = keys.iter().map(|key| table.home(*key)).collect();
        assert!(homes.iter().all(|home| home.line == homes[0].line), "one home");
        assert_eq!(table.stash.len(), (count as usize).saturating_sub(SLOTS * (MOVED_MAX + 1)));
        for (key, home) in keys.iter().zip(homes) {
            assert_eq!((table.get(*key, home), table.insert(*key, 8)), (9, Some(9)));
            table.replace(*key, 7);
            assert_eq!(table.get(*key, home), 7);
        }
        let beyond = unmixed((1 << 47) + count);
        assert_eq!(table.get(beyond, table.home(beyond)), 0);
    }
}

#[test]
fn mixing_can_be_undone() {
    let mut numbers = Numbers(11);
    for key in (0..10_000).chain((0..100_000).map(|_| numbers.next() & KEY_MASK)) {
        assert_eq!(unmixed(mixed(key)), key);
    }
}

/// What the figures of the header and of the benchmark rest on.
#[test]
fn a_key_takes_less_than_fourteen_bytes_and_lies_at_home() {
    let keys: Vec<u64> = (0..200_000_u64).map(|at| 0x021a_1e00_0000 + at / 4 * 16 + at % 4).collect();
    let table = check("fours", &keys, 1_000_000);
    let bytes = size_of_val(&*table.lines) as f64 / keys.len() as f64;
    assert!(bytes < 14.0, "{bytes}");
    let moved = table.lines.iter().flat_map(|line| line.0).filter(|slot| slot >> BELOW_MOVED > 0).count();
    assert!(moved < keys.len() / 20 && table.stash.is_empty(), "{moved} of {}", keys.len());
}
