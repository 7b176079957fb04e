//! What idempotent producers wrote last (Kafka's `ProducerStateManager`, without transactions): the check
//! that each batch follows the last one, and the last five batches of each producer, by which a retry is
//! recognised. Pure; files are `snapshot.rs`'s.

mod snapshot;

use std::collections::HashMap;

use millrace_protocol::records::{BatchHeader, NO_PRODUCER_EPOCH, NO_SEQUENCE, add_sequence};

pub(crate) use snapshot::{read_snapshot, write_snapshot};

use crate::LogError;

/// Batches remembered of each producer: as many as a client may have in flight.
const BATCHES_KEPT: usize = 5;

/// What is remembered of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BatchMark {
    pub(crate) last_sequence: i32,
    pub(crate) last_offset: i64,
    pub(crate) offset_delta: i32,
    pub(crate) timestamp_ms: i64,
}

impl BatchMark {
    fn of(header: &BatchHeader) -> Self {
        Self {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp_ms: header.max_timestamp,
        }
    }

    pub(crate) fn first_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }

    fn first_sequence(&self) -> i32 {
        // Counts back through the wrap from 0 to i32::MAX.
        ((i64::from(self.last_sequence) - i64::from(self.offset_delta)) & i64::from(i32::MAX)) as i32
    }
}

/// One producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Producer {
    epoch: i16,
    coordinator_epoch: i32,
    last_timestamp_ms: i64,
    /// The newest last; only the first `count` are set.
    batches: [BatchMark; BATCHES_KEPT],
    count: u8,
}

impl Producer {
    fn new(epoch: i16) -> Self {
        let batches = [BatchMark::default(); BATCHES_KEPT];
        Self { epoch, coordinator_epoch: -1, last_timestamp_ms: -1, batches, count: 0 }
    }

    fn batches(&self) -> &[BatchMark] {
        &self.batches[..usize::from(self.count)]
    }

    fn last(&self) -> Option<&BatchMark> {
        self.batches().last()
    }

    fn last_sequence(&self) -> i32 {
        self.last().map_or(NO_SEQUENCE, |last| last.last_sequence)
    }

    fn push(&mut self, mark: BatchMark) {
        if usize::from(self.count) == BATCHES_KEPT {
            self.batches.copy_within(1.., 0);
        } else {
            self.count += 1;
        }
        self.batches[usize::from(self.count) - 1] = mark;
    }

    /// Remembers a batch from before the oldest remembered one, if it joins it.
    fn push_older(&mut self, header: &BatchHeader) {
        let joins = self.batches().first().is_some_and(|oldest| {
            header.producer_epoch == self.epoch && follows(header.last_sequence(), oldest.first_sequence())
        });
        if joins && usize::from(self.count) < BATCHES_KEPT {
            self.batches.copy_within(..usize::from(self.count), 1);
            self.batches[0] = BatchMark::of(header);
            self.count += 1;
        }
    }
}

fn follows(last: i32, next: i32) -> bool {
    next == add_sequence(last, 1)
}

/// A producer as DescribeProducers tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerSummary {
    /// Producer id.
    pub producer_id: i64,
    /// Newest epoch.
    pub epoch: i16,
    /// Last sequence number, or -1.
    pub last_sequence: i32,
    /// Timestamp of its last batch, or -1.
    pub last_timestamp_ms: i64,
    /// Epoch of the transaction coordinator that wrote last, or -1.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction, or -1.
    pub current_txn_start_offset: i64,
}

/// All producers of a partition.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    /// Boxed: an idle partition with one producer does not pay for the map's free slots.
    by_id: HashMap<i64, Box<Producer>>,
}

impl Producers {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Checks that a batch of an idempotent producer may be appended. `earlier` are headers of the same
    /// append that come before it. `Some` is the batch of which this one is a retry.
    pub(crate) fn check(
        &self,
        header: &BatchHeader,
        earlier: &[BatchHeader],
    ) -> Result<Option<BatchMark>, LogError> {
        let known = self.by_id.get(&header.producer_id);
        if let Some(producer) = known
            && producer.epoch == header.producer_epoch
        {
            let (first, last) = (header.base_sequence, header.last_sequence());
            let is_retry = |mark: &&BatchMark| mark.first_sequence() == first && mark.last_sequence == last;
            if let Some(mark) = producer.batches().iter().rev().find(is_retry) {
                return Ok(Some(*mark));
            }
        }
        let before = earlier.iter().rev().find(|batch| batch.producer_id == header.producer_id);
        let (epoch, last) = match (before, known) {
            (Some(batch), _) => (batch.producer_epoch, batch.last_sequence()),
            (None, Some(producer)) => (producer.epoch, producer.last_sequence()),
            (None, None) => (NO_PRODUCER_EPOCH, NO_SEQUENCE),
        };
        check_sequence(header, epoch, last)?;
        Ok(None)
    }

