//! Tables: what is appended is what is read back, and every schema is one that old Delta readers know.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray, StringViewArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::util::pretty::pretty_format_columns;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use model::anomaly::Finding;
use model::geometry::Meters;
use model::reference::{
    Approval, Break, Compensation, CorrectionKind, CorrectionType, DayKind, Fence, LawValue, Org,
    RequestStatus, ShiftKind, ShiftPlan,
};
use model::shift_result::{Approved, ShiftOutcome};
use model::*;

use super::*;

fn site(site_id: &str, fence: Fence) -> Site {
    Site {
        site_id: site_id.into(),
        name: "Mong Kok".into(),
        org: "hk/kln".into(),
        time_zone: TimeZone::get("Asia/Hong_Kong").unwrap(),
        time_zone_name: "Asia/Hong_Kong".into(),
        fence,
        tolerance_m: Some(5.0),
        policy: None,
        bssids: vec![BssidBlock::parse("aa:bb:cc:dd:ee:f0/44").unwrap()],
        beacons: Vec::new(),
        terminals: vec!["t-1".into()],
        managers: vec!["M1".into()],
        valid_from: Some(at(1)),
        valid_to: None,
    }
}

fn reference() -> Reference {
    let centre = LonLat::new(114.17, 22.32).unwrap();
    let person = Person {
        employee_id: "E1".into(),
        org: "hk/kln".into(),
        home_site: Some(SiteIndex(0)),
        allowed_sites: vec![SiteIndex(1)],
        groups: vec!["night".into()],
        managers: vec!["M1".into()],
        location_declined: false,
        joined: Some(date(2020, 1, 1)),
        left: None,
    };
    Reference {
        version: "v-1".into(),
        sites: vec![
            site("hk-1", Fence::Circle { centre, radius_m: Meters::new(100.0).unwrap().get() }),
            site("hk-2", Fence::Polygons(Vec::new())),
        ]
        .into(),
        people: vec![person].into(),
        ..Reference::default()
    }
}

/// Hours after 2026-11-22T00:00:00Z.
fn at(hours: i64) -> EventTime {
    EventTime::from_ms(1_795_305_600_000).plus_s(hours * 3_600)
}

const DAY: Date = date(2026, 11, 22);

/// A column's cells as text.
fn cells(batch: &RecordBatch, column: &str) -> Vec<String> {
    let mut plain = batch.column_by_name(column).unwrap().clone();
    if let DataType::Timestamp(unit, _) = plain.data_type() {
        // Arrow prints a named zone only with a time zone database; these are UTC.
        plain = cast(&plain, &DataType::Timestamp(*unit, None)).unwrap();
    }
    let text = cast(&plain, &DataType::Utf8).unwrap();
    text.as_string::<i32>().iter().map(|cell| cell.unwrap_or("null").to_owned()).collect()
}

/// A list column's cells as text.
fn lists(batch: &RecordBatch, column: &str) -> String {
    pretty_format_columns(column, &[batch.column_by_name(column).unwrap().clone()]).unwrap().to_string()
}

#[test]
fn every_schema_is_one_that_old_delta_readers_know() {
    let mut names = Vec::new();
    for table in ALL {
        let schema = (table.schema)();
        names.push(table.name);
        let month = schema.fields().last().unwrap();
        assert_eq!((month.name().as_str(), month.data_type()), (MONTH_COLUMN, &DataType::Utf8));
        for (place, field) in schema.fields().iter().enumerate() {
            let is_known = match field.data_type() {
                DataType::List(item) => {
                    assert_eq!((item.name().as_str(), item.is_nullable()), ("element", true));
                    matches!(item.data_type(), DataType::Utf8 | DataType::Int32)
                }
                DataType::Timestamp(unit, zone) => {
                    (unit, zone.as_deref()) == (&TimeUnit::Microsecond, Some("UTC"))
                }
                other => matches!(
                    other,
                    DataType::Utf8
                        | DataType::Int32
                        | DataType::Int64
                        | DataType::Float64
                        | DataType::Boolean
                        | DataType::Date32
                ),
            };
            assert!(is_known, "{}.{} is {}", table.name, field.name(), field.data_type());
            // Delta keeps statistics of the first 32 columns.
            let is_filter =
                ["occurred_at", "employee_id", "site_id", "business_date"].contains(&field.name().as_str());
            assert!(!is_filter || place < 4, "{}.{} stands at {place}", table.name, field.name());
        }
        assert_eq!(schema.fields().iter().filter(|field| field.name() == MONTH_COLUMN).count(), 1);
    }
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), names.len());
}

