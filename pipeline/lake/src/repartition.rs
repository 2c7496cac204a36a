//! Another number of partitions: the lake's share of it.
//!
//! ```text
//!   lake.json: moving to M ▶ (what lies under the old count is drained) ▶ claim all M ▶ numbers of the new partitions ▶ lake.json: M
//!        │ owners claim no more      │ a claim of all: owners who had       │ who claims from here on
//!        │ but the mover             │ claimed before commit no more        │ folds by key, not by place
//! ```
//!
//! In: a lake whose live log has, or is to have, more partitions.  Out: the frontiers of all of them.  Owns: nothing.
//! Absent on purpose: reading the log, and alerts: the command does both (`muster repartition`). Fewer partitions: no log
//! takes one away.
//! Invariants: I-38; I-2 no position and no clock goes back: a new partition begins at the clock of the slowest of those its people
//! come from, and the others keep theirs; I-3 an owner with the old count commits nothing behind the claim of all, and cannot
//! claim again, kept by `Lake::grouping_for`, which every claim asks behind its own entries.
//! Why so: every step can be done twice: a move that was killed is begun again from the start, and finds done what is done.

use std::collections::BTreeMap;

use frontier::{Frontiers, Mark, PartitionFrontier, TxnId};
use model::{NextOffset, Partition};
use schemas::tables::{anomalies, punches, shift_results};

use crate::claim::{Claim, frontier_numbers};
use crate::commit::{Step, said_numbers};
use crate::error::{Error, ErrorKind, Result};
use crate::grouping::before;
use crate::lake::Lake;
use crate::ownership::LogIdentity;

/// Where the partitions of a lake's live log stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMove {
    /// The log, with the number of partitions that the lake was last written with.
    pub log: LogIdentity,
    /// How many it is being given, where that is under way.
    pub to: Option<u32>,
    /// Whether the lake is a shadow's.
    pub is_shadow: bool,
}

impl Lake {
    /// Where the partitions of the lake's log stand; `None` without a live log.
    ///
    /// # Errors
    /// What the store says.
    pub async fn partition_move(&self) -> Result<Option<PartitionMove>> {
        let Some(file) = self.owner().await? else { return Ok(None) };
        let Some(log) = file.live_log()? else { return Ok(None) };
        Ok(Some(PartitionMove { log, to: file.moving_to(), is_shadow: file.is_shadow() }))
    }

    /// Notes that the log is given `to` partitions: until [`Self::end_repartition`] nobody else claims any. Gives the handle with
    /// which its holder does.
    ///
    /// # Errors
    /// What the store says; `PartitionsChanged` if the lake has more partitions, or is being moved to another number.
    pub async fn begin_repartition(&self, to: u32) -> Result<Self> {
        let file = self.owner().await?;
        let Some((file, log)) = file.map(|file| file.live_log().map(|log| (file, log))).transpose()? else {
            return Err(Error::new(
                ErrorKind::NoLake,
                format!("move lake {}: it is nobody's yet", self.root()),
            ));
        };
        let log = log.ok_or_else(|| {
            let what =
                format!("move lake {}: it holds replayed files, which have one partition each", self.root());
            Error::new(ErrorKind::OtherLog, what)
        })?;
        if to <= log.partitions || file.moving_to().is_some_and(|under_way| under_way != to) {
            let under_way =
                file.moving_to().map(|to| format!(", and is on its way to {to}")).unwrap_or_default();
            let what = format!(
                "move lake {} to {to} partitions: its log has {}{under_way}: name a higher number, or that one",
                self.root(),
                log.partitions
            );
            return Err(Error::new(ErrorKind::PartitionsChanged, what));
        }
        if file.moving_to().is_none() {
            self.check_still(&file)?;
            self.replace_owner(&file.moving(to)).await?;
        }
        Ok(self.as_mover())
    }

    /// Claims all `to` partitions of `log`, and writes where the new ones begin. Everything that was read under the old count must
    /// have been said, and the inbox drained: gives `Contended` if not, and if another owner is faster.
    ///
    /// # Errors
    /// What the store says.
    pub async fn move_frontiers(&self, log: &LogIdentity, to: u32) -> Result<Claim> {
        let wide = LogIdentity { partitions: to, ..log.clone() };
        let all: Vec<Partition> = (0..to).map(Partition::new).collect();
        let mut claim = self.claim(&wide, &all).await?;
        self.check_said(&claim, log.partitions).await?;
        let moved = moved_frontiers(claim.frontiers(), log.partitions, to);
        let new = || (log.partitions..to).map(Partition::new);
        for table in [shift_results::NAME, anomalies::NAME] {
            let mut numbers = said_numbers(&claim, new());
            for partition in new() {
                let frontier = moved[&partition];
                numbers.insert(claim.id(partition, Mark::Offset), frontier.next().get());
                numbers.insert(claim.id(partition, Mark::Clock), frontier.clock_ms());
                numbers.insert(claim.id(partition, Mark::Late), frontier.late().get());
                let ruled: Option<Vec<i64>> = before(log.partitions, to, partition)
                    .map(|from| claim.ruled_until.get(&from).copied())
                    .collect();
                if let Some(ruled) =
                    ruled.and_then(|all| all.into_iter().min()).filter(|_| table == anomalies::NAME)
                {
                    numbers.insert(claim.id(partition, Mark::Ruled), ruled);
                }
            }
            self.append_numbers(&mut claim, table, &numbers).await?;
        }
        let numbers = frontier_numbers(&claim, moved.iter());
        self.append_numbers(&mut claim, punches::NAME, &numbers).await?;
        claim.frontiers = moved;
        Ok(claim)
    }

