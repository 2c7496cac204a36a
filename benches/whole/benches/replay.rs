//! Question: what does a whole run cost: how many punches a second does `muster replay` take from a file into the lake on
//! this machine, at how much processor time, memory and lake, and how soon is it back after kill -9?
//!
//! Over a generated week of a chain, seed 7, with everything that goes wrong in one: about 1,000,000 punches of 83,000
//! people in 8,300 stores (`MUSTER_BENCH_PUNCHES` asks for another size; about 2,000 when run tiny). Each run is a process
//! of its own. Three runs:
//!
//! 1. The file is replayed into an empty lake: punches/s (reading and checking the reference data included, and apart from
//!    it), processor time, peak memory, bytes of the lake's active files.
//! 2. It is replayed into another lake with frequent commits, and killed once half of the rows are committed.
//! 3. It is started again. Restart time is from the start of that process to its first new rows in the lake: reference
//!    data, indexes, claim, folding, judging again, the first batches, the commit. Left to finish, it must hold as many
//!    rows as the lake that nobody disturbed.
//!
//! Prints one line of JSON.

#![allow(clippy::print_stdout, reason = "a benchmark's answer is what it prints")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use whole::child::{Running, Task, run_if_asked};
use whole::{Chain, Growth, Run, Tables, is_tiny};

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often the lake is looked at while a run is under way.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How often a kill is tried that came too late: the run had ended.
const KILLS_MAX: u32 = 5;

fn main() -> ExitCode {
    if let Some(code) = run_if_asked() {
        return code;
    }
    let punches = if is_tiny() { 2_000 } else { 1_000_000 };
    let asked = std::env::var("MUSTER_BENCH_PUNCHES").ok();
    let punches = asked.map_or(punches, |text| text.parse().expect("MUSTER_BENCH_PUNCHES is a number"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let chain = Chain::write(folder.path(), punches);
    eprintln!("replay: {} records of {} people in {} stores", chain.records, chain.people, chain.stores);
    let reference_s = chain.load_reference().as_secs_f64();

    let lake = folder.path().join("lake");
    let run = Run::whole(Task::Replay { config: &chain.config, punches: &chain.punches, lake: &lake });
    let tables = Tables::of(&lake);
    let stored = tables.table("punches").expect("a table of punches");
    assert_eq!(stored.rows as f64, run.number("accepted"), "what was accepted is in the lake");
    assert_eq!(chain.records as f64, run.number("punches"), "every record is accounted for");
    let again = restart(&chain, folder.path(), stored.rows);

    let (records, wall_s) = (chain.records as f64, run.wall.as_secs_f64());
    let figures = json!({
        "records": chain.records,
        "stores": chain.stores,
        "people": chain.people,
        "result_hash": hash(&run.summary),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "replay_s": round(wall_s),
        "reference_load_s": round(reference_s),
        "replay_punches_per_s": (records / wall_s).round(),
        "replay_punches_per_s_without_load": (records / (wall_s - reference_s).max(1e-3)).round(),
        "cpu_s_per_million_punches": round(run.number("cpu_s") / records * 1e6),
        "peak_rss_mib": (run.number("peak_rss_bytes") / f64::from(1 << 20)).round(),
        "lake_bytes_per_punch": round(stored.bytes as f64 / stored.rows.max(1) as f64),
        "lake_bytes_per_punch_all_tables": round(tables.bytes() as f64 / stored.rows.max(1) as f64),
        "lake_files_of_punches": stored.files,
        "restart": again,
    });
    println!("{figures}");
    ExitCode::SUCCESS
}

/// Kills a replay half way, starts it again and waits for its first answer; `expected` rows must be there in the end.
fn restart(chain: &Chain, folder: &Path, expected: u64) -> Value {
    for attempt in 0..KILLS_MAX {
        let lake = folder.join(format!("killed-{attempt}"));
        let mut growth = Growth::of(&lake);
        let task = Task::Replay { config: &chain.config_often, punches: &chain.punches, lake: &lake };
        let mut victim = Running::start(task);
        let in_time = loop {
            if growth.rows() >= expected / 2 {
                break victim.ended().is_none();
            }
            if victim.ended().is_some() {
                break false;
            }
            std::thread::sleep(LOOK_EVERY);
        };
        victim.kill();
        let before = growth.rows();
        if !in_time || before >= expected {
            continue;
        }
        let mut back = Running::start(task);
        let first = loop {
            if growth.rows() > before {
                break back.begun.elapsed();
            }
            assert!(back.ended().is_none(), "the second run ended without a new row");
            std::thread::sleep(LOOK_EVERY);
        };
        while back.ended().is_none() {
            std::thread::sleep(LOOK_EVERY);
        }
        assert_eq!(back.ended(), Some(true), "the second run succeeds");
        assert_eq!(growth.rows(), expected, "killed and started again, the lake holds every punch once");
        return json!({ "rows_before": before, "first_rows_after_s": round(first.as_secs_f64()) });
    }
    Value::Null
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// FNV-1a over the summary without the lake's place.
fn hash(summary: &Value) -> String {
    let mut summary = summary.clone();
    if let Some(summary) = summary.as_object_mut() {
        summary.remove("lake");
    }
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", summary.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, step))
}
