//! What is asked of the processor and the system in their own words: memory ahead of its use, and eight circles at once.
//!
//! The only module of this room with `unsafe`. None of it has an effect but on time: results are the same with and without
//! (`circles::tests::wide_and_narrow_instructions_agree`), and where nothing is written for a processor or a system here,
//! nothing is asked.
//! Why so: a table of a hundred megabytes has 25,000 pages of 4 KiB, more than the processor knows the places of, so that
//! nearly every line asked for costs a walk through the page tables before it is on its way; in pages of 2 MiB it has 50.
//! A compiler makes wide instructions of the comparison with circles, too, but of the bits that it ends with a hundred narrow
//! ones.

#![expect(unsafe_code, reason = "hints take raw pointers, and instructions may be missing")]

#[cfg(target_arch = "x86_64")]
use crate::circles::{Lanes, Search, Told};

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

/// `Search::look` by the instructions that every x86-64 processor has.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn look_wide(search: &Search, lanes: [&Lanes; 3], of: u32) -> Told {
    // SAFETY: SSE2 is part of every x86-64 processor.
    unsafe { look_sse2(search, lanes, of) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn look_sse2(search: &Search, [x, y, circle]: [&Lanes; 3], of: u32) -> Told {
    use std::arch::x86_64::*;
    // SAFETY: the pointer is that of eight live numbers of 16 bits, which may lie at any address.
    let load = |lanes: &Lanes| unsafe { _mm_loadu_si128(lanes.as_ptr().cast()) };
    let zero = _mm_setzero_si128();
    let pair = |a: __m128i, b: __m128i| (_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b));
    let square = |(low, high): (__m128i, __m128i)| (_mm_madd_epi16(low, low), _mm_madd_epi16(high, high));
    let side = |lanes: &Lanes, here: i16| {
        let apart = _mm_sub_epi16(load(lanes), _mm_set1_epi16(here));
        _mm_max_epi16(apart, _mm_sub_epi16(zero, apart))
    };
    let east = _mm_mulhi_epu16(side(x, search.x), _mm_set1_epi16(search.lon_scale.cast_signed()));
    let north = _mm_srli_epi16::<1>(side(y, search.y));
    let away = square(pair(east, north));
    let circle = load(circle);
    let radius = _mm_srli_epi16::<2>(_mm_slli_epi16::<1>(circle));
    let is_within = |pairs: i16| {
        let limit = _mm_max_epi16(_mm_add_epi16(radius, _mm_set1_epi16(pairs)), zero);
        let limit = square(pair(limit, zero));
        _mm_packs_epi32(_mm_cmpgt_epi32(limit.0, away.0), _mm_cmpgt_epi32(limit.1, away.1))
    };
    let bits = |a: __m128i, b: __m128i| _mm_movemask_epi8(_mm_packs_epi16(a, b)).cast_unsigned();
    let reached = is_within(search.beyond);
    // Of most cells' further entries none is in reach.
    if bits(reached, zero) & of == 0 {
        return Told::NOTHING;
    }
    let exact = _mm_srai_epi16::<15>(circle);
    let inside = _mm_and_si128(exact, is_within(search.inside));
    let within = _mm_and_si128(exact, is_within(search.between));
    let between = _mm_andnot_si128(is_within(search.not_inside), within);
    let sure = bits(inside, between);
    let unsure = bits(_mm_andnot_si128(_mm_or_si128(inside, between), reached), zero);
    Told { inside: sure & of, between: sure >> 8 & of, unsure: unsure & of }
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
