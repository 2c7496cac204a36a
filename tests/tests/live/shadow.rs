//! A shadow on a real broker: it reads, and the broker is afterwards as it was.

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::*;

/// Topics but those of the broker itself.
fn topics(consumer: &BaseConsumer) -> Vec<String> {
    let metadata = consumer.fetch_metadata(None, LIMIT).unwrap();
    let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
    names.filter(|name| !name.starts_with("__")).collect()
}

fn ends(consumer: &BaseConsumer, partitions: i32) -> Vec<i64> {
    (0..partitions).map(|at| consumer.fetch_watermarks(PUNCHES, at, LIMIT).unwrap().1).collect()
}

mod private_broker {
    use super::*;

    #[test]
    fn a_shadow_leaves_the_broker_as_it_is() {
        let broker = Broker::start(Settings::default());
        let folder = tempfile::tempdir().unwrap();
        make_punches(&broker.bootstrap(), PUNCHES, 3);
        let log = open_log(&broker.bootstrap(), PUNCHES);
        write_world(folder.path(), 30, now() - jiff::SignedDuration::from_mins(2));
        write_config(folder.path(), "m", &broker.bootstrap(), PUNCHES, "lake", "");
        append(&log, PUNCHES, &few("p", 20));
        append(&log, PUNCHES, &[json!({"event_id": "none", "employee_id": employee(3)})]);
        // The processor that is to come has read this far, as the group tells it.
        let old: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", broker.bootstrap())
            .set("group.id", "muster")
            .create()
            .unwrap();
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(PUNCHES, 1, Offset::Offset(1)).unwrap();
        old.commit(&place, CommitMode::Sync).unwrap();
        let before = (topics(&old), ends(&old, 3));
        assert_eq!(before.0, [PUNCHES]);
        for accepted in [20, 0] {
            // No record comes any more: the clock gets there by this machine's wall.
            let until = (now() + jiff::SignedDuration::from_secs(3)).to_string();
            let args = ["shadow", "run", "-c", "m.toml", "--json", "--until", &until];
            let ran = Program::new().args(args).in_folder(folder.path()).limit(LIMIT).run();
            assert_eq!(ran.code, Some(i32::from(accepted > 0)), "{}", ran.told());
            let summary: Value = serde_json::from_str(ran.last_line()).unwrap();
            assert_eq!(summary["accepted"], accepted, "{summary}");
            assert_eq!((topics(&old), ends(&old, 3)), before);
        }
        let committed = old.committed_offsets(place, LIMIT).unwrap();
        assert_eq!(committed.elements()[0].offset(), Offset::Offset(1));
        let lake = LakeReader::open(&folder.path().join("lake-shadow"));
        assert_eq!(lake.count("punches"), 20);
        assert_eq!(lake.count("anomalies WHERE kind = 'no_show'"), 10);
        assert!(!folder.path().join("lake").exists());
    }
}
