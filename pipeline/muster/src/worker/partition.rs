//! One partition's work: a batch of raw records becomes rows, alerts, dead letters and a position.
//!
//! ```text
//!   raw ─ decode ─▶ batch ─ believe ─▶ clocks ─ expect ─▶ due ─ match ─▶ verdicts
//!     then, record by record in offset order:
//!       advance the clock (timers fire) ─▶ repeat? ─▶ arrive ─▶ late, or known before? ─▶ row ─▶ apply ─▶ what holds ─▶ said?
//!     then: dead letters and fresh alerts are handed over; they are durable before a cut of the position counts
//! ```
//!
//! In: raw batches of this partition.  Out: `Cut`s.  Owns: state, said state, rows waiting, all buffers.
//! Absent on purpose: I/O but through the two outlets, wall time (an alert's age, and how far an append time is believed, are
//! asked of a `WallClock` handed in).
//! Invariants: I-12 a batch's letters are handed over before its position can be cut, and a cut waits for them; I-13 state changes only from a row as it
//! is stored, kept by handing `Row::stored_ref` to `PartitionState::apply`; a fault of our own rejects the record
//! (`internal`) and goes on.
//! Why so: evaluation record by record, not batch by batch, so that no result depends on where a batch was cut.

mod cutting;
mod evidence;
mod inbox;
mod recovery;
mod rejects;
mod speaking;
mod vendor_records;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use attendance::{
    AHEAD, Belief, Believer, ClockSource, Clocking, Decided, Facts, Listen, PartitionState, Recall, Step,
    append_clocks, content_hash, expect,
};
use frontier::PartitionFrontier;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use lake::{Identities, IdentityKey, KnownIds};
use matcher::Scratch;
use model::position::{Cause, Generation, LogClock, LogMark, NextOffset, partition_of};
use model::{
    Anomaly, Batch, DueBatch, EventTime, Partition, Reject, RejectCode, ShiftResult, StoredPunch, Verdicts,
};
use schemas::tables::{late, punches};
use schemas::{Decoded, Decoder};
use source::{RawBatch, WallClock};

use super::pipeline::{End, Outlets};
use super::rows::{RowBuilders, Rows};
use super::said::SaidBook;
use super::store::Heard;
use super::tally::Tally;
use super::world::World;
use crate::failure::Failure;
use cutting::Cutting;
pub(super) use rejects::stage;

/// Which clock timers see.
pub type ClockMode = ClockSource;

/// What every partition of a run is told.
#[derive(Clone)]
pub struct PartitionSettings {
    /// The topic, as rows name it.
    pub topic: Arc<str>,
    /// How many partitions the log has.
    pub partitions: u32,
    /// Which clock timers see.
    pub clock: ClockMode,
    /// Days of punches in memory.
    pub state_days: i64,
    /// Days judged again on assignment and after a swap.
    pub restate_days: i64,
    /// Which log causes are told of.
    pub log: LogMark,
    /// Whether fixes and scans are written.
    pub keeps_evidence: bool,
    /// Whether a cut hands over copies of its shift results.
    pub tells_results: bool,
    /// The clock does not pass this, however far the log is read; no limit where unset.
    pub clock_max: Option<EventTime>,
    /// Older alerts are not published; no limit where unset.
    pub alert_age_max: Option<SignedDuration>,
    /// The importer's zone.
    pub import_zone: Option<TimeZone>,
    /// Makes a decoder for the log's records.
    pub decoder: Arc<dyn Fn() -> Decoder + Send + Sync>,
    /// The wall, for the age of alerts.
    pub wall: WallClock,
}

/// The code of rows in the inbox `late`.
const LATE_CODE: &str = "older_than_memory";

/// The code of those whose identity may be stored already, beyond memory: the lake knows.
const KNOWN_CODE: &str = "id_known_before";

/// How far an append time may lie before this machine's clock, in seconds, and still move the log's clock all the way. Clocks that
/// are kept differ by less; from one that is hours ahead nobody's absence is concluded, and of two the earlier one is believed.
const APPEND_AHEAD_S_MAX: i64 = 60;

/// For how many cuts: one may be in flight when the inbox is read, the next one is being gathered.
const CUTS_REMEMBERED: usize = 3;

impl std::fmt::Debug for PartitionSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { topic, partitions, clock, state_days, .. } = self;
        f.debug_tuple("PartitionSettings")
            .field(&(topic, partitions, clock, state_days))
            .finish_non_exhaustive()
    }
}

