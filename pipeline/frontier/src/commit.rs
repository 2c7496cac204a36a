//! One commit to one table's log, from the version its owner has seen to a known outcome: a machine that is told what the store
//! answered and says what to ask next.
//!
//! ```text
//!   Read(seen) ─▶ gone ........................................▶ Lost (the log was cleaned past us: nothing can be proved)
//!      │ there
//!      ▼
//!   Put(v) ─▶ applied ─▶ Done(v)
//!      │  └─▶ taken ───▶ Read(v) ─▶ ours .......................▶ Done(v)
//!      │                    │  └──▶ touches a partition of ours ▶ Lost (those), but others' entries are passed: v := v + 1, Read(v)
//!      │                    └─▶ not there yet: Put(v)
//!      └─▶ unclear ─▶ Wait ─▶ Read(v) ─▶ not there: Put(v) again (the same bytes at the same version)
//! ```
//!
//! In: [`Event`]s, from `lake`.  Out: [`Do`]s, to `lake`.  Owns: the attempt's position in the log, retries left, partitions lost.
//! Absent on purpose: bytes, I/O, clocks.
//! Invariants: I-3 (see the crate), kept by `worlds`; an attempt is put only at versions behind every entry it has read, all
//! contiguous from what its owner had seen, kept by construction.
//! Why so: put-if-absent with the same bytes at the same version is idempotent: a write whose answer was lost, even one that
//! still travels, either holds the version (then it is found and is ours) or never will.

use std::collections::BTreeSet;
use std::time::Duration;

use model::Partition;

use crate::retries::Retries;

/// How many versions in a row may be taken by others before an attempt is given up: far more than a crowd of owners and
/// maintenance jobs can commit while one attempt catches up.
const TAKEN_MAX: u32 = 1_000;

/// What tells one attempt's entry from any other: 128 random bits in the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u128);

/// One entry of a table's log, as far as owners care.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Whose attempt it is; `None` if it is no owner's (maintenance, another program).
    pub attempt: Option<AttemptId>,
    /// The partitions of our log whose numbers it writes.
    pub touches: BTreeSet<Partition>,
}

/// What the store answered to a put-if-absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Put {
    /// It is there now, and by us.
    Applied,
    /// There was an entry of that version already (perhaps ours, by a write whose answer was lost).
    Taken,
    /// Any other answer, or none.
    Unclear,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The answer to [`Do::Put`].
    Put(Put),
    /// The answer to [`Do::Read`]: the entry, or that there is none.
    Read(Option<Entry>),
    /// [`Do::Read`] failed.
    ReadFailed,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Do {
    /// Put the attempt's bytes, if absent, at once.
    Put {
        /// As the entry of this version.
        version: u64,
    },
    /// Read an entry, or learn that there is none.
    Read {
        /// The entry of this version.
        version: u64,
        /// After waiting so long.
        wait: Duration,
    },
    /// Stop: the attempt has ended.
    End(Outcome),
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The entry is in the log, once.
    Done {
        /// As this version.
        version: u64,
        /// Partitions we held that another owner has claimed meanwhile; none of the entry's.
        lost: BTreeSet<Partition>,
    },
    /// The entry is not in the log and never will be.
    Lost {
        /// Partitions that are another's now, some of the entry's among them.
        lost: BTreeSet<Partition>,
        /// The last version read, from which the partitions still held may go on.
        seen: u64,
    },
    /// The bound on retries is reached. The entry may or may not be in the log: the same attempt may be
    /// [resumed](Attempt::resume), or its partitions claimed anew.
    InDoubt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asked {
    /// The entry our owner has seen: it must be there.
    Seen,
    /// An entry of a version that a put said is taken: it must be there.
    Taken,
    /// The entry behind one that was passed, or one whose put was unclear: it may be there.
    Next,
    /// The attempt itself was put.
    Put,
}

/// One attempt to append an entry behind the version its owner has seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    id: AttemptId,
    writes: BTreeSet<Partition>,
    held: BTreeSet<Partition>,
    /// The version asked about.
    at: u64,
    asked: Asked,
    lost: BTreeSet<Partition>,
    retries: Retries,
    retries_full: Retries,
    taken_left: u32,
}

