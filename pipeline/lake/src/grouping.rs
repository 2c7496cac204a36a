//! On which partition somebody's rows are wanted, in a lake whose log has had other numbers of partitions before.
//!
//! In: the partition a row was stored under, the key of whom it is about.  Out: the partition that owns it now.  Owns: nothing.
//! Absent on purpose: rows rewritten. A row of `punches` never changes; who owns it is a function of its key and of the number
//! of partitions that the log has now.
//! Why so: `h % from = a` and `h % to = b` have a solution only where a and b agree modulo the greatest common divisor of the
//! two, so that an owner of few partitions reads few files: of a count that was doubled, its own and one other.

use std::collections::BTreeSet;

use model::Partition;
use model::position::partition_of;

/// How many partitions a log has, and has had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouping {
    partitions: u32,
    former: Vec<u32>,
}

impl Grouping {
    /// Of a log of `partitions` partitions that has had `former` many before.
    pub(crate) fn new(partitions: u32, former: Vec<u32>) -> Self {
        Self { partitions, former }
    }

    /// Whether rows may lie under another partition than that of their key.
    pub fn has_moved(&self) -> bool {
        !self.former.is_empty()
    }

    /// The partition that owns a row about `key` which was stored under `stored`.
    pub fn owner(&self, stored: Partition, key: &str) -> Partition {
        if self.has_moved() { partition_of(key.as_bytes(), self.partitions) } else { stored }
    }

    /// The partitions under which rows of the partitions `held` may be stored.
    pub(crate) fn stored_under(&self, held: &BTreeSet<Partition>) -> BTreeSet<Partition> {
        let before = |from: u32| held.iter().flat_map(move |to| before(from, self.partitions, *to));
        held.iter().copied().chain(self.former.iter().copied().flat_map(before)).collect()
    }
}

/// The partitions of a log of `from` partitions whose people may be on partition `at` of the same log with `to` partitions.
pub(crate) fn before(from: u32, to: u32, at: Partition) -> impl Iterator<Item = Partition> {
    let step = greatest_common_divisor(from.max(1), to.max(1));
    (at.number() % step..from).step_by(step as usize).map(Partition::new)
}

const fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_moves_to_a_partition_was_on_one_of_those_before_it() {
        for (from, to) in [(1, 4), (3, 5), (4, 8), (6, 9), (8, 3), (12, 8)] {
            let mut reached = BTreeSet::new();
            for person in (0..4_000).map(|n| format!("p{n}")) {
                let (old, new) = (partition_of(person.as_bytes(), from), partition_of(person.as_bytes(), to));
                assert!(before(from, to, new).any(|partition| partition == old), "{from} to {to}: {person}");
                reached.insert((old, new));
            }
            let told: usize = (0..to).map(|at| before(from, to, Partition::new(at)).count()).sum();
            assert_eq!(told, reached.len(), "{from} to {to}: no partition too many");
        }
    }

    #[test]
    fn without_a_move_a_row_belongs_where_it_is() {
        let (stored, key) = (Partition::new(2), "p1");
        assert_eq!(Grouping::new(8, vec![]).owner(stored, key), stored);
        let moved = Grouping::new(8, vec![3, 4]);
        assert_eq!(moved.owner(stored, key), partition_of(key.as_bytes(), 8));
        let wanted = [0, 1, 2, 5].map(Partition::new);
        assert_eq!(moved.stored_under(&BTreeSet::from([Partition::new(5)])), BTreeSet::from(wanted));
    }
}
