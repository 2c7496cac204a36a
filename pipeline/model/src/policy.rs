//! A resolved policy: every key of the contract's `[[policy]]` tables with its value, for one scope and one date.

use crate::batch::named;
use crate::reference::CorrectionType;

/// Which kinds of evidence a punch must bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EvidenceRule {
    /// Whatever there is; trust falls from terminal, Wi-Fi, beacon to GPS.
    Any,
    /// At least one of the sets, each a conjunction: `wifi_and_gps_or_terminal` is {wifi, gps}, {terminal}. Bits as in
    /// [`crate::EvidenceSet`]; unused places are empty sets. `_and_` binds tighter than `_or_`.
    Sets([crate::verdict::EvidenceSet; 4]),
}

/// How a fix, its accuracy and the fence make a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FenceRule {
    /// inside d ≤ 0, outside d > r.
    Lenient,
    /// inside d ≤ t, else outside.
    Centre,
    /// inside d ≤ −a, outside d > r.
    Strict,
    /// inside if Φ(−d/σ) ≥ 0.95, outside if ≤ 0.05.
    Probability,
}

/// From where late minutes count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LateFrom {
    /// From the due start.
    Start,
    /// From the end of grace.
    GraceEnd,
}

/// What flexible time does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flex {
    /// Nothing.
    None,
    /// On time until start + flex, not early from end − flex.
    Forgive,
    /// Coming x ≤ flex late moves due start and due end by x.
    Slide,
}

/// What counts as overtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overtime {
    /// Nothing.
    Off,
    /// What was punched.
    Punched,
    /// What was approved.
    Approved,
    /// What was approved and punched.
    Both,
}

/// What of a shift on a rest day or a holiday is overtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OvertimeRestDay {
    /// What lies past its end, as on a workday.
    FromEnd,
    /// All of it: nobody is due on such a day.
    Whole,
}

/// How finely lateness is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LateResolution {
    /// As a clock without seconds shows it: 09:15:59 is 09:15.
    Minute,
    /// To the second: one second past grace is late, and begins a minute.
    Second,
}

/// Leaving late allows coming late: who left at `left_min` or later may come `excused_min` later on the day after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LateLeave {
    /// Minutes on the wall clock from the beginning of the earlier day on; beyond 1,440 on the day after.
    pub left_min: i64,
    /// Minutes; 0 = no rule.
    pub excused_min: i64,
}

/// A stretch of the wall clock, in minutes from midnight; it may pass midnight. Both equal = none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NightBand {
    /// Its first minute.
    pub from_min: i64,
    /// The minute behind its last.
    pub until_min: i64,
}

/// Whether a field punch needs a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldPhoto {
    /// It does.
    Required,
    /// It does not.
    Optional,
}

named! {
    FenceRule { Lenient = "lenient", Centre = "centre", Strict = "strict", Probability = "probability" }
    LateFrom { Start = "start", GraceEnd = "grace_end" }
    Flex { None = "none", Forgive = "forgive", Slide = "slide" }
    Overtime { Off = "off", Punched = "punched", Approved = "approved", Both = "both" }
    FieldPhoto { Required = "required", Optional = "optional" }
    OvertimeRestDay { FromEnd = "from_end", Whole = "whole" }
    LateResolution { Minute = "minute", Second = "second" }
}

