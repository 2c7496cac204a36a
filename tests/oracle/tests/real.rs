//! The exports of three real time clocks, told by the program as it reads them and by the oracle.
//!
//! In: `$MUSTER_DATA/punches`, read by the importers of `schemas`; without it the tests say so and end.
//! Why so: ids, times, directions and the order of arrival are real and carry what nobody would make up: an end punched
//! four times, a break without a return, records that come days late. Who was due when and by which rules, what was asked
//! for, and where each punch was made is ours, at random from a seed: no export tells it.
//!
//! `ORACLE_SEED` says which plan is laid over the punches.

// Tests that cannot go on panic, and say on standard output what they ran on.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use model::{Batch, NextOffset, Offset, Partition, Place, Reasons};
use oracle::{Person, Seconds, World};
use schemas::decode::AttLogStates;
use schemas::{Decoder, Format, ImportOptions, RawRecord};
use support::{Files, Keep, Life, Month, Random, Sent};

const DAY_S: Seconds = 86_400;

/// What one time clock was asked to hand over.
struct Export {
    file: &'static str,
    format: Format,
    states: AttLogStates,
    /// Whether its first line names the columns.
    has_header: bool,
}

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("MUSTER_DATA").map(|data| Path::new(&data).join("punches"));
    if folder.is_none() {
        println!("MUSTER_DATA is not set: no real punches were read");
    }
    folder
}

/// The punches of an export, as its importer reads them in `zone`, each once, in the order of the file.
fn read(folder: &Path, export: &Export, zone: &TimeZone) -> Vec<Sent> {
    let text = std::fs::read_to_string(folder.join(export.file)).unwrap();
    let options = ImportOptions {
        time_zone: zone.clone(),
        device_id: "clock".to_owned(),
        attlog_states: export.states.clone(),
        ..ImportOptions::default()
    };
    let mut decoder = Decoder::new(export.format.clone(), options);
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    for (line, text) in text.lines().enumerate().skip(usize::from(export.has_header)) {
        let offset = Offset::new(line as i64).unwrap();
        let value = Some(text.as_bytes());
        _ = decoder.decode(RawRecord { offset, append_time: None, value }, &mut batch);
    }
    assert!(batch.rejects.is_empty(), "{}: {:?}", export.file, batch.rejects);
    let mut seen = BTreeSet::new();
    let sent = batch.punches.iter().map(|punch| Sent {
        employee_id: batch.text(punch.employee_id).to_owned(),
        event_id: batch.text(punch.event_id).to_owned(),
        kind: punch.kind,
        occurred_at: punch.occurred_at.us() / 1_000_000,
        arrives_at: 0,
        place: Place::Inside,
        site: None,
        reasons: Reasons::EMPTY,
        origin: punch.origin,
        device: batch.text(punch.device_id).to_owned(),
    });
    sent.filter(|sent| seen.insert((sent.employee_id.clone(), sent.event_id.clone()))).collect()
}

/// Start and length in minutes of the shifts of a day: whole days, days in two parts, late ones and nights.
const LAYOUTS: [&[(i64, i64)]; 7] = [
    &[(480, 540)],
    &[(480, 240), (780, 240)],
    &[(540, 540)],
    &[(510, 540)],
    &[(420, 600)],
    &[(480, 270), (810, 240), (1_080, 180)],
    &[(1_020, 540)],
];

/// Shifts from Monday to Friday and on some other days, always by one layout a person.
fn shifts(random: &mut Random, world: &mut World, (first, last): (Date, Date)) {
    let person = world.people.last().unwrap().id.clone();
    let layout = LAYOUTS[random.below(LAYOUTS.len() as i64) as usize];
    for day in first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last) {
        let is_weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        if random.happens(if is_weekend { 80 } else { 4 }) {
            continue;
        }
        for (segment, (start, length)) in layout.iter().enumerate() {
            let site = random.pick(&["A", "A", "A", "B", "C"]);
            let id = format!("{person}-{day}-{segment}");
            let mut shift = support::shift(random, id, &person, site, (day, *start, *length));
            shift.segment = segment as u32;
            world.shifts.push(shift);
        }
    }
}

