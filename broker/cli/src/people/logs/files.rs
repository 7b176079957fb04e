//! Which files there are, by Kafka's names for them (`LogFileUtils`), and the files that are text.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::people::failure::Failure;
use crate::people::screen::Screen;

/// Files found in one go, at most.
const FILES_MAX: usize = 1_000_000;
/// Longest text file that is read, in bytes.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// Text files by name; every other name without a known ending is left alone.
const TEXTS: [&str; 8] = [
    "leader-epoch-checkpoint",
    "partition.metadata",
    "meta.properties",
    "recovery-point-offset-checkpoint",
    "replication-offset-checkpoint",
    "log-start-offset-checkpoint",
    "cleaner-offset-checkpoint",
    "quorum-state",
];

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Record batches.
    Segment,
    /// Offset to position.
    OffsetIndex,
    /// Time to offset.
    TimeIndex,
    /// Aborted transactions.
    TransactionIndex,
    /// Idempotent producers.
    Producers,
    /// Lines.
    Text,
}

/// A file of a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogFile {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it holds.
    pub(super) kind: Kind,
}

impl LogFile {
    /// The first offset of its segment, which is its name.
    pub(super) fn base_offset(&self) -> Option<i64> {
        let name = self.path.file_name()?.to_str()?;
        name.split(['.', '-']).next()?.parse().ok()
    }
}

/// The kind of a file by its name; `None` for files that are not a log's.
fn kind_of(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_str()?;
    if TEXTS.contains(&name) {
        return Some(Kind::Text);
    }
    // A file on its way in or out keeps its ending before the suffix.
    let suffixes = [".deleted", ".swap", ".cleaned"];
    let name = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    Some(match name.rsplit_once('.')?.1 {
        "log" | "checkpoint" => Kind::Segment,
        "index" => Kind::OffsetIndex,
        "timeindex" => Kind::TimeIndex,
        "txnindex" => Kind::TransactionIndex,
        "snapshot" => Kind::Producers,
        _ => return None,
    })
}

/// The file, or the files of a directory of a partition, or those of all partitions of a data directory.
pub(super) fn find(path: &Path) -> Result<Vec<LogFile>, Failure> {
    let about = fs::metadata(path).map_err(|error| Failure::file(path, &error))?;
    if !about.is_dir() {
        let kind = kind_of(path).ok_or_else(|| {
            Failure::new(format!("{}: no file of a log has such a name", path.display()))
                .hint("known are .log, .index, .timeindex, .txnindex, .snapshot and .checkpoint files")
        })?;
        return Ok(vec![LogFile { path: path.to_owned(), kind }]);
    }
    let mut found = Vec::new();
    collect(path, true, &mut found)?;
    if found.is_empty() {
        return Err(Failure::new(format!("{}: no file of a log is in there", path.display()))
            .hint("a partition's directory is called topic-0; log.dirs names the directory above"));
    }
    found.sort();
    Ok(found)
}

fn collect(directory: &Path, deeper: bool, found: &mut Vec<LogFile>) -> Result<(), Failure> {
    let entries = fs::read_dir(directory).map_err(|error| Failure::file(directory, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| Failure::file(directory, &error))?.path();
        if path.is_dir() {
            if deeper && topic_of_directory(&path).is_some() {
                collect(&path, false, found)?;
            }
        } else if let Some(kind) = kind_of(&path) {
            found.push(LogFile { path, kind });
        }
        if found.len() > FILES_MAX {
            return Err(Failure::new(format!("{}: more than {FILES_MAX} files", directory.display())));
        }
    }
    Ok(())
}

/// The topic that a file belongs to, by its directory's name (`topic-0`).
pub(super) fn topic_of(file: &Path) -> Option<String> {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    topic_of_directory(file.parent()?)
}

fn topic_of_directory(directory: &Path) -> Option<String> {
    let name = directory.file_name()?.to_str()?;
    // `topic-0.<id>-delete` is on its way out.
    let name = match name.strip_suffix("-delete") {
        Some(leaving) => leaving.rsplit_once('.')?.0,
        None => name,
    };
    let (topic, number) = name.rsplit_once('-')?;
    number.parse::<u32>().ok()?;
    (!topic.is_empty()).then(|| topic.to_owned())
}

/// Shows a text file line by line.
pub(super) fn dump_text(file: &LogFile, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let size = fs::metadata(&file.path).map_err(|error| Failure::file(&file.path, &error))?.len();
    if size > TEXT_BYTES_MAX {
        return Err(Failure::new(format!("{}: {size} bytes are too many", file.path.display())));
    }
    let bytes = fs::read(&file.path).map_err(|error| Failure::file(&file.path, &error))?;
    let text = String::from_utf8_lossy(&bytes);
    if screen.is_json() {
        let lines: Vec<&str> = text.lines().collect();
        screen.json_line(&json!({ "file": file.path, "kind": "text", "lines": lines }));
    } else {
        text.lines().for_each(|line| screen.line(line));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_kinds() {
        let cases = [
            ("00000000000000000000.log", Some(Kind::Segment)),
            ("00000000000000000042.log.deleted", Some(Kind::Segment)),
            ("00000000000000000042.index.swap", Some(Kind::OffsetIndex)),
            ("00000000000000000042.timeindex", Some(Kind::TimeIndex)),
            ("00000000000000000042.txnindex", Some(Kind::TransactionIndex)),
            ("00000000000000000042.snapshot", Some(Kind::Producers)),
            ("00000000000000000007-0000000001.checkpoint", Some(Kind::Segment)),
            ("leader-epoch-checkpoint", Some(Kind::Text)),
            (".lock", None),
            ("readme.txt", None),
        ];
        for (name, kind) in cases {
            assert_eq!(kind_of(Path::new(name)), kind, "{name}");
        }
        let file =
            LogFile { path: "x/00000000000000000007-0000000001.checkpoint".into(), kind: Kind::Segment };
        assert_eq!(file.base_offset(), Some(7));
    }

    #[test]
    fn directories_tell_topics() {
        let topic = |name: &str| topic_of_directory(Path::new(name));
        assert_eq!(topic("data/__consumer_offsets-12").as_deref(), Some("__consumer_offsets"));
        assert_eq!(topic("a-b-0").as_deref(), Some("a-b"));
        assert_eq!(topic("orders-3.9f0c3b-delete").as_deref(), Some("orders"));
        assert_eq!(topic("orders"), None);
        assert_eq!(topic("-1"), None);
    }
}
