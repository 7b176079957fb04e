//! Producers in a `.snapshot` file, in Kafka's format (`ProducerStateManager`, version 1): version,
//! CRC-32C of what follows, count, then 42 bytes for each producer. Only a producer's last batch fits.

use std::io::IoSlice;
use std::path::Path;

use bytes::{Buf, BufMut};
use millrace_protocol::records::crc32c;

use super::{BatchMark, Producer, Producers};
use crate::LogError;
use crate::disk::{Disk, OpenMode, read_file};

const VERSION: i16 = 1;
const CRC_AT: usize = 2;
const CRC_FROM: usize = 6;
const HEAD_BYTES: usize = CRC_FROM + 4;
const PRODUCER_BYTES: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;

impl Producers {
    /// The snapshot's bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + self.len() * PRODUCER_BYTES);
        out.put_i16(VERSION);
        out.put_u32(0);
        out.put_i32(self.by_id.len() as i32);
        // In order, so that the same history gives the same bytes.
        let mut producers: Vec<_> = self.by_id.iter().collect();
        producers.sort_unstable_by_key(|(id, _)| **id);
        for (&producer_id, producer) in producers {
            let none = BatchMark { last_sequence: -1, last_offset: -1, offset_delta: 0, timestamp_ms: -1 };
            let last = producer.last().unwrap_or(&none);
            out.put_i64(producer_id);
            out.put_i16(producer.epoch);
            out.put_i32(last.last_sequence);
            out.put_i64(last.last_offset);
            out.put_i32(last.offset_delta);
            out.put_i64(producer.last_timestamp_ms);
            out.put_i32(producer.coordinator_epoch);
            out.put_i64(-1);
        }
        let crc = crc32c(&out[CRC_FROM..]);
        out[CRC_AT..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// Reads a snapshot's bytes; `Err` says what is wrong with them.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut rest = bytes;
        if rest.len() < HEAD_BYTES {
            return Err("shorter than its header");
        }
        if rest.get_i16() != VERSION {
            return Err("unknown version");
        }
        if rest.get_u32() != crc32c(&bytes[CRC_FROM..]) {
            return Err("checksum does not match");
        }
        let count = rest.get_i32();
        if usize::try_from(count).ok().and_then(|count| count.checked_mul(PRODUCER_BYTES)) != Some(rest.len())
        {
            return Err("count does not match its length");
        }
        let mut producers = Self::default();
        for mut fields in rest.chunks_exact(PRODUCER_BYTES) {
            let producer_id = fields.get_i64();
            let mut producer = Producer::new(fields.get_i16());
            let (last_sequence, last_offset) = (fields.get_i32(), fields.get_i64());
            let (offset_delta, timestamp_ms) = (fields.get_i32(), fields.get_i64());
            producer.last_timestamp_ms = timestamp_ms;
            producer.coordinator_epoch = fields.get_i32();
            if last_sequence >= 0 {
                producer.push(BatchMark { last_sequence, last_offset, offset_delta, timestamp_ms });
            }
            producers.by_id.insert(producer_id, Box::new(producer));
        }
        Ok(producers)
    }
}

/// Writes a snapshot, not synced: one that a crash damages fails its checksum and an older one is used.
pub(crate) fn write_snapshot(disk: &dyn Disk, path: &Path, producers: &Producers) -> Result<(), LogError> {
    let bytes = producers.encode();
    let written = disk
        .open(path, OpenMode::Truncate)
        .and_then(|file| file.write_all_at(&mut [IoSlice::new(&bytes)], 0));
    written.map_err(LogError::storage("write", path))
}

/// Reads a snapshot. [`LogError::BadFile`] when it is damaged.
pub(crate) fn read_snapshot(disk: &dyn Disk, path: &Path) -> Result<Producers, LogError> {
    let bytes = read_file(disk, path).map_err(LogError::storage("read", path))?;
    Producers::decode(&bytes)
        .map_err(|reason| LogError::BadFile { path: path.to_owned(), reason: reason.to_owned() })
}
