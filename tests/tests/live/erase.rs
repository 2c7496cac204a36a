//! A person is erased beside a processor on a real broker: it loses what it had in hand, and goes on without that person.

use tests::traces::traces;

use super::*;

mod private_broker {
    use super::*;

    #[test]
    fn a_person_is_erased_beside_a_processor_which_goes_on_without_that_person() {
        let broker = Broker::start(Settings::default());
        let bootstrap = broker.bootstrap();
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        make_punches(&bootstrap, PUNCHES, 2);
        // All were due an hour ago: whoever comes now is late.
        let start = now() - jiff::SignedDuration::from_hours(1);
        write_world(folder, 4, start);
        write_config(folder, "m", &bootstrap, PUNCHES, "lake", "");
        let log = open_log(&bootstrap, PUNCHES);
        append(&log, PUNCHES, &few("first", 4));
        assert_eq!(run_until(folder, "m").code, Some(0));
        let leaver = employee(3);
        // What holds of each alert is the last record with its key.
        let theirs = |log: &KafkaLog| {
            let records = read_topic(&mut log.reader("alerts").unwrap());
            let last: BTreeMap<String, Vec<u8>> =
                records.into_iter().map(|record| (record.key, record.value)).collect();
            last.values().filter(|value| String::from_utf8_lossy(value).contains(&leaver)).count()
        };
        assert!(theirs(&log) > 0);

        // Without the person from here on.
        for name in ["people.ndjson", "shifts.ndjson"] {
            let text = std::fs::read_to_string(folder.join(name)).unwrap();
            let kept: String =
                text.lines().filter(|line| !line.contains(&leaver)).map(|line| format!("{line}\n")).collect();
            std::fs::write(folder.join(name), kept).unwrap();
        }
        let mut at_work = Running::start(folder, "at-work", &["run", "-c", "m.toml", "--json"]);
        append(&log, PUNCHES, &few("second", 3));
        let begun = Instant::now();
        let is_read = || LakeReader::open(&folder.join("lake")).count("punches") == 7;
        while !is_read() {
            assert!(at_work.is_alive() && begun.elapsed() < LIMIT, "{}", at_work.log());
            std::thread::sleep(Duration::from_millis(200));
        }
        let args = ["erase", "-c", "m.toml", "--employee", &leaver, "--by", "hr", "--yes", "--json"];
        let ran = Program::new().args(args).in_folder(folder).limit(LIMIT).run();
        assert_eq!(ran.code, Some(0), "{}", ran.told());
        let told: Value = serde_json::from_str(ran.last_line()).unwrap();
        assert_eq!(told["rows"]["punches"], json!(1), "{told}");
        assert!(told["elsewhere"]["topic alerts"].as_u64() > Some(0), "{told}");
        append(&log, PUNCHES, &few("third", 3));
        let begun = Instant::now();
        while LakeReader::open(&folder.join("lake")).count("punches") != 4 + 3 + 3 - 1 {
            assert!(at_work.is_alive() && begun.elapsed() < LIMIT, "{}", at_work.log());
            std::thread::sleep(Duration::from_millis(200));
        }
        at_work.terminate();
        assert_eq!(at_work.await_end(LIMIT), Some(0), "{}", at_work.log());
        assert_eq!(traces(&folder.join("lake"), &leaver), [""; 0]);
        assert_eq!(theirs(&log), 0);
    }
}
