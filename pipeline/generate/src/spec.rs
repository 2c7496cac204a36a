//! What is asked for: how large a chain, over which days, how noisy its evidence, and what share of everything wrong.
//!
//! In: numbers from the command line or a test.  Out: a checked [`Spec`].  Owns: nothing.
//! Invariants: a spec that passes [`Spec::check`] can be generated, kept by the limits named here.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Most stores a chain may have: the addresses of their access points are numbered in 20 bits.
pub const STORES_MAX: u32 = 131_072;
/// Most people a chain may employ: their ids have seven digits.
pub const EMPLOYEES_MAX: u32 = 9_999_999;
/// Most days generated in one go.
pub const DAYS_MAX: u16 = 366;

/// A chain and the days its people punch. The same spec gives the same bytes on every machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// From which everything random follows.
    pub seed: u64,
    /// How many stores; 1 to [`STORES_MAX`].
    pub stores: u32,
    /// How many people; 1 to [`EMPLOYEES_MAX`].
    pub employees: u32,
    /// How many business dates; 1 to [`DAYS_MAX`].
    pub days: u16,
    /// The first business date.
    pub first_day: Date,
    /// The IANA zone of every store's wall clock.
    pub time_zone: String,
    /// How many stores one city has at most. The first city is Hong Kong, with its real districts; further ones are
    /// made up.
    pub stores_per_city: u32,
    /// Days of seven on which a person works; 1 to 7. Everybody's day of rest is another one.
    pub days_per_week: u8,
    /// How unequal stores are: the store of rank k has a staff in proportion to k to the power of minus this.
    pub zipf_exponent: f64,
    /// How much goes wrong.
    pub shares: Shares,
    /// What devices report.
    pub noise: Noise,
}

/// What share of duties (person × shift) or of records is wrong in which way. All are probabilities.
///
/// The kinds of a duty exclude each other. Besides these, lateness of a minute or two and a few fixes outside come
/// from the ordinary noise; the ledger has them all. The default is that nothing goes wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shares {
    /// Duties begun 1 to 57 minutes after grace.
    pub late: f64,
    /// Duties begun 62 to 150 minutes after the start.
    pub serious_late: f64,
    /// Duties left 5 to 120 minutes early.
    pub early_leave: f64,
    /// Duties nobody came to.
    pub absent: f64,
    /// Duties on leave that was approved the day before.
    pub leave_before: f64,
    /// Duties on leave that was approved only after the no-show fired, and resolves it.
    pub leave_after: f64,
    /// Duties whose first hours are on leave.
    pub leave_partial: f64,
    /// Duties without an in.
    pub missing_in: f64,
    /// Duties without an out.
    pub missing_out: f64,
    /// Duties without an out that a correction mends before the window closes.
    pub corrected_out: f64,
    /// Duties without an out that a correction mends after `missing_out` has fired.
    pub corrected_out_later: f64,
    /// Late duties that a correction forgives hours later.
    pub corrected_late: f64,
    /// Duties with one punch far from every store.
    pub outside: f64,
    /// Duties with one punch whose fix the phone calls simulated.
    pub mocked: f64,
    /// Duties with one punch whose Wi-Fi and fix name different places.
    pub contradiction: f64,
    /// Duties punched at another permitted store than the shift's, of the people who have one.
    pub wrong_store: f64,
    /// Duties whose person also punches hours away from any shift; and days off (in chains of several days).
    pub unscheduled: f64,
    /// Duties whose in arrives hours late, after the out: the phone was offline.
    pub offline_in: f64,
    /// Duties whose out arrives hours late.
    pub offline_out: f64,
    /// Duties with the in or the out punched twice within a minute.
    pub repunch: f64,
    /// Duties whose out comes from a terminal with a clock months behind, of the people who use terminals.
    pub clock_behind: f64,
    /// Duties whose out comes from a device with a clock years ahead (at most [`CLOCKS_AHEAD_MAX`] in all).
    pub clock_ahead: f64,
    /// Duties with a further punch of somebody who is not in the reference data.
    pub unknown_employee: f64,
    /// Punches by terminal whose terminal is not listed at its site.
    pub terminal_unlisted: f64,
    /// Punches followed by the same bytes again.
    pub duplicate: f64,
    /// Punches followed by a record of the same id with other content.
    pub duplicate_conflict: f64,
    /// Punches preceded by a record that is no punch, of eleven kinds in equal parts.
    pub bad: f64,
    /// People who declined location.
    pub location_declined: f64,
    /// People who may also punch at a second store, and work there on some days.
    pub multi_store: f64,
}

/// Most devices with a clock years ahead. Each lies 40 days nearer than the one before, so that none confirms another.
pub const CLOCKS_AHEAD_MAX: u32 = 1_000;

