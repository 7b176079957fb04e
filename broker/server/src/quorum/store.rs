//! The metadata log on disk: `__cluster_metadata-0`, in Kafka's files, each record synced before it
//! counts. Snapshots of the image keep what has to be replayed short. Knows records, not what they
//! mean.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use millrace_log::disk::{Disk, OsDisk, read_file, write_file_atomically};
use millrace_log::{
    AppendOptions, FilePool, Log, LogConfig, LogError, OpenLog, Origin, ReadRequest, TopicPartition,
};
use millrace_metadata::MetadataRecord;
use millrace_metadata::image::CLUSTER_METADATA_TOPIC;
use millrace_protocol::records::{BatchBuilder, BatchOptions, Batches};

use super::QuorumError;

/// Alone, this broker has led the metadata since its first start: there was never another epoch.
pub(crate) const QUORUM_EPOCH: i32 = 1;
/// Read at once when the log is replayed.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// Largest batch of records that the log may hold, decompressed.
const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Records of a snapshot in one batch.
const SNAPSHOT_BATCH_RECORDS: usize = 1024;
const SNAPSHOT_SUFFIX: &str = ".checkpoint";
const OPEN_FILES_MAX: usize = 16;

/// The log and its newest snapshot.
#[derive(Debug)]
pub(super) struct Store {
    log: Log,
    pool: Arc<FilePool>,
}

/// A record with the offset that it has in the log.
pub(super) type Stored = (i64, MetadataRecord);

impl Store {
    /// Opens the log in `log_dir`, which holds it as `__cluster_metadata-0`. Recovers whatever the last
    /// stop left: the log is short, since snapshots cut it.
    pub(super) fn open(log_dir: &Path, now_ms: i64) -> Result<Self, QuorumError> {
        let pool = FilePool::new(Arc::new(OsDisk), OPEN_FILES_MAX);
        let partition = TopicPartition::new(CLUSTER_METADATA_TOPIC, 0);
        let dir = log_dir.join(partition.dir_name());
        let newest = newest_snapshot(pool.disk(), &dir)?;
        let mut config = LogConfig::default();
        // Nothing of it goes by age: only a snapshot makes what lies before it needless.
        config.retention.ms = -1;
        config.message.max_bytes = u32::MAX >> 1;
        let open = OpenLog {
            partition,
            dir,
            config: Arc::new(config),
            recovery_point: 0,
            log_start_offset: newest.as_ref().map_or(0, |(offset, _)| *offset),
            high_watermark: 0,
            cleaned_to: 0,
            clean: false,
            now_ms,
        };
        let log = Log::open(&pool, open)?;
        log.assign_epoch(QUORUM_EPOCH)?;
        log.set_high_watermark(log.end_offset());
        Ok(Self { log, pool })
    }

    /// Everything there is to replay, oldest first: the newest snapshot, then the log behind it.
    pub(super) fn load(&self) -> Result<Vec<Stored>, QuorumError> {
        let mut stored = Vec::new();
        let mut from = self.log.start_offset();
        if let Some((offset, path)) = newest_snapshot(self.pool.disk(), self.log.dir())? {
            let bytes =
                read_file(self.pool.disk(), &path).map_err(|error| QuorumError::snapshot(&path, &error))?;
            // In a snapshot offsets only count: its records all stand for the one before its end.
            decode(bytes.into(), |_| offset - 1, &mut stored)?;
            from = from.max(offset);
        }
        while from < self.log.end_offset() {
            let request = ReadRequest {
                offset: from,
                max_bytes: READ_BYTES,
                upper_bound: i64::MAX,
                min_one_batch: true,
            };
            let bytes = self.log.read(&request)?.read_to_bytes()?;
            let next = decode(bytes, |offset| offset, &mut stored)?;
            if next <= from {
                break;
            }
            from = next;
        }
        Ok(stored)
    }

    /// Appends records as one batch and makes them durable. Returns the offset of the first.
    pub(super) fn append(&self, records: &[MetadataRecord], now_ms: i64) -> Result<i64, QuorumError> {
        let batch = encode(records, 0, now_ms)?;
        let options = AppendOptions { origin: Origin::Coordinator, leader_epoch: QUORUM_EPOCH, now_ms };
        let appended = self.log.append(batch, &options)?;
        self.log.flush(appended.last_offset + 1)?;
        self.log.advance_high_watermark(appended.last_offset + 1);
        Ok(appended.base_offset)
    }

    /// Offset that the next record will get.
    pub(super) fn end_offset(&self) -> i64 {
        self.log.end_offset()
    }

    /// Offsets that a start has to replay from the log.
    pub(super) fn length(&self) -> i64 {
        self.log.end_offset() - self.log.start_offset()
    }

