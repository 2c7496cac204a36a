//! Months that are closed: what is said of their shifts from then on goes to `adjustments`.
//!
//! ```text
//!   claim every partition ▶ rows of `seals` ▶ number in `shift_results`, behind the claim's own entry
//!        │ whoever owned them can commit no longer            │ another owner was faster: begin anew
//!        └──── an owner that claims from here on reads the rows, or makes the last step fail
//! ```
//!
//! In: a month, an org.  Out: [`Sealing`]; the seals that hold.  Owns: nothing.
//! Absent on purpose: which shifts are still open, and whether a month may be closed: the command asks (`muster seal`).
//! Invariants: I-31 nothing is added to `shift_results` of a sealed month once sealing it is done, whoever works on the lake
//! meanwhile: the last step is an entry of that table's log by an owner who has read all before it, and an owner who claims
//! later has read the seal; kept by [`Lake::seal`].
//! Why so: sealing is a claim. It needs no lock that a running owner would have to take, and no owner has to ask before each
//! commit whether a month was sealed: its next commit fails, it claims anew, and claiming reads the seals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use frontier::{Mark, Outcome, TxnId};
use model::reference::org_covers;
use model::{EventTime, LogId, NextOffset, Partition};
use schemas::tables::seals::{Builder, NAME, Row, Seal, read};
use schemas::tables::{punches, shift_results};

use crate::claim::{Claim, stored_frontiers};
use crate::commit::{Step, said_numbers};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{Lake, schema_of};
use crate::ownership::LogIdentity;

/// How often sealing begins anew when owners claim meanwhile.
const ROUNDS_MAX: u32 = 16;

/// How far a replayed file had been taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenFile {
    /// Its topic.
    pub topic: Arc<str>,
    /// Behind its last punch.
    pub next: NextOffset,
}

/// What became of a wish to seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// The month is sealed now; with the log's clock at which it is.
    Now(EventTime),
    /// It was sealed before, by this seal.
    Before(Seal),
    /// Part of it, or more than it, is sealed: seals of one month may not overlap.
    Overlaps(Seal),
    /// The log has come to this clock only.
    TooEarly(EventTime),
    /// So many punches wait in the inbox to be judged.
    Waits(u64),
}

impl Lake {
    /// The seals that hold, by month and org.
    ///
    /// # Errors
    /// What the store says.
    pub async fn seals(&self) -> Result<Vec<Seal>> {
        let Some(snapshot) = self.snapshot(NAME).await? else { return Ok(Vec::new()) };
        let mut batches = Vec::new();
        let all = |batch: &RecordBatch| Ok(BooleanArray::from(vec![true; batch.num_rows()]));
        self.visit(
            &self.table(NAME)?,
            &snapshot,
            &schema_of(NAME)?,
            (|_: &crate::FileEntry| true, None),
            all,
            |batch| {
                batches.push(batch.clone());
                Ok(())
            },
        )
        .await?;
        read(&batches).map_err(|e| Error::schema(format!("read table {NAME}"), e))
    }

    /// Closes the month of `seal`. Its `sealed_at` is where the clock of replayed `files` stands; of a live log the partitions'
    /// own clocks count, which must all have come to `not_before`. Whoever owns partitions loses them, and reads the seal when it
    /// claims them again.
    ///
    /// # Errors
    /// What the store says; `Contended` if owners claim without end.
    pub async fn seal(&self, seal: &Seal, files: &[TakenFile], not_before: EventTime) -> Result<Sealing> {
        let log = match self.live_log().await? {
            Some(log) => log,
            // Of two replays, or of a replay and a seal, the later one goes on; which file it names is of no matter.
            None => LogIdentity::file(LogId::new("file:seal").expect("a log's id")),
        };
        let partitions: Vec<Partition> = (0..log.partitions).map(Partition::new).collect();
        let id = number_of(seal);
        let clock = self.slowest_clock(&log, seal.sealed_at).await?;
        if clock < not_before {
            return Ok(Sealing::TooEarly(clock));
        }
        for _ in 0..ROUNDS_MAX {
            let is_related =
                |known: &Seal| org_covers(&known.org, &seal.org) || org_covers(&seal.org, &known.org);
            let known = self.seals().await?.into_iter().filter(|known| known.month == seal.month);
            match known.filter(is_related).max_by_key(|known| known.org == seal.org) {
                Some(known) if known.org != seal.org => return Ok(Sealing::Overlaps(known)),
                Some(known) if self.is_done(&id).await? => return Ok(Sealing::Before(known)),
                _ => {}
            }
            let mut claim = self.claim(&log, &partitions).await?;
            let waiting = self.waiting(&claim).await?;
            if waiting > 0 {
                return Ok(Sealing::Waits(waiting));
            }
            let clocks = claim.frontiers().values().map(|frontier| frontier.clock().time());
            let sealed_at = clocks.max().unwrap_or(seal.sealed_at).max(seal.sealed_at);
            self.append_seal(&Seal { sealed_at, ..seal.clone() }, &claim, files).await?;
            if self.close(&mut claim, &id).await? {
                return Ok(Sealing::Now(sealed_at));
            }
        }
        Err(Error::new(ErrorKind::Contended, format!("seal {}: owners claim partitions without end", id.log)))
    }

