//! The system's allocator, which counts what the calling thread asks of it.

#![allow(unsafe_code, reason = "an allocator cannot be written without it; this one only counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static KEPT_BYTES: Cell<isize> = const { Cell::new(0) };
}

fn note(allocations: usize, bytes: isize) {
    // A thread that ends allocates after its counters are gone.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + allocations));
    let _ = KEPT_BYTES.try_with(|kept| kept.set(kept.get() + bytes));
}

// SAFETY: everything is the system allocator's; the counters allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, -(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What a piece of work asked of the allocator.
pub(crate) struct Cost {
    /// Times that memory was asked for.
    pub(crate) allocations: usize,
    /// Bytes that were asked for and not given back.
    pub(crate) kept_bytes: isize,
}

/// Does the work in this thread and counts.
pub(crate) fn measure<T>(work: impl FnOnce() -> T) -> Cost {
    let before = (ALLOCATIONS.get(), KEPT_BYTES.get());
    let result = work();
    let cost = Cost { allocations: ALLOCATIONS.get() - before.0, kept_bytes: KEPT_BYTES.get() - before.1 };
    drop(result);
    cost
}