impl Attempt {
    /// An attempt to append an entry that writes numbers of `writes`, by an owner of `held` who has seen the log up to version
    /// `seen`; with the first thing to do.
    pub fn start(
        id: AttemptId,
        writes: BTreeSet<Partition>,
        held: BTreeSet<Partition>,
        seen: u64,
        retries: Retries,
    ) -> (Self, Do) {
        let attempt = Self {
            id,
            writes,
            held,
            at: seen,
            asked: Asked::Seen,
            lost: BTreeSet::new(),
            retries,
            retries_full: retries,
            taken_left: TAKEN_MAX,
        };
        (attempt, Do::Read { version: seen, wait: Duration::ZERO })
    }

    /// Goes on after [`Outcome::InDoubt`], with a full count of retries: first reads back.
    pub fn resume(&mut self) -> Do {
        self.retries = self.retries_full;
        self.taken_left = TAKEN_MAX;
        if self.asked == Asked::Put {
            self.asked = Asked::Next;
        }
        Do::Read { version: self.at, wait: Duration::ZERO }
    }

    /// What to do after `event`. Events must answer the last [`Do`].
    pub fn on(&mut self, event: Event) -> Do {
        match (self.asked, event) {
            (Asked::Put, Event::Put(Put::Applied)) => self.done(),
            (Asked::Put, Event::Put(Put::Taken)) => match self.taken_left.checked_sub(1) {
                Some(left) => {
                    self.taken_left = left;
                    self.asked = Asked::Taken;
                    Do::Read { version: self.at, wait: Duration::ZERO }
                }
                None => Do::End(Outcome::InDoubt),
            },
            (Asked::Put, Event::Put(Put::Unclear)) => {
                self.asked = Asked::Next;
                self.read_later()
            }
            (Asked::Seen | Asked::Taken | Asked::Next, Event::ReadFailed) => self.read_later(),
            (Asked::Seen, Event::Read(Some(_))) => {
                self.at += 1;
                self.put()
            }
            (Asked::Next, Event::Read(None)) => self.put(),
            // The entry was there and is gone: the log has been cleaned past us, so what others did cannot be known.
            (Asked::Seen | Asked::Taken, Event::Read(None)) => {
                self.lost = self.held.union(&self.writes).copied().collect();
                self.lost_end()
            }
            (Asked::Taken | Asked::Next, Event::Read(Some(entry))) => self.meet(&entry),
            (asked, event) => panic!("I-3: asked {asked:?}, told {event:?}"),
        }
    }

    fn meet(&mut self, entry: &Entry) -> Do {
        if entry.attempt == Some(self.id) {
            return self.done();
        }
        let ours = |partition: &&Partition| self.held.contains(partition) || self.writes.contains(partition);
        self.lost.extend(entry.touches.iter().filter(ours));
        if !self.lost.is_disjoint(&self.writes) {
            return self.lost_end();
        }
        self.at += 1;
        self.asked = Asked::Next;
        Do::Read { version: self.at, wait: Duration::ZERO }
    }

    fn put(&mut self) -> Do {
        self.asked = Asked::Put;
        Do::Put { version: self.at }
    }

    fn read_later(&mut self) -> Do {
        match self.retries.next_wait() {
            Some(wait) => Do::Read { version: self.at, wait },
            None => Do::End(Outcome::InDoubt),
        }
    }

    fn done(&self) -> Do {
        Do::End(Outcome::Done { version: self.at, lost: self.lost.clone() })
    }

