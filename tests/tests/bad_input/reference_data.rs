//! Wrong reference data and configurations: `check` names file, line, row and remedy; nothing runs on them meanwhile.

use super::shop::{CONFIG, PEOPLE, SHIFTS, SITES, Shop, check, lines, punch};

/// A feature of the shop's file with another geometry and other properties beside the usual ones.
fn feature(site_id: &str, geometry: &str, more: &str) -> String {
    format!(
        r#"{{"type":"Feature","geometry":{geometry},"properties":{{"site_id":"{site_id}","name":"N","org":"hk","time_zone":"Asia/Hong_Kong"{more}}}}}"#
    )
}

fn point(lon: &str, lat: &str) -> String {
    format!(r#"{{"type":"Point","coordinates":[{lon},{lat}]}}"#)
}

/// The shop's sites and one more, whose feature stands in line 4 of the file.
fn sites_with(feature: &str) -> String {
    SITES.replace("}}\n]}", &format!("}}}},\n{feature}\n]}}"))
}

/// Writes `text` as `file`, and expects `check` to print all of `told` and the other commands to behave as it says:
/// an error stops them before they touch the lake, a warning does not.
fn wrong(file: &str, text: &str, told: &[&str]) {
    let shop = Shop::new();
    shop.put(file, text);
    shop.put("muster.toml", CONFIG.replace("[source]", "policies = \"policies.toml\"\n[source]"));
    if file != "policies.toml" {
        shop.put("policies.toml", "");
    }
    shop.put("p.ndjson", lines([punch("a").to_string()]));
    let checked = shop.muster("check -c muster.toml");
    assert_eq!(checked.code, Some(1), "{}", checked.told());
    for part in told {
        assert!(checked.stdout.contains(part), "it does not say `{part}`: {}", checked.told());
    }
    let is_error = told[0].contains(": error: ");
    let json = shop.muster("check -c muster.toml --json");
    let first: serde_json::Value = serde_json::from_str(json.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["file"], file, "{first}");
    assert_eq!(first["severity"], if is_error { "error" } else { "warning" }, "{first}");

    for line in [
        "match -c muster.toml p.ndjson",
        "replay -c muster.toml --lake replayed p.ndjson",
        "run -c muster.toml --until 2026-11-03T00:00:00Z",
    ] {
        let ran = shop.muster(line);
        if is_error {
            check(&ran, 2, &["the reference data has", "muster check"]);
            for touched in ["lake", "replayed", "log"] {
                assert!(!shop.path(touched).exists(), "{line} made {touched}");
            }
        } else {
            check(&ran, 0, &[]);
        }
        for part in told {
            assert!(ran.stderr.contains(part), "{line} does not say `{part}`: {}", ran.told());
        }
    }
}

#[test]
fn outlines_that_cross_themselves_are_refused_with_the_edge() {
    let bow = r#"{"type":"Polygon","coordinates":[[[114.17,22.30],[114.18,22.31],[114.18,22.30],[114.17,22.31],[114.17,22.30]]]}"#;
    wrong(
        "sites.geojson",
        &sites_with(&feature("hk-bow", bow, "")),
        &[
            "sites.geojson:4: error: site hk-bow, feature 2: ring 0 crosses itself",
            "vertex 0 to 1",
            "vertex 2 to 3",
            "draw the outline",
        ],
    );
}

#[test]
fn coordinates_out_of_range_are_refused_with_their_feature() {
    wrong(
        "sites.geojson",
        &sites_with(&feature("hk-swap", &point("22.3", "114.17"), ",\"radius_m\":100")),
        &[
            "sites.geojson:4: error: site hk-swap, feature 2",
            "latitude and longitude swapped",
            "write [longitude, latitude]",
        ],
    );
    wrong(
        "sites.geojson",
        &sites_with(&feature("hk-north", &point("50", "95.5"), ",\"radius_m\":100")),
        &["sites.geojson:4: error: site hk-north, feature 2", "95.5"],
    );
    let polygon =
        r#"{"type":"Polygon","coordinates":[[[114.17,22.30],[114.18,22.30],[114.18,99.0],[114.17,22.30]]]}"#;
    wrong(
        "sites.geojson",
        &sites_with(&feature("hk-tall", polygon, "")),
        &["sites.geojson:4: error: site hk-tall, feature 2", "vertex 2", "99"],
    );
}

#[test]
fn a_site_far_from_all_others_is_a_warning() {
    wrong(
        "sites.geojson",
        &sites_with(&feature("hk-far", &point("104.17", "32.31"), ",\"radius_m\":100")),
        &[
            "sites.geojson:4: warning: site hk-far",
            "more than 1,000 km from every other site",
            "digit or a sign",
        ],
    );
}

#[test]
fn files_that_are_cut_or_of_another_kind_name_the_place() {
    wrong(
        "sites.geojson",
        &SITES[..200],
        &["sites.geojson:2:159: error: not a GeoJSON FeatureCollection", "export it as GeoJSON"],
    );
    wrong(
        "people.ndjson",
        &format!("{PEOPLE}{{\"employee_id\":\"p3\",\"org\":"),
        &["people.ndjson:3:26: error: not a JSON object", "one JSON object a line"],
    );
    wrong(
        "people.ndjson",
        &format!("{PEOPLE}{{\"employee_id\":3,\"org\":\"hk\"}}\n"),
        &["people.ndjson:3: error: ", "employee_id"],
    );
}

#[test]
fn ids_are_given_once() {
    wrong(
        "people.ndjson",
        &format!("{PEOPLE}{{\"employee_id\":\"p1\",\"org\":\"hk\",\"home_site\":\"hk-2\"}}\n"),
        &["people.ndjson:3: error: person p1: its id stands already in people.ndjson:1", "its own id"],
    );
    wrong(
        "sites.geojson",
        &sites_with(&feature("hk-1", &point("114.19", "22.3"), ",\"radius_m\":100")),
        &["sites.geojson:4: error: site hk-1: its id stands already in sites.geojson:2"],
    );
}

#[test]
fn ids_that_look_like_identity_cards_are_refused_and_not_repeated() {
    for (id, whose) in [("11010519491231002X", "mainland"), ("A123456(3)", "Hong Kong")] {
        let people = format!("{PEOPLE}{{\"employee_id\":\"{id}\",\"org\":\"hk\",\"home_site\":\"hk-1\"}}\n");
        let told = format!("looks like a {whose} identity card; use a pseudonym");
        wrong("people.ndjson", &people, &["people.ndjson:3: error: person ", &told]);
        let shop = Shop::new();
        shop.put("people.ndjson", &people);
        let ran = shop.muster("check -c muster.toml");
        assert!(!ran.told().contains(id), "the message spreads the number: {}", ran.told());
    }
}

#[test]
fn misspelt_keys_are_told_with_the_right_one() {
    wrong(
        "policies.toml",
        "[[policy]]\nname = \"default\"\ngrace_inn_min = 5\n",
        &[
            "policies.toml:3:1: error: policy default: unknown key `grace_inn_min`; did you mean `grace_in_min`?",
        ],
    );
    wrong(
        "people.ndjson",
        &PEOPLE.replacen("home_site", "home_sit", 1),
        &[
            "people.ndjson:1: warning: unknown field `home_sit` in 1 row is ignored; did you mean `home_site`?",
        ],
    );
    wrong(
        "shifts.ndjson",
        &SHIFTS.replace("}", ",\"polcy\":\"x\"}"),
        &["shifts.ndjson:1: warning: unknown field `polcy`", "did you mean `policy`?"],
    );
    wrong(
        "sites.geojson",
        &sites_with(&feature("hk-3", &point("114.19", "22.3"), ",\"radius_m\":100,\"manager\":[\"p1\"]")),
        &["sites.geojson:4: warning: unknown field `manager`", "did you mean `managers`?"],
    );
}

#[test]
fn values_that_no_rule_can_use_are_refused() {
    wrong(
        "policies.toml",
        "[[policy]]\nname = \"default\"\nfence_rule = \"lenent\"\nno_show_after_min = -3\n",
        &[
            "policies.toml:3:14: error: policy default: `fence_rule` is \"lenent\"; write one of lenient, centre",
            "policies.toml:4:21: error: policy default: `no_show_after_min` is -3",
        ],
    );
    for (from, to, told) in [
        ("2026-11-02", "2026-11-31", "`business_date` `2026-11-31`"),
        ("\"17:00\"", "\"07:00\"", "`end` 07:00 is not after `start` 08:00"),
        ("\"17:00\"", "\"49:00\"", "`end` `49:00` is beyond 47:59"),
        ("hk-1", "hk-9", "hk-9"),
    ] {
        wrong("shifts.ndjson", &SHIFTS.replace(from, to), &["shifts.ndjson:1: error: shift s1: ", told]);
    }
    wrong(
        "sites.geojson",
        &SITES.replacen("Asia/Hong_Kong", "Asia/Hongkong", 1),
        &["sites.geojson:2: error: site hk-1", "did you mean `Asia/Hong_Kong`?"],
    );
}

#[test]
fn several_mistakes_in_several_files_are_told_at_once() {
    let shop = Shop::new();
    shop.put("people.ndjson", PEOPLE.replace("hk-1", "hk-7").replace("p2", "p1"));
    shop.put("shifts.ndjson", SHIFTS.replace("17:00", "7:0"));
    let ran = shop.muster("check -c muster.toml");
    assert_eq!(ran.code, Some(1), "{}", ran.told());
    for part in ["people.ndjson:1: error", "people.ndjson:2: error", "shifts.ndjson:1: error", "3 errors"] {
        assert!(ran.stdout.contains(part), "it does not say `{part}`: {}", ran.told());
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let shop = Shop::new();
    std::fs::remove_file(shop.path("people.ndjson")).unwrap();
    let ran = shop.muster("check -c muster.toml");
    assert_eq!(ran.code, Some(1), "{}", ran.told());
    assert!(ran.stdout.contains("people.ndjson: error: cannot read it"), "{}", ran.told());
    assert!(ran.stdout.contains("correct the path in [reference]"), "{}", ran.told());
}

#[test]
fn a_file_that_cannot_be_read_makes_nothing_unknown() {
    for file in ["sites.geojson", "people.ndjson"] {
        for text in [None, Some(&b"\xff\xfe{"[..])] {
            let shop = Shop::new();
            match text {
                None => std::fs::remove_file(shop.path(file)).unwrap(),
                Some(bytes) => shop.put(file, bytes),
            }
            let ran = shop.muster("check -c muster.toml");
            assert_eq!(ran.code, Some(1), "{}", ran.told());
            let findings = ran.stdout.lines().filter(|line| line.contains(": error: ")).count();
            assert_eq!(findings, 1, "{}", ran.told());
            assert!(ran.stdout.contains(": 1 error, 0 warnings"), "{}", ran.told());
        }
    }
}

#[test]
fn a_wrong_configuration_shows_each_place_and_what_was_meant() {
    let shop = Shop::new();
    shop.put("muster.toml", "[lake]\ncommit_evry_ms = 5\n[sorce]\n[reference]\nstes = 'x'\npeople = 7\n");
    shop.put("p.ndjson", "");
    for line in [
        "check -c muster.toml",
        "match -c muster.toml p.ndjson",
        "replay -c muster.toml p.ndjson",
        "run -c muster.toml",
        "sql -c muster.toml 1",
    ] {
        check(
            &shop.muster(line),
            2,
            &[
                "muster.toml: 4 mistakes",
                "unknown key `commit_evry_ms` in [lake]; did you mean `commit_every_ms`?",
                "unknown section [sorce]; did you mean `source`?",
                "unknown key `stes` in [reference]; did you mean `sites`?",
                "a path or a list of paths",
            ],
        );
    }
    shop.put("muster.toml", "[lake\n");
    check(&shop.muster("check -c muster.toml"), 2, &["muster.toml:1", "unclosed table", "no TOML"]);
    shop.put("muster.toml", "[limits]\nthreads = 100000\n");
    check(&shop.muster("check -c muster.toml"), 2, &["`threads` is out of range", "0 to 1024"]);
    shop.put("muster.toml", "[import]\ntime_zone = 'Asia/Hongkong'\n");
    for line in ["check -c muster.toml", "replay -c muster.toml p.ndjson", "run -c muster.toml"] {
        let told = ["Asia/Hongkong", "no IANA time zone", "Asia/Hong_Kong", "muster.toml:2:14"];
        check(&shop.muster(line), 2, &told);
    }
    shop.put("muster.toml", "[import.columns]\nemploye = 'Person'\n");
    shop.put("p.csv", "Person\n7\n");
    for line in ["check -c muster.toml", "replay -c muster.toml p.csv"] {
        check(&shop.muster(line), 2, &["field `employe`", "employee_id", "[import.columns]"]);
    }
    assert!(!shop.path("lake").exists() && !shop.path("log").exists(), "a refused command made something");
    // However long its lines and however many its mistakes: each is told, and none ends the program.
    shop.put("muster.toml", format!("lake = {{ {}commit_evry_ms = 5 }}\n", " ".repeat(70_000)));
    check(&shop.muster("check -c muster.toml"), 2, &["did you mean `commit_every_ms`?"]);
    let many: String = (0..50).map(|n| format!("key{n} = 1\n")).collect();
    shop.put("muster.toml", format!("[lake]\n{many}"));
    check(&shop.muster("check -c muster.toml"), 2, &["50 mistakes", "`key19`", "and 30 more"]);
}

#[test]
fn a_rule_that_looks_farther_back_than_memory_names_both_keys() {
    let shop = Shop::new();
    let with = |state_days: u32| {
        let more = "policies = \"policies.toml\"\n[source]";
        let lake = format!("[lake]\nstate_days = {state_days}\nrestate_days = 30");
        shop.put("muster.toml", CONFIG.replace("[source]", more).replace("[lake]", &lake));
    };
    shop.put("policies.toml", "[[policy]]\nconsecutive_days_max = 31\nhours_week_max = 60\n");
    shop.put("p.ndjson", "");
    with(32);
    let words = [
        "`consecutive_days_max` needs the punches of 33 days",
        "`state_days` of [lake] keeps 32",
        "33 or more",
    ];
    let checked = shop.muster("check -c muster.toml");
    assert_eq!(checked.code, Some(1), "{}", checked.told());
    assert!(words.iter().all(|word| checked.stdout.contains(word)), "{}", checked.told());
    check(&shop.muster("replay -c muster.toml p.ndjson"), 2, &words);
    check(&shop.muster("run -c muster.toml --until 2026-11-03T00:00:00Z"), 2, &words);
    with(33);
    check(&shop.muster("check -c muster.toml"), 0, &[]);
    check(&shop.muster("replay -c muster.toml p.ndjson"), 0, &[]);
}

#[test]
fn corrections_that_the_policy_refuses_are_told() {
    let shop = Shop::new();
    let more = "policies = \"policies.toml\"\ncorrections = \"corrections.ndjson\"\n[source]";
    shop.put("muster.toml", CONFIG.replace("[source]", more));
    let row = |id: &str, kind: &str, at: &str| {
        format!(
            "{{\"correction_id\":\"{id}\",\"employee_id\":\"p1\",\"kind\":\"{kind}\",\"occurred_at\":\"2026-11-02T{at}\",\
             \"type\":\"missing\",\"status\":\"approved\"}}\n"
        )
    };
    shop.put("corrections.ndjson", [row("c1", "in", "08:00"), row("c2", "out", "17:00")].concat());
    shop.put("policies.toml", "[[policy]]\ncorrection_count_max = 2\n");
    check(&shop.muster("check -c muster.toml"), 0, &[]);
    shop.put("policies.toml", "[[policy]]\ncorrection_count_max = 1\n");
    let checked = shop.muster("check -c muster.toml");
    assert_eq!(checked.code, Some(1), "{}", checked.told());
    let told = "corrections.ndjson:2: warning: correction c2: it is approved, but";
    assert!(checked.stdout.contains(told), "{}", checked.told());
    assert!(checked.stdout.contains("1 warning") && !checked.stdout.contains("c1"), "{}", checked.told());
    shop.put("policies.toml", "[[policy]]\ncorrection_kinds = \"late;earlier\"\n");
    check(&shop.muster("check -c muster.toml"), 1, &[]);
}
