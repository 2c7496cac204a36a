//! The routes: who may ask, what is asked, how each request is counted.
//!
//! In: requests.  Out: answers, each with a text that says what is wrong and how to mend it.  Owns: nothing beyond
//! `Shared`.
//! Absent on purpose: the address as a proxy states it; state between requests.
//! Invariants: every request ends in exactly one count, an abandoned one as 499; probes need no token, what shows or
//! changes anything does.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::access::Access;
use crate::group_commit::Queue;
use crate::health::{Answer, Health};
use crate::metrics::{CONTENT_TYPE, Level, Metrics};
use crate::punches;

/// What is counted by its path; all else is `other`, so that nobody's guesses become labels.
const PATHS: [&str; 5] = ["/v1/punches", "/metrics", "/livez", "/readyz", "/startupz"];
/// A request whose sender went away before it was answered, as nginx counts it.
const ABANDONED: u16 = 499;

/// What requests share.
pub(crate) struct Shared {
    pub(crate) access: Access,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) ingest: Option<Ingest>,
    pub(crate) body_bytes_max: usize,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) slots_used: Level,
    pub(crate) waits: Waits,
}

/// How long a request is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// Until its body has arrived.
    pub(crate) body: Duration,
    /// Until the log has answered; then its sender is told that nobody knows.
    pub(crate) append: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { body: Duration::from_secs(30), append: Duration::from_secs(60) }
    }
}

/// The way into the log.
pub(crate) struct Ingest {
    pub(crate) queue: Queue,
    pub(crate) record_bytes_max: usize,
}

/// Every route.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/punches", post(punches::take))
        .route("/metrics", get(metrics))
        .route(
            "/livez",
            get(|State(shared): State<Arc<Shared>>| async move { probe(shared.health.liveness()) }),
        )
        .route(
            "/readyz",
            get(|State(shared): State<Arc<Shared>>| async move { probe(shared.health.readiness()) }),
        )
        .route(
            "/startupz",
            get(|State(shared): State<Arc<Shared>>| async move { probe(shared.health.startup()) }),
        )
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), watch))
        .with_state(shared)
}

async fn unknown() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, format!("there is nothing here: the paths are {}", PATHS.join(", ")))
}

/// Counts the request, and answers it if its sender's network is answered.
async fn watch(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let path = PATHS.into_iter().find(|path| *path == request.uri().path()).unwrap_or("other");
    let mut count = Count::begin(&shared.metrics, path);
    let response = if shared.access.allows(peer.ip()) {
        next.run(request).await
    } else {
        let text = format!("{} is in none of the networks that [serve] allow_from lists", peer.ip());
        Refusal::new(StatusCode::FORBIDDEN, text).into_response()
    };
    count.status = response.status().as_u16();
    response
}

struct Count<'a> {
    metrics: &'a Metrics,
    path: &'static str,
    begun: Instant,
    status: u16,
}

impl<'a> Count<'a> {
    fn begin(metrics: &'a Metrics, path: &'static str) -> Self {
        metrics.request_begun();
        Self { metrics, path, begun: Instant::now(), status: ABANDONED }
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.metrics.request_ended(self.path, self.status, self.begun.elapsed());
    }
}

/// Fails unless the request brings a token, or none is asked for.
pub(crate) fn check_token(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    let authorization = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
    if shared.access.admits(authorization) {
        return Ok(());
    }
    let text = "a known token is needed: send `Authorization: Bearer …`";
    Err(Refusal { authenticate: true, ..Refusal::new(StatusCode::UNAUTHORIZED, text) })
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Response, Refusal> {
    check_token(&shared, &headers)?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], shared.metrics.text()).into_response())
}

fn probe(answer: Answer) -> Response {
    let status = if answer.is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], answer.text).into_response()
}

/// An answer that is no success: `{"error": "…"}`, for people and programs.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    text: String,
    retry_after_s: Option<u32>,
    authenticate: bool,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry_after_s: None, authenticate: false }
    }

    /// The same request may succeed after so many seconds.
    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.text }).to_string();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.authenticate {
            let challenge = header::HeaderValue::from_static("Bearer realm=\"muster\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<Infallible> for Refusal {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
