//! From lists of brokers to partitions: checks of assignments made by hand, the first leader and
//! in-sync replicas, and the data directories.

use millrace_protocol::{ErrorCode, Uuid};

use super::ApiError;
use crate::image::{ClusterImage, PartitionImage};

/// Check one partition's assignment; `expected` is the number of replicas of the partitions before
/// it (Kafka's `validateManualPartitionAssignment`).
pub(super) fn validate_manual(
    image: &ClusterImage,
    replicas: &[i32],
    expected: Option<usize>,
) -> Result<(), ApiError> {
    let invalid = |message: String| Err(ApiError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
    if replicas.is_empty() {
        return invalid("The manual partition assignment includes an empty replica list.".to_owned());
    }
    let mut sorted = replicas.to_vec();
    sorted.sort_unstable();
    for (position, broker) in sorted.iter().enumerate() {
        if image.broker(*broker).is_none() {
            return invalid(format!(
                "The manual partition assignment includes broker {broker}, but no such broker is registered."
            ));
        }
        if position > 0 && sorted[position - 1] == *broker {
            return invalid(format!(
                "The manual partition assignment includes the broker {broker} more than once."
            ));
        }
    }
    match expected {
        Some(expected) if expected != replicas.len() => invalid(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is not \
             consistent with previous partitions, which have {expected} replica(s).",
            replicas.len()
        )),
        _ => Ok(()),
    }
}

/// A new partition on `replicas`, led by the first that is active; `None` when none is.
pub(super) fn new_partition(image: &ClusterImage, replicas: Vec<i32>) -> Option<PartitionImage> {
    let isr: Vec<i32> = replicas.iter().copied().filter(|broker| image.is_active(*broker)).collect();
    let leader = *isr.first()?;
    Some(PartitionImage {
        directories: replicas.iter().map(|broker| default_directory(image, *broker)).collect(),
        replicas,
        isr,
        removing_replicas: Vec::new(),
        adding_replicas: Vec::new(),
        leader,
        leader_recovery_state: 0,
        leader_epoch: 0,
        partition_epoch: 0,
    })
}

/// As [`new_partition`], for an assignment made by hand.
pub(super) fn new_manual_partition(
    image: &ClusterImage,
    index: i32,
    replicas: &[i32],
) -> Result<PartitionImage, ApiError> {
    new_partition(image, replicas.to_vec()).ok_or_else(|| {
        let message = format!(
            "All brokers specified in the manual partition assignment for partition {index} are fenced or \
             in controlled shutdown."
        );
        ApiError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message)
    })
}

/// As [`new_partition`], for replicas that were placed by the controller.
pub(super) fn new_placed_partition(
    image: &ClusterImage,
    replicas: Vec<i32>,
) -> Result<PartitionImage, ApiError> {
    let count = replicas.len();
    new_partition(image, replicas).ok_or_else(|| {
        let message = format!(
            "Unable to replicate the partition {count} time(s): All brokers are currently fenced or in \
             controlled shutdown."
        );
        ApiError::new(ErrorCode::INVALID_REPLICATION_FACTOR, message)
    })
}

/// The only data directory of a broker; zero, "not told yet", when it has several to choose from.
pub(super) fn default_directory(image: &ClusterImage, broker: i32) -> Uuid {
    match image.broker(broker).map(|broker| broker.log_dirs.as_slice()) {
        Some([only]) => *only,
        _ => Uuid::ZERO,
    }
}
