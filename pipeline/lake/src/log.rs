//! One table's Delta log: its entries, the numbers owners keep in it, and appending to it exactly once.
//!
//! In: actions and numbers.  Out: versions and outcomes.  Owns: nothing: every answer comes from the store.
//! Absent on purpose: listing on the way of a commit, and a loaded snapshot: an entry is put behind the version its owner has
//! seen, at a cost that does not grow with the table (`tests::flat` counts the store's calls).
//! Invariants: I-3 (see the crate): the machine of `frontier` decides, [`TableLog::append`] only asks and tells;
//! I-10 tables are created at reader 1 / writer 2 with no feature, kept by [`TableLog::create`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::transaction::CommitData;
use deltalake::kernel::{Action, Add, EagerSnapshot, Remove, Snapshot, StructType, Transaction};
use deltalake::logstore::{LogStoreRef, StorageConfig, commit_uri_from_version, default_logstore};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableError};
use frontier::{Attempt, AttemptId, Do, Entry, Event, Outcome, Put, Retries, TxnId};
use model::{LogId, Partition};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, PutMode};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use url::Url;

use crate::columns::grown;
use crate::encode::{now_ms, uuid};
use crate::error::{Error, ErrorKind, Result};
use crate::follow::AddedFile;
use crate::lake::{LakeOptions, Purpose, schema_of};
use crate::listing::WholeLists;
use crate::ownership::is_rival;

/// The key of an attempt's id in an entry's `commitInfo`.
const ATTEMPT_KEY: &str = "musterAttempt";

/// How many entries are read backwards for numbers before the log's own replay is asked: more than a table has between two log
/// snapshots.
const LOOK_BACK_MAX: u64 = 256;

/// How often a table is looked at again while others commit to it before columns are added.
const GROW_ROUNDS_MAX: u32 = 16;

/// One table's log.
#[derive(Clone)]
pub(crate) struct TableLog {
    name: String,
    root: Path,
    delta: LogStoreRef,
    retention_hours: u64,
    retries: Retries,
    purpose: Purpose,
}

/// One line of an entry, as far as owners and maintenance care.
#[derive(Deserialize)]
struct Line {
    txn: Option<Transaction>,
    #[serde(rename = "commitInfo")]
    info: Option<Value>,
    remove: Option<IgnoredAny>,
    #[serde(rename = "metaData")]
    metadata: Option<IgnoredAny>,
    protocol: Option<IgnoredAny>,
}

/// What an attempt must not find behind the version its writer has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fence<'a> {
    /// Numbers of the writer's own partitions of this log: another owner's claim.
    Owners(&'a LogId),
    /// A removed file, or another schema: what the writer read of the table may no longer be what it holds. Rows added
    /// meanwhile are no matter. Told to the machine as a claim of [`REMOVALS`].
    Removals,
}

/// The one partition, of no log, that entries which remove something are said to write.
const REMOVALS: Partition = Partition::new(0);

/// An entry to append: its bytes, and what tells it from others.
#[derive(Clone, Debug)]
pub(crate) struct NewEntry {
    pub(crate) attempt: AttemptId,
    pub(crate) writes: BTreeSet<Partition>,
    bytes: Bytes,
}

/// An attempt whose outcome the store has not told yet.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    attempt: Attempt,
    entry: NewEntry,
}

