//! Bytes of one fetch for one partition, turned into records or batches as they are asked for. Leaves
//! out what nobody asked for, control records, and aborted transactions for those who want only
//! committed ones. Pure.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use millrace_protocol::messages::fetch::AbortedTransaction;
use millrace_protocol::records::{
    Batch, BatchHeader, Batches, LOG_OVERHEAD_BYTES, Records, RecordsError, TimestampType,
};

use super::records::{ConsumerRecord, FetchedBatch};
use crate::topic_partition::{IsolationLevel, TopicPartition};

/// A batch that decompresses to more is refused.
const BATCH_BYTES_MAX: usize = 512 << 20;

/// Type of a control record that aborts a transaction
/// (`org.apache.kafka.common.record.ControlRecordType`).
const ABORT: i16 = 0;

/// How batches are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) check_crcs: bool,
    pub(super) isolation: IsolationLevel,
}

/// A batch whose records are being handed out.
#[derive(Debug)]
struct Open {
    records: Records,
    timestamp_type: TimestampType,
    leader_epoch: Option<i32>,
    next_offset: i64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) partition: TopicPartition,
    /// Of the partition when it was asked for.
    pub(super) tag: u64,
    /// Memory it takes, until all of it is handed out.
    pub(super) bytes: usize,
    batches: Batches,
    open: Option<Open>,
    /// Aborted transactions that begin later, by first offset.
    aborted_later: BTreeMap<i64, Vec<i64>>,
    /// Producers inside an aborted transaction.
    aborted_now: HashSet<i64>,
    failed: Option<RecordsError>,
    reading: Reading,
}

/// How far reading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// Offset of the next record.
    pub(super) next: i64,
    pub(super) leader_epoch: Option<i32>,
}

/// Offset that follows the last whole batch; `None` when there is no whole batch.
pub(super) fn end_of(bytes: &Bytes) -> Option<i64> {
    let mut rest: &[u8] = bytes;
    let mut end = None;
    while let Ok(header) = BatchHeader::parse(rest) {
        let Some(after) = rest.get(header.length as usize + LOG_OVERHEAD_BYTES..) else { break };
        end = Some(header.next_offset());
        rest = after;
    }
    end
}

impl Fetched {
    pub(super) fn new(
        partition: TopicPartition,
        tag: u64,
        bytes: Bytes,
        aborted: Vec<AbortedTransaction>,
        reading: Reading,
    ) -> Self {
        let mut aborted_later = BTreeMap::<i64, Vec<i64>>::new();
        for one in aborted {
            aborted_later.entry(one.first_offset).or_default().push(one.producer_id);
        }
        Self {
            partition,
            tag,
            bytes: bytes.len(),
            batches: Batches::new(bytes),
            open: None,
            aborted_later,
            aborted_now: HashSet::new(),
            failed: None,
            reading,
        }
    }

    /// Appends up to `max` records from `progress` on. Returns whether there may be more.
    ///
    /// # Errors
    /// What is wrong with the bytes; records before that are handed out first.
    pub(super) fn take_records(
        &mut self,
        progress: &mut Progress,
        max: usize,
        out: &mut Vec<ConsumerRecord>,
    ) -> Result<bool, RecordsError> {
        let before = out.len();
        while out.len() - before < max && self.failed.is_none() {
            if self.open.is_none() && !self.open_next(progress) {
                break;
            }
            self.drain_open(progress, max - (out.len() - before), out);
        }
        match self.failed.clone() {
            Some(error) if out.len() == before => Err(error),
            failed => Ok(failed.is_some() || self.open.is_some() || !self.batches.rest().is_empty()),
        }
    }

    fn drain_open(&mut self, progress: &mut Progress, max: usize, out: &mut Vec<ConsumerRecord>) {
        let Some(open) = &mut self.open else { return };
        let mut taken = 0;
        while taken < max {
            match open.records.next() {
                Some(Ok(record)) if record.offset < progress.next => {}
                Some(Ok(record)) => {
                    taken += 1;
                    *progress = Progress { next: record.offset + 1, leader_epoch: open.leader_epoch };
                    out.push(ConsumerRecord {
                        partition: self.partition.clone(),
                        offset: record.offset,
                        timestamp_ms: record.timestamp_ms,
                        timestamp_type: open.timestamp_type,
                        leader_epoch: open.leader_epoch,
                        key: record.key,
                        value: record.value,
                        headers: record.headers,
                    });
                }
                Some(Err(error)) => {
                    self.failed = Some(error);
                    return;
                }
                None => {
                    progress.next = progress.next.max(open.next_offset);
                    self.open = None;
                    return;
                }
            }
        }
    }

