//! A receiver of webhooks that answers as badly as real ones do.
//!
//! In: HTTP requests on loopback, a seed.  Out: what it answered 200 to, in order.  Owns: its port and threads, until it is
//! dropped.
//! Absent on purpose: TLS and keep-alive: every request is one connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A message that was answered with 200.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The header `webhook-id`.
    pub webhook_id: String,
    /// The body.
    pub body: serde_json::Value,
}

/// The receiver.
pub struct Webhook {
    address: SocketAddr,
    accepted: Arc<Mutex<Vec<Accepted>>>,
    answers: Arc<Mutex<Vec<u16>>>,
    status: Arc<AtomicU16>,
    stop: Arc<AtomicBool>,
}

impl Webhook {
    /// Starts it. With `moody`, four of ten requests get 401, 429, 500, a late answer or none at all.
    pub fn start(seed: u64, moody: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, answers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (stop, status) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU16::new(0)));
        let (into, told, over) = (Arc::clone(&accepted), Arc::clone(&answers), Arc::clone(&stop));
        let fixed = Arc::clone(&status);
        thread::spawn(move || {
            let mut rng = StdRng::seed_from_u64(seed);
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let mood = if moody { rng.random_range(0..10) } else { 9 };
                let (into, told) = (Arc::clone(&into), Arc::clone(&told));
                let mood = match fixed.load(Ordering::Relaxed) {
                    0 => Mood::Any(mood),
                    status => Mood::Fixed(status),
                };
                thread::spawn(move || stream.map(|stream| answer(stream, mood, &into, &told)));
            }
        });
        Self { address, accepted, answers, status, stop }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// From now on every request gets `status`; none: as it was started.
    pub fn answer_all(&self, status: Option<u16>) {
        self.status.store(status.unwrap_or(0), Ordering::Relaxed);
    }

    /// Everything answered with 200 so far.
    pub fn accepted(&self) -> Vec<Accepted> {
        self.accepted.lock().unwrap().clone()
    }

    /// How often each status was answered; 0 stands for no answer.
    pub fn answered(&self, status: u16) -> usize {
        self.answers.lock().unwrap().iter().filter(|answer| **answer == status).count()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The listener looks at the flag when somebody calls.
        let _ = TcpStream::connect(self.address);
    }
}

/// How a request is answered.
#[derive(Clone, Copy, Debug)]
enum Mood {
    /// As the dice fell, 0 to 9.
    Any(u32),
    /// With this status.
    Fixed(u16),
}

fn answer(
    stream: TcpStream,
    mood: Mood,
    accepted: &Mutex<Vec<Accepted>>,
    answers: &Mutex<Vec<u16>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut line, mut length, mut webhook_id) = (String::new(), 0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.split_once(':') else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "webhook-id" => webhook_id = value.trim().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (status, more) = match mood {
        Mood::Fixed(status) => (status, ""),
        Mood::Any(0) => (401, ""),
        Mood::Any(1) => (429, "retry-after: 1\r\n"),
        Mood::Any(2) => (500, ""),
        Mood::Any(3) => (0, ""),
        Mood::Any(_) => (200, ""),
    };
    answers.lock().unwrap().push(status);
    if status == 0 {
        // The sender gives up first.
        thread::sleep(Duration::from_secs(10));
        return None;
    }
    if matches!(mood, Mood::Any(4)) {
        thread::sleep(Duration::from_millis(700));
    }
    if status == 200 {
        let body = serde_json::from_slice(&body).ok()?;
        accepted.lock().unwrap().push(Accepted { webhook_id, body });
    }
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n{more}\r\n").ok()
}
