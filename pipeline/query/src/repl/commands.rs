//! The REPL's own commands: a backslash, a letter or word, perhaps an argument.

use crate::format::Format;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `\d`: list tables and views. `\d NAME`: describe one.
    Describe(Option<String>),
    /// `\timing`: whether the time of each statement is shown.
    Timing(Option<bool>),
    /// `\x`: whether rows are shown one value a line.
    Expanded(Option<bool>),
    /// `\o FILE`: answers go to a file; `\o`: to the screen again.
    Output(Option<String>),
    /// `\format NAME`: how answers are written.
    Format(Option<Format>),
    /// `\q`
    Quit,
    /// `\?`
    Help,
}

/// What `\?` prints.
pub(super) const HELP: &str = "\
\\d            list tables and views
\\d NAME       columns of a table or view, with their meaning
\\format NAME  write answers as table, csv, json (one object a line) or parquet
\\x            one value a line, on or off
\\timing       show the time of each statement, on or off
\\o FILE       write answers to FILE; \\o alone: to the screen again
\\q            quit (also Ctrl-D)
A statement ends with ; and may run over several lines. Ctrl-C cancels it. Tab completes.
";

impl Command {
    /// Reads a line that begins with a backslash.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim().trim_end_matches(';');
        let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let argument = Some(argument.trim()).filter(|argument| !argument.is_empty());
        let text = || argument.map(str::to_owned);
        match name {
            "\\d" => Ok(Self::Describe(text())),
            "\\timing" => Ok(Self::Timing(switch(name, argument)?)),
            "\\x" => Ok(Self::Expanded(switch(name, argument)?)),
            "\\o" => Ok(Self::Output(text())),
            "\\format" => format(argument).map(Self::Format),
            "\\q" => Ok(Self::Quit),
            "\\?" => Ok(Self::Help),
            _ => Err(format!("there is no command {name}: \\? lists them")),
        }
    }
}

fn switch(name: &str, argument: Option<&str>) -> Result<Option<bool>, String> {
    match argument {
        None => Ok(None),
        Some("on") => Ok(Some(true)),
        Some("off") => Ok(Some(false)),
        Some(other) => Err(format!("{name} takes on or off, not {other}")),
    }
}

fn format(argument: Option<&str>) -> Result<Option<Format>, String> {
    let Some(name) = argument else { return Ok(None) };
    let known: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
    Format::from_name(name)
        .map(Some)
        .ok_or_else(|| format!("there is no format {name}: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_and_without_arguments() {
        for (line, command) in [
            ("\\d", Command::Describe(None)),
            ("\\d  sites ;", Command::Describe(Some("sites".into()))),
            ("\\timing", Command::Timing(None)),
            ("\\x on", Command::Expanded(Some(true))),
            ("\\o /tmp/my file.csv", Command::Output(Some("/tmp/my file.csv".into()))),
            ("\\format json", Command::Format(Some(Format::Json))),
            ("\\q", Command::Quit),
            ("\\?", Command::Help),
        ] {
            assert_eq!(Command::parse(line), Ok(command), "{line}");
        }
        assert_eq!(Command::parse("\\x maybe"), Err("\\x takes on or off, not maybe".into()));
        assert_eq!(
            Command::parse("\\format xml"),
            Err("there is no format xml: table, csv, json, parquet".into())
        );
        assert_eq!(Command::parse("\\z"), Err("there is no command \\z: \\? lists them".into()));
    }
}