/// A batch with two punches, their verdicts, and the reference they were matched against.
fn judged() -> (Batch, Verdicts, Reference) {
    let mut batch = Batch::new(Partition::new(3), NextOffset::START);
    for n in 0..2 {
        let punch = Punch {
            offset: Offset::new(40 + n).unwrap(),
            received_at: at(n).plus_s(2),
            event_id: batch.push_text(&format!("p-{n}")),
            employee_id: batch.push_text("E1"),
            kind: [Kind::In, Kind::Auto][n as usize],
            occurred_at: at(n),
            origin: Origin::Phone,
            trigger: [Some(Trigger::Wifi), None][n as usize],
            device_id: if n == 0 { batch.push_text("d-1") } else { Text::default() },
            site_claim: Text::default(),
            time_zone: Text::default(),
            fix: None,
            wifi: 0..0,
            wifi_ignored: 0,
            beacons: 0..0,
            photo: Photo::default(),
        };
        batch.punches.push(punch);
    }
    let mut verdicts = Verdicts::default();
    verdicts.candidates.extend([SiteIndex(0), SiteIndex(1)]);
    verdicts.rows.push(Verdict {
        place: Place::Inside,
        site: Some(SiteIndex(0)),
        candidates: 0..0,
        evidence: EvidenceSet::WIFI.with(EvidenceSet::GPS),
        distance_m: Some(-12.34),
        reasons: Reasons::EMPTY.with(Reason::Mocked),
    });
    verdicts.rows.push(Verdict {
        place: Place::Uncertain,
        site: None,
        candidates: 0..2,
        evidence: EvidenceSet::EMPTY,
        distance_m: None,
        reasons: Reasons::EMPTY,
    });
    (batch, verdicts, reference())
}

fn judgements<'a>(zone: &'a TimeZone) -> [punches::Judgement<'a>; 2] {
    let known = punches::Judgement {
        direction: Some(Kind::In),
        shift_id: Some("s-1"),
        reasons: Reasons::EMPTY.with(Reason::Repunch),
        business_date: DAY,
        time_zone: zone,
    };
    let unknown = punches::Judgement {
        direction: None,
        shift_id: None,
        reasons: Reasons::EMPTY,
        business_date: date(2026, 12, 1),
        time_zone: zone,
    };
    [known, unknown]
}

fn punch_rows<'a>(
    (batch, verdicts, reference): &'a (Batch, Verdicts, Reference),
    zone: &'a TimeZone,
) -> Vec<punches::Row<'a>> {
    let judgements = judgements(zone);
    (0..2)
        .map(|n| {
            let verdict = (verdicts, &verdicts.rows[n]);
            punches::Row::judged("punches", batch, &batch.punches[n], verdict, reference, &judgements[n])
        })
        .collect()
}

