//! Crashes, the lock, what a new outbox makes of an old topic.

use super::*;

#[test]
fn a_crash_between_send_and_record_repeats_the_message_with_its_id() {
    let mut world = World::new(json!({}));
    world.publish(&[alert(1, 1, FIRING)]);
    world.settle();
    world.receivers.is_mute(true);
    world.after_s(30);
    let first = world.receivers.take();
    world.publish(&[alert(1, 2, FIRING)]);
    world.settle();
    world.crash();
    world.receivers.is_mute(false);
    world.settle();
    let second = world.receivers.take();
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_eq!((&first[0].webhook_id, &first[0].body), (&second[0].webhook_id, &second[0].body));
    world.after_s(300);
    assert_eq!(all_told(&world.receivers), [[(1, 2)]]);
}

#[test]
fn what_was_read_and_not_sent_is_sent_after_a_crash() {
    let mut world = World::new(json!({}));
    world.publish(&[alert(1, 1, FIRING)]);
    world.settle();
    assert_eq!(world.ops().waiting, 1);
    let end = position_of(&world, 1);
    assert_eq!(world.stats().positions[&Partition::new(1)], end, "stored to the end");
    world.crash();
    // It is put together only when everything that happened meanwhile has been read.
    world.publish(&[alert(2, 1, FIRING)]);
    world.after_s(30);
    assert_eq!(all_told(&world.receivers), [[(1, 1), (2, 1)]]);
    assert_eq!(world.stats().records, 1, "the first record was read again");
}

#[test]
fn an_outbox_that_cannot_be_written_sends_nothing_and_repeats_nothing() {
    let mut world = World::new(json!({"group_wait": "0 s"}));
    world.settle();
    world.receivers.is_mute(true);
    world.publish(&[alert_at(1, 1, FIRING, "s1")]);
    world.settle();
    assert_eq!(world.receivers.take().len(), 1);
    let other = world.hold_outbox();
    world.receivers.is_mute(false);
    world.receivers.answer_held(&status(200));
    world.publish(&[alert_at(2, 1, FIRING, "s2")]);
    for _ in 0..3 {
        let error = world.deliverer().step(Duration::ZERO).unwrap_err();
        assert_eq!(error.action(), source::Action::Retry, "{error}");
    }
    assert_eq!(world.receivers.take(), []);
    drop(other);
    world.settle();
    assert_eq!(all_told(&world.receivers), [[(2, 1)]]);
    let rows = DeliveryLog::open(&world.outbox()).unwrap().after(0, 10).unwrap();
    let found: Vec<(i64, &str)> = rows.iter().map(|row| (row.version, row.status.as_str())).collect();
    assert_eq!(found, [(1, "sent"), (1, "sent")]);
    assert_eq!((world.ops().sent, world.ops().failed), (2, 0));
}

#[test]
fn a_topic_that_cannot_be_read_does_not_keep_what_waits() {
    let mut world = World::new(json!({"group_wait": "5 s"}));
    world.receivers.will_answer([status(500)]);
    world.publish(&[alert_at(1, 1, FIRING, "s1")]);
    world.settle();
    world.after_s(5);
    world.publish(&[alert_at(2, 1, FIRING, "s2")]);
    world.settle();
    assert_eq!((world.receivers.take().len(), world.ops().queued, world.ops().waiting), (1, 1, 1));
    world.crash();
    let failure = world.log.source("no such topic").map(|_| ()).unwrap_err();
    *world.topic_failure.lock().unwrap() = Some(failure);
    world.now_us.fetch_add(10_000_000, Ordering::Relaxed);
    world.publish(&[alert_at(3, 1, FIRING, "s3")]);
    let mut step_after_s = |seconds: i64| {
        world.now_us.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
        let error = world.deliverer().step(Duration::ZERO).unwrap_err();
        assert!(error.to_string().starts_with("read alerts topic alerts"), "{error}");
        all_told(&world.receivers)
    };
    // The message that was one already goes at once; the rest when it is clear that no news will come.
    assert_eq!(step_after_s(0), [[(1, 1)]]);
    assert_eq!(step_after_s(59), Vec::<Vec<(u128, i64)>>::new());
    assert_eq!(step_after_s(1), [[(2, 1)]]);
    *world.topic_failure.lock().unwrap() = None;
    world.settle();
    world.after_s(5);
    assert_eq!(all_told(&world.receivers), [[(3, 1)]]);
}

