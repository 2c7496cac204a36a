//! Rows of a real outbox reach the lake once each, in order, wherever the mover dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use alerts::{
    Deliverer, DeliveryLimits, DeliverySetup, Destination, Done, Outlet, Parcel, Post, Regions, Reply,
    TopicOutlet,
};
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use lake::LakeOptions;
use model::anomaly::Finding;
use model::position::{Cause, Generation, LogClock, LogId, NextOffset};
use model::{Anomaly, AnomalyId, AnomalyKind, AnomalyState, EventTime, Partition};
use serve::Build;
use source::embedded::Options;
use source::{EmbeddedLog, Source};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;

const TOPIC: &str = "alerts";

/// Answers at once: every third call with 500, else with 200.
struct Moody(AtomicU32);

impl Post for Moody {
    fn post(&self, _: Parcel, done: Done) {
        let call = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let code = if call.is_multiple_of(3) { 500 } else { 200 };
        done.reply(Reply::Status { code, retry_after: None, refusal: None });
    }
}

struct World {
    folder: TempDir,
    runtime: Runtime,
    log: EmbeddedLog,
    lake: Lake,
    metrics: Metrics,
    now_us: Arc<AtomicI64>,
    deliverer: Deliverer,
    alerts: u8,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let now_us = Arc::new(AtomicI64::new(1_793_581_200_000_000));
        let wall: source::WallClock = {
            let now_us = Arc::clone(&now_us);
            Arc::new(move || EventTime::from_us(now_us.load(Ordering::Relaxed)))
        };
        let options = Options { partitions: 1, ..Options::default() };
        let log = EmbeddedLog::open(&folder.path().join("log"), options, Arc::clone(&wall)).unwrap();
        log.create_topic(TOPIC, 1).unwrap();
        let config = serde_json::from_value(serde_json::json!({
            "name": "ops", "url": "https://hooks.example/ops", "region": "hk", "group_wait": "0 s",
            "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        }));
        let regions = Regions { home: Some("hk".into()), names_allowed: Vec::new() };
        let setup = DeliverySetup {
            destinations: Destination::check_all(&[config.unwrap()], &regions, &|_| None).unwrap(),
            source: Box::new(log.source(TOPIC).unwrap()),
            post: Box::new(Moody(AtomicU32::new(0))),
            wall: Arc::clone(&wall),
            name_of: None,
            age_max: None,
            limits: DeliveryLimits::default(),
        };
        let lake = folder.path().join("lake");
        let lake = runtime.block_on(Lake::open(lake.to_str().unwrap(), LakeOptions::default())).unwrap();
        let metrics = Metrics::new(Build { version: "0", revision: "" }, wall);
        let deliverer = Deliverer::open(&folder.path().join("outbox.sqlite"), setup).unwrap();
        Self { folder, runtime, log, lake, metrics, now_us, deliverer, alerts: 0 }
    }

    /// Two alerts more about a store of their own, told as often as they are refused.
    fn deliver(&mut self) {
        let open = {
            let log = self.log.clone();
            move || log.source(TOPIC).map(|source| Box::new(source) as Box<dyn Source>)
        };
        let mut outlet = TopicOutlet::new(TOPIC, Box::new(self.log.appender()), Box::new(open));
        let bodies =
            [self.alert(), self.alert()].map(|alert| alerts::body(&alert, Generation(1), None, None));
        outlet.publish(&[(Partition::new(0), &bodies)]).unwrap();
        for _ in 0..20 {
            self.now_us.fetch_add(10_000_000, Ordering::Relaxed);
            self.deliverer.step(Duration::ZERO).unwrap();
        }
    }

    fn alert(&mut self) -> Anomaly {
        self.alerts += 1;
        let at = EventTime::from_us(self.now_us.load(Ordering::Relaxed));
        Anomaly {
            version: 1,
            state: AnomalyState::Firing,
            finding: Finding {
                id: AnomalyId([self.alerts; 16]),
                kind: AnomalyKind::NoShow,
                employee_id: Some("E1".into()),
                site_id: Some(format!("s{}", self.alerts / 2).into()),
                org: "hk".into(),
                business_date: "2026-11-02".parse().unwrap(),
                shift_id: Some("s".into()),
                device_id: None,
                event_ids: vec![],
                minutes: None,
                first_at: at,
                last_at: at,
            },
            detected_at: at,
            resolved_by: None,
            resolved_ref: None,
            cause: Cause {
                log: LogId::new("log").unwrap().mark(),
                partition: Partition::new(0),
                next: NextOffset::new(1).unwrap(),
                clock: LogClock::at(at),
            },
        }
    }

    fn mover(&self) -> Mover {
        let (path, lake) = (self.folder.path().join("outbox.sqlite"), self.lake.clone());
        Mover::open(&path, lake, self.runtime.handle().clone(), self.metrics.clone()).unwrap()
    }

    /// What the outbox holds: attempt, alert, status.
    fn due(&self) -> Vec<(i64, String, String)> {
        let log = DeliveryLog::open(&self.folder.path().join("outbox.sqlite")).unwrap();
        let rows = log.after(0, 10_000).unwrap();
        rows.into_iter().map(|row| (row.attempt_id, row.alert_id, row.status)).collect()
    }

    /// What the lake holds of it.
    fn held(&self) -> Vec<(i64, String, String)> {
        let answer = self.runtime.block_on(async {
            let session = query::Session::open(self.lake.clone(), query::Options::default()).await.unwrap();
            let statement =
                "SELECT attempt_id, anomaly_id, status FROM alert_deliveries ORDER BY attempt_id, anomaly_id";
            session.sql(statement).await.unwrap_or_else(|error| panic!("{}", error.explain(statement)))
        });
        let mut rows = Vec::new();
        for batch in &answer.batches {
            let text = |column: usize| {
                let cells = arrow::compute::cast(batch.column(column), &arrow::datatypes::DataType::Utf8);
                cells
                    .unwrap()
                    .as_string::<i32>()
                    .iter()
                    .map(|cell| cell.unwrap().to_owned())
                    .collect::<Vec<_>>()
            };
            let ids = batch.column(0).as_primitive::<Int64Type>().values();
            rows.extend(
                ids.iter()
                    .copied()
                    .zip(text(1))
                    .zip(text(2))
                    .map(|((id, alert), status)| (id, alert, status)),
            );
        }
        rows
    }
}

#[test]
fn a_crash_between_the_lake_and_the_note_repeats_nothing() {
    let mut world = World::new();
    let mut mover = world.mover();
    assert_eq!(mover.step().unwrap(), 0, "nothing was delivered yet");
    for round in 0..12 {
        world.deliver();
        // Where it dies: before anything, between the two steps, behind them; or not at all.
        match round % 4 {
            0 => mover = world.mover(),
            1 => {
                assert!(mover.append().unwrap().is_some_and(|rows| rows > 0));
                mover = world.mover();
            }
            2 => {
                mover.step().unwrap();
                mover = world.mover();
            }
            _ => _ = mover.step().unwrap(),
        }
    }
    mover.step().unwrap();
    let due = world.due();
    assert!(due.len() > 24 && due.iter().any(|(_, _, status)| status == "refused"), "{due:?}");
    assert_eq!(world.held(), due);
    assert_eq!(mover.step().unwrap(), 0);
    let told = world.metrics.text();
    let line = format!("muster_lake_rows_total{{table=\"alert_deliveries\"}} {}", due.len());
    assert!(told.lines().any(|found| found == line), "{told}");
}

#[test]
fn a_second_mover_with_an_older_position_repeats_nothing() {
    let mut world = World::new();
    let (mut stale, mut mover) = (world.mover(), world.mover());
    world.deliver();
    mover.step().unwrap();
    world.deliver();
    // It stands where the other one began: it finds where the lake stands, and moves what is left.
    assert!(stale.step().unwrap() > 0);
    assert_eq!(mover.step().unwrap(), 0);
    assert_eq!(world.held(), world.due());
}

#[test]
fn on_its_thread_it_moves_what_there_is_when_it_is_told_to_stop() {
    let mut world = World::new();
    let running = world.mover().spawn(Duration::from_secs(3_600)).unwrap();
    world.deliver();
    running.stop();
    assert_eq!(world.held(), world.due());
}
