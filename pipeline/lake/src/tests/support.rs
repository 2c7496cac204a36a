//! A lake in a temporary folder, or in a loopback S3 server, whose store can fail; and rows to put in it. Tests only.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use frontier::{PartitionFrontier, Retries};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::verdict::Place;
use model::{
    EventTime, EvidenceSet, Kind, LogClock, LogId, NextOffset, Offset, Origin, Partition, Reasons, Reject,
    RejectCode,
};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, Result as StoreResult, RetryConfig,
};
use s3_server::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use schemas::tables::{late, punch_evidence, punches, rejects};
use tempfile::TempDir;
use tokio::sync::Notify;
use url::Url;

use crate::read::read_file;
use crate::s3::client_retries;
use crate::{Claim, Commit, CommitOutcome, Lake, LakeOptions, LogIdentity, S3Keys, S3Options};

/// What a store does wrong with one log entry that is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It writes nothing and says so unclearly.
    Before,
    /// It writes the entry, and the answer is lost.
    After,
    /// The disk is full.
    Full,
}

/// Calls of the store, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) puts: usize,
    pub(super) gets: usize,
    pub(super) lists: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Objects put or deleted so far.
    effects: usize,
    /// Behind so many effects nothing has any.
    dies_at: Option<usize>,
    /// Behind so many effects the next one waits.
    holds_at: Option<usize>,
    /// For log entries whose path holds this text, in order.
    faults: VecDeque<(String, Fault)>,
    /// Objects whose paths end so are there, and in no listing.
    unlisted: Vec<String>,
    calls: Calls,
}

/// A local store that fails when told to.
#[derive(Clone, Debug)]
pub(super) struct FaultStore {
    inner: Arc<LocalFileSystem>,
    state: Arc<Mutex<State>>,
    is_held: Arc<Notify>,
    goes_on: Arc<Notify>,
}

impl FaultStore {
    fn new() -> Self {
        let inner = Arc::new(LocalFileSystem::new());
        Self { inner, state: Arc::default(), is_held: Arc::default(), goes_on: Arc::default() }
    }

    /// From the effect behind so many on, nothing has any: its process is dead.
    pub(super) fn die_at(&self, effects: usize) {
        self.state.lock().unwrap().dies_at = Some(effects);
    }

    /// The effect behind so many waits until it is [let go](Self::let_go).
    pub(super) fn hold_at(&self, effects: usize) {
        self.state.lock().unwrap().holds_at = Some(effects);
    }

    /// Comes back once an effect waits.
    pub(super) async fn held(&self) {
        self.is_held.notified().await;
    }

    pub(super) fn let_go(&self) {
        self.goes_on.notify_one();
    }

    pub(super) fn effects(&self) -> usize {
        self.state.lock().unwrap().effects
    }

    /// Before each object that is put or deleted.
    async fn effect(&self) -> StoreResult<()> {
        let is_held = {
            let mut state = self.state.lock().unwrap();
            if state.dies_at.is_some_and(|at| state.effects >= at) {
                return Err(unclear(io::ErrorKind::ConnectionAborted));
            }
            state.effects += 1;
            let effects = state.effects;
            state.holds_at.take_if(|at| *at < effects).is_some()
        };
        if is_held {
            self.is_held.notify_one();
            self.goes_on.notified().await;
        }
        Ok(())
    }

    /// One listing more, without what it is to lack.
    fn listed(
        &self,
        all: BoxStream<'static, StoreResult<ObjectMeta>>,
    ) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        let mut state = self.state.lock().unwrap();
        state.calls.lists += 1;
        let unlisted = state.unlisted.clone();
        let is_listed = move |path: &Path| !unlisted.iter().any(|end| path.as_ref().ends_with(end));
        all.try_filter(move |found| std::future::ready(is_listed(&found.location))).boxed()
    }

    fn take_fault(&self, location: &Path, mode: &PutMode) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        state.calls.puts += 1;
        let is_entry = *mode == PutMode::Create && location.as_ref().contains("/_delta_log/");
        let hit = state.faults.front().is_some_and(|(part, _)| is_entry && location.as_ref().contains(part));
        if hit { state.faults.pop_front().map(|(_, fault)| fault) } else { None }
    }
}

fn unclear(kind: io::ErrorKind) -> StoreError {
    StoreError::Generic { store: "FaultStore", source: Box::new(io::Error::from(kind)) }
}

impl fmt::Display for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultStore")
    }
}

