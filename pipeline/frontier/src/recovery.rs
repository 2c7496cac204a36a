//! What an owner does with each partition it holds once a commit has ended (`design.md`, decision 4).

use std::collections::{BTreeMap, BTreeSet};

use model::Partition;

use crate::commit::Outcome;

/// What to do with one held partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recovery {
    /// What was written counts: drop the buffer, keep the folded state, go on.
    Done,
    /// The partition is still ours and nothing of it was written: keep buffer and state, commit again.
    Retry,
    /// Another claimed it, yet it is assigned to us: drop buffer and folded state, claim, fold, resume.
    DropAndReclaim,
    /// Another claimed it and it is assigned to us no longer: drop buffer and folded state, and forget it.
    GiveUp,
}

/// What an owner of `held` does with each of them after a commit ended with `outcome`, while `assigned` are its partitions by the
/// group's last word. Every held partition gets an answer: none is left idle.
pub fn recover(
    outcome: &Outcome,
    held: &BTreeSet<Partition>,
    assigned: &BTreeSet<Partition>,
) -> BTreeMap<Partition, Recovery> {
    let (lost, kept) = match outcome {
        Outcome::Done { lost, .. } => (Some(lost), Recovery::Done),
        Outcome::Lost { lost, .. } => (Some(lost), Recovery::Retry),
        Outcome::InDoubt => (None, Recovery::Retry),
    };
    let answer = |partition: &Partition| {
        if !lost.is_some_and(|lost| lost.contains(partition)) {
            kept
        } else if assigned.contains(partition) {
            Recovery::DropAndReclaim
        } else {
            Recovery::GiveUp
        }
    };
    held.iter().map(|partition| (*partition, answer(partition))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(numbers: &[u32]) -> BTreeSet<Partition> {
        numbers.iter().copied().map(Partition::new).collect()
    }

    #[test]
    fn every_held_partition_gets_its_answer() {
        use Recovery::{Done, DropAndReclaim, GiveUp, Retry};
        let held = partitions(&[0, 1, 2]);
        let assigned = partitions(&[0, 1]);
        for (outcome, expected) in [
            (Outcome::Done { version: 3, lost: partitions(&[]) }, [Done, Done, Done]),
            (Outcome::Done { version: 3, lost: partitions(&[1, 2]) }, [Done, DropAndReclaim, GiveUp]),
            (Outcome::Lost { lost: partitions(&[0]), seen: 3 }, [DropAndReclaim, Retry, Retry]),
            (
                Outcome::Lost { lost: partitions(&[0, 1, 2]), seen: 3 },
                [DropAndReclaim, DropAndReclaim, GiveUp],
            ),
            (Outcome::InDoubt, [Retry, Retry, Retry]),
        ] {
            let answers: Vec<_> = recover(&outcome, &held, &assigned).into_values().collect();
            assert_eq!(answers, expected, "{outcome:?}");
        }
    }
}
