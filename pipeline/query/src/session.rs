//! A session: one consistent state of the lake, and read-only statements against it.
//!
//! In: a lake, SQL text.  Out: `Answer` or `Rows`.  Owns: the current `Catalog`, replaced whole by `refresh`.
//! Absent on purpose: any way to write. DDL, DML, COPY, SET and prepared statements are refused on the plan, where no
//! spelling of a statement can hide them; and no table can be made from a URL.
//! Invariants: I-16 a statement sees one state of every table, whatever is committed meanwhile, kept by planning on
//! one catalog (`a_statement_keeps_the_state_it_began_with`); I-17 no statement changes anything, kept by
//! `verify_plan` before execution (`slt/errors.slt`, run by `answers_are_as_written`).
//! Why so: planning the views costs milliseconds, so a changed lake gets a new catalog instead of tables that change
//! under a running statement.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use futures::StreamExt;

use crate::catalog::{Catalog, Relation};
use crate::error::{Error, Kind};
use crate::files::LakeTables;
use crate::from_lake;

/// The limits of a session. Who turns them: the one who shares the machine with other work.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much memory the operators of all running statements may hold together before they spill to disk.
    pub memory_bytes_max: usize,
    /// How much they may spill.
    pub spill_bytes_max: u64,
    /// How large a collected answer may be; streamed ones (CSV, JSON, Parquet) have no limit.
    pub answer_bytes_max: usize,
    /// How many partitions of a plan run at once; `None` = as many as there are cores.
    pub parallelism: Option<usize>,
    /// How long a statement may run; `None` = as long as it takes.
    pub duration_max: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memory_bytes_max: 2 << 30,
            spill_bytes_max: 50 << 30,
            answer_bytes_max: 256 << 20,
            parallelism: None,
            duration_max: None,
        }
    }
}

/// The largest consumers of memory that an error about the limit names.
const NAMED_CONSUMERS: usize = 5;

/// What a statement gave.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// From the statement's text to the last row.
    pub elapsed: Duration,
}

impl Answer {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// Where a session's tables come from.
enum Origin {
    Lake(Box<lake::Lake>),
    Fixed,
}

/// One reader of a lake.
pub struct Session {
    origin: Origin,
    options: Options,
    runtime: Arc<RuntimeEnv>,
    current: RwLock<Arc<Catalog>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Session {
    /// A session over the newest state of `lake`.
    pub async fn open(lake: lake::Lake, options: Options) -> Result<Self, Error> {
        let tables = from_lake::tables_of(&lake, None).await?;
        Self::start(Origin::Lake(Box::new(lake)), tables, options).await
    }

    /// A session over a given list of files: a state of a lake that somebody else has read.
    pub async fn over(tables: LakeTables, options: Options) -> Result<Self, Error> {
        Self::start(Origin::Fixed, tables, options).await
    }

    async fn start(origin: Origin, tables: LakeTables, options: Options) -> Result<Self, Error> {
        let runtime = runtime(&options)?;
        let catalog = Catalog::build(tables, &options, Arc::clone(&runtime)).await?;
        Ok(Self { origin, options, runtime, current: RwLock::new(Arc::new(catalog)) })
    }

    /// Looks for new commits; later statements see them. Returns whether there were any.
    pub async fn refresh(&self) -> Result<bool, Error> {
        match &self.origin {
            Origin::Lake(lake) => {
                let tables = from_lake::tables_of(lake, Some(self.catalog().lake())).await?;
                self.replace(tables).await
            }
            Origin::Fixed => Ok(false),
        }
    }

    /// Puts another state of the lake in place for later statements. Returns whether it differs from the current one.
    pub async fn replace(&self, tables: LakeTables) -> Result<bool, Error> {
        if tables.versions() == self.catalog().lake().versions() {
            return Ok(false);
        }
        let catalog = Catalog::build(tables, &self.options, Arc::clone(&self.runtime)).await?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
        Ok(true)
    }

    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The tables and views that statements may call, as they are now.
    pub fn relations(&self) -> Vec<Relation> {
        self.catalog().relations().to_vec()
    }

    /// Runs one statement and collects its rows, up to `answer_bytes_max`.
    pub async fn sql(&self, statement: &str) -> Result<Answer, Error> {
        let mut rows = self.stream(statement).await?;
        let mut batches = Vec::new();
        let mut bytes = 0;
        while let Some(batch) = rows.next().await? {
            bytes += batch.get_array_memory_size();
            if bytes > self.options.answer_bytes_max {
                let limit = self.options.answer_bytes_max >> 20;
                return Err(Error::new(Kind::Limit, format!("the answer is larger than {limit} MiB"))
                    .with_remedy("add LIMIT or a filter, or stream it with --format csv, json or parquet"));
            }
            batches.push(batch);
        }
        Ok(Answer { schema: rows.schema(), batches, elapsed: rows.began.elapsed() })
    }

    /// Runs one statement and hands its rows over as they come.
    pub async fn stream(&self, statement: &str) -> Result<Rows, Error> {
        let began = Instant::now();
        let catalog = self.catalog();
        let deadline = self.options.duration_max.map(|limit| tokio::time::Instant::from_std(began + limit));
        let statement = statement.to_owned();
        let mut rows = Rows { stream: None, catalog, statement, began, deadline, rows: 0, logged: false };
        let (catalog, statement) = (Arc::clone(&rows.catalog), rows.statement.clone());
        let stream = rows.in_time(begin(&catalog, &statement)).await?;
        rows.stream = Some(stream);
        Ok(rows)
    }
}

/// Plans `statement`, refuses it unless it only reads, and starts it.
async fn begin(catalog: &Catalog, statement: &str) -> Result<SendableRecordBatchStream, DataFusionError> {
    let read_only =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    catalog.context().sql_with_options(statement, read_only).await?.execute_stream().await
}

/// The rows of a running statement. Dropping it stops the statement.
pub struct Rows {
    stream: Option<SendableRecordBatchStream>,
    catalog: Arc<Catalog>,
    statement: String,
    began: Instant,
    deadline: Option<tokio::time::Instant>,
    rows: usize,
    logged: bool,
}

impl Rows {
    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        match &self.stream {
            Some(stream) => stream.schema(),
            None => Arc::new(arrow::datatypes::Schema::empty()),
        }
    }

