//! A schema registry: which schema an id in a record's frame means, asked once and known from then on.
//!
//! ```text
//!   source ─▶ SchemaGate ── id known ─────────────────────────────▶ worker, whose decoders look into the SchemaBook
//!                 │  ▲                                                   ▲
//!              id unknown: the partition waits                          │ compiled once
//!                 ▼  │ settled                                           │
//!             loader thread ─▶ files of the cache ─▶ GET /schemas/ids/{id} ─▶ WriterSchema
//! ```
//!
//! In: ids that records name; the answers of a registry with Confluent's API (Confluent, Karapace, Apicurio, Redpanda).
//! Out: schemas, in a `SchemaBook`; what waits for which id, since when.  Owns: the loader thread, the cache's files.
//! Absent on purpose: subjects, compatibility rules and registration: whoever produces has done that. No id is asked
//! about twice at once: one thread asks.
//! Invariants: I-29 a registry that is down stops only records of ids that are not known yet, and loses none: a
//! partition waits at the first of them, whatever that takes, and known ids are known after a restart, too.
//! Why so: only a registry's own "no such schema" (404 with its error code) makes an id unknown; a proxy's 404, a refused
//! login or an answer that is none are outages, as a dead letter for each record would be worse than waiting.

mod answer;
mod cache;
mod client;
mod gate;
mod loader;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::{EventTime, Partition};
use schemas::decode::{SchemaBook, SchemaId};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::error::Error;
use crate::log::{Source, WallClock};
use cache::Cache;
use client::Client;
pub use gate::SchemaGate;
use loader::Wanted;

/// How long it is believed that the registry has no schema of an id.
const MISSING_FOR: Duration = Duration::from_secs(30);

/// Ids of which that is remembered.
const MISSING_MAX: usize = 10_000;

/// Who asks.
#[derive(Clone)]
pub enum Login {
    /// Nobody.
    None,
    /// A user with a password (HTTP basic).
    User {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// The bearer of a token.
    Token(String),
}

impl std::fmt::Debug for Login {
    /// Without secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::User { .. } => "User",
            Self::Token(_) => "Token",
        })
    }
}

/// Where a registry is, and how it is asked.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// `http://…` or `https://…`; several separated by commas, each asked where the one before does not answer.
    pub url: String,
    /// Who asks.
    pub login: Login,
    /// Whom to trust, as a PEM file; unset, the machine's own list.
    pub ca: Option<PathBuf>,
    /// How long one answer may take.
    pub timeout: Duration,
    /// How old a record must be, by its append time, before the registry is believed that it has no such schema: a schema
    /// that was registered a moment ago may not have reached every registry of a group.
    pub grace: Duration,
    /// The folder that keeps the schemas.
    pub cache: PathBuf,
}

/// A registry. Clones share it; the last one ends its thread.
#[derive(Clone, Debug)]
pub struct Registry {
    shared: Arc<Shared>,
    _end: Arc<End>,
}

/// Where a registry's client stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryStatus {
    /// Schemas loaded since the start, from the cache or from the registry.
    pub loaded: u64,
    /// Questions that the registry answered.
    pub answered: u64,
    /// Questions that it did not answer, or not as a registry does.
    pub failed: u64,
    /// Partitions that wait.
    pub waits: Vec<SchemaWait>,
}

/// A partition that waits at a record whose schema is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaWait {
    /// The partition.
    pub partition: Partition,
    /// The schema's id.
    pub id: SchemaId,
    /// Since when, by the wall.
    pub since: EventTime,
    /// What the registry, or the way to it, said last.
    pub why: String,
}

/// What is known of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Its schema is in the book.
    Known,
    /// The registry has none.
    Missing,
    /// Nothing yet; it is being asked.
    Asked,
}

struct Shared {
    book: SchemaBook,
    state: Mutex<State>,
    wake: Condvar,
    /// Told at the end, to a question that is under way.
    over: Notify,
    wall: WallClock,
    client: Client,
    runtime: Handle,
    cache: Cache,
    grace: Duration,
}