    fn open_next(&mut self, progress: &mut Progress) -> bool {
        let Some(batch) = self.next_visible(progress) else { return false };
        match batch.records(BATCH_BYTES_MAX) {
            Ok(records) => {
                self.open = Some(Open {
                    records,
                    timestamp_type: batch.header.attributes.timestamp_type(),
                    leader_epoch: epoch_of(&batch),
                    next_offset: batch.header.next_offset(),
                });
                true
            }
            Err(error) => {
                self.failed = Some(error);
                false
            }
        }
    }

    /// Takes the next batch from `progress` on, as a whole.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub(super) fn take_batch(
        &mut self,
        progress: &mut Progress,
    ) -> Result<Option<FetchedBatch>, RecordsError> {
        // Records of it were handed out one by one before; the rest comes with its batch.
        let first_offset = progress.next;
        if let Some(open) = self.open.take() {
            progress.next = progress.next.max(open.next_offset);
            let body = open.records.into_body();
            return Ok(Some(FetchedBatch { partition: self.partition.clone(), body, first_offset }));
        }
        let Some(batch) = self.next_visible(progress) else {
            return self.failed.clone().map_or(Ok(None), Err);
        };
        let body = batch.body(BATCH_BYTES_MAX)?;
        *progress = Progress { next: batch.header.next_offset(), leader_epoch: epoch_of(&batch) };
        Ok(Some(FetchedBatch { partition: self.partition.clone(), body, first_offset }))
    }

    /// The next whole batch with records that are to be seen; moves past those that are not.
    fn next_visible(&mut self, progress: &mut Progress) -> Option<Batch> {
        while self.failed.is_none() {
            let batch = match self.batches.next()? {
                Ok(batch) => batch,
                // Brokers cut the last batch where the limit of the fetch falls.
                Err(RecordsError::Short { .. }) => return None,
                Err(error) => {
                    self.failed = Some(error);
                    return None;
                }
            };
            if batch.header.next_offset() <= progress.next {
                continue;
            }
            let checked =
                if self.reading.check_crcs { batch.validate() } else { batch.header.check_fields() };
            if let Err(error) = checked {
                self.failed = Some(error);
                return None;
            }
            if !self.is_hidden(&batch) {
                return Some(batch);
            }
            progress.next = batch.header.next_offset();
        }
        None
    }

    fn is_hidden(&mut self, batch: &Batch) -> bool {
        let attributes = batch.header.attributes;
        let is_hidden = self.reading.isolation == IsolationLevel::ReadCommitted
            && batch.header.has_producer_id()
            && self.is_aborted(batch);
        is_hidden || attributes.is_control()
    }

    fn is_aborted(&mut self, batch: &Batch) -> bool {
        let producer = batch.header.producer_id;
        while let Some(first) = self.aborted_later.first_entry()
            && *first.key() <= batch.header.last_offset()
        {
            self.aborted_now.extend(first.remove());
        }
        if batch.header.attributes.is_control() {
            if is_abort(batch) {
                self.aborted_now.remove(&producer);
            }
            return true;
        }
        batch.header.attributes.is_transactional() && self.aborted_now.contains(&producer)
    }
}

fn epoch_of(batch: &Batch) -> Option<i32> {
    Some(batch.header.leader_epoch).filter(|epoch| *epoch >= 0)
}

/// The key of a control record is a version and a type, two bytes each.
fn is_abort(batch: &Batch) -> bool {
    let Ok(body) = batch.body(BATCH_BYTES_MAX) else { return false };
    let Some(Ok(record)) = body.refs().next() else { return false };
    record.key.and_then(|key| key.get(2..4)) == Some(&ABORT.to_be_bytes()[..])
}

#[cfg(test)]
mod tests;
