//! [`Log`]: the durable log of one partition. This file holds its state and who may touch it; what is done
//! to it lies in `log/`.
//!
//! Locks, in the order in which they may be taken: `upkeep` (retention, compaction, truncation), `writer`
//! (appends, one at a time), `epochs`, then `view` and `cursors`, which are held for moments and never
//! while a disk works. Readers take only the last two, so they do not wait for appends.

mod append;
mod close;
mod compact;
mod flush;
mod lookup;
mod open;
mod producers;
mod read;
mod repair;
#[cfg(test)]
mod tests;
mod trim;
mod truncate;
mod upkeep;
mod view;

pub use append::AppendInfo;
pub use compact::{Cleanable, Cleaned};
pub use lookup::OffsetAndTimestamp;
pub use open::OpenLog;
pub use read::{FetchSlice, FileRange, ReadRequest};
pub use trim::Trimmed;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use millrace_protocol::Uuid;
use parking_lot::{Mutex, RwLock};

use self::flush::FlushGate;
use self::upkeep::UpkeepRoom;
use self::view::{Cursors, View};
use crate::config::LogConfig;
use crate::epochs::{EpochEnd, LeaderEpochs};
use crate::files::FilePool;
use crate::identity;
use crate::producers::{ProducerSummary, Producers};
use crate::segment::Segment;
use crate::{LogError, TopicPartition};

/// The log of one partition. Shared behind an `Arc`; every method takes `&self`.
#[derive(Debug)]
pub struct Log {
    partition: TopicPartition,
    dir: PathBuf,
    pool: Arc<FilePool>,
    config: RwLock<Arc<LogConfig>>,
    topic_id: Mutex<Option<Uuid>>,
    upkeep: UpkeepRoom,
    writer: Mutex<Writer>,
    epochs: RwLock<LeaderEpochs>,
    view: RwLock<View>,
    cursors: Mutex<Cursors>,
    gate: FlushGate,
    high_watermark: AtomicI64,
}

/// What only an append may touch.
#[derive(Debug)]
struct Writer {
    active: Arc<Segment>,
    /// Offset of the next record.
    end_offset: i64,
    /// Newest epoch in the log, or -1.
    latest_epoch: i32,
    producers: Producers,
    /// Offset of the newest snapshot, or -1.
    snapshot_offset: i64,
    /// Why no appends are taken any more.
    stopped: Option<LogError>,
    /// Headers of the append at hand, kept between appends for its room.
    scratch: Vec<u8>,
}

impl Log {
    /// The partition.
    #[must_use]
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The directory of its files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The topic's settings.
    #[must_use]
    pub fn config(&self) -> Arc<LogConfig> {
        Arc::clone(&self.config.read())
    }

    /// Takes new settings; appends and upkeep that begin later follow them.
    pub fn update_config(&self, config: Arc<LogConfig>) {
        *self.config.write() = config;
    }

    /// The topic's id, once known.
    #[must_use]
    pub fn topic_id(&self) -> Option<Uuid> {
        *self.topic_id.lock()
    }

    /// Makes the topic's id known and writes `partition.metadata`.
    ///
    /// # Errors
    /// [`LogError::Storage`], or [`LogError::BadFile`] when the log already has another id.
    pub fn set_topic_id(&self, id: Uuid) -> Result<(), LogError> {
        let mut known = self.topic_id.lock();
        match *known {
            Some(known) if known == id => return Ok(()),
            Some(known) => {
                let reason = format!("topic id is {known}, not {id}");
                return Err(LogError::BadFile { path: self.dir.join("partition.metadata"), reason });
            }
            None => {}
        }
        identity::write_topic_id(self.pool.disk(), &self.dir, id)?;
        *known = Some(id);
        Ok(())
    }

    /// First offset that can be read.
    #[must_use]
    pub fn start_offset(&self) -> i64 {
        self.view.read().start_offset
    }

    /// Base offset of the first segment: below the start offset when records of it were deleted.
    #[must_use]
    pub fn first_segment_offset(&self) -> i64 {
        self.view.read().segments.first().map_or(0, |segment| segment.base_offset())
    }

