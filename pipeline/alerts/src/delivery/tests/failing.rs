//! Receivers that say no: the schedule, the breaker, the bucket, switching off.

use super::*;
use crate::delivery::breaker::FAILURES_MAX;
use crate::delivery::schedule::RETRY_AFTER_S;

/// A world in which alert 1 is due.
fn due(changes: Value) -> World {
    let mut world = World::new(changes);
    world.publish(&[alert(1, 1, FIRING)]);
    world.settle();
    world.now_us.fetch_add(30_000_000, Ordering::Relaxed);
    world
}

#[test]
fn the_schedule_survives_restarts_and_ends_in_switching_off() {
    let mut world = due(json!({}));
    world.receivers.will_answer(vec![status(500); 10]);
    world.settle();
    let mut got = world.receivers.take();
    for (made, wait_s) in (1..).zip(RETRY_AFTER_S) {
        assert_eq!(world.ops().queued, 1);
        world.crash();
        world.after_s(wait_s - 1);
        assert_eq!(world.receivers.take(), [], "before attempt {}", made + 1);
        world.crash();
        world.after_s(wait_s / 5 + 2);
        got.extend(world.receivers.take());
        assert_eq!(got.len(), made + 1);
    }
    let timestamps: Vec<i64> = got.iter().map(|parcel| parcel.timestamp).collect();
    assert!(timestamps.is_sorted_by(|a, b| a < b), "{timestamps:?}");
    assert!(got.iter().all(|p| p.webhook_id == got[0].webhook_id && p.body == got[0].body));
    assert!(got.windows(2).all(|pair| pair[0].signature != pair[1].signature));
    let ops = world.ops();
    assert_eq!((ops.state, ops.dead, ops.queued), (DestinationState::Off, 1, 0));

    // What comes meanwhile waits, a restart alone changes nothing.
    world.publish(&[alert(2, 1, FIRING)]);
    world.crash();
    world.after_s(3_600);
    assert_eq!(world.receivers.take(), []);
    assert_eq!((world.ops().waiting, world.ops().state), (1, DestinationState::Off));

    world.crash();
    world.enable_ops();
    world.after_s(60);
    let again = world.receivers.take();
    assert_eq!(again.len(), 2);
    assert_eq!(again[0].webhook_id, got[0].webhook_id);
    assert_eq!((world.ops().dead, world.ops().waiting, world.ops().queued), (0, 0, 0));
    let log = DeliveryLog::open(&world.outbox()).unwrap();
    let rows = log.after(0, 100).unwrap();
    let numbers: Vec<u32> =
        rows.iter().filter(|row| row.alert_id.ends_with('1')).map(|row| row.attempt).collect();
    assert_eq!(numbers, (1..=11).collect::<Vec<_>>());
    assert!(rows[..10].iter().all(|row| row.status == "refused" && row.http_status == Some(500)));
    assert_eq!((rows[10].status.as_str(), rows[10].http_status), ("sent", Some(200)));
    assert_eq!(log.after(rows[10].attempt_id, 100).unwrap().len(), rows.len() - 11);
}

#[test]
fn gone_switches_off_until_the_configuration_changes() {
    let mut world = due(json!({}));
    world.receivers.will_answer([status(410)]);
    world.settle();
    assert_eq!(world.receivers.take().len(), 1);
    assert_eq!(world.ops().state, DestinationState::Off);
    world.after_s(100_000);
    world.crash();
    world.after_s(100_000);
    assert_eq!(world.receivers.take(), []);
    assert_eq!((world.ops().state.name(), world.ops().queued), ("off", 1));
    world.crash();
    world.destinations[0]["url"] = json!("https://hooks.example/new");
    world.settle();
    let got = world.receivers.take();
    assert_eq!((got.len(), got[0].url.path()), (1, "/new"));
    assert_eq!((world.ops().state, world.ops().queued), (DestinationState::On, 0));
}

