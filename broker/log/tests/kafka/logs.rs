//! Logs on the system's disk, what is written to them, and what they say they hold.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use millrace_log::config::{CleanupPolicy, CompressionPolicy};
use millrace_log::disk::OsDisk;
use millrace_log::{
    AppendOptions, FilePool, Log, LogConfig, OffsetMap, OpenLog, Origin, ReadRequest, TopicPartition,
};
use millrace_protocol::records::{
    BatchBuilder, BatchOptions, Batches, Compression, ProducerStamp, Record, TimestampType,
};

pub(crate) const NOW_MS: i64 = 1_700_000_000_000;
/// Settings of [`rewrite`].
pub(crate) const REWRITERS: usize = 6;

/// A directory with one partition.
pub(crate) struct Bench {
    _root: tempfile::TempDir,
    dir: PathBuf,
    open: Mutex<Option<Arc<Log>>>,
    end_offset: Mutex<i64>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("t-0");
        Self { _root: root, dir, open: Mutex::default(), end_offset: Mutex::default() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn dir_text(&self) -> String {
        self.dir().to_str().unwrap().to_owned()
    }

    pub(crate) fn copy_in(&self, from: &Path) {
        std::fs::create_dir_all(self.dir()).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            std::fs::copy(&path, self.dir().join(path.file_name().unwrap())).unwrap();
        }
    }

    /// The same files in another place.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        copy.copy_in(self.dir());
        copy
    }

    pub(crate) fn open(&self, clean: bool) -> Arc<Log> {
        self.open_with(clean, |_| {})
    }

    pub(crate) fn open_with(&self, clean: bool, change: impl FnOnce(&mut LogConfig)) -> Arc<Log> {
        let mut config = LogConfig::default();
        config.segment.bytes = 4_000;
        config.segment.index_interval_bytes = 200;
        config.retention.ms = -1;
        change(&mut config);
        let params = OpenLog {
            partition: TopicPartition::new("t", 0),
            dir: self.dir().to_owned(),
            config: Arc::new(config),
            recovery_point: 0,
            log_start_offset: -1,
            high_watermark: -1,
            cleaned_to: 0,
            clean,
            now_ms: NOW_MS,
        };
        let log = Arc::new(Log::open(&FilePool::new(Arc::new(OsDisk), 32), params).unwrap());
        *self.open.lock().unwrap() = Some(Arc::clone(&log));
        log
    }

    /// Closes the log that was opened last.
    pub(crate) fn close(&self) {
        let log = self.open.lock().unwrap().take().unwrap();
        log.close().unwrap();
        *self.end_offset.lock().unwrap() = log.end_offset();
    }

    /// End of the log that was closed last.
    pub(crate) fn end_offset(&self) -> i64 {
        *self.end_offset.lock().unwrap()
    }
}

fn append(log: &Log, bytes: Bytes, leader_epoch: i32) {
    log.append(bytes, &AppendOptions { origin: Origin::Client, leader_epoch, now_ms: NOW_MS }).unwrap();
}

fn batch(n: i64, records: i64, compression: Compression, producer: Option<ProducerStamp>) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions { compression, producer, ..BatchOptions::default() });
    for r in 0..records {
        // Times that go back now and then, as those of several producers do.
        let timestamp_ms = NOW_MS + n * 10 + r - (n % 5) * 30;
        let (key, value) = (format!("key {}", n % 7), format!("value {n}.{r}"));
        let value = (n % 6 != 4).then_some(value.as_bytes());
        builder.append(timestamp_ms, Some(key.as_bytes()), value, &[]);
    }
    builder.build().unwrap()
}

pub(crate) fn fill_plain(log: &Log) {
    for n in 0..100 {
        append(log, batch(n, 1 + n % 4, Compression::None, None), n as i32 / 30);
    }
}

pub(crate) fn fill_compressed(log: &Log) {
    for (n, codec) in (0..100).zip(Compression::ALL.into_iter().cycle()) {
        append(log, batch(n, 1 + n % 9, codec, None), 0);
    }
}

/// Rules that make the log write batches anew.
pub(crate) fn rewrite(config: &mut LogConfig, round: usize) {
    match Compression::ALL.get(round) {
        Some(codec) => config.message.compression = CompressionPolicy::Codec(*codec),
        None => config.message.timestamp_type = TimestampType::LogAppendTime,
    }
}

pub(crate) fn append_idempotent(log: &Log, id: i64, epoch: i16, base_sequence: i32) {
    let stamp = ProducerStamp { id, epoch, base_sequence };
    append(log, batch(base_sequence.into(), 3, Compression::None, Some(stamp)), log.latest_epoch().max(0));
}

pub(crate) fn compacted(config: &mut LogConfig) {
    config.retention.policy = CleanupPolicy { delete: false, compact: true };
}

/// Keyed records of three idempotent producers, one of which writes only in the first round.
pub(crate) fn fill_keyed(log: &Log, round: i64) {
    for n in 0..60 {
        let id = if round == 0 { n % 3 } else { n % 2 };
        let before = log.producers().into_iter().find(|producer| producer.producer_id == id);
        let base_sequence = before.map_or(0, |producer| producer.last_sequence + 1);
        let stamp = ProducerStamp { id, epoch: 0, base_sequence };
        append(log, batch(round * 60 + n, 1 + n % 3, Compression::ALL[n as usize % 5], Some(stamp)), 0);
    }
}

/// Compacts all that may be.
pub(crate) fn compact(log: &Log) {
    log.roll(NOW_MS).unwrap();
    log.set_high_watermark(log.end_offset());
    log.flush_sealed().unwrap();
    let cleanable = log.cleanable(NOW_MS).unwrap().unwrap();
    let cleaned = log.compact(&cleanable, &mut OffsetMap::new(1 << 20), NOW_MS).unwrap();
    assert!(cleaned.bytes_after < cleaned.bytes_before, "{cleaned:?}");
    log.empty_trash(i64::MAX).unwrap();
}

/// What a log holds, in the words of `LogOracle.java`.
pub(crate) fn describe(log: &Log) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").unwrap();
    line(format!("end {}", log.end_offset()));
    line(format!("segments {}", log.segment_count()));
    line(format!("epoch {}", log.latest_epoch()));
    for producer in log.producers() {
        let (id, epoch, sequence) = (producer.producer_id, producer.epoch, producer.last_sequence);
        line(format!("producer {id} epoch {epoch} sequence {sequence}"));
    }
    for record in records(log) {
        let text = |bytes: &Option<Bytes>| {
            bytes.as_ref().map_or("null".into(), |bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        let (key, value) = (text(&record.key), text(&record.value));
        line(format!("record {} {} {key} = {value}", record.offset, record.timestamp_ms));
    }
    let at_ms = NOW_MS + 305;
    let by_time = log.offset_for_timestamp(at_ms).unwrap().map_or(-1, |found| found.offset);
    line(format!("at {at_ms} {by_time}"));
    text
}

fn records(log: &Log) -> Vec<Record> {
    let mut records = Vec::new();
    let mut offset = log.start_offset();
    loop {
        let request = ReadRequest { offset, max_bytes: 1 << 20, upper_bound: i64::MAX, min_one_batch: true };
        let bytes = log.read(&request).unwrap().read_to_bytes().unwrap();
        if bytes.is_empty() {
            return records;
        }
        for batch in Batches::new(bytes) {
            let batch = batch.unwrap();
            batch.validate().unwrap();
            offset = batch.header.next_offset();
            records.extend(batch.records(1 << 20).unwrap().map(Result::unwrap));
        }
    }
}
