//! The rules of an append that need no log (Kafka's `LogValidator`): checksum, format, sizes, timestamps,
//! keys on compacted topics, `compression.type`. Pure: `(bytes, rules, now) -> plan`.
//!
//! A batch is decoded only where a rule needs its records; otherwise its payload is never looked at again.

use bytes::{Bytes, BytesMut};
use millrace_protocol::records::{
    Batch, BatchBuilder, BatchHeader, BatchOptions, Batches, Body, Compression, ProducerStamp, RecordsError,
    TimestampType,
};

use crate::LogError;
use crate::config::{CompressionPolicy, LogConfig};

/// Records of one batch that a refusal names; Kafka names all of them, a million perhaps.
const TOLD_MAX: usize = 1000;
/// Batches that are refused by their header are decompressed only to name the records at fault: this far.
const NAMING_BYTES_MAX: usize = 8 << 20;

/// Who appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client, through Produce: the log assigns offsets, every rule holds.
    Client,
    /// This broker's own coordinators: the log assigns offsets; control batches may come.
    Coordinator,
    /// A follower, from its leader: offsets and epochs are in the batches, and nothing is judged but the
    /// checksum.
    Replica,
}

/// What an append brings along.
#[derive(Debug, Clone, Copy)]
pub struct AppendOptions {
    /// Who appends.
    pub origin: Origin,
    /// The leader's epoch, written into the batches unless a replica appends.
    pub leader_epoch: i32,
    /// The clock, milliseconds since 1970.
    pub now_ms: i64,
}

/// A batch of the plan: its header as it will be written but for offset and epoch, and where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlannedBatch {
    pub(crate) header: BatchHeader,
    pub(crate) start: usize,
    /// The header differs in checksummed fields from the bytes: write all of it, with a new checksum.
    pub(crate) restamped: bool,
}

/// What will be written.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) bytes: Bytes,
    pub(crate) batches: Vec<PlannedBatch>,
    pub(crate) record_count: i64,
    pub(crate) max_timestamp_ms: i64,
    /// The time stamped on the batches, or -1 where timestamps are the producer's.
    pub(crate) append_time_ms: i64,
}

/// Whether a client's batch at the front of `bytes` has to be decompressed or compressed before it is stored.
pub(crate) fn looks_into(bytes: &[u8], now_ms: i64, config: &LogConfig) -> bool {
    let Ok(header) = BatchHeader::parse(bytes) else { return false };
    let Ok(codec) = header.attributes.compression() else { return false };
    let asks = config.retention.policy.compact || bounded_below(config) || too_late(&header, now_ms, config);
    (asks && codec != Compression::None) || matches!(needs_recompression(&header, config), Ok(true))
}

/// Checks `bytes` against the rules and says what to write. What is decompressed on the way is taken from
/// `budget_bytes`.
pub(crate) fn plan(
    bytes: Bytes,
    options: &AppendOptions,
    config: &LogConfig,
    budget_bytes: &mut usize,
) -> Result<Plan, LogError> {
    let mut plan = Plan {
        bytes: bytes.clone(),
        batches: Vec::new(),
        record_count: 0,
        max_timestamp_ms: -1,
        append_time_ms: -1,
    };
    let judged = options.origin != Origin::Replica;
    let mut start = 0;
    let mut rewrites = false;
    for batch in Batches::new(bytes) {
        let batch = batch?;
        batch.validate()?;
        let mut planned = PlannedBatch { header: batch.header, start, restamped: false };
        start += batch.bytes.len();
        if judged {
            judge(&batch, options, config, budget_bytes)?;
            rewrites |= needs_recompression(&batch.header, config)?;
            restamp(&mut planned, options, config);
        }
        plan.record_count += i64::from(batch.header.record_count);
        plan.max_timestamp_ms = plan.max_timestamp_ms.max(planned.header.max_timestamp);
        plan.batches.push(planned);
    }
    if rewrites {
        recompress(&mut plan, config, budget_bytes)?;
    }
    if judged && config.message.timestamp_type == TimestampType::LogAppendTime {
        plan.append_time_ms = options.now_ms;
    }
    Ok(plan)
}

