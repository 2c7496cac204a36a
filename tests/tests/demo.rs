//! `muster demo` on a small chain: what the pipeline decides of a generated week is what the generator knows to be true.
//!
//! In: nothing.  Out: no disagreement between the ledger and the lake, reminders included.

use schemas::lines::Summary;
use tests::program::Program;

#[test]
fn what_is_decided_of_a_generated_week_is_true() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("demo");
    let args = ["demo", "--once", "--json", "--stores", "8", "--employees", "120", "--dir"];
    let ran = Program::new().args(args).arg(&dir).in_folder(folder.path()).run();
    assert_eq!(ran.code, Some(0), "{}", ran.told());
    let last = ran.stdout.lines().last().expect("a summary");
    let summary: Summary = serde_json::from_str(last).expect("the summary is JSON");
    assert_eq!(summary.truth_mismatches, Some(0), "{}", ran.told());
    assert!(summary.accepted > 500, "{}", ran.told());
    let ledger = std::fs::read_to_string(dir.join("ledger.ndjson")).expect("the ledger");
    for kind in ["\"reminder\"", "\"no_show\"", "\"late\""] {
        assert!(ledger.contains(kind), "no {kind} in the ledger");
    }
}