    fn lost_end(&self) -> Do {
        Do::End(Outcome::Lost { lost: self.lost.clone(), seen: self.at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: AttemptId = AttemptId(1);

    fn partitions(numbers: &[u32]) -> BTreeSet<Partition> {
        numbers.iter().copied().map(Partition::new).collect()
    }

    fn entry(attempt: u128, touches: &[u32]) -> Event {
        Event::Read(Some(Entry { attempt: Some(AttemptId(attempt)), touches: partitions(touches) }))
    }

    /// Plays `events` against an attempt that writes partition 0 and holds 0 and 1, having seen version 4; the last thing to do.
    fn check(events: &[Event], expected: &str) {
        let (mut attempt, mut next) =
            Attempt::start(ME, partitions(&[0]), partitions(&[0, 1]), 4, Retries::at_once(1));
        for event in events {
            assert!(!matches!(next, Do::End(_)), "ended before {event:?}");
            next = attempt.on(event.clone());
        }
        let text = match next {
            Do::Put { version, .. } => format!("put {version}"),
            Do::Read { version, .. } => format!("read {version}"),
            Do::End(Outcome::Done { version, lost }) => format!("done {version} lost {}", list(&lost)),
            Do::End(Outcome::Lost { lost, seen }) => format!("lost {} seen {seen}", list(&lost)),
            Do::End(Outcome::InDoubt) => "in doubt".to_owned(),
        };
        assert_eq!(text, expected, "{events:?}");
    }

    fn list(partitions: &BTreeSet<Partition>) -> String {
        partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn what_follows_what() {
        use Event::{Put as P, Read, ReadFailed};
        let seen = entry(9, &[0, 1]);
        check(&[], "read 4");
        check(std::slice::from_ref(&seen), "put 5");
        check(&[seen.clone(), P(Put::Applied)], "done 5 lost ");
        check(&[Read(None)], "lost 0,1 seen 4");
        check(&[ReadFailed], "read 4");
        check(&[ReadFailed, ReadFailed], "in doubt");

        let taken = [seen.clone(), P(Put::Taken)];
        let after = |more: &[Event]| [&taken[..], more].concat();
        check(&taken, "read 5");
        check(&after(&[entry(1, &[0])]), "done 5 lost ");
        check(&after(&[entry(2, &[0])]), "lost 0 seen 5");
        check(&after(&[entry(2, &[0, 1, 7])]), "lost 0,1 seen 5");
        check(&after(&[entry(2, &[7])]), "read 6");
        check(&after(&[entry(2, &[1])]), "read 6");
        check(&after(&[Read(None)]), "lost 0,1 seen 5");
        check(&after(&[entry(2, &[1]), Read(None)]), "put 6");
        check(&after(&[entry(2, &[1]), Read(None), P(Put::Applied)]), "done 6 lost 1");
        check(&after(&[entry(2, &[1]), entry(3, &[0])]), "lost 0,1 seen 6");
        check(&after(&[Read(Some(Entry { attempt: None, touches: partitions(&[]) })), Read(None)]), "put 6");

        let unclear = [seen, P(Put::Unclear)];
        let after = |more: &[Event]| [&unclear[..], more].concat();
        check(&unclear, "read 5");
        check(&after(&[entry(1, &[0])]), "done 5 lost ");
        check(&after(&[Read(None)]), "put 5");
        check(&after(&[entry(2, &[0])]), "lost 0 seen 5");
        check(&after(&[Read(None), P(Put::Unclear)]), "in doubt");
        check(&after(&[ReadFailed]), "in doubt");
    }

    #[test]
    fn an_attempt_in_doubt_reads_back_when_resumed() {
        let (mut attempt, _) = Attempt::start(ME, partitions(&[0]), partitions(&[0]), 4, Retries::at_once(0));
        attempt.on(entry(9, &[0]));
        assert_eq!(attempt.on(Event::Put(Put::Unclear)), Do::End(Outcome::InDoubt));
        assert_eq!(attempt.resume(), Do::Read { version: 5, wait: Duration::ZERO });
        let done = Outcome::Done { version: 5, lost: BTreeSet::new() };
        assert_eq!(attempt.on(entry(1, &[0])), Do::End(done));
    }

    #[test]
    fn a_crowd_cannot_keep_an_attempt_for_ever() {
        let (mut attempt, _) = Attempt::start(ME, partitions(&[0]), partitions(&[0]), 0, Retries::at_once(0));
        let mut next = attempt.on(entry(9, &[]));
        let mut puts = 0;
        while !matches!(next, Do::End(_)) {
            next = match next {
                Do::Put { .. } => {
                    puts += 1;
                    attempt.on(Event::Put(Put::Taken))
                }
                _ if puts > 0 && attempt.asked == Asked::Taken => attempt.on(entry(2, &[7])),
                _ => attempt.on(Event::Read(None)),
            };
        }
        assert_eq!((next, puts), (Do::End(Outcome::InDoubt), TAKEN_MAX + 1));
    }
}