fn judge(
    batch: &Batch,
    options: &AppendOptions,
    config: &LogConfig,
    budget_bytes: &mut usize,
) -> Result<(), LogError> {
    let header = &batch.header;
    let invalid = |reason: &str| Err(LogError::InvalidRecord(reason.to_owned()));
    let max_bytes = config.message.max_bytes as usize;
    if batch.bytes.len() > max_bytes {
        return Err(LogError::RecordTooLarge { size_bytes: batch.bytes.len(), max_bytes });
    }
    if options.origin == Origin::Client {
        if header.attributes.is_control() {
            return invalid("clients are not allowed to write control records");
        }
        if header.record_count < 1 || header.record_count != header.last_offset_delta + 1 {
            return invalid("record count does not match the offsets of the batch");
        }
        if header.has_producer_id() && header.base_sequence < 0 {
            return invalid("idempotent batch without a sequence number");
        }
    }
    let creates_time = config.message.timestamp_type == TimestampType::CreateTime;
    let by_client = options.origin == Origin::Client;
    if creates_time && by_client && header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        let text =
            "Invalid timestamp type in message: Producer should not set timestamp type to LogAppendTime.";
        return Err(LogError::RefusedRecords {
            timestamps: true,
            count: 1,
            records: vec![(0, text.to_owned())],
        });
    }
    // The header names the latest timestamp: records are looked at only to say which of them are wrong.
    let too_late = too_late(header, options.now_ms, config);
    if (config.retention.policy.compact && !header.attributes.is_control()) || bounded_below(config) {
        judge_records(batch, options, config, budget_bytes)?;
    } else if too_late {
        let mut naming_bytes = NAMING_BYTES_MAX.min(*budget_bytes);
        *budget_bytes -= naming_bytes;
        let judged = judge_records(batch, options, config, &mut naming_bytes);
        *budget_bytes += naming_bytes;
        if !matches!(judged, Err(LogError::DecompressedTooLarge { .. })) {
            judged?;
        }
    }
    if too_late {
        check_timestamp(header.max_timestamp, options.now_ms, config)?;
    }
    Ok(())
}

fn too_late(header: &BatchHeader, now_ms: i64, config: &LogConfig) -> bool {
    config.message.timestamp_type == TimestampType::CreateTime
        && check_timestamp(header.max_timestamp, now_ms, config).is_err()
}

fn bounded_below(config: &LogConfig) -> bool {
    config.message.timestamp_type == TimestampType::CreateTime
        && config.message.timestamp_before_max_ms != i64::MAX
}

/// A batch's records, within the topic's limit and what is left of the budget.
fn body(batch: &Batch, config: &LogConfig, budget_bytes: &mut usize) -> Result<Body, LogError> {
    let limit_bytes = (*budget_bytes).min(config.message.decompressed_max_bytes as usize);
    let body = batch.body(limit_bytes);
    let cost_bytes = match &body {
        Ok(_) if batch.header.attributes.compression() == Ok(Compression::None) => 0,
        Ok(body) => body.data.len(),
        Err(RecordsError::TooLarge { .. }) => limit_bytes,
        Err(_) => 0,
    };
    *budget_bytes = budget_bytes.saturating_sub(cost_bytes);
    Ok(body?)
}

fn timestamp_bounds(now_ms: i64, config: &LogConfig) -> (i64, i64) {
    let message = &config.message;
    (
        now_ms.saturating_sub(message.timestamp_before_max_ms),
        now_ms.saturating_add(message.timestamp_after_max_ms),
    )
}

fn check_timestamp(timestamp_ms: i64, now_ms: i64, config: &LogConfig) -> Result<(), LogError> {
    let (earliest_ms, latest_ms) = timestamp_bounds(now_ms, config);
    if timestamp_ms == -1 || (earliest_ms..=latest_ms).contains(&timestamp_ms) {
        return Ok(());
    }
    Err(LogError::InvalidTimestamp { timestamp_ms, earliest_ms, latest_ms })
}

