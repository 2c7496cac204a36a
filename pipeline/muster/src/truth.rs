//! The demo held against the generator's ledger: every punch's place and site, every finding that fired.
//!
//! In: `ledger.ndjson`, answers of SQL over the lake.  Out: mismatches, told one by one.  Owns: nothing.
//! Absent on purpose: any rule of attendance: the ledger says what is true, the lake what was decided, and this compares.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use query::Session;
use schemas::lines::LedgerLine;

use crate::failure::Failure;

/// Kinds whose findings have no punch of their own, however many punches they cite.
const WITHOUT_PUNCH: [&str; 5] = ["reminder", "no_show", "absent", "missing_in", "missing_out"];

/// (employee, event): a punch.
type Punch = (String, String);

/// What the lake says of one punch.
#[derive(Default)]
struct Decided {
    place: String,
    site_id: Option<String>,
    candidates: Vec<String>,
    anomalies: BTreeSet<String>,
}

/// Compares the ledger with the lake; gives every disagreement as a sentence.
///
/// # Errors
/// A ledger that cannot be read, or a lake that cannot be asked.
pub async fn mismatches(ledger: &Path, session: &Session) -> Result<Vec<String>, Box<Failure>> {
    let mut decided = punches(session).await?;
    let mut findings = findings(session, &mut decided).await?;
    let mut mismatches = Vec::new();
    let file = File::open(ledger).map_err(Failure::from_outside)?;
    for line in BufReader::new(file).lines() {
        let line = line.map_err(Failure::from_outside)?;
        let line: LedgerLine = serde_json::from_str(&line).map_err(Failure::from_outside)?;
        match &line.event_id {
            Some(event_id) => {
                let punch = (line.employee_id.clone(), event_id.clone());
                compare(&line, &punch, decided.remove(&punch), &mut mismatches);
            }
            None => {
                for kind in &line.anomalies {
                    let key = (line.employee_id.clone(), kind.clone(), line.shift_id.clone());
                    if !findings.remove(&key) {
                        mismatches.push(format!("{key:?}: true, and not found"));
                    }
                }
            }
        }
    }
    mismatches
        .extend(decided.keys().map(|punch| format!("{punch:?}: a punch that the ledger does not know")));
    mismatches.extend(findings.iter().map(|finding| format!("{finding:?}: found, and not true")));
    Ok(mismatches)
}

fn compare(line: &LedgerLine, punch: &Punch, decided: Option<Decided>, mismatches: &mut Vec<String>) {
    let Some(decided) = decided else {
        mismatches.push(format!("{punch:?}: not in the lake"));
        return;
    };
    if line.place.as_deref() != Some(&decided.place)
        || line.site_id != decided.site_id
        || line.candidates != decided.candidates
    {
        mismatches.push(format!(
            "{punch:?}: decided {} {:?} {:?}, true is {:?} {:?} {:?}",
            decided.place, decided.site_id, decided.candidates, line.place, line.site_id, line.candidates
        ));
    }
    let due: BTreeSet<String> = line.anomalies.iter().cloned().collect();
    if due != decided.anomalies {
        mismatches.push(format!("{punch:?}: anomalies {:?}, true are {due:?}", decided.anomalies));
    }
}

async fn punches(session: &Session) -> Result<BTreeMap<Punch, Decided>, Box<Failure>> {
    let mut decided = BTreeMap::new();
    for batch in ask(session, "SELECT employee_id, event_id, place, site_id, candidates FROM punches").await?
    {
        let columns = text_columns(&batch, 4)?;
        for row in 0..batch.num_rows() {
            let text = |column: usize| columns[column].get(row);
            let punch = (text(0).unwrap_or_default(), text(1).unwrap_or_default());
            let decision = Decided {
                place: text(2).unwrap_or_default(),
                site_id: text(3),
                candidates: list(batch.column(4), row)?,
                anomalies: BTreeSet::new(),
            };
            decided.insert(punch, decision);
        }
    }
    Ok(decided)
}

/// Findings without a punch; those with punches are put beside their punches.
async fn findings(
    session: &Session,
    decided: &mut BTreeMap<Punch, Decided>,
) -> Result<BTreeSet<(String, String, Option<String>)>, Box<Failure>> {
    let mut without = BTreeSet::new();
    // The ledger has no line for a record that was rejected.
    let statement = "SELECT employee_id, kind, shift_id, event_ids FROM anomalies WHERE state = 'firing' AND kind <> 'punch_rejected'";
    for batch in ask(session, statement).await? {
        let columns = text_columns(&batch, 3)?;
        for row in 0..batch.num_rows() {
            let employee_id = columns[0].get(row).unwrap_or_default();
            let kind = columns[1].get(row).unwrap_or_default();
            if WITHOUT_PUNCH.contains(&kind.as_str()) {
                without.insert((employee_id, kind, columns[2].get(row)));
                continue;
            }
            for event_id in list(batch.column(3), row)? {
                if let Some(punch) = decided.get_mut(&(employee_id.clone(), event_id)) {
                    punch.anomalies.insert(kind.clone());
                }
            }
        }
    }
    Ok(without)
}

async fn ask(session: &Session, statement: &str) -> Result<Vec<RecordBatch>, Box<Failure>> {
    let answer =
        session.sql(statement).await.map_err(|error| Failure::from_outside(error.explain(statement)))?;
    Ok(answer.batches)
}

/// A column of text, whatever way the engine lays text out.
struct TextColumn(ArrayRef);

impl TextColumn {
    fn get(&self, row: usize) -> Option<String> {
        self.0.is_valid(row).then(|| self.0.as_string::<i32>().value(row).to_owned())
    }
}

fn text_columns(batch: &RecordBatch, columns: usize) -> Result<Vec<TextColumn>, Box<Failure>> {
    let text =
        |column: &ArrayRef| arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).map(TextColumn);
    let read: Result<_, _> = batch.columns()[..columns].iter().map(text).collect();
    read.map_err(|error| Box::new(Failure::from_outside(error)))
}

fn list(column: &ArrayRef, row: usize) -> Result<Vec<String>, Box<Failure>> {
    let values = column.as_list::<i32>().value(row);
    let values =
        arrow::compute::cast(&values, &arrow::datatypes::DataType::Utf8).map_err(Failure::from_outside)?;
    Ok(values.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
}
