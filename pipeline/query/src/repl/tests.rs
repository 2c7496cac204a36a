//! Transcripts: what is typed, and what the screen or a pipe shows.

use std::sync::Arc;

use object_store::local::LocalFileSystem;
use url::Url;

use super::from_pipe;
use super::shell::{Flow, Shell};
use crate::files::LakeTables;
use crate::{Error, Format, Kind, Options, Session};

async fn shell() -> Shell {
    let store = Arc::new(LocalFileSystem::new());
    let lake = LakeTables { url: Url::parse("file:///").unwrap(), store, tables: Vec::new() };
    let mut shell = Shell::new(Session::over(lake, Options::default()).await.unwrap(), Format::Table);
    shell.set_timing(false);
    shell
}

/// Types each line and compares all that was shown.
async fn check(lines: &[&str], expected: &str) {
    let mut shell = shell().await;
    let mut shown = Vec::new();
    for line in lines {
        assert_eq!(shell.line(line, &mut shown).await.unwrap().0, Flow::Continue, "{line}");
    }
    assert_eq!(String::from_utf8(shown).unwrap(), expected);
}

#[tokio::test]
async fn settings_change_how_answers_look() {
    check(
        &[
            "select 1 as n, 'x' as t;",
            "\\x",
            "select 1 as n, 'x' as t",
            "\\x off",
            "\\format csv",
            "select 1 as n; select 2 as n;",
        ],
        "\
┌───┬───┐
│ n │ t │
├───┼───┤
│ 1 │ x │
└───┴───┘
(1 row)
expanded display is on
─[ row 1 ]───────────
n │ 1
t │ x
(1 row)
expanded display is off
format is csv
n
1
n
2
",
    )
    .await;
}

#[tokio::test]
async fn errors_point_at_the_place_and_leave_the_shell_running() {
    check(
        &["select 1 as n,\n  badd from latest_sites; select 3", "\\z", "\\format parquet", "select 1"],
        "\
error: there is no column badd
   2 |   badd from latest_sites
     |   ^
help: columns here: access_points, lat, lon, name, org, radius_m, reference_version, site_id, taken_at, terminals, time_zone, tolerance_m, valid_from, valid_to
error: there is no command \\z: \\? lists them
format is parquet
error: parquet is nothing for the screen
help: name a file with \\o FILE, or choose another \\format
",
    )
    .await;
}

#[tokio::test]
async fn what_there_is_can_be_asked() {
    let mut shell = shell().await;
    shell.set_width(100);
    let mut shown = Vec::new();
    shell.line("\\d lateness_hotspots", &mut shown).await.unwrap();
    let text = String::from_utf8(std::mem::take(&mut shown)).unwrap();
    assert!(text.starts_with("view lateness_hotspots\nWhere and when people come late"), "{text}");
    assert!(text.contains("\n  late_rate   double       late_count / arrivals\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    shell.line("\\d", &mut shown).await.unwrap();
    let text = String::from_utf8(shown).unwrap();
    assert!(text.contains("\npunches                     table  0 rows\n"), "{text}");
    let (_, failed) = shell.line("\\d punchs", &mut Vec::new()).await.unwrap();
    assert_eq!(failed.unwrap().remedy(), Some("did you mean punches?"));
}

#[tokio::test]
async fn answers_go_to_a_file_and_back_to_the_screen() {
    let scratch = tempfile::tempdir().unwrap();
    let rows = scratch.path().join("rows.ndjson");
    let parquet = scratch.path().join("rows.parquet");
    let mut shell = shell().await;
    let mut shown = Vec::new();
    for line in [
        "\\format json".to_owned(),
        format!("\\o {}", rows.display()),
        "select 1 as n; select 2 as n;".to_owned(),
        format!("\\o {}", parquet.display()),
        "\\format parquet".to_owned(),
        "select 3 as n;".to_owned(),
        "\\format csv".to_owned(),
        "select 4 as n;".to_owned(),
        format!("\\o {}/nowhere/x", scratch.path().display()),
    ] {
        shell.line(&line, &mut shown).await.unwrap();
    }
    assert_eq!(std::fs::read_to_string(rows).unwrap(), "{\"n\":1}\n{\"n\":2}\n");
    assert!(std::fs::read(parquet).unwrap().ends_with(b"PAR1"));
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains("rows.parquet\nformat is csv\nn\n4\nerror: open "), "{shown}");
}

async fn piped(text: &str) -> (Result<(), Error>, String) {
    let mut out = Vec::new();
    let done = from_pipe(shell().await, &mut text.as_bytes(), &mut out).await;
    (done, String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn a_pipe_is_read_to_its_end_or_to_the_first_error() {
    let (done, out) =
        piped("\\format csv\nselect 1 as n,\n ';' as t; select\n 2 as n;\n\\timing off\nselect 3 as n").await;
    assert!(done.is_ok());
    assert_eq!(out, "format is csv\nn,t\n1,;\nn\n2\ntiming is off\nn\n3\n");
    let (done, out) = piped("\\format csv\nselect 1 as n;\n\\q\nselect 2 as n;\n").await;
    assert!(done.is_ok());
    assert_eq!(out, "format is csv\nn\n1\n");
    let (done, out) = piped("select nothing;\nselect 2 as n;\n").await;
    assert_eq!(done.unwrap_err().kind(), Kind::Statement);
    assert!(!out.contains('2'), "{out}");
}

struct Closed;

impl std::io::Write for Closed {
    fn write(&mut self, _bytes: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_failure() {
    for format in Format::ALL {
        let ran = crate::run_once(shell().await.session(), "select 1", *format, &mut Closed).await;
        assert!(ran.is_ok(), "{}: {ran:?}", format.name());
    }
    assert!(from_pipe(shell().await, &mut "select 1;".as_bytes(), &mut Closed).await.is_ok());
}
