//! Schemas kept in files, so that known ids are known after a restart without a registry.
//!
//! ```text
//! <cache>/<16 hex digits of the registry's addresses>/<id>.json     an `Answer`
//! ```
//!
//! In: answers.  Out: answers.  Owns: the folder.
//! Absent on purpose: an end of what is kept: a schema's id is never given again, and a schema has a few kilobytes. A
//! registry that was emptied and filled anew gives ids again: then the folder has to go, too.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use schemas::decode::SchemaId;
use sha2::{Digest, Sha256};

use super::answer::Answer;
use crate::error::Error;

#[derive(Debug)]
pub(super) struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// The files of the registry at `url` in `folder`; another registry's ids mean something else.
    pub(super) fn open(folder: &Path, url: &str) -> Result<Self, Error> {
        let digest = Sha256::digest(url.as_bytes());
        let name: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let dir = folder.join(name);
        fs::create_dir_all(&dir)
            .map_err(|error| Error::io(&format!("make the schemas' folder {}", dir.display()), error))?;
        Ok(Self { dir })
    }

    /// What is kept of `id`. A damaged file is as none.
    pub(super) fn get(&self, id: SchemaId) -> Option<Answer> {
        let path = self.path(id);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::warn!(path = %path.display(), %error, "a kept schema could not be read");
                }
                return None;
            }
        };
        let kept = serde_json::from_slice(&bytes);
        kept.inspect_err(|error| tracing::warn!(path = %path.display(), %error, "a kept schema is damaged"))
            .ok()
    }

    /// Keeps the answer about `id`, whole or not at all.
    pub(super) fn put(&self, id: SchemaId, answer: &Answer) -> std::io::Result<()> {
        // Processes that share the folder write the same, each under a name of its own first.
        let beside = self.dir.join(format!("{}.{}.new", id.0, std::process::id()));
        let mut file = fs::File::create(&beside)?;
        file.write_all(&serde_json::to_vec(answer)?)?;
        file.sync_all()?;
        fs::rename(&beside, self.path(id))
    }

    fn path(&self, id: SchemaId) -> PathBuf {
        self.dir.join(format!("{}.json", id.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let answer =
            Answer { schema: "{}".into(), schema_type: Some("JSON".into()), referred: vec!["a".into()] };
        Cache::open(folder.path(), "http://a").unwrap().put(SchemaId(7), &answer).unwrap();
        let again = Cache::open(folder.path(), "http://a").unwrap();
        assert_eq!((again.get(SchemaId(7)), again.get(SchemaId(8))), (Some(answer), None));
        assert_eq!(
            Cache::open(folder.path(), "http://b").unwrap().get(SchemaId(7)),
            None,
            "another registry's"
        );
        fs::write(again.path(SchemaId(7)), "{\"sch").unwrap();
        assert_eq!(again.get(SchemaId(7)), None, "a damaged file");
    }
}
