//! One message a store and not two hundred: waits, collapsing, what is over.

use super::*;

#[test]
fn a_bad_morning_is_one_message_a_store() {
    let mut world = World::new(json!({}));
    world.settle();
    for number in 0..200 {
        world.publish(&[alert_at(number, 1, FIRING, if number % 2 == 0 { "s1" } else { "s2" })]);
        if number % 20 == 0 {
            world.after_s(1);
        }
    }
    world.settle();
    assert_eq!(world.receivers.take(), []);
    assert_eq!((world.ops().waiting, world.ops().queued), (200, 0));
    assert_eq!(world.ops().oldest_due, Some(EventTime::from_ms(START_MS + 31_000)));
    world.after_s(30);
    let digests = world.receivers.digests();
    assert_eq!(digests.len(), 2);
    for digest in &digests {
        assert_eq!(digest.counts["no_show"], KindCount { firing: 100, resolved: 0 });
        assert_eq!(digest.alerts.len() + digest.left_out as usize, 100);
        assert!(digest.left_out > 0 && digest.summary.en.contains("of 100 listed"));
    }
    assert_eq!((world.ops().sent, world.ops().waiting), (2, 0));
    assert_eq!(world.ops().oldest_due, None);
}

#[test]
fn further_news_waits_for_the_interval_and_says_what_is_over() {
    let mut world = World::new(json!({}));
    world.publish(&[alert(1, 1, FIRING), alert(2, 1, FIRING)]);
    world.settle();
    world.after_s(30);
    assert_eq!(all_told(&world.receivers), [[(1, 1), (2, 1)]]);
    world.publish(&[alert(1, 2, RESOLVED), alert(3, 1, FIRING)]);
    world.after_s(30);
    world.after_s(200);
    assert_eq!(world.receivers.take(), []);
    world.publish(&[alert(3, 2, FIRING)]);
    world.settle();
    world.after_s(70);
    let digests = world.receivers.digests();
    assert_eq!(digests.iter().map(told).collect::<Vec<_>>(), [[(1, 2), (3, 2)]]);
    assert_eq!(digests[0].counts["no_show"], KindCount { firing: 1, resolved: 1 });
    // After a quiet time it is the short wait again.
    world.after_s(3_600);
    world.publish(&[alert(2, 2, RESOLVED)]);
    world.settle();
    world.after_s(29);
    assert_eq!(world.receivers.take(), []);
    world.after_s(1);
    assert_eq!(all_told(&world.receivers), [[(2, 2)]]);
}

#[test]
fn what_came_and_went_within_the_wait_is_nobodys_business() {
    let mut world = World::new(json!({}));
    world.publish(&[alert(1, 1, FIRING)]);
    world.settle();
    world.after_s(10);
    world.publish(&[alert(1, 2, RESOLVED)]);
    world.settle();
    world.after_s(600);
    assert_eq!(world.receivers.take(), []);
    assert_eq!((world.stats().unsaid, world.ops().waiting), (1, 0));
    // Its next life is told, and only from then on its end.
    world.publish(&[alert(1, 3, FIRING)]);
    world.settle();
    world.after_s(30);
    world.publish(&[alert(1, 4, RESOLVED)]);
    world.settle();
    world.after_s(600);
    assert_eq!(all_told(&world.receivers), [[(1, 3)], [(1, 4)]]);
}

#[test]
fn versions_within_the_wait_become_the_latest_and_repeats_are_nothing() {
    let mut world = World::new(json!({}));
    world.publish(&[alert(1, 1, FIRING), alert(1, 2, FIRING), alert(1, 3, FIRING)]);
    world.settle();
    world.after_s(30);
    assert_eq!(all_told(&world.receivers), [[(1, 3)]]);
    world.publish(&[alert(1, 3, FIRING), alert(1, 2, FIRING)]);
    world.after_s(3_600);
    assert_eq!(world.receivers.take(), []);
    assert_eq!(world.stats().repeats, 2);
}

#[test]
fn who_wants_no_all_clear_gets_none() {
    let mut world = World::new(json!({"send_resolved": false}));
    world.publish(&[alert(1, 1, FIRING)]);
    world.settle();
    world.after_s(30);
    world.publish(&[alert(1, 2, RESOLVED)]);
    world.after_s(3_600);
    world.publish(&[alert(1, 3, FIRING)]);
    world.settle();
    world.after_s(3_600);
    assert_eq!(all_told(&world.receivers), [[(1, 1)], [(1, 3)]]);
}