#[test]
fn partitions_that_could_not_be_started_are_started_later() {
    let mut world = World::new(json!({"group_wait": "0 s"}));
    world.topic_fails_in_poll = false;
    let failure = world.log.source("no such topic").map(|_| ()).unwrap_err();
    *world.topic_failure.lock().unwrap() = Some(failure);
    world.publish(&[alert(1, 1, FIRING)]);
    for _ in 0..2 {
        assert!(matches!(world.deliverer().step(Duration::ZERO), Err(DeliveryError::Log { .. })));
    }
    *world.topic_failure.lock().unwrap() = None;
    world.settle();
    assert_eq!(all_told(&world.receivers), [[(1, 1)]]);
}

#[test]
fn a_second_deliverer_is_refused_by_name() {
    let mut world = World::new(json!({}));
    world.settle();
    let Err(error) = world.try_open() else { panic!("two deliverers on one outbox") };
    let text = error.to_string();
    assert!(matches!(error, DeliveryError::Locked { .. }), "{text}");
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    world.crash();
    world.settle();
}

/// Set for the process that `another_process_is_refused` starts: the outbox it tries to lock.
const CHILD: &str = "MUSTER_TEST_OUTBOX";

#[test]
fn another_process_is_refused() {
    if let Some(path) = std::env::var_os(CHILD) {
        // This is the other process.
        let Err(error) = outbox::Outbox::open(path.as_ref()) else { panic!("it got in") };
        assert!(matches!(error, DeliveryError::Locked { .. }), "{error}");
        return;
    }
    let mut world = World::new(json!({}));
    world.settle();
    let name = "delivery::tests::restart::another_process_is_refused";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, world.outbox())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn another_topic_or_file_is_refused_by_name() {
    let mut world = World::new(json!({}));
    world.settle();
    world.crash();
    let other = World::new(json!({}));
    world.log = other.log.clone();
    let Err(error) = world.try_open() else { panic!("another topic was taken") };
    assert!(matches!(error, DeliveryError::OtherTopic { .. }), "{error}");
    assert!(error.to_string().contains("alerts (log "), "{error}");
    assert_eq!(error.action(), source::Action::Stop);

    std::fs::write(world.outbox(), "nothing that SQLite knows, and long enough to be seen as such").unwrap();
    for file in ["outbox.sqlite-wal", "outbox.sqlite-shm"] {
        let _ = std::fs::remove_file(world.outbox().with_file_name(file));
    }
    let Err(error) = world.try_open() else { panic!("another file was taken") };
    assert!(matches!(error, DeliveryError::Foreign { .. }), "{error}");
}

#[test]
fn a_log_that_was_cut_is_named() {
    let mut world = World::new(json!({}));
    world.publish(&[alert(1, 1, FIRING)]);
    world.settle();
    world.crash();
    let connection = rusqlite::Connection::open(world.outbox()).unwrap();
    connection.execute("UPDATE positions SET next = 99 WHERE partition = 1", []).unwrap();
    drop(connection);
    let error = world.deliverer().step(Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("read alerts topic alerts"), "{error}");
    assert!(error.to_string().contains("the log ends at 1"), "{error}");
    assert_eq!(error.action(), source::Action::Stop);
}

