//! Asks the processor for a cache line ahead of its use.
//!
//! The only module of this room with `unsafe`. A hint has no effect but on time: results are the same with and without it,
//! and on processors for which nothing is written here it does nothing.

#![expect(unsafe_code, reason = "the hint takes a raw pointer")]

/// Asks for the line in which `slice[at]` begins. Nothing happens where `at` is beyond the end.
#[inline]
pub(crate) fn prefetch<T>(slice: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(item) = slice.get(at) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the pointer is that of a live item; the instruction neither reads nor writes what it points to, and SSE
        // is part of every x86-64 processor.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slice, at);
}
