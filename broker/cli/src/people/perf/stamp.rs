//! When a record was due, written into its value, so that whoever reads it in the same process can tell
//! how long it took. A run knows its own records by a number. Pure.

use std::time::{Duration, Instant};

/// Bytes of a stamp: the run's number, then nanoseconds since its origin.
pub(super) const STAMP_BYTES: usize = 16;

/// Stamps of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    run: u64,
    origin: Instant,
}

impl Stamp {
    /// Stamps of a new run.
    pub(super) fn new(run: u64, origin: Instant) -> Self {
        Self { run, origin }
    }

    /// The stamp of a record that is due at this time.
    pub(super) fn of(&self, due_at: Instant) -> [u8; STAMP_BYTES] {
        let ns = due_at.saturating_duration_since(self.origin).as_nanos() as u64;
        let mut bytes = [0; STAMP_BYTES];
        bytes[..8].copy_from_slice(&self.run.to_be_bytes());
        bytes[8..].copy_from_slice(&ns.to_be_bytes());
        bytes
    }

    /// When the record with this value was due; `None` for records of others.
    pub(super) fn read(&self, value: &[u8]) -> Option<Instant> {
        let (run, rest) = value.split_first_chunk::<8>()?;
        let ns = rest.first_chunk::<8>()?;
        let is_ours = u64::from_be_bytes(*run) == self.run;
        is_ours.then(|| self.origin + Duration::from_nanos(u64::from_be_bytes(*ns)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_reads_its_own_stamps_only() {
        let origin = Instant::now();
        let (mine, other) = (Stamp::new(7, origin), Stamp::new(8, origin));
        let due = origin + Duration::from_micros(1234);
        let value = [&mine.of(due)[..], b"and more"].concat();
        assert_eq!(mine.read(&value), Some(due));
        assert_eq!(other.read(&value), None);
        assert_eq!(mine.read(&value[..15]), None);
    }
}
