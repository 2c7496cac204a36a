//! What a line typed into the REPL does: settings, descriptions, statements and their answers.
//!
//! In: a finished line or statement.  Out: bytes for the screen, or rows into a file.  Owns: the settings.
//! Absent on purpose: the terminal. Lines come in and bytes go out, so that a test is a transcript.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Duration;

use arrow::datatypes::DataType;

use super::commands::{Command, HELP};
use crate::catalog::{Relation, RelationKind};
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
}

impl Shell {
    pub(super) fn new(session: Session, format: Format) -> Self {
        Self { session, format, expanded: false, timing: true, output: None }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn set_timing(&mut self, timing: bool) {
        self.timing = timing;
    }

    /// Does what `line` asks for: one command, or any number of statements. Errors are told and the rest of the line is
    /// left undone; the first of them is handed back as well.
    pub(super) async fn line(&mut self, line: &str, out: &mut dyn Write) -> Result<(Flow, Option<Error>), Error> {
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
                    let count = format::write_streamed(&mut rows, streamed, &mut BufWriter::new(&mut *file)).await?;
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
        let state = |on| if on { "on" } else { "off" };
        let failed = match command {
            Command::Quit => None,
            Command::Help => say(out, HELP).map(|()| None)?,
            Command::Timing(on) => {
                self.timing = on.unwrap_or(!self.timing);
                say(out, &format!("timing is {}\n", state(self.timing))).map(|()| None)?
            }
            Command::Expanded(on) => {
                self.expanded = on.unwrap_or(!self.expanded);
                say(out, &format!("expanded display is {}\n", state(self.expanded))).map(|()| None)?
            }
            Command::Format(chosen) => {
                self.format = chosen.unwrap_or(self.format);
                say(out, &format!("format is {}\n", self.format.name())).map(|()| None)?
            }
            Command::Output(None) => {
                self.output = None;
                None
            }
            Command::Output(Some(name)) => match File::create(&name) {
                Ok(file) => {
                    self.output = Some((name, file));
                    None
                }
                Err(e) => Some(
                    Error::new(Kind::Output, format!("open {name} for writing: {e}"))
                        .with_remedy("name a file in a folder that exists and that you may write to"),
                ),
            },
            Command::Describe(None) => list(&self.session.relations(), out).map(|()| None)?,
            Command::Describe(Some(name)) => describe(&self.session.relations(), &name, out)?,
        };
        if let Some(failed) = &failed {
            say(out, &failed.explain(""))?;
        }
        Ok(failed)
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

fn list(relations: &[Relation], out: &mut dyn Write) -> Result<(), Error> {
    let width = relations.iter().map(|relation| relation.name.len()).max().unwrap_or(0);
    for kind in [RelationKind::View, RelationKind::Table, RelationKind::Step] {
        for relation in relations.iter().filter(|relation| relation.kind == kind) {
            let about = match (kind, relation.rows) {
                (RelationKind::Table, Some(rows)) => format!("{rows} rows"),
                (RelationKind::Table, None) => String::new(),
                _ => first_sentence(&relation.about).to_owned(),
            };
            let line = format!("{:width$}  {:5}  {about}", relation.name, kind.name());
            say(out, &format!("{}\n", line.trim_end()))?;
        }
    }
    Ok(())
}

fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |at| &text[..=at])
}

fn describe(relations: &[Relation], name: &str, out: &mut dyn Write) -> Result<Option<Error>, Error> {
    let Some(relation) = relations.iter().find(|relation| relation.name.eq_ignore_ascii_case(name)) else {
        let names: Vec<&str> = relations.iter().map(|relation| relation.name.as_str()).collect();
        return Ok(Some(Error::no_relation(name, &names)));
    };
    say(out, &format!("{} {}\n", relation.kind.name(), relation.name))?;
    if !relation.about.is_empty() {
        say(out, &format!("{}\n", relation.about))?;
    }
    let fields = relation.schema.fields();
    let width = fields.iter().map(|field| field.name().len()).max().unwrap_or(0);
    for field in fields {
        let meaning = relation.meanings.iter().find(|(column, _)| column == field.name());
        let meaning = meaning.map_or("", |(_, meaning)| meaning.as_str());
        let line = format!("  {:width$}  {:12}  {meaning}", field.name(), type_name(field.data_type()));
        say(out, &format!("{}\n", line.trim_end()))?;
    }
    Ok(None)
}

/// A type in SQL's words.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int32 | DataType::UInt32 => "integer".to_owned(),
        DataType::Int64 | DataType::UInt64 => "bigint".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Dictionary(_, value) => type_name(value),
        DataType::List(item) => format!("{}[]", type_name(item.data_type())),
        other => other.to_string().to_lowercase(),
    }
}
