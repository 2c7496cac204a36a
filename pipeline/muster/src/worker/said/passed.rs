//! What a former owner said from further on than its successor began, once that one has come so far.
//!
//! In: nothing.  Out: a part of what was said.  Owns: nothing.
//! Why so: a killed owner leaves thousands of alerts ahead of its last commit, and its successor passes them one by one, record
//! by record: looking at everything that was ever said behind each of them would take it hours.

use frontier::said::Said;
use model::AnomalyId;

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
