//! Loading: a partition's records from its first to its last, each replayed. A few threads load all
//! partitions; requests meanwhile are told to come again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millrace_coordinator::{GroupRecord, Shard};
use millrace_protocol::records::{Batch, Batches};
use tracing::{debug, error, info};

use super::coordinator::Coordinator;
use crate::partitions::{Failure, Partition};
use crate::rate_limit::RateLimited;

/// Partitions loaded at the same time.
const LOADERS_MAX: usize = 4;
/// What a batch may grow to when it is decompressed.
const BATCH_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Records that cannot be read get one line in each period.
static UNREADABLE: RateLimited = RateLimited::new(Duration::from_secs(5));

/// Loads coordinators. Those whose partition is empty serve before this returns; the others do when
/// they are done, and offsets of topics that were deleted meanwhile are forgotten.
pub(super) fn start(coordinators: Vec<Arc<Coordinator>>) {
    let (empty, full): (Vec<_>, Vec<_>) = coordinators.into_iter().partition(|coordinator| {
        coordinator
            .partition()
            .is_some_and(|partition| partition.log_start_offset() == partition.high_watermark())
    });
    for coordinator in empty {
        if let Some(shard) = coordinator.begin_loading() {
            coordinator.finish_loading(Some(shard));
        }
    }
    let full = Arc::new(full);
    let next = Arc::new(AtomicUsize::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(LOADERS_MAX);
    for _ in 0..threads.min(full.len()) {
        let (full, next) = (Arc::clone(&full), Arc::clone(&next));
        tokio::task::spawn_blocking(move || {
            while let Some(coordinator) = full.get(next.fetch_add(1, Ordering::Relaxed)) {
                load(coordinator);
            }
        });
    }
}

/// Tries once more to load a coordinator that has failed.
pub(super) fn again(coordinator: Arc<Coordinator>) {
    tokio::task::spawn_blocking(move || load(&coordinator));
}

fn load(coordinator: &Arc<Coordinator>) {
    let Some(mut shard) = coordinator.begin_loading() else { return };
    let Some(partition) = coordinator.partition() else { return coordinator.finish_loading(None) };
    match replay(coordinator, partition, &mut shard) {
        Ok(records) => {
            let groups = shard.durable().iter().count();
            if groups > 0 {
                info!(partition = partition.index(), groups, records, "groups are loaded");
            }
            coordinator.finish_loading(Some(shard));
            coordinator.forget_lost_topics();
        }
        Err(failure) => {
            let reason = failure.message.as_deref().unwrap_or_else(|| failure.code.message());
            error!(partition = partition.index(), "groups cannot be loaded: {reason}");
            coordinator.finish_loading(None);
        }
    }
}

/// Replays everything in the partition. Returns how many records there were.
fn replay(coordinator: &Coordinator, partition: &Partition, shard: &mut Shard) -> Result<usize, Failure> {
    let mut next = partition.log_start_offset();
    let mut count = 0;
    while next < partition.high_watermark() && coordinator.is_loading() {
        let Some(range) = partition.read(next, coordinator.load_buffer_bytes(), true)? else { break };
        let before = next;
        for batch in Batches::new(range.read_to_bytes()?).whole() {
            let batch = batch.map_err(|error| Failure::from_records(&error))?;
            next = batch.header.next_offset();
            count += replay_batch(partition, &batch, shard)?;
        }
        if next <= before {
            break;
        }
    }
    debug!(partition = partition.index(), records = count, end = next, "replayed");
    Ok(count)
}

fn replay_batch(partition: &Partition, batch: &Batch, shard: &mut Shard) -> Result<usize, Failure> {
    let attributes = batch.header.attributes;
    // Offsets of transactions count when the transaction commits, and there are no transactions yet.
    if attributes.is_control() || attributes.is_transactional() {
        return Ok(0);
    }
    let mut count = 0;
    for record in batch.records(BATCH_BYTES_MAX).map_err(|error| Failure::from_records(&error))? {
        let record = record.map_err(|error| Failure::from_records(&error))?;
        match GroupRecord::decode(record.key.unwrap_or_default(), record.value) {
            Ok(Some(record)) => shard.replay(&record),
            // Records of groups of another kind, which a Kafka may have written.
            Ok(None) => {}
            Err(error) => {
                if let Some(suppressed) = UNREADABLE.admit() {
                    let (partition, offset) = (partition.index(), record.offset);
                    error!(
                        partition,
                        offset, suppressed, "a record of __consumer_offsets is passed over: {error}"
                    );
                }
            }
        }
        count += 1;
    }
    Ok(count)
}
