//! The consumer.

mod assignor;
mod records;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use records::{ConsumerRecord, FetchedBatch};

use crate::admin::types::{Each, ListedOffset};
use crate::client::Client;
use crate::cluster::PartitionView;
use crate::config::ConsumerConfig;
use crate::error::ClientError;
use crate::topic_partition::{CommittedOffset, TopicPartition};

/// Which topics to read, by name.
#[derive(Clone)]
pub struct TopicFilter(pub Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl fmt::Debug for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TopicFilter")
    }
}

/// A change of what the group gave this consumer, told from within `poll` and `close`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebalance<'a> {
    /// These were added.
    Assigned(&'a [TopicPartition]),
    /// These are given back; positions can still be committed.
    Revoked(&'a [TopicPartition]),
    /// These were taken away; others may read them already.
    Lost(&'a [TopicPartition]),
}

/// Who this consumer is in its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The group.
    pub group: String,
    /// The generation it belongs to.
    pub generation: i32,
    /// Its id, given by the coordinator.
    pub member_id: String,
}

/// Reads records of partitions that it was assigned by its group or by hand. Fetches are sent from
/// within [`Consumer::poll`]; heartbeats are sent in the background. Dropped without
/// [`Consumer::close`], it leaves its group by session timeout.
#[derive(Debug)]
pub struct Consumer {
    client: Client,
}

impl Consumer {
    /// A consumer with these settings. Connects when first used. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`ClientError::Config`] when a bootstrap server is not `host:port`.
    pub async fn new(config: ConsumerConfig) -> Result<Self, ClientError> {
        Ok(Self { client: Client::new(config.client.clone())? })
    }

    /// The client underneath: its connections and metadata are this consumer's.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Reads these topics as a member of the group, instead of what was subscribed before.
    ///
    /// # Errors
    /// [`ClientError::Usage`] without a group, or when partitions were assigned by hand.
    pub fn subscribe<T: Into<Arc<str>>>(
        &mut self,
        _topics: impl IntoIterator<Item = T>,
    ) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }

    /// Reads all topics that the filter takes, also those that come later.
    ///
    /// # Errors
    /// As [`Consumer::subscribe`].
    pub fn subscribe_matching(&mut self, _filter: TopicFilter) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }

    /// Reads these partitions, without the group's help.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when topics were subscribed.
    pub fn assign(
        &mut self,
        _partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }

    /// Leaves the group and reads nothing more.
    ///
    /// # Errors
    /// What committing positions meets, where that is automatic.
    pub async fn unsubscribe(&mut self) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }

    /// The topics that are subscribed; with a filter, those it takes now.
    #[must_use]
    pub fn subscription(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// The partitions that are read, ascending.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        Vec::new()
    }

    /// Told of every change by the group.
    pub fn on_rebalance(&mut self, _listener: impl FnMut(Rebalance<'_>) + Send + 'static) {}

    /// Returns records as soon as there are any, at most `max.poll.records`; empty after `timeout`.
    /// Returning them moves the position past them. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// [`ClientError::NoOffset`], [`ClientError::OffsetOutOfRange`], [`ClientError::Records`],
    /// [`ClientError::Api`] when the coordinator or a leader refuses for good.
    pub async fn poll(&mut self, _timeout: Duration) -> Result<Vec<ConsumerRecord>, ClientError> {
        Err(ClientError::Closed)
    }

    /// As [`Consumer::poll`], with whole batches instead of single records: for readers that count or
    /// pass on what they read. `max.poll.records` plays no part; at most `fetch.max.bytes` are returned.
    ///
    /// # Errors
    /// As [`Consumer::poll`].
    pub async fn poll_batches(&mut self, _timeout: Duration) -> Result<Vec<FetchedBatch>, ClientError> {
        Err(ClientError::Closed)
    }

    /// Commits the positions of all partitions, and waits for it.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `REBALANCE_IN_PROGRESS`, `ILLEGAL_GENERATION` or `UNKNOWN_MEMBER_ID`
    /// when the group moved on, [`ClientError::TimedOut`], [`ClientError::Usage`] without a group.
    pub async fn commit(&mut self) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }

    /// Commits these offsets, and waits for it.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn commit_offsets(
        &mut self,
        _offsets: &[(TopicPartition, CommittedOffset)],
    ) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }

    /// Commits the positions of all partitions in the background; a later `poll` sees it through. A
    /// failure is logged.
    pub fn commit_in_background(&mut self) {}

    /// What the group committed for these partitions.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn committed(
        &mut self,
        _partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Option<CommittedOffset>>, ClientError> {
        Err(ClientError::Closed)
    }

    /// Offset of the next record that `poll` returns from the partition; found out if it is not known.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when the partition is not assigned, otherwise as [`Consumer::poll`].
    pub async fn position(&mut self, _partition: &TopicPartition) -> Result<i64, ClientError> {
        Err(ClientError::Closed)
    }

    /// Goes on at this offset.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when the partition is not assigned or the offset is negative.
    pub fn seek(&mut self, _partition: &TopicPartition, _offset: i64) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }

    /// Goes on at the first record there is, found out by the next `poll`; no partitions mean all.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when a partition is not assigned.
    pub fn seek_to_beginning(&mut self, _partitions: &[TopicPartition]) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }

    /// Goes on after the last record, found out by the next `poll`; no partitions mean all.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when a partition is not assigned.
    pub fn seek_to_end(&mut self, _partitions: &[TopicPartition]) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }

    /// Returns nothing from these until they are resumed.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when a partition is not assigned.
    pub fn pause(&mut self, _partitions: &[TopicPartition]) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when a partition is not assigned.
    pub fn resume(&mut self, _partitions: &[TopicPartition]) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }

    /// The partitions that are paused, ascending.
    #[must_use]
    pub fn paused(&self) -> Vec<TopicPartition> {
        Vec::new()
    }

    /// Records between the position and the end of the partition, as of the last fetch.
    #[must_use]
    pub fn lag(&self, _partition: &TopicPartition) -> Option<i64> {
        None
    }

    /// Who this consumer is in its group, once it joined.
    #[must_use]
    pub fn membership(&self) -> Option<Membership> {
        None
    }

    /// For each partition the first record at or after a time (milliseconds since 1970); `None` when
    /// there is none.
    ///
    /// # Errors
    /// As [`crate::Admin::list_offsets`].
    pub async fn offsets_for_times(
        &self,
        _times: &[(TopicPartition, i64)],
    ) -> Result<Each<TopicPartition, Option<ListedOffset>>, ClientError> {
        Err(ClientError::Closed)
    }

    /// The first offset of each partition.
    ///
    /// # Errors
    /// As [`crate::Admin::list_offsets`].
    pub async fn beginning_offsets(
        &self,
        _partitions: &[TopicPartition],
    ) -> Result<Each<TopicPartition, i64>, ClientError> {
        Err(ClientError::Closed)
    }

    /// The offset that follows the last record of each partition, under `isolation.level`.
    ///
    /// # Errors
    /// As [`crate::Admin::list_offsets`].
    pub async fn end_offsets(
        &self,
        _partitions: &[TopicPartition],
    ) -> Result<Each<TopicPartition, i64>, ClientError> {
        Err(ClientError::Closed)
    }

    /// The partitions of a topic; empty when there is no such topic.
    ///
    /// # Errors
    /// As [`Client::metadata`], retried until `default.api.timeout.ms`.
    pub async fn partitions_for(&self, _topic: &str) -> Result<Vec<PartitionView>, ClientError> {
        Err(ClientError::Closed)
    }

    /// Commits positions where that is automatic, leaves the group (unless the member is static), and
    /// closes the connections.
    ///
    /// # Errors
    /// What the last commit met; the consumer is closed all the same.
    pub async fn close(self, _timeout: Duration) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }
}
