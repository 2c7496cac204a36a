//! Which kind of file this is, as far as cutting it into records goes.

use std::path::Path;

use schemas::decode::ARROW_FILE_MAGIC;

/// How a file is cut into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileFormat {
    /// A JSON object a line.
    Ndjson,
    /// Comma separated with a header; a record may span lines inside quotes.
    Csv,
    /// The time clocks' `attlog.dat`: tab separated, a line each.
    AttLog,
    /// The Chinese terminal's CSV, known by its header.
    CnTerminal,
    /// Arrow IPC, stream or file: a row a record.
    Arrow,
    /// Answers and pushed events of DingTalk, as JSON: the elements of their lists.
    DingTalk,
    /// Answers of WeCom.
    WeCom,
    /// Answers and pushed events of Feishu.
    Feishu,
}

/// How much of a file's beginning is looked at to know its format.
pub(crate) const START_BYTES: usize = 4 << 10;

/// The first column of the Chinese terminal's header: "registration number".
const CN_TERMINAL_COLUMN: &[u8] = "登记号码".as_bytes();

impl FileFormat {
    /// Every format: the contract's in its order, and Arrow.
    pub const ALL: &[Self] = &[
        Self::Ndjson,
        Self::Csv,
        Self::AttLog,
        Self::DingTalk,
        Self::WeCom,
        Self::Feishu,
        Self::CnTerminal,
        Self::Arrow,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::AttLog => "attlog",
            Self::CnTerminal => "cn-terminal",
            Self::Arrow => "arrow",
            Self::DingTalk => "dingtalk",
            Self::WeCom => "wecom",
            Self::Feishu => "feishu",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.name() == name)
    }

    /// The format of the file at `path` that begins with `start`: the Chinese terminal's by its header, a vendor's by
    /// the name of the list its records stand in, Arrow's by its magic, the others by the file's ending, else NDJSON
    /// (contract, section 8).
    pub fn detect(path: &Path, start: &[u8]) -> Self {
        if start.starts_with(ARROW_FILE_MAGIC) {
            return Self::Arrow;
        }
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
        let start = start.strip_prefix(b"\"").unwrap_or(start);
        if start.starts_with(CN_TERMINAL_COLUMN) {
            return Self::CnTerminal;
        }
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "csv" => Self::Csv,
            "dat" => Self::AttLog,
            "arrow" | "arrows" | "feather" | "ipc" => Self::Arrow,
            _ => Self::of_list_in(start).unwrap_or(Self::Ndjson),
        }
    }

    /// The format one of whose lists is named in `start`.
    fn of_list_in(start: &[u8]) -> Option<Self> {
        let is_named = |list: &&str| {
            let name = format!("\"{list}\"");
            let at = start.windows(name.len()).position(|bytes| bytes == name.as_bytes());
            at.is_some_and(|at| start[at + name.len()..].trim_ascii_start().starts_with(b":"))
        };
        Self::ALL.iter().copied().find(|format| format.lists().iter().any(is_named))
    }

    /// The names of the lists that hold its records; none where a record is a line.
    pub const fn lists(self) -> &'static [&'static str] {
        match self {
            Self::DingTalk => &["recordresult", "dataList", "DataList"],
            Self::WeCom => &["checkindata"],
            Self::Feishu => &["user_flow_results", "user_task_results", "flow_records"],
            Self::Ndjson | Self::Csv | Self::AttLog | Self::CnTerminal | Self::Arrow => &[],
        }
    }

    /// What an offset of such a file counts, for messages.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Arrow => "row",
            _ if self.lists().is_empty() => "line",
            _ => "record",
        }
    }

    /// Whether its first record names the columns, and its records may span lines inside quotes.
    pub const fn is_csv(self) -> bool {
        matches!(self, Self::Csv | Self::CnTerminal)
    }
}
