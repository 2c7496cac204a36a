//! Publishes alerts beside the workers: what several batches have to say at the same time is one durable write.
//!
//! In: alerts of any worker; a new owner's partitions.  Out: durable alerts, in the order said; what each write took.
//! Owns: the alerts outlet, used by this thread alone.
//! Absent on purpose: a bound on what waits: a worker may be ahead by one cut and a moment, no further (`settling`).
//! Invariants: I-12, this half: [`Speaker::settle`] is answered only once everything said before it is durable, and a
//! worker hands over no cut before. After an error nothing more is published: some of it may have landed, and only
//! a new owner that reads back knows.
//! Why so: a write costs its latency, not its size. Workers that waited for one per batch spent most of their time so.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use alerts::{Outlet, SaidAlert};
use model::position::Generation;
use model::{EventTime, Partition};
use schemas::lines::AlertBody;
use source::WallClock;

use super::patience::Patience;
use super::settling::{Answer, Settling};
use super::tally::{Tally, whole_ns};
use crate::failure::Failure;
use crate::files;

/// Hands alerts to the thread that publishes them.
pub(super) struct Speaker {
    asks: Sender<Ask>,
}

/// What a worker has to say about one partition.
pub(super) struct Alerts {
    pub(super) partition: Partition,
    pub(super) bodies: Vec<AlertBody>,
    /// Where the log clock stood when they were found: for a punch its append time. Empty where it is no clock of the
    /// wall's.
    pub(super) found_at: Vec<EventTime>,
}

/// What was last said about each alert, by partition.
pub(super) type Said = BTreeMap<Partition, Vec<SaidAlert>>;

/// The answer of [`Speaker::take_over`].
pub(super) type Taken = Result<Said, Box<Failure>>;

enum Ask {
    Publish(Alerts),
    Settle(Sender<Answer<Tally>>),
    TakeOver(Vec<(Partition, Generation)>, Sender<Taken>),
    Tidy(Partition, EventTime, Option<u32>),
    End,
}

/// Ends the speaker's thread when it is dropped.
pub(super) struct Ending<'a>(&'a Speaker);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.ask(Ask::End);
    }
}

impl Speaker {
    /// The handle, and what its thread serves: see [`speak`].
    pub(super) fn new() -> (Self, SpeakerInbox) {
        let (asks, inbox) = channel();
        (Self { asks }, SpeakerInbox(inbox))
    }

    /// Has `alerts` published soon.
    pub(super) fn publish(&self, alerts: Alerts) {
        self.ask(Ask::Publish(alerts));
    }

    /// Asks to be told once everything that this thread has said is durable.
    pub(super) fn settle(&self) -> Settling<Tally> {
        let (settling, answer) = Settling::ask(gone);
        self.ask(Ask::Settle(answer));
        settling
    }

    /// Marks this process as the one that speaks for `owners`, and reads back what was said before. The answer comes once
    /// the log has given it; [`gone`] if the thread ends without one.
    pub(super) fn take_over(&self, owners: Vec<(Partition, Generation)>) -> Receiver<Taken> {
        let (answer, answered) = channel();
        self.ask(Ask::TakeOver(owners, answer));
        answered
    }

    /// Has alerts of `partition` forgotten that were resolved before `before`. Nothing rests on it: it is tried again.
    pub(super) fn tidy(&self, partition: Partition, before: EventTime, regrouped: Option<u32>) {
        self.ask(Ask::Tidy(partition, before, regrouped));
    }

    /// The thread ends once this is dropped, having published what was said before.
    pub(super) fn end_when_dropped(&self) -> Ending<'_> {
        Ending(self)
    }

    fn ask(&self, ask: Ask) {
        // A thread that is gone is told by `settle`, which every cut waits for.
        let _ = self.asks.send(ask);
    }
}

/// What is asked of the thread.
pub(super) struct SpeakerInbox(Receiver<Ask>);

/// The thread: publishes until it is told to end. `wall` is what a wait is measured by.
pub(super) fn speak(outlet: Box<dyn Outlet>, inbox: &SpeakerInbox, wall: &WallClock, patience: &Patience) {
    let mut voice = Voice { outlet, wall, patience, counted: Tally::default(), failure: None };
    while let Ok(first) = inbox.0.recv() {
        let mut waiting: Vec<Alerts> = Vec::new();
        for ask in std::iter::once(first).chain(inbox.0.try_iter()) {
            if let Ask::Publish(alerts) = ask {
                waiting.push(alerts);
                continue;
            }
            voice.publish(std::mem::take(&mut waiting));
            // Whoever asked may be gone, with the run.
            match ask {
                Ask::Publish(_) => {}
                Ask::Settle(answer) => drop(answer.send(voice.settle())),
                Ask::TakeOver(owners, answer) => {
                    drop(answer.send(take_over(&mut *voice.outlet, &owners, patience)))
                }
                Ask::Tidy(partition, before, regrouped) => {
                    if let Err(error) = voice.outlet.tombstone(partition, before, regrouped) {
                        tracing::warn!(%partition, %error, "old alerts could not be forgotten");
                    }
                }
                Ask::End => return,
            }
        }
        voice.publish(waiting);
    }
}

/// The outlet, and how it went so far.
struct Voice<'a> {
    outlet: Box<dyn Outlet>,
    wall: &'a WallClock,
    patience: &'a Patience,
    counted: Tally,
    /// Why nothing more is published.
    failure: Option<Box<Failure>>,
}

