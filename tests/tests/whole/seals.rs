//! A month that is sealed: whatever is learned of it later, its statistics stay as they were to the last digit, and the ledger
//! tells each later fact once, however often the processor is killed on the way.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::EventTime;
use model::position::partition_of;
use serde_json::{Value, json};
use source::embedded::Options;
use source::{Append, EmbeddedLog, NewRecord};
use tests::lake_reader::LakeReader;
use tests::oracles::check_versions;
use tests::program::{Program, Ran};
use tests::running::Running;

const PARTITIONS: u32 = 3;
const OCTOBER: &str = "2026-10";
const LIMIT: Duration = Duration::from_secs(90);

/// Somebody whose key falls on `partition`.
pub(super) fn person(partition: u32) -> String {
    let own = |name: &String| partition_of(name.as_bytes(), PARTITIONS).number() == partition;
    (0..).map(|n| format!("p{n}")).find(own).unwrap()
}

fn muster(folder: &Path, args: &[&str]) -> Ran {
    Program::new().args(args).in_folder(folder).run()
}

const RUN: [&str; 6] = ["run", "-c", "muster.toml", "--json", "--until", "2026-11-10T00:00:00Z"];

pub(super) fn run(folder: &Path) {
    let ran = muster(folder, &RUN);
    assert_eq!(ran.code, Some(0), "{}", ran.told());
}

pub(super) fn rows(folder: &Path, statement: &str) -> Vec<String> {
    let ran = muster(folder, &["sql", "--lake", "lake", "--format", "csv", statement]);
    assert_eq!(ran.code, Some(0), "{}", ran.told());
    ran.stdout.lines().skip(1).map(|row| row.replace("\"\"", "")).collect()
}

/// Every statistic of October, to the last digit.
fn october(folder: &Path) -> Vec<Vec<String>> {
    ["monthly_statistics", "monthly_statistics_by_site", "monthly_statistics_by_org", "attendance_days"]
        .map(|view| {
            let month = if view == "attendance_days" {
                "substr(CAST(business_date AS VARCHAR), 1, 7)"
            } else {
                "month"
            };
            let mut rows = rows(folder, &format!("SELECT * FROM {view} WHERE {month} = '{OCTOBER}'"));
            rows.sort();
            assert!(!rows.is_empty(), "{view}");
            rows
        })
        .into()
}

const LEDGER: &str = "SELECT shift_id, employee_id, month, coalesce(status_before, 'nothing') AS before, status, \
                      sum(due_min) AS due_min, sum(worked_s) AS worked_s, sum(leave_min) AS leave_min, \
                      sum(absent) AS absent, sum(missing_out) AS missing_out, array_to_string(reasons, ' ') AS why \
                      FROM shift_adjustments GROUP BY shift_id, employee_id, month, status_before, status, reasons \
                      ORDER BY shift_id, employee_id";

/// What October and what came later add up to, by person.
const SUMS: &str = "SELECT employee_id, sum(due_min), sum(worked_s), sum(late_min), sum(leave_min), sum(missing_out) FROM ( \
                    SELECT employee_id, due_min, worked_s, late_min, leave_min, missing_out FROM monthly_statistics \
                    WHERE month = '2026-10' UNION ALL \
                    SELECT employee_id, due_min, worked_s, late_min, leave_min, missing_out FROM monthly_adjustments) \
                    GROUP BY employee_id ORDER BY employee_id";

const CALENDAR: &str = "[[calendar]]\napplies_to = \"hk\"\n";

type Planned<'a> = (&'a str, &'a str, &'a str);

fn write_shifts(folder: &Path, shifts: &[Planned<'_>]) {
    let row = |(shift_id, employee_id, business_date): &Planned<'_>| {
        let row = json!({"shift_id": shift_id, "employee_id": employee_id, "site_id": "s1",
            "business_date": business_date, "start": "09:00", "end": "18:00"});
        format!("{row}\n")
    };
    std::fs::write(folder.join("shifts.ndjson"), shifts.iter().map(row).collect::<String>()).unwrap();
}

