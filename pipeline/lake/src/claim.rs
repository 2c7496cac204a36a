//! Ownership of partitions, taken in the lake itself (`design.md`, decision 4).
//!
//! In: a log and partitions.  Out: a [`Claim`]: generation, frontiers, versions seen.  Owns: what a claim holds in memory.
//! Invariants: P5 a former owner commits nothing that counts: a claim writes the partitions' numbers into `punches`, then its
//! generation into every other table an owner writes, so that whatever the former owner puts behind the version it has seen
//! meets that entry; kept by [`Lake::claim`], tested by `tests::owners`. A generation never goes back in any table: an owner
//! that finds a later one there has been overtaken and begins anew.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use frontier::{Frontiers, Mark, Outcome, PartitionFrontier, TxnId};
use model::{EventTime, Generation, NextOffset, Offset, Partition};
use schemas::tables::{
    adjustments, anomalies, late, punch_evidence, punches, rejects, shift_results, vendor_records,
};

use crate::commit::Unfinished;
use crate::error::{Error, ErrorKind, Result};
use crate::fold::origins_from;
use crate::grouping::Grouping;
use crate::lake::Lake;
use crate::log::TableLog;
use crate::ownership::{LogIdentity, shared_by_replays};

/// The tables committed just before `punches`, in this order; their rows are skipped where the table holds them already.
pub(crate) const SIDE_TABLES: [&str; 4] =
    [punch_evidence::NAME, rejects::NAME, late::NAME, vendor_records::NAME];

/// The tables of said state, committed on their own, in this order.
pub(crate) const DERIVED_TABLES: [&str; 3] = [shift_results::NAME, adjustments::NAME, anomalies::NAME];

/// How often a claim begins anew when others claim the same partitions meanwhile.
const CLAIM_ROUNDS_MAX: u32 = 16;

/// How far a partition had been judged when its said state was last committed. Behind the frontier, an owner may have died
/// between the commit of `punches` and that of said state: what was judged there is to be judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaidUntil {
    /// The position.
    pub next: NextOffset,
    /// The log clock, in milliseconds; 0 where nothing was ever said.
    pub clock_ms: i64,
    /// How far the inbox had been drained.
    pub late: NextOffset,
}

/// Partitions of one log that this owner has claimed, and what it has seen of the tables since.
#[derive(Debug)]
pub struct Claim {
    pub(crate) log: LogIdentity,
    pub(crate) grouping: Grouping,
    pub(crate) generation: Generation,
    pub(crate) frontiers: Frontiers,
    /// Per partition, the last generation that any table knew before this claim.
    pub(crate) former: BTreeMap<Partition, Generation>,
    /// Per partition, how far said state had been committed when the claim was made.
    pub(crate) said_until: BTreeMap<Partition, SaidUntil>,
    /// Per partition, the last instant whose answers of rules are stored, in milliseconds.
    pub(crate) ruled_until: BTreeMap<Partition, i64>,
    /// Per table, the version up to which this owner has seen its log.
    pub(crate) seen: HashMap<&'static str, u64>,
    /// Per side table, the rows at or beyond the frontier that it is known to hold.
    pub(crate) present: HashMap<&'static str, HashSet<(Partition, Offset)>>,
    pub(crate) unfinished: Option<Unfinished>,
}

impl Claim {
    /// The log.
    pub const fn log(&self) -> &LogIdentity {
        &self.log
    }

    /// On which partition somebody's rows are wanted.
    pub const fn grouping(&self) -> &Grouping {
        &self.grouping
    }

    /// The version of the commit that claimed: a later owner's is higher.
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether nobody has claimed `partition` between `before`, a claim of the same owner, and this one: then what was read, judged
    /// and said under that one still holds.
    pub fn continues(&self, before: &Self, partition: Partition) -> bool {
        before.frontiers.contains_key(&partition) && self.former.get(&partition) == Some(&before.generation)
    }

    /// How far each partition still held has been taken, as committed.
    pub const fn frontiers(&self) -> &Frontiers {
        &self.frontiers
    }

