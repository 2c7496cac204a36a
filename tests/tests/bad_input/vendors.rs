//! Exports of other attendance systems through the whole pipeline: whole documents with bad records in them, files
//! that overlap, files that were cut short, and what comes of the vendors' own verdicts.

use serde_json::{Value, json};

use super::shop::{Shop, check, summary};

/// One person's two days as DingTalk tells them. On the first they were on time by its schedule (08:30) and late by
/// ours (08:00), and nobody signed out.
fn details() -> Value {
    json!({"errcode": 0, "errmsg": "ok", "recordresult": [
        {"id": 11, "bizId": "b11", "userId": "p1", "checkType": "OnDuty", "timeResult": "Normal", "locationResult": "Normal",
         "workDate": "1793548800000", "baseCheckTime": 1_793_579_400_000_i64, "planCheckTime": 1_793_579_400_000_i64,
         "userCheckTime": 1_793_578_260_000_i64, "sourceType": "USER", "userLongitude": "114.17", "userLatitude": 22.30,
         "userAccuracy": 10, "gmtModified": 1_793_578_260_000_i64, "userAddress": "somewhere private"},
        {"id": 12, "bizId": "b12", "userId": "p1", "userCheckTime": "yesterday", "sourceType": "USER"},
        {"id": 13, "bizId": "b13", "userId": "p1", "userCheckTime": 1_793_590_000_000_i64, "sourceType": "USER",
         "invalidRecordType": "Other", "invalidRecordMsg": "需要二次确认"},
    ]})
}

fn results() -> Value {
    json!({"errcode": 0, "hasMore": false, "recordresult": [
        {"id": 21, "recordId": 11, "userId": "p1", "checkType": "OnDuty", "timeResult": "Normal", "locationResult": "Normal",
         "workDate": 1_793_548_800_000_i64, "baseCheckTime": 1_793_579_400_000_i64, "userCheckTime": 1_793_578_260_000_i64,
         "sourceType": "USER"},
        {"id": 22, "userId": "p1", "checkType": "OffDuty", "timeResult": "NotSigned", "locationResult": "NotSigned",
         "workDate": 1_793_548_800_000_i64, "baseCheckTime": 1_793_610_000_000_i64, "userCheckTime": 1_793_610_000_000_i64,
         "sourceType": "SYSTEM"},
    ]})
}

