//! What of a batch survives compaction (Kafka's `Cleaner.shouldRetainRecord`, `MemoryRecords.filterTo`,
//! KIP-534). Batches keep their offsets and their span.

use bytes::Bytes;
use millrace_protocol::records::{
    BATCH_HEADER_BYTES, Batch, BatchBuilder, BatchOptions, Compression, LOG_OVERHEAD_BYTES, ProducerStamp,
    RecordRef, TimestampType,
};

use super::OffsetMap;
use crate::LogError;

/// What a filter needs beside the batch and the map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FilterRules {
    /// The clock.
    pub(crate) now_ms: i64,
    /// `delete.retention.ms`.
    pub(crate) delete_retention_ms: i64,
    /// The batch holds its producer's last sequence number: its header stays although no record does.
    pub(crate) keep_header: bool,
    /// Largest that the batch may become decompressed.
    pub(crate) decompressed_max_bytes: usize,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Every record stays, the bytes as they were.
    All,
    /// Some records stay, or only the header: these bytes.
    Some(Bytes),
    /// Nothing stays.
    Nothing,
}

/// Decides what of `batch` stays.
pub(crate) fn filter(batch: &Batch, map: &OffsetMap, rules: &FilterRules) -> Result<Kept, LogError> {
    let header = &batch.header;
    // Control records have no keys; transaction markers stay as long as there may be their data.
    if header.attributes.is_control() || header.base_offset > map.latest_offset() {
        return Ok(Kept::All);
    }
    let body = batch.body(rules.decompressed_max_bytes)?;
    let tombstones_stay = header.delete_horizon_ms().is_none_or(|horizon_ms| rules.now_ms < horizon_ms);
    let mut stays = Vec::with_capacity(body.refs().left().min(body.data.len()));
    let mut has_tombstone = false;
    for record in body.refs() {
        let record = record?;
        let stay = is_last_of_key(&record, map) && (record.value.is_some() || tombstones_stay);
        has_tombstone |= stay && record.value.is_none();
        stays.push(stay);
    }
    let staying = stays.iter().filter(|stay| **stay).count();
    if staying == 0 {
        return Ok(if rules.keep_header { Kept::Some(bare_header(batch)) } else { Kept::Nothing });
    }
    let sets_horizon = has_tombstone && header.delete_horizon_ms().is_none();
    if staying == stays.len() && !sets_horizon {
        return Ok(Kept::All);
    }
    let horizon_ms = if sets_horizon {
        Some(rules.now_ms.saturating_add(rules.delete_retention_ms))
    } else {
        header.delete_horizon_ms()
    };
    let mut builder = BatchBuilder::with_capacity(options_of(batch, horizon_ms)?, body.data.len());
    for (record, _) in body.refs().zip(&stays).filter(|(_, stay)| **stay) {
        builder.append_ref(&record?)?;
    }
    Ok(Kept::Some(builder.build_spanning(header.last_offset_delta)?))
}

fn is_last_of_key(record: &RecordRef<'_>, map: &OffsetMap) -> bool {
    if record.offset > map.latest_offset() {
        return true;
    }
    // A record without a key cannot be compacted; it should not be there, and goes (as in Kafka).
    record.key.is_some_and(|key| map.get(key).is_none_or(|last| record.offset >= last))
}

fn options_of(batch: &Batch, delete_horizon_ms: Option<i64>) -> Result<BatchOptions, LogError> {
    let header = &batch.header;
    let stamped = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
    Ok(BatchOptions {
        compression: header.attributes.compression()?,
        base_offset: header.base_offset,
        leader_epoch: header.leader_epoch,
        log_append_time_ms: stamped.then_some(header.max_timestamp),
        producer: header.has_producer_id().then_some(ProducerStamp {
            id: header.producer_id,
            epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
        }),
        transactional: header.attributes.is_transactional(),
        control: false,
        delete_horizon_ms,
    })
}

/// The batch without records: span and producer remain (Kafka's `DefaultRecordBatch.writeEmptyHeader`).
fn bare_header(batch: &Batch) -> Bytes {
    let mut header = batch.header;
    header.length = (BATCH_HEADER_BYTES - LOG_OVERHEAD_BYTES) as i32;
    header.attributes = header.attributes.with_compression(Compression::None).with_delete_horizon(false);
    header.base_timestamp = header.max_timestamp;
    header.record_count = 0;
    Bytes::copy_from_slice(&header.to_bytes_with_crc(&[]))
}