#[async_trait]
impl ObjectStore for FaultStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> StoreResult<PutResult> {
        self.effect().await?;
        match self.take_fault(location, &opts.mode) {
            None => self.inner.put_opts(location, payload, opts).await,
            Some(Fault::Before) => Err(unclear(io::ErrorKind::ConnectionReset)),
            Some(Fault::Full) => Err(unclear(io::ErrorKind::StorageFull)),
            Some(Fault::After) => {
                self.inner.put_opts(location, payload, opts).await?;
                Err(unclear(io::ErrorKind::TimedOut))
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.state.lock().unwrap().calls.gets += 1;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        self.state.lock().unwrap().calls.gets += 1;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        let store = self.clone();
        let delete = move |location: StoreResult<Path>| {
            let store = store.clone();
            async move {
                let location = location?;
                store.effect().await?;
                store.inner.delete(&location).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.listed(self.inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.listed(self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.state.lock().unwrap().calls.lists += 1;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> StoreResult<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

/// What a lake is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    Folder,
    /// A client that leaves every try to the lake.
    S3,
}

impl On {
    pub(super) const EACH: [Self; 2] = [Self::Folder, Self::S3];
}

/// Where a lake is, which goes away with its world.
enum Host {
    Folder(FaultStore, #[expect(dead_code, reason = "it is removed when this goes")] TempDir),
    S3(S3Server),
}

/// How a server is reached.
pub(super) fn s3_options(server: &S3Server) -> S3Options {
    S3Options {
        endpoint: Some(server.endpoint()),
        keys: Some(S3Keys { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.to_owned() }),
        ..S3Options::default()
    }
}

/// Where a lake is in a server.
pub(super) fn s3_place() -> String {
    format!("s3://{BUCKET}/chains/hk")
}

/// A lake that goes away with it.
pub(super) struct World {
    pub(super) lake: Lake,
    store: Arc<dyn ObjectStore>,
    root: Url,
    host: Host,
}

impl World {
    pub(super) fn new() -> Self {
        Self::on(On::Folder)
    }

    pub(super) fn on(on: On) -> Self {
        Self::on_with(on, LakeOptions { retries: Retries::at_once(2), ..LakeOptions::default() })
    }

    pub(super) fn with(options: LakeOptions) -> Self {
        Self::on_with(On::Folder, options)
    }

    pub(super) fn on_with(on: On, options: LakeOptions) -> Self {
        let (store, root, host) = match on {
            On::Folder => {
                let dir = tempfile::tempdir().unwrap();
                let root = Url::from_directory_path(dir.path().canonicalize().unwrap()).unwrap();
                let store = FaultStore::new();
                (Arc::new(store.clone()) as Arc<dyn ObjectStore>, root, Host::Folder(store, dir))
            }
            On::S3 => {
                let server = S3Server::start();
                let once = RetryConfig { max_retries: 0, ..client_retries() };
                let (store, root) = crate::s3::open(&s3_place(), &s3_options(&server), once).unwrap();
                (store, root, Host::S3(server))
            }
        };
        let lake = Lake::with_store(store.clone(), root.clone(), options).unwrap();
        Self { lake, store, root, host }
    }

    /// The same lake as another process opens it.
    pub(super) fn again(&self, options: LakeOptions) -> Lake {
        Lake::with_store(self.store.clone(), self.root.clone(), options).unwrap()
    }

    /// The same lake in a folder as another process opens it, whose effects can be held or ended on their own.
    pub(super) fn apart(&self, options: LakeOptions) -> (Lake, FaultStore) {
        let store = FaultStore::new();
        (Lake::with_store(Arc::new(store.clone()), self.root.clone(), options).unwrap(), store)
    }

    /// A copy of this lake, in a folder of its own.
    pub(super) fn copied(&self) -> Self {
        let copy = Self::with(self.lake.options().clone());
        super::golden::copy(&self.dir(), &copy.dir());
        copy
    }

    pub(super) fn dir(&self) -> std::path::PathBuf {
        self.root.to_file_path().unwrap()
    }

    /// The data files in the table's folders, staged ones included.
    pub(super) fn data_files(&self, table: &str) -> Vec<String> {
        let Host::S3(server) = &self.host else { return data_files(&self.dir().join(table)) };
        let keys = server.keys(&format!("chains/hk/{table}/business_month="));
        keys.iter().map(|key| key.rsplit('/').next().unwrap().to_owned()).collect()
    }

    /// The next log entries put into tables whose path holds `part` fail like this.
    pub(super) fn fail(&self, part: &str, faults: impl IntoIterator<Item = Fault>) {
        let part = format!("/{part}/_delta_log/");
        match &self.host {
            Host::Folder(store, _) => {
                let mut state = store.state.lock().unwrap();
                state.faults.extend(faults.into_iter().map(|fault| (part.clone(), fault)));
            }
            Host::S3(server) => server.fail(
                "PUT",
                &part,
                faults.into_iter().map(|fault| match fault {
                    Fault::Before => s3_server::Fault::SlowDown,
                    Fault::After => s3_server::Fault::ErrorAfter,
                    Fault::Full => panic!("a store of objects is never full"),
                }),
            ),
        }
    }

    /// No listing of a lake in a folder holds the object whose path ends so.
    pub(super) fn unlist(&self, end: &str) {
        let Host::Folder(store, _) = &self.host else { panic!("this lake is on S3") };
        store.state.lock().unwrap().unlisted.push(end.to_owned());
    }

    /// The server of a lake on S3.
    pub(super) fn server(&self) -> &S3Server {
        let Host::S3(server) = &self.host else { panic!("this lake is in a folder") };
        server
    }

    pub(super) fn calls(&self) -> Calls {
        let Host::Folder(store, _) = &self.host else { panic!("only calls of a folder are counted") };
        store.state.lock().unwrap().calls
    }

    pub(super) async fn claim(&self, partitions: &[u32]) -> Claim {
        let partitions: Vec<_> = partitions.iter().copied().map(Partition::new).collect();
        self.lake.claim(&log(), &partitions).await.unwrap()
    }

    /// Partition and offset of every row of the table, sorted.
    pub(super) async fn rows(&self, table: &str) -> Vec<(u32, i64)> {
        let Some(snapshot) = self.lake.snapshot(table).await.unwrap() else { return Vec::new() };
        let store = self.lake.table(table).unwrap().store();
        let mut rows = Vec::new();
        for file in &snapshot.files {
            for batch in read_file(table, store.as_ref(), file, &snapshot.schema).await.unwrap() {
                let origins = crate::commit::row_origins(&batch).unwrap();
                rows.extend(
                    origins.into_iter().map(|(partition, offset)| (partition.number(), offset.get())),
                );
            }
        }
        rows.sort_unstable();
        rows
    }
}

fn data_files(table: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(table).unwrap() {
        let folder = folder.unwrap().path();
        if folder.file_name().unwrap() != "_delta_log" {
            let files = std::fs::read_dir(folder).unwrap();
            found.extend(files.map(|file| file.unwrap().file_name().into_string().unwrap()));
        }
    }
    found
}

pub(super) fn log() -> LogIdentity {
    LogIdentity { log_id: LogId::new("8f3a").unwrap(), topic: "punches".into(), partitions: 4 }
}

/// 2026-11-02T00:00:00Z.
pub(super) const START: EventTime = EventTime::from_us(1_793_577_600_000_000);

pub(super) fn next(value: i64) -> NextOffset {
    NextOffset::new(value).unwrap()
}

/// A frontier before `offset`, its clock that many seconds after [`START`].
pub(super) fn frontier(offset: i64) -> PartitionFrontier {
    PartitionFrontier::new(next(offset), LogClock::at(START.plus_s(offset)), next(0))
}

/// One punch a minute from [`START`] on, by offset; people take turns.
pub(super) fn with_punch<T>(partition: u32, offset: i64, take: impl FnOnce(&punches::Row<'_>) -> T) -> T {
    let occurred_at = START.plus_min(offset);
    let day = occurred_at.timestamp().to_zoned(TimeZone::UTC).date();
    with_punch_at(partition, offset, occurred_at, day, take)
}

/// Evidence of a punch without a fix and without a scan.
pub(super) fn evidence_of<'a>(row: &punches::Row<'a>) -> punch_evidence::Row<'a> {
    punch_evidence::Row {
        occurred_at: row.occurred_at,
        employee_id: row.employee_id,
        business_date: row.business_date,
        event_id: row.event_id,
        fix: None,
        access_points: &[],
        beacons: &[],
        topic: row.topic,
        partition: row.partition,
        offset: row.offset,
    }
}

pub(super) fn with_punch_at<T>(
    partition: u32,
    offset: i64,
    occurred_at: EventTime,
    business_date: Date,
    take: impl FnOnce(&punches::Row<'_>) -> T,
) -> T {
    let zone = TimeZone::get("Asia/Hong_Kong").unwrap();
    let (employee_id, event_id) =
        (format!("E{partition}-{}", offset % 50), format!("ev-{partition}-{offset:08}"));
    take(&punches::Row {
        occurred_at,
        employee_id: &employee_id,
        site_id: Some("hk-0001"),
        business_date,
        event_id: &event_id,
        kind: if offset % 2 == 0 { Kind::In } else { Kind::Out },
        direction: Some(Kind::In),
        received_at: occurred_at.plus_s(2),
        origin: Origin::Phone,
        trigger: None,
        device_id: "",
        place: Place::Inside,
        distance_m: Some(-12.34),
        shift_id: None,
        time_zone: &zone,
        topic: "punches",
        partition: Partition::new(partition),
        offset: Offset::new(offset).unwrap(),
        reference_version: "v1",
        candidates: punches::Candidates::Ids(&[]),
        evidence: EvidenceSet::GPS,
        reasons: Reasons::EMPTY,
        photo_ref: "",
        photo_sha256: "",
    })
}

pub(super) fn punch_rows(partition: u32, offsets: impl IntoIterator<Item = i64>) -> RecordBatch {
    let mut builder = punches::Builder::default();
    for offset in offsets {
        with_punch(partition, offset, |row| builder.append(row));
    }
    builder.finish()
}

pub(super) fn late_rows(partition: u32, offsets: impl IntoIterator<Item = i64>) -> RecordBatch {
    let mut builder = late::Builder::default();
    for offset in offsets {
        with_punch(partition, offset, |row| {
            builder.append(&late::Row { punch: row.clone(), code: "beyond_memory" })
        });
    }
    builder.finish()
}

pub(super) fn evidence_rows(partition: u32, offsets: impl IntoIterator<Item = i64>) -> RecordBatch {
    let mut builder = punch_evidence::Builder::default();
    for offset in offsets {
        with_punch(partition, offset, |row| {
            builder.append(&evidence_of(row));
        });
    }
    builder.finish()
}

pub(super) fn reject_rows(partition: u32, offsets: impl IntoIterator<Item = i64>) -> RecordBatch {
    let mut builder = rejects::Builder::default();
    for offset in offsets {
        let offset = Offset::new(offset).unwrap();
        let reject = Reject {
            offset,
            until: offset.next(),
            code: RejectCode::NotJson,
            message: "expected a value at column 1".to_owned(),
            employee_id: None,
            event_id: None,
        };
        let (partition, rejected_at) = (Partition::new(partition), START);
        builder.append(&rejects::Row { topic: "punches", partition, reject: &reject, rejected_at });
    }
    builder.finish()
}

/// The records from `from` until `until` of one partition: every fifth a reject, every seventh of the others late.
pub(super) fn commit_of(partition: u32, from: i64, until: i64) -> Commit {
    let is_reject = |offset: &i64| offset % 5 == 0;
    let is_late = |offset: &i64| offset % 5 != 0 && offset % 7 == 0;
    let is_punch = |offset: &i64| offset % 5 != 0 && offset % 7 != 0;
    Commit {
        rejects: vec![reject_rows(partition, (from..until).filter(is_reject))],
        late: vec![late_rows(partition, (from..until).filter(is_late))],
        evidence: vec![evidence_rows(partition, (from..until).filter(is_punch))],
        punches: vec![punch_rows(partition, (from..until).filter(is_punch))],
        frontiers: vec![(Partition::new(partition), frontier(until))],
        ..Commit::default()
    }
}

impl World {
    /// Every record of the partitions below their ends is in `punches`, `rejects` or `late`, exactly once (P1, P2).
    pub(super) async fn assert_exact(&self, ends: &[(u32, i64)]) {
        let mut found = self.rows("punches").await;
        assert_eq!(found, self.rows("punch_evidence").await, "evidence and punches");
        found.extend(self.rows("rejects").await);
        found.extend(self.rows("late").await);
        found.sort_unstable();
        let expected: Vec<(u32, i64)> = ends
            .iter()
            .flat_map(|(partition, end)| (0..*end).map(move |offset| (*partition, offset)))
            .collect();
        assert_eq!(found, expected);
    }
}

pub(super) fn is_done(outcome: &CommitOutcome) -> bool {
    matches!(outcome, CommitOutcome::Done { .. })
}

pub(super) fn is_lost(outcome: &CommitOutcome, partitions: &[u32]) -> bool {
    *outcome == CommitOutcome::Lost(partitions.iter().copied().map(Partition::new).collect())
}
