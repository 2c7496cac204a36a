//! Question: does any hot stage take more instructions a record than the committed figures allow?
//!
//! Each stage runs in a process of its own under `valgrind --tool=callgrind`, which counts between entry and exit of
//! [`counted_pass`] alone: worlds, records and warm buffers are made before. Seeds are fixed; the worlds are small, since
//! a count does not depend on what the caches hold. `tests/instructions` builds this and runs it.
//!
//! ```text
//! instructions                 counts every stage and compares with benches/instructions.toml
//! instructions --accept        counts every stage and writes the figures of this kind of machine
//! instructions --stage NAME    runs one stage, for callgrind
//! ```
//!
//! Exit codes: 0 all within the margin; 1 slower, or a stage without a figure; 3 what is needed for counting is missing.
//! Under `cargo test` every stage runs once, tiny and uncounted.
//! Why so: callgrind's own sum is all that is needed; the runner of a framework around it (gungraun 0.20) took 4.4 CPU
//! minutes to install, and has to be of its library's version on every machine that counts.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's answer is what it prints")]
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "of the modules shared with tests not all is used; what they cannot make is a bug"
)]

mod callgrind;
#[path = "../../../../schemas/tests/support/dice.rs"]
mod dice;
#[path = "../../../../schemas/tests/support/lines.rs"]
mod lines;
mod stages;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use hot::{Compared, Figures, Ruling, is_tiny};

use stages::{STAGES, Stage};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--stage", name] => run_stage(name),
        _ if is_tiny() => {
            for (name, prepare) in STAGES {
                let mut stage = prepare();
                counted_pass(&mut stage);
                println!("{name}: {} records", stage.records);
            }
            ExitCode::SUCCESS
        }
        [] => told(check()),
        ["--accept"] => told(accept()),
        _ => {
            eprintln!("instructions: nothing, --accept, or --stage NAME");
            ExitCode::from(2)
        }
    }
}

fn told(ended: Result<ExitCode, String>) -> ExitCode {
    ended.unwrap_or_else(|what| {
        eprintln!("instructions: {what}");
        ExitCode::from(3)
    })
}

/// What callgrind counts: it switches counting on at the entry of this function and off at its exit.
#[inline(never)]
fn counted_pass(stage: &mut Stage) {
    (stage.pass)();
}

fn run_stage(name: &str) -> ExitCode {
    let Some((_, prepare)) = STAGES.iter().find(|(stage, _)| *stage == name) else {
        eprintln!("instructions: no stage {name}");
        return ExitCode::from(2);
    };
    let mut stage = prepare();
    counted_pass(&mut stage);
    println!("{}", stage.records);
    ExitCode::SUCCESS
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../instructions.toml")
}

fn figures() -> Result<Figures, String> {
    let text = std::fs::read_to_string(file());
    text.map_err(|error| error.to_string())
        .and_then(|text| Figures::parse(&text))
        .map_err(|error| format!("benches/instructions.toml: {error}"))
}

/// Instructions a record of every stage.
fn counts() -> Result<BTreeMap<String, u64>, String> {
    let of =
        |(name, _): &(&'static str, _)| Ok(((*name).to_owned(), callgrind::instructions_a_record(name)?));
    STAGES.iter().map(of).collect()
}

/// The version of the compiler that is called here.
fn rustc() -> Result<String, String> {
    let output = Command::new("rustc").arg("--version").output();
    let output = output.map_err(|error| format!("ask rustc for its version: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().nth(1).map(str::to_owned).ok_or_else(|| format!("rustc --version says {text:?}"))
}

fn accept() -> Result<ExitCode, String> {
    let mut figures = figures()?;
    let counts = counts()?;
    tell(&figures, &figures.compare(hot::machine(), &counts));
    figures.accept(hot::machine(), &rustc()?, counts);
    std::fs::write(file(), figures.text())
        .map_err(|error| format!("write benches/instructions.toml: {error}"))?;
    println!("benches/instructions.toml has these figures now, for {}", hot::machine());
    Ok(ExitCode::SUCCESS)
}

fn check() -> Result<ExitCode, String> {
    let (figures, machine) = (figures()?, hot::machine());
    let Some(theirs) = figures.rustc(machine) else {
        return Err(format!(
            "NOT RUN: benches/instructions.toml has no figures for {machine}; count them where the code is known to be \
             good, by `tests/instructions --accept`, and commit them"
        ));
    };
    let compared = figures.compare(machine, &counts()?);
    tell(&figures, &compared);
    let has = |ruling| compared.iter().any(|stage| stage.ruling == ruling);
    if has(Ruling::Faster) {
        println!(
            "Faster than its figure: write the new one with `tests/instructions --accept`, so that it is kept."
        );
    }
    if !has(Ruling::Slower) && !has(Ruling::NoFigure) && !has(Ruling::NotCounted) {
        return Ok(ExitCode::SUCCESS);
    }
    let (ours, here) = (rustc()?, std::env::current_exe().unwrap_or_default());
    if ours != theirs {
        println!(
            "The figures were counted with rustc {theirs}, this is {ours}: that alone may be the reason."
        );
    }
    println!(
        "Where they go: valgrind --tool=callgrind --toggle-collect='{}' {} --stage STAGE; callgrind_annotate callgrind.out.*\n\
         If the change is worth it, write the new figures with `tests/instructions --accept` and say so in the commit.",
        callgrind::COUNTED,
        here.display()
    );
    Ok(ExitCode::from(1))
}

fn tell(figures: &Figures, compared: &[Compared]) {
    println!(
        "{:<20} {:>12} {:>12}   margin {} %",
        "instructions a record", "counted", "figure", figures.margin_percent
    );
    for stage in compared {
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let ruling = match stage.ruling {
            Ruling::Kept => "",
            Ruling::Faster => "  faster",
            Ruling::Slower => "  SLOWER",
            Ruling::NoFigure => "  NO FIGURE",
            Ruling::NotCounted => "  NOT COUNTED: no such stage",
        };
        let (counted, figure) = (number(stage.counted), number(stage.figure));
        println!("{:<20} {counted:>12} {figure:>12}   {:+.1} %{ruling}", stage.stage, stage.more_percent());
    }
}