#[test]
fn an_export_of_dingtalk_is_judged_anew_and_its_verdicts_are_kept_beside() {
    let shop = Shop::new();
    shop.put("details.json", serde_json::to_string_pretty(&details()).unwrap());
    shop.put("results.json", results().to_string());
    // The second file tells the first one's records again, and an event twice.
    let mut more = details()["recordresult"].as_array().unwrap().clone();
    more.push(json!({"userId": "p2", "checkTime": 1_793_578_260_000_i64, "bizId": "e1", "locationMethod": "ATM", "deviceSN": "t1"}));
    more.push(
        json!({"userId": "p2", "checkTime": 1_793_578_260_000_i64, "bizId": "e1", "checkByUser": false}),
    );
    let events: Vec<String> = more.iter().map(Value::to_string).collect();
    shop.put("events.json", events.join("\n"));

    let ran = shop.muster("replay -c muster.toml details.json results.json --json");
    check(&ran, 1, &[]);
    assert_eq!(summary(&ran), [2, 1, 0], "two punches, one bad time; the results are no punches");
    let found: Value = serde_json::from_str(ran.last_line()).unwrap();
    assert_eq!(found["no_punch"], 2);
    let ran = shop.muster("replay -c muster.toml --format dingtalk events.json --json");
    check(&ran, 1, &[]);
    assert_eq!(summary(&ran), [1, 1, 2], "the overlap is repeats");
    for file in ["details.json", "results.json", "events.json"] {
        let ran = shop.muster(&format!("replay -c muster.toml --format dingtalk {file} --json"));
        assert_eq!(summary(&ran), [0, 0, 0], "{file} again: {}", ran.told());
    }

    let rejects = shop.sql(
        "lake",
        "SELECT code, \"offset\", message FROM rejects WHERE code <> 'duplicate' ORDER BY topic",
    );
    assert_eq!(rejects.len(), 2);
    for reject in &rejects {
        assert_eq!((&reject["code"], &reject["offset"]), (&json!("time_impossible"), &json!(1)));
        assert!(reject["message"].as_str().unwrap().contains("userCheckTime"), "{reject}");
    }
    let said = "SELECT vendor_id, no_punch, event_id, time_result, invalid_message, raw FROM vendor_records ORDER BY vendor_id";
    let said = shop.sql("lake", said);
    let ids: Vec<&str> = said.iter().map(|row| row["vendor_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["11", "13", "21", "22", "e1", "e1"], "each record once");
    assert!(said.iter().all(|row| !row["raw"].as_str().unwrap().contains("private")));
    let places = shop.sql("lake", "SELECT place FROM punches WHERE event_id = '11'");
    assert_eq!(places[0]["place"], "outside", "GCJ-02 is 500 m away from the same numbers in WGS-84");

    let rows = shop.sql(
        "lake",
        "SELECT direction, event_id, shift_id, their_result, our_result, their_min, our_min, plan_differs_min, time_difference, \
         place_difference FROM vendor_differences ORDER BY direction",
    );
    let expected = [
        json!({"direction": "in", "event_id": "11", "shift_id": "s1", "their_result": "on_time", "our_result": "late", "their_min": 0,
               "our_min": 11, "plan_differs_min": 30, "time_difference": "they_on_time_we_late",
               "place_difference": "they_inside_we_outside"}),
        // The vendor did not count the punch at 11:26; ours is 333 minutes early.
        json!({"direction": "out", "event_id": null, "shift_id": "s1", "their_result": "missing", "our_result": "early",
               "their_min": null, "our_min": 333, "plan_differs_min": 0, "time_difference": "they_missing_we_early",
               "place_difference": null}),
    ];
    assert_eq!(rows.len(), 2, "{rows:?}");
    for (row, expected) in rows.iter().zip(&expected) {
        for (column, value) in expected.as_object().unwrap() {
            assert_eq!(row[column], *value, "{column} of {row}");
        }
    }
}

#[test]
fn exports_of_wecom_and_feishu_are_known_by_their_lists() {
    let shop = Shop::new();
    let wecom = json!({"errcode": 0, "checkindata": [
        {"userid": "p1", "checkin_type": "上班打卡", "exception_type": "时间异常", "checkin_time": 1_793_578_260, "wifimac": "",
         "sch_checkin_time": 1_793_577_600, "notes": "traffic"},
        {"userid": "p1", "checkin_type": "下班打卡", "exception_type": "未打卡", "checkin_time": 0, "sch_checkin_time": 1_793_610_000},
        {"userid": "p2", "checkin_time": 1_793_578_260_000_i64},
    ]});
    shop.put("wecom.json", wecom.to_string());
    let flows = json!({"code": 0, "data": {"user_flow_results": [
        {"user_id": "p2", "check_time": "1793578260", "record_id": "r1", "type": 0, "bssid": "b0:b8:67:62:18:73"},
        {"user_id": "p2", "check_time": "1793578999", "record_id": "r2", "type": 2},
    ]}});
    shop.put("flows.json", flows.to_string());
    let tasks = json!({"code": 0, "data": {"user_task_results": [{"result_id": "t1", "user_id": "p2", "day": 20_261_102, "records": [
        {"check_in_record_id": "r1", "check_in_result": "Late", "check_out_result": "Lack", "check_in_shift_time": "1793577600"},
    ]}]}});
    shop.put("tasks.json", tasks.to_string());
    let ran = shop.muster("replay -c muster.toml wecom.json flows.json tasks.json --json");
    check(&ran, 1, &[]);
    assert_eq!(summary(&ran), [3, 1, 0]);
    let reject = &shop.sql("lake", "SELECT message FROM rejects")[0];
    assert!(reject["message"].as_str().unwrap().contains("divide by 1000"), "{reject}");
    let origins = shop.sql("lake", "SELECT origin, kind FROM punches ORDER BY occurred_at, employee_id");
    let origins: Vec<_> =
        origins.iter().map(|row| [&row["origin"], &row["kind"]].map(|v| v.as_str().unwrap())).collect();
    assert_eq!(origins, [["phone", "in"], ["phone", "auto"], ["correction", "auto"]]);
    let said = "SELECT vendor, direction, time_result, no_punch FROM vendor_records ORDER BY vendor, direction, time_result";
    let said = shop.sql("lake", said);
    assert_eq!(said.len(), 6, "{said:?}");
    let found = shop.sql("lake", "SELECT time_difference FROM vendor_differences ORDER BY vendor, direction");
    let found: Vec<_> = found.iter().map(|row| row["time_difference"].as_str().unwrap()).collect();
    // p2 has no shift here; p1 was late and never signed out for both.
    assert_eq!(found, ["no_shift_here", "no_shift_here", "agree", "agree"]);
}

#[test]
fn an_export_cut_short_is_told() {
    let shop = Shop::new();
    let text = details().to_string();
    let end = text.find("{\"baseCheckTime\"").map_or(text.len() / 2, |at| at + 40);
    shop.put("details.json", &text[..end]);
    let ran = shop.muster("replay -c muster.toml details.json");
    check(&ran, 1, &[]);
    assert!(ran.stdout.contains("0 accepted, 0 repeats, 1 rejected"), "{}", ran.told());
    let rejects = shop.sql("lake", "SELECT code, message FROM rejects");
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0]["code"], "not_json");
}

#[test]
fn what_the_vendors_pages_print_is_taken() {
    let Some(data) = std::env::var_os("MUSTER_DATA") else {
        println!("skipped: MUSTER_DATA is not set");
        return;
    };
    let shop = Shop::new();
    let file = std::path::Path::new(&data).join("vendor/listRecord_official_example.json");
    shop.put("example.json", std::fs::read(file).unwrap());
    let ran = shop.muster("replay -c muster.toml example.json --json");
    check(&ran, 0, &[]);
    assert_eq!(summary(&ran), [2, 0, 0]);
    let punches = shop.sql("lake", "SELECT event_id, kind, origin FROM punches ORDER BY occurred_at");
    let expected = [
        json!({"event_id": "43047156750", "kind": "in", "origin": "field"}),
        json!({"event_id": "43055377426", "kind": "auto", "origin": "phone"}),
    ];
    assert_eq!(punches, expected);
}