    /// Writes the image's records as the snapshot of everything before the log's end, in Kafka's file
    /// name, and lets go of what lies before it.
    pub(super) fn snapshot(&self, records: &[MetadataRecord], now_ms: i64) -> Result<(), QuorumError> {
        let end = self.log.end_offset();
        let disk = self.pool.disk();
        let old = snapshots(disk, self.log.dir())?;
        let mut bytes = Vec::new();
        let mut base_offset = 0;
        for chunk in records.chunks(SNAPSHOT_BATCH_RECORDS) {
            bytes.extend_from_slice(&encode(chunk, base_offset, now_ms)?);
            base_offset += chunk.len() as i64;
        }
        let path = self.log.dir().join(format!("{end:020}-{QUORUM_EPOCH:010}{SNAPSHOT_SUFFIX}"));
        write_file_atomically(disk, &path, &bytes).map_err(|error| QuorumError::snapshot(&path, &error))?;
        self.log.roll(now_ms)?;
        self.log.delete_records(end)?;
        self.log.apply_retention(now_ms)?;
        for (offset, path) in old {
            if offset < end {
                disk.remove_file(&path).map_err(|error| QuorumError::snapshot(&path, &error))?;
            }
        }
        Ok(())
    }

    /// Removes the files of segments that a snapshot made needless.
    pub(super) fn tidy(&self, now_ms: i64) -> Result<(), QuorumError> {
        self.log.empty_trash(now_ms)?;
        Ok(())
    }

    pub(super) fn close(&self) -> Result<(), QuorumError> {
        Ok(self.log.close()?)
    }
}

fn encode(records: &[MetadataRecord], base_offset: i64, now_ms: i64) -> Result<Bytes, QuorumError> {
    let options = BatchOptions { base_offset, leader_epoch: QUORUM_EPOCH, ..BatchOptions::default() };
    let mut batch = BatchBuilder::new(options);
    for record in records {
        batch.append(now_ms, None, Some(&record.encode()?), &[]);
    }
    Ok(batch.build()?)
}

/// Appends the records of `bytes` to `stored`; returns the offset after the last.
fn decode(
    bytes: Bytes,
    offset_of: impl Fn(i64) -> i64,
    stored: &mut Vec<Stored>,
) -> Result<i64, QuorumError> {
    let mut next = -1;
    for batch in Batches::new(bytes).whole() {
        let batch = batch?;
        next = batch.header.next_offset();
        if batch.header.attributes.is_control() {
            continue;
        }
        for record in batch.records(BATCH_BYTES_MAX)? {
            let record = record?;
            let value = record.value.unwrap_or_default();
            let offset = record.offset;
            let decoded =
                MetadataRecord::decode(value).map_err(|reason| QuorumError::Record { offset, reason })?;
            stored.push((offset_of(offset), decoded));
        }
    }
    Ok(next)
}

fn newest_snapshot(disk: &dyn Disk, dir: &Path) -> Result<Option<(i64, PathBuf)>, QuorumError> {
    Ok(snapshots(disk, dir)?.into_iter().max())
}

/// End offsets and paths of the snapshots in `dir`.
fn snapshots(disk: &dyn Disk, dir: &Path) -> Result<Vec<(i64, PathBuf)>, QuorumError> {
    let entries = match disk.list(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(QuorumError::snapshot(dir, &error)),
    };
    let found = entries.into_iter().filter_map(|entry| {
        let stem = entry.name.strip_suffix(SNAPSHOT_SUFFIX)?;
        let (offset, _epoch) = stem.split_once('-')?;
        Some((offset.parse().ok()?, dir.join(&entry.name)))
    });
    Ok(found.collect())
}

impl From<LogError> for QuorumError {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

#[cfg(test)]
mod tests {
    use millrace_protocol::messages::metadata_records::FeatureLevelRecord;

    use super::*;

    fn level(number: i16) -> MetadataRecord {
        FeatureLevelRecord { name: "metadata.version".into(), feature_level: number }.into()
    }

    fn levels(stored: &[Stored]) -> Vec<(i64, i16)> {
        let levels = stored.iter().map(|(offset, record)| match record {
            MetadataRecord::FeatureLevel(level) => (*offset, level.feature_level),
            other => panic!("unexpected {other:?}"),
        });
        levels.collect()
    }

    #[test]
    fn records_survive_a_stop_of_any_kind() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 0).unwrap();
        assert_eq!(store.append(&[level(1), level(2)], 0).unwrap(), 0);
        assert_eq!(store.append(&[level(3)], 0).unwrap(), 2);
        drop(store);
        let store = Store::open(dir.path(), 0).unwrap();
        assert_eq!(levels(&store.load().unwrap()), [(0, 1), (1, 2), (2, 3)]);
    }

    #[test]
    fn a_snapshot_stands_for_everything_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 0).unwrap();
        for number in 0..10 {
            store.append(&[level(number)], 0).unwrap();
        }
        store.snapshot(&[level(9)], 0).unwrap();
        assert_eq!(store.length(), 0);
        store.append(&[level(10)], 0).unwrap();
        drop(store);
        let store = Store::open(dir.path(), 0).unwrap();
        assert_eq!(levels(&store.load().unwrap()), [(9, 9), (10, 10)]);
        assert_eq!(store.end_offset(), 11);
    }
}
