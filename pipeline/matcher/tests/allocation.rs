//! A warm call allocates nothing, and a fence takes few bytes: counted by an allocator of this test's own.

#![allow(
    unsafe_code,
    reason = "an allocator cannot be counted but by implementing one; it hands everything on to System"
)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code outside of `#[test]` functions")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use matcher::{Scratch, SiteIndex};
use model::{Fence, Policy, Ring, Verdicts};
use support::Numbers;
use support::town::{CENTRES, Town};

thread_local! {
    /// Allocations of this thread: other tests run beside it.
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// Bytes asked for by this thread and not given back.
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

struct Counting;

fn grow(bytes: i64) {
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
}

// SAFETY: every call is handed on to `System` unchanged, which keeps the contract; counting touches a thread-local
// `Cell` without a destructor, which neither allocates nor unwinds (`try_with` covers the end of a thread).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        grow(layout.size() as i64);
        // SAFETY: the caller's promises about `layout` are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        grow(-(layout.size() as i64));
        // SAFETY: `pointer` came from `System` by `alloc` or `realloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        grow(size as i64 - layout.size() as i64);
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

/// Stores as dense as in a city, 50 to 200 m wide, every fifth of them a polygon: what the whole index takes for each,
/// its id included.
#[test]
fn a_fence_takes_at_most_270_bytes() {
    let mut numbers = Numbers::new(270);
    let count = 20_000;
    let sites = (0..count).map(|id| {
        let centre =
            support::moved((114.17, 22.32), numbers.between(0.0, 60_000.0), numbers.between(0.0, 60_000.0));
        let radius_m = numbers.between(50.0, 200.0);
        let corners = (0..8).map(|i| {
            let angle = f64::from(i) * std::f64::consts::TAU / 8.0;
            support::moved(centre, radius_m * angle.cos(), radius_m * angle.sin())
        });
        let fence = match id % 5 {
            0 => Fence::Polygons(vec![vec![Ring(corners.collect())]]),
            _ => Fence::Circle { centre: support::lon_lat(centre), radius_m },
        };
        support::site(&format!("s{id}"), fence)
    });
    let reference = support::reference(sites.collect(), vec![Policy::default()]);
    let before = LIVE.with(Cell::get);
    let index = SiteIndex::build(&reference);
    let each = (LIVE.with(Cell::get) - before) as f64 / f64::from(count);
    println!("{each:.1} bytes a fence");
    assert!(each > 32.0 && each <= 270.0, "{each:.1} bytes a fence");
    drop(index);
}
