//! A warm call allocates nothing: counted by an allocator of this test's own.

#![allow(
    unsafe_code,
    reason = "an allocator cannot be counted but by implementing one; it hands everything on to System"
)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code outside of `#[test]` functions")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use matcher::{Scratch, SiteIndex};
use model::Verdicts;
use support::Numbers;
use support::town::{CENTRES, Town};

thread_local! {
    /// Allocations of this thread: other tests run beside it.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed on to `System` unchanged, which keeps the contract; counting touches a thread-local
// `Cell` without a destructor, which neither allocates nor unwinds (`try_with` covers the end of a thread).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises about `layout` are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` by `alloc` or `realloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: `pointer` came from `System`, with this layout; the caller's promise about `size` is handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() -> u64 {
    COUNT.with(Cell::get)
}

#[test]
fn a_warm_batch_allocates_nothing() {
    let mut numbers = Numbers::new(23);
    for centre in CENTRES {
        let town = Town::random(&mut numbers, centre, 60, 200);
        let index = SiteIndex::build(&town.reference);
        let (mut scratch, mut out) = (Scratch::default(), Verdicts::default());
        let before = count();
        index.match_batch(&town.reference, &town.batch, &town.due, &mut scratch, &mut out);
        let cold = count() - before;
        assert!(cold > 0, "the counter counts");
        let first = out.clone();
        let before = count();
        index.match_batch(&town.reference, &town.batch, &town.due, &mut scratch, &mut out);
        assert_eq!(count() - before, 0, "around {centre:?} ({cold} when cold)");
        assert_eq!(first.rows, out.rows);
    }
}