/// Every key of a policy with its value. Defaults are the contract's.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// `evidence`
    pub evidence: EvidenceRule,
    /// `fence_rule`
    pub fence_rule: FenceRule,
    /// `tolerance_m`, metres ≥ 0; a site's own takes its place
    pub tolerance_m: f64,
    /// `accuracy_max_m`, metres > 0
    pub accuracy_max_m: f64,
    /// `wifi_age_max_ms`
    pub wifi_age_max_ms: u32,
    /// `field_radius_m`, metres > 0
    pub field_radius_m: f64,
    /// `field_photo`
    pub field_photo: FieldPhoto,
    /// `accept_before_min`, minutes ≥ 0
    pub accept_before_min: i64,
    /// `accept_after_min`, minutes ≥ 0
    pub accept_after_min: i64,
    /// `grace_in_min`, minutes ≥ 0
    pub grace_in_min: i64,
    /// `grace_out_min`, minutes ≥ 0
    pub grace_out_min: i64,
    /// `late_from`
    pub late_from: LateFrom,
    /// `serious_late_min`, late minutes, inclusive; 0 = off
    pub serious_late_min: i64,
    /// `late_as_absent_min`, late minutes, inclusive; 0 = off
    pub late_as_absent_min: i64,
    /// `no_show_after_min`, minutes after start + grace
    pub no_show_after_min: i64,
    /// `flex`
    pub flex: Flex,
    /// `flex_min`, minutes ≥ 0
    pub flex_min: i64,
    /// `debounce_s`, seconds ≥ 0
    pub debounce_s: i64,
    /// `settle_min`, minutes after the window's close
    pub settle_min: i64,
    /// `reminder_before_min`, minutes before the start
    pub reminder_before_min: i64,
    /// `rest_min_hours`; 0 = off
    pub rest_min_hours: i64,
    /// `consecutive_days_max`; 0 = off
    pub consecutive_days_max: i64,
    /// `overtime`
    pub overtime: Overtime,
    /// `overtime_after_min`, minutes past the due end
    pub overtime_after_min: i64,
    /// `overtime_min_min`, the shortest overtime that counts
    pub overtime_min_min: i64,
    /// `correction_count_max`, corrections that count in a business month; -1 = any number
    pub correction_count_max: i64,
    /// `correction_days_back_max`, days from the business date to the last approval; -1 = any number
    pub correction_days_back_max: i64,
    /// `correction_kinds`
    pub correction_kinds: CorrectionTypes,
    /// `overtime_max_min`, the longest overtime of a shift that counts; 0 = no end
    pub overtime_max_min: i64,
    /// `overtime_rest_day`
    pub overtime_rest_day: OvertimeRestDay,
    /// `late_resolution`
    pub late_resolution: LateResolution,
    /// `late_leave`, by `left_min`; unused places are behind
    pub late_leave: [LateLeave; 4],
    /// `hours_day_max`, hours worked a business date; 0 = off
    pub hours_day_max: i64,
    /// `hours_week_max`, hours worked a week from Sunday on; 0 = off
    pub hours_week_max: i64,
    /// `hours_warn_min`, minutes before either at which it is near; 0 = not told
    pub hours_warn_min: i64,
    /// `break_after_hours`, hours of work for which `break_deduct_min` are deducted; 0 = off
    pub break_after_hours: i64,
    /// `break_deduct_min`, minutes
    pub break_deduct_min: i64,
    /// `half_day_under_min`, minutes worked below which a shift is half a day; 0 = off
    pub half_day_under_min: i64,
    /// `night`, whose part of the work is told as `night_s`
    pub night: NightBand,
}

/// A set of types of corrections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorrectionTypes(u8);

impl CorrectionTypes {
    /// Every type.
    pub const ALL: Self = Self((1 << CorrectionType::ALL.len()) - 1);

    /// The types whose names stand in `text`, separated by `;`; `None` if one is no type, or there is none.
    pub fn parse(text: &str) -> Option<Self> {
        let one = |bits: u8, name: &str| Some(bits | 1 << CorrectionType::from_name(name.trim())? as u8);
        text.split(';').try_fold(0, one).map(Self)
    }

    /// Whether `one` is among them.
    pub const fn has(self, one: CorrectionType) -> bool {
        self.0 & 1 << one as u8 != 0
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            evidence: EvidenceRule::Any,
            fence_rule: FenceRule::Lenient,
            tolerance_m: 0.0,
            accuracy_max_m: 500.0,
            wifi_age_max_ms: 10_000,
            field_radius_m: 100.0,
            field_photo: FieldPhoto::Required,
            accept_before_min: 120,
            accept_after_min: 240,
            grace_in_min: 0,
            grace_out_min: 0,
            late_from: LateFrom::Start,
            serious_late_min: 60,
            late_as_absent_min: 0,
            no_show_after_min: 15,
            flex: Flex::None,
            flex_min: 0,
            debounce_s: 60,
            settle_min: 1_440,
            reminder_before_min: 15,
            rest_min_hours: 0,
            consecutive_days_max: 0,
            overtime: Overtime::Off,
            overtime_after_min: 30,
            overtime_min_min: 30,
            correction_count_max: -1,
            correction_days_back_max: -1,
            correction_kinds: CorrectionTypes::ALL,
            overtime_max_min: 0,
            overtime_rest_day: OvertimeRestDay::FromEnd,
            late_resolution: LateResolution::Minute,
            late_leave: [LateLeave::default(); 4],
            hours_day_max: 0,
            hours_week_max: 0,
            hours_warn_min: 60,
            break_after_hours: 0,
            break_deduct_min: 0,
            half_day_under_min: 0,
            night: NightBand::default(),
        }
    }
}
