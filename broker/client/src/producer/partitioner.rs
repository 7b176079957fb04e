//! Which partition a record goes to (`org.apache.kafka.clients.producer.internals.BuiltInPartitioner`).
//! Pure, but for the counters that many senders share and the randomness that spreads them.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

/// The partition of a key among `partition_count`, as all clients agree on it. `partition_count` is at
/// least 1.
#[must_use]
pub fn partition_for_key(key: &[u8], partition_count: i32) -> i32 {
    (murmur2(key) & i32::MAX) % partition_count.max(1)
}

/// Java's `Utils.murmur2`: 32 bits, fixed seed, little-endian words.
fn murmur2(data: &[u8]) -> i32 {
    const MIX: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut word = word.iter().rev().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        word = word.wrapping_mul(MIX);
        word ^= word >> 24;
        hash = hash.wrapping_mul(MIX) ^ word.wrapping_mul(MIX);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        hash = hash.wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^= hash >> 15;
    hash as i32
}

/// Spreads records without a key: one partition until a batch's worth of bytes went there, then another
/// by chance (KIP-794).
#[derive(Debug)]
pub(super) struct Sticky {
    partition: AtomicI32,
    bytes: AtomicUsize,
    turn: AtomicU32,
}

/// No partition was chosen yet.
const NONE: i32 = -1;

impl Sticky {
    pub(super) fn new() -> Self {
        Self { partition: AtomicI32::new(NONE), bytes: AtomicUsize::new(0), turn: AtomicU32::new(0) }
    }

    /// The partition whose turn it is. `available` are those with a leader; without any, all `count` are
    /// as good as each other.
    pub(super) fn current(&self, available: &[i32], count: i32) -> i32 {
        match self.partition.load(Ordering::Relaxed) {
            chosen if (0..count).contains(&chosen) => chosen,
            _ => self.choose(available, count),
        }
    }

    /// Counts what went to the current partition and perhaps moves on: at the end of a batch when a
    /// batch's worth went there, in the middle of one when two did.
    pub(super) fn count(
        &self,
        bytes: usize,
        batch_ended: bool,
        batch_bytes: usize,
        available: &[i32],
        count: i32,
    ) {
        let sent = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let enough = batch_bytes.max(1);
        if sent >= enough.saturating_mul(2) || sent >= enough && batch_ended {
            self.choose(available, count);
        }
    }

    /// The partition after the last one, for round robin.
    pub(super) fn next_in_turn(&self, available: &[i32], count: i32) -> i32 {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) as usize;
        match available.len() {
            0 => (turn % count.max(1) as usize) as i32,
            length => available[turn % length],
        }
    }

    fn choose(&self, available: &[i32], count: i32) -> i32 {
        let chosen = fastrand::choice(available).copied().unwrap_or_else(|| fastrand::i32(0..count.max(1)));
        self.bytes.store(0, Ordering::Relaxed);
        self.partition.store(chosen, Ordering::Relaxed);
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hash_as_java_hashes_them() {
        let mut lines = 0;
        for line in include_str!("../../tests/data/murmur2-java.txt").lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            let key: Vec<u8> = (0..fields[0].len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&fields[0][at..at + 2], 16).unwrap())
                .collect();
            assert_eq!(murmur2(&key).to_string(), fields[1], "{line}");
            for (count, expected) in [1, 7, 100].into_iter().zip(&fields[2..]) {
                assert_eq!(partition_for_key(&key, count).to_string(), **expected, "{line}");
            }
            lines += 1;
        }
        assert_eq!(lines, 200);
    }

    #[test]
    fn a_batch_s_worth_of_bytes_stays_together() {
        let sticky = Sticky::new();
        let available = [0, 1, 2, 3];
        let first = sticky.current(&available, 4);
        sticky.count(60, false, 100, &available, 4);
        assert_eq!(sticky.current(&available, 4), first);
        sticky.count(60, false, 100, &available, 4);
        assert_eq!(sticky.bytes.load(Ordering::Relaxed), 120, "no end of a batch, no change");
        sticky.count(1, true, 100, &available, 4);
        assert_eq!(sticky.bytes.load(Ordering::Relaxed), 0, "the end of a batch is a place to change");
        sticky.count(200, false, 100, &available, 4);
        assert_eq!(sticky.bytes.load(Ordering::Relaxed), 0, "twice as much changes anywhere");
    }

    #[test]
    fn records_spread_over_partitions_with_a_leader() {
        let sticky = Sticky::new();
        let mut seen = [0; 4];
        for _ in 0..400 {
            seen[sticky.current(&[1, 3], 4) as usize] += 1;
            sticky.count(10, true, 10, &[1, 3], 4);
        }
        assert_eq!((seen[0], seen[2]), (0, 0));
        assert!(seen[1] > 100 && seen[3] > 100, "{seen:?}");
        let turns: Vec<i32> = (0..4).map(|_| sticky.next_in_turn(&[1, 3], 4)).collect();
        assert_eq!(turns, [1, 3, 1, 3]);
    }
}
