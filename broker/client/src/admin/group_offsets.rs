//! Committed offsets of groups: list, change, delete.

use std::sync::Arc;

use futures_util::StreamExt;
use millrace_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use millrace_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use millrace_protocol::{ApiKey, ErrorCode};

use super::types::{Each, GroupOffsets};
use super::{Admin, Answers};
use crate::client::Target;
use crate::error::ClientError;
use crate::offset_fetch::{
    SEVERAL_GROUPS_SINCE, fetched_error, fetched_offsets, offset_fetch_request, offsets_of_groups,
    offsets_of_groups_request,
};
use crate::topic_partition::{CommittedOffset, TopicPartition, by_topic};

/// Groups asked about one by one at the same time, where a coordinator takes no more in one request.
const ALONE_AT_A_TIME: usize = 8;

impl Admin {
    /// What a group committed for these partitions, or for all it committed for.
    ///
    /// # Errors
    /// What reaching the coordinator meets, and its refusal of the group.
    pub async fn list_group_offsets(
        &self,
        group: &str,
        partitions: Option<Vec<TopicPartition>>,
    ) -> Result<GroupOffsets, ClientError> {
        let target = Target::Coordinator(group.to_owned());
        let make = |version: i16| offset_fetch_request(group, partitions.as_deref(), false, version);
        let response = self.ask(target, make, fetched_error).await?;
        fetched_offsets(group, response)
    }

    /// What each group committed, for all partitions that it committed for: many groups in one request where
    /// their coordinator takes that (KIP-709).
    ///
    /// # Errors
    /// What reaching coordinators meets stands beside each group, as refusals do.
    pub async fn list_offsets_of_groups(
        &self,
        groups: Vec<String>,
    ) -> Result<Each<String, GroupOffsets>, ClientError> {
        let make = |groups: &[String], _| offsets_of_groups_request(groups);
        let read = |_, response| offsets_of_groups(response);
        let call = &self.begun();
        let fetched = call.ask_coordinators(groups, SEVERAL_GROUPS_SINCE, make, read).await?;
        let one_by_one = futures_util::stream::iter(fetched).map(|(group, result)| async move {
            let result = match result {
                Err(ClientError::Unsupported { .. }) => call.list_group_offsets(&group, None).await,
                result => result,
            };
            (group, result)
        });
        Ok(one_by_one.buffered(ALONE_AT_A_TIME).collect().await)
    }

    /// Commits offsets for a group that has no members.
    ///
    /// # Errors
    /// What reaching the coordinator meets; refusals stand beside each partition.
    pub async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: Vec<(TopicPartition, CommittedOffset)>,
    ) -> Result<Each<TopicPartition, ()>, ClientError> {
        let names: Vec<TopicPartition> = offsets.iter().map(|(partition, _)| partition.clone()).collect();
        let request = OffsetCommitRequest {
            group_id: group.to_owned(),
            topics: commit_topics(offsets.iter().map(|(partition, offset)| (partition, offset))),
            ..Default::default()
        };
        let response = self
            .ask(
                Target::Coordinator(group.to_owned()),
                |_| request.clone(),
                |response| {
                    let first = response.topics.first().and_then(|topic| topic.partitions.first());
                    first.map_or(ErrorCode::NONE, |partition| partition.error_code)
                },
            )
            .await?;
        let mut answers = Answers::new(&names);
        for topic in response.topics {
            let name: Arc<str> = Arc::from(topic.name);
            for one in topic.partitions {
                let partition = TopicPartition::new(Arc::clone(&name), one.partition_index);
                let subject = partition.to_string();
                answers.put(partition, ClientError::check(ApiKey::OffsetCommit, one.error_code, subject));
            }
        }
        Ok(answers.finish(names))
    }

    /// Deletes what a group committed for these partitions, which nobody in the group may be reading.
    ///
    /// # Errors
    /// What reaching the coordinator meets, and its refusal of the group; refusals stand beside each
    /// partition.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: Vec<TopicPartition>,
    ) -> Result<Each<TopicPartition, ()>, ClientError> {
        let topics = by_topic(partitions.iter().map(|partition| (partition, ())));
        let request = OffsetDeleteRequest {
            group_id: group.to_owned(),
            topics: topics
                .into_iter()
                .map(|(name, numbers)| OffsetDeleteRequestTopic {
                    name: name.to_string(),
                    partitions: numbers
                        .into_iter()
                        .map(|(partition_index, ())| OffsetDeleteRequestPartition { partition_index })
                        .collect(),
                })
                .collect(),
        };
        let target = Target::Coordinator(group.to_owned());
        let response = self.ask(target, |_| request.clone(), |response| response.error_code).await?;
        let api = ApiKey::OffsetDelete;
        ClientError::check(api, response.error_code, format!("group {group}"))?;
        let mut answers = Answers::new(&partitions);
        for topic in response.topics {
            let name: Arc<str> = Arc::from(topic.name);
            for one in topic.partitions {
                let partition = TopicPartition::new(Arc::clone(&name), one.partition_index);
                let subject = partition.to_string();
                answers.put(partition, ClientError::check(api, one.error_code, subject));
            }
        }
        Ok(answers.finish(partitions))
    }
}

/// Offsets in the shape of an OffsetCommit request.
pub(crate) fn commit_topics<'a>(
    offsets: impl IntoIterator<Item = (&'a TopicPartition, &'a CommittedOffset)>,
) -> Vec<OffsetCommitRequestTopic> {
    by_topic(offsets)
        .into_iter()
        .map(|(name, partitions)| OffsetCommitRequestTopic {
            name: name.to_string(),
            partitions: partitions
                .into_iter()
                .map(|(partition_index, offset)| OffsetCommitRequestPartition {
                    partition_index,
                    committed_offset: offset.offset,
                    committed_leader_epoch: offset.leader_epoch.unwrap_or(-1),
                    committed_metadata: Some(offset.metadata.clone()),
                })
                .collect(),
        })
        .collect()
}
