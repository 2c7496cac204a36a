//! What receivers of alerts must have been told once a tormented group has come to rest: P4 at a destination.
//!
//! In: what was said, the lake, what a receiver accepted.  Out: panics that say what differs.  Owns: nothing.

use std::collections::{BTreeMap, BTreeSet};

use tests::lake_reader::LakeReader;
use tests::webhook::Webhook;

/// Messages on their way to one destination at once.
const IN_FLIGHT_MAX: usize = 4;

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