#[derive(Default)]
struct State {
    wanted: BTreeMap<SchemaId, Wanted>,
    /// Until when the registry is believed to have no such schema.
    missing: HashMap<SchemaId, Instant>,
    held: BTreeMap<Partition, (SchemaId, EventTime)>,
    loaded: u64,
    answered: u64,
    failed: u64,
    is_over: bool,
}

/// Ends the thread, and waits for it: it must not outlive the runtime that it asks on.
struct End {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.wake.notify_all();
        self.shared.over.notify_one();
        if let Some(thread) = self.thread.take() {
            // Its panic would have been printed.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("End")
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of `id`; if nothing is, it is asked for from now on. `appended` is when the record was that names it.
    fn look(&self, id: SchemaId, appended: Option<EventTime>) -> Look {
        if self.book.knows(id) {
            return Look::Known;
        }
        let mut state = self.lock();
        if state.missing.get(&id).is_some_and(|until| Instant::now() < *until) {
            return Look::Missing;
        }
        state.wanted.entry(id).or_insert_with(|| {
            self.wake.notify_all();
            Wanted::new(appended.unwrap_or_else(|| (self.wall)()))
        });
        Look::Asked
    }

    fn hold(&self, partition: Partition, id: SchemaId) {
        self.lock().held.insert(partition, (id, (self.wall)()));
    }

    fn release(&self, partition: Partition) {
        self.lock().held.remove(&partition);
    }
}

impl Registry {
    /// A client that asks in a thread of its own, on `runtime`. Nothing is asked yet.
    ///
    /// # Errors
    /// `InvalidOptions`: an URL or certificate that is none. `Io`: a cache folder that cannot be made.
    pub fn open(options: RegistryOptions, wall: WallClock, runtime: Handle) -> Result<Self, Error> {
        let client = Client::new(&options)?;
        let cache = Cache::open(&options.cache, &options.url)?;
        let shared = Arc::new(Shared {
            book: SchemaBook::default(),
            state: Mutex::default(),
            wake: Condvar::new(),
            over: Notify::new(),
            wall,
            client,
            runtime,
            cache,
            grace: options.grace,
        });
        let ours = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("registry".to_owned())
            .spawn(move || loader::load_all(&ours))
            .map_err(|error| Error::io("start the registry's thread", error))?;
        let end = End { shared: Arc::clone(&shared), thread: Some(thread) };
        Ok(Self { _end: Arc::new(end), shared })
    }

    /// Where its schemas are found, by decoders.
    pub fn book(&self) -> SchemaBook {
        self.shared.book.clone()
    }

    /// `source`, whose records come only once what is to be known of their schemas is known.
    pub fn gate(&self, source: Box<dyn Source>) -> SchemaGate {
        SchemaGate::new(source, Arc::clone(&self.shared))
    }

    /// Asks whether it is there and lets us in.
    ///
    /// # Errors
    /// `Unreachable`, or `Forbidden`, of the last of its addresses.
    pub fn greet(&self) -> Result<(), Error> {
        self.shared.runtime.block_on(self.shared.client.greet())
    }

    /// Waits until something is known of `id`, but no longer than `limit`: whether its schema is in the book.
    pub fn await_schema(&self, id: SchemaId, limit: Duration) -> bool {
        /// How often it is looked for: nobody waits here but a command of the command line.
        const LOOK_EVERY: Duration = Duration::from_millis(5);
        let until = Instant::now() + limit;
        loop {
            match self.shared.look(id, Some(EventTime::from_us(0))) {
                Look::Known => return true,
                Look::Missing => return false,
                Look::Asked if Instant::now() >= until => return false,
                Look::Asked => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// Where it stands.
    pub fn status(&self) -> RegistryStatus {
        let state = self.shared.lock();
        let wait = |(partition, (id, since)): (&Partition, &(SchemaId, EventTime))| SchemaWait {
            partition: *partition,
            id: *id,
            since: *since,
            why: state.wanted.get(id).map_or_else(String::new, |wanted| wanted.why.clone()),
        };
        RegistryStatus {
            loaded: state.loaded,
            answered: state.answered,
            failed: state.failed,
            waits: state.held.iter().map(wait).collect(),
        }
    }
}
