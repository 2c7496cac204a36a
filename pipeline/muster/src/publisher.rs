//! Every version of a shift's result, from the lake to a topic for other systems.
//!
//! ```text
//!   lake: entry by entry of shift_results ──▶ topic: a record a version, durable ──▶ position: the entry is done
//!                                             kill here: the entry's records are published once more
//! ```
//!
//! In: what was appended to `shift_results`.  Out: its rows as JSON, under their person's id.  Owns: the position, in a file.
//! Absent on purpose: any hurry, and any say in the pipeline: a topic that cannot be written is told, and tried again.
//! Invariants: an entry is passed only behind its durable records, in the order of the lake's entries: of one shift and
//! person a later version never comes before an earlier one; kept by [`Publisher::step`].

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::json::LineDelimitedWriter;
use lake::Lake;
use schemas::tables::shift_results::NAME;
use serde::{Deserialize, Serialize};
use source::{Append, NewRecord};
use tokio::runtime::Handle;

use crate::failure::Failure;
use crate::files;
use crate::stepper::Stepper;

/// The header that names a record: shift, person and version, separated by `/`.
const ID_HEADER: &str = "id";

/// Records appended at once.
const RECORDS_MAX: usize = 1_000;

/// How far results have been published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    topic: String,
    /// The last version of the table `shift_results` that is wholly published; none before the first.
    published: Option<u64>,
}

/// Publishes the results of one lake.
pub struct Publisher {
    topic: String,
    path: PathBuf,
    position: Option<u64>,
    lake: Lake,
    appender: Box<dyn Append>,
    runtime: Handle,
}

impl Publisher {
    /// Goes on where the file at `path` says; where there is none, behind what the lake holds now.
    ///
    /// # Errors
    /// A position that cannot be read, or is another topic's; what the lake says.
    pub fn open(
        topic: &str,
        path: &Path,
        (lake, appender, runtime): (Lake, Box<dyn Append>, Handle),
    ) -> Result<Self, Box<Failure>> {
        let known = read_position(path)?;
        if let Some(Position { topic: other, .. }) = known.as_ref().filter(|known| known.topic != topic) {
            let what = format!("{} is how far results were published to the topic {other}", path.display());
            let remedy = "name that topic in [results], or another file in [results] position";
            return Err(Box::new(Failure::usage(what, remedy)));
        }
        let position = match &known {
            Some(known) => known.published,
            None => runtime.block_on(lake.version(NAME)).map_err(Failure::from_outside)?,
        };
        let mut publisher =
            Self { topic: topic.to_owned(), path: path.to_owned(), position, lake, appender, runtime };
        if known.is_none() {
            publisher.keep_position()?;
        }
        Ok(publisher)
    }

    /// Publishes everything there is; gives how many records that were.
    ///
    /// # Errors
    /// What the lake, the log or the disk says: the next step goes on where this one stood.
    pub fn step(&mut self) -> Result<u64, Box<Failure>> {
        let mut records = 0;
        loop {
            let appended = self.runtime.block_on(self.lake.appended(NAME, self.position));
            let Some(appended) = appended.map_err(Failure::from_outside)? else { return Ok(records) };
            for rows in &appended.rows {
                records += self.publish(rows)?;
            }
            self.position = Some(appended.version);
            self.keep_position()?;
        }
    }

    fn publish(&mut self, rows: &RecordBatch) -> Result<u64, Box<Failure>> {
        let mut lines = Vec::new();
        let mut writer = LineDelimitedWriter::new(&mut lines);
        writer.write(rows).and_then(|()| writer.finish()).map_err(Failure::from_outside)?;
        let column = |name: &str| {
            rows.column_by_name(name)
                .ok_or_else(|| Box::new(Failure::from_outside(format!("table {NAME} has no column {name}"))))
        };
        let (shifts, people) = (column("shift_id")?, column("employee_id")?);
        let versions = column("version")?;
        let (shifts, people) = (shifts.as_string::<i32>(), people.as_string::<i32>());
        let versions = versions.as_primitive::<arrow::datatypes::Int64Type>();
        let ids: Vec<String> = (0..rows.num_rows())
            .map(|row| format!("{}/{}/{}", shifts.value(row), people.value(row), versions.value(row)))
            .collect();
        let headers: Vec<_> = ids.iter().map(|id| [(ID_HEADER, Some(id.as_bytes()))]).collect();
        let values = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let records: Vec<NewRecord<'_>> = values
            .zip(&headers)
            .enumerate()
            .map(|(row, (value, headers))| NewRecord {
                key: Some(people.value(row).as_bytes()),
                value: Some(value),
                headers,
                partition: None,
            })
            .collect();
        debug_assert_eq!(records.len(), people.len(), "a line a row");
        for records in records.chunks(RECORDS_MAX) {
            self.appender.append(&self.topic, records).map_err(files::failure)?;
        }
        Ok(records.len() as u64)
    }

    fn keep_position(&mut self) -> Result<(), Box<Failure>> {
        let position = Position { topic: self.topic.clone(), published: self.position };
        let text = serde_json::to_string(&position).map_err(Failure::from_outside)?;
        let beside = self.path.with_extension("new");
        let write = || {
            let mut file = fs::File::create(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &self.path)
        };
        write().map_err(|error| {
            Box::new(Failure::from_outside(format!("write {}: {error}", self.path.display())))
        })
    }

    /// Publishes what there is every so often, on a thread of its own.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn spawn(mut self, every: Duration) -> std::io::Result<Stepper> {
        let waiting = "results wait in the lake to be published";
        Stepper::spawn("results", waiting, every, move || self.step())
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { topic, path, position, .. } = self;
        f.debug_tuple("Publisher").field(&(topic, path, position)).finish()
    }
}

/// Whether the lake holds results that the file at `path` says are not published yet; not if nothing was ever published.
///
/// # Errors
/// A position that cannot be read; what the lake says.
pub async fn waits(path: &Path, lake: &Lake) -> Result<bool, Box<Failure>> {
    let Some(Position { published: mut position, .. }) = read_position(path)? else { return Ok(false) };
    loop {
        match lake.appended(NAME, position).await.map_err(Failure::from_outside)? {
            None => return Ok(false),
            Some(appended) if appended.rows.iter().any(|rows| rows.num_rows() > 0) => return Ok(true),
            Some(appended) => position = Some(appended.version),
        }
    }
}

fn read_position(path: &Path) -> Result<Option<Position>, Box<Failure>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Box::new(Failure::from_outside(format!("read {}: {error}", path.display()))));
        }
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let what = format!("{} says not how far results were published: {error}", path.display());
        Box::new(Failure::usage(
            what,
            "remove it: publishing then goes on with results that come from now on",
        ))
    })
}
