//! What the operating system knows of this process, under the names every Prometheus client uses.
//!
//! In: `/proc/self`, read at each scrape.  Out: gauges and counters without labels.  Owns: nothing.
//! Absent on purpose: a value the system does not give: it has no sample (there is no `/proc` outside Linux).

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Ticks a second of the times in `/proc/self/stat`: Linux fixes `USER_HZ` at 100 for every program.
const TICKS_PER_S: f64 = 100.0;

/// The process that runs.
#[derive(Debug)]
pub(super) struct Process;

/// What one look at `/proc` gave.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    resident_bytes: Option<u64>,
    cpu_s: Option<f64>,
    threads: Option<u64>,
    open_files: Option<u64>,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let seen = look();
        let gauges = [
            ("process_resident_memory_bytes", "Resident memory size in bytes.", seen.resident_bytes),
            ("process_threads", "Threads of the process.", seen.threads),
            ("process_open_fds", "Open file descriptors.", seen.open_files),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
            }
        }
        if let Some(cpu) = seen.cpu_s {
            let help = "User and system CPU time spent in seconds.";
            encoder
                .encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?
                .encode_counter::<NoLabelSet, f64, f64>(&cpu, None)?;
        }
        Ok(())
    }
}

fn look() -> Seen {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let open_files = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64);
    Seen { open_files, ..read(&status, &stat) }
}

fn read(status: &str, stat: &str) -> Seen {
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    // The program's name, in parentheses, may hold blanks and parentheses itself; the fields behind it do not.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Seen {
        resident_bytes: number("VmRSS:").map(|kib| kib * 1_024),
        threads: number("Threads:"),
        cpu_s: ticks(11).zip(ticks(12)).map(|(user, system)| (user + system) as f64 / TICKS_PER_S),
        open_files: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_says_is_read() {
        let status = "Name:\tmuster\nVmRSS:\t    2048 kB\nThreads:\t7\n";
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 7 0 1 2 3";
        let seen =
            Seen { resident_bytes: Some(2 << 20), cpu_s: Some(2.0), threads: Some(7), open_files: None };
        assert_eq!(read(status, stat), seen);
    }

    #[test]
    fn what_proc_does_not_say_is_left_out() {
        assert_eq!(read("", ""), Seen::default());
        assert_eq!(read("VmRSS: many kB\n", "1 (x) S"), Seen::default());
    }
}
