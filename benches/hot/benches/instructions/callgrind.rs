//! Counts the instructions of one stage: this program once more, under `valgrind --tool=callgrind`.
//!
//! In: a stage's name.  Out: instructions a record.  Owns: callgrind's file, in a temporary folder.

use std::path::Path;
use std::process::Command;

/// The function that callgrind counts in, as its patterns have it, however the compiler spells names.
pub(crate) const COUNTED: &str = "*counted_pass*";

/// Instructions a record that the stage takes, rounded.
///
/// # Errors
/// That valgrind is missing or failed, in words.
pub(crate) fn instructions_a_record(stage: &str) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| format!("find this program: {error}"))?;
    let folder = tempfile::tempdir().map_err(|error| format!("make a temporary folder: {error}"))?;
    let file = folder.path().join("out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", &format!("--toggle-collect={COUNTED}")])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args(["--bench", "--stage", stage])
        .output()
        .map_err(|error| {
            format!("NOT RUN: start valgrind: {error}; install it (Debian: apt-get install valgrind)")
        })?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("stage {stage} under valgrind: {}: {said}", output.status));
    }
    let records: Option<u64> = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    let (instructions, records) = (total(&file)?, records.unwrap_or(0));
    if instructions == 0 || records == 0 {
        return Err(format!(
            "stage {stage}: {instructions} instructions of {records} records were counted: {said}"
        ));
    }
    Ok((instructions + records / 2) / records)
}

/// The sum that callgrind's file ends with.
fn total(file: &Path) -> Result<u64, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("read callgrind's file: {error}"))?;
    let sum = text.lines().rev().find_map(|line| line.strip_prefix("totals: "));
    let sum = sum.and_then(|sum| sum.trim().parse().ok());
    sum.ok_or_else(|| "callgrind's file has no line `totals: `".to_owned())
}
