//! Logs on a simulated disk, for tests that read like examples.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use millrace_protocol::records::{BatchBuilder, BatchOptions, Batches, ProducerStamp, Record};

use crate::disk::sim::SimDisk;
use crate::{
    AppendInfo, AppendOptions, FilePool, Log, LogConfig, LogError, OpenLog, Origin, ReadRequest,
    TopicPartition,
};

pub(crate) const NOW_MS: i64 = 1_700_000_000_000;
pub(crate) const CLIENT: AppendOptions =
    AppendOptions { origin: Origin::Client, leader_epoch: 0, now_ms: NOW_MS };

/// A disk and how a log on it is opened.
pub(crate) struct Bench {
    pub(crate) disk: SimDisk,
    pub(crate) pool: Arc<FilePool>,
    pub(crate) params: OpenLog,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With settings that differ from the defaults.
    pub(crate) fn with(change: impl FnOnce(&mut LogConfig)) -> Self {
        let mut config = LogConfig::default();
        change(&mut config);
        let disk = SimDisk::new();
        let pool = FilePool::new(Arc::new(disk.clone()), 64);
        let params = OpenLog {
            partition: TopicPartition::new("t", 0),
            dir: PathBuf::from("/data/t-0"),
            config: Arc::new(config),
            recovery_point: 0,
            log_start_offset: 0,
            high_watermark: 0,
            cleaned_to: 0,
            clean: false,
            now_ms: NOW_MS,
        };
        Self { disk, pool, params }
    }

    pub(crate) fn open(&self) -> Log {
        Log::open(&self.pool, self.params.clone()).unwrap()
    }

    pub(crate) fn open_clean(&self) -> Log {
        Log::open(&self.pool, OpenLog { clean: true, ..self.params.clone() }).unwrap()
    }

    /// After the process ended: nothing is open any more.
    pub(crate) fn restart(&mut self) {
        self.pool = FilePool::new(Arc::new(self.disk.clone()), 64);
    }

    pub(crate) fn files(&self) -> Vec<String> {
        use crate::disk::Disk;
        self.disk.list(&self.params.dir).unwrap().into_iter().map(|entry| entry.name).collect()
    }
}

/// A batch of records that carry these values, all at [`NOW_MS`].
pub(crate) fn batch(values: &[&str]) -> Bytes {
    batch_at(NOW_MS, values)
}

pub(crate) fn batch_at(timestamp_ms: i64, values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for value in values {
        builder.append(timestamp_ms, None, Some(value.as_bytes()), &[]);
    }
    builder.build().unwrap()
}

/// A batch of an idempotent producer.
pub(crate) fn producer_batch(id: i64, base_sequence: i32, values: &[&str]) -> Bytes {
    let producer = Some(ProducerStamp { id, epoch: 0, base_sequence });
    let mut builder = BatchBuilder::new(BatchOptions { producer, ..BatchOptions::default() });
    for value in values {
        builder.append(NOW_MS, None, Some(value.as_bytes()), &[]);
    }
    builder.build().unwrap()
}

/// A batch of keyed records; no value is a tombstone.
pub(crate) fn keyed_batch(timestamp_ms: i64, records: &[(&str, Option<&str>)]) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for (key, value) in records {
        builder.append(timestamp_ms, Some(key.as_bytes()), value.map(str::as_bytes), &[]);
    }
    builder.build().unwrap()
}

impl Log {
    pub(crate) fn put(&self, values: &[&str]) -> AppendInfo {
        self.append(batch(values), &CLIENT).unwrap()
    }

    pub(crate) fn try_put(&self, values: &[&str]) -> Result<AppendInfo, LogError> {
        self.append(batch(values), &CLIENT)
    }

    /// All records from `offset` on, read as a consumer does, `max_bytes` at a time.
    pub(crate) fn records_from(&self, offset: i64, max_bytes: usize) -> Vec<Record> {
        let mut records = Vec::new();
        let mut next = offset;
        loop {
            let request = ReadRequest { offset: next, max_bytes, upper_bound: i64::MAX, min_one_batch: true };
            let bytes = self.read(&request).unwrap().read_to_bytes().unwrap();
            if bytes.is_empty() {
                return records;
            }
            for batch in Batches::new(bytes) {
                let batch = batch.unwrap();
                batch.validate().unwrap();
                next = batch.header.next_offset();
                let wanted = batch.records(1 << 20).unwrap().map(|record| record.unwrap());
                records.extend(wanted.filter(|record| record.offset >= offset));
            }
        }
    }

    /// All values from the start on.
    pub(crate) fn values(&self) -> Vec<String> {
        self.records_from(self.start_offset(), 1 << 20).iter().map(value_of).collect()
    }
}

pub(crate) fn value_of(record: &Record) -> String {
    record.value.as_ref().map_or("-".to_owned(), |value| String::from_utf8_lossy(value).into_owned())
}
