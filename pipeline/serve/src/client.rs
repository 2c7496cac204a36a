//! The other end of `/metrics`: one scrape by HTTP, for `muster top`.
//!
//! In: a URL, a token where the server asks for one, the certificate where it speaks TLS.  Out: `Samples`.
//! Owns: nothing; every scrape is its own connection.
//! Absent on purpose: redirects (a processor sends none), proxies, and certificate authorities: whoever watches a
//! processor by TLS has its configuration, and so its certificate: exactly that one is accepted.
//! Invariants: a scrape ends within `WAIT` and takes at most `BODY_BYTES_MAX`; a token never leaves this machine
//! without TLS.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::http::uri::{Authority, Scheme};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::{Error, ErrorKind};
use crate::exposition::Samples;
use crate::{pinned, tls};

/// How long one scrape may take.
const WAIT: Duration = Duration::from_secs(10);
/// The largest answer that is read: a thousand partitions have less than one of these megabytes.
const BODY_BYTES_MAX: usize = 16 << 20;
/// Bytes of a refusal's text that are told.
const REFUSAL_BYTES_MAX: usize = 500;

/// What a processor beyond plain loopback asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credentials<'a> {
    /// One of its tokens.
    pub token: Option<&'a str>,
    /// The PEM file of the certificate it shows, for `https`.
    pub certificate: Option<&'a Path>,
}

/// One scrape of the processor at `url`: `http://127.0.0.1:9464`, its path `/metrics` where none is given.
///
/// # Errors
/// `Url`: none that this client speaks. `Tls`: the certificate's file. `Unreachable`: nobody answers, or somebody with
/// another certificate. `Refused`: 401 and the like. `NotMetrics`: something else answers there.
pub async fn fetch_metrics(url: &str, credentials: Credentials<'_>) -> Result<Samples, Error> {
    let target = Target::parse(url, credentials)?;
    match tokio::time::timeout(WAIT, fetch(&target, credentials)).await {
        Ok(outcome) => outcome,
        Err(_) => {
            Err(target.unreachable("no whole answer", "it took too long", "see whether it is overloaded"))
        }
    }
}

struct Target {
    text: String,
    authority: Authority,
    host: String,
    port: u16,
    path: String,
    is_tls: bool,
}

impl Target {
    fn parse(url: &str, credentials: Credentials<'_>) -> Result<Self, Error> {
        let wrong = |why: &str| {
            let text = format!("{url}: {why}: name the processor as http://127.0.0.1:9464");
            Err(Error::new(ErrorKind::Url, text))
        };
        let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let Ok(uri) = whole.parse::<Uri>() else { return wrong("this is no URL") };
        let Some(authority) = uri.authority().cloned() else { return wrong("this names no host") };
        let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
        if !is_tls && uri.scheme() != Some(&Scheme::HTTP) {
            return wrong("only http and https are spoken here");
        }
        if is_tls && credentials.certificate.is_none() {
            return wrong(
                "the certificate of an https server comes from its configuration, so give that with -c; else",
            );
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_loopback = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
        if credentials.token.is_some() && !is_loopback && !is_tls {
            return wrong("a token is not sent to another machine in clear text");
        }
        let path = match uri.path() {
            "" | "/" => "/metrics".to_owned(),
            path => path.to_owned(),
        };
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Self { text: url.to_owned(), authority, host, port, path, is_tls })
    }

    fn unreachable(&self, doing: &str, cause: impl std::fmt::Display, remedy: &str) -> Error {
        Error::new(ErrorKind::Unreachable, format!("{}: {doing}: {cause}: {remedy}", self.text))
    }
}

async fn fetch(target: &Target, credentials: Credentials<'_>) -> Result<Samples, Error> {
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(|error| {
        target.unreachable("connect", error, "start `muster run`, or name the address of its [serve]")
    })?;
    let token = credentials.token;
    let Some(certificate) = credentials.certificate.filter(|_| target.is_tls) else {
        return exchange(target, token, stream).await;
    };
    let config = pinned::config(tls::leaf(certificate)?)?;
    // Who it is, is decided by the certificate alone; the name is what TLS wants to be told.
    let name = ServerName::try_from(target.host.clone())
        .map_err(|error| Error::new(ErrorKind::Url, format!("{}: {error}", target.text)))?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
        target.unreachable("speak TLS", error, "see that it shows the certificate of this configuration")
    })?;
    exchange(target, token, stream).await
}

async fn exchange<S>(target: &Target, token: Option<&str>, stream: S) -> Result<Samples, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: &dyn std::fmt::Display| {
        target.unreachable(
            "ask for metrics",
            error,
            "see whether a processor listens there, and not another program",
        )
    };
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    // It ends with the connection, which ends with `sender`.
    tokio::spawn(connection);
    let mut request = Request::get(&target.path).header(HOST, target.authority.as_str());
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| Error::new(ErrorKind::Url, format!("{}: {error}", target.text)))?;
    let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| broken(&error))?.to_bytes();
    let text = String::from_utf8_lossy(&body);
    if status != StatusCode::OK {
        return Err(refused(target, status, &text));
    }
    Samples::parse(&text).map_err(|error| {
        let what = format!("{}: the answer is no metrics: {error}: see what listens there", target.text);
        Error::new(ErrorKind::NotMetrics, what)
    })
}

fn refused(target: &Target, status: StatusCode, text: &str) -> Error {
    let remedy = match status {
        StatusCode::UNAUTHORIZED => "give one of its [serve] tokens in MUSTER_TOKEN",
        StatusCode::FORBIDDEN => "add this machine to its [serve] allow_from",
        _ => "see what listens there",
    };
    let end =
        text.char_indices().map(|(at, _)| at).take_while(|at| *at <= REFUSAL_BYTES_MAX).last().unwrap_or(0);
    let text = if text.len() > REFUSAL_BYTES_MAX { &text[..end] } else { text };
    Error::new(ErrorKind::Refused, format!("{}: {status}: {}: {remedy}", target.text, text.trim()))
}
