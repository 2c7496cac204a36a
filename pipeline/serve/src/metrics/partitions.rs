//! What is known of each partition this process owns: position, end, frontier, clocks, what waits.
//!
//! In: positions and clocks, from the worker's side.  Out: gauges with the label `partition`, computed when they are
//! asked for.  Owns: one set of cells a partition, from its assignment until it is released.
//! Absent on purpose: a value that was never set: it has no sample, so that "unknown" is not shown as zero.
//! Invariants: ages and lags are taken from the clock at the scrape, never stored: a stalled process shows them growing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use model::{EventTime, LogClock, NextOffset, Partition};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use source::WallClock;

/// A cell that was never set.
const UNKNOWN: i64 = i64::MIN;

#[derive(Debug)]
struct Cells {
    position: AtomicI64,
    end: AtomicI64,
    clock_us: AtomicI64,
    frontier: AtomicI64,
    frontier_clock_us: AtomicI64,
    committed_at_us: AtomicI64,
    buffered_records: AtomicU64,
    buffered_bytes: AtomicU64,
    is_paused: AtomicBool,
}

impl Default for Cells {
    fn default() -> Self {
        let unknown = || AtomicI64::new(UNKNOWN);
        Self {
            position: unknown(),
            end: unknown(),
            clock_us: unknown(),
            frontier: unknown(),
            frontier_clock_us: unknown(),
            committed_at_us: unknown(),
            buffered_records: AtomicU64::new(0),
            buffered_bytes: AtomicU64::new(0),
            is_paused: AtomicBool::new(false),
        }
    }
}

/// One owned partition's gauges: a handle of atomics, free to be set from any thread at any rate.
#[derive(Clone)]
pub struct PartitionMetrics {
    cells: Arc<Cells>,
    now: WallClock,
}

impl fmt::Debug for PartitionMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionMetrics").field("cells", &self.cells).finish_non_exhaustive()
    }
}

impl PartitionMetrics {
    /// The first offset that the worker has not yet taken.
    pub fn set_position(&self, next: NextOffset) {
        self.cells.position.store(next.get(), Ordering::Relaxed);
    }

    /// The log's end: the offset the next record of this partition will get.
    pub fn set_end(&self, end: NextOffset) {
        self.cells.end.store(end.get(), Ordering::Relaxed);
    }

    /// The log clock that timers see. One that is not set yet stays unknown.
    pub fn set_clock(&self, clock: LogClock) {
        if clock.is_set() {
            self.cells.clock_us.store(clock.time().us(), Ordering::Relaxed);
        }
    }

    /// The lake holds this frontier: a commit of it was acknowledged just now, or it was read back by a claim. `clock` is
    /// the one committed, not the one that timers see by now. Told again, the same frontier grows no younger.
    pub fn committed(&self, next: NextOffset, clock: LogClock) {
        let is_new = self.cells.frontier.swap(next.get(), Ordering::Relaxed) != next.get();
        let clock_us = if clock.is_set() { clock.time().us() } else { UNKNOWN };
        let has_moved = self.cells.frontier_clock_us.swap(clock_us, Ordering::Relaxed) != clock_us;
        if is_new || has_moved {
            self.cells.committed_at_us.store((self.now)().us(), Ordering::Relaxed);
        }
    }

    /// What was read and is not committed yet, in records and in their bytes.
    pub fn set_buffered(&self, records: u64, bytes: u64) {
        self.cells.buffered_records.store(records, Ordering::Relaxed);
        self.cells.buffered_bytes.store(bytes, Ordering::Relaxed);
    }

    /// The source delivers nothing of this partition until [`Self::resumed`].
    pub fn paused(&self) {
        self.cells.is_paused.store(true, Ordering::Relaxed);
    }

    /// The source delivers again.
    pub fn resumed(&self) {
        self.cells.is_paused.store(false, Ordering::Relaxed);
    }
}

/// The owned partitions.
#[derive(Clone)]
pub(super) struct Partitions {
    owned: Arc<RwLock<BTreeMap<Partition, Arc<Cells>>>>,
    now: WallClock,
}

impl fmt::Debug for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions").field("owned", &self.owned).finish_non_exhaustive()
    }
}

