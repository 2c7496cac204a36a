//! What the logs of a simulated world hold, and what must come of it.

use std::collections::{BTreeMap, BTreeSet};

use model::Partition;

use super::dice::Dice;

/// A punch's identity; the key of what is said when it is missing, too.
pub(super) type Id = u8;

/// One record of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// A punch. Of several of one identity the lowest offset wins.
    Punch {
        id: Id,
        /// Older than memory: it goes through the inbox.
        is_late: bool,
        /// Other content than the first of its identity: as a repeat it has a letter.
        is_other: bool,
    },
    /// No punch.
    Broken,
}

/// Between two records of a partition so much time passes.
pub(super) const RECORD_EVERY: i64 = 10;

/// The logs, and when the absence of each punch is noticed.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) logs: BTreeMap<Partition, Vec<Record>>,
    due: BTreeMap<(Partition, Id), i64>,
    /// The offsets that become punches.
    accepted: BTreeMap<Partition, BTreeSet<i64>>,
}

impl Scenario {
    /// Logs as written: `p` a punch, `l` one older than memory, `c` one of other content, each followed by its identity;
    /// `x` for what is no punch. In the first of them punch n is missed at instant `due[n]`.
    pub(super) fn written(logs: &[&str], due: &[i64]) -> Self {
        let parse = |text: &str| {
            let id = text[1..].parse().unwrap_or(0);
            match &text[..1] {
                "x" => Record::Broken,
                kind => Record::Punch { id, is_late: kind == "l", is_other: kind == "c" },
            }
        };
        let partitions = (0..).map(Partition::new);
        let logs: BTreeMap<Partition, Vec<Record>> = partitions
            .zip(logs)
            .map(|(partition, log)| (partition, log.split_whitespace().map(parse).collect()))
            .collect();
        let due = (0..).zip(due).map(|(id, due)| ((Partition::new(0), id), *due)).collect();
        Self::new(logs, due)
    }

    pub(super) fn random(dice: &mut Dice) -> Self {
        let ids = 1 + dice.below(4) as Id;
        let mut logs = BTreeMap::new();
        let mut due = BTreeMap::new();
        for number in 0..1 + dice.below(3) {
            let partition = Partition::new(number as u32);
            let record = |dice: &mut Dice| match dice.below(6) {
                0 => Record::Broken,
                n => {
                    Record::Punch { id: dice.below(u64::from(ids)) as Id, is_late: n == 1, is_other: n == 2 }
                }
            };
            let log: Vec<Record> = (0..dice.below(9)).map(|_| record(dice)).collect();
            due.extend(
                (0..ids).map(|id| ((partition, id), 1 + dice.below(10 * (log.len() as u64 + 1)) as i64)),
            );
            logs.insert(partition, log);
        }
        Self::new(logs, due)
    }

    fn new(logs: BTreeMap<Partition, Vec<Record>>, due: BTreeMap<(Partition, Id), i64>) -> Self {
        let accepted = logs.iter().map(|(partition, log)| (*partition, accepted(log))).collect();
        Self { logs, due, accepted }
    }

    pub(super) fn partitions(&self) -> impl Iterator<Item = Partition> {
        self.logs.keys().copied()
    }

    pub(super) fn len(&self, partition: Partition) -> i64 {
        self.logs[&partition].len() as i64
    }

    /// Where the clock stands once a partition was read to its end.
    pub(super) fn end_clock(&self, partition: Partition) -> i64 {
        (self.len(partition) + 1) * RECORD_EVERY
    }

    /// When the absence of a punch is noticed; never, of most.
    pub(super) fn due(&self, partition: Partition, id: Id) -> i64 {
        self.due.get(&(partition, id)).copied().unwrap_or(i64::MAX)
    }

    /// The keys that are due in `from..=until` with `from` excluded, by instant.
    pub(super) fn due_within(&self, partition: Partition, from: i64, until: i64) -> Vec<(i64, Id)> {
        let of = self.due.iter().filter(|((of, _), _)| *of == partition);
        let mut due: Vec<_> = of.map(|((_, id), due)| (*due, *id)).collect();
        due.retain(|(due, _)| *due > from && *due <= until);
        due.sort_unstable();
        due
    }

    pub(super) fn due_until(&self, partition: Partition, clock: i64) -> impl Iterator<Item = Id> {
        self.due_within(partition, 0, clock).into_iter().map(|(_, id)| id)
    }

    /// The offsets that become punches.
    pub(super) fn accepted(&self, partition: Partition) -> &BTreeSet<i64> {
        &self.accepted[&partition]
    }

    /// Whether the record at `offset` must have a letter.
    pub(super) fn has_letter(&self, partition: Partition, offset: i64) -> bool {
        match self.logs[&partition][offset as usize] {
            Record::Broken => true,
            Record::Punch { is_other, .. } => is_other && !self.accepted(partition).contains(&offset),
        }
    }
}

fn accepted(log: &[Record]) -> BTreeSet<i64> {
    let mut seen = BTreeSet::new();
    let first = |(offset, record): (i64, &Record)| match record {
        Record::Punch { id, .. } if seen.insert(*id) => Some(offset),
        _ => None,
    };
    (0..).zip(log).filter_map(first).collect()
}