#[test]
fn punches_read_back_as_the_same_stored_punches() {
    let zone = TimeZone::get("Asia/Hong_Kong").unwrap();
    let judged = judged();
    let rows = punch_rows(&judged, &zone);
    let mut builder = punches::Builder::new();
    for round in 0..2 {
        rows.iter().for_each(|row| builder.append(row));
        assert_eq!(builder.len(), 2);
        let batch = builder.finish();
        assert!(builder.is_empty(), "round {round}");
        let want: Vec<_> = rows.iter().map(|row| (Partition::new(3), row.stored())).collect();
        assert_eq!(punches::read(&batch).unwrap(), want);
        let only: Vec<_> =
            punches::READ_COLUMNS.iter().map(|name| batch.schema().index_of(name).unwrap()).collect();
        assert_eq!(punches::read(&batch.project(&only).unwrap()).unwrap(), want, "a projection suffices");
        assert_eq!(cells(&batch, "local_time"), ["2026-11-22T08:00:00+08:00", "2026-11-22T09:00:00+08:00"]);
        assert_eq!(cells(&batch, MONTH_COLUMN), ["2026-11", "2026-12"]);
        assert_eq!(cells(&batch, "direction"), ["in", "null"]);
        assert_eq!(cells(&batch, "device_id"), ["d-1", "null"]);
        assert_eq!(cells(&batch, "distance_m"), ["-12.34", "null"]);
        assert_eq!(cells(&batch, "reference_version"), ["v-1", "v-1"]);
        let (reasons, evidence) = (lists(&batch, "reasons"), lists(&batch, "evidence"));
        assert!(
            reasons.contains("[mocked, repunch]") && evidence.contains("[wifi, gps]"),
            "{reasons}{evidence}"
        );
        assert!(lists(&batch, "candidates").contains("[hk-1, hk-2]"));
    }
    assert_eq!(builder.finish().num_rows(), 0, "nothing is a batch without rows");
}

#[test]
fn late_rows_become_punches() {
    let zone = TimeZone::UTC;
    let judged = judged();
    let rows = punch_rows(&judged, &zone);
    let (mut late, mut direct) = (late::Builder::new(), punches::Builder::new());
    for row in &rows {
        late.append(&late::Row { punch: row.clone(), code: "beyond_memory" });
        direct.append(row);
    }
    let late = late.finish();
    assert_eq!(cells(&late, "code"), ["beyond_memory"; 2]);
    assert_eq!(late::to_punches(&late).unwrap(), direct.finish());
    assert_eq!(punches::read(&late).unwrap()[1].1, rows[1].stored());
    let origins = late::read_origins(&late).unwrap();
    let (offset, until) = (Offset::new(41).unwrap(), NextOffset::new(42).unwrap());
    let want = rejects::RecordOrigin { topic: "punches".into(), partition: Partition::new(3), offset, until };
    assert_eq!(origins[1], want);
}

#[test]
fn months_are_cut_apart_and_nothing_is_lost() {
    let zone = TimeZone::UTC;
    let judged = judged();
    let rows = punch_rows(&judged, &zone);
    let mut builder = punches::Builder::new();
    for n in [0, 1, 0, 0, 1] {
        builder.append(&rows[n]);
    }
    let whole = builder.finish();
    let parts = split_by_month(&whole).unwrap();
    let shape: Vec<_> = parts.iter().map(|(month, part)| (month.as_str(), part.num_rows())).collect();
    assert_eq!(shape, [("2026-11", 3), ("2026-12", 2)]);
    for (month, part) in &parts {
        assert!(cells(part, MONTH_COLUMN).iter().all(|cell| cell == month));
    }
    let one = split_by_month(&parts[0].1).unwrap();
    assert_eq!(one, [("2026-11".to_owned(), parts[0].1.clone())]);
    assert!(split_by_month(&builder.finish()).unwrap().is_empty());
    let both = concat_batches(&whole.schema(), parts.iter().map(|(_, part)| part)).unwrap();
    assert_eq!(both.num_rows(), whole.num_rows());
}

#[test]
fn text_reads_back_from_views_too() {
    let zone = TimeZone::UTC;
    let judged = judged();
    let mut builder = punches::Builder::new();
    punch_rows(&judged, &zone).iter().for_each(|row| builder.append(row));
    let batch = builder.finish();
    let view = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => field.clone(),
    };
    let schema = Arc::new(Schema::new(batch.schema().fields().iter().map(view).collect::<Vec<_>>()));
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8 => Arc::new(column.as_string::<i32>().iter().collect::<StringViewArray>()),
        _ => column.clone(),
    });
    let views = RecordBatch::try_new(schema, columns.collect()).unwrap();
    assert_eq!(punches::read(&views).unwrap(), punches::read(&batch).unwrap());
}

