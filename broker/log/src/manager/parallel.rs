//! Runs the same work on many things by a few threads that end with it. The only place of this crate that
//! starts a thread; with one thread everything runs in the caller's, in order.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Below this many things another thread costs more than it saves.
const PER_THREAD_MIN: usize = 16;

/// `work` on each of `things`, by at most `threads` threads; results in the order of the things.
pub(super) fn map<T: Sync, R: Send>(threads: usize, things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = threads.min(things.len() / PER_THREAD_MIN);
    if threads <= 1 {
        return things.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(things.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut done = Vec::new();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(thing) = things.get(at) else { break };
                    done.push((at, work(thing)));
                }
                results.lock().append(&mut done);
            });
        }
    });
    let mut results = results.into_inner();
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_come_in_order() {
        let things: Vec<usize> = (0..1000).collect();
        for threads in [0, 1, 3] {
            assert_eq!(super::map(threads, &things, |n| n * 2), (0..1000).map(|n| n * 2).collect::<Vec<_>>());
        }
    }
}
