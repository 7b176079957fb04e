//! Produce: each partition's batch goes to the end of its log, in the connection's own task. The
//! records stay the client's bytes (`KafkaApis.handleProduceRequest`, `ReplicaManager.appendRecords`).

use std::sync::Arc;

use bytes::Bytes;
use millrace_protocol::messages::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, PartitionProduceData, PartitionProduceResponse,
    ProduceRequest, ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use millrace_protocol::records::{BatchHeader, Compression, LOG_OVERHEAD_BYTES, legacy};
use millrace_protocol::{ErrorCode, Uuid};

use crate::context::RequestContext;
use crate::partitions::{Appended, Failure, Partition, Partitions};

/// The first version whose records are batches of magic 2.
const FIRST_WITH_BATCHES: i16 = 3;
/// The first version whose clients know zstd (KIP-110).
const FIRST_WITH_ZSTD: i16 = 7;
/// The first version that names topics by id (KIP-516).
const FIRST_WITH_IDS: i16 = 13;
/// What the records of one request may grow to, those that have to be decompressed.
const DECOMPRESSED_BYTES_MAX: usize = 100 << 20;
/// The magic of record batches, and where it stands.
const MAGIC: u8 = 2;
const MAGIC_AT: usize = 16;
/// What a message of magic 0 has around its key and value.
const LEGACY_OVERHEAD_BYTES: i32 = 14;
/// Kafka's tools may write to internal topics under this name.
const ADMIN_CLIENT: &str = "__admin_client";

/// A response, and the partitions that have to be flushed before it may leave (`flush.messages`).
pub(crate) struct Produced {
    pub(crate) response: ProduceResponse,
    pub(crate) flushes: Vec<Flush>,
}

/// A partition to be flushed up to an offset, and where its answer stands in the response.
pub(crate) struct Flush {
    partition: Arc<Partition>,
    offset: i64,
    place: (usize, usize),
}

/// Whether records have to be converted, decompressed or compressed: work for which an asynchronous task is
/// not the place.
pub(crate) fn looks_into(
    partitions: &Partitions,
    context: &RequestContext,
    request: &ProduceRequest,
) -> bool {
    context.api_version < FIRST_WITH_BATCHES
        || request.topic_data.iter().any(|topic| {
            topic.partition_data.iter().any(|data| {
                let Some(records) = &data.records else { return false };
                find(partitions, context, &topic.name, &topic.topic_id, data.index)
                    .is_ok_and(|partition| partition.looks_into(records))
            })
        })
}

/// Appends what may be appended, and says of every partition what became of it.
pub(crate) fn handle(partitions: &Partitions, context: &RequestContext, request: ProduceRequest) -> Produced {
    let refused = refusal(&request);
    let mut flushes = Vec::new();
    let mut budget_bytes = DECOMPRESSED_BYTES_MAX;
    let responses = request.topic_data.into_iter().enumerate().map(|(at_topic, topic)| {
        let TopicProduceData { name, topic_id, partition_data } = topic;
        let partition_responses = partition_data.into_iter().enumerate().map(|(at_partition, data)| {
            let index = data.index;
            let appended = match refused {
                Some(code) => Err(Failure::from(code)),
                None => find(partitions, context, &name, &topic_id, index).and_then(|partition| {
                    let appended = append(&partition, context, data, &mut budget_bytes)?;
                    if appended.flush_due {
                        let offset = appended.last_offset + 1;
                        flushes.push(Flush { partition, offset, place: (at_topic, at_partition) });
                    }
                    Ok(appended)
                }),
            };
            appended.map_or_else(|failure| failed(index, failure), |appended| succeeded(index, &appended))
        });
        let partition_responses = partition_responses.collect();
        TopicProduceResponse { name, topic_id, partition_responses }
    });
    let response = ProduceResponse { responses: responses.collect(), ..ProduceResponse::default() };
    Produced { response, flushes }
}

/// Flushes what has to be, and tells those whose flush failed. Blocks on the disk.
pub(crate) fn flush(produced: Produced) -> ProduceResponse {
    let Produced { mut response, flushes } = produced;
    for Flush { partition, offset, place: (at_topic, at_partition) } in flushes {
        if let Err(failure) = partition.flush(offset) {
            let answer = &mut response.responses[at_topic].partition_responses[at_partition];
            *answer = failed(answer.index, failure);
        }
    }
    response
}

/// The first error in a response, for requests whose response nobody reads.
pub(crate) fn first_error(response: &ProduceResponse) -> Option<ErrorCode> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    partitions.map(|partition| partition.error_code).find(|code| code.is_err())
}