/// What stores have and what devices report.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    /// Share of stores with another shop of the chain 40 to 100 m away.
    pub sister_share: f64,
    /// Share of stores with time clocks on the wall.
    pub terminal_share: f64,
    /// Share of stores with a shared tablet.
    pub kiosk_share: f64,
    /// Share of stores with beacons.
    pub beacon_share: f64,
    /// Share of access points that are listed as a block of sixteen addresses.
    pub block_share: f64,
    /// Share of stores whose outline is a polygon; a fifth of these has two parts, a third has a hole.
    pub polygon_share: f64,
    /// Share of stores whose point is told in GCJ-02.
    pub site_gcj02_share: f64,
    /// Share of stores with a tolerance of their own, 20 m.
    pub tolerance_share: f64,
    /// Share of phones that run iOS (no scan: only the network they are connected to).
    pub ios_share: f64,
    /// Share of phones that tell fixes in GCJ-02.
    pub phone_gcj02_share: f64,
    /// Share of phone punches with a fix.
    pub fix_share: f64,
    /// Share of phone punches with Wi-Fi on and a listed access point in sight.
    pub wifi_share: f64,
    /// Share of scans with entries seen too long ago.
    pub stale_share: f64,
    /// Share of fixes whose accuracy is not told.
    pub accuracy_missing_share: f64,
    /// Share of fixes that are no use: negative or very large accuracy.
    pub accuracy_poor_share: f64,
    /// Median of the accuracy radius in metres; log-normal.
    pub accuracy_median_m: f64,
    /// Standard deviation of the logarithm of the accuracy radius.
    pub accuracy_spread: f64,
    /// Mean delay from phone to log in seconds; exponential, at most [`LATENCY_MAX_S`].
    pub latency_mean_s: f64,
    /// Mean of each of the two waits that make up how many minutes before the start people come.
    pub early_wait_mean_min: f64,
}

/// Longest ordinary delay from phone to log, seconds.
pub const LATENCY_MAX_S: f64 = 8.0;

impl Spec {
    /// The chain of `muster demo`: 200 stores in Hong Kong, 5,000 people, one day.
    pub fn demo() -> Self {
        Self {
            seed: 1,
            stores: 200,
            employees: 5_000,
            days: 1,
            first_day: Date::constant(2026, 11, 2),
            time_zone: "Asia/Hong_Kong".to_owned(),
            stores_per_city: 1_500,
            days_per_week: 6,
            zipf_exponent: 0.6,
            shares: Shares::typical(),
            noise: Noise::default(),
        }
    }

    /// Whether the chain can be generated.
    pub fn check(&self) -> Result<TimeZone, SpecError> {
        let within = |what, value: u64, max: u64| match value {
            1.. if value <= max => Ok(()),
            _ => Err(SpecError::OutOfRange { what, value, max }),
        };
        within("stores", self.stores.into(), STORES_MAX.into())?;
        within("employees", self.employees.into(), EMPLOYEES_MAX.into())?;
        within("days", self.days.into(), DAYS_MAX.into())?;
        within("stores_per_city", self.stores_per_city.into(), STORES_MAX.into())?;
        within("days_per_week", self.days_per_week.into(), 7)?;
        for (name, share) in self.shares.named().into_iter().chain(self.noise.named_shares()) {
            if !(0.0..=1.0).contains(&share) {
                return Err(SpecError::BadNumber { what: name, from: 0.0, until: 1.0 });
            }
        }
        for (what, value, from, until) in [
            ("zipf_exponent", self.zipf_exponent, 0.0, 3.0),
            ("accuracy_median_m", self.noise.accuracy_median_m, 1.0, 200.0),
            ("accuracy_spread", self.noise.accuracy_spread, 0.0, 2.0),
            ("latency_mean_s", self.noise.latency_mean_s, 0.0, LATENCY_MAX_S),
            ("early_wait_mean_min", self.noise.early_wait_mean_min, 0.1, 10.0),
        ] {
            if !(from..=until).contains(&value) {
                return Err(SpecError::BadNumber { what, from, until });
            }
        }
        if self.shares.of_duties().iter().sum::<f64>() > 1.0 {
            return Err(SpecError::TooMuchWrong);
        }
        TimeZone::get(&self.time_zone).map_err(|_| SpecError::UnknownZone(self.time_zone.clone()))
    }
}

/// How many of the shares exclude each other: the first ones of [`Shares::named`].
pub(crate) const STORIES: usize = 21;

impl Shares {
    /// What a large chain may see, with everything rare made frequent enough to be seen in a day.
    pub const fn typical() -> Self {
        Self {
            late: 0.05,
            serious_late: 0.006,
            early_leave: 0.012,
            absent: 0.008,
            leave_before: 0.02,
            leave_after: 0.003,
            leave_partial: 0.004,
            missing_in: 0.005,
            missing_out: 0.008,
            corrected_out: 0.004,
            corrected_out_later: 0.002,
            corrected_late: 0.002,
            outside: 0.008,
            mocked: 0.003,
            contradiction: 0.002,
            wrong_store: 0.02,
            unscheduled: 0.004,
            offline_in: 0.005,
            offline_out: 0.006,
            repunch: 0.015,
            clock_behind: 0.002,
            clock_ahead: 0.000_6,
            unknown_employee: 0.001,
            terminal_unlisted: 0.002,
            duplicate: 0.005,
            duplicate_conflict: 0.000_5,
            bad: 0.003,
            location_declined: 0.005,
            multi_store: 0.1,
        }
    }

