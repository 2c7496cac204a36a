//! Looks at the log from outside, on a thread of its own: is it still the same one, where does it begin and end, and up
//! to which time is what lies before the end complete.
//!
//! In: partitions to look at.  Out: [`Look`]s, to `poll`.  Owns: a thread, the newest look.
//! Absent on purpose: any wait of the polling thread: it takes the newest look, or goes on without.
//! Invariants: a look's times were known before its ends were asked for; no answer, no look.
//! Why so: with the end asked for at wall time W and a broker that has acknowledged an append at P, no record with an
//! append time before min(W, P) is still to come, but for the margin (see `broker_time`): that is what a clock of an
//! idle partition may show. Asking on the polling thread would stop all partitions whenever one broker is slow.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::{EventTime, Partition};

use super::KafkaLog;
use super::asker::Place;
use super::broker_time::BrokerTimes;
use super::options::KafkaClock;
use super::reading::End;
use super::topics;
use crate::error::Error;
use crate::log::LogIdentity;

/// How often ends are asked for while the log grows.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How often while it does not, and while no broker answers.
const IDLE_LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often the topic's identity is checked beside assignments.
const IDENTITY_EVERY: Duration = Duration::from_secs(60);

/// How often the brokers' time is asked for.
const PROBE_EVERY: Duration = Duration::from_secs(2);

/// How long a broker that did not answer is left out, as long as others do.
const SILENT_FOR: Duration = Duration::from_secs(15);

/// What one look saw.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Everything wanted up to this ticket is in it.
    pub(crate) ticket: u64,
    /// The end of each partition looked at.
    pub(crate) ends: HashMap<Partition, End>,
    /// The beginning of each partition whose range was wanted.
    pub(crate) begins: HashMap<Partition, i64>,
}

impl Look {
    /// Whether `holds` for the end of any partition and the one seen before.
    fn any_end(&self, before: &Self, holds: impl Fn(i64, i64) -> bool) -> bool {
        self.ends.iter().any(|(partition, end)| {
            before.ends.get(partition).is_some_and(|before| holds(end.next, before.next))
        })
    }
}

/// A thread that looks. It ends when this is dropped.
pub(crate) struct Looker {
    shared: Arc<Shared>,
    seen: u64,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Counts looks and failures.
    news: AtomicU64,
}

#[derive(Default)]
struct State {
    wanted: Vec<Partition>,
    ranges: Vec<Partition>,
    ticket: u64,
    look: Arc<Look>,
    failure: Option<Error>,
    is_over: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Looker {
    pub(crate) fn start(log: KafkaLog) -> Result<Self, Error> {
        let shared = Arc::new(Shared::default());
        let thread = {
            let shared = Arc::clone(&shared);
            let run = move || Watch::new(log, &shared).run();
            std::thread::Builder::new()
                .name("muster-looker".to_owned())
                .spawn(run)
                .map_err(|error| Error::io("start the thread that asks for the log's ends", error))?
        };
        Ok(Self { shared, seen: 0, thread: Some(thread) })
    }

    /// From now on looks at `wanted`, and until told otherwise also at the beginning of `ranges`. The ticket given back is
    /// in the first look that has seen them, and the topic's identity, after this call.
    pub(crate) fn want(&self, wanted: Vec<Partition>, ranges: Vec<Partition>) -> u64 {
        let mut state = self.shared.state();
        state.wanted = wanted;
        state.ranges = ranges;
        state.ticket += 1;
        let ticket = state.ticket;
        drop(state);
        self.shared.changed.notify_all();
        ticket
    }

    /// The newest look, once.
    ///
    /// # Errors
    /// `TopicChanged`, for ever: the log is not the one it was.
    pub(crate) fn take(&mut self) -> Result<Option<Arc<Look>>, Error> {
        let news = self.shared.news.load(Ordering::Acquire);
        if news == self.seen {
            return Ok(None);
        }
        let state = self.shared.state();
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        self.seen = news;
        Ok(Some(Arc::clone(&state.look)))
    }
}

impl Drop for Looker {
    fn drop(&mut self) {
        self.shared.state().is_over = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It ends after the request under way, which is bounded.
            let _ = thread.join();
        }
    }
}