    /// How far `partition` had been judged when its said state was last committed before this claim.
    pub fn said_until(&self, partition: Partition) -> SaidUntil {
        let nothing = SaidUntil { next: NextOffset::START, clock_ms: 0, late: NextOffset::START };
        self.said_until.get(&partition).copied().unwrap_or(nothing)
    }

    /// The last instant whose answers of rules are stored for `partition`.
    pub fn ruled_until(&self, partition: Partition) -> Option<EventTime> {
        self.ruled_until.get(&partition).copied().map(EventTime::from_ms)
    }

    /// Takes note that with the next commit of said state the answers of rules at `instant` are stored for `partition`.
    pub fn note_ruled(&mut self, partition: Partition, instant: EventTime) {
        let until = self.ruled_until.entry(partition).or_default();
        *until = (*until).max(instant.ms());
    }

    /// The partitions still held.
    pub fn held(&self) -> BTreeSet<Partition> {
        self.frontiers.keys().copied().collect()
    }

    pub(crate) fn id(&self, partition: Partition, mark: Mark) -> TxnId {
        TxnId { log: self.log.log_id.clone(), partition, mark }
    }

    /// What an entry of this owner writes beside rows: `numbers`, and of a replay the one that all replays share.
    pub(crate) fn fenced(&self, mut numbers: BTreeMap<TxnId, i64>) -> BTreeMap<TxnId, i64> {
        if self.log.is_file() {
            numbers.insert(shared_by_replays(), self.generation.0);
        }
        numbers
    }

    /// Lets go of partitions that the log has given to another owner: a commit that carries them is lost from now on.
    pub fn release(&mut self, partitions: &[Partition]) {
        self.lose(&partitions.iter().copied().collect());
    }

    /// Lets go of partitions that another owner has claimed.
    pub(crate) fn lose(&mut self, lost: &BTreeSet<Partition>) {
        self.frontiers.retain(|partition, _| !lost.contains(partition));
        for rows in self.present.values_mut() {
            rows.retain(|(partition, _)| !lost.contains(partition));
        }
    }

    pub(crate) fn saw(&mut self, table: &'static str, version: u64) {
        let seen = self.seen.entry(table).or_insert(version);
        assert!(*seen <= version, "I-3: table {table} would be seen backwards, from {seen} to {version}");
        *seen = version;
    }

    pub(crate) fn seen_of(&self, table: &'static str) -> u64 {
        *self.seen.get(table).expect("a claim has seen every table an owner writes")
    }
}

impl Lake {
    /// How far all partitions of `log` have been taken, as committed, whoever holds them.
    ///
    /// # Errors
    /// What the store says.
    pub async fn frontiers(&self, log: &LogIdentity) -> Result<Frontiers> {
        let table = self.table(punches::NAME)?;
        let Some(head) = table.head().await? else { return Ok(Frontiers::new()) };
        let partitions = (0..log.partitions).map(Partition::new).collect();
        stored_frontiers(&table, log, &partitions, head).await
    }

    /// Where the clocks of all partitions of `log` that have one stand, as committed, whoever holds them.
    ///
    /// # Errors
    /// What the store says.
    pub async fn clocks(&self, log: &LogIdentity) -> Result<Vec<EventTime>> {
        let frontiers = self.frontiers(log).await?;
        let clocks = frontiers.values().map(|frontier| frontier.clock()).filter(|clock| clock.is_set());
        Ok(clocks.map(|clock| clock.time()).collect())
    }