pub(super) fn append(folder: &Path, punches: &[(&str, &str, &str, &str)]) {
    let options = Options { partitions: PARTITIONS, ..Options::default() };
    let log = EmbeddedLog::open(&folder.join("log"), options, Arc::new(|| EventTime::from_ms(0))).unwrap();
    log.create_topic("punches", PARTITIONS).unwrap();
    for (employee_id, kind, at, origin) in punches {
        let value = json!({"event_id": format!("{kind}-{at}"), "employee_id": employee_id, "kind": kind,
            "origin": origin, "occurred_at": at,
            "location": {"lon": 114.17, "lat": 22.3, "accuracy_m": 10}});
        let value = value.to_string();
        let (key, value) = (Some(employee_id.as_bytes()), Some(value.as_bytes()));
        log.appender().append("punches", &[NewRecord { key, value, ..NewRecord::default() }]).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, to) = (entry.as_ref().unwrap().path(), to.join(entry.as_ref().unwrap().file_name()));
        if entry.is_dir() {
            copy(&entry, &to);
        } else {
            std::fs::copy(&entry, &to).unwrap();
        }
    }
}

pub(super) struct People {
    pub(super) anna: String,
    pub(super) bert: String,
    pub(super) carl: String,
}

/// October as it was lived, up to the first of November.
pub(super) fn write_october(folder: &Path, People { anna, bert, carl }: &People) {
    let site = json!({"type": "FeatureCollection", "features": [{"type": "Feature",
        "geometry": {"type": "Point", "coordinates": [114.17, 22.3]},
        "properties": {"site_id": "s1", "name": "store", "org": "hk/a", "time_zone": "UTC", "radius_m": 100}}]});
    std::fs::write(folder.join("sites.geojson"), site.to_string()).unwrap();
    let people = [anna, bert, carl]
        .map(|id| format!("{}\n", json!({"employee_id": id, "org": "hk/a", "home_site": "s1"})));
    std::fs::write(folder.join("people.ndjson"), people.concat()).unwrap();
    for (name, text) in [("leave.ndjson", ""), ("corrections.ndjson", ""), ("calendar.toml", CALENDAR)] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let more = "leave = \"leave.ndjson\"\ncorrections = \"corrections.ndjson\"\ncalendars = \"calendar.toml\"\n\n\
                [source]\ndir = \"log\"\nclock = \"record\"\npartitions = 3\n";
    super::config(folder, more);
    write_shifts(folder, &before(&[anna, bert, carl]));
    append(
        folder,
        &[
            (anna, "auto", "2026-10-27T12:00:00Z", "phone"),
            (bert, "auto", "2026-10-27T12:00:00Z", "phone"),
            (carl, "auto", "2026-10-27T12:00:00Z", "phone"),
            (carl, "in", "2026-10-28T09:20:00Z", "phone"),
            (bert, "in", "2026-10-29T08:58:00Z", "field"),
            (bert, "out", "2026-10-29T18:01:00Z", "phone"),
            (anna, "auto", "2026-11-01T13:00:00Z", "phone"),
            (bert, "auto", "2026-11-01T13:00:00Z", "phone"),
            (carl, "auto", "2026-11-01T13:00:00Z", "phone"),
        ],
    );
}

fn before<'a>([anna, bert, carl]: &[&'a String; 3]) -> [Planned<'a>; 6] {
    [
        ("calendar", bert, "2026-10-29"),
        ("correction", carl, "2026-10-28"),
        ("leave", bert, "2026-10-28"),
        ("moved", carl, "2026-10-30"),
        ("punches", anna, "2026-10-28"),
        ("swapped", anna, "2026-10-30"),
    ]
}

