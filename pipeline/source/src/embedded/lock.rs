//! The exclusive lock on the embedded log's folder.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{Error, ErrorKind};
use crate::folder;

/// Holds the folder until dropped; the kernel lets go of it if the process dies. The file itself stays, because
/// removing it would let two processes hold two files of one name.
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Makes `dir` if absent and takes its lock.
    pub(crate) fn take(dir: &Path) -> Result<Self, Error> {
        let doing = || format!("open the log in {}", dir.display());
        let failed = |error| Error::io(&doing(), error);
        if !dir.is_dir() {
            std::fs::create_dir_all(dir).map_err(failed)?;
            folder::sync_parent(dir)?;
        }
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("muster.lock"))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who holds it is a courtesy: without it the error still says what is wrong.
                let _ = file.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "another process".to_owned(),
                    pid => format!("process {pid}"),
                };
                return Err(Error::new(
                    ErrorKind::Locked,
                    format!("{}: {holder} has it open: end that one first, or use another folder", doing()),
                ));
            }
        }
        file.set_len(0).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}
