//! One text of statements, one answer after the other into a writer: what `muster sql "…"` prints.

use std::io::Write;

use crate::error::{Error, Kind};
use crate::format::{self, Format, Layout};
use crate::session::Session;
use crate::statements;

/// What a run wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// How many statements.
    pub statements: usize,
    /// How many rows in all.
    pub rows: usize,
}

/// Runs the statements of `text` one after the other and writes each answer in `format`; tables as wide as they need.
/// Parquet takes exactly one statement, since a file holds one table. Stops at the first error.
pub async fn run_once(
    session: &Session,
    text: &str,
    format: Format,
    out: &mut dyn Write,
) -> Result<Ran, Error> {
    run_laid_out(session, text, format, Layout::Whole, out).await
}

/// As [`run_once`], with tables laid out for a screen.
pub async fn run_laid_out(
    session: &Session,
    text: &str,
    format: Format,
    layout: Layout,
    out: &mut dyn Write,
) -> Result<Ran, Error> {
    let statements = statements::all(text);
    if statements.is_empty() {
        return Err(Error::new(Kind::Statement, "there is no statement")
            .with_remedy("try: SELECT * FROM monthly_statistics LIMIT 10"));
    }
    if format == Format::Parquet && statements.len() > 1 {
        return Err(Error::new(
            Kind::Statement,
            format!("{} statements do not fit one Parquet file", statements.len()),
        )
        .with_remedy("run them one by one"));
    }
    let mut ran = Ran::default();
    for statement in statements {
        match run_statement(session, statement, format, layout, out).await {
            Ok(rows) => ran.rows += rows,
            // A reader such as `head` that has seen enough is no failure.
            Err(e) if e.is_closed_pipe() => break,
            Err(e) => return Err(e),
        }
        ran.statements += 1;
    }
    Ok(ran)
}

async fn run_statement(
    session: &Session,
    statement: &str,
    format: Format,
    layout: Layout,
    out: &mut dyn Write,
) -> Result<usize, Error> {
    if format.is_streamed() {
        let mut rows = session.stream(statement).await?;
        return format::write_streamed(&mut rows, format, out).await;
    }
    let answer = session.sql(statement).await?;
    format::write_answer(&answer, format, layout, out)?;
    Ok(answer.rows())
}
