//! When the record at an offset was written, read from the log. A record's time does not change, so each
//! is read once while somebody waits for it.

use std::collections::{BTreeMap, BTreeSet};

use millrace_client::{Admin, ClientError, ClusterView, Target, TopicPartition};
use millrace_protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse, PartitionData,
};
use millrace_protocol::records::Batches;
use millrace_protocol::wire::RecordSet;

/// Asked of each partition when many are asked at once: enough for one small batch.
const GLANCE_BYTES: i32 = 4 * 1024;
/// Partitions in one request.
const TOGETHER_MAX: usize = 256;
/// Partitions whose first batch was too large for a glance, asked one by one in one round; the others have
/// their turn in the next rounds.
const ALONE_MAX: usize = 64;
/// Asked of a partition alone: a batch without records, such as the mark of a transaction's end, is followed by
/// others. The first batch comes whole, whatever its size (KIP-74).
const ALONE_BYTES: i32 = 64 * 1024;
/// A batch that unpacks to more is not looked into.
const BATCH_BYTES_MAX: usize = 128 << 20;
/// Topic ids take the place of names from here on (KIP-516).
const FETCH_BY_ID: i16 = 13;

/// Times by partition and offset: only of offsets that somebody waits for.
#[derive(Debug, Default)]
pub struct RecordTimes {
    known: BTreeMap<TopicPartition, BTreeMap<i64, i64>>,
    /// Where a record was looked for in the last round, and there is none.
    empty: BTreeSet<(TopicPartition, i64)>,
    /// The partition that was asked alone last, of each leader: the next round goes on behind it.
    last_alone: BTreeMap<i32, TopicPartition>,
}

/// What was read at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// A record, written at that time, in milliseconds since 1970.
    Record(i64),
    /// Nothing that a consumer would be given.
    Empty,
}

impl RecordTimes {
    /// When the first record at or after `offset` was written, in milliseconds since 1970.
    #[must_use]
    pub fn get(&self, partition: &TopicPartition, offset: i64) -> Option<i64> {
        self.known.get(partition)?.get(&offset).copied()
    }

    /// Whether it is known that no record stands at `offset` or closely behind it.
    #[must_use]
    pub fn is_empty(&self, partition: &TopicPartition, offset: i64) -> bool {
        self.empty.contains(&(partition.clone(), offset))
    }

    /// Reads the times that are `wanted` and not known, and forgets those that are not wanted. What cannot
    /// be read stays unknown.
    pub async fn look_up(&mut self, admin: &Admin, wanted: &BTreeSet<(TopicPartition, i64)>) {
        self.forget_all_but(wanted);
        self.empty.clear();
        let missing: Vec<(TopicPartition, i64)> = wanted
            .iter()
            .filter(|(partition, offset)| self.get(partition, *offset).is_none())
            .cloned()
            .collect();
        // A partition twice in one request confuses brokers: the second offset of one waits a round.
        let mut first: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        for (partition, offset) in missing {
            first.entry(partition).or_insert(offset);
        }
        let cluster = admin.client().cluster();
        let mut by_leader: BTreeMap<i32, Vec<(TopicPartition, i64)>> = BTreeMap::new();
        for (partition, offset) in first {
            if let Some(leader) = cluster.leader(&partition) {
                by_leader.entry(leader).or_default().push((partition, offset));
            }
        }
        for (leader, asked) in by_leader {
            self.read_from(admin, &cluster, leader, asked).await;
        }
    }

    async fn read_from(
        &mut self,
        admin: &Admin,
        cluster: &ClusterView,
        leader: i32,
        asked: Vec<(TopicPartition, i64)>,
    ) {
        let mut large = Vec::new();
        for together in asked.chunks(TOGETHER_MAX) {
            match fetch(admin, cluster, leader, together, GLANCE_BYTES).await {
                Ok(found) => {
                    let seen = |one: &TopicPartition| matches!(found.get(one), Some(Read::Record(_)));
                    large.extend(together.iter().filter(|(one, _)| !seen(one)).cloned());
                    self.remember(together, &found);
                }
                Err(error) => tracing::debug!(%error, leader, "times of records cannot be read"),
            }
        }
        // By partition: who comes behind the last one of the round before is first.
        large.sort_unstable();
        if let Some(last) = self.last_alone.get(&leader) {
            let served = large.partition_point(|(partition, _)| partition <= last);
            large.rotate_left(served);
        }
        for alone in large.iter().take(ALONE_MAX) {
            let asked = std::slice::from_ref(alone);
            match fetch(admin, cluster, leader, asked, ALONE_BYTES).await {
                Ok(found) => {
                    self.remember(asked, &found);
                    if found.get(&alone.0) == Some(&Read::Empty) {
                        self.empty.insert(alone.clone());
                    }
                }
                Err(error) => tracing::debug!(%error, leader, "the time of a record cannot be read"),
            }
            self.last_alone.insert(leader, alone.0.clone());
        }
    }