#[test]
fn a_changed_secret_is_a_changed_configuration() {
    let mut world = due(json!({}));
    world.receivers.will_answer([status(410)]);
    world.settle();
    world.crash();
    world.destinations[0]["secrets"] = json!([
        "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    ]);
    world.settle();
    let got = world.receivers.take();
    assert_eq!(got.len(), 2);
    assert_eq!(got[1].signature.split(' ').count(), 2);
}

#[test]
fn who_asks_to_be_left_alone_is_left_alone() {
    for (text, wait_s) in [("600", 600), ("Mon, 02 Nov 2026 01:15:30 GMT", 900)] {
        let mut world = due(json!({}));
        world.receivers.will_answer([Reply::Status {
            code: 429,
            retry_after: Some(text.into()),
            refusal: None,
        }]);
        world.settle();
        assert_eq!(world.receivers.take().len(), 1);
        let until = world.now().plus_s(wait_s);
        assert_eq!(world.ops().state, DestinationState::Left(until));
        // News about another store is not sent either.
        world.publish(&[alert_at(2, 1, FIRING, "s2")]);
        world.settle();
        world.crash();
        world.after_s(wait_s - 1);
        assert_eq!(world.receivers.take(), [], "{text}");
        world.after_s(1);
        assert_eq!(all_told(&world.receivers), [[(1, 1)], [(2, 1)]], "{text}");
    }
}

#[test]
fn a_destination_that_fails_is_probed_by_one_message_and_then_gets_everything() {
    let mut world = World::new(json!({"group_wait": "0 s"}));
    world.receivers.will_answer(vec![status(503); 100]);
    for number in 0..20 {
        world.publish(&[alert_at(number, 1, FIRING, &format!("s{number}"))]);
    }
    world.settle();
    let failures = world.receivers.take().len();
    assert!((FAILURES_MAX as usize..FAILURES_MAX as usize + 4).contains(&failures), "{failures} calls");
    let DestinationState::Open(until) = world.ops().state else { panic!("{:?}", world.ops()) };
    assert_eq!(until, world.now().plus_s(30));
    assert_eq!(world.ops().last_failure.as_deref(), Some("HTTP status 503"));
    world.crash();
    world.after_s(29);
    assert_eq!(world.receivers.take(), []);
    world.after_s(1);
    assert_eq!(world.receivers.take().len(), 1);
    assert_eq!(world.ops().state, DestinationState::Open(world.now().plus_s(60)));
    world.after_s(59);
    assert_eq!(world.receivers.take(), []);
    world.receivers.is_mute(true);
    world.after_s(1);
    assert_eq!(world.receivers.take().len(), 1);
    assert_eq!(world.ops().state, DestinationState::HalfOpen);
    world.after_s(5);
    assert_eq!(world.receivers.take(), [], "a second probe");
    world.receivers.is_mute(false);
    world.receivers.will_answer([]);
    world.receivers.answer_held(&status(204));
    world.settle();
    // Nineteen more, each one once, however long its own schedule would have let it wait.
    let mut numbers: Vec<u128> = all_told(&world.receivers).concat().into_iter().map(|(n, _)| n).collect();
    numbers.sort_unstable();
    assert_eq!(numbers.len(), 19);
    assert_eq!((world.ops().sent, world.ops().queued, world.ops().waiting), (20, 0, 0));
    assert_eq!((world.ops().state, world.ops().last_failure), (DestinationState::On, None));
}

#[test]
fn no_minute_sees_more_messages_than_agreed() {
    let mut world = World::new(json!({"rate_per_minute": 3, "group_wait": "0 s"}));
    for number in 0..10 {
        world.publish(&[alert_at(number, 1, FIRING, &format!("s{number}"))]);
    }
    world.settle();
    assert_eq!(world.receivers.take().len(), 3);
    world.after_s(30);
    world.crash();
    world.after_s(29);
    assert_eq!(world.receivers.take(), []);
    // While it waits, what waits collapses.
    world.publish(&[alert_at(9, 2, FIRING, "s9"), alert_at(8, 2, RESOLVED, "s8")]);
    world.after_s(1);
    assert_eq!(world.receivers.take().len(), 3);
    world.after_s(60);
    assert_eq!(all_told(&world.receivers).concat().len(), 3);
    world.after_s(600);
    assert_eq!(world.receivers.take(), []);
    assert_eq!((world.ops().sent, world.ops().waiting, world.stats().unsaid), (6, 0, 1));
}

#[test]
fn news_waits_for_the_message_before_it_but_not_for_ever() {
    let mut world = due(json!({"group_interval": "0 s"}));
    world.receivers.will_answer(vec![status(400); 3]);
    world.settle();
    world.publish(&[alert(1, 2, FIRING), alert(2, 1, FIRING)]);
    world.settle();
    world.after_s(60);
    // The second attempt of the first message; the news waits behind it.
    assert_eq!(all_told(&world.receivers), [[(1, 1)], [(1, 1)]]);
    // After the third one it goes ahead, and the first message says nothing any more that anybody needs.
    world.after_s(400);
    assert_eq!(all_told(&world.receivers), [vec![(1, 1)], vec![(1, 2), (2, 1)]]);
    world.after_s(3_600);
    assert_eq!(world.receivers.take(), []);
    assert_eq!((world.ops().queued, world.ops().sent), (0, 1));
}

#[test]
fn a_slow_receiver_holds_up_only_itself() {
    let mut world = World::new(json!({"group_wait": "0 s"}));
    world.destinations.push(destination("quick", json!({"group_wait": "0 s"})));
    world.receivers.is_mute(true);
    for number in 0..10 {
        world.publish(&[alert_at(number, 1, FIRING, &format!("s{number}"))]);
    }
    world.settle();
    let calls = world.receivers.take();
    assert_eq!(calls.iter().filter(|parcel| parcel.destination == 0).count(), 4);
    assert_eq!(calls.iter().filter(|parcel| parcel.destination == 1).count(), 4);
    world.receivers.is_mute(false);
    let mut state = world.receivers.0.lock().unwrap();
    let (slow, quick): (Vec<_>, Vec<_>) = std::mem::take(&mut state.held)
        .into_iter()
        .zip(&calls)
        .partition(|(_, parcel)| parcel.destination == 0);
    drop(state);
    quick.into_iter().for_each(|(done, _)| done.reply(status(200)));
    world.settle();
    let stats = world.stats();
    assert_eq!((stats.destinations[1].sent, stats.destinations[1].in_flight), (10, 0));
    assert_eq!((stats.destinations[0].sent, stats.destinations[0].in_flight), (0, 4));
    // A call that is dropped was not answered: it is tried again.
    drop(slow);
    world.settle();
    assert_eq!(world.ops().last_failure, None);
    world.after_s(10);
    assert_eq!(world.stats().destinations[0].sent, 10);
}

#[test]
fn what_nobody_takes_for_a_week_is_given_up() {
    let mut world = due(json!({}));
    world.receivers.will_answer([status(410)]);
    world.settle();
    world.publish(&[alert_at(2, 1, FIRING, "s2")]);
    world.settle();
    world.after_s(6 * 86_400);
    assert_eq!((world.ops().queued, world.ops().waiting, world.stats().expired), (1, 1, 0));
    world.after_s(86_400 + 3_600);
    assert_eq!((world.ops().queued, world.ops().waiting, world.stats().expired), (0, 0, 2));
    assert_eq!(DeliveryLog::open(&world.outbox()).unwrap().after(0, 10).unwrap().len(), 1);
    // One that is given up while it is on its way stays given up.
    world.crash();
    world.enable_ops();
    world.receivers.is_mute(true);
    world.publish(&[alert_at(3, 1, FIRING, "s3")]);
    world.settle();
    world.after_s(30);
    world.after_s(8 * 86_400);
    assert_eq!((world.ops().in_flight, world.stats().expired), (1, 1));
    world.receivers.is_mute(false);
    world.receivers.answer_held(&status(500));
    world.settle();
    assert_eq!((world.ops().in_flight, world.ops().queued, world.ops().failed), (0, 0, 1));
    // Nothing is forgotten that the lake does not hold.
    world.after_s(36 * 86_400);
    let mut log = DeliveryLog::open(&world.outbox()).unwrap();
    let rows = log.after(0, 10).unwrap();
    assert_eq!(rows.len(), 2);
    log.stored(rows[0].attempt_id).unwrap();
    world.after_s(3_600);
    assert_eq!(log.after(0, 10).unwrap(), rows[1..]);
    log.stored(rows[1].attempt_id).unwrap();
    world.after_s(3_600);
    assert_eq!(log.after(0, 10).unwrap(), []);
}
