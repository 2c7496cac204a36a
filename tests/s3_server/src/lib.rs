//! A loopback S3 server that keeps its objects in memory and fails on demand: 503, an error or silence after the request was
//! applied, a broken connection before it, 409, slowness, bodies that are cut off, no answer at all; or holds one request for
//! as long as a test likes, to kill or to overtake its sender there.
//!
//! ```text
//!   TcpListener ─▶ a thread a connection: http::Request ─▶ fault? ─▶ bucket::answer ─▶ http::Answer ─▶ fault? ─▶ bytes
//! ```
//!
//! In: requests as an S3 client signs them, path style.  Out: answers; counts and keys for oracles.  Owns: the objects, its port
//! and its threads, until it is dropped.
//! Absent on purpose: TLS; a check of signatures beyond whose key they name (they are the client's matter); buckets other than
//! the one; anything the lake does not ask for (copies, tags, versions): 501.
//! Why so: the state is in the test's process: a killed client leaves the objects as they are, and oracles see the keys. A server
//! of hyper's would not let go of a connection in the middle of an answer.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

mod bucket;
mod fault;
mod http;

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bucket::Bucket;
use fault::{Faults, Hold};
use http::{Answer, Request};

pub use fault::{Fault, Point};

/// The one bucket.
pub const BUCKET: &str = "lakes";

/// The key that every request must be signed with.
pub const ACCESS_KEY: &str = "muster-test";

/// Its secret; the server takes any signature.
pub const SECRET_KEY: &str = "muster-test-secret";

/// How often a request that is held looks whether it may go on.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running server.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    is_over: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

#[derive(Debug, Default)]
struct State {
    bucket: Bucket,
    faults: Faults,
    answered: BTreeMap<u16, u64>,
    asked: BTreeMap<String, u64>,
}

