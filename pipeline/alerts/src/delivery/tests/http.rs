//! Real calls to receivers on this machine that answer, refuse, redirect, dawdle or say nothing at all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};

use super::*;

/// How a receiver treats one call.
#[derive(Clone, Debug)]
enum Manner {
    /// Answers with this head.
    Answer(String),
    /// Answers byte by byte.
    Dribble(String),
    /// Answers byte by byte and never comes to an end.
    Loris,
    /// Reads the call and hangs up.
    HangUp,
    /// Reads the call and says nothing.
    Silence,
}

#[derive(Debug)]
struct Call {
    head: Vec<String>,
    body: Vec<u8>,
}

impl Call {
    fn header(&self, name: &str) -> &str {
        let found = self.head.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        });
        found.unwrap_or_else(|| panic!("no header {name} in {:?}", self.head))
    }
}

/// A receiver; its thread ends with the last call it was made for.
struct Server {
    address: SocketAddr,
    calls: Receiver<Call>,
}

impl Server {
    fn new(manners: Vec<Manner>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, calls) = channel();
        std::thread::spawn(move || serve(&listener, manners, &sender));
        Self { address, calls }
    }

    fn call(&self) -> Call {
        self.calls.recv_timeout(Duration::from_secs(10)).expect("nobody called")
    }
}

