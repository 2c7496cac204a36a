//! Destinations as written: defaults, every mistake at once, and what goes where.

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn config(toml_like: serde_json::Value) -> DestinationConfig {
    let mut table = serde_json::json!({
        "name": "ops", "url": "https://hooks.example/muster", "secrets": [SECRET], "region": "hk",
    });
    for (key, value) in toml_like.as_object().unwrap() {
        table[key] = value.clone();
    }
    serde_json::from_value(table).unwrap()
}

fn hong_kong() -> Regions {
    Regions { home: Some("hk".into()), names_allowed: vec!["mo".into()] }
}

/// The keys that are wrong, and what is said about them.
fn problems(changes: serde_json::Value, regions: &Regions) -> Vec<(&'static str, String)> {
    let variable = |name: &str| match name {
        "GOOD" => Some(format!("{SECRET}\n")),
        "BAD" => Some("hello".to_owned()),
        _ => None,
    };
    match Destination::check_all(&[config(changes)], regions, &variable) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|problem| (problem.key, problem.to_string())).collect(),
    }
}

#[test]
fn what_is_not_said_has_a_default() {
    let configs = [config(serde_json::json!({}))];
    let [destination] = &Destination::check_all(&configs, &Regions::default(), &|_| None).unwrap()[..] else {
        panic!()
    };
    assert_eq!(destination.name(), "ops");
    assert_eq!(destination.audiences, ["manager"]);
    assert_eq!(destination.group_wait, Duration::from_secs(30));
    assert_eq!(destination.group_interval, Duration::from_secs(300));
    assert_eq!(destination.timeout, Duration::from_secs(15));
    assert!(destination.send_resolved && !destination.names);
    // What is secret is never shown.
    let shown = format!("{:?}", configs[0]);
    assert!(!shown.contains("MfKQ") && !shown.contains("hooks.example"), "{shown}");
}

#[test]
fn an_unknown_key_is_refused() {
    let table = serde_json::json!({"name": "a", "url": "https://a", "region": "hk", "group_weight": "3 s"});
    let error = serde_json::from_value::<DestinationConfig>(table).unwrap_err().to_string();
    assert!(error.contains("group_weight"), "{error}");
    let table = serde_json::json!({"name": "a", "url": "https://a", "region": "hk", "timeout": "soon"});
    let error = serde_json::from_value::<DestinationConfig>(table).unwrap_err().to_string();
    assert!(error.contains("no length of time"), "{error}");
}

#[test]
fn every_mistake_is_told_with_its_remedy_and_all_at_once() {
    let all_wrong = serde_json::json!({
        "name": "a.b", "url": "http://user:secret@127.0.0.1/x", "secrets": ["whsec_x"],
        "secrets_env": ["BAD", "MISSING"], "region": " ", "audiences": ["reviewer", "everybody"],
        "min_severity": "awful", "group_wait": "48 h", "group_interval": "25 h", "timeout": "2 min",
        "rate_per_minute": 0, "allow_private": ["10.0.0.0/99"], "names": true,
    });
    let found = problems(all_wrong, &hong_kong());
    let keys: Vec<&str> = found.iter().map(|(key, _)| *key).collect();
    let expected = [
        "name",
        "allow_private",
        "url",
        "url",
        "url",
        "secrets",
        "secrets_env",
        "secrets_env",
        "region",
        "names",
        "audiences",
        "audiences",
        "min_severity",
        "group_wait",
        "group_interval",
        "timeout",
        "rate_per_minute",
    ];
    assert_eq!(keys, expected, "{found:#?}");
    let text: String = found.iter().map(|(_, text)| text.as_str()).collect();
    assert!(!text.contains("secret@") && !text.contains("hello"), "a problem shows a secret: {text}");
}

#[test]
fn single_mistakes_are_found() {
    let cases = [
        (serde_json::json!({"secrets": []}), "secrets", "must be signed"),
        (serde_json::json!({"url": "https://10.1.2.3/x"}), "url", "10.1.2.3 is not a public address"),
        (serde_json::json!({"url": "https://2130706433/x"}), "url", "127.0.0.1 is not a public address"),
        (serde_json::json!({"url": "https://[::ffff:7f00:1]/x"}), "url", "not a public address"),
        (serde_json::json!({"url": "http://hooks.example/x"}), "url", "in clear"),
        (serde_json::json!({"url": "ftp://hooks.example/x"}), "url", "scheme `ftp`"),
        (serde_json::json!({"url": "hooks.example/x"}), "url", "no URL"),
        (serde_json::json!({"audiences": []}), "audiences", "nothing would be sent"),
        (serde_json::json!({"audiences": ["reviewer"]}), "audiences", "never sent out"),
        (serde_json::json!({"names": true, "region": "cn"}), "names", "leave region hk for cn"),
    ];
    for (changes, key, what) in cases {
        let found = problems(changes.clone(), &hong_kong());
        assert!(
            matches!(&found[..], [(k, text)] if *k == key && text.contains(what)),
            "{changes}: {found:?}"
        );
    }
    let unknown_home = problems(serde_json::json!({"names": true}), &Regions::default());
    assert!(unknown_home[0].1.contains("set alerts.region"), "{unknown_home:?}");
    let twice = [config(serde_json::json!({})), config(serde_json::json!({}))];
    let found = Destination::check_all(&twice, &Regions::default(), &|_| None).unwrap_err();
    assert!(found[0].what.contains("another destination"));
}

#[test]
fn what_is_right_is_taken() {
    for changes in [
        serde_json::json!({"secrets": [], "secrets_env": ["GOOD"]}),
        serde_json::json!({"url": "http://127.0.0.1:8080/x", "allow_private": ["127.0.0.0/8"]}),
        serde_json::json!({"url": "http://hooks.intern/x", "allow_private": ["hooks.intern"]}),
        serde_json::json!({"url": "https://10.1.2.3/x", "allow_private": ["10.0.0.0/8"]}),
        serde_json::json!({"names": true}),
        serde_json::json!({"names": true, "region": "mo"}),
        serde_json::json!({"audiences": ["employee", "operations"]}),
    ] {
        assert_eq!(problems(changes, &hong_kong()), []);
    }
}

#[test]
fn an_alert_goes_where_its_audience_severity_and_org_are_wanted() {
    let changes = serde_json::json!({"orgs": ["hk/kln/"], "min_severity": "medium", "audiences": ["manager", "operations"]});
    let found = Destination::check_all(&[config(changes)], &Regions::default(), &|_| None).unwrap();
    for (audience, severity, org, wanted) in [
        ("manager,employee", "high", "hk/kln", true),
        ("manager", "medium", "hk/kln/mong-kok", true),
        ("operations", "high", "hk/kln/mong-kok", true),
        ("employee", "high", "hk/kln/mong-kok", false),
        ("reviewer", "high", "hk/kln/mong-kok", false),
        ("manager,reviewer", "high", "hk/kln/mong-kok", false),
        ("manager", "low", "hk/kln/mong-kok", false),
        ("manager", "unheard-of", "hk/kln/mong-kok", true),
        ("manager", "high", "hk/kln-east", false),
        ("manager", "high", "hk", false),
    ] {
        assert_eq!(found[0].wants(audience, severity, org), wanted, "{audience} {severity} {org}");
    }
}
