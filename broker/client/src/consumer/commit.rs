//! OffsetCommit and OffsetFetch of one group, sent again while the coordinator is moving or loading.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use millrace_protocol::{ApiKey, ErrorCode};

use crate::client::{Client, Target};
use crate::error::ClientError;
use crate::offset_fetch::{fetched_error, fetched_offsets, offset_fetch_request};
use crate::topic_partition::{CommittedOffset, TopicPartition, by_topic};

/// Offsets to commit.
pub(super) type Offsets = Vec<(TopicPartition, CommittedOffset)>;

/// In whose name a commit is made.
#[derive(Debug, Clone)]
pub(super) struct Committer {
    pub(super) group: String,
    pub(super) instance_id: Option<String>,
    /// -1 for a consumer that assigns itself.
    pub(super) generation: i32,
    pub(super) member_id: String,
}

/// Commits, and waits for it. `again`: as often as it takes within `default.api.timeout.ms`; otherwise once, since
/// what is tried again may overtake what was committed meanwhile.
pub(super) async fn commit(
    client: Client,
    who: Committer,
    offsets: Offsets,
    again: bool,
) -> Result<(), ClientError> {
    if offsets.is_empty() {
        return Ok(());
    }
    let target = Target::Coordinator(who.group.clone());
    let mut retry = client.retry("committing offsets");
    loop {
        let call = client.call(target.clone());
        let asked = client.call_once(&call, |version| request(&who, &offsets, version));
        let error = match retry.attempt(asked).await? {
            Ok(response) => match failure(&response) {
                None => return Ok(()),
                Some((partition, code)) => ClientError::api(ApiKey::OffsetCommit, code, partition),
            },
            Err(error) => error,
        };
        if !error.is_retriable() {
            return Err(error);
        }
        client.distrust(&target);
        if !again {
            return Err(error);
        }
        retry.after(error).await?;
    }
}

fn request(who: &Committer, offsets: &Offsets, version: i16) -> OffsetCommitRequest {
    let topics = by_topic(offsets.iter().map(|(partition, offset)| (partition, offset)));
    OffsetCommitRequest {
        group_id: who.group.clone(),
        generation_id_or_member_epoch: who.generation,
        member_id: who.member_id.clone(),
        group_instance_id: who.instance_id.clone().filter(|_| version >= 7),
        retention_time_ms: -1,
        topics: topics
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
            .collect(),
    }
}

/// The first partition that was not committed; one whose error is final before others.
fn failure(response: &OffsetCommitResponse) -> Option<(String, ErrorCode)> {
    let failed = response.topics.iter().flat_map(|topic| {
        let of_topic = topic.partitions.iter().filter(|partition| partition.error_code.is_err());
        of_topic
            .map(|partition| (format!("{}-{}", topic.name, partition.partition_index), partition.error_code))
    });
    failed.min_by_key(|(_, code)| code.is_retriable())
}

/// What the group committed for these partitions.
pub(super) async fn committed(
    client: Client,
    group: Arc<str>,
    partitions: Vec<TopicPartition>,
) -> Result<BTreeMap<TopicPartition, Option<CommittedOffset>>, ClientError> {
    let target = Target::Coordinator(group.to_string());
    let mut retry = client.retry("fetching committed offsets");
    loop {
        let call = client.call(target.clone());
        let asked =
            client.call_once(&call, |version| offset_fetch_request(&group, Some(&partitions), true, version));
        let error = match retry.attempt(asked).await? {
            Ok(response) if fetched_error(&response).is_err() => {
                let subject = format!("group {group}");
                ClientError::api(ApiKey::OffsetFetch, fetched_error(&response), subject)
            }
            Ok(response) => {
                let offsets = fetched_offsets(&group, response)?;
                let all: Result<BTreeMap<_, _>, ClientError> = offsets
                    .into_iter()
                    .map(|(partition, offset)| offset.map(|offset| (partition, offset)))
                    .collect();
                match all {
                    Ok(all) => return Ok(all),
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        if !error.is_retriable() {
            return Err(error);
        }
        client.distrust(&target);
        retry.after(error).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_protocol::messages::offset_commit::{
        OffsetCommitResponsePartition, OffsetCommitResponseTopic,
    };
    use millrace_protocol::{Message, encode_to_bytes};

    #[test]
    fn every_version_can_commit() {
        let who = Committer {
            group: "g".into(),
            instance_id: Some("i".into()),
            generation: 3,
            member_id: "m".into(),
        };
        let offsets = vec![(TopicPartition::new("t", 0), CommittedOffset::at(5))];
        for version in OffsetCommitRequest::VERSIONS.iter() {
            encode_to_bytes(&request(&who, &offsets, version), version).unwrap();
        }
    }

    #[test]
    fn a_final_error_goes_before_one_that_passes() {
        let partition =
            |partition_index, error_code| OffsetCommitResponsePartition { partition_index, error_code };
        let partitions = vec![
            partition(0, ErrorCode::NONE),
            partition(1, ErrorCode::NOT_COORDINATOR),
            partition(2, ErrorCode::UNKNOWN_MEMBER_ID),
        ];
        let topic = OffsetCommitResponseTopic { name: "t".into(), partitions };
        let response = OffsetCommitResponse { topics: vec![topic], ..Default::default() };
        assert_eq!(failure(&response), Some(("t-2".to_owned(), ErrorCode::UNKNOWN_MEMBER_ID)));
    }
}