    /// Claims `partitions` of `log`: from the moment this returns, commits of whoever held them before fail. Creates the tables
    /// an owner writes. Reads back how far the partitions have been taken, and which rows of the side tables lie beyond.
    ///
    /// # Errors
    /// What the store says; [`ErrorKind::PartitionsChanged`] if the log's partitions are being moved, or have been;
    /// [`ErrorKind::Erasing`] while somebody is being erased.
    pub async fn claim(&self, log: &LogIdentity, partitions: &[Partition]) -> Result<Claim> {
        let partitions: BTreeSet<Partition> = partitions.iter().copied().collect();
        // Before, too: whoever waits for the end of an erasure leaves no entries behind.
        self.grouping_for(log).await?;
        for _ in 0..CLAIM_ROUNDS_MAX {
            if let Some(mut claim) = self.try_claim(log, &partitions).await? {
                // Behind the claim: who moves the partitions afterwards takes them away again.
                claim.grouping = self.grouping_for(log).await?;
                return Ok(claim);
            }
        }
        let what =
            format!("claim partitions of log `{}`: other owners claim them again and again", log.log_id);
        Err(Error::new(ErrorKind::Contended, what))
    }

    /// One round; `None` if another owner claimed meanwhile.
    async fn try_claim(&self, log: &LogIdentity, partitions: &BTreeSet<Partition>) -> Result<Option<Claim>> {
        let table = self.table(punches::NAME)?;
        let head = table.head_or_create().await?;
        let frontiers = stored_frontiers(&table, log, partitions, head).await?;
        let mut claim = Claim {
            log: log.clone(),
            grouping: Grouping::default(),
            generation: Generation(0),
            frontiers,
            seen: HashMap::new(),
            former: BTreeMap::new(),
            said_until: BTreeMap::new(),
            ruled_until: BTreeMap::new(),
            present: HashMap::new(),
            unfinished: None,
        };
        let numbers = frontier_numbers(&claim, claim.frontiers.iter());
        let Some(version) = self.claim_table(&claim, &table, head, &numbers).await? else { return Ok(None) };
        claim.saw(punches::NAME, version);
        let generation = i64::try_from(version)
            .map_err(|_| Error::corrupt("the version of table punches is no number"))?;
        claim.generation = Generation(generation);
        for name in SIDE_TABLES.into_iter().chain(DERIVED_TABLES) {
            if !self.claim_generation(&mut claim, name).await? {
                return Ok(None);
            }
        }
        Ok(Some(claim))
    }

    /// Writes the claim's generation into the table `name`, and reads back what the table holds beyond the frontier. `false` if
    /// another owner was faster.
    async fn claim_generation(&self, claim: &mut Claim, name: &'static str) -> Result<bool> {
        let table = self.table(name)?;
        let head = table.head_or_create().await?;
        let held = claim.held();
        let ids = |mark| -> Vec<TxnId> { held.iter().map(|partition| claim.id(*partition, mark)).collect() };
        let said = ids(Mark::Said);
        let marks = [Mark::Said, Mark::Until, Mark::Offset, Mark::Clock, Mark::Late];
        let ruled = (name == anomalies::NAME).then_some(Mark::Ruled);
        let asked = marks.into_iter().chain(ruled).flat_map(ids);
        let texts: Vec<String> = asked.map(|id| id.to_string()).collect();
        let stored = table.numbers(head, &texts).await?;
        let number = |id: &TxnId| stored.get(&id.to_string()).copied();
        if said.iter().filter_map(number).any(|generation| generation > claim.generation.0) {
            return Ok(false);
        }
        for id in &said {
            let former = claim.former.entry(id.partition).or_insert(Generation(0));
            *former = (*former).max(Generation(number(id).unwrap_or(0)));
        }
        let ruled = |partition: &Partition| Some((*partition, number(&claim.id(*partition, Mark::Ruled))?));
        let ruled: BTreeMap<Partition, i64> = held.iter().filter_map(ruled).collect();
        let mut judged = BTreeMap::new();
        // What `adjustments` lacks, `anomalies` behind it lacks too: it is told nothing where it has no rows.
        if DERIVED_TABLES.contains(&name) && name != adjustments::NAME {
            for partition in &held {
                let stored = |mark| number(&claim.id(*partition, mark)).unwrap_or(0);
                let position = |mark| NextOffset::new(stored(mark)).unwrap_or(NextOffset::START);
                let (next, late) = (position(Mark::Offset), position(Mark::Late));
                judged.insert(*partition, SaidUntil { next, clock_ms: stored(Mark::Clock), late });
            }
        }
        let numbers: BTreeMap<TxnId, i64> = said.into_iter().map(|id| (id, claim.generation.0)).collect();
        // Rows beyond the frontier are there only if an owner died between the side tables' commits and that of `punches`.
        let beyond: BTreeMap<Partition, NextOffset> = claim
            .frontiers
            .iter()
            .filter(|(partition, frontier)| {
                number(&claim.id(**partition, Mark::Until)).is_some_and(|until| until > frontier.next().get())
            })
            .map(|(partition, frontier)| (*partition, frontier.next()))
            .collect();
        let Some(version) = self.claim_table(claim, &table, head, &numbers).await? else { return Ok(false) };
        if !beyond.is_empty() {
            let snapshot = self.snapshot_at(&table, version).await?;
            let rows = origins_from(self, &table, &snapshot, &claim.log, &beyond).await?;
            tracing::info!(
                table = name,
                rows = rows.len(),
                "found rows of an unfinished commit beyond the frontier"
            );
            claim.present.insert(name, rows);
        }
        // The table that lags decides.
        for (partition, until) in judged {
            let known = claim.said_until.entry(partition).or_insert(until);
            known.next = known.next.min(until.next);
            known.clock_ms = known.clock_ms.min(until.clock_ms);
            known.late = known.late.min(until.late);
        }
        claim.ruled_until.extend(ruled);
        claim.saw(name, version);
        Ok(true)
    }

