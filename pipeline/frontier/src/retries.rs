//! How often an unclear answer is asked again, and how long to wait in between, as values.

use std::time::Duration;

/// The bound on attempts after an unclear answer, with doubling waits. Copied per attempt; each copy counts for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Retries {
    left: u32,
    wait_ms: u64,
    wait_ms_max: u64,
}

impl Retries {
    /// At most `attempts` more, waiting `first` before the first and twice as long before each further one, never longer than
    /// `max`.
    pub fn new(attempts: u32, first: Duration, max: Duration) -> Self {
        let ms = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self { left: attempts, wait_ms: ms(first).min(ms(max)), wait_ms_max: ms(max) }
    }

    /// At most `attempts` more, with no wait: for tests and simulations.
    pub const fn at_once(attempts: u32) -> Self {
        Self { left: attempts, wait_ms: 0, wait_ms_max: 0 }
    }

    /// How long to wait before the next attempt, or `None` if the bound is reached.
    pub fn next_wait(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let wait = Duration::from_millis(self.wait_ms);
        self.wait_ms = self.wait_ms.saturating_mul(2).min(self.wait_ms_max);
        Some(wait)
    }
}

impl Default for Retries {
    /// Eight attempts over about ten seconds: longer than a busy disk or a broken connection, shorter than a watchdog's patience.
    fn default() -> Self {
        Self::new(8, Duration::from_millis(50), Duration::from_secs(4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_until_the_longest_and_end() {
        let mut retries = Retries::new(5, Duration::from_millis(50), Duration::from_millis(300));
        let waits: Vec<_> = std::iter::from_fn(|| retries.next_wait()).map(|wait| wait.as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 300, 300]);
    }

    #[test]
    fn none_means_none() {
        assert_eq!(Retries::at_once(0).next_wait(), None);
        assert_eq!(Retries::at_once(1).next_wait(), Some(Duration::ZERO));
    }

    #[test]
    fn the_default_ends_within_a_watchdogs_patience() {
        let mut retries = Retries::default();
        let total: Duration = std::iter::from_fn(|| retries.next_wait()).sum();
        assert!(total > Duration::from_secs(5) && total < Duration::from_secs(30), "{total:?}");
    }
}
