//! Whatever the order of news, failures, crashes and the passing of time: every version is in one message at most, every
//! message is taken once (unless a crash came between), and in the end every receiver knows what holds.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// The next version of an alert.
    Say(u16, AnomalyState),
    /// A version again, as an owner says it whose append was not answered.
    Repeat(u16),
    Wait(i64),
    /// What the next calls are answered.
    Answers(Vec<Reply>),
    /// From now on calls are not answered.
    Mute,
    /// Calls are answered again; those that are open are answered with this.
    Speak(Reply),
    Crash,
    Compact,
    /// The outbox cannot be written until it is released.
    Hold,
    Release,
}

const ALERTS: u16 = 6;

fn reply() -> impl Strategy<Value = Reply> {
    let later = Reply::Status { code: 429, retry_after: Some("40".into()), refusal: None };
    let lost = Reply::Failed { kind: "timeout", what: "no answer".into() };
    prop_oneof![
        3 => Just(status(200)),
        1 => Just(status(500)),
        1 => Just(status(302)),
        1 => Just(status(401)),
        1 => Just(later),
        2 => Just(lost),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..ALERTS).prop_map(|number| Step::Say(number, FIRING)),
        4 => (0..ALERTS).prop_map(|number| Step::Say(number, RESOLVED)),
        1 => (0..ALERTS).prop_map(Step::Repeat),
        6 => prop_oneof![0..40_i64, 200..400_i64, 2_000..9_000_i64].prop_map(Step::Wait),
        2 => proptest::collection::vec(reply(), 0..8).prop_map(Step::Answers),
        1 => Just(Step::Mute),
        2 => reply().prop_map(Step::Speak),
        2 => Just(Step::Crash),
        1 => Just(Step::Compact),
        1 => Just(Step::Hold),
        2 => Just(Step::Release),
    ]
}

/// What was said, and what came of it.
#[derive(Default)]
pub(super) struct Ledger {
    said: BTreeMap<u16, Vec<AnomalyState>>,
    /// Version → the ids of messages it was in.
    ids: BTreeMap<(u128, i64), BTreeSet<String>>,
    bodies: BTreeMap<String, Vec<u8>>,
    /// Messages whose calls are open.
    held: Vec<String>,
    /// Messages that a crash caught between send and record: each may be sent once more for each time.
    caught: Vec<String>,
    /// Message → how often it was taken.
    taken: BTreeMap<String, u32>,
}

impl Ledger {
    fn take_held(&mut self) {
        for id in std::mem::take(&mut self.held) {
            *self.taken.entry(id).or_default() += 1;
        }
    }
}

/// Receivers that note which calls they took.
pub(super) struct Noting(Receivers, Arc<Mutex<Ledger>>);

impl Noting {
    pub(super) fn new(receivers: Receivers, ledger: Arc<Mutex<Ledger>>) -> Self {
        Self(receivers, ledger)
    }
}

impl Post for Noting {
    fn post(&self, parcel: Parcel, done: Done) {
        let mut ledger = self.1.lock().unwrap();
        let digest: AlertDigest = serde_json::from_slice(&parcel.body).unwrap();
        assert_eq!(digest.left_out, 0);
        for version in told(&digest) {
            ledger.ids.entry(version).or_default().insert(parcel.webhook_id.clone());
        }
        let body = ledger.bodies.entry(parcel.webhook_id.clone()).or_insert_with(|| parcel.body.clone());
        assert_eq!(*body, parcel.body, "a message changed between attempts");
        let mut state = self.0.0.lock().unwrap();
        let answer = (!state.is_mute).then(|| state.answers.pop_front().unwrap_or(status(200)));
        match answer {
            None => {
                state.held.push(done);
                ledger.held.push(parcel.webhook_id);
            }
            Some(answer) => {
                if answer == status(200) {
                    *ledger.taken.entry(parcel.webhook_id).or_default() += 1;
                }
                done.reply(answer);
            }
        }
    }
}