#[cfg(test)]
mod tests {
    use millrace_protocol::records::Batches;

    use super::*;

    fn keyed(compression: Compression, records: &[(&str, Option<&str>)]) -> Batch {
        let producer = Some(ProducerStamp { id: 1, epoch: 0, base_sequence: 5 });
        let options =
            BatchOptions { compression, producer, base_offset: 10, leader_epoch: 3, ..Default::default() };
        let mut builder = BatchBuilder::new(options);
        for (key, value) in records {
            builder.append(1000, Some(key.as_bytes()), value.map(str::as_bytes), &[]);
        }
        Batches::new(builder.build().unwrap()).next().unwrap().unwrap()
    }

    fn rules(now_ms: i64) -> FilterRules {
        FilterRules { now_ms, delete_retention_ms: 100, keep_header: false, decompressed_max_bytes: 1 << 20 }
    }

    fn map(entries: &[(&str, i64)]) -> OffsetMap {
        let mut map = OffsetMap::new(0);
        entries.iter().for_each(|(key, offset)| map.put(key.as_bytes(), *offset));
        map
    }

    fn kept(bytes: &Bytes) -> (Batch, Vec<i64>) {
        let batch = Batch::parse(bytes).unwrap();
        batch.validate().unwrap();
        let offsets = batch.records(1 << 20).unwrap().map(|record| record.unwrap().offset).collect();
        (batch, offsets)
    }

    #[test]
    fn overtaken_records_go_and_the_span_stays() {
        for codec in Compression::ALL {
            let batch =
                keyed(codec, &[("a", Some("1")), ("b", Some("1")), ("a", Some("2")), ("c", Some("1"))]);
            let Kept::Some(bytes) =
                filter(&batch, &map(&[("a", 12), ("b", 99), ("c", 13)]), &rules(0)).unwrap()
            else {
                panic!("rewritten");
            };
            let (after, offsets) = kept(&bytes);
            assert_eq!(offsets, [12, 13], "{codec}");
            assert_eq!((after.header.base_offset, after.header.last_offset()), (10, 13));
            assert_eq!((after.header.producer_id, after.header.last_sequence()), (1, 8));
            assert_eq!(
                (after.header.leader_epoch, after.header.attributes.compression().unwrap()),
                (3, codec)
            );
        }
    }

    #[test]
    fn what_the_map_never_saw_stays() {
        let batch = keyed(Compression::None, &[("a", Some("1")), ("a", Some("2"))]);
        assert_eq!(filter(&batch, &map(&[("a", 9)]), &rules(0)).unwrap(), Kept::All);
        assert_eq!(filter(&batch, &OffsetMap::new(0), &rules(0)).unwrap(), Kept::All);
    }

    #[test]
    fn tombstones_stay_until_their_horizon() {
        let batch = keyed(Compression::None, &[("a", None), ("b", Some("1"))]);
        let map = map(&[("a", 10), ("b", 11)]);
        let Kept::Some(first) = filter(&batch, &map, &rules(5000)).unwrap() else { panic!("horizon is set") };
        let (first, offsets) = kept(&first);
        assert_eq!((first.header.delete_horizon_ms(), offsets), (Some(5100), vec![10, 11]));
        let times: Vec<_> = first.records(1000).unwrap().map(|record| record.unwrap().timestamp_ms).collect();
        assert_eq!(times, [1000, 1000], "a horizon does not change timestamps");
        assert_eq!(filter(&first, &map, &rules(5099)).unwrap(), Kept::All);
        let Kept::Some(second) = filter(&first, &map, &rules(5100)).unwrap() else {
            panic!("tombstone goes")
        };
        assert_eq!(kept(&second).1, [11]);
    }

    #[test]
    fn a_producers_last_batch_leaves_its_header() {
        let batch = keyed(Compression::Gzip, &[("a", Some("1"))]);
        let overtaken = map(&[("a", 50)]);
        assert_eq!(filter(&batch, &overtaken, &rules(0)).unwrap(), Kept::Nothing);
        let Kept::Some(bytes) =
            filter(&batch, &overtaken, &FilterRules { keep_header: true, ..rules(0) }).unwrap()
        else {
            panic!("header stays");
        };
        let (bare, offsets) = kept(&bytes);
        assert_eq!((bare.bytes.len(), bare.header.last_sequence(), bare.header.next_offset()), (61, 5, 11));
        assert!(offsets.is_empty());
        assert_eq!(filter(&bare, &overtaken, &rules(0)).unwrap(), Kept::Nothing);
    }
}