    /// Ends what [`Self::begin_repartition`] began: from now on the lake belongs to a log of the new number of partitions.
    ///
    /// # Errors
    /// What the store says.
    pub async fn end_repartition(&self) -> Result<()> {
        match self.owner().await? {
            Some(file) if file.moving_to().is_some() => self.replace_owner(&file.moved()).await,
            _ => Ok(()),
        }
    }

    /// Whether everything that owners of `partitions` partitions have read was said, and their inboxes are empty.
    async fn check_said(&self, claim: &Claim, partitions: u32) -> Result<()> {
        let unfinished = |what: String| {
            let what = format!("move lake {}: {what}: run `muster repartition` again", self.root());
            Err(Error::new(ErrorKind::Contended, what))
        };
        for partition in (0..partitions).map(Partition::new) {
            let (frontier, said) = (claim.frontiers[&partition], claim.said_until(partition));
            if said.next < frontier.next() || said.late < frontier.late() {
                return unfinished(format!("partition {partition} was read and not all of it was said"));
            }
        }
        match self.waiting(claim).await? {
            0 => Ok(()),
            rows => unfinished(format!("{rows} late punches wait to be judged")),
        }
    }

    async fn append_numbers(
        &self,
        claim: &mut Claim,
        name: &'static str,
        numbers: &BTreeMap<TxnId, i64>,
    ) -> Result<()> {
        let table = self.table(name)?;
        let entry = table.new_entry(Vec::new(), numbers)?;
        let (held, seen) = (claim.held(), claim.seen_of(name));
        let outcome = table.append(&claim.log.log_id, entry, &held, seen, self.options().retries).await;
        match outcome.map(|outcome| claim.take_in(name, outcome)).map_err(|(_, error)| error)? {
            Step::Done(_, lost) if lost.is_empty() => Ok(()),
            Step::Done(..) | Step::Lost(_) => {
                let what = format!("move lake {}: another owner has claimed its partitions", self.root());
                Err(Error::new(ErrorKind::Contended, what))
            }
        }
    }
}

/// Where all partitions begin once there are `to` of them. Nothing is concluded about anybody who comes to a partition across
/// a time for which the log was not read where that person was before: a partition's clock has stood since the latest of theirs.
fn moved_frontiers(known: &Frontiers, from: u32, to: u32) -> Frontiers {
    let place = |partition: Partition| {
        let stood =
            || before(from, to, partition).map(|at| known[&at]).filter(|frontier| frontier.clock().is_set());
        let since_ms = stood().map(PartitionFrontier::since_ms).max().unwrap_or(0);
        let own = known[&partition];
        if partition.number() < from {
            let since_ms = if own.clock().is_set() { since_ms.max(own.since_ms()) } else { 0 };
            return (partition, own.with_since_ms(since_ms));
        }
        let clock = stood().map(PartitionFrontier::clock).min().unwrap_or(own.clock());
        let begun = PartitionFrontier::new(NextOffset::START, clock, NextOffset::START);
        begun.assert_follows(own, partition);
        (partition, begun.with_since_ms(since_ms))
    };
    (0..to).map(Partition::new).map(place).collect()
}

#[cfg(test)]
mod tests {
    use model::{EventTime, LogClock};

    use super::*;

    #[test]
    fn a_new_partition_begins_where_the_slowest_of_those_before_it_stands() {
        let at = |next: i64, clock: i64, since: i64| {
            let next = NextOffset::new(next).unwrap();
            let clock = LogClock::at(EventTime::from_ms(clock));
            PartitionFrontier::new(next, clock, NextOffset::START).with_since_ms(since)
        };
        let known: Frontiers = [at(9, 70, 3), at(5, 50, 8), at(0, 0, 0), at(0, 0, 0), at(0, 0, 0)]
            .into_iter()
            .enumerate()
            .map(|(n, frontier)| (Partition::new(n as u32), frontier))
            .collect();
        let told = |from, to| {
            let moved = moved_frontiers(&known, from, to);
            moved.values().map(|f| (f.next().get(), f.clock_ms(), f.since_ms())).collect::<Vec<_>>()
        };
        assert_eq!(told(2, 4), [(9, 70, 3), (5, 50, 8), (0, 70, 3), (0, 50, 8)], "each from one");
        assert_eq!(told(2, 3), [(9, 70, 8), (5, 50, 8), (0, 50, 8)], "each from both");
        assert_eq!(told(3, 5)[3..], [(0, 50, 8), (0, 50, 8)], "what never stood counts for nothing");
    }
}