/// The punches of an export with a plan laid over them; they arrive when the file has them.
fn month(folder: &Path, export: &Export, seed: u64) -> Month {
    let random = &mut Random::new(seed);
    let zones = ["Asia/Hong_Kong", "Europe/London", "America/New_York", "Australia/Lord_Howe"];
    let zone = TimeZone::get(random.pick(&zones)).unwrap();
    let mut sent = read(folder, export, &zone);
    let date = |at: Seconds| zone.to_datetime(jiff::Timestamp::from_second(at).unwrap()).date();
    let (from, until) = (
        sent.iter().map(|s| s.occurred_at).min().unwrap(),
        sent.iter().map(|s| s.occurred_at).max().unwrap(),
    );
    let (first, last) = (date(from), date(until));
    let mut world = World {
        sites: support::sites(random),
        policies: support::policies(random, first),
        calendars: support::calendars(random, first),
        ..World::default()
    };
    world.sites.iter_mut().for_each(|site| site.zone = zone.clone());
    let (since, end) = (from - 2 * DAY_S, until + 45 * DAY_S);
    let people: BTreeSet<String> = sent.iter().map(|sent| sent.employee_id.clone()).collect();
    for (number, id) in people.into_iter().enumerate() {
        let person = support::person(random, number as i64);
        world.people.push(Person { id: id.clone(), ..person });
        shifts(random, &mut world, (first, last));
        support::requests(random, &mut world, &id, (since, until));
    }
    let mut latest = since;
    for sent in &mut sent {
        latest = latest.max(sent.occurred_at);
        sent.arrives_at = latest;
        sent.place = *random.pick(&[&Place::Inside, &Place::Inside, &Place::Inside, &Place::Outside]);
        sent.site =
            (sent.place == Place::Inside).then(|| random.pick(&["A", "A", "A", "B", "C", "D"]).to_owned());
    }
    Month { worlds: vec![(since, world)], sent, since, end }
}

/// Plays `sent` with restarts and holds what was said last of everybody against the oracle.
fn play(name: &str, month: &Month, sent: &[Sent], random: &mut Random) {
    let files = Files::new();
    let mut life = Life::new(month, &files, Keep::Last);
    life.live(sent, 1, random);
    let (mut rows, mut found, mut wrong) = (0, 0, Vec::new());
    let people = &month.worlds[0].1.people;
    for person in people {
        let (said, told) = (life.last(&person.id), life.told(&person.id));
        (rows, found) = (rows + told.rows.len(), found + told.found.len());
        if said != told {
            let around = life.around(&person.id, &said, &told);
            wrong.push(format!("{}\n{}\n{around}", person.id, said.against(&told)));
        }
    }
    println!("{name}: {} punches of {} people, {rows} rows, {found} findings", sent.len(), people.len());
    assert!(wrong.is_empty(), "{} people differ:\n{}", wrong.len(), wrong[..wrong.len().min(4)].join("\n"));
}

/// As the export came, and with every record up to twenty days late.
fn check(export: &Export) {
    let Some(folder) = folder() else { return };
    let seed = std::env::var("ORACLE_SEED").map_or(1, |seed| seed.parse().unwrap());
    let month = month(&folder, export, seed);
    let random = &mut Random::new(seed ^ 0xface);
    let name = format!("ORACLE_SEED={seed} {}", export.file);
    play(&format!("{name} as it came"), &month, &month.sent, random);
    let mut shuffled = month.sent.clone();
    shuffled.iter_mut().for_each(|sent| sent.arrives_at = sent.occurred_at + random.below(20 * DAY_S));
    play(&format!("{name} shuffled"), &month, &shuffled, random);
}

/// In order of arrival, in and out by keys.
#[test]
fn a_year_of_an_office_ends_as_the_oracle_says() {
    let states = AttLogStates::default();
    check(&Export { file: "attlog-office-2020.dat", format: Format::AttLog, states, has_header: false });
}

/// The keys of this clock were never used: every punch is `auto`.
#[test]
fn four_weeks_of_a_college_end_as_the_oracle_says() {
    let states = AttLogStates::Ignored;
    check(&Export { file: "attlog-college.dat", format: Format::AttLog, states, has_header: false });
}

/// Told in minutes, one person after the other: most of it comes behind the end of the month.
#[test]
fn a_terminal_read_person_by_person_ends_as_the_oracle_says() {
    let states = AttLogStates::Ignored;
    check(&Export { file: "terminal-cn.csv", format: Format::CnTerminal, states, has_header: true });
}
