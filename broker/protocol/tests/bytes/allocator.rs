//! An allocator that counts what each thread holds, so that a test can say how much a piece of code
//! took at most, whatever other tests do meanwhile.
#![allow(unsafe_code, reason = "an allocator is unsafe by its trait; this one only counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

pub(crate) struct Counting;

thread_local! {
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
    static PEAK_BYTES: Cell<isize> = const { Cell::new(0) };
}

// `realloc` stays the trait's own, which allocates, copies and frees: a growing vector counts twice
// while it moves, as it may in the worst case.
// SAFETY: memory comes from `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: `alloc` above got it from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Threads that are being torn down have no counters any more, and nobody who asks.
fn count(bytes: isize) {
    let _ = LIVE_BYTES.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK_BYTES.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

/// The most bytes that `work` held at once, beyond what this thread held before.
pub(crate) fn peak_bytes_of(work: impl FnOnce()) -> usize {
    let before = LIVE_BYTES.get();
    PEAK_BYTES.set(before);
    work();
    (PEAK_BYTES.get() - before).try_into().expect("a peak is no smaller than where it began")
}

#[test]
fn what_is_held_is_counted_and_what_is_freed_is_not() {
    let peak = peak_bytes_of(|| {
        drop(vec![0_u8; 3000]);
        drop(vec![0_u8; 2000]);
    });
    assert_eq!(peak, 3000);
    assert_eq!(peak_bytes_of(|| drop((vec![0_u8; 3000], vec![0_u8; 2000]))), 5000);
    let mut grown = Vec::with_capacity(100);
    assert_eq!(peak_bytes_of(|| grown.resize(1000, 0_u8)), 1000);
}
