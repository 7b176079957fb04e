//! Kafka's small text files: offset checkpoints of a data directory (`OffsetCheckpointFile`), leader epochs
//! of a partition (`LeaderEpochCheckpointFile`). A version line, a count line, then one line an entry.
//!
//! They are rewritten whole: to a temporary file that is then renamed. Offset checkpoints are synced, since
//! recovery trusts them; they are written by background work only.

use std::fmt::Write as _;
use std::io::{self, IoSlice};
use std::path::Path;

use crate::disk::{Disk, OpenMode, read_file, write_file_atomically};
use crate::{LogError, TopicPartition};

const VERSION: &str = "0";

/// Recovery starts from these offsets after an unclean stop.
pub(crate) const RECOVERY_POINT_FILE: &str = "recovery-point-offset-checkpoint";
/// First offsets, where they are not the first segment's.
pub(crate) const LOG_START_FILE: &str = "log-start-offset-checkpoint";
/// High watermarks.
pub(crate) const HIGH_WATERMARK_FILE: &str = "replication-offset-checkpoint";
/// How far compaction came.
pub(crate) const CLEANER_FILE: &str = "cleaner-offset-checkpoint";

/// Reads an offset checkpoint. A file that is not there has no entries.
pub(crate) fn read_offsets(disk: &dyn Disk, path: &Path) -> Result<Vec<(TopicPartition, i64)>, LogError> {
    read_lines(disk, path, |line| {
        let (rest, offset) = line.rsplit_once(' ')?;
        let (topic, partition) = rest.rsplit_once(' ')?;
        Some((TopicPartition::new(topic, partition.parse().ok()?), offset.parse().ok()?))
    })
}

/// Writes an offset checkpoint, durably.
pub(crate) fn write_offsets(
    disk: &dyn Disk,
    path: &Path,
    offsets: &[(TopicPartition, i64)],
) -> Result<(), LogError> {
    let mut text = header(offsets.len());
    for (partition, offset) in offsets {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {} {offset}", partition.topic, partition.partition);
    }
    write_file_atomically(disk, path, text.as_bytes()).map_err(LogError::storage("write", path))
}

/// Reads a partition's leader epochs, as pairs of epoch and first offset.
pub(crate) fn read_epochs(disk: &dyn Disk, path: &Path) -> Result<Vec<(i32, i64)>, LogError> {
    read_lines(disk, path, |line| {
        let (epoch, offset) = line.split_once(' ')?;
        Some((epoch.parse().ok()?, offset.parse().ok()?))
    })
}

/// Writes a partition's leader epochs, `durably` or so that a power failure may damage them: what is damaged
/// is rebuilt from the batches, which carry their epochs.
pub(crate) fn write_epochs(
    disk: &dyn Disk,
    path: &Path,
    epochs: &[(i32, i64)],
    durably: bool,
) -> Result<(), LogError> {
    let mut text = header(epochs.len());
    for (epoch, offset) in epochs {
        let _ = writeln!(text, "{epoch} {offset}");
    }
    if durably {
        return write_file_atomically(disk, path, text.as_bytes()).map_err(LogError::storage("write", path));
    }
    let temporary = path.with_extension("tmp");
    let written = disk
        .open(&temporary, OpenMode::Truncate)
        .and_then(|file| file.write_all_at(&mut [IoSlice::new(text.as_bytes())], 0));
    written.and_then(|()| disk.rename(&temporary, path)).map_err(LogError::storage("write", path))
}

fn header(count: usize) -> String {
    format!("{VERSION}\n{count}\n")
}

fn read_lines<T>(
    disk: &dyn Disk,
    path: &Path,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, LogError> {
    let contents = match read_file(disk, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        contents => contents.map_err(LogError::storage("read", path))?,
    };
    let bad = |reason: String| LogError::BadFile { path: path.to_owned(), reason };
    let text = String::from_utf8(contents).map_err(|_| bad("not UTF-8".to_owned()))?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    // A line that was cut off may look like a whole one.
    if !text.ends_with('\n') {
        return Err(bad("the last line is cut off".to_owned()));
    }
    let mut lines = text.lines();
    if lines.next() != Some(VERSION) {
        return Err(bad("unknown version".to_owned()));
    }
    let count: usize =
        lines.next().and_then(|line| line.parse().ok()).ok_or_else(|| bad("no entry count".to_owned()))?;
    let entries: Vec<T> = lines
        .filter(|line| !line.is_empty())
        .map(|line| parse(line).ok_or_else(|| bad(format!("bad line {line:?}"))))
        .collect::<Result<_, _>>()?;
    if entries.len() != count {
        return Err(bad(format!("{count} entries promised, {} there", entries.len())));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    fn disk_with(text: &str) -> SimDisk {
        let disk = SimDisk::new();
        disk.create_dir_all(Path::new("/d")).unwrap();
        let file = disk.open(Path::new("/d/c"), OpenMode::Create).unwrap();
        file.write_all_at(&mut [IoSlice::new(text.as_bytes())], 0).unwrap();
        disk
    }

    #[test]
    fn offsets_are_read_as_they_were_written() {
        let disk = disk_with("");
        let path = Path::new("/d/c");
        assert!(read_offsets(&disk, path).unwrap().is_empty());
        let offsets = vec![(TopicPartition::new("a", 0), 17), (TopicPartition::new("b-c", 3), i64::MAX)];
        write_offsets(&disk, path, &offsets).unwrap();
        assert_eq!(read_file(&disk, path).unwrap(), b"0\n2\na 0 17\nb-c 3 9223372036854775807\n");
        assert_eq!(read_offsets(&disk, path).unwrap(), offsets);
        assert!(read_offsets(&disk, Path::new("/d/none")).unwrap().is_empty());
    }

    #[test]
    fn damage_is_told() {
        for text in
            ["1\n0\n", "0\n", "0\n2\na 0 1\n", "0\n1\na 0\n", "0\n1\na x 1\n", "0\n1\na 0 17", "\u{fffd}"]
        {
            assert!(read_offsets(&disk_with(text), Path::new("/d/c")).is_err(), "{text:?}");
        }
    }

    #[test]
    fn epochs_are_read_as_they_were_written() {
        let disk = disk_with("0\n2\n0 0\n3 1000\n");
        let path = Path::new("/d/c");
        assert_eq!(read_epochs(&disk, path).unwrap(), [(0, 0), (3, 1000)]);
        for durably in [false, true] {
            write_epochs(&disk, path, &[(5, 7)], durably).unwrap();
            assert_eq!(read_epochs(&disk, path).unwrap(), [(5, 7)]);
        }
    }
}
