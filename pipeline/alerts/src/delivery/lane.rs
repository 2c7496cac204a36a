//! One destination as the deliverer sees it: what may be sent to it now, and what an answer does to it.
//!
//! In: wall time, answers.  Out: how many more messages may go, what to record.  Owns: the destination's standing, its
//! bucket, its messages on their way.
//! Absent on purpose: I/O; the deliverer carries out what is decided here.

use model::EventTime;
use sha2::{Digest as _, Sha256};

use super::answer::{Outcome, Reply};
use super::breaker::Allowance;
use super::bucket::Bucket;
use super::destination::Destination;
use super::outbox::{After, Message, Recorded, Standing};
use super::schedule;
use super::stats::{DestinationState, DestinationStats};

/// A destination and how it stands.
pub(super) struct Lane {
    /// Its number in the outbox.
    pub(super) id: i64,
    pub(super) destination: Destination,
    pub(super) standing: Standing,
    pub(super) bucket: Bucket,
    /// Messages on their way, and when they were sent.
    pub(super) in_flight: Vec<(Message, EventTime)>,
    /// Nothing is due before; unknown after every change.
    pub(super) quiet_until: Option<EventTime>,
    pub(super) stats: DestinationStats,
}

impl Lane {
    pub(super) fn new(id: i64, destination: Destination, standing: Standing, taken: Vec<EventTime>) -> Self {
        let bucket = Bucket::new(destination.rate_per_minute, taken);
        let stats = DestinationStats { name: destination.name.clone(), ..DestinationStats::default() };
        Self { id, destination, standing, bucket, in_flight: Vec::new(), quiet_until: None, stats }
    }

    /// Whether one more message may go now.
    pub(super) fn may_send(&mut self, in_flight_max: usize, now: EventTime) -> bool {
        let most = match self.standing.breaker.allowance(now) {
            Allowance::All => in_flight_max,
            Allowance::Probe => 1,
            Allowance::Nothing => 0,
        };
        self.standing.off.is_none()
            && self.standing.leave_until.is_none_or(|until| until <= now)
            && self.in_flight.len() < most
            && self.bucket.is_there(now)
    }

    /// What is to be recorded about `message`, sent at `sent_at` and answered by `reply` now; and whether that was the
    /// success after which everything may be tried at once. The message stays in flight until that is stored.
    pub(super) fn settle(&mut self, message: i64, reply: &Reply, now: EventTime) -> Option<(Recorded, bool)> {
        let (sent, sent_at) = self.in_flight.iter().find(|(sent, _)| sent.id == message)?;
        let mut recovered = false;
        let after = match reply.outcome(now) {
            Outcome::Sent => {
                recovered = self.standing.breaker.succeeded();
                self.standing.leave_until = None;
                After::Sent
            }
            Outcome::Gone => {
                self.standing.off = Some((now, "it answered 410 Gone".into()));
                After::Queued(now)
            }
            Outcome::Failed { leave_until, .. } => {
                self.standing.breaker.failed(now);
                self.standing.leave_until = leave_until.max(self.standing.leave_until);
                match schedule::next_attempt(&sent.webhook_id, sent.attempts + 1, now) {
                    Some(due_at) => After::Queued(leave_until.map_or(due_at, |until| due_at.max(until))),
                    None => {
                        let why = format!("it took no message in {} attempts", sent.attempts + 1);
                        self.standing.off.get_or_insert((now, why));
                        After::Dead
                    }
                }
            }
        };
        let recorded =
            Recorded { message, sent_at: *sent_at, status: reply.status(), http: reply.code(), after };
        Some((recorded, recovered))
    }

    pub(super) fn state(&self, now: EventTime) -> DestinationState {
        let breaker = &self.standing.breaker;
        match (&self.standing.off, self.standing.leave_until, breaker.open_until) {
            (Some(_), ..) => DestinationState::Off,
            (None, Some(until), _) if until > now => DestinationState::Left(until),
            (None, _, Some(until)) if until > now => DestinationState::Open(until),
            (None, _, Some(_)) => DestinationState::HalfOpen,
            (None, _, None) => DestinationState::On,
        }
    }
}

/// Changes whenever a destination's URL or secrets do, and shows neither.
pub(super) fn fingerprint(destination: &Destination) -> String {
    let mut hash = Sha256::new().chain_update(destination.url.as_str());
    for secret in &destination.secrets {
        hash = hash.chain_update([0x1f]).chain_update(Sha256::digest(secret.bytes()));
    }
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
