//! Bad input, tried as a user would: by the command line, over files, folders and logs with every kind of mistake.
//!
//! In: broken records, reference data, configurations, lakes and disks.  Out: exit codes and messages that say what is
//! wrong, where, and how to mend it; and that everything good beside the bad is taken.
//! Absent on purpose: the decoders' own tables (`schemas`) and the readers' (`reference`): here it counts that what they
//! find reaches the person who typed the command.
//! Why so: exit codes and messages are the program's, not a room's: only a process shows both.

#![allow(clippy::unwrap_used, reason = "a test's helper fails as its test does")]

#[path = "bad_input/arrows.rs"]
mod arrows;
#[path = "bad_input/command_line.rs"]
mod command_line;
#[path = "bad_input/disk.rs"]
mod disk;
#[path = "bad_input/lakes.rs"]
mod lakes;
#[path = "bad_input/photos.rs"]
mod photos;
#[path = "bad_input/records.rs"]
mod records;
#[path = "bad_input/reference_data.rs"]
mod reference_data;
#[path = "bad_input/shop.rs"]
mod shop;
#[path = "bad_input/vendors.rs"]
mod vendors;