    /// Offset that the next record will get.
    #[must_use]
    pub fn end_offset(&self) -> i64 {
        self.view.read().end_offset
    }

    /// Offsets below it are on the disk for good.
    #[must_use]
    pub fn recovery_point(&self) -> i64 {
        self.gate.recovery_point()
    }

    /// Where the server said that the log is committed; retention, compaction and `delete_records` go no
    /// further. Starts at what the checkpoint knew, or at the log's start.
    #[must_use]
    pub fn high_watermark(&self) -> i64 {
        // Sequential: see [`Log::advance_high_watermark`].
        self.high_watermark.load(Ordering::SeqCst)
    }

    /// Tells the log how far it is committed, wherever it was before: for who opens or truncates a log.
    /// Values outside the log are cut to it. Returns what is set.
    pub fn set_high_watermark(&self, offset: i64) -> i64 {
        // Held until it is set: a truncation moves the end first and the high watermark after it.
        let view = self.view.read();
        let offset = offset.clamp(view.start_offset, view.end_offset);
        self.high_watermark.store(offset, Ordering::SeqCst);
        offset
    }

    /// Tells the log that it is committed up to `offset` at least: for who appends, since another append may
    /// have come further in the meantime. Returns how far it is committed.
    ///
    /// It is a full barrier. Who afterwards looks for somebody that waits, and who waits and afterwards asks
    /// for the high watermark, do not miss each other.
    pub fn advance_high_watermark(&self, offset: i64) -> i64 {
        let view = self.view.read();
        let offset = offset.clamp(view.start_offset, view.end_offset);
        self.high_watermark.fetch_max(offset, Ordering::SeqCst).max(offset)
    }

    /// Bytes of all segments' log files.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.view.read().segments.iter().map(|segment| segment.size_bytes()).sum()
    }

    /// Number of segments.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.view.read().segments.len()
    }

    /// The newest leader epoch in the log, or -1.
    #[must_use]
    pub fn latest_epoch(&self) -> i32 {
        self.epochs.read().latest()
    }

    /// Where a leader epoch ends (KIP-101, KIP-279): see [`EpochEnd`].
    #[must_use]
    pub fn end_offset_for_epoch(&self, epoch: i32) -> EpochEnd {
        let end = self.end_offset();
        self.epochs.read().end_offset_for(epoch, end)
    }

    /// The leader epoch that the record at `offset` was written in, or -1.
    #[must_use]
    pub fn epoch_at(&self, offset: i64) -> i32 {
        self.epochs.read().epoch_at(offset)
    }

    /// Notes that this broker leads from the log's end on, before it takes the first record of its epoch.
    /// The checkpoint follows with the next flush.
    ///
    /// # Errors
    /// [`LogError::Storage`] when the checkpoint cannot be written.
    pub fn assign_epoch(&self, epoch: i32) -> Result<(), LogError> {
        let mut writer = self.writer.lock();
        let start = writer.end_offset;
        self.note_epoch(&mut writer, epoch, start)
    }

    fn note_epoch(&self, writer: &mut Writer, epoch: i32, start_offset: i64) -> Result<(), LogError> {
        if epoch <= writer.latest_epoch {
            return Ok(());
        }
        let mut epochs = self.epochs.write();
        if epochs.assign(epoch, start_offset) && !epochs.has_file() {
            epochs.save(self.pool.disk())?;
        }
        writer.latest_epoch = epoch;
        Ok(())
    }

    /// Idempotent producers with a record in the log, by id (DescribeProducers).
    #[must_use]
    pub fn producers(&self) -> Vec<ProducerSummary> {
        self.writer.lock().producers.summaries()
    }

    /// Why the log takes no appends any more; `None` while it does.
    #[must_use]
    pub fn stopped(&self) -> Option<LogError> {
        self.writer.lock().stopped.clone()
    }

    fn stop(writer: &mut Writer, error: &LogError) {
        if writer.stopped.is_none() {
            writer.stopped = Some(LogError::Offline(error.to_string()));
        }
    }
}

impl Writer {
    fn check_running(&self) -> Result<(), LogError> {
        self.stopped.as_ref().map_or(Ok(()), |error| Err(error.clone()))
    }
}