#[test]
fn a_new_outbox_pages_nobody_about_old_alerts() {
    let mut world = World::new(json!({}));
    world.age_max = Some(Duration::from_secs(3_600));
    let mut old = alert(1, 1, FIRING);
    old.detected_at = utc_text(world.now().plus_s(-3_601));
    let mut fresh = alert(2, 1, FIRING);
    fresh.detected_at = utc_text(world.now().plus_s(-3_599));
    world.publish(&[old.clone(), fresh]);
    world.settle();
    world.after_s(30);
    assert_eq!(all_told(&world.receivers), [[(2, 1)]]);
    assert_eq!(world.stats().too_old, 1);
    // Its end is not told either, its next version is; and what comes later may be as old as it likes.
    let mut over = alert(1, 2, RESOLVED);
    over.detected_at.clone_from(&old.detected_at);
    let mut late = alert(3, 1, FIRING);
    late.detected_at.clone_from(&old.detected_at);
    world.crash();
    world.publish(&[over, late]);
    world.settle();
    world.after_s(300);
    assert_eq!(all_told(&world.receivers), [[(3, 1)]]);
    world.publish(&[alert(1, 3, FIRING)]);
    world.settle();
    world.after_s(300);
    assert_eq!(all_told(&world.receivers), [[(1, 3)]]);
}

#[test]
fn a_new_destination_hears_what_comes_from_then_on() {
    let mut world = World::new(json!({"group_wait": "0 s"}));
    world.publish(&[alert(1, 1, FIRING)]);
    world.settle();
    world.crash();
    world.destinations.push(destination("new", json!({"group_wait": "0 s"})));
    world.publish(&[alert_at(2, 1, FIRING, "s2")]);
    world.settle();
    let got = world.receivers.take();
    let found: Vec<usize> = got.iter().map(|parcel| parcel.destination).collect();
    assert_eq!(found, [0, 0, 1]);
    assert_ne!(got[1].webhook_id, got[2].webhook_id);
    // A destination that is taken out of the configuration gets nothing and comes back to what waits.
    world.crash();
    let taken_out = world.destinations.remove(1);
    world.publish(&[alert_at(3, 1, FIRING, "s3")]);
    world.settle();
    assert_eq!(world.receivers.take().len(), 1);
    world.crash();
    world.destinations.push(taken_out);
    world.settle();
    assert_eq!(world.receivers.take(), []);
}

#[test]
fn compaction_before_the_deliverer_came_changes_nothing() {
    let mut world = World::new(json!({}));
    world.outlet().own(&[(Partition::new(1), Generation(1))]).unwrap();
    world.publish(&[alert(1, 1, FIRING), alert(2, 1, FIRING), alert(1, 2, FIRING)]);
    world.log.compact(TOPIC).unwrap();
    world.settle();
    world.after_s(30);
    assert_eq!(all_told(&world.receivers), [[(1, 2), (2, 1)]]);
    let next = outbox::Outbox::open(&world.folder.path().join("other.sqlite")).unwrap();
    assert_eq!(next.position(Partition::new(1)).unwrap(), None);
    world.crash();
    let outbox = outbox::Outbox::open(&world.outbox()).unwrap();
    let position = outbox.position(Partition::new(1)).unwrap().unwrap();
    assert_eq!((position.next, position.owner), (position_of(&world, 1), Some(Generation(1))));
}

#[test]
fn an_outbox_of_the_first_layout_gets_an_id_and_goes_on() {
    let mut world = World::new(json!({}));
    world.publish(&[alert(1, 1, FIRING)]);
    world.settle();
    world.crash();
    // As the first version of the layout was: without what the lake holds, and what is wanted on.
    let old = rusqlite::Connection::open(world.outbox()).unwrap();
    old.execute_batch("DROP TABLE lake; DROP TABLE wanted_on; PRAGMA user_version = 1;").unwrap();
    drop(old);
    world.after_s(30);
    assert_eq!(all_told(&world.receivers), [[(1, 1)]]);
    let id = DeliveryLog::open(&world.outbox()).unwrap().outbox().to_owned();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    world.crash();
    world.settle();
    assert_eq!(DeliveryLog::open(&world.outbox()).unwrap().outbox(), id);
}

