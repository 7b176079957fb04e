//! The time of the record at an offset: what turns a lag in records into one in seconds. Asks leaders by
//! Fetch for as little as they give; decodes one batch of each partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_client::{ClientError, ClusterView, Target, TopicPartition, TopicScope};
use millrace_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use millrace_protocol::records::{Batches, Records, RecordsError};
use millrace_protocol::{ErrorCode, Uuid};

use super::failure::Failure;
use super::session::Session;

/// Most bytes of one partition in an answer; a larger batch comes whole when it is the first.
const PARTITION_BYTES: i32 = 64 * 1024;
/// Most bytes of an answer.
const ANSWER_BYTES: i32 = 16 << 20;
/// Most bytes that a batch may hold when it is decompressed.
const BATCH_BYTES_MAX: usize = 256 << 20;
/// How long a leader may wait for a record that is there.
const WAIT_MS: i32 = 500;

/// The timestamp, in milliseconds since 1970, of the first record at or after each offset. Partitions
/// without such a record, or without a leader, are left out.
pub(crate) async fn record_times(
    session: &Session,
    mut wanted: BTreeMap<TopicPartition, i64>,
) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let mut times = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(times);
    }
    let mut topics: Vec<String> = wanted.keys().map(|one| one.topic.to_string()).collect();
    topics.dedup();
    let cluster = session.client().metadata(TopicScope::Named(topics)).await?;
    // Each round answers at least the first partition of each leader, or drops it.
    while !wanted.is_empty() {
        let mut by_leader = BTreeMap::<i32, Vec<(TopicPartition, i64)>>::new();
        for (partition, offset) in std::mem::take(&mut wanted) {
            if let Some(leader) = cluster.leader(&partition) {
                by_leader.entry(leader).or_default().push((partition, offset));
            }
        }
        for (leader, asked) in by_leader {
            let response = ask(session, &cluster, leader, &asked).await?;
            let mut answered = answers(response, &cluster);
            for (at, (partition, offset)) in asked.into_iter().enumerate() {
                match answered.remove(&partition).map(|records| first_time(records, offset)) {
                    Some(Ok(Some(time))) => {
                        times.insert(partition, time);
                    }
                    // The answer was full before this partition's turn.
                    Some(Ok(None)) if at > 0 => {
                        wanted.insert(partition, offset);
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(times)
}

async fn ask(
    session: &Session,
    cluster: &ClusterView,
    leader: i32,
    asked: &[(TopicPartition, i64)],
) -> Result<FetchResponse, ClientError> {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for (partition, offset) in asked {
        let fetch = FetchPartition {
            partition: partition.partition,
            fetch_offset: *offset,
            partition_max_bytes: PARTITION_BYTES,
            ..Default::default()
        };
        match topics.last_mut().filter(|topic| topic.topic == *partition.topic) {
            Some(topic) => topic.partitions.push(fetch),
            None => topics.push(FetchTopic {
                topic: partition.topic.to_string(),
                topic_id: cluster.topic(&partition.topic).map_or(Uuid::ZERO, |topic| topic.id),
                partitions: vec![fetch],
            }),
        }
    }
    let request = FetchRequest {
        max_wait_ms: WAIT_MS,
        min_bytes: 1,
        max_bytes: ANSWER_BYTES,
        topics,
        ..Default::default()
    };
    session.client().send(Target::Broker(leader), request).await
}

/// Batches by partition; topics come by name or, in newer versions, by id.
fn answers(response: FetchResponse, cluster: &ClusterView) -> BTreeMap<TopicPartition, Batches> {
    let mut answers = BTreeMap::new();
    for topic in response.responses {
        let by_id = || cluster.topics.values().find(|known| known.id == topic.topic_id);
        let name = match topic.topic.is_empty() {
            false => Arc::from(topic.topic.as_str()),
            true => match by_id() {
                Some(known) => Arc::clone(&known.name),
                None => continue,
            },
        };
        for one in topic.partitions.into_iter().filter(|one| one.error_code == ErrorCode::NONE) {
            let records = one.records.unwrap_or_default().in_memory().cloned().unwrap_or_default();
            answers
                .insert(TopicPartition::new(Arc::clone(&name), one.partition_index), Batches::new(records));
        }
    }
    answers
}

/// The time of the first record at or after `offset`; `None` when no batch is whole.
fn first_time(batches: Batches, offset: i64) -> Result<Option<i64>, RecordsError> {
    for batch in batches.whole() {
        let batch = batch?;
        if batch.header.last_offset() < offset || batch.header.attributes.is_control() {
            continue;
        }
        let records: Records = batch.records(BATCH_BYTES_MAX)?;
        for record in records {
            let record = record?;
            if record.offset >= offset {
                return Ok(Some(record.timestamp_ms));
            }
        }
    }
    Ok(None)
}
