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

/// Where a request is held: see [`S3Server::hold`](crate::S3Server::hold).
#[derive(Clone, Debug)]
pub struct Point {
    /// Its method.
    pub method: &'static str,
    /// What its key holds.
    pub key: &'static str,
    /// What its body holds.
    pub body: &'static str,
    /// Whether it is held once it has been applied, or before.
    pub is_applied: bool,
}

impl Point {
    fn is_at(&self, request: &Request) -> bool {
        let body = self.body.as_bytes();
        request.method == self.method
            && request.path.contains(self.key)
            && (body.is_empty() || request.body.windows(body.len()).any(|window| window == body))
    }
}

/// What became of the request that is to be held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hold {
    #[default]
    NotYet,
    Held,
    LetGo {
        is_applied: bool,
    },
}

/// What is to fail.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    point: Option<Point>,
    pub(crate) hold: Hold,
    pub(crate) is_silent: bool,
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

    pub(crate) fn hold_at(&mut self, point: Point) {
        (self.point, self.hold) = (Some(point), Hold::NotYet);
    }

    /// Whether this request is the one to be held, and then whether it is to be applied before.
    pub(crate) fn holds(&mut self, request: &Request) -> Option<bool> {
        let point = self.point.take_if(|point| point.is_at(request))?;
        self.hold = Hold::Held;
        Some(point.is_applied)
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