#[test]
fn an_outbox_brought_back_from_a_copy_numbers_its_attempts_behind_the_lake() {
    let mut world = World::new(json!({}));
    world.settle();
    let mut log = DeliveryLog::open(&world.outbox()).unwrap();
    // The lake knows of attempts that the copy does not.
    log.stored(41).unwrap();
    world.publish(&[alert(1, 1, FIRING)]);
    world.settle();
    world.after_s(30);
    let rows = log.after(41, 10).unwrap();
    assert_eq!(rows.iter().map(|row| row.attempt_id).collect::<Vec<_>>(), [42]);
    log.stored(7).unwrap();
    world.publish(&[alert(2, 1, FIRING)]);
    world.settle();
    world.after_s(300);
    assert_eq!(log.after(42, 10).unwrap()[0].attempt_id, 43);
}

/// The webhook ids that came since the last time, each with what its message says.
fn told_by_id(receivers: &Receivers) -> Vec<(String, Vec<(u128, i64)>)> {
    let parcels = receivers.take();
    let of =
        |parcel: &Parcel| (parcel.webhook_id.clone(), told(&serde_json::from_slice(&parcel.body).unwrap()));
    let mut found: Vec<_> = parcels.iter().map(of).collect();
    found.sort();
    found
}

impl World {
    /// The outbox's file is gone, or `copy` stands in its place.
    fn bring_back(&mut self, copy: Option<&std::path::Path>) {
        self.crash();
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(self.folder.path().join(format!("out/outbox.sqlite{end}")));
        }
        if let Some(copy) = copy {
            std::fs::copy(copy, self.outbox()).unwrap();
        }
    }
}

/// P4 where the outbox is lost: what is younger than `max_age` is told once more in its latest version, under the same id where
/// the same alerts are told together; what is older is not, and what comes later is told once.
#[test]
fn an_outbox_that_is_lost_tells_again_what_is_young_and_nothing_else() {
    let mut world = World::new(json!({}));
    world.age_max = Some(Duration::from_secs(3_600));
    world.publish(&[alert(1, 1, FIRING)]);
    world.settle();
    world.after_s(30);
    world.after_s(3_000);
    let young = |number: u16, version: i64, world: &World| {
        let mut body = alert_at(number, version, FIRING, &format!("s{number}"));
        body.detected_at = utc_text(world.now());
        body
    };
    for version in [1, 2] {
        world.publish(&[young(2, version, &world)]);
        world.settle();
        world.after_s(300);
    }
    let before = told_by_id(&world.receivers);
    let said: Vec<_> = before.iter().flat_map(|(_, said)| said.clone()).collect();
    assert_eq!(said.len(), 3, "{before:?}");
    world.bring_back(None);
    world.settle();
    world.after_s(300);
    let again = told_by_id(&world.receivers);
    let latest = before.iter().find(|(_, said)| *said == [(2, 2)]).unwrap().clone();
    assert_eq!(again, [latest], "the latest version of what is young, under the id it had");
    assert_eq!(world.stats().too_old, 1, "and nobody is told of what began before");
    world.publish(&[young(2, 3, &world)]);
    world.settle();
    world.after_s(300);
    assert_eq!(all_told(&world.receivers), [[(2, 3)]]);
}

/// P4 where the outbox is brought back from an older copy: what was sent since is sent once more, under the id it had; what was
/// sent before the copy is not, and nothing is left out.
#[test]
fn an_outbox_brought_back_from_a_copy_repeats_what_was_sent_since_under_its_id() {
    let mut world = World::new(json!({}));
    world.publish(&[alert_at(1, 1, FIRING, "s1")]);
    world.settle();
    world.after_s(30);
    assert_eq!(all_told(&world.receivers), [[(1, 1)]]);
    world.crash();
    let copy = world.folder.path().join("copy.sqlite");
    std::fs::copy(world.outbox(), &copy).unwrap();

    world.settle();
    world.publish(&[alert_at(2, 1, FIRING, "s2")]);
    world.settle();
    world.after_s(300);
    world.publish(&[alert_at(1, 2, RESOLVED, "s1")]);
    world.settle();
    world.after_s(300);
    let since = told_by_id(&world.receivers);
    assert_eq!(since.len(), 2, "{since:?}");

    world.bring_back(Some(&copy));
    world.settle();
    world.after_s(300);
    assert_eq!(told_by_id(&world.receivers), since);
    world.after_s(3_600);
    assert_eq!(told_by_id(&world.receivers), []);
}