/// The partitions by the broker that leads them, so that a silent broker holds up nothing but its own.
fn by_leader(wanted: &[Partition], leaders: &[i32]) -> BTreeMap<i32, Vec<Partition>> {
    let mut groups: BTreeMap<i32, Vec<Partition>> = BTreeMap::new();
    for partition in wanted {
        let leader = leaders.get(partition.number() as usize).copied().unwrap_or(-1);
        groups.entry(leader).or_default().push(*partition);
    }
    groups
}

/// The looking thread's own state.
struct Watch<'a> {
    log: KafkaLog,
    identity: LogIdentity,
    shared: &'a Shared,
    times: Arc<BrokerTimes>,
    /// The broker that leads each partition of the log.
    leaders: Vec<i32>,
    /// Brokers that did not answer, and until when they are not asked again: each one costs a wait.
    silent: HashMap<i32, Instant>,
    /// The ticket of the last look that was published.
    done: u64,
    identified_at: Option<Instant>,
    probed_at: Option<Instant>,
    is_growing: bool,
    /// Whether the last look gave reason to look at the topic itself: a broker was silent, or an end lay before one seen
    /// earlier, which a topic made anew does.
    is_doubtful: bool,
    /// Whether the last look failed, so that a failure is told once.
    is_blind: bool,
}

impl<'a> Watch<'a> {
    fn new(log: KafkaLog, shared: &'a Shared) -> Self {
        let identity = log.identity().clone();
        Self {
            log,
            identity,
            shared,
            times: Arc::default(),
            leaders: Vec::new(),
            silent: HashMap::new(),
            done: 0,
            identified_at: None,
            probed_at: None,
            is_growing: false,
            is_doubtful: false,
            is_blind: false,
        }
    }