    async fn claim_table(
        &self,
        claim: &Claim,
        table: &TableLog,
        head: u64,
        numbers: &BTreeMap<TxnId, i64>,
    ) -> Result<Option<u64>> {
        let entry = table.new_entry(Vec::new(), &claim.fenced(numbers.clone()))?;
        let held = claim.held();
        match table.append(&claim.log.log_id, entry, &held, head, self.options().retries).await {
            Ok(Outcome::Done { version, .. }) => Ok(Some(version)),
            Ok(Outcome::Lost { .. } | Outcome::InDoubt) => Ok(None),
            Err((_, error)) => Err(error),
        }
    }
}

/// The numbers under which `punches` keeps `frontiers`.
pub(crate) fn frontier_numbers<'a>(
    claim: &Claim,
    frontiers: impl Iterator<Item = (&'a Partition, &'a PartitionFrontier)>,
) -> BTreeMap<TxnId, i64> {
    let mut numbers = BTreeMap::new();
    for (partition, frontier) in frontiers {
        numbers.insert(claim.id(*partition, Mark::Offset), frontier.next().get());
        numbers.insert(claim.id(*partition, Mark::Clock), frontier.clock_ms());
        numbers.insert(claim.id(*partition, Mark::Late), frontier.late().get());
        numbers.insert(claim.id(*partition, Mark::Since), frontier.since_ms());
    }
    numbers
}

/// How far `partitions` have been taken, by the log of `punches` at version `head`.
pub(crate) async fn stored_frontiers(
    table: &TableLog,
    log: &LogIdentity,
    partitions: &BTreeSet<Partition>,
    head: u64,
) -> Result<Frontiers> {
    let id = |partition, mark| TxnId { log: log.log_id.clone(), partition, mark }.to_string();
    let marks = [Mark::Offset, Mark::Clock, Mark::Late, Mark::Since];
    let ids: Vec<String> =
        partitions.iter().flat_map(|partition| marks.map(|mark| id(*partition, mark))).collect();
    let stored = table.numbers(head, &ids).await?;
    let read = |partition: &Partition| {
        let numbers = marks.map(|mark| stored.get(&id(*partition, mark)).copied().unwrap_or(0));
        let frontier =
            PartitionFrontier::from_stored(numbers[0], numbers[1], numbers[2]).ok_or_else(|| {
                let what = format!(
                    "read the frontier of partition {partition}: offset, clock and inbox are {numbers:?}"
                );
                Error::corrupt(what)
            })?;
        Ok((*partition, frontier.with_since_ms(numbers[3])))
    };
    partitions.iter().map(read).collect()
}
