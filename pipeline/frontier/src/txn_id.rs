//! The names under which a lake table's log keeps an owner's numbers: Delta `txn` ids such as `muster/8f3a/0/offset`.

use std::fmt;

use model::{LogId, Partition};

/// Which number of a partition is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// In `punches`: the first offset not yet taken.
    Offset,
    /// In `punches`: the log clock in milliseconds.
    Clock,
    /// In `punches`: every row of the inbox `late` below this offset has been drained.
    Late,
    /// In `punches`: where the log clock first stood, in milliseconds.
    Since,
    /// In every other table an owner writes: the generation of the partition's owner.
    Said,
    /// In the tables committed just before `punches`: the first offset whose rows may be missing there.
    Until,
    /// In `anomalies`: the last instant whose answers of rules are there, in milliseconds.
    Ruled,
    /// In `alert_deliveries`, of an outbox: the last attempt whose rows are there.
    Attempt,
}

impl Mark {
    const ALL: [Self; 8] = [
        Self::Offset,
        Self::Clock,
        Self::Late,
        Self::Since,
        Self::Said,
        Self::Until,
        Self::Ruled,
        Self::Attempt,
    ];

    /// Its last path segment.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offset => "offset",
            Self::Clock => "clock",
            Self::Late => "late",
            Self::Since => "since",
            Self::Said => "said",
            Self::Until => "until",
            Self::Ruled => "ruled",
            Self::Attempt => "attempt",
        }
    }
}

/// The id of one number: `muster/<log id>/<partition>/<mark>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxnId {
    /// The log.
    pub log: LogId,
    /// The partition of the log.
    pub partition: Partition,
    /// Which of its numbers.
    pub mark: Mark,
}

impl TxnId {
    /// The id that `text` spells, or `None` if it is another program's.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("muster/")?.split('/');
        let (log, partition, mark) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || (partition.len() > 1 && partition.starts_with(['0', '+'])) {
            return None;
        }
        Some(Self {
            log: LogId::new(log)?,
            partition: Partition::new(partition.parse().ok()?),
            mark: Mark::ALL.into_iter().find(|known| known.name() == mark)?,
        })
    }
}

impl fmt::Display for TxnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "muster/{}/{}/{}", self.log, self.partition, self.mark.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_reads_back() {
        for log in ["8f3a", "file:00ab", "a-b_c.d"] {
            for partition in [0, 7, u32::MAX] {
                for mark in Mark::ALL {
                    let id =
                        TxnId { log: LogId::new(log).unwrap(), partition: Partition::new(partition), mark };
                    assert_eq!(TxnId::parse(&id.to_string()), Some(id));
                }
            }
        }
    }

    #[test]
    fn other_programs_ids_are_not_read() {
        for text in [
            "",
            "muster",
            "muster/a/0",
            "muster/a/0/offset/x",
            "muster/a/-1/offset",
            "muster/a/01/offset",
            "muster/a/+1/clock",
            "muster//0/offset",
            "muster/a/0/other",
            "spark/a/0/offset",
            "muster/a b/0/offset",
        ] {
            assert_eq!(TxnId::parse(text), None, "{text}");
        }
    }
}