fn serve(listener: &TcpListener, manners: Vec<Manner>, calls: &Sender<Call>) {
    let mut silent = Vec::new();
    for manner in manners {
        let (mut stream, _) = listener.accept().unwrap();
        let Some(call) = read_call(&stream) else { return };
        // A test that has seen enough is gone.
        let _ = calls.send(call);
        match manner {
            Manner::Answer(text) => stream.write_all(text.as_bytes()).unwrap(),
            Manner::Dribble(text) => {
                for byte in text.as_bytes() {
                    stream.write_all(&[*byte]).unwrap();
                    stream.flush().unwrap();
                }
            }
            Manner::Loris => {
                // Whoever has heard enough hangs up.
                let mut goes_on = stream.write_all(b"HTTP/1.1 200 OK\r\nx-padding: ");
                while goes_on.is_ok() {
                    std::thread::sleep(Duration::from_millis(10));
                    goes_on = stream.write_all(b"x");
                }
            }
            Manner::HangUp => {}
            Manner::Silence => silent.push(stream),
        }
    }
    // Whoever is told nothing hangs up in the end.
    for mut stream in silent {
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

fn read_call(stream: &TcpStream) -> Option<Call> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let mut call = Call { head, body: Vec::new() };
    call.body.resize(call.header("content-length").parse().ok()?, 0);
    reader.read_exact(&mut call.body).ok()?;
    Some(call)
}

fn answer(status: &str) -> Manner {
    Manner::Answer(format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"))
}

impl World {
    /// A world whose destination is at `address`.
    fn calling(address: SocketAddr, changes: Value) -> Self {
        let mut table = json!({
            "url": format!("http://{address}/alerts"), "allow_private": ["127.0.0.1"], "timeout": "300 ms",
            "group_wait": "0 s", "group_interval": "0 s",
        });
        for (key, value) in changes.as_object().unwrap() {
            table[key] = value.clone();
        }
        let mut world = Self::new(table);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        world.runtime = Some(runtime.unwrap());
        world
    }

    /// Publishes version `version` of alert 1 and awaits what comes of it.
    fn send(&mut self, version: i64) {
        self.publish(&[alert(1, version, FIRING)]);
        self.settle();
        self.await_replies();
    }

    fn await_replies(&mut self) {
        while self.deliverer().in_flight() > 0 {
            assert!(self.deliverer().await_reply(Duration::from_secs(20)).unwrap(), "no answer at all");
        }
        self.settle();
    }

    /// Status and HTTP status of each attempt so far.
    fn attempts(&self) -> Vec<(String, Option<u16>)> {
        let rows = DeliveryLog::open(&self.outbox()).unwrap().after(0, 1_000).unwrap();
        rows.into_iter().map(|row| (row.status, row.http_status)).collect()
    }
}

#[test]
fn a_message_is_what_standard_webhooks_ask_for() {
    let server = Server::new(vec![answer("204 No Content")]);
    let mut world = World::calling(server.address, json!({}));
    world.send(1);
    let call = server.call();
    assert_eq!(call.head[0], "POST /alerts HTTP/1.1");
    assert_eq!(call.header("content-type"), "application/json");
    assert!(call.header("user-agent").starts_with("muster/"));
    assert!(call.body.len() < 20_000);
    // As a receiver checks it.
    let (id, timestamp) = (call.header("webhook-id"), call.header("webhook-timestamp"));
    assert!(id.starts_with("msg_") && !id.contains('.'));
    assert_eq!(timestamp, (START_MS / 1_000).to_string());
    let secret = base64::prelude::BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&secret).unwrap();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(&call.body);
    let expected = base64::prelude::BASE64_STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(call.header("webhook-signature"), format!("v1,{expected}"));
    let digest: AlertDigest = serde_json::from_slice(&call.body).unwrap();
    assert_eq!((digest.message_type.as_str(), digest.destination.as_str()), ("muster.alerts", "ops"));
    assert_eq!(world.attempts(), [("sent".to_owned(), Some(204))]);
    assert_eq!((world.ops().sent, world.ops().queued), (1, 0));
}

#[test]
fn every_answer_is_understood() {
    for (status, retry_after, expected, state) in [
        ("200 OK", "", "sent", "on"),
        ("401 Unauthorized", "", "refused", "on"),
        ("410 Gone", "", "gone", "off"),
        ("429 Too Many Requests", "retry-after: 900\r\n", "refused", "left_alone"),
        ("500 Internal Server Error", "", "refused", "on"),
        (
            "503 Service Unavailable",
            "retry-after: Mon, 02 Nov 2026 01:30:00 GMT\r\n",
            "refused",
            "left_alone",
        ),
        ("307 Temporary Redirect", "location: https://hooks.example/\r\n", "redirect_refused", "on"),
    ] {
        let text =
            format!("HTTP/1.1 {status}\r\n{retry_after}connection: close\r\ncontent-length: 0\r\n\r\n");
        let server = Server::new(vec![Manner::Answer(text)]);
        let mut world = World::calling(server.address, json!({}));
        world.send(1);
        server.call();
        let code = status[..3].parse::<u16>().unwrap();
        assert_eq!(world.attempts(), [(expected.to_owned(), Some(code))], "{status}");
        assert_eq!(world.ops().state.name(), state, "{status}");
        assert_eq!(world.ops().queued, u64::from(expected != "sent"), "{status}");
    }
}

#[test]
fn a_redirect_is_never_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let there = elsewhere.local_addr().unwrap();
    for status in
        ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let text = format!(
            "HTTP/1.1 {status}\r\nlocation: http://{there}/\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        let server = Server::new(vec![Manner::Answer(text)]);
        let mut world = World::calling(server.address, json!({}));
        world.send(1);
        assert_eq!(world.attempts()[0].0, "redirect_refused");
        assert!(world.ops().last_failure.unwrap().contains("redirects are not followed"));
    }
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    let server = Server::new(vec![Manner::Silence, Manner::HangUp, answer("200 OK")]);
    let mut world = World::calling(server.address, json!({}));
    world.send(1);
    assert_eq!(world.ops().last_failure.as_deref(), Some("no answer within 300 ms"));
    world.after_s(7);
    world.await_replies();
    world.after_s(361);
    world.await_replies();
    let expected =
        [("timeout".to_owned(), None), ("broken".to_owned(), None), ("sent".to_owned(), Some(200))];
    assert_eq!(world.attempts(), expected);
    let ids: Vec<String> = (0..3).map(|_| server.call().header("webhook-id").to_owned()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn who_is_slow_but_in_time_is_understood() {
    let text =
        "HTTP/1.1 202 Accepted\r\nx-padding: abcdefghijklmnopqrstuvwxyz\r\ncontent-length: 5\r\n\r\n12";
    let server = Server::new(vec![Manner::Dribble(text.into())]);
    let mut world = World::calling(server.address, json!({"timeout": "20 s"}));
    world.send(1);
    // It promised five bytes and sent two: the message was taken all the same.
    assert_eq!(world.attempts(), [("sent".to_owned(), Some(202))]);
}

#[test]
fn who_never_comes_to_an_end_is_not_waited_for() {
    let server = Server::new(vec![Manner::Loris, answer("200 OK")]);
    let mut world = World::calling(server.address, json!({}));
    world.send(1);
    world.after_s(7);
    world.await_replies();
    assert_eq!(world.attempts(), [("timeout".to_owned(), None), ("sent".to_owned(), Some(200))]);
    let ids = [server.call(), server.call()].map(|call| call.header("webhook-id").to_owned());
    assert_eq!(ids[0], ids[1]);
}

/// As robots of DingTalk and WeCom do, and gateways before them.
#[test]
fn a_refusal_inside_a_200_is_tried_again_with_the_same_id() {
    let inside = |body: &str| {
        let head =
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length:";
        Manner::Answer(format!("{head} {}\r\n\r\n{body}", body.len()))
    };
    let server = Server::new(vec![
        inside(r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#),
        inside(r#"{"errcode":0,"errmsg":"ok"}"#),
    ]);
    let mut world = World::calling(server.address, json!({}));
    world.send(1);
    let failure = world.ops().last_failure.unwrap();
    assert_eq!(failure, "HTTP status 200 with errcode 45009 inside: api freq out of limit");
    assert_eq!((world.ops().sent, world.ops().queued), (0, 1), "it was not taken");
    world.after_s(7);
    world.await_replies();
    assert_eq!(world.attempts(), [("refused".to_owned(), Some(200)), ("sent".to_owned(), Some(200))]);
    let ids = [server.call(), server.call()].map(|call| call.header("webhook-id").to_owned());
    assert_eq!(ids[0], ids[1]);
    assert_eq!((world.ops().sent, world.ops().queued), (1, 0));
}

#[test]
fn nobody_there_is_a_failure_like_any_other() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut world = World::calling(address, json!({}));
    world.send(1);
    assert_eq!(world.attempts(), [("connect".to_owned(), None)]);
    assert!(!world.ops().last_failure.unwrap().contains("/alerts"), "a failure shows the URL");
}

#[test]
fn a_name_that_leads_to_this_machine_is_not_called_unless_listed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("https://localhost:{port}/x");
    let mut world = World::calling(listener.local_addr().unwrap(), json!({"url": url, "allow_private": []}));
    world.send(1);
    assert_eq!(world.attempts(), [("address_refused".to_owned(), None)]);
    let failure = world.ops().last_failure.unwrap();
    assert!(failure.contains("localhost is at") && failure.contains("list it in allow_private"), "{failure}");
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);

    let server = Server::new(vec![answer("200 OK")]);
    let url = format!("http://localhost:{}/x", server.address.port());
    let mut world = World::calling(server.address, json!({"url": url, "allow_private": ["localhost"]}));
    world.send(1);
    assert_eq!(world.attempts(), [("sent".to_owned(), Some(200))]);
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_not_believed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut heard = Vec::new();
        // Nothing but the refusal may come: no byte of an alert.
        let read = rustls::Stream::new(&mut connection, &mut stream).read_to_end(&mut heard);
        (read.is_err(), heard.len())
    });
    let url = format!("https://localhost:{}/x", address.port());
    let changes = json!({"url": url, "allow_private": ["localhost"], "timeout": "20 s"});
    let mut world = World::calling(address, changes);
    world.send(1);
    assert_eq!(server.join().unwrap(), (true, 0));
    assert_eq!(world.attempts(), [("connect".to_owned(), None)]);
    let failure = world.ops().last_failure.unwrap();
    assert!(failure.contains("certificate"), "{failure}");
}