/// The rules that need every record: a key where the topic is compacted, a timestamp within bounds.
fn judge_records(
    batch: &Batch,
    options: &AppendOptions,
    config: &LogConfig,
    budget_bytes: &mut usize,
) -> Result<(), LogError> {
    let wants_keys = config.retention.policy.compact && !batch.header.attributes.is_control();
    let bounds_times = config.message.timestamp_type == TimestampType::CreateTime;
    let (earliest_ms, latest_ms) = timestamp_bounds(options.now_ms, config);
    let body = body(batch, config, budget_bytes)?;
    let (mut timestamps, mut count, mut told) = (false, 0, Vec::new());
    for (index, record) in (0..).zip(body.refs()) {
        let record = record?;
        let text = if wants_keys && record.key.is_none() {
            "Compacted topic cannot accept message without key".to_owned()
        } else if bounds_times && check_timestamp(record.timestamp_ms, options.now_ms, config).is_err() {
            timestamps = true;
            format!(
                "Timestamp {} of message with offset {} is out of range. The timestamp should be within \
                 [{earliest_ms}, {latest_ms}]",
                record.timestamp_ms, record.offset
            )
        } else {
            continue;
        };
        count += 1;
        if told.len() < TOLD_MAX {
            told.push((index, text));
        }
    }
    if count == 0 { Ok(()) } else { Err(LogError::RefusedRecords { timestamps, count, records: told }) }
}

/// Applies `message.timestamp.type` to a batch's header.
fn restamp(planned: &mut PlannedBatch, options: &AppendOptions, config: &LogConfig) {
    if config.message.timestamp_type == TimestampType::LogAppendTime {
        planned.header.attributes =
            planned.header.attributes.with_timestamp_type(TimestampType::LogAppendTime);
        planned.header.max_timestamp = options.now_ms;
        planned.restamped = true;
    }
}

fn needs_recompression(header: &BatchHeader, config: &LogConfig) -> Result<bool, LogError> {
    match config.message.compression {
        CompressionPolicy::Producer => Ok(false),
        CompressionPolicy::Codec(codec) => Ok(header.attributes.compression()? != codec),
    }
}

/// Writes the batches anew with the topic's codec, records unchanged.
fn recompress(plan: &mut Plan, config: &LogConfig, budget_bytes: &mut usize) -> Result<(), LogError> {
    let CompressionPolicy::Codec(codec) = config.message.compression else { return Ok(()) };
    let max_bytes = config.message.max_bytes as usize;
    let mut out = BytesMut::with_capacity(plan.bytes.len());
    for planned in &mut plan.batches {
        let batch = Batch::parse(&plan.bytes.slice(planned.start..))?;
        planned.start = out.len();
        let bytes = rewrite(&batch, codec, planned, config, budget_bytes)?;
        if bytes.len() > max_bytes {
            return Err(LogError::RecordTooLarge { size_bytes: bytes.len(), max_bytes });
        }
        planned.header = BatchHeader::parse(&bytes)?;
        planned.restamped = false;
        out.extend_from_slice(&bytes);
    }
    plan.bytes = out.freeze();
    Ok(())
}

fn rewrite(
    batch: &Batch,
    codec: Compression,
    planned: &PlannedBatch,
    config: &LogConfig,
    budget_bytes: &mut usize,
) -> Result<Bytes, LogError> {
    let header = &batch.header;
    if header.attributes.compression()? == codec && !planned.restamped {
        return Ok(batch.bytes.clone());
    }
    let options = BatchOptions {
        compression: codec,
        base_offset: header.base_offset,
        leader_epoch: header.leader_epoch,
        log_append_time_ms: planned.restamped.then_some(planned.header.max_timestamp),
        producer: header.has_producer_id().then_some(ProducerStamp {
            id: header.producer_id,
            epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
        }),
        transactional: header.attributes.is_transactional(),
        control: header.attributes.is_control(),
        delete_horizon_ms: None,
    };
    let body = body(batch, config, budget_bytes)?;
    let mut builder = BatchBuilder::with_capacity(options, body.data.len());
    for record in body.refs() {
        builder.append_ref(&record?)?;
    }
    Ok(builder.build_spanning(header.last_offset_delta)?)
}

#[cfg(test)]
mod tests;