#[test]
fn what_cannot_be_read_back_says_where() {
    let zone = TimeZone::UTC;
    let judged = judged();
    let mut builder = punches::Builder::new();
    punch_rows(&judged, &zone).iter().for_each(|row| builder.append(row));
    let batch = builder.finish();
    let without = |name: &str| {
        let keep: Vec<_> =
            (0..batch.num_columns()).filter(|at| batch.schema().field(*at).name() != name).collect();
        batch.project(&keep).unwrap()
    };
    let error = punches::read(&without("offset")).unwrap_err().to_string();
    assert_eq!(error, "read table punches: there is no column `offset`");
    let (mut columns, at) = (batch.columns().to_vec(), batch.schema().index_of("kind").unwrap());
    columns[at] = batch.column_by_name("event_id").unwrap().clone();
    let wrong = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let error = punches::read(&wrong).unwrap_err().to_string();
    assert_eq!(error, "read table punches: column `kind` row 0 holds p-0, which this version does not know");
}

#[test]
fn rejects_and_gaps_keep_their_range() {
    let reject = |offset, until, code| Reject {
        offset: Offset::new(offset).unwrap(),
        until: NextOffset::new(until).unwrap(),
        code,
        message: "why".to_owned(),
        employee_id: (code == RejectCode::Duplicate).then(|| "E1".to_owned()),
        event_id: None,
    };
    let mut builder = rejects::Builder::new();
    for reject in [&reject(5, 6, RejectCode::Duplicate), &reject(9, 30, RejectCode::Gap)] {
        let partition = Partition::new(1);
        builder.append(&rejects::Row { topic: "punches", partition, reject, rejected_at: at(0) });
    }
    let batch = builder.finish();
    assert_eq!(cells(&batch, "code"), ["duplicate", "gap"]);
    assert_eq!(cells(&batch, "employee_id"), ["E1", "null"]);
    let ranges: Vec<_> = rejects::read_origins(&batch)
        .unwrap()
        .iter()
        .map(|origin| (origin.partition.number(), origin.offset.get(), origin.until.get()))
        .collect();
    assert_eq!(ranges, [(1, 5, 6), (1, 9, 30)]);
    let stored = [reject(5, 6, RejectCode::Duplicate), reject(9, 30, RejectCode::Gap)];
    let stored = stored.map(|reject| (Partition::new(1), at(0), reject));
    assert_eq!(rejects::read(&batch).unwrap(), stored);
    // A later version may have codes of its own.
    let mut columns = batch.columns().to_vec();
    let code = batch.schema().index_of("code").unwrap();
    columns[code] = Arc::new(StringArray::from(vec!["of_a_later_version", "gap"]));
    let later = RecordBatch::try_new(batch.schema(), columns).unwrap();
    assert_eq!(rejects::read(&later).unwrap(), stored[1..]);
}

fn cause() -> Cause {
    let log = LogId::new("log").unwrap().mark();
    Cause {
        log,
        partition: Partition::new(2),
        next: NextOffset::new(77).unwrap(),
        clock: LogClock::at(at(9)),
    }
}

