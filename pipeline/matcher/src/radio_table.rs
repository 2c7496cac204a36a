//! Finds a number by a 48-bit key in one cache line.
//!
//! In: keys and numbers below 2³², each key once.  Out: the number of a key, or 0.  Owns: the lines.
//! Absent on purpose: removal (a snapshot is built once), keys' own bits beyond what tells them apart, allocation while
//! looking up.
//! Invariants: a key is found just where it was put in, and no other key is taken for it: exact, not probable
//! (`it_answers_as_a_map_does`).
//!
//! ```text
//! line (64 bytes, one cache line) = 8 slots
//! slot (64 bits):  moved 3 │ rest r │ number v │ far 1          r + v = 60; number 0 = free
//!
//! home  = mixed(key) · lines / 2⁴⁸          mixed permutes the 48-bit numbers
//! rest  = lowest r bits of mixed(key)       a home spans at most 2ʳ of them, so home and rest are the key
//! moved = how many lines behind its home a key lies that found its home full
//! far   of slots 0, 1, 2 of a line: the farthest such key of this home, 0 to 7 lines behind it
//! ```
//!
//! A key without room in seven lines behind its home goes to a map beside them: at the load kept here that takes keys
//! chosen to collide.
//! Why so: a look-up waits for one line of memory, where a hash map of 64-bit keys waits for two and holds twice as many
//! bytes (`benches/hot/benches/radios.rs`). Since the place of a line tells the upper bits of what was mixed, only the
//! lower ones are stored ("quotienting"), and key and number share eight bytes: the more lines there are, the fewer bits
//! of the key remain, and the more there are for numbers.

use std::collections::BTreeMap;
use std::hint::select_unpredictable;

use crate::processor::{in_large_pages, prefetch};

/// Keys have this many bits.
const KEY_BITS: u32 = 48;
const KEY_MASK: u64 = (1 << KEY_BITS) - 1;
const SLOTS: usize = 8;
/// Rest and number share this many bits.
const SHARED_BITS: u32 = 60;
/// A key lies at most this many lines behind its home.
const MOVED_MAX: usize = 7;
/// The bit of `far` in a slot, and the bits below a number.
const FAR: u64 = 1;
const BELOW_NUMBER: u32 = 1;
/// The bits below `moved`.
const BELOW_MOVED: u32 = SHARED_BITS + BELOW_NUMBER;
/// No slot that is taken holds less beside its key: the number 1.
const TAKEN_LEAST: u64 = 1 << BELOW_NUMBER;
/// The share of slots that are taken: 8 bytes / 0.6 = 13.3 bytes a key. One key in forty then lies behind its home, and one
/// look-up in eighteen of an absent key reads a second line; at 0.75 it is one in fourteen, and one in seven.
const LOAD: f64 = 0.6;

/// 48-bit keys with a number each.
#[derive(Debug)]
pub(crate) struct RadioTable {
    /// As many lines as there are homes, and `MOVED_MAX` more.
    lines: Vec<Line>,
    homes: u64,
    /// How many bits of a slot lie below its rest, and where those of the rest are.
    below_rest: u32,
    rest_mask: u64,
    stash: BTreeMap<u64, u32>,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([u64; SLOTS]);

/// Where a key belongs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Home {
    line: usize,
    /// What its slot holds besides its number when it lies in this line.
    rest: u64,
}

impl RadioTable {
    /// Room for `keys` keys with numbers up to `number_max`.
    pub(crate) fn with_room(keys: usize, number_max: u32) -> Self {
        let number_bits = u32::BITS - number_max.leading_zeros();
        let wanted = (keys as f64 / (LOAD * SLOTS as f64)).ceil() as u64;
        // Fewer homes would leave too few bits for numbers.
        let least = 1 << (number_bits + KEY_BITS).saturating_sub(SHARED_BITS);
        let homes = wanted.max(least);
        let rest_bits = KEY_BITS - homes.ilog2();
        let below_rest = BELOW_MOVED - rest_bits;
        let room = homes as usize + MOVED_MAX;
        let mut lines = in_large_pages(room);
        lines.resize(room, Line([0; SLOTS]));
        Self {
            lines,
            homes,
            below_rest,
            rest_mask: (1 << BELOW_MOVED) - (1 << below_rest),
            stash: BTreeMap::new(),
        }
    }

    /// Where `key` belongs.
    #[inline]
    pub(crate) fn home(&self, key: u64) -> Home {
        let mixed = mixed(key);
        let line = (u128::from(mixed << (u64::BITS - KEY_BITS)) * u128::from(self.homes)) >> u64::BITS;
        Home { line: line as usize, rest: (mixed << self.below_rest) & self.rest_mask }
    }

    /// Asks for the line of `home`, so that it is there when [`Self::get`] looks.
    #[inline]
    pub(crate) fn fetch(&self, home: Home) {
        prefetch(&self.lines, home.line);
    }

