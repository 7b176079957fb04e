//! Produce and fetch in one line: batches of numbered records, and what came of them.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic, PartitionData};
use millrace_protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use millrace_protocol::records::{BatchBuilder, BatchOptions, Batches, ProducerStamp};
use millrace_protocol::wire::RecordSet;

use crate::connection::Connection;

/// The last version that names topics.
pub const PRODUCE_VERSION: i16 = 12;
/// The last version that names topics.
pub const FETCH_VERSION: i16 = 12;

/// A batch with one record for each value.
#[must_use]
pub fn batch(values: &[&[u8]]) -> Bytes {
    build(BatchOptions::default(), values)
}

/// A batch of `count` records of an idempotent producer, numbered by their sequence.
#[must_use]
pub fn idempotent_batch(id: i64, epoch: i16, base_sequence: i32, count: i32) -> Bytes {
    let options =
        BatchOptions { producer: Some(ProducerStamp { id, epoch, base_sequence }), ..Default::default() };
    let values: Vec<_> =
        (0..count).map(|at| (i64::from(base_sequence) + i64::from(at)).to_string()).collect();
    build(options, &values.iter().map(String::as_bytes).collect::<Vec<_>>())
}

/// A batch with `options`.
#[must_use]
pub fn build(options: BatchOptions, values: &[&[u8]]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    let now = now_ms();
    for value in values {
        builder.append(now, None, Some(value), &[]);
    }
    builder.build().unwrap()
}

/// What retention would not think old.
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A request that produces `records` to one partition.
#[must_use]
pub fn produce_request(topic: &str, partition: i32, acks: i16, records: Option<Bytes>) -> ProduceRequest {
    let data = vec![PartitionProduceData { index: partition, records }];
    let topic = TopicProduceData { name: topic.to_owned(), partition_data: data, ..Default::default() };
    ProduceRequest { acks, timeout_ms: 10_000, topic_data: vec![topic], ..Default::default() }
}

/// Produces with `acks=all`; returns the partition's answer.
pub fn produce(connection: &mut Connection, topic: &str, records: Bytes) -> PartitionProduceResponse {
    let request = produce_request(topic, 0, -1, Some(records));
    let mut answer = connection.ask(&request, PRODUCE_VERSION);
    answer.responses.remove(0).partition_responses.remove(0)
}

/// A request for up to `bytes` of one partition from `offset` on, that waits for nothing.
#[must_use]
pub fn fetch_request(topic: &str, offset: i64, bytes: i32) -> FetchRequest {
    let partition = FetchPartition { fetch_offset: offset, partition_max_bytes: bytes, ..Default::default() };
    let topic = FetchTopic { topic: topic.to_owned(), partitions: vec![partition], ..Default::default() };
    FetchRequest { max_bytes: bytes, topics: vec![topic], ..Default::default() }
}

/// Fetches; returns the partition's answer.
pub fn fetch(connection: &mut Connection, topic: &str, offset: i64, bytes: i32) -> PartitionData {
    let mut answer = connection.ask(&fetch_request(topic, offset, bytes), FETCH_VERSION);
    answer.responses.remove(0).partitions.remove(0)
}

/// The records of a fetch answer, as offset and value.
///
/// # Panics
/// When the partition answered an error.
#[must_use]
pub fn values(answer: &PartitionData) -> Vec<(i64, Bytes)> {
    assert_eq!(answer.error_code, ErrorCode::NONE, "{answer:?}");
    let Some(RecordSet::Memory(bytes)) = answer.records.clone() else { return Vec::new() };
    let mut seen = Vec::new();
    // The last batch may be cut by the limit.
    for batch in Batches::new(bytes).map_while(Result::ok) {
        batch.check_crc().unwrap();
        for record in batch.records(1 << 30).unwrap() {
            let record = record.unwrap();
            seen.push((record.offset, record.value.unwrap_or_default()));
        }
    }
    seen
}

/// Reads partition 0 from 0 to its end.
pub fn read_all(connection: &mut Connection, topic: &str) -> Vec<(i64, Bytes)> {
    let mut offset = 0;
    let mut all = Vec::new();
    loop {
        let more = values(&fetch(connection, topic, offset, 1 << 20));
        let Some((last, _)) = more.last() else { return all };
        offset = last + 1;
        all.extend(more);
    }
}