    /// Takes an appended or replayed batch into account; its offsets must be final.
    pub(crate) fn update(&mut self, header: &BatchHeader, count_max: u32) {
        if !header.has_producer_id() {
            return;
        }
        if !self.by_id.contains_key(&header.producer_id) && self.by_id.len() >= count_max.max(1) as usize {
            self.evict_idle();
        }
        let producer = self
            .by_id
            .entry(header.producer_id)
            .or_insert_with(|| Box::new(Producer::new(header.producer_epoch)));
        if header.producer_epoch != producer.epoch {
            producer.epoch = header.producer_epoch;
            producer.count = 0;
        }
        producer.last_timestamp_ms = header.max_timestamp;
        // Markers of transactions carry a producer but no sequence.
        if header.base_sequence >= 0 {
            producer.push(BatchMark::of(header));
        }
    }

    /// Completes producers that a snapshot knows by their last batch only. `older` are headers of batches
    /// below the snapshot, in order.
    pub(crate) fn backfill(&mut self, older: &[BatchHeader]) {
        for header in
            older.iter().rev().filter(|header| header.has_producer_id() && header.base_sequence >= 0)
        {
            if let Some(producer) = self.by_id.get_mut(&header.producer_id) {
                producer.push_older(header);
            }
        }
    }

    /// Whether as many batches of every producer are known as are ever kept.
    pub(crate) fn is_complete(&self) -> bool {
        self.by_id.values().all(|producer| usize::from(producer.count) == BATCHES_KEPT)
    }

    /// Forgets producers that wrote nothing for `expiration_ms`.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.by_id.retain(|_, producer| now_ms.saturating_sub(producer.last_timestamp_ms) < expiration_ms);
    }

    /// Makes room: an eighth of the producers, those idle longest, are forgotten at once, so that a full
    /// map does not pay for every newcomer.
    fn evict_idle(&mut self) {
        let mut times: Vec<i64> = self.by_id.values().map(|producer| producer.last_timestamp_ms).collect();
        let cut = times.len() / 8;
        let (_, &mut cutoff_ms, _) = times.select_nth_unstable(cut);
        let mut left = cut + 1;
        self.by_id.retain(|_, producer| {
            let goes = left > 0 && producer.last_timestamp_ms <= cutoff_ms;
            left -= usize::from(goes);
            !goes
        });
    }

    /// All producers, by id.
    pub(crate) fn summaries(&self) -> Vec<ProducerSummary> {
        let mut summaries: Vec<ProducerSummary> = self
            .by_id
            .iter()
            .map(|(&producer_id, producer)| ProducerSummary {
                producer_id,
                epoch: producer.epoch,
                last_sequence: producer.last_sequence(),
                last_timestamp_ms: producer.last_timestamp_ms,
                coordinator_epoch: producer.coordinator_epoch,
                current_txn_start_offset: -1,
            })
            .collect();
        summaries.sort_unstable_by_key(|summary| summary.producer_id);
        summaries
    }

    /// Whether the batch holds the last sequence number of its producer, which compaction must keep.
    pub(crate) fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        self.by_id.get(&header.producer_id).and_then(|producer| producer.last()).is_some_and(|last| {
            last.last_offset == header.last_offset() && last.last_sequence == header.last_sequence()
        })
    }
}

fn check_sequence(header: &BatchHeader, epoch: i16, last: i32) -> Result<(), LogError> {
    let (producer_id, found) = (header.producer_id, header.base_sequence);
    if header.producer_epoch < epoch {
        return Err(LogError::InvalidProducerEpoch {
            producer_id,
            current: epoch,
            found: header.producer_epoch,
        });
    }
    // A producer of whom nothing is known (any more) may go on from where it is (KIP-360).
    if epoch == NO_PRODUCER_EPOCH {
        return Ok(());
    }
    let in_order = if header.producer_epoch == epoch { follows(last, found) } else { found == 0 };
    if in_order {
        return Ok(());
    }
    let last = if header.producer_epoch == epoch { last } else { NO_SEQUENCE };
    Err(LogError::OutOfOrderSequence { producer_id, last, found })
}

#[cfg(test)]
mod tests;
