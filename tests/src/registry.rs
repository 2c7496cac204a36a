//! A schema registry with Confluent's API on the loopback, which can be told to fail.
//!
//! In: schemas; requests.  Out: answers; how often each path was asked.  Owns: its port and threads, until it is dropped.
//! Absent on purpose: TLS, keep-alive and registration: every request is one connection, tests hand schemas in.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As a registry does.
    Well,
    /// Connections are closed without a word.
    Down,
    /// Nothing is said for so long, then the truth.
    Slow(Duration),
    /// With this status and a page of a proxy.
    Page(u16),
}

/// The registry.
pub struct SchemaRegistry {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    mood: Mutex<Mood>,
    /// Path → answer.
    answers: Mutex<BTreeMap<String, String>>,
    asked: Mutex<Vec<String>>,
    /// What `Authorization` said, last.
    login: Mutex<Option<String>>,
    stop: AtomicBool,
}

impl SchemaRegistry {
    /// Starts it, without a schema.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            mood: Mutex::new(Mood::Well),
            answers: Mutex::default(),
            asked: Mutex::default(),
            login: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stop.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&shared);
                thread::spawn(move || stream.map(|stream| state.answer(&stream)));
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it answers like this.
    pub fn set_mood(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    /// `schema` is that of `id`; an Avro schema where `schema_type` is none. `references` are (subject, version).
    pub fn add(&self, id: u32, schema_type: Option<&str>, schema: &str, references: &[(&str, u32)]) {
        self.put(format!("/schemas/ids/{id}"), schema_type, schema, references);
    }

    /// The schema of a version of a subject, for others to refer to.
    pub fn add_version(&self, (subject, version): (&str, u32), schema: &str, references: &[(&str, u32)]) {
        self.put(format!("/subjects/{subject}/versions/{version}"), None, schema, references);
    }

    fn put(&self, path: String, schema_type: Option<&str>, schema: &str, references: &[(&str, u32)]) {
        let mut answer = format!("{{\"schema\":{}", quoted(schema));
        if let Some(schema_type) = schema_type {
            answer.push_str(&format!(",\"schemaType\":{}", quoted(schema_type)));
        }
        if !references.is_empty() {
            let of = |(subject, version): &(&str, u32)| {
                format!("{{\"name\":\"n\",\"subject\":{},\"version\":{version}}}", quoted(subject))
            };
            answer.push_str(&format!(
                ",\"references\":[{}]",
                references.iter().map(of).collect::<Vec<_>>().join(",")
            ));
        }
        self.state.answers.lock().unwrap().insert(path, answer + "}");
    }

    /// How often `path` was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.state.asked.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }

    /// What the last request said of who asks.
    pub fn login(&self) -> Option<String> {
        self.state.login.lock().unwrap().clone()
    }
}

/// A text of JSON.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out + "\""
}

impl State {
    fn answer(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first).ok()?;
        let path = first.split(' ').nth(1)?.to_owned();
        let mut line = String::new();
        while reader.read_line(&mut line).ok()? > 2 {
            let header = line.split_once(": ");
            if let Some((_, value)) = header.filter(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
                *self.login.lock().unwrap() = Some(value.trim().to_owned());
            }
            line.clear();
        }
        let mood = *self.mood.lock().unwrap();
        self.asked.lock().unwrap().push(path.clone());
        let found = self.answers.lock().unwrap().get(&path).cloned();
        let (status, body) = match mood {
            Mood::Down => return Some(()),
            Mood::Page(status) => (status, "<html>a proxy's</html>".to_owned()),
            Mood::Well | Mood::Slow(_) => {
                if let Mood::Slow(wait) = mood {
                    thread::sleep(wait);
                }
                match found {
                    Some(body) => (200, body),
                    None if path == "/schemas/types" => (200, "[\"JSON\",\"PROTOBUF\",\"AVRO\"]".to_owned()),
                    None => (404, "{\"error_code\":40403,\"message\":\"Schema not found\"}".to_owned()),
                }
            }
        };
        let mut stream = stream;
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Told\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all((head + &body).as_bytes()).ok()
    }
}

impl Drop for SchemaRegistry {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        // The listener looks at the flag when somebody calls.
        let _ = TcpStream::connect(self.address);
    }
}
