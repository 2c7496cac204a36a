//! Whether a destination is worth calling: closed → open after failures in a row → one probe → closed again.
//!
//! In: how calls went, wall time handed in.  Out: [`Allowance`].  Owns: three numbers, which the outbox stores.
//! Absent on purpose: a clock, and any loss: what may not be sent waits.
//! Invariants: while open nothing is sent; while half open one call at a time; one success closes it (tests below).

use model::EventTime;

/// Failures in a row that open it.
pub(crate) const FAILURES_MAX: u32 = 5;
/// How long it stays open the first time, in seconds; each further time twice as long.
const OPEN_S: i64 = 30;
/// How long it stays open at most, in seconds.
const OPEN_S_MAX: i64 = 1_800;

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    /// Whatever is due.
    All,
    /// One call, to see whether the destination is back.
    Probe,
    /// Nothing.
    Nothing,
}

/// The breaker of one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Breaker {
    /// Failures in a row.
    pub(crate) failures: u32,
    /// How often it opened since the last success.
    pub(crate) opened: u32,
    /// When it lets a probe through; none while closed.
    pub(crate) open_until: Option<EventTime>,
}

impl Breaker {
    pub(crate) fn allowance(&self, now: EventTime) -> Allowance {
        match self.open_until {
            None => Allowance::All,
            Some(until) if until <= now => Allowance::Probe,
            Some(_) => Allowance::Nothing,
        }
    }

    /// Takes in a success; whether that closed it.
    pub(crate) fn succeeded(&mut self) -> bool {
        let was_open = self.open_until.is_some();
        *self = Self::default();
        was_open
    }

    /// Takes in a failure. One that was on its way when it opened changes nothing.
    pub(crate) fn failed(&mut self, now: EventTime) {
        self.failures = self.failures.saturating_add(1);
        let opens = match self.allowance(now) {
            Allowance::All => self.failures >= FAILURES_MAX,
            Allowance::Probe => true,
            Allowance::Nothing => false,
        };
        if opens {
            let open_s = OPEN_S.checked_shl(self.opened).map_or(OPEN_S_MAX, |s| s.clamp(OPEN_S, OPEN_S_MAX));
            self.opened = (self.opened + 1).min(16);
            self.open_until = Some(now.plus_s(open_s));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_probes_and_closes() {
        let mut breaker = Breaker::default();
        let mut now = EventTime::from_ms(1_000_000);
        for _ in 0..FAILURES_MAX - 1 {
            breaker.failed(now);
            assert_eq!(breaker.allowance(now), Allowance::All);
        }
        assert!(!breaker.succeeded());
        for _ in 0..FAILURES_MAX {
            breaker.failed(now);
        }
        // Calls that were on their way do not prolong it.
        breaker.failed(now.plus_s(1));
        for (open_s, probes) in
            [(30, 0), (60, 1), (120, 2), (240, 3), (480, 4), (960, 5), (1_800, 6), (1_800, 7)]
        {
            assert_eq!(breaker.allowance(now.plus_s(open_s - 1)), Allowance::Nothing, "probe {probes}");
            now = now.plus_s(open_s);
            assert_eq!(breaker.allowance(now), Allowance::Probe, "probe {probes}");
            breaker.failed(now);
        }
        assert!(breaker.succeeded());
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn it_stays_bounded_for_ever() {
        let (mut breaker, mut now) = (Breaker::default(), EventTime::from_ms(0));
        for _ in 0..1_000 {
            breaker.failed(now);
            now = now.plus_s(OPEN_S_MAX);
            assert_ne!(breaker.allowance(now), Allowance::Nothing);
        }
    }
}
