//! The REPL: statements and commands typed at a terminal, or read from a pipe.
//!
//! In: lines from standard input.  Out: answers on standard output.  Owns: the line editor and its history file.
//! Absent on purpose: a second way to run statements; everything goes through [`Session`].
//! Invariants: Ctrl-C stops a running statement and never the program: from the first statement on the signal is ours,
//! and a statement stops when its future is dropped.
//! Why so: rustyline blocks, so the editor lives on a blocking thread while it reads and the engine's threads never wait
//! for a person.

mod commands;
mod complete;
mod describe;
mod pager;
mod shell;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use console::Term;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use self::complete::{Typist, Vocabulary};
use self::shell::{Flow, Shell};
use crate::error::{Error, Kind};
use crate::format::Format;
use crate::session::Session;
use crate::statements;

/// How the REPL starts.
#[derive(Clone, Debug)]
pub struct ReplOptions {
    /// Where what was typed is kept between runs; `None` = nowhere.
    pub history: Option<PathBuf>,
    /// How answers are written until `\format` says otherwise.
    pub format: Format,
}

/// How many typed statements the history file keeps.
const HISTORY_ENTRIES_MAX: usize = 2_000;

const PROMPT: &str = "muster> ";

/// Reads statements and commands until the end of input or `\q`. At a terminal with an editor, completion, paging and
/// the time of each statement; from a pipe line by line, where the first error ends it.
pub async fn repl(session: Session, options: ReplOptions) -> Result<(), Error> {
    let shell = Shell::new(session, options.format);
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        at_terminal(shell, options).await
    } else {
        from_pipe(shell, &mut io::stdin().lock(), &mut io::stdout()).await
    }
}

async fn at_terminal(mut shell: Shell, options: ReplOptions) -> Result<(), Error> {
    let terminal = Term::stdout();
    let mut editor = editor(&shell, options.history.as_deref()).map_err(Error::output)?;
    show(&terminal, "muster sql: \\? for help, \\d for what there is, statements end with ;\n".as_bytes())?;
    loop {
        let (line, back) = read_line(editor).await?;
        editor = back;
        let line = match line {
            Ok(line) if line.trim().is_empty() => continue,
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(e) => return Err(Error::new(Kind::Output, format!("read a line: {e}"))),
        };
        // A history that cannot be kept is no reason to refuse an answer.
        let _ = editor.add_history_entry(line.as_str());
        let mut text = Vec::new();
        shell.set_width(usize::from(terminal.size().1));
        let flow = tokio::select! {
            done = shell.line(&line, &mut text) => done?.0,
            _ = tokio::signal::ctrl_c() => {
                text = b"cancelled\n".to_vec();
                Flow::Continue
            }
        };
        show(&terminal, &text)?;
        if flow == Flow::Quit {
            break;
        }
    }
    if let Some(history) = &options.history {
        save_history(&mut editor, history);
    }
    Ok(())
}

fn save_history(editor: &mut LineEditor, history: &Path) {
    let saved = history.parent().map_or(Ok(()), fs::create_dir_all).map_err(ReadlineError::Io);
    if let Err(e) = saved.and_then(|()| editor.save_history(history)) {
        tracing::warn!(file = %history.display(), error = %e, "history not saved");
    }
}

type LineEditor = Editor<Typist, FileHistory>;

fn editor(shell: &Shell, history: Option<&Path>) -> rustyline::Result<LineEditor> {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(false).build();
    let mut editor = LineEditor::with_config(config)?;
    editor.set_max_history_size(HISTORY_ENTRIES_MAX)?;
    editor.set_helper(Some(Typist { vocabulary: Vocabulary::of(shell.session()) }));
    if let Some(history) = history {
        // The first run has none yet.
        let _ = editor.load_history(history);
    }
    Ok(editor)
}

async fn read_line(mut editor: LineEditor) -> Result<(rustyline::Result<String>, LineEditor), Error> {
    let read = move || {
        let line = editor.readline(PROMPT);
        (line, editor)
    };
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|e| Error::new(Kind::Internal, format!("line editor: {e}")))
}

fn show(terminal: &Term, text: &[u8]) -> Result<(), Error> {
    pager::show(text, terminal).map_err(Error::output)
}

/// Statements from a pipe: no prompt, no pager, no times unless `\timing on` asks for them.
async fn from_pipe(mut shell: Shell, input: &mut dyn BufRead, out: &mut dyn Write) -> Result<(), Error> {
    shell.set_timing(false);
    let mut pending = String::new();
    loop {
        let mut line = String::new();
        let read =
            input.read_line(&mut line).map_err(|e| Error::new(Kind::Output, format!("read a line: {e}")))?;
        pending.push_str(&line);
        let is_command = pending.trim_start().starts_with('\\');
        let is_whole = is_command || read == 0 || {
            let statements = statements::split(&pending);
            statements.rest.is_empty() && !statements.is_open
        };
        if is_whole {
            let done = shell.line(&pending, out).await;
            let (flow, failed) = match done.and_then(|done| out.flush().map(|()| done).map_err(Error::output))
            {
                // A reader such as `head` that has seen enough is no failure.
                Err(e) if e.is_closed_pipe() => return Ok(()),
                done => done?,
            };
            if let Some(failed) = failed {
                return Err(failed);
            }
            if flow == Flow::Quit || read == 0 {
                return Ok(());
            }
            pending.clear();
        }
    }
}
