//! The HTTP face: punches in, metrics and health out, and the client that reads metrics back.
//!
//! In: requests; counts and positions from `muster`.  Out: records appended to the log, `/metrics`, probes.
//! Owns: the listening socket, the ingest thread, every counter of the process.
//! Absent on purpose: judgement of any kind (a record is a punch or it is none; the pipeline does the rest), users and
//! roles, pages for people, SQL.
//! Invariants: 200 means durable (`http_tests`); what was rejected is told to its sender and nowhere else; beyond
//! loopback there is TLS and a token or no start (`config`); memory is bounded by `requests_max` × `body_bytes_max`.
//! Why so: axum and hyper are in the binary already for what talks to object stores; one runtime serves the edges, and
//! the hot path never waits for it.

pub mod client;
mod config;
mod health;
pub mod metrics;
mod server;

mod access;
mod connections;
mod error;
mod exposition;
mod group_commit;
mod http;
mod pinned;
mod punches;
mod records;
mod tls;

pub use config::{Checked, DEFAULT_ADDRESS, Problem, ServeConfig, TlsFiles, Token};
pub use error::{Error, ErrorKind};
pub use exposition::{Sample, Samples};
pub use health::Health;
pub use metrics::{Build, Metrics};
pub use server::{Ingest, Server};

#[cfg(test)]
mod dashboard_tests;
#[cfg(test)]
mod group_commit_tests;
#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod test_log;
#[cfg(test)]
mod tls_tests;
