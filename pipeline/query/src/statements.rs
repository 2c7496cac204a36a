//! Where a statement ends: text cut at its semicolons, those in quotes and comments left alone.
//!
//! Absent on purpose: a grammar. The engine has one; here only what may hide a semicolon is known: 'text', "names",
//! -- comments to the end of the line, and /* comments */, which nest.

/// Text cut into statements.
#[derive(Debug, PartialEq, Eq)]
pub struct Statements<'a> {
    /// Those that ended in a semicolon, without it, trimmed; empty ones are left out.
    pub complete: Vec<&'a str>,
    /// What follows the last semicolon, trimmed; empty if it is white space and comments alone.
    pub rest: &'a str,
    /// Whether `rest` ends inside quotes or a comment.
    pub is_open: bool,
}

/// Cuts `text`.
pub fn split(text: &str) -> Statements<'_> {
    let bytes = text.as_bytes();
    let mut complete = Vec::new();
    let mut from = 0;
    let mut at = 0;
    let mut has_words = false;
    let mut is_open = false;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'"') => {
                (at, is_open) = past_quote(bytes, at + 1, quote);
                has_words = true;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => at = past_line(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => (at, is_open) = past_comment(bytes, at + 2),
            b';' => {
                if has_words {
                    complete.push(text[from..at].trim());
                }
                at += 1;
                from = at;
                has_words = false;
            }
            other => {
                has_words |= !other.is_ascii_whitespace();
                at += 1;
            }
        }
    }
    let rest = if has_words || is_open { text[from..].trim() } else { "" };
    Statements { complete, rest, is_open }
}

/// All statements of `text`, the last one with or without its semicolon.
pub fn all(text: &str) -> Vec<&str> {
    let Statements { mut complete, rest, .. } = split(text);
    if !rest.is_empty() {
        complete.push(rest);
    }
    complete
}

/// Behind the closing quote, or the end; whether it is the end. A doubled quote closes and opens at once.
fn past_quote(bytes: &[u8], mut at: usize, quote: u8) -> (usize, bool) {
    while at < bytes.len() {
        if bytes[at] == quote {
            return (at + 1, false);
        }
        at += 1;
    }
    (at, true)
}

fn past_line(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length + 1)
}

fn past_comment(bytes: &[u8], mut at: usize) -> (usize, bool) {
    let mut depth = 1;
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return (at + 2, false),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    (at, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, complete: &[&str], rest: &str, is_open: bool) {
        let found = split(text);
        assert_eq!(
            (found.complete.as_slice(), found.rest, found.is_open),
            (complete, rest, is_open),
            "{text}"
        );
    }

    #[test]
    fn statements_end_at_semicolons_that_are_not_hidden() {
        check("", &[], "", false);
        check(" ;; ", &[], "", false);
        check("select 1", &[], "select 1", false);
        check("select 1;", &["select 1"], "", false);
        check("select 1; select 2 ;\nselect", &["select 1", "select 2"], "select", false);
        check("select ';' ; x", &["select ';'"], "x", false);
        check("select 'it''s; ok';", &["select 'it''s; ok'"], "", false);
        check("select \"a;b\";", &["select \"a;b\""], "", false);
        check("select 1 -- no; end\n;", &["select 1 -- no; end"], "", false);
        check("select /* ; /* ; */ ; */ 1;", &["select /* ; /* ; */ ; */ 1"], "", false);
        check("-- alone", &[], "", false);
        check("/* alone */ ;", &[], "", false);
        check("select '店;", &[], "select '店;", true);
        check("select 1 /* open;", &[], "select 1 /* open;", true);
        check("select 3 - 2 / 1;", &["select 3 - 2 / 1"], "", false);
    }

    #[test]
    fn the_last_statement_needs_no_semicolon() {
        assert_eq!(all("select 1; select 2"), ["select 1", "select 2"]);
        assert_eq!(all("select 1; -- done"), ["select 1"]);
    }
}
