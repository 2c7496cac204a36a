//! The work of a partition as its next owner begins it: from rows as stored, and from what was said.
//!
//! In: what was folded from the lake, what the outlet was told.  Out: work at the frontier, which judges again what may not have
//! been said.  Owns: nothing.
//! Invariants: I-13 nothing but stored rows makes state; I-5 what the outlet was told and the table was not is caught up with, and
//! so is what nobody was to be told.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use alerts::SaidAlert;
use attendance::{Believer, PartitionState};
use model::position::{Cause, LogClock, partition_of};
use model::{EventTime, Offset};

use super::{
    Buffers, ClockMode, Identities, PartitionSettings, PartitionWork, RowBuilders, SaidBook, Tally, rejects,
};
use crate::worker::pipeline::Outlets;
use crate::worker::said::Taken;
use crate::worker::store::Owned;
use crate::worker::world::World;

/// What a shift's timers may still have to say this long after its window opened: the window, its settling, and a day.
const HEAL_DAYS: i64 = 5;

impl PartitionWork {
    /// The work of a partition that was claimed and folded, at its frontier.
    pub(in crate::worker) fn recover(
        settings: &PartitionSettings,
        mut owned: Owned,
        alerts: Vec<SaidAlert>,
        world: &World,
    ) -> Self {
        let partition = owned.partition;
        let (next, clock) = (owned.frontier.next(), owned.frontier.clock());
        let state_settings = attendance::Settings {
            partition,
            partitions: settings.partitions,
            clock: settings.clock,
            state_days: settings.state_days,
        };
        let mut state = PartitionState::new(Arc::clone(&world.roster), state_settings);
        let mut unsaid: BTreeMap<Arc<str>, EventTime> = BTreeMap::new();
        let mut leave_unsaid = |employee_id: &Arc<str>, occurred_at: EventTime| {
            let from = unsaid.entry(employee_id.clone()).or_insert(occurred_at);
            *from = (*from).min(occurred_at);
        };
        for punch in &owned.punches {
            state.fold(punch);
            if !owned.said_until.next.has_passed(punch.offset) {
                leave_unsaid(&punch.employee_id, punch.occurred_at);
            }
        }
        owned.moved.iter().for_each(|punch| state.fold(punch));
        owned.other_logs.iter().for_each(|punch| state.fold_beside(punch));
        owned.unsaid.iter().for_each(|punch| leave_unsaid(&punch.employee_id, punch.occurred_at));
        let said_by_others = owned
            .shift_results
            .iter()
            .map(|result| result.cause)
            .chain(owned.anomalies.iter().map(|anomaly| anomaly.cause))
            .filter(|cause| cause.log != settings.log)
            .map(|cause| cause.clock.time());
        if let Some(latest) = said_by_others.max() {
            state.judge_no_earlier_than(latest);
        }
        state.resume(clock.time(), owned.since);
        let here = Cause { log: settings.log, partition, next, clock };
        let mut said = said_before(&mut owned, alerts, (settings.partitions, here));
        if settings.clock == ClockMode::Append {
            take_again(&mut said, &owned, here, (settings, world));
        }
        Self {
            settings: settings.clone(),
            partition,
            generation: owned.generation,
            has_moved: owned.has_moved,
            said_until: EventTime::from_ms(owned.said_until.clock_ms),
            has_new_requests: true,
            unsaid,
            next,
            clock,
            latest: clock.time(),
            late_until: owned.frontier.late(),
            reference_version: Arc::clone(&world.reference.version),
            believer: Believer::new(clock.is_set().then_some(clock.time())),
            decided: VecDeque::new(),
            pushed_until: next,
            held: None,
            after_gap: false,
            state,
            said,
            rows: RowBuilders::default(),
            cutting: None,
            drained: Vec::new(),
            near_floor: VecDeque::new(),
            identities: Identities::new(owned.known),
            vendor_records: owned.vendor_records,
            recalls: Vec::new(),
            listens: Vec::new(),
            tally: Tally::default(),
            anomalies: Vec::new(),
            has_ended: false,
            ruled_until: owned.ruled_until,
            decoder: (settings.decoder)(),
            buffers: Buffers::new(partition),
        }
    }

    /// Judges again what a former owner judged and may not have said, and what changed reference data changes.
    pub(in crate::worker) fn restate(&mut self, world: &World, outlets: &Outlets) {
        if self.clock.is_set() {
            let from = self.restated_since().min(self.said_until.plus_min(-HEAL_DAYS * 24 * 60));
            self.restate_from(from);
            for (employee_id, earliest) in std::mem::take(&mut self.unsaid) {
                if earliest < from {
                    self.with_steps(|state, sink| state.rejudge(&employee_id, earliest, sink));
                }
            }
        }
        self.publish(world, outlets);
    }
}

/// What the lake and the outlet were told before, for an owner who stands at `here` in a log of so many partitions.
fn said_before(owned: &mut Owned, alerts: Vec<SaidAlert>, (partitions, here): (u32, Cause)) -> SaidBook {
    let mut said = SaidBook::new(std::mem::take(&mut owned.seals));
    // What was said of people who are others' now stays on the alerts' partition they had.
    let is_ours = |alert: &SaidAlert| {
        let key = alert.1.value.finding.subject();
        !owned.has_moved || partition_of(key.as_bytes(), partitions) == owned.partition
    };
    alerts.into_iter().filter(is_ours).for_each(|alert| said.fold_alert(alert));
    owned.anomalies.drain(..).for_each(|anomaly| said.fold_anomaly(anomaly));
    owned.shift_results.iter().for_each(|result| said.fold_result(result));
    said.start_at(here);
    let until = LogClock::at(EventTime::from_ms(owned.said_until.clock_ms));
    let said_until = Cause { next: owned.said_until.next, clock: until, ..here };
    said.settle_rejected(said_until);
    said.note_unsaid(said_until);
    said
}

/// Has the table say what became of records that were taken behind what was said, in the order of the log. Those that waited in the
/// inbox mended nothing when they were read, but when they were drained.
fn take_again(
    said: &mut SaidBook,
    owned: &Owned,
    here: Cause,
    (settings, world): (&PartitionSettings, &World),
) {
    let waited: HashSet<Offset> = owned.unsaid.iter().map(|punch| punch.offset).collect();
    let is_unsaid = |offset| !owned.said_until.next.has_passed(offset) && !waited.contains(&offset);
    let place = (settings, owned.partition);
    let rejected =
        (owned.rejected.iter()).filter(|(_, reject)| is_unsaid(reject.offset)).filter_map(|(at, reject)| {
            Some((reject.offset, *at, Taken::Rejected(rejects::finding(reject, *at, place, world)?)))
        });
    let accepted = owned.punches.iter().filter(|punch| is_unsaid(punch.offset)).map(|punch| {
        let taken = Taken::Accepted(punch.employee_id.clone(), punch.business_date);
        (punch.offset, punch.received_at, taken)
    });
    let mut records: Vec<(Offset, EventTime, Taken)> = rejected.chain(accepted).collect();
    records.sort_by_key(|(offset, ..)| *offset);
    for (offset, at, taken) in records {
        // The position alone tells what was said behind it: where the clock stood at that record is not stored.
        said.take_again(taken, at.min(here.clock.time()), Cause { next: offset.next(), ..here });
    }
    // These mend when they are drained, behind all that was read by then.
    for punch in &owned.unsaid {
        let taken = Taken::Accepted(punch.employee_id.clone(), punch.business_date);
        said.take_again(taken, here.clock.time(), here);
    }
}
