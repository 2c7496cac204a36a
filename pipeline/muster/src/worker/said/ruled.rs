//! Answers of rules against what was said: what they find fires or changes, what they no longer find is over.
//!
//! Absent on purpose: any say over what judging a person finds: only kinds of rules are looked at.
//! Invariants: I-31 nothing is said of an anomaly for an instant at or before that of what was said of it; what began before a
//! rule's window is left as it was said, whatever the rule still sees of it.

use model::anomaly::Finding;
use model::position::Cause;
use model::{AnomalyId, AnomalyState};

use super::SaidBook;
use crate::worker::ruling::RuledKind;

impl SaidBook {
    /// Takes in what the rules of one kind answer at the clock of `cause`; `own` are those of its findings that this partition
    /// says.
    pub(in crate::worker) fn take_ruled(&mut self, answer: &RuledKind, own: &[&Finding], cause: Cause) {
        let at = cause.clock.time();
        for finding in own {
            let is_cut = self.firing(&finding.id).is_some_and(|said| said.first_at < answer.from);
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
            .filter_map(|id| self.firing(id))
            .filter(|finding| finding.kind == answer.kind && finding.first_at >= answer.from)
            .filter(|finding| finding.first_at <= at && !holds(finding))
            .cloned()
            .collect();
        over.sort_by_key(|finding| finding.id);
        for finding in over {
            self.level(&finding, AnomalyState::Resolved, Some("rule".into()), at, cause);
        }
    }

    /// What was last said of `id`, where the table or the outlet has it firing: after a crash one of them may lag.
    fn firing(&self, id: &AnomalyId) -> Option<&Finding> {
        let said = [&self.table, &self.outlet].into_iter().filter_map(|book| book.get(id));
        said.map(|said| &said.value).find(|said| said.state == AnomalyState::Firing).map(|said| &said.finding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alerts::{SaidAnomaly, digest};
    use frontier::said::Said;
    use model::position::{LogClock, LogId, NextOffset, Partition};
    use model::{Anomaly, AnomalyKind, EventTime};

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
        book.take_ruled(&answer, &own, cause(now));
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
    fn instants_asked_again_after_a_crash_are_said_only_where_they_were_not() {
        use AnomalyState::{Firing, Resolved};
        // The outlet has heard of two instants, the table of none.
        let mut book = SaidBook::default();
        let finding = found(1, 90, 95);
        let value = SaidAnomaly { state: Resolved, finding: finding.clone() };
        let said = Said { version: 2, digest: digest(Resolved, &finding), cause: cause(115), value };
        book.fold_alert((finding.id, said));
        book.start_at(cause(100));
        let mut rows = |now: i64, findings: &[Finding]| {
            let answer = RuledKind {
                kind: AnomalyKind::SharedDevice,
                from: at(now - 60),
                is_whole: true,
                findings: Vec::new(),
            };
            let own: Vec<&Finding> = findings.iter().collect();
            book.take_ruled(&answer, &own, cause(now));
            assert_eq!(book.take_fresh(), [], "at {now}");
            book.take_rows().iter().map(|new| (new.version, new.state)).collect::<Vec<_>>()
        };
        assert_eq!(rows(100, std::slice::from_ref(&finding)), [(1, Firing)]);
        assert_eq!(rows(115, &[]), [(2, Resolved)]);
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
