//! How a consumer finds out where to begin: what the group committed, otherwise what the leaders say
//! about the beginning, the end, or a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use tracing::debug;

use super::driver::Core;
use super::jobs::{Tagged, find_committed, find_offsets};
use super::partitions::{Partition, Position};
use crate::admin::types::{Each, ListedOffset, OffsetSpec};
use crate::config::OffsetReset;
use crate::error::ClientError;
use crate::topic_partition::{CommittedOffset, TopicPartition};

impl Core {
    /// Where a partition begins that is new to this consumer.
    pub(super) fn first_position(&self) -> Position {
        if self.group.is_some() { Position::Committed } else { self.reset_position() }
    }

    /// Where `auto.offset.reset` says to go on.
    pub(super) fn reset_position(&self) -> Position {
        match self.config.offsets.reset {
            OffsetReset::Earliest => Position::Reset(OffsetSpec::Earliest),
            OffsetReset::Latest => Position::Reset(OffsetSpec::Latest),
            OffsetReset::ByDuration(age) => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let time = since.saturating_sub(age).as_millis();
                Position::Reset(OffsetSpec::Timestamp(i64::try_from(time).unwrap_or(i64::MAX)))
            }
            OffsetReset::None => Position::None,
        }
    }

    /// Asks about every position that is not known.
    pub(super) fn start_lookups(&mut self, now: Instant) {
        let mut committed: Vec<Tagged<()>> = Vec::new();
        let mut offsets: Vec<Tagged<OffsetSpec>> = Vec::new();
        let mut lost = None;
        for (name, partition) in self.partitions.iter_mut() {
            if partition.is_asked || partition.is_waiting(now) {
                continue;
            }
            match partition.position {
                Position::At(_) => continue,
                Position::None => {
                    lost = Some(name.clone());
                    continue;
                }
                Position::Committed => committed.push((name.clone(), partition.tag, ())),
                Position::Reset(spec) => offsets.push((name.clone(), partition.tag, spec)),
            }
            partition.is_asked = true;
        }
        if let Some(partition) = lost
            && self.failure.is_none()
        {
            self.fail(ClientError::NoOffset { partition });
        }
        if let Some(group) = self.config.group.as_ref().filter(|_| !committed.is_empty()) {
            let group = Arc::from(group.id.as_str());
            self.jobs.push(find_committed(self.client.clone(), group, committed));
        }
        if !offsets.is_empty() {
            let isolation = self.config.fetch.isolation;
            self.jobs.push(find_offsets(self.client.clone(), isolation, offsets));
        }
    }

    pub(super) fn committed_found(
        &mut self,
        asked: Vec<Tagged<()>>,
        result: Result<BTreeMap<TopicPartition, Option<CommittedOffset>>, ClientError>,
    ) {
        let found = match result {
            Ok(found) => found,
            Err(error) => {
                for (partition, tag, ()) in asked {
                    self.not_found(&partition, tag, &error);
                }
                return;
            }
        };
        let reset = self.reset_position();
        for (name, tag, ()) in asked {
            let Some(partition) = self.partitions.tagged(&name, tag) else { continue };
            match found.get(&name) {
                Some(Some(committed)) => {
                    partition.found(committed.offset, committed.leader_epoch);
                    partition.committed = Some(committed.offset);
                }
                _ => {
                    partition.position = reset;
                    partition.is_asked = false;
                }
            }
        }
    }

    pub(super) fn offsets_found(
        &mut self,
        asked: Vec<Tagged<OffsetSpec>>,
        result: Result<Each<TopicPartition, ListedOffset>, ClientError>,
    ) {
        let mut found: BTreeMap<TopicPartition, Result<ListedOffset, ClientError>> = match result {
            Ok(found) => found.into_iter().collect(),
            Err(error) => asked.iter().map(|(name, ..)| (name.clone(), Err(error.clone()))).collect(),
        };
        for (name, tag, _) in asked {
            match found.remove(&name) {
                Some(Ok(listed)) => {
                    let Some(partition) = self.partitions.tagged(&name, tag) else { continue };
                    if listed.offset >= 0 {
                        debug!(partition = %name, offset = listed.offset, "position was reset");
                        partition.found(listed.offset, None);
                    } else {
                        // No record is as young as that: only those to come are.
                        partition.position = Position::Reset(OffsetSpec::Latest);
                        partition.is_asked = false;
                    }
                }
                Some(Err(error)) => self.not_found(&name, tag, &error),
                None => {
                    let what = format!("offsets of {name}");
                    self.not_found(&name, tag, &ClientError::Unknown { what });
                }
            }
        }
    }

    /// A question about a partition failed: it is asked again, or the application is told.
    fn not_found(&mut self, name: &TopicPartition, tag: u64, error: &ClientError) {
        let retry = self.config.client.retry;
        let Some(partition) = self.partitions.tagged(name, tag) else { return };
        partition.is_asked = false;
        partition.failed(|failures| Instant::now() + retry.wait_jittered(failures));
        debug!(partition = %name, %error, "a position is not known yet");
        if error.is_retriable() {
            self.want_metadata();
        } else {
            self.fail(error.clone());
        }
    }

    /// The position of a partition, once it is known.
    pub(super) fn known_position(&self, name: &TopicPartition) -> Option<i64> {
        match self.partitions.get(name).map(|partition: &Partition| partition.position) {
            Some(Position::At(offset)) => Some(offset),
            _ => None,
        }
    }
}
