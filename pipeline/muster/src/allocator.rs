//! How long memory that was freed stays with the process before the system gets it back.
//!
//! In: nothing.  Out: a setting of mimalloc.  Owns: nothing.
//! Absent on purpose: a pool of our own: Arrow and Parquet make their buffers themselves.
//! Why so: every commit fills as many large buffers as the last one has freed. Given back in between, each page of them is
//! zeroed by the kernel and mapped again: a fifth of the processor time of a replay went into page faults.

#![expect(unsafe_code, reason = "mimalloc's options have an interface in C alone")]

use std::ffi::{c_int, c_long};

// Its static library holds the functions below.
use libmimalloc_sys as _;

/// `mi_option_purge_delay` of `mimalloc.h`, in milliseconds.
const PURGE_DELAY: c_int = 15;

/// What mimalloc sets unless its environment variable says otherwise.
const PURGE_DELAY_DEFAULT_MS: c_long = 1_000;

/// Longer than commits are apart by default, so that the next one finds the memory of the last; a process that falls idle
/// still gives it back.
const PURGE_DELAY_MS: c_long = 10_000;

// SAFETY: declared as in `mimalloc.h`: an enum of C and a long, by value. Both check the option's number and touch nothing
// but mimalloc's own table of options, from any thread and at any time.
unsafe extern "C" {
    safe fn mi_option_get(option: c_int) -> c_long;
    safe fn mi_option_set(option: c_int, value: c_long);
}

/// Keeps freed memory for ten seconds, unless `MIMALLOC_PURGE_DELAY` asks for something else. Changes nothing where
/// mimalloc is not the allocator.
pub fn keep_freed_memory() {
    // Also proves that the option's number is the one meant.
    if mi_option_get(PURGE_DELAY) == PURGE_DELAY_DEFAULT_MS {
        mi_option_set(PURGE_DELAY, PURGE_DELAY_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_the_one_meant() {
        keep_freed_memory();
        assert_eq!(mi_option_get(PURGE_DELAY), PURGE_DELAY_MS);
    }
}
