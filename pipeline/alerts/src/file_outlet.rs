//! Alerts as lines of `<lake>/alerts.ndjson`, for replays: no log, no deliverer, one writer.
//!
//! In: bodies.  Out: appended lines.  Owns: the open file, cut to whole lines.
//! Absent on purpose: fsync a batch (a replay is repeatable; the file outlives the process, not the machine's power).
//! Invariants: the file holds whole lines only once it was opened, kept by `open`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use model::Partition;
use model::position::Generation;
use schemas::lines::AlertBody;

use crate::compose::read_back;
use crate::outlet::{Error, Outlet, SaidAlert};

/// The file of alerts in a lake filled by replays.
#[derive(Debug)]
pub struct FileOutlet {
    path: PathBuf,
    file: File,
}

impl FileOutlet {
    /// Opens or makes the file at `path` and cuts a last line that a killed process left unfinished.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let fail = |source| Error::File { path: path.display().to_string(), source };
        let open = || -> std::io::Result<File> {
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            let whole = whole_lines(&file)?;
            file.set_len(whole)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        Ok(Self { path: path.to_owned(), file: open().map_err(fail)? })
    }

    fn fail(&self, source: std::io::Error) -> Error {
        Error::File { path: self.path.display().to_string(), source }
    }
}

impl Outlet for FileOutlet {
    fn fold(&mut self, partitions: &[Partition]) -> Result<BTreeMap<Partition, Vec<SaidAlert>>, Error> {
        let reader = BufReader::new(File::open(&self.path).map_err(|error| self.fail(error))?);
        let mut said: BTreeMap<Partition, Vec<SaidAlert>> =
            partitions.iter().map(|partition| (*partition, Vec::new())).collect();
        for (number, line) in reader.lines().enumerate() {
            let line = line.map_err(|error| self.fail(error))?;
            let place = || format!("{}:{}", self.path.display(), number + 1);
            let body: AlertBody = serde_json::from_str(&line)
                .map_err(|error| Error::Foreign { place: place(), what: error.to_string() })?;
            let alert = read_back(&body).ok_or_else(|| Error::Foreign {
                place: place(),
                what: "an unknown kind, state or id".into(),
            })?;
            if let Some(said) = said.get_mut(&alert.1.cause.partition) {
                said.push(alert);
            }
        }
        Ok(said)
    }

    fn own(&mut self, _owners: &[(Partition, Generation)]) -> Result<(), Error> {
        Ok(())
    }

    fn publish(&mut self, alerts: &[(Partition, &[AlertBody])]) -> Result<(), Error> {
        let mut lines = Vec::new();
        for body in alerts.iter().flat_map(|(_, bodies)| *bodies) {
            serde_json::to_writer(&mut lines, body).map_err(|error| self.fail(error.into()))?;
            lines.push(b'\n');
        }
        let before = self.file.stream_position().map_err(|error| self.fail(error))?;
        let written = self.file.write_all(&lines);
        if let Err(error) = written {
            // Half a batch must not stay: its second attempt would repeat it.
            let _ = self.file.set_len(before).and_then(|()| self.file.seek(SeekFrom::Start(before)));
            return Err(self.fail(error));
        }
        Ok(())
    }
}

/// The length of the file up to its last line feed.
fn whole_lines(file: &File) -> std::io::Result<u64> {
    let mut reader = BufReader::new(file);
    let (mut whole, mut line) = (0, Vec::new());
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line)? {
            0 => return Ok(whole),
            n if line.ends_with(b"\n") => whole += n as u64,
            _ => return Ok(whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::tests::anomaly;

    fn bodies(versions: &[i64]) -> Vec<AlertBody> {
        let body = |version| {
            let anomaly = model::Anomaly { version, ..anomaly() };
            crate::compose::body(&anomaly, Generation(1), None, None)
        };
        versions.iter().copied().map(body).collect()
    }

    #[test]
    fn a_killed_publisher_leaves_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.ndjson");
        let partition = anomaly().cause.partition;
        FileOutlet::open(&path).unwrap().publish(&[(partition, &bodies(&[1, 2]))]).unwrap();
        let mut torn = std::fs::read(&path).unwrap();
        torn.truncate(torn.len() - 7);
        std::fs::write(&path, torn).unwrap();
        let mut outlet = FileOutlet::open(&path).unwrap();
        assert_eq!(outlet.fold(&[partition]).unwrap()[&partition].len(), 1);
        outlet.publish(&[(partition, &bodies(&[2, 3]))]).unwrap();
        let versions: Vec<i64> =
            outlet.fold(&[partition]).unwrap()[&partition].iter().map(|(_, said)| said.version).collect();
        assert_eq!(versions, [1, 2, 3]);
        assert!(outlet.fold(&[Partition::new(9)]).unwrap()[&Partition::new(9)].is_empty());
    }

    #[test]
    fn a_line_that_is_no_alert_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.ndjson");
        std::fs::write(&path, "{}\n").unwrap();
        let error = FileOutlet::open(&path).unwrap().fold(&[Partition::new(0)]).unwrap_err().to_string();
        assert!(error.contains("alerts.ndjson:1: no alert"), "{error}");
    }
}