#[test]
fn shift_results_read_back_as_said() {
    let outcome = ShiftOutcome {
        shift_id: "s-1".into(),
        employee_id: "E1".into(),
        site_id: "hk-1".into(),
        org: "hk/kln".into(),
        business_date: DAY,
        segment: 1,
        day_kind: DayKind::Holiday,
        statutory_holiday: true,
        planned_start: at(0),
        planned_end: at(9),
        is_final: true,
        due_min: 480,
        first_in: Some(at(1)),
        last_out: None,
        in_event_id: Some("p-1".into()),
        out_event_id: None,
        in_site_id: Some("hk-2".into()),
        out_site_id: None,
        status: ShiftStatus::SeriousLate,
        late_min: 60,
        early_min: 0,
        worked_s: None,
        break_min: 60,
        break_auto: true,
        leave_min: 0,
        overtime_min: 0,
        night_s: 3_600,
        missing_in: false,
        missing_out: true,
        reasons: vec!["late_as_absent"],
        leave_ids: vec!["l-1".into(), "l-2".into()],
        leave_minutes: vec![0, 60],
        correction_ids: Vec::new(),
        approvals: vec![
            Approved {
                request_id: "l-1".into(),
                approval: Approval { level: Some(2), by: Some("M \"7\"".into()), at: at(1).plus_us(1) },
            },
            Approved { request_id: "l-2".into(), approval: Approval { level: None, by: None, at: at(2) } },
        ],
    };
    let first = ShiftResult { version: 1, outcome, inputs: u64::MAX - 5, cause: cause() };
    let mut second = first.clone();
    second.version = 2;
    second.outcome.worked_s = Some(-1);
    second.outcome.last_out = Some(at(10));
    let mut builder = shift_results::Builder::new();
    for result in [&first, &second] {
        builder.append(&shift_results::Row { result, decided_at: at(9), sealed: false });
    }
    let batch = builder.finish();
    assert_eq!(shift_results::read(&batch).unwrap(), [first.clone(), second]);
    assert_eq!(cells(&batch, "worked_min"), ["null", "-1"]);
    assert_eq!(cells(&batch, "status"), ["serious_late"; 2]);
    let mut newer = first;
    newer.outcome.reasons = vec!["walked_backwards"];
    builder.append(&shift_results::Row { result: &newer, decided_at: at(9), sealed: true });
    let read = shift_results::read(&builder.finish()).unwrap();
    assert_eq!(read[0].outcome.reasons, [shift_results::UNKNOWN_REASON]);
}

#[test]
fn anomalies_read_back_as_said() {
    let finding = Finding {
        id: AnomalyId([7; 16]),
        kind: AnomalyKind::NoShow,
        employee_id: Some("E1".into()),
        site_id: Some("hk-1".into()),
        org: "hk/kln".into(),
        business_date: DAY,
        shift_id: Some("s-1".into()),
        device_id: None,
        event_ids: vec!["p-1".into()],
        minutes: None,
        first_at: at(0),
        last_at: at(1),
    };
    let fired = Anomaly {
        version: 1,
        state: AnomalyState::Firing,
        finding,
        detected_at: at(2),
        resolved_by: None,
        resolved_ref: None,
        cause: cause(),
    };
    let mut resolved = fired.clone();
    resolved.version = 2;
    resolved.state = AnomalyState::Resolved;
    resolved.resolved_by = Some("leave");
    resolved.resolved_ref = Some("l-1".into());
    let mut silent = fired.clone();
    silent.finding.kind = AnomalyKind::IngestSilent;
    silent.finding.employee_id = None;
    silent.finding.device_id = Some("clock-1".into());
    silent.finding.minutes = Some(15);
    let said = [fired, resolved, silent];
    let mut builder = anomalies::Builder::new();
    said.iter().for_each(|anomaly| builder.append(anomaly));
    let batch = builder.finish();
    assert_eq!(anomalies::read(&batch).unwrap(), said);
    assert_eq!(cells(&batch, "severity"), ["high"; 3]);
    assert_eq!(cells(&batch, "audience"), ["manager,employee", "manager,employee", "manager"]);
    assert_eq!(cells(&batch, "anomaly_id")[0], "07".repeat(16));
    assert_eq!(cells(&batch, "review"), ["open"; 3]);
}

