//! The routes on loopback: every status, and what is in the log afterwards.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use model::position::partition_of;
use serde_json::{Value, json};
use source::Append;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::access::Access;
use crate::client::{Credentials, fetch_metrics};
use crate::config::{ServeConfig, Token};
use crate::error::ErrorKind;
use crate::health::Health;
use crate::http::{Shared, Waits, router};
use crate::metrics::Metrics;
use crate::metrics::tests::metrics;
use crate::server::{Ingest, Server};
use crate::test_log::{PARTITIONS, TOPIC, TestLog, punch};

/// SHA-256 of `test`.
const OF_TEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

struct Running {
    server: Server,
    metrics: Metrics,
    health: Health,
}

fn config() -> ServeConfig {
    ServeConfig { address: "127.0.0.1:0".into(), ..ServeConfig::default() }
}

async fn run(config: ServeConfig, appender: impl Append + 'static, waits: Waits) -> Running {
    let metrics = metrics();
    let health = Health::new(&["owning"], &metrics);
    let ingest = Ingest { appender: Box::new(appender), topic: TOPIC.into(), record_bytes_max: 1_000 };
    let checked = config.check().unwrap();
    let server = Server::start_waiting(checked, Some(ingest), metrics.clone(), health.clone(), waits);
    Running { server: server.await.unwrap(), metrics, health }
}

/// One answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn has(&self, header: &str) -> bool {
        self.head.to_ascii_lowercase().lines().any(|line| line == header)
    }

    fn error(&self) -> String {
        serde_json::from_str::<Value>(&self.body).unwrap()["error"].as_str().unwrap().to_owned()
    }
}

/// Sends `request` as it stands and reads until the server closes.
async fn send(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read(stream).await
}

async fn read(mut stream: TcpStream) -> Answer {
    let mut text = String::new();
    // A server that refuses early may close while there is more to read from it.
    let _ = stream.read_to_string(&mut text).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer { status: status.unwrap_or_else(|| panic!("{text:?}")), head: head.into(), body: body.into() }
}

