//! A log for tests: the embedded one, behind a gate that can be closed and a switch that makes it fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use model::{EventTime, NextOffset, Offset, Partition};
use source::embedded::Options;
use source::{Append, EmbeddedAppender, EmbeddedLog, Error, NewRecord, Polled, RawBatch, Source};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub(crate) const TOPIC: &str = "punches";
pub(crate) const PARTITIONS: u32 = 4;

/// The log, and what drives its appender from outside.
pub(crate) struct TestLog {
    log: EmbeddedLog,
    pub(crate) fails: Arc<AtomicBool>,
    pub(crate) appends: Arc<AtomicUsize>,
    _dir: TempDir,
}

/// Holds every append until it is told to go on.
pub(crate) struct Gate {
    entered: UnboundedReceiver<()>,
    go_on: Sender<()>,
}

impl Gate {
    /// Waits until an append stands at the gate.
    pub(crate) async fn entered(&mut self) {
        self.entered.recv().await.unwrap();
    }

    /// Lets one append through.
    pub(crate) fn go_on(&self) {
        self.go_on.send(()).unwrap();
    }
}

/// The appender.
pub(crate) struct TestAppender {
    inner: EmbeddedAppender,
    fails: Arc<AtomicBool>,
    appends: Arc<AtomicUsize>,
    gate: Option<(UnboundedSender<()>, Receiver<()>)>,
}

impl TestLog {
    pub(crate) fn open(record_bytes_max: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { partitions: PARTITIONS, record_bytes_max, ..Options::default() };
        let now = Arc::new(|| EventTime::from_ms(1_793_581_111_000));
        let log = EmbeddedLog::open(dir.path(), options, now).unwrap();
        Self { log, fails: Arc::default(), appends: Arc::default(), _dir: dir }
    }

    pub(crate) fn appender(&self) -> TestAppender {
        let (fails, appends) = (Arc::clone(&self.fails), Arc::clone(&self.appends));
        TestAppender { inner: self.log.appender(), fails, appends, gate: None }
    }

    pub(crate) fn gated(&self) -> (TestAppender, Gate) {
        let (enter, entered) = unbounded_channel();
        let (go_on, going) = channel();
        (TestAppender { gate: Some((enter, going)), ..self.appender() }, Gate { entered, go_on })
    }

    /// Everything the log holds, by partition and offset: (partition, key, value).
    pub(crate) fn records(&self) -> Vec<(u32, String, String)> {
        let mut source = self.log.source(TOPIC).unwrap();
        let mut batch = RawBatch::new();
        let mut records = Vec::new();
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        loop {
            match source.poll(Duration::ZERO, &mut batch).unwrap() {
                Polled::Assigned(partitions) => {
                    let starts: Vec<_> = partitions.into_iter().map(|p| (p, NextOffset::START)).collect();
                    source.start(&starts).unwrap();
                }
                Polled::Batch => {
                    let partition = batch.partition().number();
                    records.extend(batch.iter().map(|r| (partition, text(r.key), text(r.value))));
                }
                Polled::Idle => break,
                _ => {}
            }
        }
        records.sort();
        records
    }
}

impl Append for TestAppender {
    fn append(&mut self, topic: &str, records: &[NewRecord<'_>]) -> Result<Vec<(Partition, Offset)>, Error> {
        if let Some((enter, going)) = &self.gate {
            enter.send(()).unwrap();
            // A test that is over has dropped its end.
            let _ = going.recv();
        }
        self.appends.fetch_add(1, Ordering::Relaxed);
        // No log takes a topic without a name.
        let topic = if self.fails.load(Ordering::Relaxed) { "" } else { topic };
        self.inner.append(topic, records)
    }
}

/// A punch of `employee`, as compact JSON.
pub(crate) fn punch(event: &str, employee: &str) -> String {
    format!(
        r#"{{"event_id":"{event}","employee_id":"{employee}","kind":"in","occurred_at":"2026-11-02T08:58:31+08:00","origin":"phone"}}"#
    )
}