impl TableLog {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        lake: &Url,
        name: &str,
        options: &LakeOptions,
        purpose: Purpose,
    ) -> Result<Self> {
        let what = || format!("open table {name}");
        let url = lake.join(&format!("{name}/")).map_err(|e| Error::store(what(), e))?;
        let root = Path::from_url_path(url.path()).map_err(|e| Error::store(what(), e))?;
        let store: Arc<dyn ObjectStore> = Arc::new(WholeLists(store));
        // Not by a registry of URL schemes: the store is at hand, whichever it is.
        let table = Arc::new(PrefixStore::new(store.clone(), root.clone()));
        let delta = default_logstore(table, store, &url, &StorageConfig::default());
        let LakeOptions { log_retention_hours, retries, .. } = *options;
        Ok(Self {
            name: name.to_owned(),
            root,
            delta,
            retention_hours: log_retention_hours,
            retries,
            purpose,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The table's root within the lake's store.
    pub(crate) const fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) const fn delta(&self) -> &LogStoreRef {
        &self.delta
    }

    /// The store as seen from the table's root.
    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        self.delta.object_store(None)
    }

    /// The table as delta-rs has it, at `version`.
    pub(crate) async fn load(&self, version: u64) -> std::result::Result<DeltaTable, DeltaTableError> {
        let mut table = DeltaTable::new(self.delta.clone());
        table.load_version(version).await?;
        Ok(table)
    }

    /// The version of the last entry; `None` if there is no table yet. Lists the log from its last snapshot on.
    pub(crate) async fn head(&self) -> Result<Option<u64>> {
        Ok(self.latest().await?.map(|snapshot| snapshot.version()))
    }

    async fn latest(&self) -> Result<Option<Snapshot>> {
        let what = || format!("read the log of table {}", self.name);
        let read = || Snapshot::try_new(self.delta.as_ref(), None);
        match read().await {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(DeltaTableError::NotATable(_)) => Ok(None),
            // The kernel's words for an absent folder differ by store. A table that is there now may have been created meanwhile.
            Err(_) if !self.has_log().await? => Ok(None),
            Err(_) => {
                if self.purpose == Purpose::Writing {
                    self.mend().await?;
                }
                read().await.map(Some).map_err(|e| Error::store(what(), e))
            }
        }
    }

    async fn has_log(&self) -> Result<bool> {
        let what = || format!("read the log of table {}", self.name);
        self.delta.is_delta_table_location().await.map_err(|e| Error::store(what(), e))
    }

    /// The version of the last entry of a table that is created if there is none, and given the columns that it lacks if a former
    /// version of this program made it.
    pub(crate) async fn head_or_create(&self) -> Result<u64> {
        for _ in 0..GROW_ROUNDS_MAX {
            let Some(snapshot) = self.latest().await? else {
                self.create().await?;
                continue;
            };
            let Some(grown) = grown(&self.name, &snapshot)? else { return Ok(snapshot.version()) };
            // Whoever was first: the next look tells whether the columns are there.
            self.put_if_absent(snapshot.version() + 1, grown, || {
                format!("add columns to table {}", self.name)
            })
            .await?;
        }
        let what = format!("create table {} or add columns to it: others commit without end", self.name);
        Err(Error::new(ErrorKind::Contended, what))
    }

    /// Puts entry 0, if absent: protocol and metadata. Whoever comes first creates the same table.
    async fn create(&self) -> Result<()> {
        let what = || format!("create table {}", self.name);
        let schema = schema_of(&self.name)?;
        let columns: StructType = schema.as_ref().try_into_kernel().map_err(|e| Error::schema(what(), e))?;
        let columns = serde_json::to_string(&columns).map_err(|e| Error::schema(what(), e))?;
        let entry = [
            json!({ "commitInfo": { "timestamp": now_ms(), "operation": "CREATE TABLE", "engineInfo": "muster" } }),
            json!({ "protocol": { "minReaderVersion": 1, "minWriterVersion": 2 } }),
            json!({ "metaData": {
                "id": uuid(rand::random()),
                "name": self.name,
                "format": { "provider": "parquet", "options": {} },
                "schemaString": columns,
                "partitionColumns": [schemas::tables::MONTH_COLUMN],
                // Log entries that a log snapshot covers are kept for this long. Transactions are kept for ever: the property
                // that would let them expire is not set, and must never be.
                "configuration": { "delta.logRetentionDuration": format!("interval {} hours", self.retention_hours) },
                "createdTime": now_ms(),
            } }),
        ];
        let text: Vec<String> = entry.iter().map(ToString::to_string).collect();
        self.put_if_absent(0, text.join("\n").into(), what).await
    }

    /// Puts an entry, whether by this call or by somebody else's: what faults in passing keep away is tried again.
    async fn put_if_absent(&self, version: u64, bytes: Bytes, what: impl Fn() -> String) -> Result<()> {
        let mut retries = self.retries;
        loop {
            let error = match self.put(version, bytes.clone()).await {
                Ok(()) | Err(object_store::Error::AlreadyExists { .. }) => return Ok(()),
                Err(error) => Error::store(what(), error),
            };
            match retries.next_wait().filter(|_| error.action() == crate::Action::Retry) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    async fn put(&self, version: u64, bytes: Bytes) -> object_store::Result<()> {
        let path = commit_uri_from_version(Some(version));
        self.store().put_opts(&path, bytes.into(), PutMode::Create.into()).await.map(|_| ())
    }

    /// What `T` reads of each action of an entry.
    async fn lines<T: DeserializeOwned>(&self, version: u64) -> Result<Option<Vec<T>>> {
        let what = || format!("read entry {version} of table {}", self.name);
        let Some(bytes) = self.delta.read_commit_entry(version).await.map_err(|e| Error::store(what(), e))?
        else {
            return Ok(None);
        };
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines: std::result::Result<_, _> = lines.map(serde_json::from_slice).collect();
        lines.map(Some).map_err(|e| Error::store(what(), e))
    }

    /// The files that the entry of `version` adds.
    pub(crate) async fn added(&self, version: u64) -> Result<Option<Vec<AddedFile>>> {
        #[derive(Deserialize)]
        struct Adding {
            add: Option<AddedFile>,
        }
        let lines = self.lines(version).await?;
        Ok(lines.map(|lines| lines.into_iter().filter_map(|Adding { add }| add).collect()))
    }

    /// The entry of `version` as a writer behind `fence` sees it.
    async fn entry(&self, fence: Fence<'_>, version: u64) -> Result<Option<Entry>> {
        let Some(lines) = self.lines::<Line>(version).await? else { return Ok(None) };
        let mut entry = Entry { attempt: None, touches: BTreeSet::new() };
        for line in lines {
            match fence {
                Fence::Owners(log) => {
                    let id = line.txn.and_then(|txn| TxnId::parse(&txn.app_id));
                    let id = id.filter(|id| is_rival(&id.log, log));
                    entry.touches.extend(id.map(|id| id.partition));
                }
                Fence::Removals => {
                    let changes = line.remove.is_some() || line.metadata.is_some() || line.protocol.is_some();
                    entry.touches.extend(changes.then_some(REMOVALS));
                }
            }
            let attempt = line.info.as_ref().and_then(|info| info[ATTEMPT_KEY].as_str());
            if let Some(bits) = attempt.and_then(|text| u128::from_str_radix(text, 16).ok()) {
                entry.attempt = Some(AttemptId(bits));
            }
        }
        Ok(Some(entry))
    }

    /// The numbers that the log keeps under `ids` at `version`; ids it has never kept are absent.
    pub(crate) async fn numbers(&self, version: u64, ids: &[String]) -> Result<HashMap<String, i64>> {
        let mut wanted: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let mut found = HashMap::new();
        // The newest entries hold what an owner at work has kept; reading them is cheaper than one replay of the log per id.
        let oldest = (version + 1).saturating_sub(LOOK_BACK_MAX);
        for at in (oldest..=version).rev() {
            let Some(lines) = self.lines::<Line>(at).await? else { break };
            for txn in lines.into_iter().filter_map(|line| line.txn) {
                if wanted.remove(txn.app_id.as_str()) {
                    found.insert(txn.app_id, txn.version);
                }
            }
            if wanted.is_empty() || at == 0 {
                return Ok(found);
            }
        }
        let what = || format!("read the numbers of table {} version {version}", self.name);
        let snapshot = EagerSnapshot::try_new(self.delta.as_ref(), Some(version)).await;
        let snapshot = snapshot.map_err(|e| Error::store(what(), e))?;
        for id in wanted {
            let number = snapshot.transaction_version(self.delta.as_ref(), id).await;
            if let Some(number) = number.map_err(|e| Error::store(what(), e))? {
                found.insert(id.to_owned(), number);
            }
        }
        Ok(found)
    }

    /// An entry that adds `files` and keeps `numbers`.
    pub(crate) fn new_entry(&self, files: Vec<Add>, numbers: &BTreeMap<TxnId, i64>) -> Result<NewEntry> {
        let actions = files.into_iter().map(Action::Add).collect();
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(vec![schemas::tables::MONTH_COLUMN.to_owned()]),
            predicate: None,
        };
        let transactions = numbers.iter().map(|(id, number)| Transaction::new(id, *number)).collect();
        let writes = numbers.keys().map(|id| id.partition).collect();
        self.encode_entry(actions, operation, transactions, writes)
    }

    /// An entry that removes the rows for which `predicate` holds: whole files, and files that `added` take the place of.
    pub(crate) fn new_removal(
        &self,
        removed: Vec<Remove>,
        added: Vec<Add>,
        predicate: String,
    ) -> Result<NewEntry> {
        let actions = removed.into_iter().map(Action::Remove).chain(added.into_iter().map(Action::Add));
        let operation = DeltaOperation::Delete { predicate: Some(predicate) };
        self.encode_entry(actions.collect(), operation, Vec::new(), BTreeSet::from([REMOVALS]))
    }

    /// An entry that puts `added` in the place of `removed`, the same rows in other files.
    pub(crate) fn new_compaction(
        &self,
        removed: Vec<Remove>,
        added: Vec<Add>,
        target_bytes: u64,
    ) -> Result<NewEntry> {
        let actions = removed.into_iter().map(Action::Remove).chain(added.into_iter().map(Action::Add));
        let target_size = i64::try_from(target_bytes).unwrap_or(i64::MAX);
        let operation = DeltaOperation::Optimize { predicate: None, target_size };
        self.encode_entry(actions.collect(), operation, Vec::new(), BTreeSet::from([REMOVALS]))
    }

    fn encode_entry(
        &self,
        actions: Vec<Action>,
        operation: DeltaOperation,
        transactions: Vec<Transaction>,
        writes: BTreeSet<Partition>,
    ) -> Result<NewEntry> {
        let attempt = AttemptId(rand::random());
        let is_blind = matches!(operation, DeltaOperation::Write { .. });
        let info = HashMap::from([
            (ATTEMPT_KEY.to_owned(), json!(format!("{:032x}", attempt.0))),
            ("isBlindAppend".to_owned(), json!(is_blind)),
        ]);
        let bytes = CommitData::new(actions, operation, info, transactions).get_bytes();
        let bytes = bytes.map_err(|e| Error::schema(format!("write an entry of table {}", self.name), e))?;
        Ok(NewEntry { attempt, writes, bytes })
    }

    /// Appends `entry` behind version `seen`, for an owner of the partitions `held` of `log`. `Err` if the store never told the
    /// outcome: what to [resume](Self::resume), and why.
    pub(crate) async fn append(
        &self,
        log: &LogId,
        entry: NewEntry,
        held: &BTreeSet<Partition>,
        seen: u64,
        retries: Retries,
    ) -> std::result::Result<Outcome, (Pending, Error)> {
        let (attempt, first) =
            Attempt::start(entry.attempt, entry.writes.clone(), held.clone(), seen, retries);
        self.drive(Fence::Owners(log), Pending { attempt, entry }, first).await
    }

    /// Appends the removal `entry`, planned on the table as of version `seen`: [`Outcome::Lost`] if meanwhile anybody has
    /// removed anything, so that the plan must be made anew. `Err` if the store never told the outcome.
    pub(crate) async fn append_removal(
        &self,
        entry: NewEntry,
        seen: u64,
        retries: Retries,
    ) -> Result<Outcome> {
        let (attempt, first) =
            Attempt::start(entry.attempt, entry.writes.clone(), BTreeSet::new(), seen, retries);
        let driven = self.drive(Fence::Removals, Pending { attempt, entry }, first).await;
        driven.map_err(|(_, error)| error)
    }

    /// Goes on with an attempt whose outcome was not told.
    pub(crate) async fn resume(
        &self,
        log: &LogId,
        mut pending: Pending,
    ) -> std::result::Result<Outcome, (Pending, Error)> {
        let first = pending.attempt.resume();
        self.drive(Fence::Owners(log), pending, first).await
    }

    async fn drive(
        &self,
        fence: Fence<'_>,
        mut pending: Pending,
        first: Do,
    ) -> std::result::Result<Outcome, (Pending, Error)> {
        let mut next = first;
        let mut last_error = None;
        loop {
            let event = match next {
                Do::Put { version } => match self.put(version, pending.entry.bytes.clone()).await {
                    Ok(()) => Event::Put(Put::Applied),
                    Err(object_store::Error::AlreadyExists { .. }) => Event::Put(Put::Taken),
                    Err(error) => {
                        let what = format!("commit lake table {} version {version}", self.name);
                        last_error = Some(Error::store(what, error));
                        Event::Put(Put::Unclear)
                    }
                },
                Do::Read { version, wait } => {
                    if !wait.is_zero() {
                        tracing::warn!(table = self.name, version, error = ?last_error, "the lake's answer is unclear, reading back");
                        tokio::time::sleep(wait).await;
                    }
                    match self.entry(fence, version).await {
                        Ok(entry) => Event::Read(entry),
                        Err(error) => {
                            last_error = Some(error);
                            Event::ReadFailed
                        }
                    }
                }
                Do::End(Outcome::InDoubt) => {
                    let what = format!("commit lake table {}: others commit without end", self.name);
                    let contended = || Error::new(ErrorKind::Contended, what);
                    return Err((pending, last_error.unwrap_or_else(contended)));
                }
                Do::End(outcome) => return Ok(outcome),
            };
            next = pending.attempt.on(event);
        }
    }
}

impl std::fmt::Debug for TableLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableLog").field("name", &self.name).field("root", &self.root).finish_non_exhaustive()
    }
}
