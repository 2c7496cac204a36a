//! Several brokers that are one cluster: each a process with its folder and ports, broker and controller at once, to be killed
//! and started again.
//!
//! In: how many.  Out: the addresses of all.  Owns: the brokers.
//! Invariants: what is acknowledged is on two of them at least, so that any one may die (`min.insync.replicas`).
//! Why so: controllers of fixed addresses (`controller.quorum.voters`), since those are known before the first one starts.

use std::thread;

use super::settings::{Listener, VOTERS};
use super::{Broker, STARTS_MAX, Settings};

/// Settings of each broker, whose number is to be put in for `N`.
const OF_SEVERAL: [(&str, &str); 7] = [
    ("default.replication.factor", "N"),
    ("offsets.topic.replication.factor", "N"),
    ("transaction.state.log.replication.factor", "N"),
    ("share.coordinator.state.topic.replication.factor", "N"),
    ("min.insync.replicas", "2"),
    // Several on a machine of two cores: what is late for a moment is not dead.
    ("broker.session.timeout.ms", "3000"),
    ("replica.lag.time.max.ms", "10000"),
];

/// Running Kafka brokers that belong to one test and to each other.
#[derive(Debug)]
pub struct Brokers(Vec<Broker>);

impl Brokers {
    /// Starts `count` of them, numbered from 1, and waits until all answer.
    ///
    /// # Panics
    /// As [`Broker::start`].
    pub fn start(count: usize) -> Self {
        let mut told = String::new();
        for _ in 0..STARTS_MAX {
            match Self::try_start(count) {
                Ok(brokers) => return brokers,
                Err(error) if error.contains("Address already in use") => told = error,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("other programs took the ports of brokers {STARTS_MAX} times; the last said:\n{told}");
    }

    fn try_start(count: usize) -> Result<Self, String> {
        let ports: Vec<_> = (0..count).map(|_| Settings::default().free_ports()).collect();
        let voter = |(n, ports): (usize, &std::collections::BTreeMap<Listener, u16>)| {
            format!("{}@127.0.0.1:{}", n + 1, ports[&Listener::Controller])
        };
        let voters = ports.iter().enumerate().map(voter).collect::<Vec<_>>().join(",");
        let settings = |n: usize| {
            let own = Settings::default().with("node.id", &(n + 1).to_string()).with(VOTERS, &voters);
            let all = OF_SEVERAL.iter();
            all.fold(own, |own, (key, value)| own.with(key, &value.replace('N', &count.to_string())))
        };
        let mut brokers: Vec<Broker> = thread::scope(|scope| {
            let made = ports.into_iter().enumerate().map(|(n, ports)| {
                let settings = settings(n);
                scope.spawn(move || Broker::formatted(settings, ports))
            });
            let made: Vec<_> = made.collect();
            made.into_iter().map(|made| made.join().expect("format a broker's folder")).collect()
        });
        // Each waits for a majority of controllers: all first, then look.
        brokers.iter_mut().for_each(Broker::spawn);
        brokers.iter_mut().try_for_each(Broker::await_ready)?;
        Ok(Self(brokers))
    }

    /// `127.0.0.1:port` of all plain listeners, with commas between.
    pub fn bootstrap(&self) -> String {
        self.0.iter().map(Broker::bootstrap).collect::<Vec<_>>().join(",")
    }

    /// The broker of that number.
    ///
    /// # Panics
    /// If there is none.
    pub fn node(&mut self, number: i32) -> &mut Broker {
        let at = usize::try_from(number - 1).expect("brokers are numbered from 1");
        &mut self.0[at]
    }

    /// Any of the numbers of brokers but those in `others`.
    ///
    /// # Panics
    /// If there is none.
    pub fn other_than(&self, others: &[i32]) -> i32 {
        (1..).take(self.0.len()).find(|number| !others.contains(number)).expect("a broker is left")
    }
}