#[test]
fn evidence_keeps_lists_of_one_length() {
    let point = |text: &str, rssi_dbm| AccessPoint {
        bssid: Bssid::parse(text.as_bytes()).unwrap(),
        rssi_dbm,
        connected: false,
        age_ms: 0,
    };
    let fix = punch_evidence::EvidenceFix {
        point: LonLat::new(114.17, 22.32).unwrap(),
        accuracy_m: None,
        mocked: true,
        platform: Platform::Ios,
    };
    let row = punch_evidence::Row {
        occurred_at: at(0),
        employee_id: "E1",
        business_date: DAY,
        event_id: "p-1",
        fix: Some(fix),
        access_points: &[point("a456300b9cff", Some(-61)), point("a456300b9c00", None)],
        beacons: &[Beacon { id: BeaconId { uuid: 0xfd, major: 1, minor: 2 }, rssi_dbm: None }],
        topic: "punches",
        partition: Partition::new(0),
        offset: Offset::new(0).unwrap(),
    };
    let mut builder = punch_evidence::Builder::new();
    builder.append(&row);
    builder.append(&punch_evidence::Row { fix: None, access_points: &[], beacons: &[], ..row });
    let batch = builder.finish();
    assert_eq!(cells(&batch, "lon"), ["114.17", "null"]);
    assert_eq!(cells(&batch, "mocked"), ["true", "null"]);
    assert_eq!(cells(&batch, "platform"), ["ios", "null"]);
    assert!(lists(&batch, "bssids").contains("[a4:56:30:0b:9c:ff, a4:56:30:0b:9c:00]"));
    assert!(lists(&batch, "rssi_dbm").contains("[-61, ]"));
    assert!(lists(&batch, "beacons").contains("000000000000000000000000000000fd/1/2"));
}

/// Builds one row of a table and checks some of its cells.
fn check_row<T: TableRows>(row: &T::Row<'_>, want: &[(&str, &str)]) {
    let mut builder = TableBuilder::<T>::new();
    builder.append(row);
    let batch = builder.finish();
    assert_eq!(batch.schema(), T::schema());
    for (column, cell) in want {
        let is_list = matches!(batch.column_by_name(column).unwrap().data_type(), DataType::List(_));
        if is_list {
            assert!(lists(&batch, column).contains(cell), "{}.{column}", T::NAME);
        } else {
            assert_eq!(cells(&batch, column), [*cell], "{}.{column}", T::NAME);
        }
    }
}

#[test]
fn a_decision_is_about_one_version() {
    let row = reviews::Row {
        reviewed_at: at(0),
        anomaly_id: AnomalyId([7; 16]),
        version: 3,
        number: 2,
        review: "dismissed",
        by: "hr desk",
        note: None,
    };
    let id = "07".repeat(16);
    let want = [
        ("anomaly_id", id.as_str()),
        ("version", "3"),
        ("number", "2"),
        ("review", "dismissed"),
        ("reviewer", "hr desk"),
        ("note", "null"),
    ];
    check_row::<reviews::Reviews>(&row, &want);
}

#[test]
fn deliveries_lie_in_the_month_of_their_attempt() {
    let row = alert_deliveries::Row {
        sent_at: at(24 * 9),
        destination: "ops",
        anomaly_id: "00ff",
        version: 2,
        status: "refused",
        http_status: Some(503),
        attempt: 3,
        webhook_id: "msg_1",
        outbox: "0a",
        attempt_id: 41,
    };
    let want = [
        ("sent_at", "2026-12-01T00:00:00"),
        ("anomaly_id", "00ff"),
        ("version", "2"),
        ("http_status", "503"),
        ("attempt", "3"),
        ("attempt_id", "41"),
        (MONTH_COLUMN, "2026-12"),
    ];
    check_row::<alert_deliveries::AlertDeliveries>(&row, &want);
    let row = alert_deliveries::Row { http_status: None, status: "timeout", ..row };
    check_row::<alert_deliveries::AlertDeliveries>(&row, &[("status", "timeout"), ("http_status", "null")]);
}

