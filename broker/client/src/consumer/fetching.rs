//! How a consumer gets records: one fetch at a time from each broker, for all partitions that can take
//! more, as long as what waits for `poll` stays within its bound; and how they are handed out, in the
//! order in which they came.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use millrace_protocol::messages::fetch::{FetchResponse, PartitionData};
use millrace_protocol::records::RecordsError;
use millrace_protocol::{ApiKey, Uuid};
use tokio::time::Instant;
use tracing::debug;

use super::buffer::{Fetched, Progress, Reading, end_of};
use super::driver::Core;
use super::fetch::{Asked, Refusal, answers, refusal};
use super::jobs::fetch;
use super::partitions::{Position, not_assigned};
use super::records::{ConsumerRecord, FetchedBatch};
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// One broker as a consumer sees it.
#[derive(Debug, Default)]
struct Node {
    is_asked: bool,
    failures: u32,
    quiet_until: Option<Instant>,
}

/// What was fetched and waits, and who is being asked.
#[derive(Debug, Default)]
pub(super) struct Fetcher {
    waiting: VecDeque<Fetched>,
    /// Bytes of all that waits.
    bytes: usize,
    nodes: HashMap<i32, Node>,
    /// Which partition is named first in the next fetch, so that none is favoured.
    turn: usize,
}

impl Fetcher {
    pub(super) fn quiet_until(&self) -> impl Iterator<Item = Instant> + '_ {
        self.nodes.values().filter_map(|node| node.quiet_until)
    }

    /// Whether anything waits for the partition.
    fn has(&self, partition: &TopicPartition) -> bool {
        self.waiting.iter().any(|fetched| fetched.partition == *partition)
    }

    fn push(&mut self, fetched: Fetched) {
        self.bytes += fetched.bytes;
        self.waiting.push_back(fetched);
    }

    fn drop_first(&mut self) {
        if let Some(fetched) = self.waiting.pop_front() {
            self.bytes -= fetched.bytes;
        }
    }
}

impl Core {
    /// Asks every broker that is not being asked for what can be taken.
    pub(super) fn start_fetches(&mut self, now: Instant) {
        if !self.may_deliver() || self.fetcher.bytes >= self.config.fetch.prefetch_bytes_max {
            return;
        }
        let cluster = self.client.cluster();
        let mut wanted = HashMap::<i32, Vec<Asked>>::new();
        let mut is_lost = false;
        for (name, partition) in self.partitions.iter() {
            let Some(offset) = partition.fetchable_at(now) else { continue };
            let Some(view) = cluster.partition(name) else {
                is_lost = true;
                continue;
            };
            let Some(leader) = view.leader else {
                is_lost = true;
                continue;
            };
            let node = self.fetcher.nodes.entry(leader).or_default();
            if node.is_asked || node.quiet_until.is_some_and(|until| until > now) {
                continue;
            }
            let topic_id = cluster.topic(&name.topic).map_or(Uuid::ZERO, |topic| topic.id);
            wanted.entry(leader).or_default().push(Asked {
                partition: name.clone(),
                topic_id,
                tag: partition.tag,
                offset,
                leader_epoch: view.leader_epoch,
            });
        }
        if is_lost {
            self.want_metadata();
        }
        for (leader, mut asked) in wanted {
            self.fetcher.turn = self.fetcher.turn.wrapping_add(1);
            let first = self.fetcher.turn % asked.len();
            asked.rotate_left(first);
            for one in &asked {
                if let Some(partition) = self.partitions.get_mut(&one.partition) {
                    partition.is_fetching = true;
                }
            }
            self.fetcher.nodes.entry(leader).or_default().is_asked = true;
            let timeout = self.config.client.timeouts.request;
            self.jobs.push(fetch(self.client.clone(), leader, asked, &self.config.fetch, timeout));
        }
    }

    pub(super) fn fetched(&mut self, id: i32, asked: Vec<Asked>, result: Result<FetchResponse, ClientError>) {
        let now = Instant::now();
        for one in &asked {
            if let Some(partition) = self.partitions.tagged(&one.partition, one.tag) {
                partition.is_fetching = false;
            }
        }
        let retry = self.config.client.retry;
        let node = self.fetcher.nodes.entry(id).or_default();
        node.is_asked = false;
        let result = result.and_then(|response| {
            ClientError::check(ApiKey::Fetch, response.error_code, format!("broker {id}"))?;
            Ok(response)
        });
        match result {
            Ok(response) => {
                (node.failures, node.quiet_until) = (0, None);
                if response.throttle_time_ms > 0 {
                    let quiet = u64::from(response.throttle_time_ms.unsigned_abs());
                    node.quiet_until = Some(now + std::time::Duration::from_millis(quiet));
                }
                for (one, answer) in answers(asked, response) {
                    if let Some(answer) = answer {
                        self.answered(&one, answer, now);
                    }
                }
            }
            Err(error) => {
                debug!(broker = id, %error, "a fetch failed");
                node.failures = node.failures.saturating_add(1);
                node.quiet_until = Some(now + retry.wait_jittered(node.failures));
                if error.is_retriable() {
                    self.want_metadata();
                } else {
                    self.fail(error);
                }
            }
        }
    }

