//! Wrong use of the command line: exit code 2 and a hint, never a stack of causes; readers that leave early.

use std::io::{BufRead, BufReader};
use std::process::Command;

use super::shop::{CONFIG, Shop, check, lines, punch};

#[test]
fn files_that_are_not_there_are_wrong_use() {
    let shop = Shop::new();
    shop.put("p.ndjson", lines([punch("a").to_string()]));
    for (line, told) in [
        ("match -c muster.toml nosuch.ndjson", "nosuch.ndjson: no such file"),
        ("match -c muster.toml log", "log"),
        ("match -c nosuch.toml p.ndjson", "nosuch.toml"),
        ("replay -c muster.toml p.ndjson nosuch.ndjson", "nosuch.ndjson: no such file"),
        ("replay -c nosuch.toml p.ndjson", "nosuch.toml"),
        ("check -c nosuch.toml", "nosuch.toml"),
        ("run -c nosuch.toml", "nosuch.toml"),
        ("sql --lake nosuch SELECT", "open lake nosuch"),
        ("sql --lake p.ndjson SELECT", "open lake p.ndjson: it is a file"),
        ("sql -c nosuch.toml SELECT", "nosuch.toml"),
    ] {
        let ran = shop.muster(line);
        check(&ran, 2, &[told, "help: "]);
        assert!(!shop.path("lake").exists(), "{line} made a lake");
    }
    // A folder of that name instead of a file.
    std::fs::create_dir(shop.path("folder")).unwrap();
    for line in ["match -c muster.toml folder", "replay -c muster.toml p.ndjson folder"] {
        check(&shop.muster(line), 2, &["folder: it is a folder", "help: name a file"]);
        assert!(!shop.path("lake").exists(), "{line} made a lake");
    }
}

#[test]
fn options_and_commands_that_there_are_not_are_wrong_use() {
    let shop = Shop::new();
    shop.put("p.ndjson", "");
    for (line, told) in [
        ("", "Usage"),
        ("frobnicate", "unrecognized subcommand 'frobnicate'"),
        ("replay --nope p.ndjson", "unexpected argument '--nope'"),
        ("replay -c muster.toml", "<PUNCHES>"),
        (
            "replay -c muster.toml --format xml p.ndjson",
            "ndjson, csv, attlog, dingtalk, wecom, feishu, cn-terminal, arrow",
        ),
        (
            "replay -c muster.toml --until yesterday p.ndjson",
            "invalid value 'yesterday' for '--until <TIME>'",
        ),
        ("match p.ndjson", "--config <FILE>"),
        ("match -c muster.toml --threads 0 p.ndjson", "--threads"),
        ("sql -c muster.toml --format xml SELECT", "table, csv, json, parquet"),
    ] {
        check(&shop.muster(line), 2, &[told]);
    }
    shop.put("empty.toml", "");
    check(&shop.muster("match -c empty.toml p.ndjson"), 2, &["no sites", "[reference]"]);
}

#[test]
fn wrong_sql_shows_the_place() {
    let shop = Shop::new();
    shop.put("p.ndjson", lines([punch("a").to_string()]));
    check(&shop.muster("replay -c muster.toml p.ndjson"), 0, &[]);
    for (statement, told) in [
        ("SELEC 1", "SELEC"),
        ("SELECT nosuch FROM punches", "there is no column nosuch"),
        ("SELECT * FROM nosuch", "there is no table or view nosuch"),
        ("SELECT 1 +", "expected: an expression"),
        ("DELETE FROM punches", "refused"),
        ("INSERT INTO punches SELECT * FROM punches", "refused"),
        ("DROP TABLE punches", "refused"),
        ("COPY punches TO 'x.csv'", "refused"),
        ("SELECT event_id + INTERVAL '1' DAY FROM punches", "event_id"),
        ("SELECT 1/0", "divide by zero"),
    ] {
        let ran = shop.program("sql -c muster.toml").arg(statement).run();
        check(&ran, 2, &[told]);
        assert!(ran.stdout.is_empty(), "{}", ran.told());
    }
    assert!(!shop.path("x.csv").exists());
    assert_eq!(shop.count("lake", "punches"), 1);
}

#[test]
fn a_reader_that_leaves_early_meets_no_panic() {
    let shop = Shop::new();
    shop.put("muster.toml", CONFIG);
    shop.put("p.ndjson", lines((0..30_000).map(|n| punch(&format!("e{n}")).to_string())));
    let mut child = shop.program("match -c muster.toml p.ndjson").spawn();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("{\"event_id\":\"e0\""), "{first}");
    let left = child.wait_with_output().unwrap();
    let said = String::from_utf8(left.stderr).unwrap();
    assert_eq!((left.status.code(), said.as_str()), (Some(0), ""));
    // Nobody reads what is told beside the work: the work is done, and its outcome is as ever.
    shop.put("p.ndjson", lines((0..5_000).map(|n| format!("{{\"broken\": {n}"))));
    for line in ["match -c muster.toml p.ndjson", "replay -c muster.toml p.ndjson"] {
        let mut child = shop.program(line).spawn();
        drop(child.stderr.take());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{line}");
    }
}

#[test]
fn an_output_that_takes_nothing_fails_the_command() {
    let shop = Shop::new();
    shop.put("p.ndjson", lines([punch("a").to_string()]));
    for line in [
        "check -c muster.toml",
        "match -c muster.toml p.ndjson",
        "replay -c muster.toml --json p.ndjson",
        "replay -c muster.toml p.ndjson",
        "sql -c muster.toml --format json SELECT",
    ] {
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" >/dev/full"]).arg(tests::program::path());
        command.args(line.split_whitespace().map(|word| if word == "SELECT" { "SELECT 1" } else { word }));
        let ended = command.current_dir(shop.path("")).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(3), "{line}: {said}");
        assert!(said.contains("No space left"), "{line}: {said}");
    }
    assert_eq!(shop.count("lake", "punches"), 1, "the work itself was done, once");
}

#[test]
fn whoever_has_rejects_is_told_where_they_are() {
    let shop = Shop::new();
    shop.put("p.ndjson", lines([punch("a").to_string(), "{".to_owned()]));
    let ran = shop.muster("replay -c muster.toml --lake place p.ndjson");
    check(&ran, 1, &[]);
    let told = "2 punches: 1 accepted, 0 repeats, 1 rejected\n\
                what was rejected: see the table rejects, and place/dead_letters.ndjson\n";
    assert!(ran.stdout.starts_with(told), "{}", ran.told());
    let again = shop.muster("replay -c muster.toml --lake place p.ndjson");
    check(&again, 0, &[]);
    assert!(!again.stdout.contains("dead_letters"), "{}", again.told());
}