impl Voice<'_> {
    /// Makes `said` durable by one write, unless one has failed before.
    fn publish(&mut self, said: Vec<Alerts>) {
        if self.failure.is_some() || said.is_empty() {
            return;
        }
        let bodies: Vec<(Partition, &[AlertBody])> =
            said.iter().map(|alerts| (alerts.partition, &alerts.bodies[..])).collect();
        let begun = Instant::now();
        if let Err(error) = self.patience.persevere(|| self.outlet.publish(&bodies)) {
            self.failure = Some(files::outlet_failure(&error));
            return;
        }
        let counted = &mut self.counted;
        // The histograms grow as they must: nothing is out of their range.
        let _ = counted.publish_ns.record(whole_ns(begun.elapsed()));
        counted.published += said.iter().map(|alerts| alerts.bodies.len() as u64).sum::<u64>();
        let now = (self.wall)();
        for found_at in said.iter().flat_map(|alerts| &alerts.found_at) {
            let waited_us = u64::try_from(now.us_since(*found_at)).unwrap_or(0);
            let _ = counted.found_to_published_ns.record(waited_us.saturating_mul(1_000).max(1));
        }
    }

    fn settle(&mut self) -> Result<Tally, Box<Failure>> {
        match &self.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(std::mem::take(&mut self.counted)),
        }
    }
}

/// Marks and reads back.
///
/// # Errors
/// What the outlet said.
pub(super) fn take_over(
    outlet: &mut dyn Outlet,
    owners: &[(Partition, Generation)],
    patience: &Patience,
) -> Taken {
    let partitions: Vec<Partition> = owners.iter().map(|(partition, _)| *partition).collect();
    // The markers first: what a former owner still publishes lies before its partition's and is folded, or behind it
    // and counts for nobody.
    let owned = patience.persevere(|| outlet.own(owners));
    owned.map_err(|error| files::outlet_failure(&error))?;
    patience.persevere(|| outlet.fold(&partitions)).map_err(|error| files::outlet_failure(&error))
}

/// What is said where the thread has ended.
pub(super) fn gone() -> Box<Failure> {
    Box::new(Failure::from_outside("alerts can no longer be published: see the first error"))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use alerts::Error;

    use super::*;

    /// Counts its writes; the one numbered `fails_at` fails.
    struct Counting {
        writes: Arc<Mutex<Vec<usize>>>,
        fails_at: usize,
    }

    impl Outlet for Counting {
        fn fold(&mut self, partitions: &[Partition]) -> Result<Said, Error> {
            Ok(partitions.iter().map(|partition| (*partition, Vec::new())).collect())
        }

        fn own(&mut self, _owners: &[(Partition, Generation)]) -> Result<(), Error> {
            Ok(())
        }

        fn publish(&mut self, alerts: &[(Partition, &[AlertBody])]) -> Result<(), Error> {
            let mut writes = self.writes.lock().unwrap();
            writes.push(alerts.len());
            if writes.len() == self.fails_at {
                return Err(Error::Foreign { place: "here".into(), what: "told to fail".into() });
            }
            Ok(())
        }
    }

    fn alerts(partition: u32) -> Alerts {
        let found_at = vec![EventTime::from_ms(1_000)];
        Alerts { partition: Partition::new(partition), bodies: Vec::new(), found_at }
    }

    /// Serves what `ask` asks before the thread begins; gives the sizes of the writes.
    fn run(fails_at: usize, ask: impl FnOnce(&Speaker)) -> Vec<usize> {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let (speaker, inbox) = Speaker::new();
        let outlet = Box::new(Counting { writes: Arc::clone(&writes), fails_at });
        let wall: WallClock = Arc::new(|| EventTime::from_ms(3_000));
        ask(&speaker);
        drop(speaker.end_when_dropped());
        speak(outlet, &inbox, &wall, &Patience::short());
        Arc::into_inner(writes).unwrap().into_inner().unwrap()
    }

    #[test]
    fn what_waits_together_is_written_together_and_settled_by_whoever_asks_behind_it() {
        let mut settled = None;
        let writes = run(0, |speaker| {
            (0..3).for_each(|partition| speaker.publish(alerts(partition)));
            settled = Some(speaker.settle());
            speaker.publish(alerts(3));
        });
        assert_eq!(writes, [3, 1]);
        let counted = settled.unwrap().wait().unwrap();
        assert_eq!(counted.found_to_published_ns.len(), 3);
        assert!(counted.found_to_published_ns.min() >= 1_900_000_000, "two seconds by the wall");
        assert_eq!(counted.publish_ns.len(), 1);
    }

    #[test]
    fn after_a_failed_write_nothing_more_is_said_and_every_cut_hears_of_it() {
        let mut settled = Vec::new();
        let writes = run(2, |speaker| {
            for partition in 0..3 {
                speaker.publish(alerts(partition));
                settled.push(speaker.settle());
            }
        });
        assert_eq!(writes, [1, 1], "the third write is not tried");
        let outcomes: Vec<_> = settled.iter().map(Settling::wait).collect();
        assert!(outcomes[0].is_ok());
        let told = |of: usize| outcomes[of].as_ref().unwrap_err().to_string();
        assert!(told(1).contains("told to fail"), "what the outlet said: {}", told(1));
        assert_eq!(told(2), told(1), "whoever asks is told why");
    }
}
