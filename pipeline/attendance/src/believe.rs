//! Which records of a replayed log are believed, and where the log's clock stands behind each (`clock = "record"`).
//!
//! In: `occurred_at` of one partition's punches in order of arrival.  Out: [`Decided`], in the same order, each as soon
//! as it can be told.
//! Owns: the clock, and the records from the first undecided one on (at most [`LOOK_AHEAD_RECORDS`] + 1).
//! Absent on purpose: what a record is (origin and device are judged on arrival), and wall time.
//! Invariants: the clock never goes back; decisions depend only on the sequence of values, never on when they are asked
//! for, kept by deciding on whole look-aheads (`tests`).
//! Why so: one device with a clock a year ahead must not end every shift of the year, and a log that rests for two months
//! must go on afterwards. A jump forward of more than 31 days is therefore held until later records decide: those less
//! than 31 days behind it confirm it, the others contradict it, and of the next [`LOOK_AHEAD_RECORDS`] at least half must
//! confirm. One confirming record alone would let the second record of a wrong clock confirm the first.

use std::collections::VecDeque;

use model::EventTime;

/// How many later records decide about a jump. At the end of the input the records there are decide; none there is means
/// suspect, but for the only record of a log.
pub const LOOK_AHEAD_RECORDS: usize = 16;

/// A jump forward of more than this needs confirmation; so far behind, a record contradicts (contract, section 4).
pub(crate) const SUSPECT_US: i64 = 31 * 86_400_000_000;

/// Whether the time of a record is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// It is; the log's clock follows it.
    Believable,
    /// It is not: reason `clock_suspect`; it moves no clock.
    Suspect,
}

/// What was decided about one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Whether its time is believed.
    pub belief: Belief,
    /// Where the log's clock stands once it is read.
    pub clock: EventTime,
}

/// Decides, in order of arrival, which records are believed.
#[derive(Clone, Debug, Default)]
pub struct Believer {
    clock: Option<EventTime>,
    held: VecDeque<EventTime>,
    read: u64,
}

impl Believer {
    /// At the beginning of a log: `None`. Resuming behind decided records: where the clock stood then.
    pub fn new(resume: Option<EventTime>) -> Self {
        Self { clock: resume, held: VecDeque::new(), read: u64::from(resume.is_some()) }
    }

    /// Takes in the next record's time; `out` gets what can be decided now, in order of arrival.
    pub fn push(&mut self, occurred_at: EventTime, out: &mut Vec<Decided>) {
        self.read += 1;
        self.held.push_back(occurred_at);
        while let Some(belief) = self.decide_front(false) {
            out.push(self.take_front(belief));
        }
    }

    /// Takes in the end of the input: everything held is decided.
    pub fn finish(&mut self, out: &mut Vec<Decided>) {
        while let Some(belief) = self.decide_front(true) {
            out.push(self.take_front(belief));
        }
    }

    /// How many records are held; the log's frontier stays in front of the first of them.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Where the log's clock stands, once anything is believed.
    pub fn clock(&self) -> Option<EventTime> {
        self.clock
    }

    fn decide_front(&self, is_end: bool) -> Option<Belief> {
        let front = *self.held.front()?;
        if self.clock.is_some_and(|clock| front.us_since(clock) <= SUSPECT_US) {
            return Some(Belief::Believable);
        }
        let ahead = self.held.iter().skip(1).take(LOOK_AHEAD_RECORDS);
        let (mut confirm, mut contradict) = (0, 0);
        for later in ahead {
            if front.us_since(*later) < SUSPECT_US { confirm += 1 } else { contradict += 1 }
        }
        if confirm * 2 >= LOOK_AHEAD_RECORDS {
            return Some(Belief::Believable);
        }
        if contradict * 2 > LOOK_AHEAD_RECORDS {
            return Some(Belief::Suspect);
        }
        let is_only = self.read == 1;
        is_end.then_some(match confirm {
            _ if is_only => Belief::Believable,
            0 => Belief::Suspect,
            _ if confirm >= contradict => Belief::Believable,
            _ => Belief::Suspect,
        })
    }

    fn take_front(&mut self, belief: Belief) -> Decided {
        let at = self.held.pop_front().expect("decided only while a record is held");
        if belief == Belief::Believable {
            self.clock = Some(self.clock.map_or(at, |clock| clock.max(at)));
        }
        // Suspect records before anything is believed stand at the epoch, where no shift is due.
        Decided { belief, clock: self.clock.unwrap_or(EventTime::from_us(0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days in order of arrival → for each `.` believed or `?` suspect, and the clock's days.
    fn check(days: &[i64], expected: &str, clock: i64) {
        let at = |day: i64| EventTime::from_us(0).plus_s(day * 86_400);
        let mut believer = Believer::new(None);
        let mut decided = Vec::new();
        for day in days {
            believer.push(at(*day), &mut decided);
            assert!(believer.held() <= LOOK_AHEAD_RECORDS + 1);
        }
        believer.finish(&mut decided);
        let marks: String =
            decided.iter().map(|d| if d.belief == Belief::Believable { '.' } else { '?' }).collect();
        assert_eq!(marks, expected, "{days:?}");
        assert!(decided.is_sorted_by_key(|d| d.clock), "the clock never goes back");
        assert_eq!(believer.clock(), Some(at(clock)), "{days:?}");
    }

    #[test]
    fn jumps_are_believed_when_later_records_confirm_them() {
        check(&[100], ".", 100);
        check(&[100, 131], "..", 131);
        check(&[100, 132], ".?", 100);
        check(&[100, 132, 132], "...", 132);
        check(&[100, 132, 101, 132], "....", 132);
        check(&[100, 5000, 101, 102], ".?..", 102);
        check(&[5000, 100, 101], "?..", 101);
        check(&[100, 200, 300, 400, 401], ".....", 401);
        check(&[1, 1000, 1000, 1001], "....", 1001);
        check(&[100, 101, 50, 102], "....", 102);
    }

    #[test]
    fn two_wrong_clocks_do_not_confirm_each_other() {
        let mut days: Vec<i64> = (100..120).collect();
        days.insert(5, 465);
        days.insert(9, 466);
        days.insert(10, 3000);
        let expected: String = days.iter().map(|day| if *day > 400 { '?' } else { '.' }).collect();
        check(&days, &expected, 119);
    }

    #[test]
    fn decisions_do_not_depend_on_when_the_log_was_resumed() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        println!("seed {state:#x}");
        for _ in 0..300 {
            let mut day = 1_000_i64;
            let days: Vec<i64> = (0..80)
                .map(|_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    match state >> 60 {
                        0 => day + 400,
                        1 => {
                            day += 40;
                            day
                        }
                        2 => day - 50,
                        _ => day,
                    }
                })
                .collect();
            let at = |day: i64| EventTime::from_us(0).plus_s(day * 86_400);
            let mut whole = Vec::new();
            let mut believer = Believer::new(None);
            days.iter().for_each(|day| believer.push(at(*day), &mut whole));
            believer.finish(&mut whole);
            for cut in (1..days.len()).step_by(7) {
                let mut first = Believer::new(None);
                let mut decided = Vec::new();
                days[..cut].iter().for_each(|day| first.push(at(*day), &mut decided));
                let done = decided.len();
                if first.clock().is_none() {
                    continue;
                }
                let mut second = Believer::new(first.clock());
                days[done..].iter().for_each(|day| second.push(at(*day), &mut decided));
                second.finish(&mut decided);
                assert_eq!(decided, whole, "{days:?} cut at {cut}");
            }
        }
    }
}
