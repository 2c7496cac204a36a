//! The fuzz targets without a fuzzer: every file of the kept corpora, and damage to them from a printed seed.
//! `FUZZ_SEED` repeats a run, `FUZZ_CASES` makes it longer; `UPDATE_CORPUS=1` writes the seeds of the corpora anew.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code outside of `#[test]` functions")]
#![allow(dead_code, reason = "of the shared modules not all is used")]

#[path = "support/arrows.rs"]
mod arrows;
#[path = "support/dice.rs"]
mod dice;
#[path = "support/fuzzed.rs"]
mod fuzzed;
#[path = "support/lines.rs"]
mod lines;
#[path = "support/records.rs"]
mod records;
#[path = "support/seen.rs"]
mod seen;

use std::path::{Path, PathBuf};

use apache_avro::Schema;
use arrows::Columns;
use dice::Dice;
use lines::AvroStyle;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(target)
}

/// The corpus in the order of its files' names, so that a seed means the same everywhere.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder(target)).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// What a target's corpus begins with.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut dice = Dice::seeded(7);
    let pool = lines::proto_pool(concat!(env!("CARGO_MANIFEST_DIR"), "/proto"));
    let schema = Schema::parse_str(include_str!("../avro/punch.avsc")).unwrap();
    let mut made = || {
        let line = lines::line(&mut dice);
        match target {
            "json" => serde_json::to_vec(&line).unwrap(),
            "radios" => [
                &serde_json::to_vec(&line.wifi).unwrap()[..],
                b"|",
                &serde_json::to_vec(&line.beacons).unwrap(),
            ]
            .concat(),
            "avro" => lines::avro(&schema, &line, AvroStyle::Octets, Vec::new()),
            "protobuf" => lines::protobuf(&pool, &line),
            "arrow" if line.photo.is_some() => arrows::file(&arrows::record_batch(&[line], Columns::Stated)),
            "arrow" => arrows::stream(&arrows::record_batch(&[line], Columns::Texts)),
            _ => {
                let place = line
                    .location
                    .map_or_else(|| ",".to_owned(), |place| format!("{},{}", place.lon, place.lat));
                let bssids: Vec<String> =
                    line.wifi.iter().flatten().map(|point| point.bssid.clone()).collect();
                let quoted = line.employee_id.replace('"', "\"\"");
                format!(
                    "{},\"{quoted}\",{},2026-11-22 08:58,{place},{}",
                    line.event_id,
                    line.kind,
                    bssids.join(";")
                )
                .into_bytes()
            }
        }
    };
    let mut seeds: Vec<Vec<u8>> = (0..12).map(|_| made()).collect();
    seeds.push(Vec::new());
    seeds
}

#[test]
fn every_corpus_and_damage_to_it() {
    let mut dice = Dice::from_env("FUZZ_SEED");
    let cases = dice.cases("FUZZ_CASES", 1_500);
    for (target, run) in fuzzed::TARGETS {
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            std::fs::create_dir_all(folder(target)).unwrap();
            for (n, seed) in seeds(target).iter().enumerate() {
                std::fs::write(folder(target).join(format!("seed_{n:02}")), seed).unwrap();
            }
        }
        let corpus = corpus(target);
        assert!(corpus.len() >= 12, "the corpus of {target} is kept: {} files", corpus.len());
        corpus.iter().for_each(|value| run(value));
        for _ in 0..cases {
            let mut value = corpus[dice.below(corpus.len())].clone();
            for _ in 0..1 + dice.below(3) {
                if dice.once_in(8) {
                    // The end of another one behind the beginning of this one.
                    let other = &corpus[dice.below(corpus.len())];
                    value.truncate(dice.below(value.len() + 1));
                    value.extend_from_slice(&other[dice.below(other.len() + 1)..]);
                } else {
                    records::damage(&mut dice, &mut value);
                }
            }
            run(&value);
        }
    }
}
