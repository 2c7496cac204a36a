//! What happens to a person on a day: which of the planted stories it is, and what everything planned for it is called.

use model::{EventTime, Kind, RejectCode};

use crate::spec::STORIES;

/// What happens to a duty. The stories exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    /// In before the start, out after the end.
    OnTime,
    /// Comes late.
    Late,
    /// Comes very late.
    SeriousLate,
    /// Leaves early.
    EarlyLeave,
    /// Does not come.
    Absent,
    /// Is on leave, approved the day before.
    LeaveBefore,
    /// Is on leave, approved after the no-show fired.
    LeaveAfter,
    /// Is on leave for the first hours.
    LeavePartial,
    /// Forgets the in.
    MissingIn,
    /// Forgets the out.
    MissingOut,
    /// Forgets the out; a correction mends it before the window closes.
    CorrectedOut,
    /// Forgets the out; a correction mends it after the window closed.
    CorrectedOutLater,
    /// Comes late; a correction forgives it.
    CorrectedLate,
    /// Punches once far from every store.
    Outside,
    /// Punches once with a fix that the phone calls simulated.
    Mocked,
    /// Punches once with Wi-Fi and a fix that name different places.
    Contradiction,
    /// Works at another permitted store than the shift's.
    WrongStore,
    /// Also punches hours away from any shift.
    Unscheduled,
    /// The in arrives after the out.
    OfflineIn,
    /// The out arrives hours late.
    OfflineOut,
    /// Punches twice within a minute.
    Repunch,
    /// The terminal's clock is months behind at the out.
    ClockBehind,
    /// The device's clock is years ahead at the out.
    ClockAhead,
}

impl Story {
    /// The stories drawn by their shares, in the order of `Shares::named`.
    pub(crate) const PLANTED: [Self; STORIES] = [
        Self::Late,
        Self::SeriousLate,
        Self::EarlyLeave,
        Self::Absent,
        Self::LeaveBefore,
        Self::LeaveAfter,
        Self::LeavePartial,
        Self::MissingIn,
        Self::MissingOut,
        Self::CorrectedOut,
        Self::CorrectedOutLater,
        Self::CorrectedLate,
        Self::Outside,
        Self::Mocked,
        Self::Contradiction,
        Self::WrongStore,
        Self::Unscheduled,
        Self::OfflineIn,
        Self::OfflineOut,
        Self::Repunch,
        Self::ClockBehind,
    ];

    /// Whether it happens to the whole day rather than to one part of a split one.
    pub(crate) const fn is_of_the_day(self) -> bool {
        matches!(
            self,
            Self::Absent | Self::LeaveBefore | Self::LeaveAfter | Self::WrongStore | Self::Unscheduled
        )
    }

    /// Whether it needs a phone that tells where it is.
    pub(crate) const fn needs_a_fix(self) -> bool {
        matches!(self, Self::Outside | Self::Mocked | Self::Contradiction)
    }
}

/// How a punch's evidence comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// At the store, with whatever the device then reports: usually enough, sometimes nothing.
    AtStore,
    /// At the store, with evidence that names it beyond doubt.
    Certain,
    /// At the store's first time clock.
    Clock,
    /// Far from every store.
    Away,
    /// At the store, by a fix that the phone calls simulated.
    Simulated,
    /// The store's Wi-Fi, and a fix far away.
    Torn,
}

/// What is wrong with a record that is no punch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Its text ends in the middle.
    Truncated,
    /// A number stands where a text belongs.
    WrongType,
    /// The kind is none of the contract's.
    UnknownKind,
    /// It has no `event_id`.
    MissingField,
    /// A coordinate is the text `NaN`.
    NanCoordinates,
    /// A latitude is beyond the pole.
    FarCoordinates,
    /// It says year 9999.
    Year9999,
    /// It says 1969.
    Year1969,
    /// It has no value.
    NullValue,
    /// Its bytes are no UTF-8.
    NotUtf8,
    /// It has a megabyte.
    TooLarge,
}

impl Flaw {
    /// Every flaw.
    pub(crate) const ALL: [Self; 11] = [
        Self::Truncated,
        Self::WrongType,
        Self::UnknownKind,
        Self::MissingField,
        Self::NanCoordinates,
        Self::FarCoordinates,
        Self::Year9999,
        Self::Year1969,
        Self::NullValue,
        Self::NotUtf8,
        Self::TooLarge,
    ];

    /// The code under which it must be rejected (contract, section 1).
    pub(crate) const fn code(self) -> RejectCode {
        match self {
            Self::Truncated => RejectCode::NotJson,
            Self::WrongType | Self::UnknownKind => RejectCode::WrongType,
            Self::MissingField => RejectCode::MissingField,
            Self::NanCoordinates | Self::FarCoordinates => RejectCode::BadCoordinates,
            Self::Year9999 | Self::Year1969 => RejectCode::TimeImpossible,
            Self::NullValue => RejectCode::NullValue,
            Self::NotUtf8 => RejectCode::NotUtf8,
            Self::TooLarge => RejectCode::TooLarge,
        }
    }
}

/// What a planned record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A punch at (or for) that store.
    Punch(Scene),
    /// A punch of somebody who is not in the reference data.
    Stranger,
    /// The bytes of the record with that ordinal again.
    Again(u8),
    /// The id of the record with that ordinal with other content.
    Conflict(u8),
    /// No punch.
    Bad(Flaw),
}

/// One record as planned, before its evidence is sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Planned {
    /// Its number among the person's records of the day.
    pub(crate) ordinal: u8,
    /// What it is.
    pub(crate) what: What,
    /// What the person says it is.
    pub(crate) kind: Kind,
    /// The store where it is made.
    pub(crate) store: u32,
    /// What the device's clock says.
    pub(crate) occurred_at: EventTime,
    /// When the log gets it.
    pub(crate) arrival: EventTime,
}

/// Leave as planned; always approved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PlannedLeave {
    /// Its first instant.
    pub(crate) from: EventTime,
    /// The first instant after it.
    pub(crate) until: EventTime,
    /// When it takes effect.
    pub(crate) approved_at: EventTime,
}

impl PlannedLeave {
    /// Whether it is in force and covers `time` when the log's clock stands at `time`.
    pub(crate) fn excuses(&self, time: EventTime) -> bool {
        self.approved_at <= time && self.from <= time && time < self.until
    }
}

/// A correction as planned; always approved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PlannedCorrection {
    /// The part of the day it names.
    pub(crate) segment: u8,
    /// Which end it replaces: in or out.
    pub(crate) kind: Kind,
    /// The instant it puts in place.
    pub(crate) occurred_at: EventTime,
    /// When it takes effect.
    pub(crate) approved_at: EventTime,
}

/// A person's whole day.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// The records, by ordinal.
    pub(crate) records: Vec<Planned>,
    /// Leave.
    pub(crate) leave: Option<PlannedLeave>,
    /// A correction.
    pub(crate) correction: Option<PlannedCorrection>,
}
