//! Counts and latencies of what was delivered, and the lines about them
//! (`ProducerPerformance.Stats`). Knows no producer and no clock: times are given.

use crate::kafka::format::fixed;

/// Latencies kept for the percentiles, at most.
const SAMPLES_MAX: u64 = 500_000;

/// After this, a line tells what was delivered since the last.
const WINDOW_MS: i64 = 5_000;

const BYTES_IN_MB: f64 = 1024.0 * 1024.0;

/// Sums over some time.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    start_ms: i64,
    count: u64,
    bytes: u64,
    latency_ms: u64,
    latency_ms_max: u64,
}

impl Sums {
    fn add(&mut self, latency_ms: u64, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
        self.latency_ms += latency_ms;
        self.latency_ms_max = self.latency_ms_max.max(latency_ms);
    }

    /// `N records sent, R records/sec (M MB/sec), A ms avg latency, X ms max latency`.
    fn text(&self, now_ms: i64, digits: usize) -> String {
        // Nothing takes no time at all, whatever the clock says.
        let elapsed_ms = (now_ms - self.start_ms).max(1) as f64;
        format!(
            "{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency",
            self.count,
            fixed(1000.0 * self.count as f64 / elapsed_ms, 1),
            fixed(1000.0 * self.bytes as f64 / elapsed_ms / BYTES_IN_MB, 2),
            fixed(self.latency_ms as f64 / self.count as f64, digits),
            fixed(self.latency_ms_max as f64, digits),
        )
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stats {
    all: Sums,
    window: Sums,
    samples: Vec<u64>,
    /// Every so many records, one latency is kept.
    sampling: u64,
}

impl Stats {
    /// Nothing delivered yet, of so many records.
    pub(super) fn new(records: u64, now_ms: i64) -> Self {
        let sums = Sums { start_ms: now_ms, ..Sums::default() };
        let sampling = records / records.clamp(1, SAMPLES_MAX);
        Self { all: sums, window: sums, samples: Vec::new(), sampling: sampling.max(1) }
    }

    /// A record was delivered. Returns a line when it is time for one.
    pub(super) fn record(&mut self, latency_ms: u64, bytes: u64, now_ms: i64) -> Option<String> {
        if self.all.count.is_multiple_of(self.sampling) {
            self.samples.push(latency_ms);
        }
        self.all.add(latency_ms, bytes);
        self.window.add(latency_ms, bytes);
        if now_ms - self.window.start_ms < WINDOW_MS {
            return None;
        }
        let line = format!("{}.", self.window.text(now_ms, 1));
        self.window = Sums { start_ms: now_ms, ..Sums::default() };
        Some(line)
    }

    /// The line at the end.
    pub(super) fn total(&mut self, now_ms: i64) -> String {
        self.samples.sort_unstable();
        let percentile = |share: f64| {
            let at = (share * self.samples.len() as f64) as usize;
            self.samples.get(at).copied().unwrap_or(0)
        };
        format!(
            "{}, {} ms 50th, {} ms 95th, {} ms 99th, {} ms 99.9th.",
            self.all.text(now_ms, 2),
            percentile(0.5),
            percentile(0.95),
            percentile(0.99),
            percentile(0.999)
        )
    }

    /// Records and bytes delivered.
    pub(super) fn delivered(&self) -> (u64, u64) {
        (self.all.count, self.all.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_window_and_one_at_the_end() {
        let mut stats = Stats::new(4, 1000);
        assert_eq!(stats.record(2, 1 << 20, 2000), None);
        assert_eq!(
            stats.record(4, 1 << 20, 6000).unwrap(),
            "2 records sent, 0.4 records/sec (0.40 MB/sec), 3.0 ms avg latency, 4.0 ms max latency."
        );
        assert_eq!(stats.record(9, 0, 7000), None);
        assert_eq!(
            stats.total(9000),
            "3 records sent, 0.4 records/sec (0.25 MB/sec), 5.00 ms avg latency, 9.00 ms max latency, 4 ms 50th, \
             9 ms 95th, 9 ms 99th, 9 ms 99.9th."
        );
    }

    #[test]
    fn long_runs_are_sampled() {
        let mut stats = Stats::new(2_000_000, 0);
        for number in 0..1000 {
            stats.record(number, 1, 0);
        }
        assert_eq!(stats.samples.len(), 250);
    }
}
