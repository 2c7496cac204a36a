//! A group of processors on a real Kafka, tormented: kill -9, stalls beyond the session timeout, a broker that goes and
//! comes back or only halts, a receiver that is down, processes that join and leave. Afterwards every promise holds; and whoever
//! asks the lake meanwhile gets answers that equal a recount.
//!
//! In: the office year through a broker, a printed seed.  Out: P1–P6 and P8, checked by the oracles; a page about it.
//!
//! `tests/chaos` runs it for as long as it is told (`MUSTER_CHAOS_MINUTES`) and keeps the page (`MUSTER_CHAOS_REPORT`).

// A test that cannot go on panics, and says on standard output what it ran on.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "group/outages.rs"]
mod outages;
#[path = "group/promises.rs"]
mod promises;
#[path = "group/queries.rs"]
mod queries;
#[path = "group/replicas.rs"]
mod replicas;
#[path = "group/report.rs"]
mod report;
#[path = "group/timeline.rs"]
mod timeline;
#[path = "group/torment.rs"]
mod torment;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use model::position::partition_of;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use source::kafka::{KafkaLog, KafkaOptions};
use source::{Append, Source};
use tests::broker::{Broker, Settings};
use tests::lake_reader::LakeReader;
use tests::office::{Office, What};
use tests::oracles::{check_ledger, check_months, local_date};
use tests::topic::make_punches;
use tests::webhook::Webhook;

use promises::{check_deliveries, check_webhook};
use queries::Analyst;
use report::Run;
use timeline::Timeline;
use torment::{Member, World, config};

const PARTITIONS: u32 = 6;
/// In a run of no given length.
const FAULTS: usize = 30;
const UNTIL: &str = "2021-02-01T00:00:00+08:00";
/// The group gives a silent process's partitions away after this.
const SESSION: Duration = Duration::from_secs(4);
/// However it ends, it ends within this.
const CALM_MAX: Duration = Duration::from_secs(180);

