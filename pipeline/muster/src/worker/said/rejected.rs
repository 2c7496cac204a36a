//! People whose record could not be taken, told of it until a punch of theirs is taken that day.
//!
//! In: rejected records of people who are known; punches taken.  Out: versions of `punch_rejected`, one anomaly a person and day.
//! Owns: who may have been told.
//! Absent on purpose: records whose person cannot be read: their row in `rejects` and their dead letter are all there is.
//! Invariants: a record that comes again says nothing new; judging a person takes nothing back here
//! (`AnomalyKind::is_judged`), nor does it say again what a killed owner had not committed: the outlet knows that.

use alerts::SaidAnomaly;
use frontier::said::{Decision, Said};
use jiff::civil::Date;
use model::anomaly::Finding;
use model::position::Cause;
use model::{Anomaly, AnomalyId, AnomalyKind, AnomalyState};

use super::SaidBook;

impl SaidBook {
    /// Takes in that a record was rejected, whose finding this is; of one day those before count too.
    pub(in crate::worker) fn take_rejected(&mut self, mut finding: Finding, cause: Cause) {
        let said = self.table.get(&finding.id).or_else(|| self.outlet.get(&finding.id));
        if let Some(before) = said.filter(|said| said.value.state == AnomalyState::Firing) {
            let before = &before.value.finding;
            finding.event_ids.extend(before.event_ids.iter().cloned());
            finding.first_at = finding.first_at.min(before.first_at);
            finding.last_at = finding.last_at.max(before.last_at);
        }
        finding.event_ids.sort();
        finding.event_ids.dedup();
        self.index(&finding);
        self.level(&finding, AnomalyState::Firing, None, cause.clock.time(), cause);
    }

    /// Takes in that a punch of that day was taken: what could not be taken before is mended.
    pub(in crate::worker) fn take_accepted(&mut self, employee_id: &str, day: Date, cause: Cause) {
        if !self.rejected.contains(employee_id) {
            return;
        }
        let ids = self.of_person.get(employee_id).map_or(&[][..], Vec::as_slice);
        let said = ids.iter().filter_map(|id| self.table.get(id).or_else(|| self.outlet.get(id)));
        let firing = said.map(|said| &said.value).filter(|said| {
            said.finding.kind == AnomalyKind::PunchRejected && said.state == AnomalyState::Firing
        });
        let (over, others): (Vec<&Finding>, Vec<&Finding>) =
            firing.map(|said| &said.finding).partition(|finding| finding.business_date == day);
        let (over, is_told_of_others) = (over.into_iter().cloned().collect::<Vec<_>>(), !others.is_empty());
        for finding in over {
            self.level(&finding, AnomalyState::Resolved, Some("punch".into()), cause.clock.time(), cause);
        }
        if !is_told_of_others {
            self.rejected.remove(employee_id);
        }
    }

    /// Has the table say what the outlet was told of records that this owner will not read again, from further on than
    /// `said_until`: the former owner died between the commit of `punches` and that of said state, and nothing else ever looks at
    /// such a record.
    pub(in crate::worker) fn settle_rejected(&mut self, said_until: Cause) {
        let ahead = self.outlet.ahead();
        let is_behind = |(id, told): &(&AnomalyId, &Said<SaidAnomaly>)| {
            told.value.finding.kind == AnomalyKind::PunchRejected
                && !told.cause.is_passed_by(said_until.next, said_until.clock)
                && !ahead.contains(id)
                && (told.value.state == AnomalyState::Firing || self.table.get(id).is_some())
        };
        let told = self.outlet.iter().filter(is_behind).map(|(id, told)| (*id, told.clone()));
        let mut told: Vec<(AnomalyId, Said<SaidAnomaly>)> = told.collect();
        told.sort_by_key(|(id, _)| *id);
        for (id, told) in told {
            let Said { digest, cause, value, .. } = told;
            let Decision::Say { version } = self.table.decide(&id, digest, cause) else { continue };
            let is_over = value.state == AnomalyState::Resolved;
            self.rows.push(Anomaly {
                version,
                state: value.state,
                finding: value.finding.clone(),
                detected_at: cause.clock.time(),
                resolved_by: is_over.then_some("punch"),
                resolved_ref: None,
                cause,
            });
            self.table.say(id, Said { version, digest, cause, value });
        }
    }
}

#[cfg(test)]
mod tests {
    use model::position::{LogClock, LogId, NextOffset, Partition};
    use model::{Anomaly, AnomalyId, EventId, EventTime};

    use super::*;

    fn cause(at: i64) -> Cause {
        let clock = LogClock::at(EventTime::from_us(at));
        Cause {
            log: LogId::new("log").unwrap().mark(),
            partition: Partition::new(0),
            next: NextOffset::new(at).unwrap(),
            clock,
        }
    }

