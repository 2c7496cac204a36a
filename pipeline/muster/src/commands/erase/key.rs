//! The keyed hash under which a proof of erasure keeps a person's id.
//!
//! In: a file that holds the key, made with the first erasure.  Out: hashes.  Owns: the file.
//! Absent on purpose: the key in the lake's tables or in a proof: without it a hash says nothing about anybody, and ids are short
//! enough to be tried one by one.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// A key, and where it is.
pub(super) struct Key {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Key {
    /// That of the lake whose folder, or the folder beside it, is `beside`.
    pub(super) fn default_path(beside: &Path) -> PathBuf {
        beside.join("_muster").join("erasure.key")
    }

    /// Reads the key at `path`; makes one, readable by its owner alone, if there is none.
    pub(super) fn open(path: &Path) -> Result<Self, Box<Failure>> {
        let failed = |doing: &str, error: std::io::Error| {
            let what = format!("{doing} {}: {error}", path.display());
            Box::new(Failure::outside(
                what,
                "check its folder and permissions, or name another file with --key",
            ))
        };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(path).map_err(|error| failed("make the key", error))?;
                std::fs::read(path).map_err(|error| failed("read the key", error))?
            }
            Err(error) => return Err(failed("read the key", error)),
        };
        if bytes.len() != KEY_BYTES {
            let what = format!("{} is no key: it has {} bytes, not {KEY_BYTES}", path.display(), bytes.len());
            return Err(Box::new(Failure::usage(
                what,
                "bring it back from a copy, or name another file with --key",
            )));
        }
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// Where it is, and the beginning of its own hash.
    pub(super) fn told(&self) -> String {
        format!("{} (sha256 {})", self.path.display(), &hex(&Sha256::digest(&self.bytes)[..])[..8])
    }

    /// The hash of `employee_id`.
    pub(super) fn hash(&self, employee_id: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.bytes).expect("HMAC takes a key of any length");
        mac.update(employee_id.as_bytes());
        format!("hmac-sha256:{}", hex(&mac.finalize().into_bytes()[..]))
    }
}

/// Whoever is first makes it.
fn make(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&rand::random::<[u8; KEY_BYTES]>())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_an_id_has_one_hash_under_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = Key::default_path(folder.path());
        let (first, again) = (Key::open(&path).unwrap(), Key::open(&path).unwrap());
        assert_eq!(first.hash("E1"), again.hash("E1"));
        assert_ne!(first.hash("E1"), first.hash("E2"));
        assert!(first.hash("E1").len() == 12 + 64 && !first.told().contains(&hex(&first.bytes)));
        let other = Key::open(&folder.path().join("other.key")).unwrap();
        assert_ne!(first.hash("E1"), other.hash("E1"));
        std::fs::write(&path, "short").unwrap();
        assert!(Key::open(&path).err().unwrap().to_string().contains("is no key"));
    }
}