/// What one partition hands over at a cut.
pub(super) struct Cut {
    /// The partition.
    pub(super) partition: Partition,
    /// The claim under which it was judged.
    pub(super) generation: Generation,
    /// How far it has been judged.
    pub(super) frontier: PartitionFrontier,
    /// The rows since the last cut.
    pub(super) rows: Rows,
    /// People to be judged again from the lake.
    pub(super) recalls: Vec<Recall>,
    /// Questions about people of other partitions, to be asked of the lake.
    pub(super) listens: Vec<Listen>,
    /// What was counted since the last cut.
    pub(super) tally: Tally,
    /// The versions of anomalies published since the last cut.
    pub(super) anomalies: Vec<Anomaly>,
    /// The versions of shift results in `rows`, where these are told.
    pub(super) results: Vec<ShiftResult>,
    /// Whether the partition has come to its end.
    pub(super) has_ended: bool,
    /// The last instant whose answers of rules are in `rows`, or were before.
    pub(super) ruled_until: Option<EventTime>,
}

/// One partition's state and buffers.
pub(super) struct PartitionWork {
    settings: PartitionSettings,
    partition: Partition,
    generation: Generation,
    /// Whether the log had another number of partitions before.
    has_moved: bool,
    /// Where the clock stood when said state was last committed before this owner.
    said_until: EventTime,
    /// Whether there is a snapshot whose requests have not been compared with what was said of them.
    has_new_requests: bool,
    /// People with punches committed behind that, and the earliest of these.
    unsaid: BTreeMap<Arc<str>, EventTime>,
    next: NextOffset,
    clock: LogClock,
    /// No append time of the batch at hand moves the clock past this.
    latest: EventTime,
    late_until: NextOffset,
    reference_version: Arc<str>,
    believer: Believer,
    decided: VecDeque<Decided>,
    /// Punches before this position have been told to the believer.
    pushed_until: NextOffset,
    held: Option<RawBatch>,
    after_gap: bool,
    state: PartitionState,
    said: SaidBook,
    rows: RowBuilders,
    cutting: Option<Cutting>,
    drained: Vec<RecordBatch>,
    near_floor: VecDeque<Vec<StoredPunch>>,
    /// Every identity accepted so far, by this owner or before: for certain new, or to be asked of the lake.
    identities: Identities,
    /// Every record of another attendance system that is stored or waits for the next cut.
    vendor_records: HashSet<u128>,
    recalls: Vec<Recall>,
    listens: Vec<Listen>,
    tally: Tally,
    anomalies: Vec<Anomaly>,
    has_ended: bool,
    ruled_until: Option<EventTime>,
    decoder: Decoder,
    buffers: Buffers,
}

/// Reused from batch to batch.
struct Buffers {
    batch: Batch,
    due: DueBatch,
    scratch: Scratch,
    verdicts: Verdicts,
    clocks: Vec<EventTime>,
    /// Records that belong to other partitions: their places in the batch, and where they go.
    misplaced_at: Vec<usize>,
    misplaced: Vec<Partition>,
    /// Where records have gone since control was last told.
    forwarded: Vec<Partition>,
    steps: Vec<Step>,
}

impl PartitionWork {
    /// The partition.
    pub(super) fn partition(&self) -> Partition {
        self.partition
    }

    /// Takes newer filters over the identities that the lake holds.
    pub(super) fn learn(&mut self, known: KnownIds) {
        self.identities.learn(known);
    }

    /// Rows waiting for the next cut.
    pub(super) fn buffered(&self) -> usize {
        self.rows.len()
    }

    /// Takes a batch: afterwards its letters and alerts are handed over and its rows wait for the next cut.
    ///
    /// # Errors
    /// What an outlet says.
    pub(super) fn take(
        &mut self,
        raw: &mut RawBatch,
        world: &World,
        outlets: &Outlets,
    ) -> Result<(), Box<Failure>> {
        self.adopt(world);
        let whole = match self.held.take() {
            Some(mut held) => {
                held.append_tail(raw);
                held
            }
            None => std::mem::take(raw),
        };
        *raw = self.take_ready(whole, world, outlets, false)?;
        Ok(())
    }

    /// The log was read to its end at `at`: its clock stands there.
    pub(super) fn caught_up(&mut self, at: EventTime, world: &World, outlets: &Outlets) {
        self.adopt(world);
        if self.settings.clock == ClockMode::Append {
            self.advance_state(at);
            self.clock.advance(at);
            self.look_again();
        }
        self.publish(world, outlets);
    }