    /// Where the slowest partition's clock stands, of those that have one; for replayed files it is told.
    async fn slowest_clock(&self, log: &LogIdentity, told: EventTime) -> Result<EventTime> {
        if log.is_file() {
            return Ok(told);
        }
        let partitions: BTreeSet<Partition> = (0..log.partitions).map(Partition::new).collect();
        let table = self.table(punches::NAME)?;
        let Some(head) = table.head().await? else { return Ok(told) };
        let frontiers = stored_frontiers(&table, log, &partitions, head).await?;
        let clocks = frontiers.values().map(|frontier| frontier.clock()).filter(|clock| clock.is_set());
        Ok(clocks.map(|clock| clock.time()).min().unwrap_or(told))
    }

    async fn is_done(&self, id: &TxnId) -> Result<bool> {
        let table = self.table(shift_results::NAME)?;
        let (key, Some(head)) = (id.to_string(), table.head().await?) else { return Ok(false) };
        Ok(table.numbers(head, std::slice::from_ref(&key)).await?.contains_key(&key))
    }

    /// Rows of the inbox that have not been drained.
    pub(crate) async fn waiting(&self, claim: &Claim) -> Result<u64> {
        let mut waiting = 0;
        for (partition, frontier) in claim.frontiers() {
            let rows = self.late_rows(&claim.log, *partition, frontier.late()..frontier.next()).await?;
            waiting += rows.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        }
        Ok(waiting)
    }

    async fn append_seal(&self, seal: &Seal, claim: &Claim, files: &[TakenFile]) -> Result<()> {
        let mut rows = Builder::new();
        let generation = claim.generation.0;
        if claim.log.is_file() {
            for TakenFile { topic, next } in files {
                let partition = Partition::new(0);
                rows.append(&Row { seal, topic, partition, next: *next, generation });
            }
        } else {
            for (partition, frontier) in claim.frontiers() {
                let (topic, partition) = (&*claim.log.topic, *partition);
                rows.append(&Row { seal, topic, partition, next: frontier.next(), generation });
            }
        }
        let table = self.table(NAME)?;
        let id = number_of(seal);
        let head = table.head_or_create().await?;
        let files = self.write_files(NAME, &[rows.finish()]).await?;
        // Rows that are there twice, after a lost answer, say the same: the table is read by the latest generation.
        let entry = table.new_entry(files, &BTreeMap::from([(id.clone(), generation)]))?;
        match table.append(&id.log, entry, &Default::default(), head, self.options().retries).await {
            Ok(Outcome::Done { .. } | Outcome::Lost { .. } | Outcome::InDoubt) => Ok(()),
            Err((_, error)) => Err(error),
        }
    }

    /// The last step; `false` if another owner has claimed meanwhile.
    async fn close(&self, claim: &mut Claim, id: &TxnId) -> Result<bool> {
        let table = self.table(shift_results::NAME)?;
        let mut numbers = said_numbers(claim, claim.held().into_iter());
        numbers.insert(id.clone(), claim.generation.0);
        let entry = table.new_entry(Vec::new(), &claim.fenced(numbers))?;
        let (held, seen) = (claim.held(), claim.seen_of(shift_results::NAME));
        match table.append(&claim.log.log_id, entry, &held, seen, self.options().retries).await {
            Ok(outcome) => Ok(
                matches!(claim.take_in(shift_results::NAME, outcome), Step::Done(_, lost) if lost.is_empty()),
            ),
            Err((_, error)) => Err(error),
        }
    }
}

/// Under which name the tables' logs keep that a month is sealed for an org.
fn number_of(seal: &Seal) -> TxnId {
    let org: String = seal.org.bytes().map(|byte| format!("{byte:02x}")).collect();
    let log = format!("seal:{:04}-{:02}:{org}", seal.month.year(), seal.month.month());
    TxnId { log: LogId::new(&log).expect("a log's id"), partition: Partition::new(0), mark: Mark::Said }
}