    /// The next rows, or `None` behind the last.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        let Some(mut stream) = self.stream.take() else { return Ok(None) };
        let next = self.in_time(async { stream.next().await.transpose() }).await?;
        self.stream = Some(stream);
        match &next {
            Some(batch) => self.rows += batch.num_rows(),
            None => self.log("done"),
        }
        Ok(next)
    }

    /// Since the statement began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    async fn in_time<T>(
        &mut self,
        work: impl Future<Output = Result<T, DataFusionError>>,
    ) -> Result<T, Error> {
        let done = match self.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, work).await.map_err(|_| self.too_long()),
            None => Ok(work.await),
        };
        let done = done
            .and_then(|done| done.map_err(|e| Error::of_engine(&e, &self.statement, self.catalog.names())));
        if let Err(e) = &done {
            self.log(e.message());
        }
        done
    }

    fn too_long(&self) -> Error {
        let limit = self.began.elapsed().as_secs();
        Error::new(Kind::Limit, format!("the statement ran into its time limit after {limit} s"))
            .with_remedy("ask for a month or a site, or raise the time limit of the session")
    }

    /// Every statement is logged (design, decision 15).
    fn log(&mut self, outcome: &str) {
        if !std::mem::replace(&mut self.logged, true) {
            let elapsed_ms = self.began.elapsed().as_millis() as u64;
            tracing::info!(statement = self.statement, rows = self.rows, elapsed_ms, outcome, "sql");
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.log("cancelled");
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("statement", &self.statement)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

fn runtime(options: &Options) -> Result<Arc<RuntimeEnv>, Error> {
    let pool = FairSpillPool::new(options.memory_bytes_max);
    let named = std::num::NonZeroUsize::new(NAMED_CONSUMERS).unwrap_or(std::num::NonZeroUsize::MIN);
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::OsTmpDirectory)
        .with_max_temp_directory_size(options.spill_bytes_max);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(TrackConsumersPool::new(pool, named)))
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(|e| Error::new(Kind::Internal, format!("start the SQL engine: {e}")))
}
