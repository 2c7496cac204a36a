//! What a line typed into the REPL does: settings, descriptions, statements and their answers.
//!
//! In: a finished line or statement.  Out: bytes for the screen, or rows into a file.  Owns: the settings.
//! Absent on purpose: the terminal. Lines come in and bytes go out, so that a test is a transcript.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Duration;

use super::commands::{Command, HELP};
use super::describe::{describe, list};
use crate::error::{Error, Kind};
use crate::format::{self, Format, Layout};
use crate::session::Session;
use crate::statements;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    Quit,
}

pub(super) struct Shell {
    session: Session,
    format: Format,
    expanded: bool,
    timing: bool,
    output: Option<(String, File)>,
    /// How wide explanations may be; tables are as wide as they need, and the pager scrolls.
    width: usize,
}

/// How wide explanations are where nobody says.
const WIDTH_DEFAULT: usize = 120;

impl Shell {
    pub(super) fn new(session: Session, format: Format) -> Self {
        Self { session, format, expanded: false, timing: true, output: None, width: WIDTH_DEFAULT }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn set_timing(&mut self, timing: bool) {
        self.timing = timing;
    }

    pub(super) fn set_width(&mut self, width: usize) {
        self.width = width;
    }

    /// Does what `line` asks for: one command, or any number of statements. Errors are told and the rest of the line is
    /// left undone; the first of them is handed back as well.
    pub(super) async fn line(
        &mut self,
        line: &str,
        out: &mut dyn Write,
    ) -> Result<(Flow, Option<Error>), Error> {
        let line = line.trim();
        if line.starts_with('\\') {
            return match Command::parse(line) {
                Ok(Command::Quit) => Ok((Flow::Quit, None)),
                Ok(command) => self.command(command, out).map(|failed| (Flow::Continue, failed)),
                Err(message) => {
                    let failed = Error::new(Kind::Statement, message);
                    say(out, &failed.explain(line))?;
                    Ok((Flow::Continue, Some(failed)))
                }
            };
        }
        for statement in statements::all(line) {
            if let Err(failed) = self.statement(statement, out).await {
                if failed.kind() == Kind::Output {
                    return Err(failed);
                }
                say(out, &failed.explain(statement))?;
                return Ok((Flow::Continue, Some(failed)));
            }
        }
        Ok((Flow::Continue, None))
    }

    async fn statement(&mut self, statement: &str, out: &mut dyn Write) -> Result<(), Error> {
        self.session.refresh().await?;
        if let Some((name, file)) = &mut self.output {
            let (rows, elapsed) = match self.format {
                Format::Table => {
                    let answer = self.session.sql(statement).await?;
                    let mut writer = BufWriter::new(&mut *file);
                    write(&answer, self.expanded, Format::Table, &mut writer)?;
                    writer.flush().map_err(Error::output)?;
                    (answer.rows(), answer.elapsed)
                }
                streamed => {
                    let mut rows = self.session.stream(statement).await?;
                    let count =
                        format::write_streamed(&mut rows, streamed, &mut BufWriter::new(&mut *file)).await?;
                    (count, rows.elapsed())
                }
            };
            say(out, &format!("{rows} rows to {name}\n"))?;
            // A second Parquet file behind the first would be no file at all.
            if self.format == Format::Parquet {
                self.output = None;
            }
            return self.say_time(elapsed, out);
        }
        if self.format == Format::Parquet {
            return Err(Error::new(Kind::Statement, "parquet is nothing for the screen")
                .with_remedy("name a file with \\o FILE, or choose another \\format"));
        }
        let answer = self.session.sql(statement).await?;
        write(&answer, self.expanded, self.format, out)?;
        self.say_time(answer.elapsed, out)
    }

    fn say_time(&self, elapsed: Duration, out: &mut dyn Write) -> Result<(), Error> {
        if self.timing { say(out, &format!("Time: {:.1} ms\n", elapsed.as_secs_f64() * 1e3)) } else { Ok(()) }
    }

    fn command(&mut self, command: Command, out: &mut dyn Write) -> Result<Option<Error>, Error> {
        match self.obeyed(command) {
            Ok(text) => say(out, &text).map(|()| None),
            Err(failed) => say(out, &failed.explain("")).map(|()| Some(failed)),
        }
    }

    /// What there is to say once `command` is done.
    fn obeyed(&mut self, command: Command) -> Result<String, Error> {
        let state = |on| if on { "on" } else { "off" };
        match command {
            Command::Quit => Ok(String::new()),
            Command::Help => Ok(HELP.to_owned()),
            Command::Timing(on) => {
                self.timing = on.unwrap_or(!self.timing);
                Ok(format!("timing is {}\n", state(self.timing)))
            }
            Command::Expanded(on) => {
                self.expanded = on.unwrap_or(!self.expanded);
                Ok(format!("expanded display is {}\n", state(self.expanded)))
            }
            Command::Format(chosen) => {
                self.format = chosen.unwrap_or(self.format);
                Ok(format!("format is {}\n", self.format.name()))
            }
            Command::Output(None) => {
                self.output = None;
                Ok(String::new())
            }
            Command::Output(Some(name)) => {
                let file = File::create(&name).map_err(|e| {
                    Error::new(Kind::Output, format!("open {name} for writing: {e}"))
                        .with_remedy("name a file in a folder that exists and that you may write to")
                })?;
                self.output = Some((name, file));
                Ok(String::new())
            }
            Command::Describe(None) => Ok(list(&self.session.relations(), self.width)),
            Command::Describe(Some(name)) => describe(&self.session.relations(), &name, self.width),
        }
    }
}

fn write(answer: &crate::Answer, expanded: bool, format: Format, out: &mut dyn Write) -> Result<(), Error> {
    match format {
        Format::Table if expanded => format::write_expanded(answer, out),
        // As wide as it needs: the pager scrolls.
        _ => format::write_answer(answer, format, Layout::Whole, out),
    }
}

fn say(out: &mut dyn Write, text: &str) -> Result<(), Error> {
    out.write_all(text.as_bytes()).map_err(Error::output)
}