/// What is wrong with the request as a whole.
fn refusal(request: &ProduceRequest) -> Option<ErrorCode> {
    if request.transactional_id.is_none() && has_transactional_records(request) {
        return Some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    if !(-1..=1).contains(&request.acks) {
        return Some(ErrorCode::INVALID_REQUIRED_ACKS);
    }
    // There is no transaction coordinator yet that could have begun this transaction.
    request.transactional_id.is_some().then_some(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
}

/// Whether any partition's first batch is part of a transaction (`RequestUtils.hasTransactionalRecords`).
fn has_transactional_records(request: &ProduceRequest) -> bool {
    let data = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let mut headers = data.filter_map(|data| BatchHeader::parse(data.records.as_ref()?).ok());
    headers.any(|header| header.attributes.is_transactional())
}

fn find(
    partitions: &Partitions,
    context: &RequestContext,
    name: &str,
    id: &Uuid,
    index: i32,
) -> Result<Arc<Partition>, Failure> {
    let partition = if context.api_version >= FIRST_WITH_IDS {
        partitions.find_by_id(id, index)?
    } else {
        partitions.find(name, index)?
    };
    if partition.is_internal() && context.client_id.as_deref() != Some(ADMIN_CLIENT) {
        let message = format!("Cannot append to internal topic {}", partition.topic());
        return Err(Failure::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message));
    }
    Ok(partition)
}

fn append(
    partition: &Partition,
    context: &RequestContext,
    data: PartitionProduceData,
    budget_bytes: &mut usize,
) -> Result<Appended, Failure> {
    let records = data.records.unwrap_or_default();
    let batches = if context.api_version < FIRST_WITH_BATCHES {
        converted(&records, budget_bytes)?
    } else {
        checked(records, context.api_version)?
    };
    partition.append(batches, budget_bytes)
}

fn succeeded(index: i32, appended: &Appended) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        base_offset: appended.base_offset,
        log_append_time_ms: appended.log_append_time_ms,
        log_start_offset: appended.log_start_offset,
        ..PartitionProduceResponse::default()
    }
}

/// Exactly one batch, whole, of magic 2, in a codec that this version knows
/// (`ProduceRequest.validateRecords`, `ByteBufferLogInputStream.nextBatchSize`).
fn checked(records: Bytes, version: i16) -> Result<Bytes, Failure> {
    let invalid = |text: &str| {
        Failure::new(ErrorCode::INVALID_RECORD, format!("Produce requests with version {version} {text}"))
    };
    match whole_batch(&records)? {
        None => return Err(invalid("must have at least one record batch per partition")),
        Some(MAGIC) => {}
        Some(_) => return Err(invalid("are only allowed to contain record batches with magic version 2")),
    }
    let header = BatchHeader::parse(&records).map_err(|error| Failure::from_records(&error))?;
    if version < FIRST_WITH_ZSTD && header.attributes.compression() == Ok(Compression::Zstd) {
        let text =
            format!("Produce requests with version {version} are not allowed to use ZStandard compression");
        return Err(Failure::new(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, text));
    }
    if header.size_bytes() < records.len() {
        return Err(invalid("are only allowed to contain exactly one record batch per partition"));
    }
    Ok(records)
}

/// The magic of the batch at the front; `None` when none is there whole.
fn whole_batch(records: &[u8]) -> Result<Option<u8>, Failure> {
    let Some(length) = records.get(8..LOG_OVERHEAD_BYTES).and_then(|length| length.try_into().ok()) else {
        return Ok(None);
    };
    let length = i32::from_be_bytes(length);
    if length < LEGACY_OVERHEAD_BYTES {
        let text = format!(
            "Record size {length} is less than the minimum record overhead ({LEGACY_OVERHEAD_BYTES})"
        );
        return Err(Failure::new(ErrorCode::CORRUPT_MESSAGE, text));
    }
    let Some(&magic) = records.get(MAGIC_AT) else { return Ok(None) };
    if magic > MAGIC {
        let text = format!("Invalid magic found in record: {magic}");
        return Err(Failure::new(ErrorCode::CORRUPT_MESSAGE, text));
    }
    let whole = records.len() - LOG_OVERHEAD_BYTES >= length.unsigned_abs() as usize;
    Ok(whole.then_some(magic))
}

/// Message sets of old clients become batches; nothing else is ever stored.
fn converted(records: &[u8], budget_bytes: &mut usize) -> Result<Bytes, Failure> {
    legacy::to_batch(records, budget_bytes).map_err(|error| Failure::from_records(&error))
}

fn failed(index: i32, failure: Failure) -> PartitionProduceResponse {
    let record_errors = failure.records.into_iter().map(|(batch_index, message)| BatchIndexAndErrorMessage {
        batch_index,
        batch_index_error_message: Some(message),
    });
    PartitionProduceResponse {
        index,
        error_code: failure.code,
        base_offset: -1,
        record_errors: record_errors.collect(),
        error_message: failure.message,
        current_leader: LeaderIdAndEpoch::default(),
        ..PartitionProduceResponse::default()
    }
}
