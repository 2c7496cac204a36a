//! A broken rule with its evidence, and its life: firing, changed, resolved.

use std::fmt;
use std::sync::Arc;

use jiff::civil::Date;

use crate::batch::named;
use crate::event_id::EventId;
use crate::position::Cause;
use crate::time::EventTime;

/// Which rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnomalyKind {
    /// Came after grace.
    Late,
    /// Came later than the policy's second threshold.
    SeriousLate,
    /// Left before grace.
    EarlyLeave,
    /// Start, grace and waiting time passed with nothing bound and no leave.
    NoShow,
    /// The window closed with nothing bound and no leave.
    Absent,
    /// The window closed without an in.
    MissingIn,
    /// The window closed without an out.
    MissingOut,
    /// Punched outside every fence.
    Outside,
    /// Punched with no shift to bind to, though the person has shifts.
    Unscheduled,
    /// Punched at a permitted site other than the shift's.
    WrongStore,
    /// The phone says the fix was simulated.
    Mocked,
    /// Wi-Fi and GPS name different places.
    Contradiction,
    /// A device's clock contradicts its neighbours.
    ClockSuspect,
    /// A known person's record could not be taken.
    PunchRejected,
    /// Punches stopped arriving.
    IngestSilent,
    /// A leave, a permission or a correction waits for a decision.
    ApprovalPending,
    /// One that waited was approved, rejected or revoked.
    ApprovalDecided,
    /// Came to work with less rest since the last working day than the policy asks for.
    ShortRest,
    /// Worked more days in a row than the policy allows.
    RestDayMissed,
    /// A shift is about to begin, and the person is not there.
    Reminder,
    /// At work, and about to have worked as long as the policy allows in a day or a week.
    HoursNear,
    /// Worked longer than the policy allows in a day or a week.
    HoursExceeded,
    /// Too many of those due at a site have not come.
    AbsenceRate,
    /// Two fixes of one person are farther apart than anybody travels in that time.
    ImpossibleTravel,
    /// Several people punched on one device in short order, and it is no kiosk.
    SharedDevice,
    /// A phone's fix was the same to the last digit on many days.
    FrozenFix,
    /// Fixes of a site's people lie beside its fence.
    SiteDrift,
    /// A listed access point is seen far from its site.
    AccessPointMoved,
    /// At a site, those who come in the same quarter of an hour are often late.
    LateHotspot,
    /// A device's clock is off.
    DeviceClock,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// To know.
    Info,
    /// Routine.
    Low,
    /// To look at today.
    Medium,
    /// To act on now.
    High,
}

/// Who may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// The person's managers and the person.
    ManagerAndEmployee,
    /// The managers.
    Manager,
    /// The person.
    Employee,
    /// A reviewer only; never shown as guilt.
    Reviewer,
    /// Those who run the system.
    Operations,
}

/// Whether it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnomalyState {
    /// It does.
    Firing,
    /// It no longer does.
    Resolved,
}

named! {
    AnomalyKind {
        Late = "late", SeriousLate = "serious_late", EarlyLeave = "early_leave", NoShow = "no_show",
        Absent = "absent", MissingIn = "missing_in", MissingOut = "missing_out", Outside = "outside",
        Unscheduled = "unscheduled", WrongStore = "wrong_store", Mocked = "mocked", Contradiction = "contradiction",
        ClockSuspect = "clock_suspect", PunchRejected = "punch_rejected", IngestSilent = "ingest_silent",
        ApprovalPending = "approval_pending", ApprovalDecided = "approval_decided",
        ShortRest = "short_rest", RestDayMissed = "rest_day_missed", Reminder = "reminder", HoursNear = "hours_near",
        HoursExceeded = "hours_exceeded",
        AbsenceRate = "absence_rate", ImpossibleTravel = "impossible_travel", SharedDevice = "shared_device",
        FrozenFix = "frozen_fix", SiteDrift = "site_drift", AccessPointMoved = "access_point_moved",
        LateHotspot = "late_hotspot", DeviceClock = "device_clock"
    }
    Severity { Info = "info", Low = "low", Medium = "medium", High = "high" }
    Audience {
        ManagerAndEmployee = "manager,employee", Manager = "manager", Employee = "employee", Reviewer = "reviewer",
        Operations = "operations"
    }
    AnomalyState { Firing = "firing", Resolved = "resolved" }
}

impl AnomalyKind {
    /// Whether judging one person's shifts and punches finds anomalies of this kind, and so may find that one no longer
    /// holds. All others are said, and taken back, by whoever alone can see them.
    pub const fn is_judged(self) -> bool {
        match self {
            Self::Late
            | Self::SeriousLate
            | Self::EarlyLeave
            | Self::NoShow
            | Self::Absent
            | Self::MissingIn
            | Self::MissingOut
            | Self::Outside
            | Self::Unscheduled
            | Self::WrongStore
            | Self::Mocked
            | Self::Contradiction
            | Self::ClockSuspect
            | Self::ShortRest
            | Self::RestDayMissed
            | Self::Reminder
            | Self::HoursNear
            | Self::HoursExceeded => true,
            Self::PunchRejected
            | Self::IngestSilent
            | Self::ApprovalPending
            | Self::ApprovalDecided
            | Self::AbsenceRate
            | Self::ImpossibleTravel
            | Self::SharedDevice
            | Self::FrozenFix
            | Self::SiteDrift
            | Self::AccessPointMoved
            | Self::LateHotspot
            | Self::DeviceClock => false,
        }
    }