impl S3Server {
    /// Starts one on a free loopback port, its bucket empty.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let of_all = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if of_all.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&of_all);
                shared.streams.lock().unwrap().extend(stream.try_clone());
                thread::spawn(move || shared.serve(&stream));
            }
        });
        Self { address, shared }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next requests of this method whose key holds `part` fail like this, in order.
    pub fn fail(&self, method: &'static str, part: &str, faults: impl IntoIterator<Item = Fault>) {
        self.shared.state.lock().unwrap().faults.plan(method, part, faults);
    }

    /// From now on a share of all requests fails, each in a way that `seed` decides.
    pub fn storm(&self, seed: u64, share: f64) {
        self.shared.state.lock().unwrap().faults.storm(seed, share);
    }

    /// From now on every request is answered with 503, as by a store that is down for maintenance.
    pub fn go_down(&self) {
        self.shared.state.lock().unwrap().faults.go_down();
    }

    /// From now on nobody is answered. What is asked meanwhile is applied once [`Self::calm`] is said, whoever still waits for it.
    pub fn go_silent(&self) {
        self.shared.state.lock().unwrap().faults.is_silent = true;
    }

    /// Nothing fails any more.
    pub fn calm(&self) {
        self.shared.state.lock().unwrap().faults = Faults::default();
    }

    /// The next request at `point` is held until [`Self::let_go`].
    pub fn hold(&self, point: Point) {
        self.shared.state.lock().unwrap().faults.hold_at(point);
    }

    /// Whether a request is held.
    pub fn is_holding(&self) -> bool {
        self.shared.state.lock().unwrap().faults.hold == Hold::Held
    }

    /// Lets the request that is held go on: one that was held before it was applied is applied now if `is_applied`, else it is
    /// lost with its connection, as its sender's process was.
    pub fn let_go(&self, is_applied: bool) {
        let mut state = self.shared.state.lock().unwrap();
        state.faults.hold = Hold::LetGo { is_applied };
    }

    /// From now on `If-None-Match` is passed over, as some stores do.
    pub fn ignore_conditions(&self) {
        self.shared.state.lock().unwrap().bucket.ignores_conditions = true;
    }

    /// The keys that begin with `prefix`, in order.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        self.shared.state.lock().unwrap().bucket.keys(prefix)
    }

    /// How many requests had this method.
    pub fn asked(&self, method: &str) -> u64 {
        self.shared.state.lock().unwrap().asked.get(method).copied().unwrap_or(0)
    }

    /// How many answers had this status; 0 stands for connections that were let go of without one.
    pub fn answered(&self, status: u16) -> u64 {
        self.shared.state.lock().unwrap().answered.get(&status).copied().unwrap_or(0)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // The listener looks at the flag when somebody calls.
        let _ = TcpStream::connect(self.address);
        for stream in self.shared.streams.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    /// Answers the requests of one connection until either side has enough of it.
    fn serve(&self, stream: &TcpStream) {
        let Ok(reading) = stream.try_clone() else { return };
        let mut reader = BufReader::new(reading);
        while let Ok(Some(request)) = Request::read(&mut reader) {
            match self.answer(&request, stream) {
                Ok(true) => {}
                Ok(false) | Err(_) => break,
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    /// Holds the request if it is at the point; then the answer, if there is to be one.
    fn hold(&self, request: &Request) -> Option<Option<Answer>> {
        let applied = {
            let mut state = self.state.lock().unwrap();
            let is_applied = state.faults.holds(request)?;
            is_applied.then(|| state.bucket.answer(request))
        };
        self.wait_while(|faults| faults.hold == Hold::Held);
        let mut state = self.state.lock().unwrap();
        let goes_on = state.faults.hold == Hold::LetGo { is_applied: true };
        Some(applied.or_else(|| goes_on.then(|| state.bucket.answer(request))))
    }

    /// Waits until it is calm, or over.
    fn wait_while(&self, is_so: impl Fn(&Faults) -> bool) {
        while !self.is_over.load(Ordering::Relaxed) && is_so(&self.state.lock().unwrap().faults) {
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Answers one request; `false` if the connection is to be let go of.
    fn answer(&self, request: &Request, mut stream: &TcpStream) -> io::Result<bool> {
        if let Some(goes_on) = self.hold(request) {
            return match goes_on {
                Some(answer) => stream.write_all(&answer.encode(request.method == "HEAD")).map(|()| true),
                None => Ok(false),
            };
        }
        self.wait_while(|faults| faults.is_silent);
        let (fault, answer) = {
            let mut state = self.state.lock().unwrap();
            let fault = state.faults.next(request);
            let answer = match fault {
                Some(Fault::SlowDown) => Some(Answer::error(503, "SlowDown", "reduce your request rate")),
                Some(Fault::Conflict) => Some(Answer::error(
                    409,
                    "ConditionalRequestConflict",
                    "a conflicting request is under way",
                )),
                Some(Fault::Lost) => None,
                Some(Fault::ErrorAfter) => {
                    state.bucket.answer(request);
                    Some(Answer::error(500, "InternalError", "we encountered an internal error"))
                }
                Some(Fault::LostAfter) => {
                    state.bucket.answer(request);
                    None
                }
                Some(Fault::Slow(_) | Fault::Truncated) | None => Some(state.bucket.answer(request)),
            };
            let status = answer.as_ref().map_or(0, |answer| answer.status);
            *state.answered.entry(status).or_default() += 1;
            *state.asked.entry(request.method.clone()).or_default() += 1;
            (fault, answer)
        };
        let Some(answer) = answer else { return Ok(false) };
        if let Some(Fault::Slow(ms)) = fault {
            thread::sleep(Duration::from_millis(ms));
        }
        let bytes = answer.encode(request.method == "HEAD");
        if fault == Some(Fault::Truncated) && !answer.body.is_empty() && request.method != "HEAD" {
            stream.write_all(&bytes[..bytes.len() - answer.body.len().div_ceil(2)])?;
            return Ok(false);
        }
        stream.write_all(&bytes)?;
        Ok(true)
    }
}