    /// The lake's answer to a question: no-shows held back may go, an org may be silent.
    pub(super) fn heard(&mut self, heard: &Heard, world: &World, outlets: &Outlets) {
        self.adopt(world);
        self.with_steps(|state, sink| state.heard(&heard.listen, &heard.punches, sink));
        self.publish(world, outlets);
    }

    /// The input has ended: everything held is decided, and timers run on. That run is no part of the log under
    /// `clock = "record"`: the frontier keeps the clock of its last record.
    ///
    /// # Errors
    /// What an outlet says.
    pub(super) fn end(&mut self, end: End, world: &World, outlets: &Outlets) -> Result<(), Box<Failure>> {
        self.adopt(world);
        let mut decided = Vec::new();
        self.believer.finish(&mut decided);
        self.decided.extend(decided);
        if let Some(held) = self.held.take() {
            self.take_ready(held, world, outlets, true)?;
        }
        match end {
            End::Settled => self.with_steps(|state, sink| {
                state.end(sink);
            }),
            End::At(time) => self.advance_state(time),
            End::Never => {}
        }
        self.look_again();
        self.has_ended = true;
        self.publish(world, outlets);
        Ok(())
    }

    fn here(&self) -> Cause {
        let clock = LogClock::at(self.state.judged_clock());
        Cause { log: self.settings.log, partition: self.partition, next: self.next, clock }
    }

    /// Takes a new snapshot in between two batches.
    fn adopt(&mut self, world: &World) {
        if self.reference_version == world.reference.version {
            return;
        }
        self.reference_version = Arc::clone(&world.reference.version);
        let is_like = world.roster.is_like(self.state.roster());
        self.state.swap(Arc::clone(&world.roster));
        if is_like {
            // Only sites changed: what holds about people's days rests on punches as they were judged.
            return;
        }
        self.has_new_requests = true;
        self.restate_from(self.restated_since());
    }

    /// Takes what can be decided of `raw`, keeps the rest for the next batch, and gives the spent memory back.
    fn take_ready(
        &mut self,
        mut raw: RawBatch,
        world: &World,
        outlets: &Outlets,
        is_end: bool,
    ) -> Result<RawBatch, Box<Failure>> {
        let begun = Instant::now();
        self.decode(&raw);
        let until = self.decide(&raw, is_end);
        if until < raw.next() {
            let mut tail = RawBatch::new();
            raw.split_off(until, &mut tail);
            self.held = Some(tail);
            self.decode(&raw);
        }
        self.take_gaps(&raw);
        let judged = catch_unwind(AssertUnwindSafe(|| self.buffers.locate(world)));
        if judged.is_err() {
            // Nothing was changed yet: find the record that breaks the pure stages by halving, and reject that one.
            return self.take_halves(raw, world, outlets);
        }
        let letters = self.judge(&raw, world);
        let records = raw.records() as u64;
        self.tally.records += records;
        // The hot path ends here; what follows may wait: for letters that pile up, for another partition's log.
        let spent_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if let Some(each_ns) = spent_ns.checked_div(records) {
            self.tally.latency_ns.saturating_record_n(each_ns.max(1), records);
        }
        self.bury(&raw, letters, outlets)?;
        self.forward(&raw, outlets)?;
        self.publish(world, outlets);
        Ok(raw)
    }

    fn decode(&mut self, raw: &RawBatch) {
        let batch = &mut self.buffers.batch;
        batch.clear(raw.partition(), raw.next());
        for entry in raw.iter() {
            let decoded = catch_unwind(AssertUnwindSafe(|| entry.decode(&mut self.decoder, batch)));
            let fault = match decoded {
                Ok(Decoded::Taken) => continue,
                // The source lets no other record of a schema pass that is not in the book.
                Ok(Decoded::UnknownSchema(id)) => rejects::unknown_schema(entry.offset, id),
                Err(_) => {
                    self.decoder = (self.settings.decoder)();
                    rejects::internal(entry.offset, "decoding the record failed by a fault of muster")
                }
            };
            batch.rejects.push(fault);
        }
    }

