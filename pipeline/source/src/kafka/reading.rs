//! One partition while it is read: its batch in the making, its position, and what was said of it.
//!
//! In: records in offset order, ends of the log.  Out: when a batch is full, when the end is reached, when it stalls.
//! Owns: the batch in the making.
//! Absent on purpose: the client, and the clock (instants are handed in).
//! Invariants: the position never goes back but by `begin`; a record before it is not taken again.

use std::time::{Duration, Instant};

use model::{EventTime, NextOffset, Offset, Partition};

use crate::log::BatchLimits;
use crate::raw_batch::{RawBatch, RawHeaders};

/// How often a partition that stays at its end says so again, in ms of the time it says.
const CAUGHT_UP_EVERY_MS: i64 = 100;

/// How long an end before our position is doubted before it is believed: a partition that has just got another leader
/// may answer with an older end for a moment.
const BEYOND_END_FOR: Duration = Duration::from_secs(5);

/// Where a partition stands between its assignment and its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Assigned by the group; nobody has said yet from where to read it.
    Announced,
    /// The look with this ticket will say whether the position lies within the log.
    Asked(u64),
    /// The client fetches it.
    Fetching,
}

/// What a record did to the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is in the batch.
    Yes,
    /// It lies before the position.
    Repeat,
}

/// The end of a partition as one look saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// The position behind the last record, those of open transactions included.
    pub(crate) next: i64,
    /// Everything with an append time up to here lies before `next`; unknown where the brokers do not tell their time.
    pub(crate) at: Option<EventTime>,
}

/// Whether a position lies within the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// It does, or the log began behind it and the gap is noted.
    Fits,
    /// It seems to lie beyond the end: look again.
    Doubtful,
    /// It lies beyond the end.
    Beyond,
}

#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) stage: Stage,
    pub(crate) pending: RawBatch,
    pub(crate) is_paused: bool,
    /// Whether the next jump of offsets may be a loss: the client has skipped damaged records somewhere.
    pub(crate) is_suspect: bool,
    /// The end as last seen.
    pub(crate) end: Option<End>,
    said: Option<(NextOffset, EventTime)>,
    /// When records were last taken, or the wait for them began.
    active_at: Instant,
    /// Since when, and at which position, the end seems to lie before us.
    beyond: Option<(Instant, i64)>,
}

impl Reading {
    pub(crate) fn new(partition: Partition, now: Instant) -> Self {
        let mut pending = RawBatch::new();
        pending.begin(partition, NextOffset::START);
        Self {
            stage: Stage::Announced,
            pending,
            is_paused: false,
            is_suspect: false,
            end: None,
            said: None,
            active_at: now,
            beyond: None,
        }
    }

    /// Begins at `next`, whatever was there before.
    pub(crate) fn begin(&mut self, next: NextOffset, ticket: u64, now: Instant) {
        self.pending.begin(self.pending.partition(), next);
        self.stage = Stage::Asked(ticket);
        self.is_suspect = false;
        self.end = None;
        self.said = None;
        self.beyond = None;
        self.active_at = now;
    }

    /// The position behind the last record taken.
    pub(crate) fn next(&self) -> NextOffset {
        self.pending.next()
    }

    /// Whether there is something to deliver: records, gaps, or offsets that are neither.
    pub(crate) fn has_news(&self) -> bool {
        self.pending.next() > self.pending.from()
    }

    pub(crate) fn is_full(&self, limits: BatchLimits) -> bool {
        self.pending.records() >= limits.records_max || self.pending.bytes() >= limits.bytes_max
    }

    /// Takes a record. Offsets that were jumped over are transaction markers and aborted records: no loss, for a log
    /// that is not compacted loses records at its beginning only, of which the client tells.
    pub(crate) fn take(
        &mut self,
        offset: Offset,
        append_time: Option<EventTime>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: RawHeaders<'_>,
    ) -> Taken {
        if self.pending.next().has_passed(offset) {
            return Taken::Repeat;
        }
        self.pass(position(offset.get()));
        self.pending.push(offset, append_time, key, value, headers);
        Taken::Yes
    }

    /// Moves the position over offsets that hold no record for us.
    pub(crate) fn pass(&mut self, next: NextOffset) {
        if next > self.pending.next() && self.is_suspect {
            self.is_suspect = false;
            self.pending.push_gap(next);
        } else {
            self.pending.pass_to(next);
        }
    }

    /// Hands the batch over into `into`, whose memory it takes in exchange.
    pub(crate) fn deliver(&mut self, into: &mut RawBatch) {
        std::mem::swap(&mut self.pending, into);
        self.pending.begin(into.partition(), into.next());
    }

    /// Notes that the partition is alive, or that nobody could see whether it is.
    pub(crate) fn touch(&mut self, now: Instant) {
        self.active_at = now;
    }

    /// Holds the position against the log's range. A beginning behind it is a gap, and a loss.
    pub(crate) fn hold_against(&mut self, begin: i64, end: i64, now: Instant) -> Range {
        let range = self.hold_against_end(end, now);
        if range == Range::Fits {
            self.pending.push_gap(position(begin));
        }
        range
    }

    /// Holds the position against the log's end as a look saw it, possibly before the position was reached.
    pub(crate) fn hold_against_end(&mut self, end: i64, now: Instant) -> Range {
        let next = self.next().get();
        match self.beyond {
            None if end >= next => Range::Fits,
            None => {
                self.beyond = Some((now, next));
                Range::Doubtful
            }
            Some((_, doubted)) if end >= doubted => {
                self.beyond = None;
                Range::Fits
            }
            Some((since, _)) if now.saturating_duration_since(since) >= BEYOND_END_FOR => Range::Beyond,
            Some(_) => Range::Doubtful,
        }
    }

    /// The time to say if the partition stands at its end and that is news.
    pub(crate) fn caught_up(&mut self) -> Option<(NextOffset, EventTime)> {
        let end = self.end?;
        let (next, at) = (self.next(), end.at?);
        let is_there =
            self.stage == Stage::Fetching && !self.is_paused && !self.has_news() && next.get() >= end.next;
        let is_news = self.said.is_none_or(|(said_next, said_at)| {
            at >= said_at && (next != said_next || at.ms().saturating_sub(said_at.ms()) >= CAUGHT_UP_EVERY_MS)
        });
        if !is_there || !is_news {
            return None;
        }
        self.said = Some((next, at));
        Some((next, at))
    }

    /// Whether the log holds offsets behind our position, as far as is known.
    pub(crate) fn is_behind(&self) -> bool {
        self.stage == Stage::Fetching && self.end.is_some_and(|end| self.next().get() < end.next)
    }

    /// Records behind the position.
    pub(crate) fn lag(&self) -> u64 {
        let end = self.end.map_or(0, |end| end.next);
        u64::try_from(end - self.pending.from().get()).unwrap_or(0)
    }

    /// Whether there is something to read and nothing came for `after`.
    pub(crate) fn is_stalled(&self, after: Duration, now: Instant) -> bool {
        self.is_behind()
            && !self.is_paused
            && !self.has_news()
            && now.saturating_duration_since(self.active_at) >= after
    }
}

/// The position before offset `value`; brokers count from 0, so a lower one is taken for the beginning.
pub(crate) fn position(value: i64) -> NextOffset {
    NextOffset::new(value).unwrap_or(NextOffset::START)
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
