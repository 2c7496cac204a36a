//! A message to a receiver: what is new about one store, in one body below 20 kB.
//!
//! In: the latest version of each waiting alert of a store.  Out: the body.  Owns: nothing.
//! Absent on purpose: names (added to the copy that is sent, never stored), coordinates, access points, photos and leave
//! types: an alert's body has no place for them, and only its known fields are passed on.
//! Invariants: a body is below [`BODY_BYTES_MAX`] whatever it is about; what did not fit is counted, kind by kind, in
//! `counts`, and said in `left_out` and in the summary.
//! Why so: receivers of webhooks are asked to expect small bodies (Standard Webhooks, "Payload size").

use std::collections::{BTreeMap, BTreeSet};

use model::AnomalyKind;
use model::anomaly::{AnomalyState, Severity};
use schemas::lines::{ALERT_DIGEST_TYPE, AlertBody, AlertDigest, KindCount, SummaryText};

use super::destination::Destination;
use crate::summary::{Language, kind_name};

/// The first length that no body has, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 20_000;
/// What is kept free for names, in bytes, where a destination gets them.
const NAMES_BYTES: usize = 2_000;
/// The latest business dates that are named: a digest after a long outage must not be made of them.
const DATES_MAX: usize = 62;
/// The most characters of a text that stands outside the alerts.
const TEXT_CHARS_MAX: usize = 200;

