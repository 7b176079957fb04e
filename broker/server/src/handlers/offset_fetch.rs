//! OffsetFetch: how far groups have read; several groups at once from version 8 (KIP-709). Without
//! transactions every offset is stable.

use std::collections::{HashMap, HashSet};

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

use crate::context::RequestContext;
use crate::groups::Groups;

/// The first version with an error of the whole answer.
const FIRST_WITH_ERROR: i16 = 2;
/// The first version that asks for several groups.
const FIRST_WITH_GROUPS: i16 = 8;

pub(crate) fn handle(
    groups: &Groups,
    context: &RequestContext,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    if context.api_version >= FIRST_WITH_GROUPS {
        let wanted = once(request.groups);
        let fetched = wanted.iter().map(|group| fetch(groups, group));
        return OffsetFetchResponse { groups: fetched.collect(), ..OffsetFetchResponse::default() };
    }
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name,
            partition_indexes: topic.partition_indexes,
        });
        topics.collect()
    });
    let group =
        OffsetFetchRequestGroup { group_id: request.group_id, topics, ..OffsetFetchRequestGroup::default() };
    let group = once(vec![group]).pop().unwrap_or_default();
    let mut fetched = fetch(groups, &group);
    if fetched.error_code.is_err() && context.api_version < FIRST_WITH_ERROR {
        fetched.topics = refused(&group, fetched.error_code);
    }
    OffsetFetchResponse {
        topics: fetched.topics.into_iter().map(old_topic).collect(),
        error_code: fetched.error_code,
        ..OffsetFetchResponse::default()
    }
}

/// Every offset is told once, however often it is named: the answer stays as large as what is kept.
fn once(mut groups: Vec<OffsetFetchRequestGroup>) -> Vec<OffsetFetchRequestGroup> {
    let mut whole = HashSet::new();
    groups.retain(|group| group.topics.is_some() || whole.insert(group.group_id.clone()));
    let mut seen = HashMap::<(String, String), HashSet<i32>>::new();
    for group in &mut groups {
        for topic in group.topics.iter_mut().flatten() {
            let seen = seen.entry((group.group_id.clone(), topic.name.clone())).or_default();
            topic.partition_indexes.retain(|index| seen.insert(*index));
        }
    }
    groups
}

fn fetch(groups: &Groups, group: &OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
    let fetched = groups.read(&group.group_id, |shard| shard.fetch_offsets(group));
    fetched.unwrap_or_else(|error_code| OffsetFetchResponseGroup {
        group_id: group.group_id.clone(),
        error_code,
        ..OffsetFetchResponseGroup::default()
    })
}

/// An error for each partition, where the answer as a whole has none.
fn refused(group: &OffsetFetchRequestGroup, error_code: ErrorCode) -> Vec<OffsetFetchResponseTopics> {
    let topics = group.topics.iter().flatten().map(|topic| OffsetFetchResponseTopics {
        name: topic.name.clone(),
        partitions: topic
            .partition_indexes
            .iter()
            .map(|index| OffsetFetchResponsePartitions {
                partition_index: *index,
                committed_offset: -1,
                metadata: Some(String::new()),
                error_code,
                ..OffsetFetchResponsePartitions::default()
            })
            .collect(),
    });
    topics.collect()
}

fn old_topic(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    });
    OffsetFetchResponseTopic { name: topic.name, partitions: partitions.collect() }
}