    fn answered(&mut self, asked: &Asked, answer: PartitionData, now: Instant) {
        let reading =
            Reading { check_crcs: self.config.fetch.check_crcs, isolation: self.config.fetch.isolation };
        let name = &asked.partition;
        let Some(partition) = self.partitions.tagged(name, asked.tag) else { return };
        if answer.error_code.is_err() {
            return self.refused(asked, &answer, now);
        }
        partition.succeeded();
        let is_stable = reading.isolation == crate::IsolationLevel::ReadCommitted;
        let end = if is_stable { answer.last_stable_offset } else { answer.high_watermark };
        partition.end = Some(end).filter(|end| *end >= 0);
        // Paused meanwhile: it is asked for again when that ends.
        if partition.is_paused {
            return;
        }
        let bytes = answer.records.as_ref().and_then(|records| records.in_memory()).cloned();
        let bytes = bytes.unwrap_or_else(Bytes::new);
        if bytes.is_empty() {
            return;
        }
        let Some(next) = end_of(&bytes) else {
            let needed = millrace_protocol::records::BATCH_HEADER_BYTES;
            let error = RecordsError::Short { needed, available: bytes.len() };
            let partition = name.clone();
            return self.fail(ClientError::Records { partition, error });
        };
        partition.fetch_at = next.max(partition.fetch_at);
        let aborted = answer.aborted_transactions.unwrap_or_default();
        self.fetcher.push(Fetched::new(name.clone(), asked.tag, bytes, aborted, reading));
    }

    fn refused(&mut self, asked: &Asked, answer: &PartitionData, now: Instant) {
        let name = &asked.partition;
        let code = answer.error_code;
        let error = ClientError::api(ApiKey::Fetch, code, name.to_string());
        debug!(partition = %name, offset = asked.offset, %error, "a fetch was refused");
        let kind = refusal(code);
        if kind == Refusal::OutOfRange && !self.fetcher.has(name) {
            return self.out_of_range(asked);
        }
        let retry = self.config.client.retry;
        if let Some(partition) = self.partitions.get_mut(name) {
            partition.failed(|failures| now + retry.wait_jittered(failures));
        }
        match kind {
            Refusal::Elsewhere => self.want_metadata(),
            // What waits for `poll` is read first.
            Refusal::OutOfRange | Refusal::Later => {}
            Refusal::Final => self.fail(error),
        }
    }

    fn out_of_range(&mut self, asked: &Asked) {
        let reset = self.reset_position();
        let (partition, offset) = (asked.partition.clone(), asked.offset);
        tracing::info!(%partition, offset, "the position is out of range");
        if reset == Position::None {
            let retry = self.config.client.retry;
            if let Some(known) = self.partitions.get_mut(&partition) {
                known.failed(|failures| Instant::now() + retry.wait_jittered(failures));
            }
            return self.fail(ClientError::OffsetOutOfRange { partition, offset });
        }
        // The partition is assigned: its tag was compared.
        let _ = self.partitions.set(&partition, reset);
    }

    /// Hands out up to `max` records; `None` when there are none.
    pub(super) fn take_records(&mut self, max: usize) -> Option<Vec<ConsumerRecord>> {
        let mut out = Vec::new();
        self.take(|fetched, progress| {
            let more = fetched.take_records(progress, max - out.len(), &mut out)?;
            Ok(Taken { more, enough: out.len() >= max })
        });
        (!out.is_empty()).then_some(out)
    }

    /// Hands out whole batches, as long as they take no more than `bytes_max`; `None` when there are none.
    pub(super) fn take_batches(&mut self, bytes_max: usize) -> Option<Vec<FetchedBatch>> {
        let mut out: Vec<FetchedBatch> = Vec::new();
        let mut bytes = 0;
        self.take(|fetched, progress| {
            while bytes < bytes_max {
                let Some(batch) = fetched.take_batch(progress)? else {
                    return Ok(Taken { more: false, enough: false });
                };
                bytes += batch.body.data.len();
                out.push(batch);
            }
            Ok(Taken { more: true, enough: true })
        });
        (!out.is_empty()).then_some(out)
    }

    /// Walks what waits, in order, and moves positions along.
    fn take(&mut self, mut from: impl FnMut(&mut Fetched, &mut Progress) -> Result<Taken, RecordsError>) {
        if !self.may_deliver() {
            return;
        }
        while let Some(fetched) = self.fetcher.waiting.front_mut() {
            let Some(partition) = self.partitions.tagged(&fetched.partition, fetched.tag) else {
                self.fetcher.drop_first();
                continue;
            };
            let Position::At(next) = partition.position else {
                self.fetcher.drop_first();
                continue;
            };
            let mut progress = Progress { next, leader_epoch: partition.leader_epoch };
            let taken = from(fetched, &mut progress);
            partition.position = Position::At(progress.next);
            partition.leader_epoch = progress.leader_epoch;
            match taken {
                Ok(Taken { more, enough }) => {
                    if !more {
                        self.fetcher.drop_first();
                    }
                    // More without enough: damage behind what was just taken is told next time.
                    if enough || more {
                        return;
                    }
                }
                Err(error) => {
                    let partition = fetched.partition.clone();
                    // It is fetched again, should somebody poll again.
                    self.partitions.rewind(&partition);
                    self.fetcher.drop_first();
                    return self.fail(ClientError::Records { partition, error });
                }
            }
        }
    }

    /// Forgets what waits for partitions that are no longer read, or no longer from there.
    pub(super) fn drop_stale(&mut self) {
        let Self { fetcher, partitions, .. } = self;
        fetcher.waiting.retain(|fetched| partitions.tagged(&fetched.partition, fetched.tag).is_some());
        fetcher.bytes = fetcher.waiting.iter().map(|fetched| fetched.bytes).sum();
    }

    /// Pauses a partition, and forgets what waits for it: a pause may last.
    pub(super) fn pause(&mut self, name: &TopicPartition) -> Result<(), ClientError> {
        let known = self.partitions.get_mut(name).ok_or_else(|| not_assigned(name))?;
        if !std::mem::replace(&mut known.is_paused, true) {
            self.partitions.rewind(name);
        }
        self.drop_stale();
        Ok(())
    }
}

/// What one step of handing out came to.
struct Taken {
    /// There may be more where this came from.
    more: bool,
    enough: bool,
}
