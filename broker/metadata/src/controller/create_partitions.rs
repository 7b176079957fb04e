//! CreatePartitions (Kafka's `ReplicationControlManager.createPartitions`).

use std::collections::HashMap;

use fastrand::Rng;
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};

use super::assignment::{new_manual_partition, new_placed_partition, validate_manual};
use super::placement::Placer;
use super::{ApiError, Decision, PARTITIONS_PER_REQUEST_MAX};
use crate::image::{ClusterImage, PartitionImage, TopicImage, partition_record};
use crate::record::MetadataRecord;

/// Decide a CreatePartitions request; with `validate_only` the reply is the same and there are no
/// records.
///
/// The reply is in the order of the request, with one result for a name that appears twice.
pub fn create_partitions(
    image: &ClusterImage,
    request: &CreatePartitionsRequest,
    rng: &mut Rng,
) -> Decision<CreatePartitionsResponse> {
    let mut times = HashMap::new();
    for topic in &request.topics {
        *times.entry(topic.name.as_str()).or_insert(0_usize) += 1;
    }
    let mut records = Vec::new();
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        // Absent once it is answered, so that a duplicate gets one result.
        let Some(times) = times.remove(topic.name.as_str()) else { continue };
        let outcome = if times > 1 {
            Err(ApiError::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name."))
        } else {
            grow(image, topic, rng, &mut records)
        };
        let (error_code, error_message) = ApiError::parts(outcome);
        results.push(CreatePartitionsTopicResult { name: topic.name.clone(), error_code, error_message });
    }
    if request.validate_only {
        records.clear();
    }
    Decision { records, reply: CreatePartitionsResponse { throttle_time_ms: 0, results } }
}

fn grow(
    image: &ClusterImage,
    request: &CreatePartitionsTopic,
    rng: &mut Rng,
    records: &mut Vec<MetadataRecord>,
) -> Result<(), ApiError> {
    let topic =
        image.topics.by_name(&request.name).ok_or(ApiError::bare(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?;
    let additional = additional_partitions(topic, request)?;
    // Kafka's controller fails with an unexpected error here; the limit is that of CreateTopics.
    if records.len().saturating_add(additional) > PARTITIONS_PER_REQUEST_MAX {
        let message = "Excessively large number of partitions per request.";
        return Err(ApiError::new(ErrorCode::POLICY_VIOLATION, message));
    }
    let replication_factor = topic.partitions.values().next().map_or(0, |partition| partition.replicas.len());
    let first = topic.partition_count();
    let partitions = match &request.assignments {
        Some(assignments) => (first..)
            .zip(assignments)
            .map(|(index, assignment)| {
                validate_manual(image, &assignment.broker_ids, Some(replication_factor))?;
                new_manual_partition(image, index, &assignment.broker_ids)
            })
            .collect::<Result<Vec<_>, _>>()?,
        None => placed(image, additional, replication_factor, rng)?,
    };
    let numbered = (first..).zip(&partitions);
    records.extend(numbered.map(|(index, partition)| partition_record(topic.id, index, partition).into()));
    Ok(())
}

fn placed(
    image: &ClusterImage,
    count: usize,
    replication_factor: usize,
    rng: &mut Rng,
) -> Result<Vec<PartitionImage>, ApiError> {
    let mut placer = Placer::new(image, replication_factor, rng)
        .map_err(|reason| ApiError::new(ErrorCode::INVALID_REPLICATION_FACTOR, reason))?;
    (0..count).map(|_| new_placed_partition(image, placer.place(replication_factor, rng))).collect()
}

fn additional_partitions(topic: &TopicImage, request: &CreatePartitionsTopic) -> Result<usize, ApiError> {
    let (current, count) = (topic.partition_count(), request.count);
    if count <= current {
        let message = if count == current {
            format!("Topic already has {current} partition(s).")
        } else {
            format!(
                "The topic {} currently has {current} partition(s); {count} would not be an increase.",
                topic.name
            )
        };
        return Err(ApiError::new(ErrorCode::INVALID_PARTITIONS, message));
    }
    let additional = usize::try_from(count - current).unwrap_or_default();
    match &request.assignments {
        Some(assignments) if assignments.len() != additional => {
            let message = format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) were \
                 specified.",
                assignments.len()
            );
            Err(ApiError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message))
        }
        _ => Ok(additional),
    }
}
