//! What a former owner said from further on than its successor began, once that one has come so far.
//!
//! In: nothing.  Out: a part of what was said.  Owns: nothing.
//! Invariants: I-5 what the outlet was told before a crash the table comes to say too, or both come to say that it is over, also of
//! days that memory had left behind when the former owner died. Not yet of every day that memory knows in part (see the seed that
//! the simulation leaves out).
//! Why so: a killed owner leaves thousands of alerts ahead of its last commit, and its successor passes them one by one, record
//! by record: looking at everything that was ever said behind each of them would take it hours.

use frontier::said::Said;
use model::position::Cause;
use model::{AnomalyId, AnomalyKind};

use super::{ResultKey, SaidAnomaly, SaidBook, SaidResult};

/// What was said from further on, and is passed: each is given once.
#[derive(Debug, Default)]
pub(in crate::worker) struct Passed {
    pub(super) findings: Vec<AnomalyId>,
    pub(super) results: Vec<ResultKey>,
}

impl Passed {
    /// Whether that is nothing.
    pub(in crate::worker) fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.results.is_empty()
    }
}

/// Which part of what was said.
#[derive(Clone, Copy, Debug)]
pub(in crate::worker) enum Among<'a> {
    /// All of it.
    Everything,
    /// What was said from further on and is passed.
    Passed(&'a Passed),
}

impl SaidBook {
    /// Has people judged again of whom the outlet was told from further on than `said_until`, and of which the table knows less: the
    /// former owner died between the commit of `punches` and that of said state. Memory may not reach so far by now, as behind
    /// records that came after days of silence. Of records that could not be taken, see `settle_rejected`.
    pub(in crate::worker) fn note_unsaid(&mut self, said_until: Cause) {
        let ahead = self.outlet.ahead();
        let is_unsaid = |(id, told): &(&AnomalyId, &Said<SaidAnomaly>)| {
            told.cause.log == said_until.log
                && told.value.finding.kind != AnomalyKind::PunchRejected
                && !told.cause.is_passed_by(said_until.next, said_until.clock)
                && !ahead.contains(id)
                && self.table.get(id).is_none_or(|said| said.version < told.version)
        };
        self.unsaid = self.outlet.iter().filter(is_unsaid).map(|(id, _)| *id).collect();
        self.unsaid.sort_unstable();
    }

    /// What the table and the outlet were told of findings.
    pub(super) fn findings<'a>(
        &'a self,
        among: Among<'a>,
    ) -> Box<dyn Iterator<Item = &'a Said<SaidAnomaly>> + 'a> {
        match among {
            Among::Everything => Box::new(self.table.iter().chain(self.outlet.iter()).map(|(_, said)| said)),
            Among::Passed(passed) => Box::new(
                (passed.findings.iter())
                    .flat_map(|id| self.table.get(id).into_iter().chain(self.outlet.get(id))),
            ),
        }
    }

    /// What was said of shifts.
    pub(super) fn results<'a>(
        &'a self,
        among: Among<'a>,
    ) -> Box<dyn Iterator<Item = (&'a ResultKey, &'a SaidResult)> + 'a> {
        match among {
            Among::Everything => Box::new(self.results.iter().map(|(key, said)| (key, &said.value))),
            Among::Passed(passed) => {
                Box::new(passed.results.iter().filter_map(|key| Some((key, &self.results.get(key)?.value))))
            }
        }
    }
}