fn run(steps: &[Step]) {
    let mut world = World::new(json!({"group_wait": "10 s", "group_interval": "60 s", "rate_per_minute": 5}));
    world.limits.undelivered_days = 1_000;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    world.noting = Some(Arc::clone(&ledger));
    world.settle();
    let mut held = None;
    for step in steps {
        match step {
            Step::Say(number, state) => {
                let mut ledger = ledger.lock().unwrap();
                let versions = ledger.said.entry(*number).or_default();
                versions.push(*state);
                let version = versions.len() as i64;
                drop(ledger);
                // Some alerts move from one store to another.
                let store = if (i64::from(*number) + version / 4) % 2 == 0 { "s1" } else { "s2" };
                world.publish(&[alert_at(*number, version, *state, store)]);
            }
            Step::Repeat(number) => {
                let last = ledger.lock().unwrap().said.get(number).and_then(|v| Some((v.len(), *v.last()?)));
                if let Some((version, state)) = last {
                    world.publish(&[alert_at(*number, version as i64, state, "s1")]);
                }
            }
            Step::Wait(seconds) => world.after_s(*seconds),
            Step::Answers(answers) => world.receivers.will_answer(answers.clone()),
            Step::Mute => world.receivers.is_mute(true),
            Step::Speak(reply) => {
                world.receivers.is_mute(false);
                let mut ledger = ledger.lock().unwrap();
                if *reply == status(200) {
                    ledger.take_held();
                }
                ledger.held.clear();
                drop(ledger);
                world.receivers.answer_held(reply);
            }
            Step::Hold => {
                held.get_or_insert_with(|| world.hold_outbox());
            }
            Step::Release => held = None,
            Step::Crash => {
                // An outbox that is held cannot be opened either: that is a start that fails, and another one.
                held = None;
                // The receiver of an open call has taken it or not: this one has not.
                let mut ledger = ledger.lock().unwrap();
                ledger.held.clear();
                let lanes = world.deliverer.iter().flat_map(|deliverer| &deliverer.lanes);
                let caught = lanes.flat_map(|lane| &lane.in_flight).map(|(sent, _)| sent.webhook_id.clone());
                ledger.caught.extend(caught);
                drop(ledger);
                world.crash();
            }
            Step::Compact => {
                world.log.compact(TOPIC).unwrap();
            }
        }
        world.settle();
    }
    // The last fault is over.
    drop(held);
    world.receivers.will_answer([]);
    world.receivers.is_mute(false);
    ledger.lock().unwrap().held.clear();
    world.receivers.answer_held(&status(503));
    for _ in 0..24 {
        world.after_s(6 * 3_600);
    }
    let ops = world.ops();
    assert_eq!((ops.queued, ops.waiting, ops.dead, ops.in_flight), (0, 0, 0, 0), "{ops:?}");
    check(&ledger.lock().unwrap());
}

fn check(ledger: &Ledger) {
    for (version, ids) in &ledger.ids {
        assert_eq!(ids.len(), 1, "version {version:?} is in several messages");
    }
    for (id, times) in &ledger.taken {
        let caught = ledger.caught.iter().filter(|caught| *caught == id).count();
        assert!(*times as usize <= 1 + caught, "message {id} was taken {times} times, {caught} crashes");
    }
    let was_taken = |version: &(u128, i64)| {
        ledger.ids.get(version).is_some_and(|ids| ids.iter().all(|id| ledger.taken.contains_key(id)))
    };
    for (number, versions) in &ledger.said {
        let key = |version: usize| (u128::from(*number), version as i64);
        let last = versions.len();
        let heard = (1..=last).rev().find(|version| was_taken(&key(*version)));
        let holds = versions[last - 1];
        match heard {
            Some(heard) => {
                assert_eq!(versions[heard - 1], holds, "alert {number}: {versions:?}, heard {heard}");
                assert!(holds == RESOLVED || heard == last, "alert {number}: {versions:?}, heard {heard}");
            }
            None => assert_eq!(holds, RESOLVED, "alert {number}: {versions:?} and nobody heard of it"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_receiver_knows_in_the_end_what_holds(steps in proptest::collection::vec(step(), 0..60)) {
        run(&steps);
    }
}