    /// Decides which punches are believed, and until where the batch can be taken.
    fn decide(&mut self, raw: &RawBatch, is_end: bool) -> NextOffset {
        let Buffers { batch, clocks, .. } = &mut self.buffers;
        if self.settings.clock == ClockMode::Append {
            let mut clock = self.clock.time();
            self.latest = (self.settings.wall)().plus_s(APPEND_AHEAD_S_MAX).max(clock);
            append_clocks(batch, &mut clock, clocks);
            clocks.iter_mut().for_each(|clock| *clock = (*clock).min(self.latest));
            return raw.next();
        }
        let mut decided = Vec::new();
        for punch in &batch.punches {
            if !self.pushed_until.has_passed(punch.offset) {
                self.believer.push(punch.occurred_at, &mut decided);
                self.pushed_until = punch.offset.next();
            }
        }
        self.decided.extend(decided);
        if is_end {
            let mut rest = Vec::new();
            self.believer.finish(&mut rest);
            self.decided.extend(rest);
        }
        clocks.clear();
        clocks.extend(self.decided.iter().map(|decided| decided.clock));
        match batch.punches.get(self.decided.len()) {
            Some(undecided) => NextOffset::new(undecided.offset.get()).unwrap_or(NextOffset::START),
            None => raw.next(),
        }
    }

    /// Judges the located batch record by record; gives back what is to be buried: (record, code, message).
    fn judge(&mut self, raw: &RawBatch, world: &World) -> Vec<(usize, RejectCode, String)> {
        let batch = std::mem::replace(&mut self.buffers.batch, Batch::new(self.partition, self.next));
        let verdicts = std::mem::take(&mut self.buffers.verdicts);
        self.tally.unknown_fields += batch.unknown_fields;
        let mut letters = Vec::new();
        let (mut punch_at, mut reject_at, mut said_at) = (0, 0, 0);
        for (n, entry) in raw.iter().enumerate() {
            self.next = entry.offset.next();
            let said = vendor_records::of_record(&batch.vendor_records, entry.offset, &mut said_at);
            let reject = if batch.punches.get(punch_at).is_some_and(|punch| punch.offset == entry.offset) {
                if punch_at % AHEAD == 0 {
                    self.state.foresee(&batch, &self.buffers.due, punch_at..punch_at + AHEAD);
                }
                let clock = self.buffers.clocks[punch_at];
                let belief = self.decided.pop_front().map_or(Belief::Believable, |decided| decided.belief);
                self.move_clock(clock);
                let reject = self.take_punch(&batch, punch_at, &verdicts, belief, world);
                punch_at += 1;
                self.keep_said(said);
                reject
            } else if !said.is_empty() {
                self.take_said_alone(said)
            } else {
                if let (ClockMode::Append, Some(at)) = (self.settings.clock, entry.append_time) {
                    self.move_clock(at.min(self.latest));
                }
                let reject = batch.rejects.get(reject_at).filter(|reject| reject.offset == entry.offset);
                reject_at += 1;
                Some(reject.cloned().unwrap_or_else(|| {
                    rejects::internal(entry.offset, "the decoder gave neither punch nor reject")
                }))
            };
            self.look_again();
            if let Some(reject) = reject {
                let at = entry.append_time.unwrap_or(self.clock.time());
                self.append_reject(&reject, at);
                if let (ClockMode::Append, Some(at)) = (self.settings.clock, entry.append_time) {
                    self.tell_rejected(&reject, at, world);
                }
                if reject.code == RejectCode::Misplaced {
                    self.buffers.misplaced_at.push(n);
                }
                if reject.code.has_letter() {
                    letters.push((n, reject.code, reject.message));
                }
            }
        }
        self.next = raw.next();
        self.buffers.batch = batch;
        self.buffers.verdicts = verdicts;
        letters
    }

    fn move_clock(&mut self, clock: EventTime) {
        let clock = self.settings.clock_max.map_or(clock, |latest| clock.min(latest));
        if self.after_gap && clock.us() > 0 {
            // Nobody is concluded absent across offsets that the log no longer holds: its clock begins anew here.
            self.state.resume(clock, Some(clock));
            self.after_gap = false;
        }
        self.advance_state(clock);
        self.clock.advance(clock);
    }

