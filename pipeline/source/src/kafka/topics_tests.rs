//! Topics as described: ids as Kafka prints them, and what another description means.

use super::*;

fn described(id: u8, leaders: usize) -> Described {
    Described { id: [id; 16], leaders: vec![1; leaders], replicas: 1 }
}

#[test]
fn a_log_id_is_the_topic_id_as_kafka_prints_it() {
    // org.apache.kafka.common.Uuid(0x0123456789abcdefL, 0xfedcba9876543210L).toString()
    let id = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes();
    assert_eq!(log_id(id).as_str(), "ASNFZ4mrze_-3LqYdlQyEA");
}

#[test]
fn another_id_or_count_is_another_log() {
    let identity = topic_of("punches", &described(7, 4), Some("1048588")).identity;
    check_same(&identity, Some(&described(7, 4))).unwrap();
    for (now, wanted) in [
        (Some(described(8, 4)), "it was deleted and created again"),
        (Some(described(7, 5)), "it has 5 partitions, it had 4"),
        (None, "it was deleted while it was being read"),
    ] {
        let error = check_same(&identity, now.as_ref()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TopicChanged);
        assert!(error.to_string().contains(wanted), "{error}");
    }
}
