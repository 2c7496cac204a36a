//! The Kafka broker that a benchmark talks to.
//!
//! In: `MUSTER_TEST_KAFKA`, else the script that tests start theirs with.  Out: its address.  Owns: the broker's process, if
//! it started one; its data are gone with it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A broker of one process on this machine.
#[derive(Debug)]
pub struct Broker {
    /// `host:port`.
    pub address: String,
    process: Option<Child>,
}

impl Broker {
    /// The one that `MUSTER_TEST_KAFKA` names, or a fresh one.
    ///
    /// # Panics
    /// If it does not start; the script says why.
    pub fn find() -> Self {
        let named = std::env::var("MUSTER_TEST_KAFKA").ok().filter(|address| !address.is_empty());
        if let Some(address) = named {
            return Self { address, process: None };
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/kafka/start");
        let child = Command::new(&script).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("start {}: {error}", script.display()));
        let mut address = String::new();
        let out = child.stdout.take().expect("its output is a pipe");
        BufReader::new(out).read_line(&mut address).expect("the broker's address");
        assert!(address.contains(':'), "{} printed no address", script.display());
        Self { address: address.trim().to_owned(), process: Some(child) }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // In good order: the script then ends its Java process and removes the data.
            let _ = Command::new("kill").arg(process.id().to_string()).status();
            let _ = process.wait();
        }
    }
}
