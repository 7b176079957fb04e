//! Orders metadata records and publishes what they make of the cluster. Alone, this broker is a
//! quorum of one: a record is committed when it is on its disk. Whatever orders records in a larger
//! cluster takes the place of [`Quorum::propose`]'s append.

mod follow;
mod store;

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use millrace_log::LogError;
use millrace_metadata::RecordDecodeError;
use millrace_metadata::controller::{
    ControllerSettings, Decision, Registration, found_cluster, register_broker,
};
use millrace_metadata::image::{ClusterImage, ImageDelta, ReplayError};
use millrace_protocol::ErrorCode;
use millrace_protocol::records::RecordsError;
use millrace_protocol::wire::EncodeError;
use tokio::sync::{Mutex, watch};
use tracing::{debug, warn};

pub(crate) use self::follow::Follower;
pub(crate) use self::store::QUORUM_EPOCH;
use self::store::Store;
use crate::clock::now_ms;

/// Records that a start may have to replay before a snapshot is taken.
const LENGTH_MAX: i64 = 20_000;

/// Why the metadata cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QuorumError {
    #[error("metadata log: {0}")]
    Log(LogError),
    #[error("metadata log: {0}")]
    Batch(#[from] RecordsError),
    #[error("metadata log, offset {offset}: {reason}")]
    Record { offset: i64, reason: RecordDecodeError },
    #[error("metadata log: {0}")]
    Replay(#[from] ReplayError),
    #[error("metadata log: a record cannot be written: {0}")]
    Encode(#[from] EncodeError),
    #[error("metadata snapshot {path}: {reason}")]
    Snapshot { path: String, reason: String },
}

impl QuorumError {
    /// What clients are told whose change could not be committed.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Log(_) | Self::Snapshot { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
            Self::Batch(_) | Self::Record { .. } | Self::Replay(_) | Self::Encode(_) => {
                ErrorCode::UNKNOWN_SERVER_ERROR
            }
        }
    }

    fn snapshot(path: &Path, error: &std::io::Error) -> Self {
        Self::Snapshot { path: path.display().to_string(), reason: error.to_string() }
    }
}

/// The newest image, for everybody who reads.
#[derive(Debug, Clone)]
pub(crate) struct MetadataView {
    image: Arc<ArcSwap<ClusterImage>>,
    offset: watch::Receiver<i64>,
}

impl MetadataView {
    /// The image as it is now. Cheap; keep it for the length of one request.
    pub(crate) fn load(&self) -> Arc<ClusterImage> {
        self.image.load_full()
    }

    /// Offset that the next metadata record will get; everything before it is committed.
    pub(crate) fn end_offset(&self) -> i64 {
        *self.offset.borrow()
    }

    /// Changes with each image.
    pub(crate) fn changed(&self) -> watch::Receiver<i64> {
        self.offset.clone()
    }
}

/// Orders records, one decision at a time.
#[derive(Debug)]
pub(crate) struct Quorum {
    writer: Mutex<Writer>,
    image: Arc<ArcSwap<ClusterImage>>,
    offset: watch::Sender<i64>,
}

#[derive(Debug)]
struct Writer {
    store: Store,
    follower: Follower,
}

impl Quorum {
    /// Reads the metadata of `log_dir`, founds the cluster where there is none yet, registers this
    /// broker, and makes the partitions follow. Blocks on the disk.
    pub(crate) fn open(
        log_dir: &Path,
        cluster_id: &str,
        registration: &Registration,
        settings: &ControllerSettings<'_>,
        follower: Follower,
    ) -> Result<Arc<Self>, QuorumError> {
        let store = Store::open(log_dir, now_ms())?;
        let mut image = ClusterImage::new(cluster_id);
        let mut delta = ImageDelta::default();
        for (_, record) in store.load()? {
            image.replay(&record, &mut delta)?;
        }
        let mut records = found_cluster(&image);
        for record in &records {
            image.replay(record, &mut delta)?;
        }
        let next_offset = store.end_offset() + records.len() as i64;
        let registered = register_broker(&image, registration, settings, next_offset);
        for record in &registered.records {
            image.replay(record, &mut delta)?;
        }
        records.extend(registered.records);
        store.append(&records, now_ms())?;
        follower.start(&image);
        let (offset, _) = watch::channel(store.end_offset());
        let image = Arc::new(ArcSwap::from_pointee(image));
        Ok(Arc::new(Self { writer: Mutex::new(Writer { store, follower }), image, offset }))
    }

    pub(crate) fn view(&self) -> MetadataView {
        MetadataView { image: Arc::clone(&self.image), offset: self.offset.subscribe() }
    }

    /// Runs `decide` on the newest image and the offset that its first record will have, commits its
    /// records, and only then gives its reply. By then
    /// the partitions have followed: a topic that was created has leaders, one that was deleted is gone.
    ///
    /// # Errors
    /// [`QuorumError`]: nothing was committed, and the image is what it was.
    pub(crate) async fn propose<T>(
        &self,
        decide: impl FnOnce(&ClusterImage, i64) -> Decision<T>,
    ) -> Result<T, QuorumError> {
        let mut writer = self.writer.lock().await;
        // Decisions are rare, and each ends with a sync of the disk: the other tasks of this worker go
        // elsewhere meanwhile.
        tokio::task::block_in_place(|| self.commit(&mut writer, decide))
    }

    fn commit<T>(
        &self,
        writer: &mut Writer,
        decide: impl FnOnce(&ClusterImage, i64) -> Decision<T>,
    ) -> Result<T, QuorumError> {
        let before = self.image.load_full();
        let Decision { records, reply } = decide(&before, writer.store.end_offset());
        if records.is_empty() {
            return Ok(reply);
        }
        // What does not replay must not reach the disk.
        let mut after = ClusterImage::clone(&before);
        let mut delta = ImageDelta::default();
        for record in &records {
            after.replay(record, &mut delta)?;
        }
        let first = writer.store.append(&records, now_ms())?;
        debug!(records = records.len(), first, "metadata committed");
        writer.follower.follow(&after, &delta);
        self.image.store(Arc::new(after));
        self.offset.send_replace(writer.store.end_offset());
        Ok(reply)
    }

    /// Gives all logs their settings anew: what topics take from the broker's file may have changed.
    pub(crate) async fn refresh(&self) {
        let writer = self.writer.lock().await;
        let delta = ImageDelta { broker_configs: true, ..ImageDelta::default() };
        tokio::task::block_in_place(|| writer.follower.follow(&self.image.load(), &delta));
    }

    /// Takes a snapshot when the log has grown long, removes old files, and tries again to open the
    /// partitions that are offline. Blocks on the disk.
    pub(crate) async fn upkeep(&self) {
        let writer = self.writer.lock().await;
        let kept = tokio::task::block_in_place(|| {
            writer.follower.retry(&self.image.load());
            if writer.store.length() > LENGTH_MAX {
                let records: Vec<_> = self.image.load().snapshot_records().collect();
                writer.store.snapshot(&records, now_ms())?;
            }
            writer.store.tidy(now_ms())
        });
        if let Err(error) = kept {
            warn!("{error}");
        }
    }

    /// Leaves the log clean. Blocks on the disk.
    pub(crate) async fn close(&self) -> Result<(), QuorumError> {
        let writer = self.writer.lock().await;
        tokio::task::block_in_place(|| writer.store.close())
    }
}
