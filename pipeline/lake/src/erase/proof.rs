//! What is kept of an erasure: `_muster/erasures/….json`, an object each.
//!
//! In: an erasure as it goes on.  Out: the same, read back.  Owns: these objects.
//! Absent on purpose: the person's id, and the key of its hash: whoever has the key and an id can tell whether that person was
//! erased, and nobody else can.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};

use crate::error::{Action, Error, Result};
use crate::lake::Lake;

/// One erasure. While it is under way it has no end, and the ids of the alerts that are to go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The keyed hash of the person's id.
    pub person: String,
    /// Where the key of that hash is, and what tells it from other keys.
    pub key: String,
    /// Who asked for it.
    pub asked_by: String,
    /// When it began, RFC 3339.
    pub begun_at: String,
    /// When nothing was found any more.
    pub erased_at: Option<String>,
    /// Rows of the person that went, by table.
    pub rows: BTreeMap<String, u64>,
    /// Rows of others that named the person, by table.
    pub rows_unnamed: BTreeMap<String, u64>,
    /// What went elsewhere: records by topic, rows of the outbox, lines and files beside the lake.
    pub elsewhere: BTreeMap<String, u64>,
    /// The person's alerts, until the erasure has ended.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub alerts: BTreeSet<String>,
}

impl Lake {
    /// All erasures by name, those under way among them.
    ///
    /// # Errors
    /// What the store says; one that cannot be read.
    pub async fn erasures(&self) -> Result<BTreeMap<String, Erasure>> {
        let folder = self.erasures_folder()?;
        let what = || format!("read the erasures in /{folder}");
        let listed: Vec<Path> = self
            .store()
            .list(Some(&folder))
            .map_ok(|found| found.location)
            .try_collect()
            .await
            .map_err(|e| Error::store(what(), e))?;
        let mut erasures = BTreeMap::new();
        for path in listed {
            let Some(name) = path.filename().and_then(|name| name.strip_suffix(".json")) else { continue };
            let found = self.store().get(&path).await.map_err(|e| Error::store(what(), e))?;
            let bytes = found.bytes().await.map_err(|e| Error::store(what(), e))?;
            let erasure =
                serde_json::from_slice(&bytes).map_err(|e| Error::store(format!("read /{path}"), e))?;
            erasures.insert(name.to_owned(), erasure);
        }
        Ok(erasures)
    }

    /// Keeps `erasure` under `name`, in the place of what was kept there.
    ///
    /// # Errors
    /// What the store says.
    pub async fn keep_erasure(&self, name: &str, erasure: &Erasure) -> Result<()> {
        let path = self.erasures_folder()?.join(format!("{name}.json"));
        let bytes = serde_json::to_vec_pretty(erasure).map_err(|e| Error::store("write an erasure", e))?;
        let mut retries = self.options().retries;
        loop {
            let Err(error) = self.store().put(&path, bytes.clone().into()).await else { return Ok(()) };
            let error = Error::store(format!("write /{path}"), error);
            match retries.next_wait().filter(|_| error.action() == Action::Retry) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    fn erasures_folder(&self) -> Result<Path> {
        let root = Path::from_url_path(self.root().path());
        let root = root.map_err(|e| Error::store(format!("open lake {}", self.root()), e))?;
        Ok(root.join("_muster").join("erasures"))
    }
}
