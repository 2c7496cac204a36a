//! What must hold once a tormented group has come to rest: P3 and P4, and what receivers were told.
//!
//! In: the log, the lake, what a receiver accepted.  Out: panics that say what differs.  Owns: nothing.

use std::collections::{BTreeMap, BTreeSet};

use source::kafka::KafkaLog;
use tests::lake_reader::LakeReader;
use tests::office::Office;
use tests::oracles::{broken_origins, check_versions, push_version};
use tests::topic::read_topic;
use tests::webhook::Webhook;

/// Messages on their way to one destination at once.
const IN_FLIGHT_MAX: usize = 4;

/// P3: every broken record by origin among the dead letters, and nothing else.
pub(crate) fn check_letters(log: &KafkaLog, office: &Office, origins: &[(u32, i64)]) {
    let mut letters = BTreeSet::new();
    let mut reader = log.reader("punches.dlq").unwrap();
    for record in read_topic(&mut reader) {
        let number = |name: &str| record.headers[name].parse::<i64>().unwrap();
        letters.insert((number("dlq.partition") as u32, number("dlq.offset")));
    }
    assert_eq!(
        letters,
        broken_origins(office, origins),
        "every broken record, by origin, among the dead letters"
    );
}

/// P4: behind the owners' markers every (id, version) once and without gap. Gives the alerts by id with their versions.
///
/// What a former owner wrote behind its successor's marker does not count, and compaction would keep it alone: an owner that
/// finds such a record says once more what it hides, word for word. Nothing else is there twice.
pub(crate) fn check_alerts(log: &KafkaLog) -> BTreeMap<String, Vec<i64>> {
    let (mut versions, mut owners) = (BTreeMap::new(), BTreeMap::<u32, i64>::new());
    let mut latest: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    let mut hidden: BTreeSet<String> = BTreeSet::new();
    let (mut stale, mut again) = (0, 0);
    let mut reader = log.reader("alerts").unwrap();
    for record in read_topic(&mut reader) {
        let Ok(mut body) = serde_json::from_slice::<serde_json::Value>(&record.value) else { continue };
        let owner = owners.entry(record.partition).or_insert(i64::MIN);
        if record.key.starts_with("_owner/") {
            *owner = (*owner).max(body["generation"].as_i64().unwrap());
        } else if record.key.starts_with('_') {
            continue;
        } else if body["cause"]["generation"].take().as_i64().unwrap() < *owner {
            stale += 1;
            hidden.insert(record.key);
        } else if latest.get(&record.key) == Some(&body) && hidden.remove(&record.key) {
            again += 1;
        } else {
            if latest.get(&record.key).is_some_and(|before| before["version"] == body["version"]) {
                println!("twice, again at partition {}, offset {}: {body}", record.partition, record.offset);
            }
            hidden.remove(&record.key);
            push_version(&mut versions, &body);
            latest.insert(record.key, body);
        }
    }
    println!(
        "{} alerts; {stale} records of former owners do not count, {again} said again for them",
        versions.len()
    );
    check_versions(&versions, "alerts topic");
    versions
}

/// P4 at a destination: no version twice but under the same id, and none that was never said.
/// Gives every message that was accepted, with the versions in it.
pub(crate) fn check_webhook(webhook: &Webhook, fired: &BTreeMap<String, Vec<i64>>) -> Sent {
    let accepted = webhook.accepted();
    let mut sent: BTreeMap<(String, i64), BTreeSet<String>> = BTreeMap::new();
    for message in &accepted {
        for alert in message.body["alerts"].as_array().unwrap() {
            let id = alert["alert_id"].as_str().unwrap().to_owned();
            let version = alert["version"].as_i64().unwrap();
            assert!(
                fired.get(&id).is_some_and(|said| said.contains(&version)),
                "{id}/{version} was never said"
            );
            sent.entry((id, version)).or_default().insert(message.webhook_id.clone());
        }
    }
    let statuses = [200, 401, 429, 500, 0].map(|status| (status, webhook.answered(status)));
    println!(
        "webhook: {} messages with {} versions accepted, answers {statuses:?}",
        accepted.len(),
        sent.len()
    );
    assert!(!sent.is_empty(), "nothing was delivered");
    for (alert, ids) in &sent {
        assert_eq!(ids.len(), 1, "{alert:?} went out under several ids");
    }
    sent.into_iter().map(|((id, version), ids)| (ids.into_iter().next().unwrap(), id, version)).collect()
}

/// Message, alert, version.
pub(crate) type Sent = BTreeSet<(String, String, i64)>;

/// Every attempt is in the lake once; what its receiver answered with 200 was sent, but for answers that came too late or
/// whose process was killed before it could note them: those messages were sent again.
pub(crate) fn check_deliveries(lake: &LakeReader, accepted: &Sent) {
    let rows = lake.count("alert_deliveries");
    let distinct = "(SELECT DISTINCT outbox, attempt_id, anomaly_id, version FROM alert_deliveries)";
    assert_eq!(lake.count(distinct), rows, "a row of alert_deliveries is there twice");
    let sent = tests::lake_reader::deliveries(lake, "status = 'sent'");
    println!("alert_deliveries: {rows} rows, {} of them sent", sent.len());
    assert!(sent.len() > 10, "{} rows were sent", sent.len());
    let once: Sent = sent.iter().cloned().collect();
    assert_eq!(once.len(), sent.len(), "a version was told twice");
    let messages =
        |sent: &Sent| sent.iter().map(|(message, ..)| message.clone()).collect::<BTreeSet<String>>();
    let (noted, taken) = (messages(&once), messages(accepted));
    assert!(noted.is_subset(&taken), "{:?} were sent, and never accepted", noted.difference(&taken));
    // A body lists as many alerts as fit; the lake has all that its message is about.
    let is_noted = |(message, ..): &&(String, String, i64)| noted.contains(message);
    let unlisted: Vec<_> =
        accepted.iter().filter(is_noted).filter(|version| !once.contains(*version)).collect();
    assert!(unlisted.is_empty(), "{unlisted:?} were accepted, and are not in the lake");
    let tried: Sent = tests::lake_reader::deliveries(lake, "true").into_iter().collect();
    let untold: BTreeSet<&String> = accepted.difference(&tried).map(|(message, ..)| message).collect();
    // At most what was on its way when its process was killed the last time.
    assert!(untold.len() <= IN_FLIGHT_MAX, "{untold:?} were accepted and are not in the lake");
}
