//! A Kafka broker of a test's own: a process with its folder, ports and settings, to be killed, halted and started again.
//!
//! In: [`Settings`]; the Kafka that `tests/kafka/prepare` copied into the cache.  Out: the addresses of its listeners and
//! the certificates to call them with.
//! Owns: the Java process and its folder, both gone when the [`Broker`] is dropped.
//! Absent on purpose: a Kafka client: the rooms under test bring theirs, and an oracle its own. A restart on other ports:
//! clients must find the same broker again.
//! Invariants: a broker never outlives the process of its test, however that ends (`process::Guarded`). Two brokers never
//! share a port, even while one of them is down (`free_port`). A started broker answers on every listener.
//! Why so: faults are done to a private broker, since everybody else would feel them on the shared one
//! ([`shared_bootstrap`]). A real broker instead of librdkafka's mock: only it has transactions of groups, certificates,
//! retention, and the bugs that count.

mod certificates;
mod process;
mod settings;
mod several;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use self::certificates::Certificates;
use self::process::Guarded;
pub use self::process::{Signal, signal};
pub use self::settings::Settings;
use self::settings::{Listener, Tls};
pub use self::several::Brokers;

/// How long a broker may take from its start to its first answer: some four seconds on an idle machine.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// How long an orderly end may take.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// How often a starting or ending broker is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long one look may last.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// How many sets of ports are tried where another program was quicker.
const STARTS_MAX: u32 = 3;

/// Ports of private brokers, below those that the system gives to clients: a client that calls again and again while its
/// broker is down would else sooner or later be given the broker's port. `tests/kafka/start` chooses from the 7000 below.
const PORTS: std::ops::Range<u32> = 22_000..30_000;

/// A `size, ApiVersions = 18, version 0, correlation 1, no client's name`: asks for no right and is a dozen bytes.
const ASK_API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];

/// A running Kafka broker that belongs to one test.
#[derive(Debug)]
pub struct Broker {
    settings: Settings,
    ports: BTreeMap<Listener, u16>,
    certificates: Option<Certificates>,
    // Before the folder: the process ends first.
    process: Option<Guarded>,
    folder: TempDir,
}

