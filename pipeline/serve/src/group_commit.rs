//! The ingest thread: owns the log's writing end, and gives requests that wait at the same time one append.
//!
//! In: `Job`s of requests, by a bounded queue.  Out: to each, what became of its records.  Owns: the `Append`.
//! Absent on purpose: retries: the sender is still there and is told to try again (503), its records in its hands.
//! Invariants: a job is answered only after an append that held all of its punches was durable, or after none was;
//! one job's fault (a record larger than the log takes) never fails another's.
//! Why so: the disk's or broker's round trip is the cost, not the record: sixty-four requests share one.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use bytes::Bytes;
use source::{Append, ErrorKind as LogErrorKind, NewRecord};
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind};
use crate::health::Health;
use crate::metrics::Metrics;

/// Records of one append.
const GROUP_RECORDS_MAX: usize = 10_000;
/// Bytes of one append, passed by one request at most.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// The check of `/readyz` that this thread speaks for.
const CHECK: &str = "ingest";

/// One punch to append.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Bytes,
}

/// What became of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is durable.
    Durable,
    /// The log takes no record as large.
    TooLarge,
}

/// Why nothing was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// The log says no, and why. Nothing of the request is in it, or, after a fault of the disk or the way to the
    /// broker, perhaps some: sent again it makes repeats, which the pipeline finds.
    Log(String),
    /// As many requests as may wait are waiting.
    Full,
    /// The thread is gone.
    Gone,
}

type Outcome = Result<Vec<Appended>, Unavailable>;

struct Job {
    entries: Vec<Entry>,
    done: oneshot::Sender<Outcome>,
}

impl Job {
    fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.key.len() + entry.value.len()).sum()
    }
}

/// The queue's near end. The thread ends when the last clone is gone and the queue is empty.
#[derive(Clone, Debug)]
pub(crate) struct Queue(SyncSender<Job>);

impl Queue {
    /// Appends `entries` and returns once they are durable. Abandoning it does not take them back.
    pub(crate) async fn append(&self, entries: Vec<Entry>) -> Outcome {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let (done, outcome) = oneshot::channel();
        self.0.try_send(Job { entries, done }).map_err(|error| match error {
            TrySendError::Full(_) => Unavailable::Full,
            TrySendError::Disconnected(_) => Unavailable::Gone,
        })?;
        outcome.await.unwrap_or(Err(Unavailable::Gone))
    }
}

/// Starts the thread; at most `jobs_max` requests wait for it.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn start(
    appender: Box<dyn Append>,
    topic: String,
    jobs_max: usize,
    metrics: Metrics,
    health: Health,
) -> Result<(Queue, JoinHandle<()>), Error> {
    let (queue, inbox) = sync_channel(jobs_max);
    let mut committer = Committer { appender, topic, metrics, health, is_well: true };
    committer.health.pass(CHECK, "records received are appended");
    let spawned = thread::Builder::new().name("ingest".into()).spawn(move || committer.run(&inbox));
    let thread = spawned.map_err(|error| {
        Error::caused(ErrorKind::Thread, "start the ingest thread", error, "raise the limit of threads")
    })?;
    Ok((Queue(queue), thread))
}

struct Committer {
    appender: Box<dyn Append>,
    topic: String,
    metrics: Metrics,
    health: Health,
    is_well: bool,
}

impl Drop for Committer {
    fn drop(&mut self) {
        if thread::panicking() {
            self.health.broken("the ingest thread died: its panic is in the log of this process");
        }
    }
}

impl Committer {
    fn run(&mut self, inbox: &Receiver<Job>) {
        while let Ok(first) = inbox.recv() {
            let mut bytes = first.bytes();
            let mut records = first.entries.len();
            let mut jobs = vec![first];
            while bytes < GROUP_BYTES_MAX && records < GROUP_RECORDS_MAX {
                let Ok(job) = inbox.try_recv() else { break };
                bytes += job.bytes();
                records += job.entries.len();
                jobs.push(job);
            }
            let outcomes = self.commit(&jobs);
            for (job, outcome) in jobs.into_iter().zip(outcomes) {
                // Whoever asked may have gone away; the records are in the log all the same.
                let _ = job.done.send(outcome);
            }
        }
    }

    /// One outcome a job, in their order.
    fn commit(&mut self, jobs: &[Job]) -> Vec<Outcome> {
        let all: Vec<&Entry> = jobs.iter().flat_map(|job| &job.entries).collect();
        match self.append(&all) {
            Ok(()) => jobs.iter().map(|job| Ok(vec![Appended::Durable; job.entries.len()])).collect(),
            Err(error) if error.kind() == LogErrorKind::TooLarge && all.len() > 1 => {
                jobs.iter().map(|job| self.commit_one_by_one(job)).collect()
            }
            Err(error) if error.kind() == LogErrorKind::TooLarge => vec![Ok(vec![Appended::TooLarge])],
            Err(error) => vec![Err(self.unavailable(&error)); jobs.len()],
        }
    }

    fn commit_one_by_one(&mut self, job: &Job) -> Outcome {
        let mut appended = Vec::with_capacity(job.entries.len());
        for entry in &job.entries {
            appended.push(match self.append(&[entry]) {
                Ok(()) => Appended::Durable,
                Err(error) if error.kind() == LogErrorKind::TooLarge => Appended::TooLarge,
                Err(error) => return Err(self.unavailable(&error)),
            });
        }
        Ok(appended)
    }

    fn append(&mut self, entries: &[&Entry]) -> Result<(), source::Error> {
        let records: Vec<NewRecord<'_>> = entries
            .iter()
            .map(|entry| NewRecord {
                key: Some(entry.key.as_bytes()),
                value: Some(&entry.value),
                ..NewRecord::default()
            })
            .collect();
        let begun = Instant::now();
        let places = self.appender.append(&self.topic, &records)?;
        self.metrics.ingest_append_duration(begun.elapsed());
        assert_eq!(places.len(), records.len(), "an append places every record or fails");
        if !std::mem::replace(&mut self.is_well, true) {
            self.health.pass(CHECK, "records received are appended again");
        }
        Ok(())
    }

    fn unavailable(&mut self, error: &source::Error) -> Unavailable {
        self.is_well = false;
        self.health.fail(CHECK, error.to_string());
        tracing::warn!(topic = self.topic, kind = error.kind().name(), %error, "records received could not be appended");
        Unavailable::Log(error.to_string())
    }
}