/// Fail-over: where the first process dies with a message on its way, the next one on the same outbox sends that message again
/// under its id, and nothing else that was sent.
#[test]
fn a_second_deliverer_takes_over_where_the_first_one_died() {
    let mut world = World::new(json!({"group_wait": "0 s"}));
    world.publish(&[alert_at(1, 1, FIRING, "s1")]);
    world.settle();
    assert_eq!(told_by_id(&world.receivers).len(), 1, "sent and noted");
    world.receivers.is_mute(true);
    world.publish(&[alert_at(2, 1, FIRING, "s2")]);
    world.settle();
    let on_its_way = told_by_id(&world.receivers);
    assert_eq!(on_its_way.len(), 1);
    // While it lives nobody else may.
    assert!(matches!(world.try_open(), Err(DeliveryError::Locked { .. })));
    world.publish(&[alert_at(3, 1, FIRING, "s3")]);
    world.crash();
    world.receivers.is_mute(false);
    world.settle();
    let mut told = told_by_id(&world.receivers);
    told.retain(|message| !on_its_way.contains(message));
    assert_eq!(told.iter().map(|(_, said)| said.clone()).collect::<Vec<_>>(), [[(3, 1)]]);
    world.after_s(3_600);
    assert_eq!(told_by_id(&world.receivers), []);
}

/// P4 over two outboxes: an outbox that is told what receivers took elsewhere tells only what lies behind that, and gives up what
/// it still had on its hands of it.
#[test]
fn what_was_told_from_elsewhere_is_not_told_again() {
    let mut world = World::new(json!({}));
    let told = |number: u16, version: i64, is_firing: bool, world: &World| ToldBefore {
        destination: "ops".into(),
        alert_id: alert(number, version, FIRING).alert_id,
        version,
        is_firing,
        at: world.now(),
    };
    // Of one alert a message that nobody took yet, another that only waits.
    world.receivers.will_answer([status(500)]);
    world.publish(&[alert_at(1, 1, FIRING, "s1"), alert_at(2, 1, FIRING, "s2")]);
    world.settle();
    world.after_s(30);
    world.publish(&[alert_at(3, 1, FIRING, "s3")]);
    world.settle();
    world.receivers.take();
    let since = world.deliverer().unheard_since().unwrap().unwrap();
    assert!(since < world.now());
    world.crash();
    let before = [told(1, 1, true, &world), told(2, 1, true, &world), told(3, 1, true, &world)];
    world.deliverer().learn(&before).unwrap();
    world.settle();
    world.after_s(300);
    assert_eq!(all_told(&world.receivers), Vec::<Vec<(u128, i64)>>::new());

    // A new outbox reads the whole topic. What it learns is behind what follows, and takes nothing back.
    world.bring_back(None);
    assert_eq!(world.deliverer().unheard_since().unwrap(), None, "no alert is too old here");
    let before = [told(1, 1, true, &world), told(2, 1, true, &world), told(3, 2, false, &world)];
    world.deliverer().learn(&before).unwrap();
    let older = [told(3, 1, true, &world)];
    world.deliverer().learn(&older).unwrap();
    world.publish(&[
        alert_at(3, 2, RESOLVED, "s3"),
        alert_at(1, 2, RESOLVED, "s1"),
        alert_at(2, 2, FIRING, "s2"),
    ]);
    world.settle();
    world.after_s(300);
    let mut found: Vec<_> = all_told(&world.receivers).concat();
    found.sort_unstable();
    assert_eq!(found, [(1, 2), (2, 2)], "the all-clear of what holds, and what is new");
}
