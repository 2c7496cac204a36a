//! Months made at random, what is told of them by the oracle, and by the program that reads them as they come.

// Each test binary uses a part of this; and these helpers are test code outside of test functions.
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

mod days;
mod files;
mod life;
mod month;
mod random;
mod tables;

pub(crate) use days::shift;
pub(crate) use files::Files;
pub(crate) use life::{Keep, Life, differing};
pub(crate) use month::{Month, Sent, Size, person, requests, sites};
pub(crate) use random::Random;
pub(crate) use tables::{calendars, policies};