/// A text from the reference data, which nobody has to keep short.
fn short(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

/// The message about `alerts`, all of one store, sealed at `timestamp` (RFC 3339 in UTC).
///
/// # Panics
/// If there is no alert.
pub(crate) fn digest_of(
    destination: &Destination,
    mut alerts: Vec<AlertBody>,
    timestamp: &str,
) -> AlertDigest {
    alerts.sort_by(|a, b| rank(a).cmp(&rank(b)));
    let first = alerts.first().expect("a message is about some alert");
    let dates: BTreeSet<&str> = alerts.iter().map(|alert| &*alert.business_date).collect();
    let mut counts: BTreeMap<String, KindCount> = BTreeMap::new();
    for alert in &alerts {
        let count = counts.entry(short(&alert.kind)).or_default();
        let one = if is_resolved(alert) { &mut count.resolved } else { &mut count.firing };
        *one += 1;
    }
    let mut digest = AlertDigest {
        message_type: ALERT_DIGEST_TYPE.to_owned(),
        timestamp: timestamp.to_owned(),
        destination: destination.name.clone(),
        region: destination.region.clone(),
        site_id: first.site_id.as_deref().map(short),
        site_name: alerts.iter().find_map(|alert| alert.site_name.as_deref().map(short)),
        org: short(&first.org),
        business_dates: dates.into_iter().rev().take(DATES_MAX).rev().map(short).collect(),
        counts,
        alerts: Vec::new(),
        left_out: 0,
        summary: SummaryText::default(),
        names: BTreeMap::new(),
    };
    let room = if destination.names { BODY_BYTES_MAX - NAMES_BYTES } else { BODY_BYTES_MAX };
    fill(&mut digest, alerts, room);
    digest
}

/// Takes as many of `alerts`, which are in order, as fit below `room`.
fn fill(digest: &mut AlertDigest, alerts: Vec<AlertBody>, room: usize) {
    let all = alerts.len();
    // The sentence is longest when something is left out, so that is what room is kept for.
    digest.left_out = all as u64;
    digest.summary = sentences(digest, all, all.saturating_sub(1));
    let mut length = digest.to_json().len();
    let mut listed = 0;
    for alert in &alerts {
        let one = serde_json::to_vec(alert).map_or(usize::MAX, |json| json.len() + 1);
        length = length.saturating_add(one);
        // A later, shorter one is not taken instead: what is listed is the head of the order.
        if length >= room {
            break;
        }
        listed += 1;
    }
    digest.alerts = alerts;
    digest.alerts.truncate(listed);
    digest.left_out = (all - listed) as u64;
    digest.summary = sentences(digest, all, listed);
    if let ([only], 1) = (digest.alerts.as_slice(), all) {
        // Its own sentence says more, and may be longer.
        let summary = std::mem::replace(&mut digest.summary, only.summary.clone());
        if digest.to_json().len() >= room {
            digest.summary = summary;
        }
    }
}

fn sentences(digest: &AlertDigest, all: usize, listed: usize) -> SummaryText {
    let sentence = |language| sentence(digest, language, all, listed);
    SummaryText {
        en: sentence(Language::English),
        zh_hant: sentence(Language::Traditional),
        zh_hans: sentence(Language::Simplified),
    }
}

/// `Mong Kok 2, 2026-11-02: Not here yet 3, Late 2; resolved: Late 1 (4 of 6 listed)`.
fn sentence(digest: &AlertDigest, language: Language, all: usize, listed: usize) -> String {
    let words = words(language);
    let place = digest.site_name.as_ref().or(digest.site_id.as_ref()).unwrap_or(&digest.org);
    let mut text = place.clone();
    match digest.business_dates.as_slice() {
        [] => {}
        [only] => text.extend([words.comma, only]),
        [first, .., last] => text.extend([words.comma, first, "–", last]),
    }
    text.push_str(words.colon);
    let list = |count_of: fn(&KindCount) -> u64| {
        let told = |(kind, count): (&String, &KindCount)| {
            let count = count_of(count);
            let name = AnomalyKind::from_name(kind).map_or(kind.as_str(), |kind| kind_name(kind, language));
            (count > 0).then(|| format!("{name} {count}"))
        };
        digest.counts.iter().filter_map(told).collect::<Vec<_>>().join(words.comma)
    };
    let (firing, resolved) = (list(|count| count.firing), list(|count| count.resolved));
    text.push_str(&firing);
    if !resolved.is_empty() {
        if !firing.is_empty() {
            text.push_str(words.semicolon);
        }
        text.push_str(words.resolved);
        text.push_str(&resolved);
    }
    if listed < all {
        text.push_str(&(words.listed)(listed, all));
    }
    text
}

/// Adds what `name_of` knows about the people it lists, as long as that fits.
pub(crate) fn add_names(digest: &mut AlertDigest, name_of: &dyn Fn(&str) -> Option<String>) {
    let people: BTreeSet<String> =
        digest.alerts.iter().filter_map(|alert| alert.employee_id.clone()).collect();
    let mut length = digest.to_json().len() + r#","names":{}"#.len();
    for employee_id in people {
        let Some(name) = name_of(&employee_id) else { continue };
        let pair = serde_json::to_vec(&(&employee_id, &name)).map_or(usize::MAX, |json| json.len());
        length = length.saturating_add(pair);
        if length >= BODY_BYTES_MAX {
            return;
        }
        digest.names.insert(employee_id, name);
    }
}

/// Firing before resolved, severe first, then by when it happened.
fn rank(alert: &AlertBody) -> (bool, std::cmp::Reverse<Severity>, &str, &str) {
    let severity = Severity::from_name(&alert.severity).unwrap_or(Severity::High);
    (is_resolved(alert), std::cmp::Reverse(severity), &alert.occurred_at, &alert.alert_id)
}

/// Whether the alert is over.
pub(crate) fn is_resolved(alert: &AlertBody) -> bool {
    alert.state == AnomalyState::Resolved.name()
}

struct Words {
    comma: &'static str,
    colon: &'static str,
    semicolon: &'static str,
    resolved: &'static str,
    listed: fn(usize, usize) -> String,
}

const fn words(language: Language) -> Words {
    match language {
        Language::English => Words {
            comma: ", ",
            colon: ": ",
            semicolon: "; ",
            resolved: "resolved: ",
            listed: |listed, all| format!(" ({listed} of {all} listed)"),
        },
        Language::Traditional => Words {
            comma: "，",
            colon: "：",
            semicolon: "；",
            resolved: "已解除：",
            listed: |listed, all| format!("（共 {all} 項，列出 {listed} 項）"),
        },
        Language::Simplified => Words {
            comma: "，",
            colon: "：",
            semicolon: "；",
            resolved: "已解除：",
            listed: |listed, all| format!("（共 {all} 项，列出 {listed} 项）"),
        },
    }
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
