//! Offsets: committed, fetched, deleted, and forgotten when nobody needs them any more (Kafka's
//! `OffsetMetadataManager`).

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_protocol::messages::group_records::{OffsetCommitKey, OffsetCommitValue};
use millrace_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};
use millrace_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use millrace_protocol::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchResponseGroup, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
};
use millrace_protocol::{ErrorCode, Uuid};

use crate::durable::{CommittedOffset, Offsets};
use crate::group::{Context, Group, GroupState};
use crate::outcome::{Outcome, Reply, Token};
use crate::record::GroupRecord;
use crate::shard::Shard;
use crate::time::Now;

/// Where nothing was committed.
const NO_OFFSET: i64 = -1;
/// The first version that says that a group is not there (KIP-848).
const FIRST_WITH_GROUP_ID_NOT_FOUND: i16 = 9;
/// Bytes of an offset's record besides its texts, at most.
const OFFSET_RECORD_BYTES: usize = 72;

/// An OffsetCommit whose partitions are known to exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// Version of the request.
    pub api_version: i16,
    /// The request.
    pub request: OffsetCommitRequest,
    /// Ids of its topics, in the same order; zero for one that nobody knows.
    pub topic_ids: Vec<Uuid>,
}

impl Shard {
    pub(crate) fn commit(&mut self, token: Token, commit: Commit, now: Now, outcome: &mut Outcome) {
        let checked = self.check_commit(&commit).and_then(|()| self.check_commit_size(&commit.request));
        if let Err(code) = checked {
            return outcome.reply(token, Reply::Commit(refused(commit.request, code)));
        }
        let request = commit.request;
        let (group, mut cx) = self.group_and_context(&request.group_id, now, outcome);
        if let Some(group) = group
            && matches!(group.state(), GroupState::Stable | GroupState::PreparingRebalance)
        {
            group.keep_alive(&mut cx, &request.member_id);
        }
        let expire_timestamp = if request.retention_time_ms < 0 {
            -1
        } else {
            now.wall_ms.saturating_add(request.retention_time_ms)
        };
        let mut topics = Vec::with_capacity(request.topics.len());
        let mut ids = commit.topic_ids.into_iter();
        for topic in request.topics {
            let topic_id = ids.next().unwrap_or_default();
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in topic.partitions {
                let partition_index = partition.partition_index;
                let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
                let fits = metadata.encode_utf16().count() <= self.settings.offset_metadata_max;
                let error_code = if fits { ErrorCode::NONE } else { ErrorCode::OFFSET_METADATA_TOO_LARGE };
                partitions.push(OffsetCommitResponsePartition { partition_index, error_code });
                if fits {
                    let (group, topic) = (request.group_id.clone(), topic.name.clone());
                    let key = OffsetCommitKey { group, topic, partition: partition_index };
                    let value = offset_value(partition, topic_id, now.wall_ms, expire_timestamp);
                    outcome.records.push(GroupRecord::OffsetCommit(key, Some(value)));
                }
            }
            topics.push(OffsetCommitResponseTopic { name: topic.name, partitions });
        }
        outcome
            .reply(token, Reply::Commit(OffsetCommitResponse { topics, ..OffsetCommitResponse::default() }));
    }

    fn check_commit(&self, commit: &Commit) -> Result<(), ErrorCode> {
        let request = &commit.request;
        let generation = request.generation_id_or_member_epoch;
        match self.groups.get(request.group_id.as_str()) {
            Some(group) => {
                group.check_commit(&request.member_id, request.group_instance_id.as_deref(), generation)
            }
            // A consumer that assigns itself, or a tool: its group comes to be by its offsets.
            None if generation < 0 => Ok(()),
            None if commit.api_version >= FIRST_WITH_GROUP_ID_NOT_FOUND => Err(ErrorCode::GROUP_ID_NOT_FOUND),
            None => Err(ErrorCode::ILLEGAL_GENERATION),
        }
    }

    /// Offsets of one request stand or fall together, so they have to fit into one batch.
    fn check_commit_size(&self, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
        let of_partition = |partition: &OffsetCommitRequestPartition| {
            let metadata = partition.committed_metadata.as_ref().map_or(0, String::len);
            // What is longer is refused by itself and not written.
            metadata.min(4 * self.settings.offset_metadata_max)
        };
        let of_topic = |name: &str, partitions: &[OffsetCommitRequestPartition]| {
            let fixed = partitions.len() * (OFFSET_RECORD_BYTES + request.group_id.len() + name.len());
            fixed + partitions.iter().map(of_partition).sum::<usize>()
        };
        let bytes: usize = request.topics.iter().map(|topic| of_topic(&topic.name, &topic.partitions)).sum();
        if bytes <= self.settings.record_bytes_max { Ok(()) } else { Err(ErrorCode::UNKNOWN_SERVER_ERROR) }
    }

    /// A group's offsets: those of the topics named, or with no list all of them. An unknown group has
    /// committed nothing, which is no error.
    #[must_use]
    pub fn fetch_offsets(&self, request: &OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
        let none = Offsets::new();
        let offsets = self.durable.offsets(&request.group_id).unwrap_or(&none);
        let topics = match &request.topics {
            None => offsets.iter().map(|(topic, partitions)| fetched_all(topic, partitions)).collect(),
            Some(topics) => {
                let answers = topics.iter().map(|topic| {
                    let known = offsets.get(topic.name.as_str());
                    let partitions = topic
                        .partition_indexes
                        .iter()
                        .map(|index| fetched(*index, known.and_then(|partitions| partitions.get(index))));
                    OffsetFetchResponseTopics { name: topic.name.clone(), partitions: partitions.collect() }
                });
                answers.collect()
            }
        };
        OffsetFetchResponseGroup {
            group_id: request.group_id.clone(),
            topics,
            ..OffsetFetchResponseGroup::default()
        }
    }

