//! Lakes that former versions of this program wrote are read, grow the columns they lack, and take new rows.
//!
//! Each folder of `golden/` is a lake as [`write_lake`] of its time wrote it; nothing in it is ever changed. To keep one more,
//! before a column is added: `MUSTER_KEEP_LAKE=golden/2 cargo test -p lake the_lake_of_this_version_reads_back`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;
use model::anomaly::Finding;
use model::reference::DayKind;
use model::shift_result::ShiftOutcome;
use model::{
    Anomaly, AnomalyId, AnomalyKind, AnomalyState, Cause, LogClock, Partition, ShiftResult, ShiftStatus,
};
use schemas::tables::{anomalies, shift_results};
use url::Url;

use super::support::{START, commit_of, is_done, log, next};
use crate::{Lake, LakeOptions};

/// The first half of a shift with leave over its end.
pub(super) fn result(shift: &str, version: i64, business_date: Date, cause_partition: u32) -> ShiftResult {
    let text = |text: &str| -> Arc<str> { text.into() };
    ShiftResult {
        version,
        outcome: ShiftOutcome {
            shift_id: text(shift),
            employee_id: text("E1"),
            site_id: text("hk-0001"),
            org: text("hk"),
            business_date,
            segment: 0,
            day_kind: DayKind::Workday,
            planned_start: START,
            planned_end: START.plus_min(480),
            is_final: false,
            due_min: 240,
            first_in: Some(START),
            last_out: None,
            in_event_id: Some("ev".into()),
            out_event_id: None,
            in_site_id: Some(text("hk-0001")),
            out_site_id: None,
            status: ShiftStatus::Present,
            late_min: 0,
            early_min: 0,
            worked_s: None,
            break_min: 0,
            break_auto: false,
            leave_min: 240,
            overtime_min: 0,
            missing_in: false,
            missing_out: true,
            reasons: Vec::new(),
            leave_ids: vec![text("l1")],
            correction_ids: Vec::new(),
        },
        inputs: 7,
        cause: cause(version, cause_partition),
    }
}

fn cause(version: i64, partition: u32) -> Cause {
    let clock = LogClock::at(START.plus_min(version));
    Cause { log: log().log_id.mark(), partition: Partition::new(partition), next: next(version), clock }
}

fn anomaly(shift: &str) -> Anomaly {
    let finding = Finding {
        id: AnomalyId([7; 16]),
        kind: AnomalyKind::MissingOut,
        employee_id: Some("E1".into()),
        site_id: Some("hk-0001".into()),
        org: "hk".into(),
        business_date: Date::constant(2026, 11, 2),
        shift_id: Some(shift.into()),
        event_ids: vec!["ev".into()],
        minutes: None,
        first_at: START,
        last_at: START,
    };
    let (state, cause) = (AnomalyState::Firing, cause(1, 0));
    Anomaly { version: 1, state, finding, detected_at: START, resolved_by: None, cause }
}

/// A lake of ten records, with a shift result and an anomaly.
async fn write_lake(dir: &Path) {
    let lake = lake_in(dir);
    let mut claim = lake.claim(&log(), &[Partition::new(0)]).await.unwrap();
    assert!(is_done(&lake.commit(&mut claim, commit_of(0, 0, 10)).await.unwrap()));
    let mut results = shift_results::Builder::default();
    let result = result("s1", 1, Date::constant(2026, 11, 2), 0);
    results.append(&shift_results::Row { result: &result, decided_at: START, sealed: false });
    let mut rows = anomalies::Builder::default();
    rows.append(&anomaly("s1"));
    let said = lake.commit_derived(&mut claim, vec![results.finish()], vec![rows.finish()], &[]).await;
    assert!(is_done(&said.unwrap()));
}

fn lake_in(dir: &Path) -> Lake {
    let root = Url::from_directory_path(dir.canonicalize().unwrap()).unwrap();
    let store = Arc::new(object_store::local::LocalFileSystem::new());
    Lake::with_store(store, root, LakeOptions::default()).unwrap()
}

#[tokio::test]
async fn the_lake_of_this_version_reads_back() {
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("MUSTER_KEEP_LAKE");
    let dir = kept.map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    fs::create_dir_all(&dir).unwrap();
    write_lake(&dir).await;
    let lake = lake_in(&dir);
    assert_eq!(lake.results_of(&["E1"]).await.unwrap(), [result("s1", 1, Date::constant(2026, 11, 2), 0)]);
    assert_eq!(lake.anomalies_of(&["E1"]).await.unwrap(), [anomaly("s1")]);
    assert_eq!(lake.punches_of(&["E0-1"]).await.unwrap().len(), 1);
}