    fn run(mut self) {
        while let Some((wanted, ranges, ticket)) = self.wait() {
            self.log.asker().serve();
            if wanted.is_empty() {
                self.done = ticket;
                // Silence may cost a member its partitions, and then it is still what is waited for.
                if self.is_blind && self.identify().is_ok() {
                    self.see_again();
                }
                continue;
            }
            match self.look(&wanted, &ranges, ticket) {
                Ok(look) => {
                    self.see_again();
                    self.done = ticket;
                    let before = Arc::clone(&self.shared.state().look);
                    self.is_growing = look.any_end(&before, |end, before| end != before);
                    self.is_doubtful |= look.any_end(&before, |end, before| end < before);
                    self.publish(|state| state.look = Arc::new(look));
                }
                Err(error) if error.kind() == crate::ErrorKind::TopicChanged => {
                    tracing::error!(%error, "the log is not the one it was");
                    self.publish(|state| state.failure = Some(error));
                    return;
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.is_blind, true) {
                        self.log.counters().set_silence(Some(error.to_string()));
                        tracing::warn!(%error, "the log's clock stands still until the brokers answer");
                    }
                }
            }
        }
    }

    fn see_again(&mut self) {
        if std::mem::take(&mut self.is_blind) {
            self.log.counters().set_silence(None);
            tracing::info!(topic = self.identity.topic, "the brokers answer again");
        }
    }

    fn publish(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state());
        self.shared.news.fetch_add(1, Ordering::Release);
    }

    /// Waits until it is time to look, or something new is wanted; none when it is over.
    fn wait(&self) -> Option<(Vec<Partition>, Vec<Partition>, u64)> {
        let every = if self.is_growing && !self.is_blind { LOOK_EVERY } else { IDLE_LOOK_EVERY };
        let begun = Instant::now();
        let mut state = self.shared.state();
        loop {
            if state.is_over {
                return None;
            }
            let left = every.saturating_sub(begun.elapsed());
            let is_new = state.ticket != self.done && !self.is_blind;
            if is_new || left.is_zero() {
                return Some((state.wanted.clone(), state.ranges.clone(), state.ticket));
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn look(&mut self, wanted: &[Partition], ranges: &[Partition], ticket: u64) -> Result<Look, Error> {
        let is_due = self.identified_at.is_none_or(|at| at.elapsed() >= IDENTITY_EVERY);
        if ticket != self.done || is_due || self.is_blind || self.is_doubtful {
            self.is_doubtful = false;
            self.identify().inspect_err(|_| self.log.counters().unanswered())?;
        }
        self.probe();
        let mut look = Look { ticket, ..Look::default() };
        let groups = by_leader(wanted, &self.leaders);
        let mut failure = None;
        for (leader, partitions) in &groups {
            if groups.len() > 1 && self.silent.get(leader).is_some_and(|until| Instant::now() < *until) {
                continue;
            }
            if let Err(error) = self.look_at(partitions, ranges, &mut look) {
                self.silent.insert(*leader, Instant::now() + SILENT_FOR);
                // It may be that others lead its partitions by now.
                self.is_doubtful = true;
                self.log.counters().unanswered();
                failure = Some(error);
            }
        }
        match failure {
            Some(error) if look.ends.is_empty() => Err(error),
            Some(error) => {
                tracing::warn!(%error, "some brokers do not answer: the clocks of their partitions stand still");
                Ok(look)
            }
            None => Ok(look),
        }
    }

    /// Looks at partitions that one broker leads.
    fn look_at(&self, wanted: &[Partition], ranges: &[Partition], look: &mut Look) -> Result<(), Error> {
        // Times first, then ends: what a broker stamps after them cannot lie before them.
        let wall = self.log.wall();
        let at: Vec<Option<EventTime>> =
            wanted.iter().map(|partition| self.complete_until(*partition, wall)).collect();
        let ranges: Vec<Partition> =
            ranges.iter().copied().filter(|partition| wanted.contains(partition)).collect();
        let topic = &self.identity.topic;
        let ends = self.log.asker().ask(topic, wanted, Place::End)?;
        let begins = self.log.asker().ask(topic, &ranges, Place::Begin)?;
        for ((partition, next), at) in ends.into_iter().zip(at) {
            look.ends.extend(next.map(|next| (partition, End { next, at })));
        }
        for (partition, begin) in begins {
            look.begins.extend(begin.map(|begin| (partition, begin)));
        }
        Ok(())
    }

    /// Checks that the topic is the one it was, and learns who leads what.
    fn identify(&mut self) -> Result<(), Error> {
        let described = self.log.describe(&self.identity.topic)?;
        topics::check_same(&self.identity, described.as_ref())?;
        if let Some(described) = described {
            self.leaders = described.leaders;
        }
        if let KafkaClock::Append { probe_topic, .. } = &self.log.options().clock {
            match self.log.describe(probe_topic)? {
                Some(described) => self.times.plan(&described.leaders),
                None => tracing::warn!(
                    topic = probe_topic,
                    "no such topic: the log's clock moves with records only"
                ),
            }
        }
        self.identified_at = Some(Instant::now());
        Ok(())
    }

    fn probe(&mut self) {
        let KafkaClock::Append { probe_topic, .. } = &self.log.options().clock else { return };
        if self.probed_at.is_none_or(|at| at.elapsed() >= PROBE_EVERY) {
            self.probed_at = Some(Instant::now());
            self.log.producers().probe(probe_topic, &self.times);
        }
    }

    /// The time before which no record of `partition` is still to come.
    fn complete_until(&self, partition: Partition, wall: EventTime) -> Option<EventTime> {
        match &self.log.options().clock {
            KafkaClock::Record => Some(wall),
            KafkaClock::Unasked { margin } => {
                Some(wall.plus_us(-i64::try_from(margin.as_micros()).unwrap_or(i64::MAX)))
            }
            KafkaClock::Append { margin, .. } => {
                let leader = self.leaders.get(partition.number() as usize).copied().unwrap_or(-1);
                let time = wall.min(self.times.least(leader)?);
                Some(time.plus_us(-i64::try_from(margin.as_micros()).unwrap_or(i64::MAX)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_asked_for_by_the_broker_that_leads_them() {
        let wanted: Vec<Partition> = [0, 2, 3, 9].map(Partition::new).into();
        let groups = by_leader(&wanted, &[1, 1, 2, 1]);
        let numbers = |leader| groups[&leader].iter().map(|partition| partition.number()).collect::<Vec<_>>();
        assert_eq!((groups.len(), numbers(1), numbers(2), numbers(-1)), (3, vec![0, 3], vec![2], vec![9]));
    }

    #[test]
    fn ends_are_held_against_those_seen_before() {
        let look = |ends: &[(u32, i64)]| Look {
            ends: ends
                .iter()
                .map(|(number, next)| (Partition::new(*number), End { next: *next, at: None }))
                .collect(),
            ..Look::default()
        };
        let before = look(&[(0, 5), (1, 7)]);
        let shrinks = |now: Look| now.any_end(&before, |end, before| end < before);
        assert!(!shrinks(look(&[(0, 5), (1, 9)])));
        assert!(!shrinks(look(&[(2, 0)])), "a partition that was not looked at before");
        assert!(shrinks(look(&[(0, 9), (1, 6)])));
    }
}