impl Broker {
    /// Starts a broker and waits until it answers.
    ///
    /// # Panics
    /// If Kafka is not in the cache (the message says how it comes there), or the broker does not start.
    pub fn start(settings: Settings) -> Self {
        let mut told = String::new();
        for _ in 0..STARTS_MAX {
            let ports = settings.free_ports();
            let mut broker = Self::formatted(settings.clone(), ports);
            match broker.run() {
                Ok(()) => return broker,
                Err(error) if error.contains("Address already in use") => told = error,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("other programs took the ports of {STARTS_MAX} brokers; the last said:\n{told}");
    }

    /// `127.0.0.1:port` of the plain listener, which asks for nothing.
    pub fn bootstrap(&self) -> String {
        self.address(Listener::Plain)
    }

    /// `127.0.0.1:port` of the TLS listener.
    ///
    /// # Panics
    /// If the settings have no TLS.
    pub fn ssl_bootstrap(&self) -> String {
        self.address(Listener::Ssl)
    }

    /// `127.0.0.1:port` of the listener with SASL (PLAIN and SCRAM-SHA-512) and without TLS.
    ///
    /// # Panics
    /// If the settings have no user.
    pub fn sasl_bootstrap(&self) -> String {
        self.address(Listener::SaslPlain)
    }

    /// `127.0.0.1:port` of the listener with SASL over TLS.
    ///
    /// # Panics
    /// If the settings have no TLS or no user.
    pub fn sasl_ssl_bootstrap(&self) -> String {
        self.address(Listener::SaslSsl)
    }

    /// The certificate, as PEM, of the authority that signed the broker's.
    ///
    /// # Panics
    /// If the settings have no TLS.
    pub fn ca_pem(&self) -> &str {
        &self.certificates().ca_pem
    }

    /// A file of [`Broker::ca_pem`].
    ///
    /// # Panics
    /// If the settings have no TLS.
    pub fn ca_path(&self) -> PathBuf {
        self.folder.path().join(certificates::CA_FILE)
    }

    /// A client's certificate and its key, as PEM, that a listener of [`Settings::with_client_certificates`] lets in.
    ///
    /// # Panics
    /// If the settings have no TLS.
    pub fn client_pem(&self) -> (&str, &str) {
        let certificates = self.certificates();
        (&certificates.client_pem, &certificates.client_key_pem)
    }

    /// Where it keeps its records: a folder for each partition, `<topic>-<partition>`. For tests that lose some while the
    /// broker is down.
    pub fn data_path(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The Java process.
    ///
    /// # Panics
    /// If the broker is down.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the broker is down").pid()
    }

    /// Kills it (SIGKILL) and waits until it is gone. Its data stay. A broker that is down stays so.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Lets it end in order (SIGTERM) and waits until it is gone. Its data stay. A broker that is down stays so.
    ///
    /// # Panics
    /// If it does not end in a minute.
    pub fn stop(&mut self) {
        let Some(process) = &self.process else { return };
        signal(process.pid(), Signal::Terminate);
        let begun = Instant::now();
        while !process.has_ended() {
            assert!(
                begun.elapsed() < STOP_WITHIN,
                "the broker did not end in {STOP_WITHIN:?}\n{}",
                self.said()
            );
            thread::sleep(LOOK_EVERY);
        }
        self.process = None;
    }

    /// Halts it (SIGSTOP): its connections stay open and nothing answers.
    ///
    /// # Panics
    /// If the broker is down.
    pub fn pause(&self) {
        signal(self.pid(), Signal::Stop);
    }

    /// Lets a halted broker go on (SIGCONT).
    ///
    /// # Panics
    /// If the broker is down.
    pub fn resume(&self) {
        signal(self.pid(), Signal::Continue);
    }

    /// Starts it again on the same ports and data and waits until it answers; kills it first if it runs.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        self.kill();
        if let Err(error) = self.run() {
            panic!("{error}");
        }
    }

    /// The end of what it has said in its log, for the message of a failed assertion.
    pub fn said(&self) -> String {
        let mut said = String::new();
        for name in ["broker.out", "broker.log"] {
            let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            let tail = &lines[lines.len().saturating_sub(20)..];
            said.push_str(&format!("--- {name}\n{}\n", tail.join("\n")));
        }
        said
    }

    /// A broker that does not run yet: certificates made, data formatted.
    fn formatted(settings: Settings, ports: BTreeMap<Listener, u16>) -> Self {
        let folder =
            tempfile::Builder::new().prefix("muster-kafka.").tempdir().expect("make the broker's folder");
        let certificates = (settings.tls != Tls::Off).then(|| Certificates::make(folder.path()));
        let broker = Self { settings, ports, certificates, process: None, folder };
        let base = read_beside("server.properties");
        let text = broker.settings.properties(&base, &broker.ports, broker.folder.path());
        fs::write(broker.properties_path(), text).expect("write server.properties");

        let mut format = broker.kafka("kafka.tools.StorageTool");
        format.args(["format", "--cluster-id", "muster-tests-0000000000"]);
        if !broker.settings.is_one_of_several() {
            format.arg("--standalone");
        }
        format.arg("--config").arg(broker.properties_path());
        for (name, password) in &broker.settings.users {
            format.arg("--add-scram").arg(format!("SCRAM-SHA-512=[name={name},password={password}]"));
        }
        let output = format.output().unwrap_or_else(|error| panic!("start Java: {error}: {NO_JAVA}"));
        let told = || {
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        };
        assert!(output.status.success(), "format the broker's folder: {}", told());
        broker
    }

    /// Starts the process and waits until all listeners answer.
    fn run(&mut self) -> Result<(), String> {
        self.spawn();
        self.await_ready()
    }

    fn spawn(&mut self) {
        let mut command = self.kafka("kafka.Kafka");
        command.arg(self.properties_path());
        self.process = Some(Guarded::spawn(&command, &self.folder.path().join("broker.out")));
    }

    /// Waits until all listeners answer; a process that does not come so far is killed.
    fn await_ready(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            if self.answers() {
                return Ok(());
            }
            let ended = self.process.as_ref().is_none_or(Guarded::has_ended);
            if ended || begun.elapsed() > READY_WITHIN {
                let how = if ended { "ended" } else { "was not ready" };
                self.process = None;
                return Err(format!("the broker {how} after {:?}\n{}", begun.elapsed(), self.said()));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn answers(&self) -> bool {
        let is_open = |port: &u16| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok();
        answers(self.ports[&Listener::Plain]) && self.ports.values().all(is_open)
    }

    /// The command that runs a program of Kafka's for this broker.
    fn kafka(&self, class: &str) -> Command {
        let beside = beside();
        let home = env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
        let java = home.map_or_else(|| PathBuf::from("java"), |home| Path::new(&home).join("bin/java"));
        let mut command = Command::new(java);
        command.arg(format!("@{}", beside.join("java.args").display()));
        command.arg(format!("-Dmuster.dir={}", self.folder.path().display()));
        command.arg(format!("-Dlog4j2.configurationFile={}", beside.join("log4j2.xml").display()));
        let jars = jars();
        // Half the work of a start is loading classes and compiling well what runs briefly.
        command.arg(format!("-XX:SharedArchiveFile={}", jars.join("broker.jsa").display()));
        command.arg("-XX:TieredStopAtLevel=1");
        command.arg("-cp").arg(jars.join("*")).arg(class);
        command
    }

    fn properties_path(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }

    fn address(&self, listener: Listener) -> String {
        let port =
            self.ports.get(&listener).unwrap_or_else(|| panic!("this broker has no {}", listener.name()));
        format!("127.0.0.1:{port}")
    }

    fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("this broker has no TLS: Settings::with_tls")
    }
}

/// `host:port` of the broker that all tests share: the plain listener of the one `tests/run` has started, or of the one
/// that `MUSTER_TEST_KAFKA` names. Topics on it need names of their own.
///
/// # Panics
/// If there is none: a test that needs a broker and has none has failed.
pub fn shared_bootstrap() -> String {
    env::var("MUSTER_TEST_KAFKA").ok().filter(|address| !address.is_empty()).unwrap_or_else(|| {
        panic!(
            "MUSTER_TEST_KAFKA names no broker: run `tests/run`, which starts one, or start one by `tests/kafka/start` \
             and set MUSTER_TEST_KAFKA to the host:port that it prints"
        )
    })
}

const NO_JAVA: &str = "tests with a broker need Java 17 or later: `tests/run` installs it where it may";

/// The folder of Kafka's jars: `MUSTER_TEST_KAFKA_JARS`, else the cache where `tests/kafka/prepare` puts them.
fn jars() -> PathBuf {
    if let Some(jars) = env::var_os("MUSTER_TEST_KAFKA_JARS").filter(|jars| !jars.is_empty()) {
        return PathBuf::from(jars);
    }
    let cache = env::var_os("XDG_CACHE_HOME").filter(|cache| !cache.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| env::home_dir().map(|home| home.join(".cache"))).expect("a home folder");
    let pom = read_beside("pom.xml");
    let version = pom.split_once("<kafka.version>").and_then(|(_, rest)| rest.split_once('<'));
    let (version, _) = version.expect("pom.xml has a kafka.version");
    let jars = cache.join("muster").join(format!("kafka-{version}"));
    let hash: String = Sha256::digest(&pom).iter().map(|byte| format!("{byte:02x}")).collect();
    let stamp = fs::read_to_string(jars.join("pom.sha256")).unwrap_or_default();
    assert!(
        stamp.trim() == hash,
        "{} does not hold the Kafka of tests/kafka/pom.xml: run `tests/kafka/prepare` (or `tests/run`) once",
        jars.display()
    );
    jars
}

/// The folder of what all brokers have in common.
fn beside() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka")
}

fn read_beside(name: &str) -> String {
    let path = beside().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// A port that nobody listens at, and that this process gives out once only.
fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let len = PORTS.end - PORTS.start;
    for _ in 0..len {
        // Test processes that run at the same time begin far from each other.
        let nth = std::process::id().wrapping_mul(97).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(PORTS.start + nth % len).expect("PORTS are ports");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port in {PORTS:?}");
}

/// Whether a broker answers at a plain listener.
fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<[u8; 4]> {
        let mut stream =
            TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), LOOK_WITHIN)?;
        stream.set_read_timeout(Some(LOOK_WITHIN))?;
        stream.write_all(&ASK_API_VERSIONS)?;
        let mut size = [0; 4];
        stream.read_exact(&mut size)?;
        Ok(size)
    };
    ask().is_ok()
}
