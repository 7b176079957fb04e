//! DescribeTopicPartitions: topics in the order of their names, so many partitions at a time, and a
//! cursor to go on from (KIP-966; `DescribeTopicPartitionsRequestHandler`).

use std::collections::BTreeSet;

use millrace_metadata::controller::validate_topic_name;
use millrace_metadata::image::{PartitionImage, TopicImage, is_internal_topic};
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponseCursor,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};

use super::audience::{Audience, TOPIC_OPERATIONS};
use crate::config::LiveConfig;
use crate::context::RequestContext;
use crate::quorum::MetadataView;

pub(crate) fn handle(
    metadata: &MetadataView,
    config: &LiveConfig,
    context: &RequestContext,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    if !is_valid(&request) {
        return refused(&request);
    }
    let image = metadata.load();
    let audience = Audience { image: &image, listener: &context.peer.listener };
    let limit = request.response_partition_limit.min(config.load().topics.described_partitions_max).max(1);
    let mut page = Page { audience, left: limit, response: DescribeTopicPartitionsResponse::default() };
    let (from, start) = request
        .cursor
        .as_ref()
        .map_or(("", 0), |cursor| (cursor.topic_name.as_str(), cursor.partition_index));
    let start_of = |name: &str| if name == from { start } else { 0 };
    if request.topics.is_empty() {
        for topic in image.topics.iter_from(from) {
            if !page.add(&topic.name, Some(topic), start_of(&topic.name)) {
                break;
            }
        }
    } else {
        let names: BTreeSet<&str> = request.topics.iter().map(|topic| topic.name.as_str()).collect();
        for name in names.range(from..) {
            if !page.add(name, image.topics.by_name(name).map(|topic| &**topic), start_of(name)) {
                break;
            }
        }
    }
    page.response
}

/// A cursor points to a topic that is asked for, and to a partition.
fn is_valid(request: &DescribeTopicPartitionsRequest) -> bool {
    request.cursor.as_ref().is_none_or(|cursor| {
        let named = || request.topics.iter().any(|topic| topic.name == cursor.topic_name);
        cursor.partition_index >= 0 && (request.topics.is_empty() || named())
    })
}

fn refused(request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let topics = request.topics.iter().map(|topic| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::INVALID_REQUEST,
        name: Some(topic.name.clone()),
        ..DescribeTopicPartitionsResponseTopic::default()
    });
    DescribeTopicPartitionsResponse { topics: topics.collect(), ..DescribeTopicPartitionsResponse::default() }
}

/// An answer that fills up.
struct Page<'a> {
    audience: Audience<'a>,
    /// Partitions that still fit.
    left: i32,
    response: DescribeTopicPartitionsResponse,
}

impl Page<'_> {
    /// Adds as much of a topic as fits. False when the page is full.
    fn add(&mut self, name: &str, topic: Option<&TopicImage>, start: i32) -> bool {
        if self.left == 0 {
            self.end_before(name, 0);
            return false;
        }
        let Some(topic) = topic else {
            self.response.topics.push(unknown(name));
            return true;
        };
        let end = topic.partition_count().min(start.saturating_add(self.left));
        let partitions = topic
            .partitions
            .range(start..end.max(start))
            .map(|(index, partition)| self.partition(*index, partition));
        let partitions: Vec<_> = partitions.collect();
        self.left -= i32::try_from(partitions.len()).unwrap_or(self.left);
        self.response.topics.push(DescribeTopicPartitionsResponseTopic {
            error_code: ErrorCode::NONE,
            name: Some(name.to_owned()),
            topic_id: topic.id,
            is_internal: is_internal_topic(name),
            partitions,
            topic_authorized_operations: TOPIC_OPERATIONS,
        });
        if end < topic.partition_count() {
            self.end_before(name, end);
            return false;
        }
        true
    }

    fn end_before(&mut self, topic: &str, partition_index: i32) {
        let cursor = DescribeTopicPartitionsResponseCursor { topic_name: topic.to_owned(), partition_index };
        self.response.next_cursor = Some(cursor);
    }

    fn partition(
        &self,
        partition_index: i32,
        partition: &PartitionImage,
    ) -> DescribeTopicPartitionsResponsePartition {
        let leader = self.audience.image.broker(partition.leader);
        let led = leader.is_some_and(|leader| leader.endpoint(self.audience.listener).is_some());
        DescribeTopicPartitionsResponsePartition {
            error_code: ErrorCode::NONE,
            partition_index,
            leader_id: if led { partition.leader } else { -1 },
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.clone(),
            isr_nodes: partition.isr.clone(),
            eligible_leader_replicas: Some(Vec::new()),
            last_known_elr: Some(Vec::new()),
            offline_replicas: self.audience.offline_replicas(partition),
        }
    }
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let valid = validate_topic_name(name).is_ok();
    DescribeTopicPartitionsResponseTopic {
        error_code: if valid {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        } else {
            ErrorCode::INVALID_TOPIC_EXCEPTION
        },
        name: Some(name.to_owned()),
        is_internal: is_internal_topic(name),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}
