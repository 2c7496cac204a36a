//! An allocator that counts the bytes the program asked for and has not given back, and how often it asked.
//!
//! Owns: two counters. What the system's allocator adds around each block is not in it.

#![allow(
    unsafe_code,
    reason = "an allocator cannot be counted but by implementing one; it hands everything on to System"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes asked for and not given back.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// How often bytes were asked for.
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted: for a benchmark's `#[global_allocator]`.
#[derive(Clone, Copy, Debug)]
pub struct Counting;

impl Counting {
    /// Bytes asked for and not given back; 0 unless it is the program's allocator.
    pub fn live() -> usize {
        LIVE.load(Ordering::Relaxed)
    }

    /// How often bytes were asked for.
    pub fn calls() -> usize {
        CALLS.load(Ordering::Relaxed)
    }
}

// SAFETY: every call is handed on to `System` unchanged, which keeps the contract; counting is atomic additions, which
// neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises about `layout` are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises about `layout` are handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `pointer` came from `System` by one of the other three, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        LIVE.fetch_add(size, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `pointer` came from `System`, with this layout; the caller's promise about `size` is handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