impl Partitions {
    pub(super) fn new(now: WallClock) -> Self {
        Self { owned: Arc::default(), now }
    }

    /// The handle of `partition`, with fresh cells if it was not owned.
    pub(super) fn own(&self, partition: Partition) -> PartitionMetrics {
        let mut owned = self.owned.write().unwrap_or_else(PoisonError::into_inner);
        let cells = Arc::clone(owned.entry(partition).or_default());
        PartitionMetrics { cells, now: Arc::clone(&self.now) }
    }

    pub(super) fn release(&self, partition: Partition) {
        self.owned.write().unwrap_or_else(PoisonError::into_inner).remove(&partition);
    }
}

/// A gauge of one partition: its name, its meaning, and how it is read from the cells at a given time.
type PartitionGauge = (&'static str, &'static str, fn(&Cells, EventTime) -> Option<f64>);

const GAUGES: [PartitionGauge; 11] = [
    ("muster_position_offset", "First offset the worker has not yet taken", |cells, _| {
        known(&cells.position)
    }),
    ("muster_end_offset", "Offset the next record of the partition will get", |cells, _| known(&cells.end)),
    ("muster_lag_records", "Records between the position and the log's end", |cells, _| {
        Some((known(&cells.end)? - known(&cells.position)?).max(0.0))
    }),
    ("muster_log_clock_timestamp_seconds", "Log clock that timers see, as Unix time", |cells, _| {
        seconds(&cells.clock_us)
    }),
    ("muster_log_clock_lag_seconds", "Wall time less the log clock", |cells, now| {
        Some(now.us() as f64 / 1e6 - seconds(&cells.clock_us)?)
    }),
    ("muster_frontier_offset", "First offset that is not yet committed to the lake", |cells, _| {
        known(&cells.frontier)
    }),
    (
        "muster_frontier_age_seconds",
        "Time since the last acknowledged commit of the frontier",
        |cells, now| Some((now.us() as f64 / 1e6 - seconds(&cells.committed_at_us)?).max(0.0)),
    ),
    (
        "muster_frontier_clock_lag_seconds",
        "Wall time less the log clock up to which the lake is complete",
        |cells, now| Some(now.us() as f64 / 1e6 - seconds(&cells.frontier_clock_us)?),
    ),
    ("muster_partition_buffered_records", "Records read and not yet committed", |cells, _| {
        Some(cells.buffered_records.load(Ordering::Relaxed) as f64)
    }),
    ("muster_partition_buffered_bytes", "Bytes read and not yet committed", |cells, _| {
        Some(cells.buffered_bytes.load(Ordering::Relaxed) as f64)
    }),
    ("muster_partition_paused", "1 while back-pressure holds the partition back, else 0", |cells, _| {
        Some(f64::from(u8::from(cells.is_paused.load(Ordering::Relaxed))))
    }),
];

fn known(cell: &AtomicI64) -> Option<f64> {
    let value = cell.load(Ordering::Relaxed);
    (value != UNKNOWN).then_some(value as f64)
}

fn seconds(cell_us: &AtomicI64) -> Option<f64> {
    Some(known(cell_us)? / 1e6)
}

impl Collector for Partitions {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = (self.now)();
        let owned = self.owned.read().unwrap_or_else(PoisonError::into_inner);
        let mut single = |name: &str, help: &str, value: usize| {
            gauge(&mut encoder, name, help)?.encode_gauge(&(value as u64))
        };
        single("muster_assigned_partitions", "Partitions this process owns", owned.len())?;
        let paused = owned.values().filter(|cells| cells.is_paused.load(Ordering::Relaxed)).count();
        single("muster_paused_partitions", "Owned partitions that back-pressure holds back", paused)?;
        for (name, help, read) in GAUGES {
            let mut family = gauge(&mut encoder, name, help)?;
            for (partition, cells) in owned.iter() {
                let Some(value) = read(cells, now) else { continue };
                family.encode_family(&[("partition", partition.number())])?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }
}

fn gauge<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    // The registry ends its own help texts with a full stop; a collector's are written as they are.
    encoder.encode_descriptor(name, &format!("{help}."), None, MetricType::Gauge)
}
