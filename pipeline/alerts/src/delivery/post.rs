//! Calls a receiver: one signed POST, one answer.
//!
//! In: [`Parcel`]s.  Out: [`Reply`]s, through [`Done`].  Owns: a connection pool a destination.
//! Absent on purpose: redirects, proxies of the environment, cookies and retries: each of them would send an alert somewhere
//! else, or later, than the outbox knows. Of an answer's body only the beginning is read.
//! Invariants: every parcel is answered once, by the receiver, by a time limit or by being abandoned: `Done` sees to it.

use std::fmt;
use std::sync::mpsc::Sender;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::runtime::Handle;
use url::Url;

use super::address::{CheckedResolver, Refused};
use super::answer::{Reply, refusal_in};
use super::destination::Destination;
use super::error::DeliveryError;

/// How long a call may take beyond its destination's limit before the client itself is given up.
const GRACE: Duration = Duration::from_secs(5);

/// Bytes of an answer that are read: a robot's verdict on a message is a line.
const BODY_BYTES_MAX: usize = 4_096;

/// A signed message on its way.
#[derive(Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The destination's number in the configuration.
    pub destination: usize,
    /// Where to.
    pub url: Url,
    /// `webhook-id`.
    pub webhook_id: String,
    /// `webhook-timestamp`, seconds since the epoch.
    pub timestamp: i64,
    /// `webhook-signature`.
    pub signature: String,
    /// The body, as signed.
    pub body: Vec<u8>,
    /// How long the call may take.
    pub timeout: Duration,
}

impl fmt::Debug for Parcel {
    /// Without the URL, which may be a robot's password, and without the body, which is about people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parcel")
            .field("destination", &self.destination)
            .field("webhook_id", &self.webhook_id)
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}

/// A message's number and how its call went.
pub(crate) type Answered = (i64, Reply);

/// Where the answer to one parcel goes. Dropped without an answer, it says that the call was abandoned.
pub struct Done {
    message: i64,
    replies: Option<Sender<Answered>>,
}

impl Done {
    pub(crate) const fn new(message: i64, replies: Sender<Answered>) -> Self {
        Self { message, replies: Some(replies) }
    }

    /// Gives the answer.
    pub fn reply(mut self, reply: Reply) {
        self.send(reply);
    }

    fn send(&mut self, reply: Reply) {
        if let Some(replies) = self.replies.take() {
            // A deliverer that has gone finds the message in the outbox when it comes back.
            let _ = replies.send((self.message, reply));
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        self.send(Reply::Failed { kind: "abandoned", what: "the call was abandoned".into() });
    }
}

/// Calls receivers.
pub trait Post: Send {
    /// Begins to send `parcel`; does not wait.
    fn post(&self, parcel: Parcel, done: Done);
}

/// Calls receivers by HTTP, on a tokio runtime.
pub struct HttpPost {
    runtime: Handle,
    clients: Vec<reqwest::Client>,
}

impl HttpPost {
    /// Clients for `destinations`, which are those of the deliverer, in its order.
    ///
    /// # Errors
    /// No TLS to be had: no root certificates.
    pub fn new(runtime: Handle, destinations: &[Destination]) -> Result<Self, DeliveryError> {
        let client = |destination: &Destination| {
            reqwest::Client::builder()
                .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .referer(false)
                .timeout(destination.timeout)
                .dns_resolver(CheckedResolver::new(destination.allow_private.clone()))
                .build()
                .map_err(|error| DeliveryError::Client {
                    destination: destination.name.clone(),
                    what: chain(&error),
                })
        };
        let clients = destinations.iter().map(client).collect::<Result<_, _>>()?;
        Ok(Self { runtime, clients })
    }
}

impl Post for HttpPost {
    fn post(&self, parcel: Parcel, done: Done) {
        let Some(client) = self.clients.get(parcel.destination).cloned() else {
            // Dropping `done` says that nobody was called.
            return;
        };
        self.runtime.spawn(async move {
            let limit = parcel.timeout + GRACE;
            // The client's own limit covers the call; this one covers the client.
            let reply = tokio::time::timeout(limit, call(client, parcel)).await;
            done.reply(reply.unwrap_or_else(|_| timed_out(limit)));
        });
    }
}

async fn call(client: reqwest::Client, parcel: Parcel) -> Reply {
    let sent = client
        .post(parcel.url)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", parcel.webhook_id)
        .header("webhook-timestamp", parcel.timestamp)
        .header("webhook-signature", parcel.signature)
        .body(parcel.body)
        .send()
        .await;
    match sent {
        Ok(answer) => {
            let code = answer.status().as_u16();
            let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let retry_after = retry_after.map(str::to_owned);
            let refusal = match code {
                200..=299 => refusal_in(&beginning(answer).await),
                _ => None,
            };
            Reply::Status { code, retry_after, refusal }
        }
        // The URL may be a robot's password.
        Err(error) => failed(&error.without_url(), parcel.timeout),
    }
}

/// The body as far as it comes, [`BODY_BYTES_MAX`] at most. One that breaks off takes nothing back: the status has been said.
async fn beginning(mut answer: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        let room = BODY_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == BODY_BYTES_MAX {
            break;
        }
    }
    body
}

fn timed_out(limit: Duration) -> Reply {
    Reply::Failed { kind: "timeout", what: format!("no answer within {} ms", limit.as_millis()) }
}

fn failed(error: &reqwest::Error, timeout: Duration) -> Reply {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<Refused>() {
            return Reply::Failed {
                kind: "address_refused",
                what: format!("{refused}; list it in allow_private if that is meant"),
            };
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        return timed_out(timeout);
    }
    let kind = if error.is_connect() { "connect" } else { "broken" };
    Reply::Failed { kind, what: chain(error) }
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
