//! Records of other attendance systems, however odd: each becomes one punch, one reject, or what the vendor says
//! alone, and none of these holds where somebody was.
#![allow(clippy::unwrap_used, reason = "a test's helper fails as its test does")]

use model::{Batch, NextOffset, Offset, Partition, Vendor};
use proptest::prelude::*;
use schemas::{Decoder, Format, ImportOptions, RawRecord};
use serde_json::{Map, Value, json};

/// Every field that any of the decoders looks at.
const NAMES: &[&str] = &[
    "userId",
    "userCheckTime",
    "checkTime",
    "id",
    "bizId",
    "recordId",
    "checkType",
    "timeResult",
    "locationResult",
    "sourceType",
    "checkByUser",
    "workDate",
    "baseCheckTime",
    "planCheckTime",
    "gmtModified",
    "userLongitude",
    "userLatitude",
    "userAccuracy",
    "userMacAddr",
    "deviceId",
    "deviceSN",
    "photoUrl",
    "outsideRemark",
    "invalidRecordType",
    "approveId",
    "data",
    "errcode",
    "errmsg",
    "userid",
    "checkin_type",
    "exception_type",
    "checkin_time",
    "sch_checkin_time",
    "lat",
    "lng",
    "wifimac",
    "mediaids",
    "deviceid",
    "device_sn",
    "user_id",
    "employee_id",
    "check_time",
    "record_id",
    "type",
    "is_field",
    "bssid",
    "photo_urls",
    "risk_result",
    "result_id",
    "records",
    "day",
    "task_id",
    "status_changes",
    "event",
    "header",
    "check_in_result",
    "check_in_record",
    "check_out_result",
    "check_in_shift_time",
    "work_type",
    "current_status",
    "index",
];

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_i64..5).prop_map(Value::from),
        (1_500_000_000_i64..1_900_000_000).prop_map(Value::from),
        (1_500_000_000_000_i64..1_900_000_000_000).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9:.\\-a ]{0,12}".prop_map(Value::from),
        prop_oneof![
            "OnDuty",
            "OffDuty",
            "NotSigned",
            "SYSTEM",
            "ATM",
            "USER",
            "Normal",
            "上班打卡",
            "未打卡",
            "时间异常;地点异常",
            "Lack",
            "3c:46:d8:0c:7a:70",
            "02:00:00:00:00:00",
            "1762909505",
            "1762909505000",
            "E1",
            "",
        ]
        .prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from), object(inner)]
    })
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    proptest::collection::vec((prop::sample::select(NAMES), value), 0..14)
        .prop_map(|fields| {
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>()
        })
        .prop_map(Value::Object)
}

/// Mostly an object that could be one of `vendor`'s.
fn record() -> impl Strategy<Value = Value> {
    let person = prop_oneof![Just(json!("E1")), Just(json!(7)), value()];
    prop_oneof![
        1 => value(),
        8 => (object(value()), person).prop_map(|(mut record, person)| {
            for name in ["userId", "userid", "user_id"] {
                record[name] = person.clone();
            }
            record
        }),
    ]
}

fn decoded(vendor: Vendor, texts: &[&str]) -> Batch {
    let mut decoder = Decoder::new(Format::Vendor(vendor), ImportOptions::default());
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    for (offset, text) in texts.iter().enumerate() {
        let offset = Offset::new(offset as i64).unwrap();
        decoder.decode(RawRecord { offset, append_time: None, value: Some(text.as_bytes()) }, &mut batch);
    }
    batch
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_record_is_one_punch_or_one_reject_or_said_alone(record in record()) {
        let text = record.to_string();
        for vendor in Vendor::ALL {
            let batch = decoded(*vendor, &[&text]);
            let is_said_alone = batch.records() == 0;
            prop_assert!(batch.records() <= 1, "{vendor:?}");
            prop_assert_eq!(batch.next.get(), 1);
            prop_assert_eq!(batch.vendor_records.is_empty(), !batch.rejects.is_empty(), "{:?}", batch.rejects);
            for said in &batch.vendor_records {
                prop_assert_eq!(said.no_punch.is_some(), is_said_alone);
                prop_assert!(!said.employee_id.is_empty());
                let raw: Value = serde_json::from_str(&said.raw).unwrap();
                prop_assert!(!has_place(&raw), "{}", said.raw);
            }
            if let Some(punch) = batch.punches.first() {
                prop_assert_eq!(batch.vendor_records.len(), 1);
                let event_id = batch.vendor_records[0].event_id.as_deref();
                prop_assert_eq!(event_id, Some(batch.text(punch.event_id)));
            }
        }
    }

    /// The same record written otherwise is the same, and another one is another.
    #[test]
    fn a_records_id_is_its_content(one in record(), other in record()) {
        let (text, pretty) = (one.to_string(), serde_json::to_string_pretty(&one).unwrap());
        for vendor in Vendor::ALL {
            let batch = decoded(*vendor, &[&text, &pretty, &other.to_string()]);
            let ids = |offset: i64| -> Vec<u128> {
                batch.vendor_records.iter().filter(|said| said.offset.get() == offset).map(|said| said.id).collect()
            };
            prop_assert_eq!(ids(0), ids(1));
            if one != other {
                prop_assert!(ids(0).iter().all(|id| !ids(2).contains(id)));
            }
        }
    }

    #[test]
    fn no_bytes_panic(text in "\\PC{0,60}", cut in prop::sample::select(&[0_usize, 3, 9][..])) {
        for vendor in Vendor::ALL {
            let batch = decoded(*vendor, &[&text, text.get(cut..).unwrap_or_default()]);
            prop_assert_eq!(batch.rejects.len(), 2);
        }
    }
}

/// Whether a position, a picture or a word about where somebody was stands in it.
fn has_place(value: &Value) -> bool {
    let keys = [
        "userLongitude",
        "userLatitude",
        "userAccuracy",
        "lat",
        "lng",
        "photoUrl",
        "photo_urls",
        "mediaids",
        "outsideRemark",
    ];
    match value {
        Value::Object(map) => map.iter().any(|(key, value)| keys.contains(&key.as_str()) || has_place(value)),
        Value::Array(items) => items.iter().any(has_place),
        _ => false,
    }
}