/// What is learned of October in November: punches of a phone that was offline, an approved leave and correction, a holiday, a
/// shift that was moved to November, one that was swapped.
fn learn_more(folder: &Path, People { anna, bert, carl }: &People) {
    append(
        folder,
        &[
            (anna, "in", "2026-10-28T08:55:00Z", "field"),
            (anna, "out", "2026-10-28T18:05:00Z", "field"),
            (anna, "in", "2026-10-29T10:00:00Z", "field"),
        ],
    );
    let approvals = |by: &str| json!([{"level": 1, "by": by, "at": "2026-11-01T12:30:00Z"}]);
    let leave = json!({"leave_id": "l1", "employee_id": bert, "from": "2026-10-28T00:00:00Z",
        "to": "2026-10-29T00:00:00Z", "type": "sick", "status": "approved", "approvals": approvals("M1")});
    std::fs::write(folder.join("leave.ndjson"), format!("{leave}\n")).unwrap();
    let correction = json!({"correction_id": "c1", "employee_id": carl, "kind": "out",
        "occurred_at": "2026-10-28T18:00:00Z", "type": "missing", "status": "approved", "approvals": approvals("M2")});
    std::fs::write(folder.join("corrections.ndjson"), format!("{correction}\n")).unwrap();
    let calendar = format!("{CALENDAR}\n[[calendar.days]]\ndate = 2026-10-29\nkind = \"holiday\"\n");
    std::fs::write(folder.join("calendar.toml"), calendar).unwrap();
    let mut shifts = before(&[anna, bert, carl]);
    (shifts[3].2, shifts[5].1) = ("2026-11-05", carl);
    write_shifts(folder, &shifts);
}

/// Runs it and kills it as soon as the next commit of `table` is in, then runs it to its end.
fn run_with_kills(folder: &Path, tables: &[&str]) {
    let lake = folder.join("lake");
    let mut kills = 0;
    for table in tables {
        let claimed = super::head(&lake, table) + 1;
        let mut child = Program::new().args(RUN).in_folder(folder).spawn();
        let begun = Instant::now();
        while super::head(&lake, table) <= claimed && child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "no commit of {table}");
            std::thread::yield_now();
        }
        kills += usize::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
    }
    assert!(kills > 0, "every run came to its end");
    run(folder);
}

