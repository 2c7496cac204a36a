//! Answers of rules against what was said: what they find fires or changes, what they no longer find is over.
//!
//! Absent on purpose: any say over what judging a person finds: only kinds of rules are looked at.
//! Invariants: what began before a rule's window is left as it was said, whatever the rule still sees of it.

use model::anomaly::Finding;
use model::position::Cause;
use model::{AnomalyState, EventTime};

use super::SaidBook;
use crate::worker::ruling::RuledKind;

impl SaidBook {
    /// Takes in what the rules of one kind answer at `at`; `own` are those of its findings that this partition says.
    pub(in crate::worker) fn take_ruled(
        &mut self,
        answer: &RuledKind,
        own: &[&Finding],
        at: EventTime,
        cause: Cause,
    ) {
        for finding in own {
            let said = self.table.get(&finding.id).or_else(|| self.outlet.get(&finding.id));
            let is_cut = said.is_some_and(|said| {
                said.value.state == AnomalyState::Firing && said.value.finding.first_at < answer.from
            });
            if !is_cut {
                self.index(finding);
                self.level(finding, AnomalyState::Firing, None, at, cause);
            }
        }
        if !answer.is_whole {
            return;
        }
        let holds = |finding: &Finding| own.iter().any(|own| own.id == finding.id);
        let mut over: Vec<Finding> = (self.ruled.iter())
            .filter_map(|id| self.table.get(id).or_else(|| self.outlet.get(id)))
            .filter(|said| said.value.state == AnomalyState::Firing)
            .map(|said| &said.value.finding)
            .filter(|finding| finding.kind == answer.kind && finding.first_at >= answer.from)
            .filter(|finding| finding.first_at <= at && !holds(finding))
            .cloned()
            .collect();
        over.sort_by_key(|finding| finding.id);
        for finding in over {
            self.level(&finding, AnomalyState::Resolved, Some("rule"), at, cause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::position::{LogClock, LogId, NextOffset, Partition};
    use model::{Anomaly, AnomalyId, AnomalyKind};

    fn at(minute: i64) -> EventTime {
        EventTime::from_ms(minute * 60_000)
    }

    fn cause(minute: i64) -> Cause {
        Cause {
            log: LogId::new("log").unwrap().mark(),
            partition: Partition::new(0),
            next: NextOffset::new(minute).unwrap(),
            clock: LogClock::at(at(minute)),
        }
    }

    fn found(id: u8, first: i64, last: i64) -> Finding {
        Finding {
            id: AnomalyId([id; 16]),
            kind: AnomalyKind::SharedDevice,
            employee_id: None,
            site_id: None,
            org: "hk".into(),
            business_date: "2026-11-02".parse().unwrap(),
            shift_id: None,
            device_id: Some("d".into()),
            event_ids: vec![format!("e{last}").as_str().into()],
            minutes: None,
            first_at: at(first),
            last_at: at(last),
        }
    }

    /// Takes an answer whose window is an hour; tells id, version and state of what is new.
    fn take(
        book: &mut SaidBook,
        now: i64,
        is_whole: bool,
        findings: &[Finding],
    ) -> Vec<(u8, i64, AnomalyState)> {
        let kind = AnomalyKind::SharedDevice;
        let answer = RuledKind { kind, from: at(now - 60), is_whole, findings: findings.to_vec() };
        let own: Vec<&Finding> = answer.findings.iter().collect();
        book.take_ruled(&answer, &own, at(now), cause(now));
        book.take_rows();
        book.take_fresh().iter().map(|new: &Anomaly| (new.finding.id.0[0], new.version, new.state)).collect()
    }

    #[test]
    fn a_finding_of_a_rule_fires_changes_and_resolves_once_each() {
        use AnomalyState::{Firing, Resolved};
        let mut book = SaidBook::default();
        assert_eq!(take(&mut book, 100, true, &[found(1, 90, 95)]), [(1, 1, Firing)]);
        assert_eq!(take(&mut book, 105, true, &[found(1, 90, 95)]), []);
        assert_eq!(take(&mut book, 110, true, &[found(1, 90, 108)]), [(1, 2, Firing)]);
        assert_eq!(take(&mut book, 115, true, &[]), [(1, 3, Resolved)]);
        assert_eq!(take(&mut book, 120, true, &[]), []);
        assert_eq!(take(&mut book, 125, true, &[found(1, 90, 108)]), [(1, 4, Firing)]);
    }

    #[test]
    fn what_began_before_the_window_is_left_as_it_was_said() {
        let mut book = SaidBook::default();
        take(&mut book, 100, true, &[found(1, 90, 110), found(2, 50, 60)]);
        // The rule sees a part of the second, and then nothing of it.
        assert_eq!(take(&mut book, 111, true, &[found(1, 90, 110), found(2, 52, 60)]), []);
        assert_eq!(take(&mut book, 140, true, &[found(1, 90, 110)]), []);
        assert_eq!(take(&mut book, 151, true, &[]), []);
    }

    #[test]
    fn an_answer_that_is_not_whole_takes_nothing_back() {
        let mut book = SaidBook::default();
        take(&mut book, 100, true, &[found(1, 90, 95)]);
        let fired = take(&mut book, 105, false, &[found(2, 100, 101)]);
        assert_eq!(fired, [(2, 1, AnomalyState::Firing)]);
        assert_eq!(take(&mut book, 110, true, &[]).len(), 2);
    }
}
