//! A former version of the program and this one take turns on one lake and one topic, each killed in the middle. Run by
//! `tests/upgrade`, which builds the former version.

use tests::crowd;

use super::repartition::{configure, finally, run_to, send};
use super::*;

mod private_broker {
    use super::*;

    #[test]
    fn a_topic_survives_upgrades_and_rollbacks() {
        let Some(former) = std::env::var_os("MUSTER_TEST_FORMER").map(std::path::PathBuf::from) else {
            println!("MUSTER_TEST_FORMER is not set: no former version was tried; tests/upgrade builds one");
            return;
        };
        let broker = Broker::start(Settings::default());
        let bootstrap = broker.bootstrap();
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write_world(folder, 1, now());
        crowd::write_reference(folder);
        let records = crowd::records(5);
        for name in ["steady", "changing"] {
            make_punches(&bootstrap, name, 3);
            configure(folder, &bootstrap, name);
        }
        send(&bootstrap, "steady", 3, &records);
        run_to(folder, "steady", &crowd::settled_at());
        let punches = || {
            let log = std::fs::read_dir(folder.join("lake-changing/punches/_delta_log"));
            log.map_or(0, |entries| entries.flatten().count())
        };
        for (n, records) in records.chunks(records.len().div_ceil(4)).enumerate() {
            send(&bootstrap, "changing", 3, records);
            let program = if n % 2 == 0 { Program::new().built_at(&former) } else { Program::new() };
            let args = ["run", "-c", "changing.toml", "--json", "--until", "2026-11-01T00:00:00Z"];
            let (base, begun) = (punches(), Instant::now());
            let mut child = program.args(args).in_folder(folder).spawn();
            // A claim, and a commit behind it.
            while punches() < base + 2 && child.try_wait().unwrap().is_none() {
                assert!(begun.elapsed() < LIMIT, "part {n} commits nothing");
                std::thread::sleep(Duration::from_millis(1));
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
        run_to(folder, "changing", &crowd::settled_at());
        let difference =
            finally(folder, &bootstrap, "steady").difference(&finally(folder, &bootstrap, "changing"));
        assert_eq!(difference, None);
    }
}