#[test]
fn a_sealed_month_stays_and_the_ledger_tells_each_later_fact_once() {
    let scratch = tempfile::tempdir().unwrap();
    let [folder, open, killed] = ["sealed", "open", "killed"].map(|name| scratch.path().join(name));
    std::fs::create_dir(&folder).unwrap();
    let people = People { anna: person(0), bert: person(1), carl: person(2) };
    let People { anna, bert, carl } = &people;
    write_october(&folder, &people);
    run(&folder);
    let sealed = october(&folder);
    copy(&folder, &open);

    let early = muster(&folder, &["seal", "2026-11", "-c", "muster.toml"]);
    assert_eq!(early.code, Some(2), "{}", early.told());
    assert!(early.stderr.contains("the log has come to 2026-11-01T13:00:00Z only"), "{}", early.told());
    let seal = |more: &[&str]| {
        let ran = muster(&folder, &[&["seal", OCTOBER, "-c", "muster.toml", "--json"], more].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.told());
        serde_json::from_str::<Value>(ran.last_line()).unwrap()
    };
    let first = seal(&["--by", "payroll"]);
    assert_eq!((&first["is_new"], &first["unresolved"]), (&json!(true), &json!(0)), "{first}");
    let again = seal(&["--by", "somebody else"]);
    assert_eq!((&again["is_new"], &again["sealed_by"]), (&json!(false), &json!("payroll")), "{again}");
    let part = muster(&folder, &["seal", OCTOBER, "--org", "hk/a", "-c", "muster.toml"]);
    assert_eq!(part.code, Some(2), "{}", part.told());
    assert_eq!(october(&folder), sealed);

    learn_more(&folder, &people);
    learn_more(&open, &people);
    copy(&folder, &killed);
    run(&folder);
    assert_eq!(october(&folder), sealed, "not a digit of October changes");
    let mut ledger = [
        format!("calendar,{bert},2026-10,present,present,0,0,0,0,0,"),
        format!("correction,{carl},2026-10,late,late,0,31200,0,0,-1,"),
        format!("leave,{bert},2026-10,absent,leave,-540,0,540,-1,-1,"),
        format!("moved,{carl},2026-10,absent,cancelled,-540,0,0,-1,-1,rescheduled"),
        format!("punches,{anna},2026-10,absent,present,0,33000,0,-1,-1,"),
        format!("swapped,{anna},2026-10,absent,cancelled,-540,0,0,-1,-1,reassigned"),
        format!("swapped,{carl},2026-10,nothing,absent,540,0,0,1,1,"),
    ];
    ledger.sort();
    assert_eq!(rows(&folder, LEDGER), ledger);
    let approved = "SELECT shift_id, array_to_string(approvals, ' ') FROM shift_adjustments WHERE cardinality(approvals) > 0 \
                    ORDER BY shift_id";
    let approved = rows(&folder, approved).join("\n");
    assert!(approved.contains("M1") && approved.contains("M2") && approved.contains("l1"), "{approved}");
    let november =
        "SELECT shift_id, employee_id, status FROM latest_shift_results WHERE business_month = '2026-11'";
    assert_eq!(rows(&folder, november), [format!("moved,{carl},absent")]);

    // Without a seal the same facts are in the statistics themselves: month and ledger add up to these.
    run(&open);
    assert_eq!(rows(&open, LEDGER), Vec::<String>::new());
    assert_ne!(october(&open), sealed);
    assert_eq!(rows(&folder, SUMS), rows(&open, SUMS));

    // Who starts again says nothing twice, and who is killed between two tables ends the same.
    let versions = |folder: &Path| {
        let lake = LakeReader::open(&folder.join("lake"));
        ["shift_results", "adjustments"].map(|table| lake.versions(table, "shift_id || '/' || employee_id"))
    };
    let said = versions(&folder);
    run(&folder);
    assert_eq!(versions(&folder), said);
    run_with_kills(&killed, &["punches", "shift_results", "adjustments", "punches"]);
    assert_eq!(october(&killed), sealed);
    assert_eq!(rows(&killed, LEDGER), ledger);
    let [mut all, later] = versions(&killed);
    for (key, versions) in later {
        all.entry(key).or_default().extend(versions);
    }
    check_versions(&all, "shift_results and adjustments");
}

/// Nobody has to stop the processor: it loses its partitions, claims them again, and knows the seal.
#[test]
fn a_month_is_sealed_while_the_processor_runs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let people = People { anna: person(0), bert: person(1), carl: person(2) };
    write_october(folder, &people);
    run(folder);
    let sealed = october(folder);
    let mut running = Running::start(folder, "run", &["run", "-c", "muster.toml"]);
    running.await_said("records read", LIMIT);
    let seal = muster(folder, &["seal", OCTOBER, "-c", "muster.toml", "--org", "hk"]);
    assert_eq!(seal.code, Some(0), "{}", seal.told());

    let People { anna, bert, carl } = &people;
    let mut shifts = before(&[anna, bert, carl]);
    (shifts[3].2, shifts[5].1) = ("2026-11-05", carl);
    write_shifts(folder, &shifts);
    let begun = Instant::now();
    while rows(folder, LEDGER).len() < 3 {
        assert!(running.is_alive() && begun.elapsed() < LIMIT, "{}", running.log());
    }
    assert_eq!(october(folder), sealed);
    running.terminate();
    assert_eq!(running.await_end(LIMIT), Some(0), "{}", running.log());
    assert_eq!(october(folder), sealed);
}
