//! Files of sites, people, shifts, leave, corrections, policies, calendars and law to one validated snapshot.
//!
//! In: [`Sources`], paths from the configuration.  Out: [`Loaded`], a [`model::Reference`] or every problem that stands
//! in its way, with file, line and remedy.  Owns: [`Loader`], what it read before, so that a small change is a small load.
//! Absent on purpose: clocks (a row is valid by its dates, never by today), the network, and any judgement of punches.
//! Invariants: a snapshot exists only if no problem is an error (`load::tests::an_error_means_no_snapshot`); every
//! index in it points into it, shifts are sorted by person and start; equal rows give an equal version, whatever the
//! files are called and in whatever order the rows stand (`version::tests`); sites and people are sorted by id, so that
//! equal content gives equal indexes too.
//! Why so: reference data is written by people in spreadsheets. A loader that stops at the first fault costs them a
//! day per fault, so this one reads on, drops the faulty row, and stays silent about what merely follows from it.

mod accept;
mod calendars;
mod cell;
mod crossing;
mod cut;
mod evidence;
mod files;
mod identity_card;
mod ids;
mod law;
mod load;
mod orgs;
mod part;
mod people;
mod policies;
mod policy_keys;
mod policy_resolution;
mod problem;
mod radios;
mod requests;
mod rings;
mod rows;
mod shifts;
mod site_geometry;
mod sites;
mod spread;
mod suggest;
mod toml_tree;
mod version;
mod wall_time;
mod zone_rules;

pub use accept::{Loss, Refused, accept};
pub use load::{Counts, Loaded, Loader, Look, Sources, load};
pub use problem::{Problem, Severity};
pub use requests::places_of_corrections;
pub use zone_rules::{ZoneRules, zone_rules};
