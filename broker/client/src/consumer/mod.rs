//! The consumer: partitions by hand or by group, fetched ahead and handed out in order.
//!
//! | file | holds |
//! |---|---|
//! | `records.rs` | what comes out |
//! | `driver.rs`, `jobs.rs` | the state, and the loop that moves it within the application's calls |
//! | `partitions.rs`, `lookup.rs` | positions, and how they are found |
//! | `fetching.rs`, `fetch.rs`, `buffer.rs` | fetches, and records out of their bytes |
//! | `group.rs` | when to join, what to give back and take up |
//! | `member.rs`, `join.rs`, `presence.rs` | the task that joins, leads, sends heartbeats, leaves |
//! | `assignor/` | who reads what |
//! | `commit.rs` | committing, and what is committed |

mod assignor;
mod buffer;
mod commit;
mod driver;
mod fetch;
mod fetching;
mod group;
mod jobs;
mod join;
mod lookup;
mod member;
mod partitions;
mod presence;
mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use records::{ConsumerRecord, FetchedBatch};

use tokio::time::Instant;

use driver::{Core, Interest};
use jobs::Occasion;
use partitions::{Position, not_assigned};

use crate::admin::Admin;
use crate::admin::types::{Each, ListedOffset, OffsetSpec};
use crate::client::Client;
use crate::cluster::{PartitionView, TopicScope};
use crate::config::ConsumerConfig;
use crate::deadline::after;
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
    core: Core,
}

impl Consumer {
    /// A consumer with these settings. Connects when first used. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`ClientError::Config`] when a bootstrap server is not `host:port`.
    pub async fn new(config: ConsumerConfig) -> Result<Self, ClientError> {
        Ok(Self { core: Core::new(config)? })
    }

