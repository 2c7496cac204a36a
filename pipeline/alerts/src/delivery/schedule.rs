//! When a message that failed is tried again: the schedule Standard Webhooks recommends, a little spread out.
//!
//! Absent on purpose: a random generator: the spread is a hash of the message's id and the attempt, so that many
//! messages that failed together do not come back together, and a test sees the same as life.

use model::EventTime;
use sha2::{Digest, Sha256};

/// How long after each failed attempt the next one follows, in seconds: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h,
/// 20 h, 24 h (Standard Webhooks 1.0.0, "Deliverability and reliability").
pub(crate) const RETRY_AFTER_S: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// Up to how much later than scheduled, as a share of the wait: one part in this many.
const SPREAD_PART: i64 = 5;

/// When attempt `attempts_made` + 1 of the message is due, if it gets one.
pub(crate) fn next_attempt(webhook_id: &str, attempts_made: u32, failed_at: EventTime) -> Option<EventTime> {
    let wait_s = RETRY_AFTER_S.get(attempts_made.checked_sub(1)? as usize)?;
    let hash = Sha256::new().chain_update(webhook_id).chain_update(attempts_made.to_be_bytes()).finalize();
    let part = i64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]));
    let wait_us = wait_s * 1_000_000;
    let spread_us = (wait_us / SPREAD_PART / 1_000 * part / i64::from(u32::MAX)) * 1_000;
    Some(failed_at.plus_us(wait_us + spread_us))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ten_attempts_never_early_and_not_all_at_once() {
        let at = EventTime::from_ms(1_000);
        let mut waits = HashSet::new();
        for (made, wait_s) in (1..).zip(RETRY_AFTER_S) {
            for message in 0..100 {
                let wait_us = next_attempt(&format!("msg_{message}"), made, at).unwrap().us_since(at);
                assert!(wait_us >= wait_s * 1_000_000 && wait_us <= wait_s * 1_200_000, "{made}: {wait_us}");
                waits.insert(wait_us);
            }
        }
        assert!(waits.len() > 890, "{} different waits of 900", waits.len());
        assert_eq!(next_attempt("msg", 10, at), None);
        assert_eq!(next_attempt("msg", 3, at), next_attempt("msg", 3, at));
    }
}