    /// Takes one punch; gives the reject if it turns out to be none.
    fn take_punch(
        &mut self,
        batch: &Batch,
        at: usize,
        verdicts: &Verdicts,
        belief: Belief,
        world: &World,
    ) -> Option<Reject> {
        let (punch, verdict) = (&batch.punches[at], &verdicts.rows[at]);
        let due = &self.buffers.due.rows[at];
        let import_zone = self.settings.import_zone.clone();
        let mut facts = Facts::of(batch, punch, (due, verdict), import_zone.as_ref());
        // A broker whose clock went back is not the device's fault: the log's clock was further.
        facts.received_at = facts.received_at.max(self.clock.time());
        let event_id = batch.text(punch.event_id);
        let own = partition_of(facts.employee_id.as_bytes(), self.settings.partitions);
        if own != self.partition {
            self.buffers.misplaced.push(own);
            return Some(rejects::misplaced(punch.offset, (facts.employee_id, event_id), own));
        }
        if let Some(known) = self.state.lookup(&facts) {
            let content = content_hash(punch.kind, punch.occurred_at, punch.origin, facts.device_id);
            return Some(rejects::repeat(
                punch.offset,
                (facts.employee_id, event_id),
                known.offset,
                known.content == content,
            ));
        }
        let clocking = match self.settings.clock {
            ClockMode::Append => Clocking::Append,
            ClockMode::Record => Clocking::Record(belief),
        };
        let Ok(arrival) = catch_unwind(AssertUnwindSafe(|| self.state.arrive(&facts, clocking))) else {
            return Some(rejects::internal(punch.offset, "judging the punch failed by a fault of muster"));
        };
        let judgement = punches::Judgement {
            direction: arrival.direction,
            shift_id: arrival.shift_id.as_deref(),
            reasons: arrival.reasons,
            business_date: arrival.business_date,
            time_zone: &arrival.time_zone,
        };
        let (reference, topic) = (&world.reference, Arc::clone(&self.settings.topic));
        let row = punches::Row::judged(&topic, batch, punch, (verdicts, verdict), reference, &judgement);
        if self.settings.keeps_evidence {
            evidence::append_evidence(&mut self.rows, world, (batch, punch), verdict, &row);
        }
        let identity = IdentityKey::of(row.employee_id, row.event_id);
        let is_late = self.state.is_late(punch.occurred_at);
        if is_late || self.identities.may_hold(identity) {
            self.tally.late += 1;
            self.rows
                .late
                .append(&late::Row { punch: row, code: if is_late { LATE_CODE } else { KNOWN_CODE } });
            self.identities.note(identity);
            return None;
        }
        self.identities.note(identity);
        self.said.take_accepted(facts.employee_id, arrival.business_date, self.here());
        let stored = row.stored_ref();
        self.rows.punches.append(&row);
        self.tally.accepted += 1;
        self.keep_near_floor(stored.occurred_at, || stored.into());
        self.with_steps(|state, sink| {
            state.apply_arrived(&stored, &facts, sink);
        });
        None
    }

    /// Takes a batch whose location failed, half by half, until the one record that breaks it stands alone.
    fn take_halves(
        &mut self,
        mut raw: RawBatch,
        world: &World,
        outlets: &Outlets,
    ) -> Result<RawBatch, Box<Failure>> {
        if raw.records() == 1 {
            let reject = raw.get(0).map(|entry| {
                rejects::internal(entry.offset, "locating the punch failed by a fault of muster")
            });
            self.decided.pop_front();
            if let Some(reject) = reject {
                self.append_reject(&reject, self.clock.time());
                self.bury(&raw, vec![(0, reject.code, reject.message)], outlets)?;
            }
            self.next = raw.next();
            self.tally.records += 1;
            return Ok(raw);
        }
        let middle = raw
            .get(raw.records() / 2)
            .map_or(raw.next(), |entry| NextOffset::new(entry.offset.get()).unwrap_or(NextOffset::START));
        let mut behind = RawBatch::new();
        raw.split_off(middle, &mut behind);
        // What was held stays behind both halves.
        let held = self.held.take();
        self.take_ready(raw, world, outlets, false)?;
        let spent = self.take_ready(behind, world, outlets, false)?;
        self.held = held;
        Ok(spent)
    }
}

impl Buffers {
    fn new(partition: Partition) -> Self {
        Self {
            batch: Batch::new(partition, NextOffset::START),
            due: DueBatch::default(),
            scratch: Scratch::default(),
            verdicts: Verdicts::default(),
            misplaced_at: Vec::new(),
            misplaced: Vec::new(),
            forwarded: Vec::new(),
            clocks: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// The pure stages over the whole batch: expect, match.
    fn locate(&mut self, world: &World) {
        let Self { batch, due, scratch, verdicts, clocks, .. } = self;
        expect(&world.roster, batch, &clocks[..batch.punches.len()], due);
        world.sites.match_batch(&world.reference, batch, due, scratch, verdicts);
    }
}
