//! How many messages a destination takes: a bucket of tokens, each of which comes back a minute after it was taken.
//!
//! In: wall time handed in.  Out: whether a message may go.  Owns: when each token was taken.
//! Absent on purpose: a clock; a store of its own: the outbox's attempts say when tokens were taken before a restart, all
//! but those of messages that a crash caught on their way.
//! Invariants: within no minute more messages than tokens, and as many as that if they are there (tests below).
//! Why so: a bucket that is refilled drop by drop lets nearly twice its rate through in its first minute, and chat
//! robots block a sender for ten minutes for that (research/ecosystem.md, section 2).

use std::collections::VecDeque;

use model::EventTime;

/// How long a token stays away, in seconds.
pub(crate) const AWAY_S: i64 = 60;

/// The bucket of one destination.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    tokens: usize,
    taken: VecDeque<EventTime>,
}

impl Bucket {
    /// A bucket of `tokens`, of which some were `taken` before, in order.
    pub(crate) fn new(tokens: u32, taken: impl IntoIterator<Item = EventTime>) -> Self {
        Self { tokens: tokens as usize, taken: taken.into_iter().collect() }
    }

    /// Takes a token if one is there.
    pub(crate) fn take(&mut self, now: EventTime) -> bool {
        let is_there = self.is_there(now);
        if is_there {
            self.taken.push_back(now);
        }
        is_there
    }

    /// Whether a token is there.
    pub(crate) fn is_there(&mut self, now: EventTime) -> bool {
        // A clock that was set back must not keep tokens away for longer than a minute.
        let is_back = |taken: &EventTime| now >= taken.plus_s(AWAY_S) || *taken > now.plus_s(AWAY_S);
        while self.taken.front().is_some_and(is_back) {
            self.taken.pop_front();
        }
        self.taken.len() < self.tokens
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_minute_sees_more_than_the_tokens_and_none_is_withheld(
            tokens in 1..6_u32,
            waits_ms in proptest::collection::vec(0..40_000_i64, 1..200),
        ) {
            let mut bucket = Bucket::new(tokens, []);
            let (mut now, mut sent) = (EventTime::from_ms(5), Vec::new());
            for wait_ms in waits_ms {
                now = now.plus_us(wait_ms * 1_000);
                let within = sent.iter().filter(|at: &&EventTime| now < at.plus_s(AWAY_S)).count();
                prop_assert_eq!(bucket.is_there(now), within < tokens as usize);
                let went = bucket.take(now);
                prop_assert_eq!(went, within < tokens as usize);
                if went {
                    sent.push(now);
                }
            }
        }
    }

    #[test]
    fn a_clock_set_back_does_not_stop_it() {
        let mut bucket = Bucket::new(1, [EventTime::from_ms(10_000_000)]);
        assert!(bucket.take(EventTime::from_ms(5_000)));
        assert!(!bucket.take(EventTime::from_ms(6_000)));
    }
}