    fn rejected(day: &str, event_id: &str, at: i64) -> Finding {
        Finding {
            id: AnomalyId([day.as_bytes()[9]; 16]),
            kind: AnomalyKind::PunchRejected,
            employee_id: Some("E1".into()),
            site_id: None,
            org: "hk".into(),
            business_date: day.parse().unwrap(),
            shift_id: None,
            device_id: None,
            event_ids: vec![EventId::new(event_id)],
            minutes: None,
            first_at: EventTime::from_us(at),
            last_at: EventTime::from_us(at),
        }
    }

    fn told(book: &mut SaidBook) -> Vec<(i64, AnomalyState, usize)> {
        let rows: Vec<Anomaly> = book.take_rows();
        rows.into_iter().map(|row| (row.version, row.state, row.finding.event_ids.len())).collect()
    }

    #[test]
    fn a_person_is_told_until_a_punch_of_that_day_is_taken() {
        use AnomalyState::{Firing, Resolved};
        let mut book = SaidBook::default();
        let (first, second): (Date, Date) = ("2026-11-02".parse().unwrap(), "2026-11-03".parse().unwrap());
        book.take_rejected(rejected("2026-11-02", "a", 1), cause(1));
        assert_eq!(told(&mut book), [(1, Firing, 1)]);
        book.take_rejected(rejected("2026-11-02", "a", 2), cause(2));
        assert_eq!(told(&mut book), [], "the same record again");
        book.take_rejected(rejected("2026-11-02", "b", 3), cause(3));
        assert_eq!(told(&mut book), [(2, Firing, 2)]);
        book.take_accepted("E1", second, cause(4));
        book.take_accepted("E2", first, cause(4));
        assert_eq!(told(&mut book), [], "another day, another person");
        book.take_accepted("E1", first, cause(5));
        assert_eq!(told(&mut book), [(3, Resolved, 2)]);
        book.take_accepted("E1", first, cause(6));
        assert_eq!(told(&mut book), [], "it is over");
        book.take_rejected(rejected("2026-11-02", "c", 7), cause(7));
        assert_eq!(told(&mut book), [(4, Firing, 1)], "what was mended does not come again");
    }

    #[test]
    fn an_owner_that_recovers_goes_on_with_what_was_said() {
        let mut before = SaidBook::default();
        before.take_rejected(rejected("2026-11-02", "a", 1), cause(1));
        let row = before.take_rows().remove(0);
        let mut after = SaidBook::default();
        after.fold_anomaly(row);
        after.start_at(cause(1));
        after.take_accepted("E1", "2026-11-02".parse().unwrap(), cause(2));
        assert_eq!(told(&mut after), [(2, AnomalyState::Resolved, 1)]);
    }

    /// The book of an owner who stands at `here`, where said state was committed up to `until`: the outlet was told what `before`
    /// knows, the table holds `rows`.
    fn recovered(before: &SaidBook, rows: &[Anomaly], (until, here): (i64, i64)) -> SaidBook {
        let mut after = SaidBook::default();
        before.outlet.iter().for_each(|(id, told)| after.fold_alert((*id, told.clone())));
        rows.iter().for_each(|row| after.fold_anomaly(row.clone()));
        after.start_at(cause(here));
        after.settle_rejected(cause(until));
        after
    }

    #[test]
    fn what_the_outlet_was_told_of_a_rejected_record_is_in_the_table_after_a_crash_between_two_commits() {
        use AnomalyState::{Firing, Resolved};
        let day: Date = "2026-11-02".parse().unwrap();
        let mut before = SaidBook::default();
        before.take_rejected(rejected("2026-11-02", "a", 1), cause(1));
        let mut rows = before.take_rows();
        let mut after = recovered(&before, &[], (0, 2));
        assert_eq!(told(&mut after), [(1, Firing, 1)]);
        assert_eq!(after.take_fresh(), [], "the outlet knows");
        assert_eq!(told(&mut recovered(&before, &rows, (0, 2))), [], "the table knows");
        assert_eq!(told(&mut recovered(&before, &[], (0, 0))), [], "the record will be read again");
        assert_eq!(
            told(&mut recovered(&before, &[], (1, 2))),
            [],
            "the table knew, and it is older than memory"
        );
        before.take_accepted("E1", day, cause(3));
        assert_eq!(told(&mut recovered(&before, &rows, (1, 3))), [(2, Resolved, 1)]);
        assert_eq!(told(&mut recovered(&before, &[], (0, 3))), [], "over before the table heard of it");
        // What the table says later than the outlet stands: it was too old to be told.
        let told_last = recovered(&before, &rows, (1, 3));
        before.take_rejected(rejected("2026-11-02", "b", 4), cause(4));
        rows.extend(before.take_rows());
        assert_eq!(told(&mut recovered(&told_last, &rows, (1, 4))), []);
    }
}
