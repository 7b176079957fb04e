//! OffsetCommit: remember how far a group has read. Only offsets of partitions that exist reach the
//! group (`KafkaApis.handleOffsetCommitRequest`).

use std::collections::HashMap;

use millrace_coordinator::{Commit, Input, Reply};
use millrace_metadata::image::ClusterImage;
use millrace_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use millrace_protocol::{ErrorCode, Uuid};

use crate::context::RequestContext;
use crate::groups::Groups;
use crate::quorum::MetadataView;

pub(crate) async fn handle(
    groups: &Groups,
    metadata: &MetadataView,
    context: &RequestContext,
    mut request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let image = metadata.load();
    let (mut known, mut topic_ids, mut topics) = (Vec::new(), Vec::new(), Vec::new());
    for topic in std::mem::take(&mut request.topics) {
        let (name, id, partitions, unknown) = sort(&image, topic);
        if !partitions.is_empty() {
            known.push(OffsetCommitRequestTopic { name: name.clone(), partitions });
            topic_ids.push(id);
        }
        if !unknown.is_empty() {
            topics.push(OffsetCommitResponseTopic { name, partitions: unknown });
        }
    }
    if !known.is_empty() {
        request.topics = known;
        let asked = unanswered(&request);
        let group = request.group_id.clone();
        let commit = Commit { api_version: context.api_version, request, topic_ids };
        let answered = match groups.handle(&group, Input::Commit(commit)).await {
            Ok(Reply::Commit(response)) => response.topics,
            Ok(_) => refused(asked, ErrorCode::UNKNOWN_SERVER_ERROR),
            Err(code) => refused(asked, code),
        };
        merge(&mut topics, answered);
    }
    OffsetCommitResponse { topics, ..OffsetCommitResponse::default() }
}

/// A topic's name, its id, its partitions that exist, and answers for those that do not.
type Sorted = (String, Uuid, Vec<OffsetCommitRequestPartition>, Vec<OffsetCommitResponsePartition>);

fn sort(image: &ClusterImage, topic: OffsetCommitRequestTopic) -> Sorted {
    let OffsetCommitRequestTopic { name, partitions } = topic;
    let found = image.topics.by_name(&name);
    let (known, unknown): (Vec<_>, Vec<_>) = partitions.into_iter().partition(|partition| {
        found.is_some_and(|topic| topic.partition(partition.partition_index).is_some())
    });
    let unknown = unknown.into_iter().map(|partition| OffsetCommitResponsePartition {
        partition_index: partition.partition_index,
        error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    });
    (name, found.map(|topic| topic.id).unwrap_or_default(), known, unknown.collect())
}

/// The partitions of a request, as an answer lists them.
fn unanswered(request: &OffsetCommitRequest) -> Vec<OffsetCommitResponseTopic> {
    let topics = request.topics.iter().map(|topic| OffsetCommitResponseTopic {
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: ErrorCode::NONE,
            })
            .collect(),
    });
    topics.collect()
}

fn refused(mut topics: Vec<OffsetCommitResponseTopic>, code: ErrorCode) -> Vec<OffsetCommitResponseTopic> {
    topics
        .iter_mut()
        .flat_map(|topic| &mut topic.partitions)
        .for_each(|partition| partition.error_code = code);
    topics
}

/// A topic of which some partitions exist is answered once.
fn merge(topics: &mut Vec<OffsetCommitResponseTopic>, answered: Vec<OffsetCommitResponseTopic>) {
    let places: HashMap<String, usize> =
        topics.iter().enumerate().map(|(place, topic)| (topic.name.clone(), place)).collect();
    for topic in answered {
        match places.get(&topic.name) {
            Some(place) => topics[*place].partitions.extend(topic.partitions),
            None => topics.push(topic),
        }
    }
}
