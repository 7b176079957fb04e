//! OffsetFetch, whose shape changed at version 8: one group at the top, or a list of groups. Shared by
//! consumers and admin calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponse,
};
use millrace_protocol::{ApiKey, ErrorCode};

use crate::admin::types::{Each, GroupOffsets};
use crate::error::ClientError;
use crate::topic_partition::{CommittedOffset, TopicPartition, by_topic};

/// From here on one request can be about several groups (KIP-709).
pub(crate) const SEVERAL_GROUPS_SINCE: i16 = 8;

/// Asks for all that several groups committed, from [`SEVERAL_GROUPS_SINCE`] on.
pub(crate) fn offsets_of_groups_request(groups: &[String]) -> OffsetFetchRequest {
    let all_of = |group: &String| OffsetFetchRequestGroup { group_id: group.clone(), ..Default::default() };
    OffsetFetchRequest { groups: groups.iter().map(all_of).collect(), ..Default::default() }
}

/// Offsets by partition, of each group in the answer.
pub(crate) fn offsets_of_groups(response: OffsetFetchResponse) -> Each<String, GroupOffsets> {
    let groups = response.groups.into_iter();
    groups
        .map(|group| {
            let id = group.group_id.clone();
            let alone = OffsetFetchResponse { groups: vec![group], ..Default::default() };
            let offsets = fetched_offsets(&id, alone);
            (id, offsets)
        })
        .collect()
}

/// Asks for these partitions, or for all that the group committed. `stable` waits out transactions that
/// hold offsets (KIP-447).
pub(crate) fn offset_fetch_request(
    group: &str,
    partitions: Option<&[TopicPartition]>,
    stable: bool,
    version: i16,
) -> OffsetFetchRequest {
    let topics = partitions.map(|partitions| {
        by_topic(partitions.iter().map(|partition| (partition, ())))
            .into_iter()
            .map(|(name, numbers)| {
                (name.to_string(), numbers.into_iter().map(|(number, ())| number).collect::<Vec<i32>>())
            })
            .collect::<Vec<_>>()
    });
    let require_stable = stable && version >= 7;
    if version >= SEVERAL_GROUPS_SINCE {
        let topics = topics.map(|topics| {
            topics
                .into_iter()
                .map(|(name, partition_indexes)| OffsetFetchRequestTopics { name, partition_indexes })
                .collect()
        });
        let group = OffsetFetchRequestGroup { group_id: group.to_owned(), topics, ..Default::default() };
        return OffsetFetchRequest { groups: vec![group], require_stable, ..Default::default() };
    }
    let topics = topics.map(|topics| {
        topics
            .into_iter()
            .map(|(name, partition_indexes)| OffsetFetchRequestTopic { name, partition_indexes })
            .collect()
    });
    OffsetFetchRequest { group_id: group.to_owned(), topics, require_stable, ..Default::default() }
}

/// The answer's error about the group.
pub(crate) fn fetched_error(response: &OffsetFetchResponse) -> ErrorCode {
    response.groups.first().map_or(response.error_code, |group| group.error_code)
}

/// Offsets by partition.
pub(crate) fn fetched_offsets(
    group: &str,
    response: OffsetFetchResponse,
) -> Result<GroupOffsets, ClientError> {
    ClientError::check(ApiKey::OffsetFetch, fetched_error(&response), format!("group {group}"))?;
    let mut offsets = BTreeMap::new();
    let mut put = |topic: &Arc<str>, number: i32, offset: i64, epoch: i32, text: Option<String>, code| {
        let partition = TopicPartition::new(Arc::clone(topic), number);
        let committed = (offset >= 0).then(|| CommittedOffset {
            offset,
            leader_epoch: Some(epoch).filter(|epoch| *epoch >= 0),
            metadata: text.unwrap_or_default(),
        });
        let checked = ClientError::check(ApiKey::OffsetFetch, code, partition.to_string());
        offsets.insert(partition, checked.map(|()| committed));
    };
    for topic in response.topics {
        let name: Arc<str> = Arc::from(topic.name);
        for one in topic.partitions {
            put(
                &name,
                one.partition_index,
                one.committed_offset,
                one.committed_leader_epoch,
                one.metadata,
                one.error_code,
            );
        }
    }
    for topic in response.groups.into_iter().flat_map(|group| group.topics) {
        let name: Arc<str> = Arc::from(topic.name);
        for one in topic.partitions {
            put(
                &name,
                one.partition_index,
                one.committed_offset,
                one.committed_leader_epoch,
                one.metadata,
                one.error_code,
            );
        }
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_protocol::messages::offset_fetch::{
        OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
    };
    use millrace_protocol::{Message, encode_to_bytes};

    #[test]
    fn every_version_can_ask_for_some_and_from_2_on_for_all() {
        let some = [TopicPartition::new("t", 0), TopicPartition::new("t", 1)];
        for version in OffsetFetchRequest::VERSIONS.iter() {
            let request = offset_fetch_request("g", Some(&some), true, version);
            encode_to_bytes(&request, version).unwrap();
            if version >= 2 {
                encode_to_bytes(&offset_fetch_request("g", None, false, version), version).unwrap();
            }
        }
    }

    #[test]
    fn each_group_of_an_answer_has_its_own_offsets_or_error() {
        let partition = OffsetFetchResponsePartitions { committed_offset: 5, ..Default::default() };
        let topic = OffsetFetchResponseTopics { name: "t".into(), partitions: vec![partition] };
        let group = |id: &str, topics, error_code| OffsetFetchResponseGroup {
            group_id: id.into(),
            topics,
            error_code,
        };
        let groups = vec![
            group("a", vec![topic], ErrorCode::NONE),
            group("b", Vec::new(), ErrorCode::NOT_COORDINATOR),
            group("c", Vec::new(), ErrorCode::NONE),
        ];
        let each = offsets_of_groups(OffsetFetchResponse { groups, ..Default::default() });
        let ids: Vec<&str> = each.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        let committed = each[0].1.as_ref().unwrap().get(&TopicPartition::new("t", 0));
        assert!(matches!(committed, Some(Ok(Some(CommittedOffset { offset: 5, .. })))), "{committed:?}");
        let refused = each[1].1.as_ref().unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::NOT_COORDINATOR));
        assert_eq!(each[2].1, Ok(GroupOffsets::new()));
        let request = offsets_of_groups_request(&["a".to_owned(), "b".to_owned()]);
        for version in [SEVERAL_GROUPS_SINCE, OffsetFetchRequest::VERSIONS.last] {
            encode_to_bytes(&request, version).unwrap();
        }
        assert!(request.groups.iter().all(|group| group.topics.is_none()), "null asks for all");
    }

    #[test]
    fn nothing_committed_is_none() {
        let partition =
            OffsetFetchResponsePartitions { partition_index: 3, committed_offset: -1, ..Default::default() };
        let topic = OffsetFetchResponseTopics { name: "t".into(), partitions: vec![partition] };
        let group =
            OffsetFetchResponseGroup { group_id: "g".into(), topics: vec![topic], ..Default::default() };
        let response = OffsetFetchResponse { groups: vec![group], ..Default::default() };
        let offsets = fetched_offsets("g", response).unwrap();
        assert_eq!(offsets.get(&TopicPartition::new("t", 3)), Some(&Ok(None)));
    }
}
