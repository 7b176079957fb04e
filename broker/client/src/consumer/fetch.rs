//! Fetch requests and their answers, one broker at a time, without sessions: every request names all it
//! asks for. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use millrace_protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData,
};
use millrace_protocol::{ErrorCode, Uuid};

use crate::config::FetchConfig;
use crate::topic_partition::TopicPartition;

/// The last version that names topics; later ones have only ids.
const NAMES_UNTIL_VERSION: i16 = 12;

/// What is asked about one partition.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) partition: TopicPartition,
    pub(super) topic_id: Uuid,
    pub(super) tag: u64,
    pub(super) offset: i64,
    /// Epoch of the leader as metadata tells it: a leader of another epoch refuses (KIP-320).
    pub(super) leader_epoch: Option<i32>,
}

/// The newest version that can express it.
pub(super) fn version_max(asked: &[Asked]) -> i16 {
    if asked.iter().any(|one| one.topic_id.is_zero()) { NAMES_UNTIL_VERSION } else { i16::MAX }
}

pub(super) fn request(asked: &[Asked], config: &FetchConfig) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    let mut places = HashMap::<&str, usize>::new();
    for one in asked {
        let place = *places.entry(&one.partition.topic).or_insert_with(|| {
            let topic = one.partition.topic.to_string();
            topics.push(FetchTopic { topic, topic_id: one.topic_id, partitions: Vec::new() });
            topics.len() - 1
        });
        topics[place].partitions.push(FetchPartition {
            partition: one.partition.partition,
            current_leader_epoch: one.leader_epoch.unwrap_or(-1),
            fetch_offset: one.offset,
            partition_max_bytes: config.partition_bytes_max,
            ..Default::default()
        });
    }
    FetchRequest {
        max_wait_ms: i32::try_from(config.wait_max.as_millis()).unwrap_or(i32::MAX),
        min_bytes: config.bytes_min,
        max_bytes: config.bytes_max,
        isolation_level: config.isolation.on_the_wire(),
        topics,
        ..Default::default()
    }
}

/// The answer beside each question; `None` where the broker left it out.
pub(super) fn answers(asked: Vec<Asked>, response: FetchResponse) -> Vec<(Asked, Option<PartitionData>)> {
    let names: HashMap<Uuid, Arc<str>> =
        asked.iter().map(|one| (one.topic_id, Arc::clone(&one.partition.topic))).collect();
    let mut found = HashMap::<(Arc<str>, i32), PartitionData>::new();
    for topic in response.responses {
        let name = match topic.topic.is_empty() {
            true => names.get(&topic.topic_id).cloned(),
            false => Some(Arc::from(topic.topic)),
        };
        let Some(name) = name else { continue };
        found.extend(topic.partitions.into_iter().map(|one| ((Arc::clone(&name), one.partition_index), one)));
    }
    asked
        .into_iter()
        .map(|one| {
            let key = (Arc::clone(&one.partition.topic), one.partition.partition);
            let answer = found.remove(&key);
            (one, answer)
        })
        .collect()
}

/// What an error code says about a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Another broker leads it, or will soon.
    Elsewhere,
    /// The offset is not in the log.
    OutOfRange,
    /// Not now.
    Later,
    /// Never.
    Final,
}

pub(super) fn refusal(code: ErrorCode) -> Refusal {
    match code {
        ErrorCode::OFFSET_OUT_OF_RANGE => Refusal::OutOfRange,
        ErrorCode::NOT_LEADER_OR_FOLLOWER
        | ErrorCode::LEADER_NOT_AVAILABLE
        | ErrorCode::REPLICA_NOT_AVAILABLE
        | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        | ErrorCode::UNKNOWN_TOPIC_ID
        | ErrorCode::INCONSISTENT_TOPIC_ID
        | ErrorCode::FENCED_LEADER_EPOCH
        | ErrorCode::UNKNOWN_LEADER_EPOCH
        | ErrorCode::KAFKA_STORAGE_ERROR => Refusal::Elsewhere,
        // CORRUPT_MESSAGE counts as retriable for producers, who can send again; a log does not heal.
        ErrorCode::CORRUPT_MESSAGE => Refusal::Final,
        code if code.is_retriable() => Refusal::Later,
        _ => Refusal::Final,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConsumerConfig;
    use millrace_protocol::messages::fetch::FetchableTopicResponse;
    use millrace_protocol::{Message, encode_to_bytes};

    fn asked(topic: &str, partition: i32, id: u8) -> Asked {
        Asked {
            partition: TopicPartition::new(topic, partition),
            topic_id: Uuid([id; 16]),
            tag: 1,
            offset: 5,
            leader_epoch: Some(2),
        }
    }

    #[test]
    fn every_version_can_fetch() {
        let config = ConsumerConfig::new("").fetch;
        let request = request(&[asked("a", 0, 1), asked("a", 1, 1), asked("b", 0, 2)], &config);
        assert_eq!(request.topics.len(), 2);
        for version in FetchRequest::VERSIONS.iter() {
            encode_to_bytes(&request, version).unwrap();
        }
    }

    #[test]
    fn answers_are_found_by_name_and_by_id() {
        for (topic, topic_id) in [("a", Uuid::ZERO), ("", Uuid([1; 16]))] {
            let data = PartitionData { partition_index: 1, high_watermark: 9, ..Default::default() };
            let one = FetchableTopicResponse { topic: topic.to_owned(), topic_id, partitions: vec![data] };
            let response = FetchResponse { responses: vec![one], ..Default::default() };
            let answers = answers(vec![asked("a", 0, 1), asked("a", 1, 1)], response);
            let seen: Vec<Option<i64>> =
                answers.iter().map(|(_, answer)| answer.as_ref().map(|one| one.high_watermark)).collect();
            assert_eq!(seen, [None, Some(9)]);
        }
        assert_eq!(version_max(&[asked("a", 0, 1)]), i16::MAX);
        assert_eq!(version_max(&[asked("a", 0, 1), asked("b", 0, 0)]), NAMES_UNTIL_VERSION);
    }
}
