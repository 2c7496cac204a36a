//! Instants as microseconds since 1970-01-01T00:00:00Z, and the range a punch may claim.

use jiff::Timestamp;

/// An instant in UTC, in whole microseconds since the epoch. Any `i64` is an instant; whether a *punch* may claim it
/// is asked by [`EventTime::is_possible`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(i64);

/// 2200-01-01T00:00:00Z, the first instant no punch can claim.
const IMPOSSIBLE_FROM_US: i64 = 7_258_118_400_000_000;

impl EventTime {
    /// The instant `us` microseconds after the epoch.
    pub const fn from_us(us: i64) -> Self {
        Self(us)
    }

    /// The instant `ms` milliseconds after the epoch; saturates at the ends of the range.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    /// Microseconds since the epoch.
    pub const fn us(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    pub const fn ms(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whether a punch may claim this instant: 1970 to 2199 (contract, section 1).
    pub const fn is_possible(self) -> bool {
        self.0 >= 0 && self.0 < IMPOSSIBLE_FROM_US
    }

    /// This instant and `us` microseconds more; saturates.
    pub const fn plus_us(self, us: i64) -> Self {
        Self(self.0.saturating_add(us))
    }

    /// This instant and `seconds` more; saturates.
    pub const fn plus_s(self, seconds: i64) -> Self {
        self.plus_us(seconds.saturating_mul(1_000_000))
    }

    /// This instant and `minutes` more; saturates.
    pub const fn plus_min(self, minutes: i64) -> Self {
        self.plus_s(minutes.saturating_mul(60))
    }

    /// Microseconds from `earlier` to this instant; negative if this instant is the earlier one.
    pub const fn us_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The instant rounded down to the whole minute, as payroll reads a clock (09:15:59 is 09:15).
    pub const fn floor_minute(self) -> Self {
        Self(self.0 - self.0.rem_euclid(60_000_000))
    }

    /// As jiff's type, for calendar arithmetic. Instants beyond jiff's range (years −9999 to 9999) are clamped to it.
    pub fn timestamp(self) -> Timestamp {
        let us = self.0.clamp(Timestamp::MIN.as_microsecond(), Timestamp::MAX.as_microsecond());
        Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl From<Timestamp> for EventTime {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.as_microsecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_possible_range_is_1970_to_2199() {
        let at = |text: &str| EventTime::from(text.parse::<Timestamp>().unwrap());
        assert!(at("1970-01-01T00:00:00Z").is_possible());
        assert!(!at("1969-12-31T23:59:59.999999Z").is_possible());
        assert!(at("2199-12-31T23:59:59.999999Z").is_possible());
        assert!(!at("2200-01-01T00:00:00Z").is_possible());
    }

    #[test]
    fn minutes_are_rounded_down_on_both_sides_of_the_epoch() {
        assert_eq!(EventTime::from_us(59_999_999).floor_minute().us(), 0);
        assert_eq!(EventTime::from_us(-1).floor_minute().us(), -60_000_000);
    }
}
