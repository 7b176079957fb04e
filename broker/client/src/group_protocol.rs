//! The blobs that consumers of a group exchange through their coordinator: what a member subscribes to
//! and owns, and what the leader assigns (`org.apache.kafka.clients.consumer.internals.ConsumerProtocol`).
//! Each starts with its version. Pure.

use std::sync::Arc;

use bytes::Bytes;
use millrace_protocol::Message;
use millrace_protocol::messages::group_records::{
    AssignmentTopicPartition, ConsumerProtocolAssignment, ConsumerProtocolSubscription,
    SubscriptionTopicPartition,
};
use millrace_protocol::wire::{DecodeError, EncodeError, Reader, Writer};

use crate::topic_partition::{TopicPartition, by_topic};

/// What a member tells when it joins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) topics: Vec<Arc<str>>,
    /// What the assignor adds for itself.
    pub(crate) user_data: Option<Bytes>,
    /// What the member holds while it joins (KIP-429).
    pub(crate) owned: Vec<TopicPartition>,
    /// The generation in which it got that (KIP-792); `None` when it does not tell.
    pub(crate) generation: Option<i32>,
    pub(crate) rack: Option<String>,
}

/// What a member is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) partitions: Vec<TopicPartition>,
    pub(crate) user_data: Option<Bytes>,
}

pub(crate) fn encode_subscription(subscription: &Subscription) -> Result<Bytes, EncodeError> {
    let mut topics: Vec<String> = subscription.topics.iter().map(|topic| topic.to_string()).collect();
    topics.sort();
    let mut owned: Vec<SubscriptionTopicPartition> = grouped(&subscription.owned)
        .map(|(topic, partitions)| SubscriptionTopicPartition { topic, partitions })
        .collect();
    owned.sort_by(|left, right| left.topic.cmp(&right.topic));
    let message = ConsumerProtocolSubscription {
        topics,
        user_data: subscription.user_data.clone(),
        owned_partitions: owned,
        generation_id: subscription.generation.unwrap_or(-1),
        rack_id: subscription.rack.clone(),
    };
    encode_versioned(&message)
}

pub(crate) fn decode_subscription(bytes: Bytes) -> Result<Subscription, DecodeError> {
    let message: ConsumerProtocolSubscription = decode_versioned(bytes)?;
    let owned = message.owned_partitions.into_iter().map(|one| (one.topic, one.partitions));
    Ok(Subscription {
        topics: message.topics.into_iter().map(Arc::from).collect(),
        user_data: message.user_data,
        owned: flattened(owned),
        generation: Some(message.generation_id).filter(|generation| *generation >= 0),
        rack: message.rack_id,
    })
}

pub(crate) fn encode_assignment(assignment: &Assignment) -> Result<Bytes, EncodeError> {
    let message = ConsumerProtocolAssignment {
        assigned_partitions: grouped(&assignment.partitions)
            .map(|(topic, partitions)| AssignmentTopicPartition { topic, partitions })
            .collect(),
        user_data: assignment.user_data.clone(),
    };
    encode_versioned(&message)
}

/// Nothing at all is an empty assignment: a member that the leader left out gets that.
pub(crate) fn decode_assignment(bytes: Bytes) -> Result<Assignment, DecodeError> {
    if bytes.is_empty() {
        return Ok(Assignment::default());
    }
    let message: ConsumerProtocolAssignment = decode_versioned(bytes)?;
    let assigned = message.assigned_partitions.into_iter().map(|one| (one.topic, one.partitions));
    Ok(Assignment { partitions: flattened(assigned), user_data: message.user_data })
}

fn grouped(partitions: &[TopicPartition]) -> impl Iterator<Item = (String, Vec<i32>)> {
    by_topic(partitions.iter().map(|partition| (partition, ())))
        .into_iter()
        .map(|(topic, numbers)| (topic.to_string(), numbers.into_iter().map(|(number, ())| number).collect()))
}

fn flattened(topics: impl Iterator<Item = (String, Vec<i32>)>) -> Vec<TopicPartition> {
    let mut partitions = Vec::new();
    for (topic, numbers) in topics {
        let topic: Arc<str> = Arc::from(topic);
        partitions.extend(numbers.into_iter().map(|number| TopicPartition::new(Arc::clone(&topic), number)));
    }
    partitions
}

fn encode_versioned<M: Message>(message: &M) -> Result<Bytes, EncodeError> {
    let version = M::VERSIONS.last;
    let mut writer = Writer::default();
    writer.write_i16(version);
    message.encode(&mut writer, version)?;
    Ok(writer.finish().0)
}

/// Versions newer than this client's start with the fields of the newest it knows, by the rules of the
/// protocol; what follows is skipped.
fn decode_versioned<M: Message>(bytes: Bytes) -> Result<M, DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.read_i16()?;
    if version < M::VERSIONS.first {
        return Err(DecodeError::UnsupportedVersion(version));
    }
    M::decode(&mut reader, version.min(M::VERSIONS.last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_survive_the_round_trip() {
        let subscription = Subscription {
            topics: vec!["a".into(), "b".into()],
            user_data: Some(Bytes::from_static(b"x")),
            owned: vec![TopicPartition::new("a", 1), TopicPartition::new("a", 0)],
            generation: Some(7),
            rack: None,
        };
        let bytes = encode_subscription(&subscription).unwrap();
        assert_eq!(decode_subscription(bytes).unwrap(), subscription);
    }

    #[test]
    fn a_member_left_out_has_an_empty_assignment() {
        assert_eq!(decode_assignment(Bytes::new()).unwrap(), Assignment::default());
    }

    #[test]
    fn newer_versions_are_read_as_far_as_they_are_known() {
        let mut bytes =
            encode_assignment(&Assignment { partitions: vec![TopicPartition::new("t", 2)], user_data: None })
                .unwrap()
                .to_vec();
        bytes[1] = 9;
        bytes.extend_from_slice(b"whatever comes later");
        assert_eq!(decode_assignment(bytes.into()).unwrap().partitions, [TopicPartition::new("t", 2)]);
    }
}
