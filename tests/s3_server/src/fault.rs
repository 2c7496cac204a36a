//! Which request fails, and how.

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::http::Request;

/// What is done wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 503 `SlowDown`; it was not applied.
    SlowDown,
    /// 409 `ConditionalRequestConflict`; it was not applied.
    Conflict,
    /// The connection breaks; it was not applied.
    Lost,
    /// It is applied, and the connection breaks without an answer.
    LostAfter,
    /// It is applied, and the answer is 500.
    ErrorAfter,
    /// The answer comes so many milliseconds late.
    Slow(u64),
    /// The answer's body breaks off in its middle.
    Truncated,
}

/// Milliseconds by which a slow answer of a storm is late.
const SLOW_MS: u64 = 20;

/// What is to fail.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    planned: VecDeque<(&'static str, String, Fault)>,
    storm: Option<(StdRng, f64)>,
    is_down: bool,
}

impl Faults {
    pub(crate) fn plan(&mut self, method: &'static str, part: &str, faults: impl IntoIterator<Item = Fault>) {
        self.planned.extend(faults.into_iter().map(|fault| (method, part.to_owned(), fault)));
    }

    pub(crate) fn storm(&mut self, seed: u64, share: f64) {
        self.storm = Some((StdRng::seed_from_u64(seed), share));
    }

    pub(crate) fn go_down(&mut self) {
        self.is_down = true;
    }

    /// How this request fails, if it does.
    pub(crate) fn next(&mut self, request: &Request) -> Option<Fault> {
        if self.is_down {
            return Some(Fault::SlowDown);
        }
        let is_due = |(method, part, _): &(&str, String, Fault)| {
            request.method == *method && request.path.contains(part.as_str())
        };
        if self.planned.front().is_some_and(is_due) {
            return self.planned.pop_front().map(|(_, _, fault)| fault);
        }
        let (rng, share) = self.storm.as_mut()?;
        if !rng.random_bool(*share) {
            return None;
        }
        Some(match rng.random_range(0..7) {
            0 => Fault::Lost,
            1 | 2 => Fault::LostAfter,
            3 => Fault::ErrorAfter,
            4 => Fault::Slow(SLOW_MS),
            5 if request.method == "GET" => Fault::Truncated,
            5 if request.header("if-none-match").is_some() => Fault::Conflict,
            _ => Fault::SlowDown,
        })
    }
}
