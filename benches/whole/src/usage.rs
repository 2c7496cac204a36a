//! What a process has used so far: processor time and memory, as Linux tells it.

use std::fs;

/// Clock ticks of `/proc/<pid>/stat` in a second: fixed at 100 for user space on every Linux.
const TICKS_PER_S: f64 = 100.0;

/// What a process has used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Seconds of processor time, in user space and in the kernel, of all threads.
    pub cpu_s: f64,
    /// Most memory resident at once, in bytes.
    pub peak_rss_bytes: u64,
}

impl Usage {
    /// What this process has used; `None` where there is no `/proc`.
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// What the process `pid` has used; `None` where there is no `/proc` or no such process.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Some(Self { cpu_s: cpu_s(&stat)?, peak_rss_bytes: peak_rss_bytes(&status)? })
    }
}

/// Fields 14 and 15 of `stat`, counted from 1; the name in field 2 may hold spaces and brackets.
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) as f64 / TICKS_PER_S)
}

fn peak_rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_text_is_read() {
        let stat = "12 (a) b (c) R 1 12 12 0 -1 4194304 90 0 0 0 250 50 7 8 20 0 1 0 99 1 2 3";
        assert_eq!(cpu_s(stat), Some(3.0));
        assert_eq!(cpu_s("12 (short) R 1"), None);
        assert_eq!(peak_rss_bytes("Name:\tx\nVmHWM:\t    1236 kB\nVmRSS:\t 12 kB\n"), Some(1_265_664));
        assert_eq!(peak_rss_bytes("Name:\tx\n"), None);
    }
}
