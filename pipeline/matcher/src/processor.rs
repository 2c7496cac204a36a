//! Tells the processor and the system about memory ahead of its use.
//!
//! The only module of this room with `unsafe`. Hints have no effect but on time: results are the same with and without
//! them, and where nothing is written for a processor or a system here, they do nothing.
//! Why so: a table of a hundred megabytes has 25,000 pages of 4 KiB, more than the processor knows the places of, so that
//! nearly every line asked for costs a walk through the page tables before it is on its way; in pages of 2 MiB it has 50.

#![expect(unsafe_code, reason = "both hints take raw pointers")]

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

/// An empty vector with room for `capacity` items, which the system is asked to keep in large pages.
pub(crate) fn in_large_pages<T>(capacity: usize) -> Vec<T> {
    let mut items = Vec::with_capacity(capacity);
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        const LARGE: usize = 2 << 20;
        let room = items.spare_capacity_mut();
        let (from, bytes) = (room.as_mut_ptr().addr(), size_of_val(room));
        // Of the room only whole pages: what shares a page with other things is left as it is.
        let skipped = from.next_multiple_of(LARGE) - from;
        if let Some(whole) =
            bytes.checked_sub(skipped).map(|bytes| bytes / LARGE * LARGE).filter(|whole| *whole > 0)
        {
            // SAFETY: `skipped + whole` is at most `bytes`, the length of the vector's own room, so that the pointer and the
            // range behind it stay within one live allocation that nobody else uses. This advice changes neither what is
            // in the range nor who may use it. It may fail, where large pages are turned off: then pages stay small.
            let _ = unsafe {
                let begin = room.as_mut_ptr().cast::<u8>().add(skipped);
                rustix::mm::madvise(begin.cast(), whole, rustix::mm::Advice::LinuxHugepage)
            };
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_in_large_pages_is_one_like_any_other() {
        for capacity in [0, 1, 100_000, 1_000_000] {
            let mut items: Vec<u64> = in_large_pages(capacity);
            assert!(items.is_empty() && items.capacity() >= capacity);
            items.extend(0..capacity as u64);
            assert_eq!(
                items.iter().sum::<u64>(),
                (capacity as u64 * (capacity as u64).saturating_sub(1)) / 2
            );
            prefetch(&items, capacity / 2);
            prefetch(&items, capacity);
        }
        assert_eq!(in_large_pages::<()>(10).len(), 0);
    }
}