    /// The client underneath: its connections and metadata are this consumer's.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.core.client
    }

    /// Reads these topics as a member of the group, instead of what was subscribed before.
    ///
    /// # Errors
    /// [`ClientError::Usage`] without a group, or when partitions were assigned by hand.
    pub fn subscribe<T: Into<Arc<str>>>(
        &mut self,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<(), ClientError> {
        let topics = topics.into_iter().map(Into::into).collect();
        self.be_interested(Interest::Topics(topics))
    }

    /// Reads all topics that the filter takes, also those that come later.
    ///
    /// # Errors
    /// As [`Consumer::subscribe`].
    pub fn subscribe_matching(&mut self, filter: TopicFilter) -> Result<(), ClientError> {
        self.be_interested(Interest::Matching { filter, topics: BTreeSet::new() })
    }

    fn be_interested(&mut self, interest: Interest) -> Result<(), ClientError> {
        self.core.group_id()?;
        if matches!(self.core.interest, Interest::Manual) {
            return Err(ClientError::Usage(BOTH_WAYS.to_owned()));
        }
        self.core.interest = interest;
        self.core.want_metadata();
        self.core.want_to_join("the subscription changed");
        Ok(())
    }

    /// Reads these partitions, without the group's help.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when topics were subscribed.
    pub fn assign(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<(), ClientError> {
        if self.core.interest.is_subscription() {
            return Err(ClientError::Usage(BOTH_WAYS.to_owned()));
        }
        let wanted: BTreeSet<TopicPartition> = partitions.into_iter().collect();
        self.core.interest = if wanted.is_empty() { Interest::Nothing } else { Interest::Manual };
        self.core.partitions.retain(|known| wanted.contains(known));
        self.core.drop_stale();
        let first = self.core.first_position();
        for partition in wanted {
            self.core.partitions.add(partition, first);
        }
        self.core.want_metadata();
        Ok(())
    }

    /// Leaves the group and reads nothing more. Positions are committed first where that is automatic.
    ///
    /// # Errors
    /// What committing positions meets; the subscription is gone all the same.
    pub async fn unsubscribe(&mut self) -> Result<(), ClientError> {
        let committed = self.commit_last().await;
        self.core.leave().await;
        committed
    }

    /// The topics that are subscribed; with a filter, those it takes now.
    #[must_use]
    pub fn subscription(&self) -> Vec<Arc<str>> {
        self.core.interest.topics().into_iter().collect()
    }

    /// The partitions that are read, ascending.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.core.partitions.names()
    }

    /// Told of every change by the group.
    pub fn on_rebalance(&mut self, listener: impl FnMut(Rebalance<'_>) + Send + 'static) {
        self.core.listener = Some(Box::new(listener));
    }

    /// Returns records as soon as there are any, at most `max.poll.records`; empty after `timeout`.
    /// Returning them moves the position past them. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// [`ClientError::NoOffset`], [`ClientError::OffsetOutOfRange`], [`ClientError::Records`],
    /// [`ClientError::Api`] when the coordinator or a leader refuses for good.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumerRecord>, ClientError> {
        let max = self.core.config.poll_records_max;
        let records = self.poll_with(timeout, |core| core.take_records(max)).await?;
        Ok(records.unwrap_or_default())
    }

    /// As [`Consumer::poll`], with whole batches instead of single records: for readers that count or
    /// pass on what they read. `max.poll.records` plays no part; about `fetch.max.bytes` are returned at
    /// most.
    ///
    /// # Errors
    /// As [`Consumer::poll`].
    pub async fn poll_batches(&mut self, timeout: Duration) -> Result<Vec<FetchedBatch>, ClientError> {
        let max = usize::try_from(self.core.config.fetch.bytes_max).unwrap_or(0).max(1);
        let batches = self.poll_with(timeout, |core| core.take_batches(max)).await?;
        Ok(batches.unwrap_or_default())
    }

    async fn poll_with<T>(
        &mut self,
        timeout: Duration,
        take: impl FnMut(&mut Core) -> Option<T>,
    ) -> Result<Option<T>, ClientError> {
        if matches!(self.core.interest, Interest::Nothing) {
            let text = "Consumer is not subscribed to any topics or assigned any partitions";
            return Err(ClientError::Usage(text.to_owned()));
        }
        let presence = self.core.group.as_ref().map(|group| Arc::clone(&group.presence));
        let _polling = presence.as_ref().map(|presence| presence.poll());
        let now = Instant::now();
        self.core.auto_commit(now);
        self.core.drive(after(now, timeout), take).await
    }

    /// Commits the positions of all partitions, and waits for it.
    ///
    /// # Errors
    /// [`ClientError::Api`] with `REBALANCE_IN_PROGRESS`, `ILLEGAL_GENERATION` or `UNKNOWN_MEMBER_ID`
    /// when the group moved on, [`ClientError::TimedOut`], [`ClientError::Usage`] without a group.
    pub async fn commit(&mut self) -> Result<(), ClientError> {
        let offsets = self.core.partitions.offsets(true);
        self.commit_offsets(&offsets).await
    }

    /// Commits these offsets, and waits for it.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn commit_offsets(
        &mut self,
        offsets: &[(TopicPartition, CommittedOffset)],
    ) -> Result<(), ClientError> {
        self.core.finish_commits().await;
        let who = self.core.committer()?;
        let offsets = offsets.to_vec();
        commit::commit(self.core.client.clone(), who, offsets.clone(), true).await?;
        self.core.partitions.note_committed(&offsets);
        Ok(())
    }

    /// Commits the positions of all partitions in the background, behind those that were begun before; a later
    /// `poll`, [`Consumer::commit`] or [`Consumer::close`] sees it through. It is tried once, as Kafka's
    /// `commitAsync` does; a failure is logged.
    pub fn commit_in_background(&mut self) {
        let offsets = self.core.partitions.offsets(true);
        self.core.start_commit(offsets, Occasion::Passing);
    }

    /// What the group committed for these partitions.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn committed(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Option<CommittedOffset>>, ClientError> {
        let group = self.core.group_id()?;
        let found = commit::committed(self.core.client.clone(), group, partitions.to_vec()).await?;
        Ok(partitions.iter().map(|name| (name.clone(), found.get(name).cloned().flatten())).collect())
    }

    /// Offset of the next record that `poll` returns from the partition; found out if it is not known.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when the partition is not assigned, [`ClientError::TimedOut`] after
    /// `default.api.timeout.ms`, otherwise as [`Consumer::poll`].
    pub async fn position(&mut self, partition: &TopicPartition) -> Result<i64, ClientError> {
        self.core.partitions.get(partition).ok_or_else(|| not_assigned(partition))?;
        let within = self.core.config.client.timeouts.api;
        let deadline = after(Instant::now(), within);
        let found = self.core.drive(deadline, |core| core.known_position(partition)).await?;
        found.ok_or_else(|| ClientError::TimedOut {
            what: format!("finding the position of {partition}"),
            after_ms: within.as_millis() as u64,
            last: None,
        })
    }

    /// Goes on at this offset.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when the partition is not assigned or the offset is negative.
    pub fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), ClientError> {
        if offset < 0 {
            return Err(ClientError::Usage("seek offset must not be a negative number".to_owned()));
        }
        self.seek_all(std::slice::from_ref(partition), Position::At(offset))
    }

    /// Goes on at the first record there is, found out by the next `poll`; no partitions mean all.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when a partition is not assigned.
    pub fn seek_to_beginning(&mut self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        self.seek_all(partitions, Position::Reset(OffsetSpec::Earliest))
    }

    /// Goes on after the last record, found out by the next `poll`; no partitions mean all.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when a partition is not assigned.
    pub fn seek_to_end(&mut self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        self.seek_all(partitions, Position::Reset(OffsetSpec::Latest))
    }

    fn seek_all(&mut self, partitions: &[TopicPartition], position: Position) -> Result<(), ClientError> {
        let all = self.core.partitions.names();
        let partitions = if partitions.is_empty() { &all } else { partitions };
        for partition in partitions {
            self.core.partitions.set(partition, position)?;
        }
        self.core.drop_stale();
        Ok(())
    }

    /// Returns nothing from these until they are resumed.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when a partition is not assigned.
    pub fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        partitions.iter().try_for_each(|partition| self.core.pause(partition))
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when a partition is not assigned.
    pub fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        for name in partitions {
            let partition = self.core.partitions.get_mut(name).ok_or_else(|| not_assigned(name))?;
            partition.is_paused = false;
        }
        Ok(())
    }

    /// The partitions that are paused, ascending.
    #[must_use]
    pub fn paused(&self) -> Vec<TopicPartition> {
        let paused = self.core.partitions.iter().filter(|(_, partition)| partition.is_paused);
        paused.map(|(name, _)| name.clone()).collect()
    }

    /// Records between the position and the end of the partition, as of the last fetch.
    #[must_use]
    pub fn lag(&self, partition: &TopicPartition) -> Option<i64> {
        let end = self.core.partitions.get(partition)?.end?;
        Some(end.saturating_sub(self.core.known_position(partition)?).max(0))
    }

    /// Who this consumer is in its group, once it joined.
    #[must_use]
    pub fn membership(&self) -> Option<Membership> {
        let group = self.core.group.as_ref()?;
        let (generation, member_id) = group.identity()?.clone();
        Some(Membership { group: group.id().to_owned(), generation, member_id })
    }

    /// For each partition the first record at or after a time (milliseconds since 1970); `None` when
    /// there is none.
    ///
    /// # Errors
    /// As [`crate::Admin::list_offsets`].
    pub async fn offsets_for_times(
        &mut self,
        times: &[(TopicPartition, i64)],
    ) -> Result<Each<TopicPartition, Option<ListedOffset>>, ClientError> {
        let wanted = times.iter().map(|(name, time)| (name.clone(), OffsetSpec::Timestamp(*time))).collect();
        let found = self.list_offsets(wanted).await?;
        let some = |listed: ListedOffset| Some(listed).filter(|listed| listed.offset >= 0);
        Ok(found.into_iter().map(|(name, listed)| (name, listed.map(some))).collect())
    }

    /// The first offset of each partition.
    ///
    /// # Errors
    /// As [`crate::Admin::list_offsets`].
    pub async fn beginning_offsets(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Each<TopicPartition, i64>, ClientError> {
        self.ends(partitions, OffsetSpec::Earliest).await
    }

    /// The offset that follows the last record of each partition, under `isolation.level`.
    ///
    /// # Errors
    /// As [`crate::Admin::list_offsets`].
    pub async fn end_offsets(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Each<TopicPartition, i64>, ClientError> {
        self.ends(partitions, OffsetSpec::Latest).await
    }

    async fn ends(
        &mut self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<Each<TopicPartition, i64>, ClientError> {
        let wanted = partitions.iter().map(|name| (name.clone(), spec)).collect();
        let found = self.list_offsets(wanted).await?;
        Ok(found.into_iter().map(|(name, listed)| (name, listed.map(|listed| listed.offset))).collect())
    }

    async fn list_offsets(
        &mut self,
        wanted: Vec<(TopicPartition, OffsetSpec)>,
    ) -> Result<Each<TopicPartition, ListedOffset>, ClientError> {
        let isolation = self.core.config.fetch.isolation;
        Admin::new(self.core.client.clone()).list_offsets(wanted, isolation).await
    }

    /// The partitions of a topic; empty when there is no such topic.
    ///
    /// # Errors
    /// As [`Client::metadata`], retried until `default.api.timeout.ms`.
    pub async fn partitions_for(&mut self, topic: &str) -> Result<Vec<PartitionView>, ClientError> {
        let client = &self.core.client;
        let mut retry = client.retry("Metadata");
        loop {
            let scope = TopicScope::Named(vec![topic.to_owned()]);
            match retry.attempt(client.metadata(scope)).await? {
                Ok(view) => {
                    return Ok(view.topic(topic).map_or_else(Vec::new, |topic| topic.partitions.clone()));
                }
                Err(error) if error.is_retriable() => retry.after(error).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Commits positions where that is automatic, leaves the group (unless the member is static), and
    /// closes the connections.
    ///
    /// # Errors
    /// What the last commit met; the consumer is closed all the same.
    pub async fn close(mut self, timeout: Duration) -> Result<(), ClientError> {
        let deadline = after(Instant::now(), timeout);
        let too_late = || ClientError::TimedOut {
            what: "closing the consumer".to_owned(),
            after_ms: timeout.as_millis() as u64,
            last: None,
        };
        let committed = tokio::time::timeout_at(deadline, self.commit_last()).await;
        let left = tokio::time::timeout_at(deadline, self.core.leave()).await;
        self.core.client.close();
        committed.map_err(|_| too_late())??;
        left.map_err(|_| too_late())
    }

    /// Commits what was returned before, where that is automatic.
    async fn commit_last(&mut self) -> Result<(), ClientError> {
        self.core.finish_commits().await;
        let offsets = self.core.partitions.offsets(false);
        let is_member = self.core.committer().is_ok();
        if !self.core.config.offsets.auto_commit || offsets.is_empty() || !is_member {
            return Ok(());
        }
        self.commit_offsets(&offsets).await
    }
}

/// Said to those who both subscribe and assign, in the words of Kafka's consumer.
const BOTH_WAYS: &str = "Subscription to topics, partitions and pattern are mutually exclusive";