    /// The shares of duties that exclude each other, in the order of `Story::PLANTED`.
    pub(crate) fn of_duties(&self) -> [f64; STORIES] {
        let named = self.named();
        std::array::from_fn(|place| named[place].1)
    }

    pub(crate) const fn named(&self) -> [(&'static str, f64); STORIES + 8] {
        [
            ("late", self.late),
            ("serious_late", self.serious_late),
            ("early_leave", self.early_leave),
            ("absent", self.absent),
            ("leave_before", self.leave_before),
            ("leave_after", self.leave_after),
            ("leave_partial", self.leave_partial),
            ("missing_in", self.missing_in),
            ("missing_out", self.missing_out),
            ("corrected_out", self.corrected_out),
            ("corrected_out_later", self.corrected_out_later),
            ("corrected_late", self.corrected_late),
            ("outside", self.outside),
            ("mocked", self.mocked),
            ("contradiction", self.contradiction),
            ("wrong_store", self.wrong_store),
            ("unscheduled", self.unscheduled),
            ("offline_in", self.offline_in),
            ("offline_out", self.offline_out),
            ("repunch", self.repunch),
            ("clock_behind", self.clock_behind),
            ("clock_ahead", self.clock_ahead),
            ("unknown_employee", self.unknown_employee),
            ("terminal_unlisted", self.terminal_unlisted),
            ("duplicate", self.duplicate),
            ("duplicate_conflict", self.duplicate_conflict),
            ("bad", self.bad),
            ("location_declined", self.location_declined),
            ("multi_store", self.multi_store),
        ]
    }
}

impl Default for Noise {
    fn default() -> Self {
        Self {
            sister_share: 0.06,
            terminal_share: 0.15,
            kiosk_share: 0.1,
            beacon_share: 0.2,
            block_share: 0.15,
            polygon_share: 0.2,
            site_gcj02_share: 0.02,
            tolerance_share: 0.05,
            ios_share: 0.4,
            phone_gcj02_share: 0.02,
            fix_share: 0.93,
            wifi_share: 0.7,
            stale_share: 0.1,
            accuracy_missing_share: 0.01,
            accuracy_poor_share: 0.005,
            accuracy_median_m: 12.0,
            accuracy_spread: 0.7,
            latency_mean_s: 1.2,
            early_wait_mean_min: 2.6,
        }
    }
}

impl Noise {
    fn named_shares(&self) -> [(&'static str, f64); 15] {
        [
            ("sister_share", self.sister_share),
            ("terminal_share", self.terminal_share),
            ("kiosk_share", self.kiosk_share),
            ("beacon_share", self.beacon_share),
            ("block_share", self.block_share),
            ("polygon_share", self.polygon_share),
            ("site_gcj02_share", self.site_gcj02_share),
            ("tolerance_share", self.tolerance_share),
            ("ios_share", self.ios_share),
            ("phone_gcj02_share", self.phone_gcj02_share),
            ("fix_share", self.fix_share),
            ("wifi_share", self.wifi_share),
            ("stale_share", self.stale_share),
            ("accuracy_missing_share", self.accuracy_missing_share),
            ("accuracy_poor_share", self.accuracy_poor_share),
        ]
    }
}

/// Why a chain cannot be generated.
#[derive(Clone, Debug, PartialEq)]
pub enum SpecError {
    /// A number is 0 or too large.
    OutOfRange {
        /// The field.
        what: &'static str,
        /// Its value.
        value: u64,
        /// Its largest possible value.
        max: u64,
    },
    /// A share is no probability, or another number is not in its range.
    BadNumber {
        /// The field.
        what: &'static str,
        /// Its smallest possible value.
        from: f64,
        /// Its largest possible value.
        until: f64,
    },
    /// The shares of duties that exclude each other sum to more than 1.
    TooMuchWrong,
    /// The zone is not in the IANA database.
    UnknownZone(String),
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { what, value, max } => write!(f, "{what} is {value}: give 1 to {max}"),
            Self::BadNumber { what, from, until } => {
                write!(f, "{what} is out of range: give {from} to {until}")
            }
            Self::TooMuchWrong => f.write_str("the shares of duties sum to more than 1: lower some"),
            Self::UnknownZone(zone) => {
                write!(f, "time zone {zone} is unknown: give an IANA name, Asia/Hong_Kong")
            }
        }
    }
}

impl std::error::Error for SpecError {}