#[test]
fn each_destination_gets_what_it_wants_and_nobody_what_reviewers_look_at() {
    let mut world = World::new(json!({"orgs": ["hk/kln"], "min_severity": "high"}));
    world.destinations.push(destination("it", json!({"audiences": ["operations"], "group_wait": "0 s"})));
    let with = |number: u16, change: &dyn Fn(&mut AlertBody)| {
        let mut body = alert(number, 1, FIRING);
        change(&mut body);
        body
    };
    world.publish(&[
        with(1, &|_| {}),
        with(2, &|body| body.org = "hk/nt".into()),
        with(3, &|body| body.severity = "low".into()),
        with(4, &|body| body.audience = "reviewer".into()),
        with(5, &|body| body.audience = "operations".into()),
        with(6, &|body| body.audience = "manager,reviewer".into()),
    ]);
    world.settle();
    world.after_s(30);
    let got = world.receivers.take();
    let found: Vec<(usize, Vec<(u128, i64)>)> = got
        .iter()
        .map(|parcel| (parcel.destination, told(&serde_json::from_slice(&parcel.body).unwrap())))
        .collect();
    assert_eq!(found, [(1, vec![(5, 1)]), (0, vec![(1, 1)])]);
    assert_eq!(got[0].url.path(), "/it");
    assert_eq!(world.stats().alerts, 2);
}

#[test]
fn alerts_about_no_store_go_by_org() {
    let mut world = World::new(json!({}));
    let mut bodies = [alert(1, 1, FIRING), alert(2, 1, FIRING), alert(3, 1, FIRING)];
    for (body, org) in bodies.iter_mut().zip(["hk", "hk", "mo"]) {
        (body.site_id, body.site_name, body.org) = (None, None, org.into());
    }
    world.publish(&bodies);
    world.settle();
    world.after_s(30);
    let digests = world.receivers.digests();
    let found: Vec<_> = digests.iter().map(|digest| (digest.org.as_str(), told(digest))).collect();
    assert_eq!(found, [("hk", vec![(1, 1), (2, 1)]), ("mo", vec![(3, 1)])]);
    assert_eq!(digests[0].site_id, None);
    assert_eq!(digests[0].summary.en, "hk, 2026-11-02: Not here yet 2");
}

#[test]
fn only_the_present_owner_is_believed_and_what_is_forgotten_does_not_wait() {
    let mut world = World::new(json!({}));
    let mut owner = world.outlet();
    let partition = Partition::new(1);
    owner.own(&[(partition, Generation(1))]).unwrap();
    world.publish(&[alert(1, 1, FIRING)]);
    world.settle();
    owner.own(&[(partition, Generation(2))]).unwrap();
    world.publish(&[alert(2, 1, FIRING), alert(1, 2, FIRING)]);
    world.settle();
    world.crash();
    // The marker was read before the crash, and still counts after it.
    world.publish(&[alert(3, 1, FIRING)]);
    world.settle();
    assert_eq!(world.stats().stale, 1);
    world.after_s(30);
    assert_eq!(all_told(&world.receivers), [[(1, 1)]]);
    let mut said = alert(1, 2, RESOLVED);
    said.cause.generation = 2;
    world.publish(&[said]);
    world.settle();
    assert_eq!(world.ops().waiting, 1);
    owner.tombstone(partition, EventTime::from_ms(START_MS).plus_s(1), None).unwrap();
    world.settle();
    assert_eq!(world.ops().waiting, 0);
    // Its number may come again, with a life of its own.
    let mut said = alert(1, 1, FIRING);
    said.cause.generation = 2;
    world.publish(&[said]);
    world.after_s(600);
    world.after_s(600);
    assert_eq!(all_told(&world.receivers), [[(1, 1)]]);
}

#[test]
fn what_is_no_alert_is_counted_and_passed_over() {
    let mut world = World::new(json!({}));
    let record = source::NewRecord {
        key: Some(b"hello"),
        value: Some(b"world"),
        headers: &[],
        partition: Some(Partition::new(1)),
    };
    source::Append::append(&mut world.log.appender(), TOPIC, &[record]).unwrap();
    world.publish(&[alert(1, 1, FIRING)]);
    world.settle();
    world.after_s(30);
    assert_eq!(all_told(&world.receivers), [[(1, 1)]]);
    assert_eq!((world.stats().foreign, world.stats().records), (1, 2));
    assert!(world.stats().is_caught_up);
}

#[test]
fn names_go_to_those_who_get_them_and_never_rest_in_the_outbox() {
    let mut world = World::new(json!({"names": true}));
    world.destinations.push(destination("plain", json!({})));
    world.names = true;
    world.receivers.will_answer([status(500), status(500)]);
    world.publish(&[alert(1, 1, FIRING)]);
    world.settle();
    world.after_s(30);
    let digests = world.receivers.digests();
    assert_eq!(digests[0].names.get("E1").map(String::as_str), Some("陳E1"));
    assert!(digests[1].names.is_empty());
    for file in std::fs::read_dir(world.outbox().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows("陳".len()).any(|window| window == "陳".as_bytes()));
    }
    // What is signed is what is sent.
    world.after_s(10);
    let parcel = world.receivers.take().remove(0);
    let secret = signature::Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let expected = signature::signatures(&[secret], &parcel.webhook_id, parcel.timestamp, &parcel.body);
    assert_eq!(parcel.signature, expected);
    assert_eq!(parcel.timestamp, world.now().us() / 1_000_000);
}
