//! Kafka's names for files and directories (`LogFileUtils`, `UnifiedLog.parseTopicPartitionName`). Pure.

use std::fmt;
use std::path::{Path, PathBuf};

/// A topic's name and a partition's number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
}

impl TopicPartition {
    /// Names a partition.
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }

    /// The partition that a directory name stands for: `topic-3`. Directories on their way out
    /// (`-delete`, `-stray`) or in (`-future`) stand for none.
    #[must_use]
    pub fn from_dir_name(name: &str) -> Option<Self> {
        if [DELETE_DIR_SUFFIX, STRAY_DIR_SUFFIX, "-future"].iter().any(|suffix| name.ends_with(suffix)) {
            return None;
        }
        let (topic, partition) = name.rsplit_once('-')?;
        let partition: u32 = partition.parse().ok()?;
        (!topic.is_empty()).then(|| Self::new(topic, partition as i32))
    }

    /// The directory of the partition's files.
    #[must_use]
    pub fn dir_name(&self) -> String {
        format!("{}-{}", self.topic, self.partition)
    }

    /// The directory's name while it waits to be removed. `unique` sets apart partitions of the same name
    /// deleted one after the other. Long topic names are cut to fit what file systems allow.
    #[must_use]
    pub fn delete_dir_name(&self, unique: u128) -> String {
        self.aside_name(unique, DELETE_DIR_SUFFIX)
    }

    /// The directory's name once it belongs to no topic; `unique` and long names as above.
    #[must_use]
    pub fn stray_dir_name(&self, unique: u128) -> String {
        self.aside_name(unique, STRAY_DIR_SUFFIX)
    }

    fn aside_name(&self, unique: u128, suffix: &str) -> String {
        let tail = format!("-{}.{unique:032x}{suffix}", self.partition);
        let topic_max = 255usize.saturating_sub(tail.len());
        let topic: String = self.topic.chars().take(topic_max).collect();
        format!("{topic}{tail}")
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Ends the name of a partition's directory that waits to be removed.
pub(crate) const DELETE_DIR_SUFFIX: &str = "-delete";

/// Ends the name of a directory that belongs to no topic.
const STRAY_DIR_SUFFIX: &str = "-stray";

/// What a file in a partition's directory is, by its suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    Log,
    Index,
    TimeIndex,
    /// Reserved for aborted transactions.
    TxnIndex,
    Snapshot,
}

impl FileKind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Log, Self::Index, Self::TimeIndex, Self::TxnIndex, Self::Snapshot];

    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Log => ".log",
            Self::Index => ".index",
            Self::TimeIndex => ".timeindex",
            Self::TxnIndex => ".txnindex",
            Self::Snapshot => ".snapshot",
        }
    }
}

/// Which life a segment's file is in: suffixes after the file's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// In use.
    Live,
    /// Out of use, removed after a delay.
    Deleted,
    /// Written by compaction, not complete.
    Cleaned,
    /// Complete, about to replace what it was made from.
    Swap,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Live, Self::Deleted, Self::Cleaned, Self::Swap];

    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Live => "",
            Self::Deleted => ".deleted",
            Self::Cleaned => ".cleaned",
            Self::Swap => ".swap",
        }
    }
}

/// `00000000000000000042.log` and its like.
pub(crate) fn segment_file(dir: &Path, base_offset: i64, kind: FileKind, stage: Stage) -> PathBuf {
    dir.join(format!("{base_offset:020}{}{}", kind.suffix(), stage.suffix()))
}

/// The parts of a segment file's name; `None` for other files.
pub(crate) fn parse_segment_file(name: &str) -> Option<(i64, FileKind, Stage)> {
    let (digits, suffixes) = name.split_at_checked(20)?;
    let base_offset = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    FileKind::ALL.into_iter().find_map(|kind| {
        let stage = suffixes.strip_prefix(kind.suffix())?;
        let stage = Stage::ALL.into_iter().find(|known| known.suffix() == stage)?;
        Some((base_offset, kind, stage))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_names_are_kafkas() {
        let partition = TopicPartition::new("my-topic.x", 12);
        assert_eq!(partition.dir_name(), "my-topic.x-12");
        assert_eq!(TopicPartition::from_dir_name("my-topic.x-12"), Some(partition.clone()));
        let deleted = partition.delete_dir_name(7);
        assert_eq!(deleted, "my-topic.x-12.00000000000000000000000000000007-delete");
        assert!(TopicPartition::new("t".repeat(249), 1).delete_dir_name(1).len() <= 255);
        for other in
            [&deleted, "topic", "-3", "topic--x", "topic-1.0f-future", "topic-1.0f-stray", "lost+found"]
        {
            assert_eq!(TopicPartition::from_dir_name(other), None, "{other}");
        }
    }

    #[test]
    fn file_names_are_kafkas() {
        let path = segment_file(Path::new("d"), 42, FileKind::TimeIndex, Stage::Deleted);
        assert_eq!(path, Path::new("d/00000000000000000042.timeindex.deleted"));
        let cases = [
            ("00000000000000000042.log", Some((42, FileKind::Log, Stage::Live))),
            ("00000000000000000042.index.swap", Some((42, FileKind::Index, Stage::Swap))),
            ("09223372036854775807.snapshot", Some((i64::MAX, FileKind::Snapshot, Stage::Live))),
            ("99999999999999999999.log", None),
            ("0000000000000000004x.log", None),
            ("00000000000000000042.logs", None),
            ("partition.metadata", None),
            ("é0000000000000000042.log", None),
        ];
        for (name, expected) in cases {
            assert_eq!(parse_segment_file(name), expected, "{name}");
        }
    }
}
