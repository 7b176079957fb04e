//! Producers of a log on the disk: when snapshots are taken, and how the newest good one and the batches
//! after it give the producers back.

use std::path::Path;
use std::sync::Arc;

use millrace_protocol::records::BatchHeader;

use super::{Log, Writer};
use crate::LogError;
use crate::disk::Disk;
use crate::files::remove_if_there;
use crate::names::{FileKind, Stage, parse_segment_file, segment_file};
use crate::producers::{Producers, read_snapshot, write_snapshot};
use crate::scan::{FULL_WINDOW_BYTES, LOOKUP_WINDOW_BYTES, Scan};
use crate::segment::Segment;

/// How far below a snapshot its producers' older batches are looked for, at most and at a time.
const BACKFILL_BYTES: u64 = 1 << 20;
const BACKFILL_STEP_BYTES: u64 = 64 << 10;

impl Log {
    /// Writes the producers' state as of `offset`, which must be the log's end.
    pub(super) fn take_snapshot(&self, writer: &mut Writer, offset: i64) -> Result<(), LogError> {
        let path = segment_file(&self.dir, offset, FileKind::Snapshot, Stage::Live);
        write_snapshot(self.pool.disk(), &path, &writer.producers)?;
        writer.snapshot_offset = offset;
        Ok(())
    }

    /// Forgets producers that have been idle for `producer.id.expiration.ms`.
    pub fn expire_producers(&self, now_ms: i64) {
        let expiration_ms = self.config().producers.expiration_ms;
        let mut writer = self.writer.lock();
        if writer.producers.len() > 0 {
            writer.producers.expire(now_ms, expiration_ms);
        }
    }
}

/// Offsets of a partition's snapshots, in order.
pub(super) fn snapshot_offsets<'a>(names: impl Iterator<Item = &'a str>) -> Vec<i64> {
    let mut offsets: Vec<i64> = names
        .filter_map(parse_segment_file)
        .filter(|(_, kind, stage)| (*kind, *stage) == (FileKind::Snapshot, Stage::Live))
        .map(|(offset, ..)| offset)
        .collect();
    offsets.sort_unstable();
    offsets
}

/// Producers restored from a snapshot.
pub(super) struct Restored {
    pub(super) producers: Producers,
    /// The snapshot's offset, or -1 when none was usable.
    pub(super) snapshot_offset: i64,
}

/// Reads the newest usable snapshot at or below `up_to`; damaged ones and those above it are removed.
pub(super) fn restore_snapshot(
    disk: &dyn Disk,
    dir: &Path,
    offsets: &[i64],
    up_to: i64,
) -> Result<Restored, LogError> {
    for &offset in offsets.iter().rev() {
        let path = segment_file(dir, offset, FileKind::Snapshot, Stage::Live);
        if offset <= up_to {
            match read_snapshot(disk, &path) {
                Ok(producers) => return Ok(Restored { producers, snapshot_offset: offset }),
                Err(LogError::BadFile { reason, .. }) => {
                    tracing::warn!(path = %path.display(), reason, "damaged producer snapshot, using an older one");
                }
                Err(error) => return Err(error),
            }
        }
        remove_if_there(disk, &path)?;
    }
    Ok(Restored { producers: Producers::default(), snapshot_offset: -1 })
}

/// Replays the batches in `[from, to)` into `producers`, by their headers.
pub(super) fn replay(
    producers: &mut Producers,
    segments: &[Arc<Segment>],
    from: i64,
    to: i64,
    count_max: u32,
) -> Result<(), LogError> {
    if from >= to {
        return Ok(());
    }
    for (at, segment) in segments.iter().enumerate() {
        let next_base = segments.get(at + 1).map_or(i64::MAX, |next| next.base_offset());
        if next_base <= from || segment.base_offset() >= to || segment.size_bytes() == 0 {
            continue;
        }
        let limit = segment.size_bytes();
        let position = match segment.base_offset() < from {
            true => segment.locate(from, limit)?.map(|located| located.position),
            false => Some(0),
        };
        let Some(position) = position else { continue };
        let mut scan = Scan::new(segment.log_file(), position, limit, FULL_WINDOW_BYTES)?;
        while let Some((_, header)) =
            scan.next_header().map_err(|error| error.into_log_error(segment.log_file()))?
        {
            if header.base_offset >= to {
                break;
            }
            producers.update(&header, count_max);
        }
    }
    Ok(())
}

/// Completes producers that a snapshot at `offset` knows by their last batch, from the batches before it; the last
/// segment ends at `log_end`. A retry of the batch before the last one would otherwise fail after every restart.
pub(super) fn backfill(
    producers: &mut Producers,
    segments: &[Arc<Segment>],
    offset: i64,
    log_end: i64,
) -> Result<(), LogError> {
    let before = segments.partition_point(|segment| segment.base_offset() < offset);
    let mut left = BACKFILL_BYTES;
    for (at, segment) in segments[..before].iter().enumerate().rev() {
        if producers.is_complete() {
            return Ok(());
        }
        let size = segment.size_bytes();
        let next_base = segments.get(at + 1).map_or(log_end, |next| next.base_offset());
        let mut end = match next_base <= offset {
            true => size,
            false => segment.locate(offset, size)?.map_or(size, |located| located.position),
        };
        while end > 0 && left > 0 && !producers.is_complete() {
            let from = segment.boundary_below(end.saturating_sub(BACKFILL_STEP_BYTES))?;
            left = left.saturating_sub(end - from);
            producers.backfill(&headers_between(segment, from, end)?);
            end = from;
        }
    }
    Ok(())
}

fn headers_between(segment: &Arc<Segment>, from: u64, end: u64) -> Result<Vec<BatchHeader>, LogError> {
    let mut headers = Vec::new();
    let mut scan = Scan::new(segment.log_file(), from, end, LOOKUP_WINDOW_BYTES)?;
    while let Some((_, header)) =
        scan.next_header().map_err(|error| error.into_log_error(segment.log_file()))?
    {
        headers.push(header);
    }
    Ok(headers)
}