#[test]
fn calls_end_with_their_runtime_and_the_message_stays() {
    let server = Server::new(vec![Manner::Silence]);
    let mut world = World::calling(server.address, json!({"timeout": "60 s"}));
    world.publish(&[alert(1, 1, FIRING)]);
    world.settle();
    server.call();
    world.runtime.take().unwrap().shutdown_background();
    assert!(world.deliverer().await_reply(Duration::from_secs(20)).unwrap());
    // Whether the call or its connection was dropped first is the runtime's affair.
    let attempts = world.attempts();
    assert!(
        matches!(&attempts[..], [(status, None)] if status == "abandoned" || status == "broken"),
        "{attempts:?}"
    );
    assert_eq!((world.ops().failed, world.ops().queued), (1, 1));
}

#[test]
fn it_runs_on_a_thread_of_its_own_until_it_is_stopped() {
    let server = Server::new(vec![answer("200 OK"), answer("200 OK")]);
    let mut world = World::calling(server.address, json!({"timeout": "20 s"}));
    world.publish(&[alert(1, 1, FIRING)]);
    world.deliverer();
    let running = world.deliverer.take().unwrap().spawn().unwrap();
    assert_eq!(told(&serde_json::from_slice(&server.call().body).unwrap()), [(1, 1)]);
    world.publish(&[alert(1, 2, FIRING)]);
    assert_eq!(told(&serde_json::from_slice(&server.call().body).unwrap()), [(1, 2)]);
    assert!(!running.is_finished());
    running.stop().unwrap();
    assert_eq!(world.attempts(), vec![("sent".to_owned(), Some(200)); 2]);
    assert_eq!(world.ops().queued, 0);
}
