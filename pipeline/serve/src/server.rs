//! The running HTTP face: bound, serving, stopped within a bound.
//!
//! In: a checked configuration, the log's writing end, metrics, health.  Out: `Server`.  Owns: the listening socket,
//! the ingest thread, the task that follows the certificate.
//! Absent on purpose: signals and the runtime (`muster` has them).
//! Invariants: an address in use, a bad certificate or key fails `start`, never later; after `stop` nothing is
//! appended any more.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;
use source::Append;
use tokio::sync::Semaphore;
use tokio::task;

use crate::config::Checked;
use crate::connections::{Bounded, CONNECTIONS_MAX};
use crate::error::{Error, ErrorKind};
use crate::group_commit;
use crate::health::Health;
use crate::http::{self, Shared, Waits};
use crate::metrics::Metrics;
use crate::tls::Certificate;

/// How long a connection may take to its first request, and each request's head to arrive.
const HEAD_WAIT: Duration = Duration::from_secs(10);

/// The way of received punches into the log.
pub struct Ingest {
    /// The log's writing end.
    pub appender: Box<dyn Append>,
    /// The topic of punches.
    pub topic: String,
    /// A larger record is a reject (`too_large`): the limit of the pipeline that reads the topic.
    pub record_bytes_max: usize,
}

/// A running HTTP face.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    is_tls: bool,
    handle: Handle<SocketAddr>,
    serving: task::JoinHandle<std::io::Result<()>>,
    following: Option<task::JoinHandle<()>>,
    ingest: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds and serves on the current tokio runtime. Without `ingest`, `POST /v1/punches` is a 404; with it, the
    /// check `ingest` of `/readyz` says whether the log takes records.
    ///
    /// # Errors
    /// `Bind`: the address is in use or not this machine's. `Tls`: the certificate or its key. `Thread`.
    pub async fn start(
        config: Checked,
        ingest: Option<Ingest>,
        metrics: Metrics,
        health: Health,
    ) -> Result<Self, Error> {
        Self::start_waiting(config, ingest, metrics, health, Waits::default()).await
    }

    pub(crate) async fn start_waiting(
        config: Checked,
        ingest: Option<Ingest>,
        metrics: Metrics,
        health: Health,
        waits: Waits,
    ) -> Result<Self, Error> {
        let certificate = config.tls.as_ref().map(Certificate::load).transpose()?;
        let listener = bind(config.address)?;
        let address = listener.local_addr().map_err(|error| bind_error(config.address, error))?;
        let mut thread = None;
        let ingest = match ingest {
            None => None,
            Some(Ingest { appender, topic, record_bytes_max }) => {
                let (metrics, health) = (metrics.clone(), health.clone());
                let (queue, handle) =
                    group_commit::start(appender, topic, config.requests_max, metrics, health)?;
                thread = Some(handle);
                Some(http::Ingest { queue, record_bytes_max })
            }
        };
        let slots_used = metrics.queue("http_requests", config.requests_max as u64);
        let router = http::router(Arc::new(Shared {
            access: config.access,
            metrics,
            health,
            ingest,
            body_bytes_max: config.body_bytes_max,
            slots: Arc::new(Semaphore::new(config.requests_max)),
            slots_used,
            waits,
        }));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let handle = Handle::new();
        let plain = axum_server::from_tcp(listener).map_err(|error| bind_error(config.address, error))?;
        let mut plain = plain.handle(handle.clone()).first_request_timeout(HEAD_WAIT);
        plain.http_builder().http1().header_read_timeout(HEAD_WAIT);
        let (serving, following) = match certificate {
            None => {
                let acceptor = Bounded::new(NoDelayAcceptor::new(), CONNECTIONS_MAX);
                (task::spawn(plain.acceptor(acceptor).serve(service)), None)
            }
            Some(certificate) => {
                let acceptor = RustlsAcceptor::new(certificate.served()).acceptor(NoDelayAcceptor::new());
                let acceptor = Bounded::new(acceptor, CONNECTIONS_MAX);
                let serving = task::spawn(plain.acceptor(acceptor).serve(service));
                (serving, Some(task::spawn(certificate.follow())))
            }
        };
        Ok(Self { address, is_tls: config.tls.is_some(), handle, serving, following, ingest: thread })
    }

    /// Where it listens; the port it was given, if 0 was asked for.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:9464`.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.address)
    }

    /// Takes no new connection, answers the requests in flight, and cuts off what is left after `within`.
    pub async fn stop(self, within: Duration) {
        self.handle.graceful_shutdown(Some(within));
        // It ends by itself: the handle bounds it. Its errors came at the start or do not come at all.
        let _ = self.serving.await;
        if let Some(following) = self.following {
            following.abort();
        }
        if let Some(ingest) = self.ingest {
            // Its queue is closed with the last connection; what was in it is still appended.
            let ended = task::spawn_blocking(move || ingest.join());
            if tokio::time::timeout(within, ended).await.is_err() {
                tracing::warn!("the log did not take the last records within the time given to stop");
            }
        }
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|error| bind_error(address, error))
}

fn bind_error(address: SocketAddr, error: std::io::Error) -> Error {
    let remedy = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another process listens there: end it, or set [serve] address to another port"
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege: set [serve] address to a higher one"
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: set [serve] address to one of its own"
        }
        _ => "set [serve] address to an address and port of this machine",
    };
    Error::caused(ErrorKind::Bind, &format!("listen on {address}"), error, remedy)
}
