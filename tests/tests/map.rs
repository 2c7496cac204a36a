//! Holds the map: who may import whom, which crate is at home where, and that every invariant is named by a test.

// A test that cannot go on panics, and says on standard output what it ran on.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Room → which rooms it may import besides `model` (design, section 3). Rooms not listed may import all.
const MAY_IMPORT: [(&str, &[&str]); 14] = [
    ("model", &[]),
    ("schemas", &[]),
    ("matcher", &[]),
    ("attendance", &[]),
    ("frontier", &[]),
    ("reference", &["schemas"]),
    ("generate", &["schemas"]),
    ("source", &["schemas"]),
    // `frontier` decides what `lake` carries out: the claim and commit protocol as values.
    ("lake", &["schemas", "frontier"]),
    ("query", &["schemas", "lake"]),
    // `frontier` says whether there is anything new to say about a key.
    ("alerts", &["schemas", "source", "frontier"]),
    ("serve", &["schemas", "source", "query", "alerts"]),
    ("muster", &ALL),
    // A second opinion: worth something only if it shares no code with the first.
    ("oracle", &[]),
];

const ALL: [&str; 12] = [
    "alerts",
    "attendance",
    "frontier",
    "generate",
    "lake",
    "matcher",
    "query",
    "reference",
    "schemas",
    "serve",
    "source",
    "model",
];

/// Crate → the only rooms that may name it.
const SOLE_HOMES: [(&str, &[&str]); 10] = [
    ("rusqlite", &["source", "alerts"]),
    ("rdkafka", &["source", "tests", "whole"]),
    ("reqwest", &["alerts", "source"]),
    ("axum", &["serve"]),
    ("deltalake", &["lake"]),
    ("datafusion", &["query"]),
    ("rustyline", &["query"]),
    ("clap", &["muster"]),
    ("miette", &["muster"]),
    ("criterion", &["hot", "whole"]),
];

/// What the middle rooms never see, directly or through what they import.
const NEVER_BELOW: [&str; 6] = ["tokio", "arrow", "rdkafka", "datafusion", "deltalake", "serde"];
const MIDDLE: [&str; 4] = ["model", "matcher", "attendance", "frontier"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Package name → (its folder, names of its normal dependencies).
fn rooms() -> BTreeMap<String, (PathBuf, BTreeSet<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let package = |package: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let normal = package["dependencies"].as_array().unwrap().iter().filter(|d| d["kind"].is_null());
        (
            text(&package["name"]),
            (manifest.parent().unwrap().to_owned(), normal.map(|d| text(&d["name"])).collect()),
        )
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

#[test]
fn every_room_imports_only_what_the_table_allows() {
    let rooms = rooms();
    let names: BTreeSet<&String> = rooms.keys().collect();
    for (room, allowed) in MAY_IMPORT {
        let (_, imports) = &rooms[room];
        for import in imports.iter().filter(|import| names.contains(import)) {
            let fits = import == "model" || allowed.contains(&import.as_str());
            assert!(fits, "{room} imports {import}: not in the table (design, section 3)");
        }
    }
    let is_listed = |name: &str| MAY_IMPORT.iter().any(|(room, _)| *room == name);
    let unlisted: Vec<&str> =
        names.iter().map(|name| name.as_str()).filter(|name| !is_listed(name)).collect();
    assert_eq!(unlisted, ["hot", "s3_server", "tests", "whole"], "a new room needs a row in the table");
}

#[test]
fn every_heavy_crate_has_its_home() {
    for (room, (_, imports)) in rooms() {
        for (name, homes) in SOLE_HOMES {
            assert!(!imports.contains(name) || homes.contains(&room.as_str()), "{room} names {name}");
        }
        let middle = MIDDLE.contains(&room.as_str());
        for name in NEVER_BELOW {
            assert!(!middle || !imports.contains(name), "{room} is a middle room and names {name}");
        }
    }
}

#[test]
fn a_folder_is_named_as_its_package() {
    for (room, (folder, _)) in rooms() {
        assert_eq!(folder.file_name().unwrap().to_str(), Some(room.as_str()));
    }
}

#[test]
fn the_top_level_is_fixed() {
    let allowed = [
        "ARCHITECTURE.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "benches",
        "clippy.toml",
        "docker",
        "pipeline",
        "rustfmt.toml",
        "schemas",
        "target",
        "tests",
    ];
    for entry in std::fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with('.') || allowed.contains(&name.as_str()), "{name} at the top level");
    }
}

fn all_sources() -> String {
    let mut sources = String::new();
    for folder in ["pipeline", "schemas", "tests"] {
        collect_rust(&root().join(folder), &mut sources);
    }
    sources
}

/// Every test that the last column of the promises' table names exists in some Rust file.
#[test]
fn every_promise_of_the_map_is_held_by_a_test() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let sources = all_sources();
    let mut promises = 0;
    for (n, line) in (1..).zip(map.lines().filter(|line| line.starts_with("| P"))) {
        assert!(line.starts_with(&format!("| P{n} ")), "promises are numbered without gap: {line}");
        let tests = line.trim_end_matches([' ', '|']).rsplit_once('|').unwrap().1;
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test named: {line}");
        for name in names {
            assert!(sources.contains(&format!("fn {name}(")), "the test {name} does not exist: {line}");
        }
        promises += 1;
    }
    assert_eq!(promises, 8, "the map lists the promises");
}

/// Every test that the table of faults names exists in some Rust file.
#[test]
fn every_fault_of_the_map_is_tried_by_a_test() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let sources = all_sources();
    let mut faults = 0;
    for (n, line) in (1..).zip(map.lines().filter(|line| line.starts_with("| F"))) {
        assert!(line.starts_with(&format!("| F{n} ")), "faults are numbered without gap: {line}");
        let names: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test named: {line}");
        for name in names {
            assert!(sources.contains(&format!("fn {name}(")), "the test {name} does not exist: {line}");
        }
        faults += 1;
    }
    assert!(faults >= 19, "the map lists the faults");
}

/// Every `fn name` mentioned behind an invariant of ARCHITECTURE.md exists in some Rust file.
#[test]
fn every_invariant_of_the_map_is_named_by_a_test() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let sources = all_sources();
    let mut seen = 0;
    for line in map.lines().filter(|line| line.starts_with("- **I-")) {
        let (_, test) = line.rsplit_once("test `").unwrap_or_else(|| panic!("no test named: {line}"));
        let name = test.split('`').next().unwrap().rsplit("::").next().unwrap();
        assert!(
            sources.contains(&format!("fn {name}(")),
            "the test {name} of this line does not exist: {line}"
        );
        seen += 1;
        assert!(line.starts_with(&format!("- **I-{seen} ")), "invariants are numbered without gap: {line}");
    }
    assert!(seen >= 5, "the map lists its invariants");
}

fn collect_rust(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_rust(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}