    /// The number of `key`, whose home is `home`; 0 if the key was never put in.
    #[inline]
    pub(crate) fn get(&self, key: u64, home: Home) -> u32 {
        let line = &self.lines[home.line];
        let found = line.find(home.rest, self.below_rest);
        // One branch, and a rare one: whether the key is there at all is nothing that a processor could foresee.
        if (found == 0) & line.is_left() {
            return self.get_moved(key, home, line.far());
        }
        found
    }

    #[cold]
    fn get_moved(&self, key: u64, home: Home, far: usize) -> u32 {
        for moved in 1..=far {
            let found = self.lines[home.line + moved].find(home.rest | at(moved), self.below_rest);
            if found != 0 {
                return found;
            }
        }
        self.stash.get(&key).copied().unwrap_or(0)
    }

    /// Puts `key` in with `number` (> 0). If the key is there already, nothing changes and its number is told.
    pub(crate) fn insert(&mut self, key: u64, number: u32) -> Option<u32> {
        debug_assert!(key <= KEY_MASK && self.takes(number));
        let home = self.home(key);
        let there = self.get(key, home);
        if there != 0 {
            return Some(there);
        }
        for moved in 0..=MOVED_MAX {
            if let Some(slot) = self.lines[home.line + moved].free() {
                *slot |= home.rest | at(moved) | u64::from(number) << BELOW_NUMBER;
                self.lines[home.line].reaches(moved);
                return None;
            }
        }
        self.stash.insert(key, number);
        self.lines[home.line].reaches(MOVED_MAX);
        None
    }

    /// Gives `key`, which is there, another number.
    pub(crate) fn replace(&mut self, key: u64, number: u32) {
        debug_assert!(self.takes(number));
        let home = self.home(key);
        for moved in 0..=MOVED_MAX {
            let (key, bits) = (home.rest | at(moved), self.below_rest);
            let mut slots = self.lines[home.line + moved].0.iter_mut();
            let holds = |slot: &&mut u64| (**slot ^ key) >> bits == 0 && **slot & !FAR != key;
            if let Some(slot) = slots.find(holds) {
                *slot = key | *slot & FAR | u64::from(number) << BELOW_NUMBER;
                return;
            }
        }
        self.stash.insert(key, number);
    }

    /// Whether slots have room for the number.
    fn takes(&self, number: u32) -> bool {
        number > 0 && u64::from(number) >> (self.below_rest - BELOW_NUMBER) == 0
    }
}

/// `moved` in its place in a slot.
const fn at(moved: usize) -> u64 {
    (moved as u64) << BELOW_MOVED
}

impl Line {
    /// The number in the slot of `key`, whose lowest `bits` bits are 0; 0 if there is none.
    ///
    /// A slot less its key, less the least that a taken one holds, is below 2^bits for the one slot that holds the key and
    /// beyond for all others, free ones included: the least of them tells.
    #[inline]
    fn find(&self, key: u64, bits: u32) -> u32 {
        let from = key.wrapping_add(TAKEN_LEAST);
        let beyond = |slot: usize| self.0[slot].wrapping_sub(from);
        let least_of =
            |slot: usize| beyond(slot).min(beyond(slot + 1)).min(beyond(slot + 2).min(beyond(slot + 3)));
        let held = least_of(0).min(least_of(4)).wrapping_add(TAKEN_LEAST);
        let number = (held >> BELOW_NUMBER) as u32;
        // A branch here would be foreseen by chance only, and wrong guesses end what the processor does ahead.
        select_unpredictable(held >> bits == 0, number, 0)
    }

    /// Whether any key whose home this is lies elsewhere.
    #[inline]
    fn is_left(&self) -> bool {
        (self.0[0] | self.0[1] | self.0[2]) & FAR != 0
    }

    /// How many lines behind this one a key may lie whose home it is.
    fn far(&self) -> usize {
        (self.0[0] & FAR | (self.0[1] & FAR) << 1 | (self.0[2] & FAR) << 2) as usize
    }

    fn reaches(&mut self, moved: usize) {
        if moved > self.far() {
            for (bit, slot) in self.0[..3].iter_mut().enumerate() {
                *slot = *slot & !FAR | (moved as u64 >> bit & FAR);
            }
        }
    }

    fn free(&mut self) -> Option<&mut u64> {
        self.0.iter_mut().find(|slot| **slot & !FAR == 0)
    }
}

/// Permutes the numbers below 2⁴⁸ so that neighbours, and addresses that differ in their maker only, lie far apart: two
/// rounds of a shift and an odd factor, each of which can be undone.
#[inline]
fn mixed(key: u64) -> u64 {
    let key = (key ^ key >> 25).wrapping_mul(0x9e37_79b9_7f4b) & KEY_MASK;
    (key ^ key >> 23).wrapping_mul(0xbf58_476d_1ce5) & KEY_MASK
}

#[cfg(test)]
#[path = "radio_table_tests.rs"]
mod tests;