    /// Whether rules in SQL find anomalies of this kind, and take them back.
    pub const fn is_ruled(self) -> bool {
        matches!(
            self,
            Self::AbsenceRate
                | Self::ImpossibleTravel
                | Self::SharedDevice
                | Self::FrozenFix
                | Self::SiteDrift
                | Self::AccessPointMoved
                | Self::LateHotspot
                | Self::DeviceClock
        )
    }

    /// Who may see anomalies of this kind (contract, section 4).
    pub const fn audience(self) -> Audience {
        match self {
            Self::Late
            | Self::SeriousLate
            | Self::EarlyLeave
            | Self::NoShow
            | Self::Absent
            | Self::MissingIn
            | Self::MissingOut
            | Self::Outside
            | Self::PunchRejected
            | Self::ShortRest
            | Self::RestDayMissed
            | Self::HoursNear
            | Self::HoursExceeded => Audience::ManagerAndEmployee,
            Self::Reminder | Self::ApprovalDecided => Audience::Employee,
            Self::Unscheduled
            | Self::WrongStore
            | Self::IngestSilent
            | Self::ApprovalPending
            | Self::AbsenceRate
            | Self::LateHotspot => Audience::Manager,
            Self::Mocked
            | Self::Contradiction
            | Self::ImpossibleTravel
            | Self::SharedDevice
            | Self::FrozenFix => Audience::Reviewer,
            Self::ClockSuspect | Self::SiteDrift | Self::AccessPointMoved | Self::DeviceClock => {
                Audience::Operations
            }
        }
    }

    /// How much anomalies of this kind matter (research/domain.md, section 2.3).
    pub const fn severity(self) -> Severity {
        match self {
            Self::NoShow | Self::Absent | Self::SeriousLate | Self::IngestSilent | Self::AbsenceRate => {
                Severity::High
            }
            Self::Outside | Self::MissingIn | Self::MissingOut | Self::PunchRejected | Self::Mocked => {
                Severity::Medium
            }
            Self::Contradiction
            | Self::Unscheduled
            | Self::ClockSuspect
            | Self::ImpossibleTravel
            | Self::SharedDevice
            | Self::FrozenFix
            | Self::SiteDrift
            | Self::AccessPointMoved
            | Self::DeviceClock
            | Self::ShortRest
            | Self::RestDayMissed
            | Self::HoursNear
            | Self::HoursExceeded => Severity::Medium,
            Self::LateHotspot | Self::Reminder | Self::ApprovalDecided => Severity::Info,
            Self::Late | Self::EarlyLeave | Self::WrongStore | Self::ApprovalPending => Severity::Low,
        }
    }
}

/// The identity of an anomaly: the first 128 bits of SHA-256 over kind, employee (else device, site, org), shift (else business
/// date), separated by 0x1f. Never made from the time of detection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnomalyId(pub [u8; 16]);

impl AnomalyId {
    /// 32 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let bits = (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok())??;
        Some(Self(bits.to_be_bytes()))
    }
}

impl fmt::Display for AnomalyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for AnomalyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is wrong, at one clock: an anomaly less version, state and cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Its identity.
    pub id: AnomalyId,
    /// The broken rule.
    pub kind: AnomalyKind,
    /// The person, where it is about one.
    pub employee_id: Option<Arc<str>>,
    /// The site: the shift's, else the punch's, else the person's home.
    pub site_id: Option<Arc<str>>,
    /// The org of that site, else of the person; may be empty.
    pub org: Arc<str>,
    /// The day it counts for.
    pub business_date: Date,
    /// The shift instance, where it is about one.
    pub shift_id: Option<Arc<str>>,
    /// The device, where it is about one.
    pub device_id: Option<Arc<str>>,
    /// The punches that show it, sorted; of an approval the request, `leave/ID` or `correction/ID`.
    pub event_ids: Vec<EventId>,
    /// How many minutes, for kinds that have minutes.
    pub minutes: Option<i64>,
    /// When the first of it happened: the punch, or the instant the timer stood for.
    pub first_at: EventTime,
    /// When the last of it happened.
    pub last_at: EventTime,
}

impl Finding {
    /// Whom or what it is about: the key whose partition's owner says it.
    pub fn subject(&self) -> &str {
        let keys = [&self.employee_id, &self.device_id, &self.site_id];
        keys.into_iter().find_map(Option::as_deref).unwrap_or(&self.org)
    }
}

/// One version of an anomaly, as said.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// 1 for the first version; the latest is what holds.
    pub version: i64,
    /// Whether it holds.
    pub state: AnomalyState,
    /// What is wrong (for a resolved one, what last was).
    pub finding: Finding,
    /// The log clock at which this version was said.
    pub detected_at: EventTime,
    /// What resolved it: `punch`, `leave`, `correction`, `decision`, `superseded`, `reference`, `rule`.
    pub resolved_by: Option<&'static str>,
    /// The leave or the correction that resolved it.
    pub resolved_ref: Option<Arc<str>>,
    /// What made Muster say it.
    pub cause: Cause,
}