    pub(crate) fn delete_offsets(&self, token: Token, request: OffsetDeleteRequest, outcome: &mut Outcome) {
        if let Err(error_code) = self.check_delete_offsets(&request.group_id) {
            let response = OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() };
            return outcome.reply(token, Reply::DeleteOffsets(response));
        }
        let group = self.groups.get(request.group_id.as_str());
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let subscribed = group.is_some_and(|group| group.reads(&topic.name));
            let error_code = if subscribed { ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC } else { ErrorCode::NONE };
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in topic.partitions {
                let partition_index = partition.partition_index;
                let known = self.durable.offset(&request.group_id, &topic.name, partition_index).is_some();
                if known && !subscribed {
                    let group = &request.group_id;
                    outcome.records.push(GroupRecord::offset_tombstone(group, &topic.name, partition_index));
                }
                partitions.push(OffsetDeleteResponsePartition { partition_index, error_code });
            }
            topics.push(OffsetDeleteResponseTopic { name: topic.name, partitions });
        }
        let response = OffsetDeleteResponse { topics, ..OffsetDeleteResponse::default() };
        outcome.reply(token, Reply::DeleteOffsets(response));
    }

    fn check_delete_offsets(&self, group_id: &str) -> Result<(), ErrorCode> {
        if group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let group = self.groups.get(group_id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        // Only of consumers does anybody know which topics they read.
        if group.is_empty() || group.is_consumer() { Ok(()) } else { Err(ErrorCode::NON_EMPTY_GROUP) }
    }

    /// Forgets the offsets of topics for which `exists` says no. It is given a topic's name and the id
    /// that it had when the offset was committed, which is zero where nobody knew.
    pub fn forget_topics(&self, exists: impl Fn(&str, Uuid) -> bool) -> Outcome {
        let mut outcome = Outcome::default();
        for (id, group) in self.durable.iter() {
            for (topic, partitions) in &group.offsets {
                for (partition, committed) in partitions {
                    if !exists(topic, committed.topic_id) {
                        outcome.records.push(GroupRecord::offset_tombstone(id, topic, *partition));
                    }
                }
            }
        }
        outcome
    }

    /// Forgets offsets whose time has run out, and empty groups that have none left.
    pub(crate) fn expire_offsets(&self, wall_ms: i64, outcome: &mut Outcome) {
        let none = Offsets::new();
        for (id, group) in &self.groups {
            let offsets = self.durable.offsets(id).unwrap_or(&none);
            let mut left = 0_usize;
            for (topic, partitions) in offsets {
                for (partition, committed) in partitions {
                    if self.is_expired(group, topic, committed, wall_ms) {
                        outcome.records.push(GroupRecord::offset_tombstone(id, topic, *partition));
                    } else {
                        left += 1;
                    }
                }
            }
            if left == 0 && group.is_empty() {
                outcome.records.push(GroupRecord::group_tombstone(id));
            }
        }
    }

    fn is_expired(&self, group: &Group, topic: &Arc<str>, offset: &CommittedOffset, wall_ms: i64) -> bool {
        let Some(from_ms) = group.expires_from_ms(offset.commit_timestamp_ms) else { return false };
        if group.reads(topic) {
            return false;
        }
        match offset.expire_timestamp_ms {
            Some(expire_ms) => wall_ms >= expire_ms,
            None => wall_ms.saturating_sub(from_ms) >= self.settings.offsets_retention_ms,
        }
    }

    /// The group, if it is there, and what it works with.
    pub(crate) fn group_and_context<'a>(
        &'a mut self,
        id: &str,
        now: Now,
        outcome: &'a mut Outcome,
    ) -> (Option<&'a mut Group>, Context<'a>) {
        let cx = Context { settings: &self.settings, timers: &mut self.timers, outcome, now };
        (self.groups.get_mut(id), cx)
    }
}

/// The answer to a commit that is refused whole.
fn refused(request: OffsetCommitRequest, error_code: ErrorCode) -> OffsetCommitResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| OffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code,
        });
        OffsetCommitResponseTopic { partitions: partitions.collect(), name: topic.name }
    });
    OffsetCommitResponse { topics: topics.collect(), ..OffsetCommitResponse::default() }
}

fn offset_value(
    partition: OffsetCommitRequestPartition,
    topic_id: Uuid,
    now_ms: i64,
    expire_timestamp: i64,
) -> OffsetCommitValue {
    OffsetCommitValue {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.unwrap_or_default(),
        commit_timestamp: now_ms,
        expire_timestamp,
        topic_id,
    }
}

fn fetched_all(topic: &Arc<str>, partitions: &BTreeMap<i32, CommittedOffset>) -> OffsetFetchResponseTopics {
    let partitions = partitions.iter().map(|(index, committed)| fetched(*index, Some(committed)));
    OffsetFetchResponseTopics { name: topic.to_string(), partitions: partitions.collect() }
}

fn fetched(partition_index: i32, committed: Option<&CommittedOffset>) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: committed.map_or(NO_OFFSET, |committed| committed.offset),
        committed_leader_epoch: committed.map_or(-1, |committed| committed.leader_epoch),
        metadata: Some(committed.map(|committed| committed.metadata.clone()).unwrap_or_default()),
        error_code: ErrorCode::NONE,
    }
}
