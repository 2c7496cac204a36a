//! One set as it was read, kept for the next load as long as its files say the same.
//!
//! In: files, how to read them.  Out: the set with what was found in it.  Owns: the set, its findings, prints of its files.
//! Absent on purpose: what a set rests on in other sets: the caller says whether that is as it was.
//! Invariants: a file passes for unchanged if it is the same file with the same length and time of change, or if its bytes
//! have the same hash. A file that is put in place by renaming it there never passes by its time alone: it is another file.

use std::cell::OnceCell;
use std::fs;
use std::hash::Hasher;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use twox_hash::XxHash64;

use crate::problem::{FileId, Report};
use crate::version::SetDigest;

/// Files are hashed in pieces of so many bytes.
const PIECE_BYTES: usize = 1 << 18;

/// The files of one set, and what is wrong with finding them.
pub(crate) struct Set {
    pub(crate) files: Vec<(FileId, PathBuf)>,
    pub(crate) report: Report,
}

/// A set as read.
pub(crate) struct Part<T> {
    pub(crate) value: T,
    pub(crate) report: Report,
    prints: Vec<Print>,
    digest: OnceCell<SetDigest>,
}

/// What a look at a file says without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    bytes: u64,
    /// Seconds and nanoseconds of the last change of its content.
    modified: (i64, i64),
    /// Device and number.
    file: (u64, u64),
}

/// A file as it was when it was read.
struct Print {
    stamp: Option<Stamp>,
    /// Of its bytes, where they were hashed.
    hash: Option<u64>,
}

impl Stamp {
    /// `None` for what cannot be looked at.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let data = fs::metadata(path).ok()?;
        let modified = (data.mtime(), data.mtime_nsec());
        Some(Self { bytes: data.len(), modified, file: (data.dev(), data.ino()) })
    }
}

impl<T> Part<T> {
    /// The part as kept, if it is current and `rests` on what it did; else as `read` reads it. And whether it is the kept one.
    pub(crate) fn keep<'a>(
        kept: &'a mut Option<Self>,
        set: &Set,
        rests: bool,
        read: impl FnOnce(&mut Report, &[(FileId, PathBuf)]) -> T,
    ) -> (&'a mut Self, bool) {
        let is_kept = rests && kept.as_mut().is_some_and(|part| part.is_current(set));
        let part = match kept.take() {
            Some(part) if is_kept => part,
            _ => Self::read(set, Print::hashed, read),
        };
        (kept.insert(part), is_kept)
    }

    /// As `read` reads it, its files looked at by `print` before.
    fn read(
        set: &Set,
        print: fn(&Path) -> Print,
        read: impl FnOnce(&mut Report, &[(FileId, PathBuf)]) -> T,
    ) -> Self {
        let prints = set.files.iter().map(|(_, path)| print(path)).collect();
        let mut report = set.report.clone();
        let value = read(&mut report, &set.files);
        Self { value, report, prints, digest: OnceCell::new() }
    }

    /// As [`Self::read`], for files that know themselves what changed in them.
    pub(crate) fn read_unhashed(
        set: &Set,
        read: impl FnOnce(&mut Report, &[(FileId, PathBuf)]) -> T,
    ) -> Self {
        Self::read(set, Print::stamped, read)
    }

    fn is_current(&mut self, set: &Set) -> bool {
        self.prints.iter_mut().zip(&set.files).all(|(print, (_, path))| print.is_current(path))
    }

    /// The places of files that do not look as they did, with how they look now.
    pub(crate) fn restamped(&self, set: &Set) -> Vec<(usize, Option<Stamp>)> {
        let now = set.files.iter().map(|(_, path)| Stamp::of(path)).enumerate();
        now.filter(|(at, stamp)| stamp.is_none() || *stamp != self.prints[*at].stamp).collect()
    }

    /// Says that what the part holds is what was in the files when they looked so.
    pub(crate) fn restamp(&mut self, stamps: &[(usize, Option<Stamp>)]) {
        stamps.iter().for_each(|(at, stamp)| self.prints[*at].stamp = *stamp);
    }

    /// The hash of the set, made once.
    pub(crate) fn digest(&self, make: impl FnOnce() -> SetDigest) -> SetDigest {
        *self.digest.get_or_init(make)
    }
}

impl Print {
    fn stamped(path: &Path) -> Self {
        Self { stamp: Stamp::of(path), hash: None }
    }

    fn hashed(path: &Path) -> Self {
        // First the stamp: what changes while the file is read is seen at the next look.
        Self { stamp: Stamp::of(path), hash: hash_of(path) }
    }

    fn is_current(&mut self, path: &Path) -> bool {
        let stamp = Stamp::of(path);
        if stamp.is_some() && stamp == self.stamp {
            return true;
        }
        let is_same = self.hash.is_some() && self.hash == hash_of(path);
        if is_same {
            self.stamp = stamp;
        }
        is_same
    }
}

/// A hash of a file's bytes; `None` if it cannot be read.
fn hash_of(path: &Path) -> Option<u64> {
    let (mut file, mut piece) = (fs::File::open(path).ok()?, vec![0; PIECE_BYTES]);
    let mut hash = XxHash64::with_seed(0);
    loop {
        match file.read(&mut piece).ok()? {
            0 => return Some(hash.finish()),
            count => hash.write(&piece[..count]),
        }
    }
}
