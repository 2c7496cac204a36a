//! What a message says, and that it never grows.

use model::position::Generation;
use proptest::prelude::*;

use super::*;
use crate::compose::tests::anomaly;

fn destination(names: bool) -> Destination {
    let config = serde_json::from_value(serde_json::json!({
        "name": "ops", "url": "https://hooks.example/x", "region": "hk", "names": names,
        "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    }));
    let regions = crate::delivery::Regions { home: Some("hk".into()), names_allowed: Vec::new() };
    Destination::check_all(&[config.unwrap()], &regions, &|_| None).unwrap().remove(0)
}

fn alert(number: usize, kind: AnomalyKind, state: AnomalyState) -> AlertBody {
    let mut anomaly = anomaly();
    anomaly.state = state;
    anomaly.finding.kind = kind;
    anomaly.finding.employee_id = Some(format!("E{number}").into());
    anomaly.finding.id = model::AnomalyId((number as u128).to_be_bytes());
    let mut body = crate::compose::body(&anomaly, Generation(1), None, None);
    body.site_name = Some("Mong Kok 2".into());
    body
}

fn digest(alerts: Vec<AlertBody>, names: bool) -> AlertDigest {
    digest_of(&destination(names), alerts, "2026-11-02T01:13:00Z")
}

#[test]
fn one_alert_keeps_its_own_words() {
    let alert = alert(1, AnomalyKind::NoShow, AnomalyState::Firing);
    let digest = digest(vec![alert.clone()], false);
    assert_eq!(digest.summary, alert.summary);
    assert_eq!(digest.alerts, [alert]);
    let json: serde_json::Value = serde_json::from_slice(&digest.to_json()).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "type",
        "timestamp",
        "destination",
        "region",
        "site_id",
        "site_name",
        "org",
        "business_dates",
        "counts",
        "alerts",
        "summary",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(json["type"], "muster.alerts");
    assert_eq!(json["counts"]["no_show"], serde_json::json!({"firing": 1, "resolved": 0}));
}

#[test]
fn several_are_counted_and_the_worst_come_first() {
    let digest = digest(
        vec![
            alert(1, AnomalyKind::Late, AnomalyState::Resolved),
            alert(2, AnomalyKind::Late, AnomalyState::Firing),
            alert(3, AnomalyKind::NoShow, AnomalyState::Firing),
            alert(4, AnomalyKind::NoShow, AnomalyState::Firing),
        ],
        false,
    );
    assert_eq!(digest.summary.en, "Mong Kok 2, 2026-11-02: Late 1, Not here yet 2; resolved: Late 1");
    assert_eq!(digest.summary.zh_hant, "Mong Kok 2，2026-11-02：遲到 1，尚未到崗 2；已解除：遲到 1");
    assert_eq!(digest.summary.zh_hans, "Mong Kok 2，2026-11-02：迟到 1，尚未到岗 2；已解除：迟到 1");
    let order: Vec<&str> = digest.alerts.iter().filter_map(|alert| alert.employee_id.as_deref()).collect();
    assert_eq!(order, ["E3", "E4", "E2", "E1"]);
    assert_eq!(digest.left_out, 0);
}

#[test]
fn what_does_not_fit_is_counted_and_said() {
    let digest =
        digest((0..200).map(|n| alert(n, AnomalyKind::NoShow, AnomalyState::Firing)).collect(), false);
    let length = digest.to_json().len();
    assert!((BODY_BYTES_MAX - 2_000..BODY_BYTES_MAX).contains(&length), "{length} bytes");
    let listed = digest.alerts.len();
    assert!(listed > 10, "{listed} alerts fit");
    assert_eq!(digest.left_out as usize, 200 - listed);
    assert_eq!(digest.counts["no_show"].firing, 200);
    let expected = format!("Mong Kok 2, 2026-11-02: Not here yet 200 ({listed} of 200 listed)");
    assert_eq!(digest.summary.en, expected);
}

#[test]
fn names_go_along_as_far_as_they_fit() {
    let mut digest =
        digest((0..200).map(|n| alert(n, AnomalyKind::NoShow, AnomalyState::Firing)).collect(), true);
    add_names(&mut digest, &|id| (id != "E0").then(|| "陳大文".repeat(8)));
    assert!(digest.names.len() > 5 && !digest.names.contains_key("E0"));
    assert!(digest.to_json().len() < BODY_BYTES_MAX);
    digest.names.clear();
    add_names(&mut digest, &|_| Some("x".repeat(30_000)));
    assert!(digest.names.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_body_is_never_too_large(
        count in 1..80_usize,
        name in 0..60_000_usize,
        events in 0..3_000_usize,
        date in 0..400_i64,
    ) {
        let alerts: Vec<AlertBody> = (0..count)
            .map(|n| {
                let mut alert = alert(n, AnomalyKind::ALL[n % AnomalyKind::ALL.len()], AnomalyState::Firing);
                alert.site_name = Some("旺".repeat(name));
                alert.org = "o".repeat(name);
                alert.event_ids = (0..events * (n % 2)).map(|event| event.to_string()).collect();
                let day = anomaly().finding.business_date;
                let later = day.saturating_add(jiff::Span::new().days(n as i64 * date));
                alert.business_date = later.to_string();
                alert
            })
            .collect();
        for names in [false, true] {
            let mut digest = digest(alerts.clone(), names);
            add_names(&mut digest, &|_| Some("陳".repeat(name % 50)));
            prop_assert!(digest.to_json().len() < BODY_BYTES_MAX, "{} bytes", digest.to_json().len());
            prop_assert_eq!(digest.alerts.len() + digest.left_out as usize, count);
            let counted: u64 = digest.counts.values().map(|count| count.firing).sum();
            prop_assert_eq!(counted as usize, count);
        }
    }
}
