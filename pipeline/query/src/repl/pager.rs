//! Output that is larger than the screen goes through a pager.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use console::{Term, measure_text_width};

/// Scrolls sideways, keeps colours, and leaves the text on the screen.
const PAGER_DEFAULT: &str = "less -S -R -X";

/// Shows `text` on the terminal: as it is if it fits, else through `$PAGER`.
pub(super) fn show(text: &[u8], terminal: &Term) -> io::Result<()> {
    let (height, width) = terminal.size();
    let pager = std::env::var("PAGER").unwrap_or_else(|_| PAGER_DEFAULT.to_owned());
    if fits(text, usize::from(height), usize::from(width)) || pager.trim().is_empty() || !page(text, &pager)?
    {
        let mut out = io::stdout().lock();
        out.write_all(text)?;
        out.flush()?;
    }
    Ok(())
}

/// Whether `text` leaves room for the prompt below it and no line is cut.
fn fits(text: &[u8], height: usize, width: usize) -> bool {
    let text = String::from_utf8_lossy(text);
    text.lines().count() < height && text.lines().all(|line| measure_text_width(line) <= width)
}

/// Runs the pager to its end. `false` if there is no such program.
fn page(text: &[u8], pager: &str) -> io::Result<bool> {
    let mut words = pager.split_whitespace();
    let Some(program) = words.next() else { return Ok(false) };
    let started = Command::new(program).args(words).stdin(Stdio::piped()).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(_) => return Ok(false),
    };
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(text) {
            // The reader has seen enough.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {}
            done => done?,
        }
    }
    child.wait()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_fits_with_room_for_the_prompt() {
        assert!(fits("a\nb\n".as_bytes(), 3, 80));
        assert!(!fits("a\nb\nc\n".as_bytes(), 3, 80));
        assert!(fits("店店".as_bytes(), 3, 4));
        assert!(!fits("店店".as_bytes(), 3, 3));
    }
}