    fn remember(&mut self, asked: &[(TopicPartition, i64)], found: &BTreeMap<TopicPartition, Read>) {
        for (partition, offset) in asked {
            if let Some(Read::Record(time_ms)) = found.get(partition) {
                self.known.entry(partition.clone()).or_default().insert(*offset, *time_ms);
            }
        }
    }

    fn forget_all_but(&mut self, wanted: &BTreeSet<(TopicPartition, i64)>) {
        self.known.retain(|partition, times| {
            times.retain(|offset, _| wanted.contains(&(partition.clone(), *offset)));
            !times.is_empty()
        });
    }
}

/// The first record at or after each offset, where the answer tells.
async fn fetch(
    admin: &Admin,
    cluster: &ClusterView,
    leader: i32,
    asked: &[(TopicPartition, i64)],
    partition_bytes: i32,
) -> Result<BTreeMap<TopicPartition, Read>, ClientError> {
    let make = |version: i16| request(cluster, asked, partition_bytes, version);
    let response = admin.client().send_with(Target::Broker(leader), make).await?;
    Ok(times(cluster, asked, response))
}

fn request(
    cluster: &ClusterView,
    asked: &[(TopicPartition, i64)],
    partition_bytes: i32,
    version: i16,
) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for (partition, offset) in asked {
        let known = cluster.partition(partition);
        let wanted = FetchPartition {
            partition: partition.partition,
            current_leader_epoch: known.and_then(|known| known.leader_epoch).unwrap_or(-1),
            fetch_offset: *offset,
            partition_max_bytes: partition_bytes,
            ..FetchPartition::default()
        };
        match topics.last_mut() {
            Some(topic) if topic.topic == *partition.topic => topic.partitions.push(wanted),
            _ => topics.push(FetchTopic {
                topic: partition.topic.to_string(),
                topic_id: cluster.topic(&partition.topic).map(|topic| topic.id).unwrap_or_default(),
                partitions: vec![wanted],
            }),
        }
    }
    if version >= FETCH_BY_ID {
        topics.retain(|topic| !topic.topic_id.is_zero());
    }
    FetchRequest { max_wait_ms: 0, min_bytes: 0, topics, ..FetchRequest::default() }
}

fn times(
    cluster: &ClusterView,
    asked: &[(TopicPartition, i64)],
    response: FetchResponse,
) -> BTreeMap<TopicPartition, Read> {
    let offsets: BTreeMap<&TopicPartition, i64> =
        asked.iter().map(|(partition, offset)| (partition, *offset)).collect();
    let mut found = BTreeMap::new();
    for topic in response.responses {
        let Some(name) = name_of(cluster, asked, &topic) else { continue };
        for data in topic.partitions {
            let partition = TopicPartition::new(name.as_str(), data.partition_index);
            if let Some(offset) = offsets.get(&partition)
                && let Some(read) = first_record(data, *offset)
            {
                found.insert(partition, read);
            }
        }
    }
    found
}

fn name_of(
    cluster: &ClusterView,
    asked: &[(TopicPartition, i64)],
    topic: &FetchableTopicResponse,
) -> Option<String> {
    if !topic.topic.is_empty() {
        return Some(topic.topic.clone());
    }
    let names = asked.iter().map(|(partition, _)| &partition.topic);
    let mut same = names.filter(|name| cluster.topic(name).is_some_and(|known| known.id == topic.topic_id));
    same.next().map(|name| name.to_string())
}

/// The first record at or after `offset`; `None` when that cannot be said: an error, no batch that is whole, or
/// one that cannot be read.
fn first_record(data: PartitionData, offset: i64) -> Option<Read> {
    if !data.error_code.is_ok() {
        return None;
    }
    let Some(RecordSet::Memory(bytes)) = data.records else { return None };
    let mut read = None;
    for batch in Batches::new(bytes).whole() {
        let batch = batch.ok().filter(|batch| batch.validate().is_ok())?;
        read = Some(Read::Empty);
        if batch.header.attributes.is_control() || batch.header.last_offset() < offset {
            continue;
        }
        let body = batch.body(BATCH_BYTES_MAX).ok()?;
        let mut records = body.refs().flatten();
        if let Some(record) = records.find(|record| record.offset >= offset) {
            return Some(Read::Record(record.timestamp_ms));
        }
    }
    read
}
