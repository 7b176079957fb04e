//! What a shard's records amount to: groups as last written, and their committed offsets. Changed by
//! [`Durable::replay`] and by nothing else; the same records always give the same state.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_protocol::Uuid;
use millrace_protocol::messages::group_records::{GroupMetadataValue, OffsetCommitKey, OffsetCommitValue};

use crate::record::GroupRecord;

/// A committed offset (Kafka's `OffsetAndMetadata`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// Leader epoch of the last record read, or -1.
    pub leader_epoch: i32,
    /// What the consumer wrote beside it.
    pub metadata: String,
    /// When it was committed, in milliseconds since 1970.
    pub commit_timestamp_ms: i64,
    /// When it expires, if the consumer said so itself (OffsetCommit before version 5).
    pub expire_timestamp_ms: Option<i64>,
    /// The topic's id, or zero where nobody knew it.
    pub topic_id: Uuid,
}

/// Committed offsets of one group, by topic and partition.
pub type Offsets = BTreeMap<Arc<str>, BTreeMap<i32, CommittedOffset>>;

/// One group as its records say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DurableGroup {
    /// The last record of its membership; a group that only commits offsets has none.
    pub metadata: Option<GroupMetadataValue>,
    /// Its offsets.
    pub offsets: Offsets,
}

/// All groups of a shard.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durable {
    groups: BTreeMap<Arc<str>, DurableGroup>,
}

impl Durable {
    /// The group of this name.
    #[must_use]
    pub fn group(&self, id: &str) -> Option<&DurableGroup> {
        self.groups.get(id)
    }

    /// The group's offsets, if it has any.
    #[must_use]
    pub fn offsets(&self, id: &str) -> Option<&Offsets> {
        self.groups.get(id).map(|group| &group.offsets)
    }

    /// The group's offset of one partition.
    #[must_use]
    pub fn offset(&self, id: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.offsets(id)?.get(topic)?.get(&partition)
    }

    /// All groups in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &DurableGroup)> {
        self.groups.iter()
    }

    /// Takes over what a record says.
    pub fn replay(&mut self, record: &GroupRecord) {
        match record {
            GroupRecord::OffsetCommit(key, Some(value)) => self.put_offset(key, value),
            GroupRecord::OffsetCommit(key, None) => self.remove_offset(key),
            GroupRecord::GroupMetadata(key, Some(value)) => {
                self.group_mut(&key.group).metadata = Some(value.clone());
            }
            GroupRecord::GroupMetadata(key, None) => {
                self.groups.remove(key.group.as_str());
            }
        }
    }

    fn group_mut(&mut self, id: &str) -> &mut DurableGroup {
        let id = match self.groups.get_key_value(id) {
            Some((id, _)) => Arc::clone(id),
            None => id.into(),
        };
        self.groups.entry(id).or_default()
    }

    fn put_offset(&mut self, key: &OffsetCommitKey, value: &OffsetCommitValue) {
        let committed = CommittedOffset {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata.clone(),
            commit_timestamp_ms: value.commit_timestamp,
            expire_timestamp_ms: (value.expire_timestamp >= 0).then_some(value.expire_timestamp),
            topic_id: value.topic_id,
        };
        let offsets = &mut self.group_mut(&key.group).offsets;
        match offsets.get_mut(key.topic.as_str()) {
            Some(partitions) => {
                partitions.insert(key.partition, committed);
            }
            None => {
                offsets.insert(key.topic.as_str().into(), BTreeMap::from([(key.partition, committed)]));
            }
        }
    }

    fn remove_offset(&mut self, key: &OffsetCommitKey) {
        let Some(group) = self.groups.get_mut(key.group.as_str()) else { return };
        let Some(partitions) = group.offsets.get_mut(key.topic.as_str()) else { return };
        partitions.remove(&key.partition);
        if partitions.is_empty() {
            group.offsets.remove(key.topic.as_str());
        }
    }
}