async fn get(address: SocketAddr, path: &str, headers: &str) -> Answer {
    send(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")).await
}

fn posting(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /v1/punches HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

async fn post(address: SocketAddr, headers: &str, body: &str) -> Answer {
    send(address, &posting(headers, body)).await
}

const JSON: &str = "Content-Type: application/json\r\n";
const NDJSON: &str = "Content-Type: application/x-ndjson\r\n";

#[tokio::test]
async fn accepted_records_are_in_the_log_as_they_were_sent() {
    let log = TestLog::open(1 << 20);
    let running = run(config(), log.appender(), Waits::default()).await;
    let spaced = punch("e2", "E-旺角").replace(",", " , ");
    let bad = punch("e3", "E3").replace("\"in\"", "\"inn\"");
    let body = format!("[{}, {bad},\n {spaced}]", punch("e1", "E1"));
    let answer = post(running.server.address(), JSON, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.has("content-type: application/json"));
    let mut lines: Value = serde_json::from_str(&answer.body).unwrap();
    let message = lines[1].as_object_mut().unwrap().remove("message").unwrap();
    assert!(message.as_str().unwrap().contains("kind"), "{message}");
    let expected = json!([
        { "event_id": "e1", "result": "accepted" },
        { "event_id": "e3", "result": "rejected", "code": "wrong_type" },
        { "event_id": "e2", "result": "accepted" },
    ]);
    assert_eq!(lines, expected);
    let place = |key: &str| partition_of(key.as_bytes(), PARTITIONS).number();
    let mut expected = vec![
        (place("E1"), "E1".to_owned(), punch("e1", "E1")),
        (place("E-旺角"), "E-旺角".to_owned(), spaced),
    ];
    expected.sort();
    assert_eq!(log.records(), expected, "a rejected record is not in the log");
    let text = running.metrics.text();
    for line in [
        "muster_ingest_records_total{result=\"accepted\"} 2",
        "muster_ingest_records_total{result=\"rejected\"} 1",
        "muster_ingest_rejected_total{code=\"wrong_type\"} 1",
        "muster_http_requests_total{path=\"/v1/punches\",status=\"200\"} 1",
        "muster_queue_items{queue=\"http_requests\"} 0",
        "muster_ingest_append_duration_seconds_count 1",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    running.server.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn lines_and_arrays_come_to_the_same() {
    let log = TestLog::open(1 << 20);
    let running = run(config(), log.appender(), Waits::default()).await;
    let address = running.server.address();
    let lines = format!("{}\n{}\n", punch("a", "E1"), punch("b", "E2"));
    let array = format!("[{},{}]", punch("a", "E1"), punch("b", "E2"));
    let expected = r#"[{"event_id":"a","result":"accepted"},{"event_id":"b","result":"accepted"}]"#;
    for (headers, body) in [(NDJSON, &lines), (JSON, &array), ("", &lines), ("", &array), (JSON, &lines)] {
        let answer = post(address, headers, body).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, expected), "{headers}{body}");
    }
    assert_eq!(post(address, JSON, "[]").await.body, "[]");
    assert_eq!(log.records().len(), 10);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said() {
    let log = TestLog::open(1 << 20);
    let small = ServeConfig { body_bytes_max: 1_024, ..config() };
    let running = run(small, log.appender(), Waits::default()).await;
    let address = running.server.address();
    let good = punch("a", "E1");
    let long = format!("[{}]", vec![good.as_str(); 20].join(","));
    let chunked = format!(
        "POST /v1/punches HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    for (answer, status, part) in [
        (post(address, JSON, "<html>").await, 400, "neither a JSON array nor"),
        (post(address, JSON, "").await, 400, "it is empty"),
        (post(address, JSON, "[{]").await, 400, "breaks off"),
        (post(address, JSON, &long).await, 413, "at most 1024 bytes"),
        (send(address, &chunked).await, 413, "at most 1024 bytes"),
        (post(address, "Content-Type: text/csv\r\n", &good).await, 415, "application/x-ndjson"),
        (post(address, "Content-Encoding: gzip\r\n", &good).await, 415, "without Content-Encoding"),
        (get(address, "/", "").await, 404, "/v1/punches"),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.error().contains(part), "{part} in {answer:?}");
    }
    assert_eq!(get(address, "/v1/punches", "").await.status, 405);
    assert_eq!(log.records(), []);
    let text = running.metrics.text();
    for line in [
        "muster_http_requests_total{path=\"/v1/punches\",status=\"413\"} 2",
        "muster_http_requests_total{path=\"other\",status=\"404\"} 1",
        "muster_http_requests_in_flight 0",
        "muster_queue_items{queue=\"http_requests\"} 0",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[tokio::test]
async fn too_many_records_are_sent_in_parts() {
    let log = TestLog::open(1 << 20);
    let running = run(config(), log.appender(), Waits::default()).await;
    let answer = post(running.server.address(), NDJSON, &"1\n".repeat(10_001)).await;
    assert_eq!(answer.status, 413);
    assert!(answer.error().contains("at most 10000 records"), "{answer:?}");
}

#[tokio::test]
async fn a_token_is_needed_where_tokens_are_given() {
    let log = TestLog::open(1 << 20);
    let tokens = vec![Token { name: "kiosk".into(), sha256: OF_TEST.into() }];
    let running = run(ServeConfig { tokens, ..config() }, log.appender(), Waits::default()).await;
    let address = running.server.address();
    let body = punch("a", "E1");
    for headers in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic test\r\n"] {
        let answer = post(address, headers, &body).await;
        assert_eq!(answer.status, 401, "{headers}");
        assert!(answer.has("www-authenticate: bearer realm=\"muster\""), "{answer:?}");
        assert_eq!(get(address, "/metrics", headers).await.status, 401);
    }
    assert_eq!(log.records(), []);
    let with = "Authorization: Bearer test\r\n";
    assert_eq!(post(address, with, &body).await.status, 200);
    assert_eq!(get(address, "/metrics", with).await.status, 200);
    for path in ["/livez", "/readyz", "/startupz"] {
        assert_ne!(get(address, path, "").await.status, 401, "{path} is for orchestrators");
    }
    let url = running.server.url();
    assert_eq!(fetch_metrics(&url, Credentials::default()).await.unwrap_err().kind(), ErrorKind::Refused);
    assert!(
        fetch_metrics(&url, Credentials { token: Some("test"), certificate: None })
            .await
            .unwrap()
            .sum("muster_ready")
            .is_some()
    );
}

#[tokio::test]
async fn overload_is_refused_before_the_body_is_read() {
    let log = TestLog::open(1 << 20);
    let (appender, mut gate) = log.gated();
    let one = ServeConfig { requests_max: 1, ..config() };
    let running = run(one, appender, Waits::default()).await;
    let address = running.server.address();
    let request = posting("", &punch("a", "E1"));
    let first = tokio::spawn(async move { send(address, &request).await });
    gate.entered().await;
    let second = post(address, "", &punch("b", "E2")).await;
    assert_eq!(second.status, 429);
    assert!(second.has("retry-after: 1") && second.error().contains("requests_max"), "{second:?}");
    // What is shown and probed still answers.
    assert!(
        get(address, "/metrics", "").await.body.contains("muster_queue_items{queue=\"http_requests\"} 1\n")
    );
    gate.go_on();
    assert_eq!(first.await.unwrap().status, 200);
    gate.go_on();
    assert_eq!(post(address, "", &punch("b", "E2")).await.status, 200);
}

#[tokio::test]
async fn a_log_that_is_unavailable_is_a_503_to_come_back_after() {
    let log = TestLog::open(1 << 20);
    let running = run(config(), log.appender(), Waits::default()).await;
    let address = running.server.address();
    log.fails.store(true, Ordering::Relaxed);
    let answer = post(address, "", &punch("a", "E1")).await;
    assert_eq!(answer.status, 503);
    assert!(answer.has("retry-after: 5") && answer.error().contains("takes no records now"), "{answer:?}");
    running.health.started();
    running.health.pass("owning", "4 partitions");
    let ready = get(address, "/readyz", "").await;
    assert!(ready.status == 503 && ready.body.contains("not ready: ingest"), "{ready:?}");
    log.fails.store(false, Ordering::Relaxed);
    assert_eq!(post(address, "", &punch("a", "E1")).await.status, 200);
    assert_eq!(get(address, "/readyz", "").await.status, 200);
}

#[tokio::test]
async fn a_log_that_does_not_answer_leaves_nobody_waiting() {
    let log = TestLog::open(1 << 20);
    let (appender, mut gate) = log.gated();
    let waits = Waits { append: Duration::from_millis(20), ..Waits::default() };
    let running = run(config(), appender, waits).await;
    let answer = post(running.server.address(), "", &punch("a", "E1")).await;
    assert_eq!(answer.status, 503);
    assert!(answer.error().contains("not known"), "{answer:?}");
    gate.entered().await;
    gate.go_on();
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let log = TestLog::open(1 << 20);
    let waits = Waits { body: Duration::from_millis(20), ..Waits::default() };
    let running = run(config(), log.appender(), waits).await;
    let head = "POST /v1/punches HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{";
    let answer = send(running.server.address(), head).await;
    assert_eq!(answer.status, 408, "{answer:?}");
}

#[tokio::test]
async fn probes_answer_with_reasons() {
    let metrics = metrics();
    let health = Health::new(&["owning"], &metrics);
    let checked = config().check().unwrap();
    let server = Server::start(checked, None, metrics.clone(), health.clone()).await.unwrap();
    let address = server.address();
    for (path, status, body) in [
        ("/livez", 200, "alive\n"),
        ("/startupz", 503, "starting\n"),
        ("/readyz", 503, "not ready: starting\nnot ready: owning: nothing is known of it yet\n"),
    ] {
        let answer = get(address, path, "").await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{path}");
        assert!(answer.has("cache-control: no-store"));
    }
    health.started();
    health.pass("owning", "4 partitions");
    assert_eq!(get(address, "/startupz", "").await.status, 200);
    assert_eq!(get(address, "/readyz", "").await.body, "ready\nok owning: 4 partitions\n");
    health.broken("a worker died");
    assert_eq!(get(address, "/livez", "").await.status, 503);
    let answer = post(address, "", &punch("a", "E1")).await;
    assert_eq!((answer.status, answer.error().contains("takes no punches")), (404, true));
    let scrape = get(address, "/metrics", "").await;
    assert!(scrape.has("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(scrape.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_network_that_is_not_listed_is_refused() {
    let metrics = metrics();
    let health = Health::new(&[], &metrics);
    let shared = Shared {
        access: Access::new(Vec::new(), vec!["10.0.0.0/8".parse().unwrap()]),
        slots_used: metrics.queue("http_requests", 1),
        metrics: metrics.clone(),
        health,
        ingest: None,
        body_bytes_max: 1_024,
        slots: Arc::new(Semaphore::new(1)),
        waits: Waits::default(),
    };
    let service = TowerToHyperService::new(router(Arc::new(shared)));
    let status = async |peer: &str| {
        let peer: SocketAddr = peer.parse().unwrap();
        let request = hyper::Request::get("/livez").extension(ConnectInfo(peer)).body(Body::empty()).unwrap();
        service.call(request).await.unwrap().status().as_u16()
    };
    assert_eq!(status("192.0.2.1:1").await, 403);
    assert_eq!(status("10.9.9.9:1").await, 200);
    assert_eq!(status("127.0.0.1:1").await, 200);
    assert!(metrics.text().contains("muster_http_requests_total{path=\"/livez\",status=\"403\"} 1\n"));
}

#[tokio::test]
async fn an_address_in_use_fails_the_start() {
    let metrics = metrics();
    let health = Health::new(&[], &metrics);
    let start =
        |config: ServeConfig| Server::start(config.check().unwrap(), None, metrics.clone(), health.clone());
    let first = start(config()).await.unwrap();
    let taken = ServeConfig { address: first.address().to_string(), ..ServeConfig::default() };
    let error = start(taken).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Bind);
    assert!(error.to_string().contains("another process listens there"), "{error}");
}

#[tokio::test]
async fn a_stop_answers_what_is_in_flight() {
    let log = TestLog::open(1 << 20);
    let (appender, mut gate) = log.gated();
    let running = run(config(), appender, Waits::default()).await;
    let address = running.server.address();
    let request = posting("", &punch("a", "E1"));
    let first = tokio::spawn(async move { send(address, &request).await });
    gate.entered().await;
    let stopping = tokio::spawn(running.server.stop(Duration::from_secs(30)));
    tokio::task::yield_now().await;
    gate.go_on();
    assert_eq!(first.await.unwrap().status, 200);
    stopping.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(log.records().len(), 1);
}

#[tokio::test]
async fn a_stop_ends_within_its_bound() {
    let log = TestLog::open(1 << 20);
    let (appender, mut gate) = log.gated();
    let running = run(config(), appender, Waits::default()).await;
    let mut stream = TcpStream::connect(running.server.address()).await.unwrap();
    stream.write_all(posting("", &punch("a", "E1")).as_bytes()).await.unwrap();
    gate.entered().await;
    let bound = Duration::from_millis(50);
    tokio::time::timeout(Duration::from_secs(20), running.server.stop(bound)).await.unwrap();
    gate.go_on();
}

#[tokio::test]
async fn a_scrape_is_read_back() {
    let log = TestLog::open(1 << 20);
    let running = run(config(), log.appender(), Waits::default()).await;
    running.metrics.count_records(42);
    let url = running.server.url();
    for url in [url.clone(), format!("{url}/"), format!("{url}/metrics")] {
        let samples = fetch_metrics(&url, Credentials::default()).await.unwrap();
        assert_eq!(samples.sum("muster_records_total"), Some(42.0));
    }
    let not_metrics = fetch_metrics(&format!("{url}/livez"), Credentials::default()).await.unwrap_err();
    assert_eq!(not_metrics.kind(), ErrorKind::NotMetrics, "{not_metrics}");
    let refused = fetch_metrics(&format!("{url}/other"), Credentials::default()).await.unwrap_err();
    assert!(refused.kind() == ErrorKind::Refused && refused.to_string().contains("404"), "{refused}");
    running.server.stop(Duration::from_secs(5)).await;
    let gone = fetch_metrics(&url, Credentials::default()).await.unwrap_err();
    assert!(gone.kind() == ErrorKind::Unreachable && gone.to_string().contains("muster run"), "{gone}");
    assert_eq!(gone.action(), source::Action::Retry);
    for (url, part) in [
        ("ftp://127.0.0.1/", "only http"),
        ("http://a b", "no URL"),
        ("/metrics", "no URL"),
        ("192.0.2.1:9464", "not sent to another machine"),
        ("https://192.0.2.1:9464", "give that with -c"),
    ] {
        let credentials = Credentials { token: Some("t"), certificate: None };
        let error = fetch_metrics(url, credentials).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Url, "{url}: {error}");
        assert!(error.to_string().contains(part), "{part} in {error}");
    }
}