fn seed() -> u64 {
    let seed = std::env::var("MUSTER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    println!("MUSTER_SEED={seed}");
    seed
}

/// How long is tormented; `None` until there were [`FAULTS`].
fn length() -> Option<Duration> {
    let minutes = std::env::var("MUSTER_CHAOS_MINUTES").ok()?;
    let minutes: u64 = minutes.parse().expect("MUSTER_CHAOS_MINUTES is a number of minutes");
    Some(Duration::from_secs(minutes * 60))
}

/// Tests that need a broker of their own to torment.
mod private_broker {
    use super::*;

    #[test]
    fn a_tormented_group_keeps_every_promise() {
        let seed = seed();
        let mut rng = StdRng::seed_from_u64(seed);
        let office = Office::new(seed, true);
        let folder = tempfile::tempdir().unwrap();
        office.write_reference(folder.path());
        let mut broker = Broker::start(Settings::default());
        let mut options = KafkaOptions::new(&broker.bootstrap(), "punches", "test");
        options.client_id = "test".into();
        make_punches(&broker.bootstrap(), "punches", PARTITIONS);
        let log = KafkaLog::open(options, muster::wall_clock()).unwrap();
        let mut appender = log.appender();
        let webhook = Webhook::start(seed, true);

        let mut members: Vec<Member> = ["a", "b", "c", "d"]
            .into_iter()
            .map(|name| Member { name: name.into(), folder: folder.path().to_owned(), child: None })
            .collect();
        for (n, member) in members.iter().enumerate() {
            // Two keep their names in the group, two are new at every start; one speaks to people.
            let instance = (n < 2).then_some(member.name.as_str());
            let url = webhook.url();
            let text = config(&broker.bootstrap(), instance, (n == 0).then_some(url.as_str()));
            std::fs::write(folder.path().join(format!("{}.toml", member.name)), text).unwrap();
        }
        members[..3].iter_mut().for_each(|member| member.start(&[]));

        let (mut origins, mut faults) = (Vec::new(), 0);
        let mut timeline = Timeline::start(folder.path());
        let analyst = Analyst::start(folder.path(), "a.toml");
        let (length, records) = (length(), &office.records);
        loop {
            let done = match length {
                Some(length) => timeline.elapsed().as_secs_f64() / length.as_secs_f64(),
                None => (faults + 1) as f64 / (FAULTS + 1) as f64,
            };
            let until = ((records.len() as f64 * done) as usize).min(records.len());
            timeline.appended(until - origins.len());
            origins.extend(produce(&mut appender, &records[origins.len()..until]));
            if done >= 1.0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(rng.random_range(200..2_500)));
            let mut world = World { broker: &mut broker, members: &mut members, webhook: &webhook };
            let fault = timeline.fault(|| world.torment(&mut rng));
            println!("fault {faults}: {}, {:.1} s", fault.what, fault.until_s - fault.from_s);
            faults += 1;
            members.iter_mut().for_each(Member::expect_alive);
        }

        // P6: with the last fault over, whoever is left leaves in good order, and two take the log to its end.
        members.iter_mut().filter(|member| member.child.is_some()).for_each(Member::end);
        let begun = Instant::now();
        members[..2].iter_mut().for_each(|member| member.start(&["--until", UNTIL]));
        members[..2].iter_mut().for_each(|member| member.wait(CALM_MAX));
        let calm_s = begun.elapsed().as_secs_f64();
        println!("taken to the end in {calm_s:.1} s");
        let (samples, faults) = timeline.stop();
        let (answers, months) = analyst.stop();
        assert!(answers > 1 && months > 0, "{answers} answers, {months} months");

        let lake = LakeReader::open(&folder.path().join("lake"));
        let fired = check_ledger(&lake, &topics_of(&log), &office, &origins);
        check_months(&lake, &office, |employee_id| {
            let own = partition_of(employee_id.as_bytes(), PARTITIONS);
            let mine =
                office.records.iter().filter(|record| partition_of(record.key.as_bytes(), PARTITIONS) == own);
            mine.filter(|record| record.what == What::Punch).map(local_date).next().unwrap()
        });
        let sent = check_webhook(&webhook, &fired);
        check_deliveries(&lake, &sent);

        let last = samples.last().unwrap();
        assert_eq!((last.appended, last.lag()), (origins.len() as u64, 0), "P6: nothing waits in the end");
        let checked = [
            ("P1 every punch once", format!("{} punches", office.punches.len())),
            ("P2 every offset in one table", format!("{} offsets", origins.len())),
            ("P3 every broken record is a dead letter", "30 records".to_owned()),
            (
                "P4 every version of an alert once behind its owner's marker",
                format!("{} alerts", fired.len()),
            ),
            ("P4 every version at its receiver under one id", format!("{} versions", sent.len())),
            ("P5 versions in the lake without gap or repeat", "anomalies, shift_results".to_owned()),
            ("P6 nothing waits in the end", format!("{} records", last.appended)),
            ("P8 months equal a recount", format!("{} people", office.homes.len())),
            ("P8 so did each answer to `muster sql` on the way", format!("{answers} answers")),
        ];
        let run = Run { seed, samples: &samples, faults: &faults, checked: &checked, calm_s };
        println!("{}", run.page());
        run.write(
            &std::env::var_os("MUSTER_CHAOS_REPORT").map_or(folder.path().join("report"), PathBuf::from),
        );
    }
}

/// Opens topics of the log from their beginnings.
fn topics_of(log: &KafkaLog) -> impl Fn(&str) -> Box<dyn Source> {
    |topic| Box::new(log.reader(topic).unwrap())
}

/// Appends the records; where each one landed.
fn produce(appender: &mut dyn Append, records: &[tests::office::Record]) -> Vec<(u32, i64)> {
    let new: Vec<_> = records.iter().map(tests::office::Record::to_append).collect();
    let landed = appender.append("punches", &new).unwrap();
    landed.into_iter().map(|(partition, offset)| (partition.number(), offset.get())).collect()
}
