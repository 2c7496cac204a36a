//! People whose record could not be taken, told of it until a punch of theirs is taken that day.
//!
//! In: rejected records of people who are known; punches taken.  Out: versions of `punch_rejected`, one anomaly a person and day.
//! Owns: who may have been told.
//! Absent on purpose: records whose person cannot be read: their row in `rejects` and their dead letter are all there is.
//! Invariants: a record that comes again says nothing new; judging a person takes nothing back here
//! (`AnomalyKind::is_judged`), nor does it say again what a killed owner had not committed: the outlet knows that
//! (`settle_rejected`), and the records as they are stored know what was too old for the outlet, or is said to nobody (`take_again`).

use std::sync::Arc;

use alerts::SaidAnomaly;
use frontier::said::{Decision, Said};
use jiff::civil::Date;
use model::anomaly::Finding;
use model::position::Cause;
use model::{Anomaly, AnomalyId, AnomalyKind, AnomalyState, EventTime};

use super::{Resolver, SaidBook, level_in};

/// What became of a record.
pub(in crate::worker) enum Taken {
    /// It was rejected, and this is what its person is told.
    Rejected(Finding),
    /// It is a punch of this person and day.
    Accepted(Arc<str>, Date),
}

impl SaidBook {
    /// Takes in that a record was rejected, whose finding this is; of one day those before count too.
    pub(in crate::worker) fn take_rejected(&mut self, finding: Finding, cause: Cause) {
        let said = self.table.get(&finding.id).or_else(|| self.outlet.get(&finding.id));
        let finding = with_those_before(finding, said);
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
    /// such a record. Keeps the clock of `said_until`, by which requests are levelled.
    pub(in crate::worker) fn settle_rejected(&mut self, said_until: Cause) {
        self.said_until = Some(said_until.clock.time());
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

    /// Has the table say what became, at `at`, of a record that this owner will not read again, as if it had been told of it then:
    /// the former owner may have died before that. The outlet knows, unless it was not to know.
    pub(in crate::worker) fn take_again(&mut self, taken: Taken, at: EventTime, cause: Cause) {
        match taken {
            Taken::Rejected(finding) => {
                let id = finding.id;
                let finding = with_those_before(finding, self.table.get(&id));
                self.index(&finding);
                let table = (&mut self.table, &mut self.rows);
                level_in(table, (&finding, AnomalyState::Firing), None, at, cause);
            }
            Taken::Accepted(employee_id, day) => {
                let ids = self.of_person.get(&employee_id).filter(|_| self.rejected.contains(&employee_id));
                let firing = ids.into_iter().flatten().filter_map(|id| self.table.get(id)).filter(|said| {
                    let finding = &said.value.finding;
                    finding.kind == AnomalyKind::PunchRejected && finding.business_date == day
                });
                let over: Vec<Finding> = firing.map(|said| said.value.finding.clone()).collect();
                for finding in over {
                    let (table, by) = ((&mut self.table, &mut self.rows), Resolver::from("punch"));
                    level_in(table, (&finding, AnomalyState::Resolved), Some(&by), at, cause);
                }
            }
        }
    }
}

/// The finding of a record, and of those of the same day that its person was told of before.
fn with_those_before(mut finding: Finding, said: Option<&Said<SaidAnomaly>>) -> Finding {
    if let Some(before) = said.filter(|said| said.value.state == AnomalyState::Firing) {
        let before = &before.value.finding;
        finding.event_ids.extend(before.event_ids.iter().cloned());
        finding.first_at = finding.first_at.min(before.first_at);
        finding.last_at = finding.last_at.max(before.last_at);
    }
    finding.event_ids.sort();
    finding.event_ids.dedup();
    finding
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

    /// A day of two records that could not be taken, one that could, and one more that could not.
    fn day() -> Vec<(i64, Option<&'static str>)> {
        vec![(1, Some("a")), (2, Some("b")), (3, None), (4, Some("c"))]
    }

    fn take(book: &mut SaidBook, (at, event_id): (i64, Option<&str>)) {
        match event_id {
            Some(event_id) => book.take_rejected(rejected("2026-11-02", event_id, at), cause(at)),
            None => book.take_accepted("E1", "2026-11-02".parse().unwrap(), cause(at)),
        }
    }

    /// Takes again what lies behind `from`, as an owner does who stands at `here`.
    fn take_again(book: &mut SaidBook, (from, here): (i64, i64)) {
        for (at, event_id) in day().into_iter().filter(|(at, _)| (from + 1..=here).contains(at)) {
            let taken = match event_id {
                Some(event_id) => Taken::Rejected(rejected("2026-11-02", event_id, at)),
                None => Taken::Accepted("E1".into(), "2026-11-02".parse().unwrap()),
            };
            let clock = cause(here).clock;
            book.take_again(taken, EventTime::from_us(at), Cause { clock, ..cause(at) });
        }
    }

    #[test]
    fn what_nobody_was_told_of_a_rejected_record_is_in_the_table_after_a_crash_between_two_commits() {
        let mut whole = SaidBook::default();
        day().into_iter().for_each(|record| take(&mut whole, record));
        let said: Vec<Anomaly> = whole.take_rows();
        let plain = |rows: &[Anomaly]| -> Vec<(i64, AnomalyState, Vec<EventId>, EventTime)> {
            let row =
                |row: &Anomaly| (row.version, row.state, row.finding.event_ids.clone(), row.detected_at);
            rows.iter().map(row).collect()
        };
        // Said state was committed up to `until`, and may hold more: people who waited to be judged from the lake keep the position.
        for here in 0..=4 {
            for held in 0..=here {
                for until in 0..=held {
                    for outlet in [None, Some(here), Some(4)] {
                        let mut told = SaidBook::default();
                        day()
                            .into_iter()
                            .filter(|(at, _)| Some(*at) <= outlet)
                            .for_each(|record| take(&mut told, record));
                        let rows: Vec<Anomaly> =
                            said.iter().filter(|row| row.cause.next.get() <= held).cloned().collect();
                        let mut after = recovered(&told, &rows, (until, here));
                        take_again(&mut after, (until, here));
                        assert_eq!(after.take_fresh(), [], "the outlet had its time");
                        let caught_up = after.take_rows();
                        if outlet.is_none() {
                            let want: Vec<Anomaly> =
                                said.iter().filter(|row| row.cause.next.get() <= here).cloned().collect();
                            let all = [rows, caught_up].concat();
                            assert_eq!(plain(&all), plain(&want), "{until}, {held}, {here}");
                        } else {
                            // What the outlet knows the table says in as few versions as it may.
                            let last = rows.iter().chain(&caught_up).next_back();
                            let want = said.iter().rfind(|row| row.cause.next.get() <= here);
                            let kept = |row: &Anomaly| (row.state, row.finding.event_ids.clone());
                            assert_eq!(last.map(kept), want.map(kept), "{until}, {held}, {here}, {outlet:?}");
                        }
                        // Done twice, it says nothing more.
                        take_again(&mut after, (until, here));
                        assert_eq!(after.take_rows(), []);
                    }
                }
            }
        }
    }
}