#[test]
fn tables_of_reference_data() {
    let reference = &reference();
    let snapshot = SnapshotRef { version: &reference.version, taken_at: at(0) };
    let frame =
        [("reference_version", "v-1"), ("taken_at", "2026-11-22T00:00:00"), (MONTH_COLUMN, "2026-11")];
    let with =
        |cells: &[(&'static str, &'static str)]| -> Vec<_> { cells.iter().chain(&frame).copied().collect() };
    let problems = ["a site stands alone".to_owned()];
    let row = snapshots::Row { taken_at: at(0), reference, problems: &problems };
    assert_eq!(row.snapshot().version, "v-1");
    check_row::<snapshots::Snapshots>(
        &row,
        &with(&[("sites", "2"), ("people", "1"), ("problems", "stands alone")]),
    );
    let row = sites::Row { snapshot, site: &reference.sites[0] };
    let want = [
        ("site_id", "hk-1"),
        ("lon", "114.17"),
        ("radius_m", "100.0"),
        ("valid_to", "null"),
        ("terminals", "t-1"),
    ];
    check_row::<sites::Sites>(&row, &with(&want));
    let row = sites::Row { snapshot, site: &reference.sites[1] };
    check_row::<sites::Sites>(&row, &with(&[("lon", "null"), ("access_points", "1")]));
    let org =
        Org { org: "hk".into(), names: [Some("Hong Kong".into()), None, None], managers: vec!["M".into()] };
    let row = orgs::Row { snapshot, org: &org };
    check_row::<orgs::Orgs>(
        &row,
        &with(&[("name_en", "Hong Kong"), ("name_zh_hant", "null"), ("managers", "[M]")]),
    );
    let row = people::Row { snapshot, person: &reference.people[0], reference };
    let want =
        [("home_site", "hk-1"), ("allowed_sites", "[hk-2]"), ("joined", "2020-01-01"), ("left", "null")];
    check_row::<people::People>(&row, &with(&want));
    let row = people_names::Row { snapshot, employee_id: "E1", name: "陳大文" };
    check_row::<people_names::PeopleNames>(&row, &with(&[("employee_id", "E1"), ("name", "陳大文")]));
}

#[test]
fn tables_of_dated_reference_rows() {
    let reference = &reference();
    let snapshot = SnapshotRef { version: &reference.version, taken_at: at(0) };
    let shift = Shift {
        shift_id: "s-1".into(),
        person: PersonIndex(0),
        site: SiteIndex(1),
        business_date: DAY,
        segment: 0,
        start: at(0),
        end: at(9),
        breaks: vec![
            Break { start: at(3), end: at(4), paid: false },
            Break { start: at(5), end: at(5).plus_min(15), paid: true },
        ],
        kind: ShiftKind::Fixed,
        plan: ShiftPlan::Planned,
        policy: PolicyIndex(0),
    };
    let row = shifts::Row { snapshot, shift: &shift, reference };
    let want =
        [("employee_id", "E1"), ("site_id", "hk-2"), ("unpaid_break_s", "3600"), ("paid_break_s", "900")];
    check_row::<shifts::Shifts>(&row, &want);
    let leave = Leave {
        leave_id: "l-1".into(),
        person: PersonIndex(0),
        from: at(0),
        until: at(4),
        leave_type: "annual".into(),
        status: RequestStatus::Approved,
        approvals: Vec::new(),
        effective_at: None,
        place: None,
        compensation: Some(Compensation::TimeOff),
    };
    let row = leave::Row { snapshot, leave: &leave, reference };
    let want = [
        ("type", "annual"),
        ("to", "2026-11-22T04:00:00"),
        ("effective_at", "null"),
        ("compensation", "time_off"),
    ];
    check_row::<leave::LeaveTable>(&row, &want);
    let correction = Correction {
        correction_id: "c-1".into(),
        person: PersonIndex(0),
        kind: CorrectionKind::Out,
        occurred_at: at(9),
        shift_id: Some("s-1".into()),
        correction_type: CorrectionType::Missing,
        status: RequestStatus::Pending,
        approvals: vec![Approval { level: Some(2), by: Some("M7".into()), at: at(10) }],
        effective_at: Some(at(10)),
    };
    let row = corrections::Row { snapshot, correction: &correction, reference };
    let want =
        [("kind", "out"), ("type", "missing"), ("shift_id", "s-1"), ("effective_at", "2026-11-22T10:00:00")];
    check_row::<corrections::Corrections>(&row, &want);
    let law = LawValue {
        applies_to: "hk".into(),
        key: "minimum_wage_hourly".into(),
        value: 42.1,
        valid_from: date(2025, 5, 1),
        source: "Cap. 608".into(),
        is_estimated: false,
    };
    let row = law_values::Row { snapshot, law: &law };
    let want = [("value", "42.1"), ("valid_from", "2025-05-01"), ("status", "official")];
    check_row::<law_values::LawValues>(&row, &want);
}
