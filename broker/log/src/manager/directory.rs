//! One data directory: its lock, its identity, what is in it, and whether it works.

use std::collections::HashMap;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

use millrace_protocol::Uuid;
use parking_lot::Mutex;

use super::checkpoints::{Checkpoints, Known};
use super::{METADATA_TOPIC, ManagerConfig};
use crate::disk::Disk;
use crate::identity::{MetaProperties, random_id, take_clean_marker};
use crate::names::DELETE_DIR_SUFFIX;
use crate::{LogError, TopicPartition};

const LOCK_FILE: &str = ".lock";

/// A data directory.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// `None` when it did not work at the start: nothing in it is known then.
    home: Option<Home>,
    failure: Mutex<Option<LogError>>,
}

/// What a directory that works has.
#[derive(Debug)]
struct Home {
    /// Held for as long as the manager lives.
    _lock: Box<dyn Debug + Send + Sync>,
    id: Uuid,
    clean: bool,
    contents: Contents,
    checkpoints: Mutex<Checkpoints>,
}

/// Names found in a directory.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    pub(super) partitions: Vec<TopicPartition>,
    /// Directories of partitions on their way out.
    pub(super) deleted: Vec<String>,
}

impl Directory {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn id(&self) -> Option<Uuid> {
        self.home.as_ref().map(|home| home.id)
    }

    /// It could be opened at the start.
    pub(super) fn is_open(&self) -> bool {
        self.home.is_some()
    }

    /// The last stop left its files clean.
    pub(super) fn is_clean(&self) -> bool {
        self.home.as_ref().is_some_and(|home| home.clean)
    }

    pub(super) fn contents(&self) -> Contents {
        self.home.as_ref().map(|home| home.contents.clone()).unwrap_or_default()
    }

    pub(super) fn checkpoints(&self) -> Option<&Mutex<Checkpoints>> {
        self.home.as_ref().map(|home| &home.checkpoints)
    }

    pub(super) fn failure(&self) -> Option<LogError> {
        self.failure.lock().clone()
    }

    /// Notes how its last use went; tells when that changes.
    pub(super) fn note(&self, result: &Result<(), LogError>) {
        let mut failure = self.failure.lock();
        match (result, &*failure) {
            (Err(error), None) => {
                tracing::error!(dir = %self.path.display(), %error, "data directory fails");
                *failure = Some(error.clone());
            }
            (Err(error), Some(_)) => *failure = Some(error.clone()),
            (Ok(()), Some(_)) => {
                tracing::info!(dir = %self.path.display(), "data directory works again");
                *failure = None;
            }
            (Ok(()), None) => {}
        }
    }
}

/// Opens all directories and finds out which cluster they belong to.
pub(super) fn open_all(
    disk: &dyn Disk,
    config: &ManagerConfig,
) -> Result<(String, Vec<Directory>), LogError> {
    let read: Vec<_> = config.dirs.iter().map(|path| (path, lock_and_read(disk, path))).collect();
    let known =
        read.iter().find_map(|(_, result)| Some(result.as_ref().ok()?.1.as_ref()?.cluster_id.clone()));
    let cluster_id = config.cluster_id.clone().or(known).unwrap_or_else(|| random_id().to_string());
    let mut directories = Vec::with_capacity(read.len());
    for (path, result) in read {
        let home = result.and_then(|(lock, meta)| {
            let id = adopt(disk, path, meta, config.node_id, &cluster_id)?;
            Home::open(disk, path, lock, id)
        });
        let path = path.clone();
        directories.push(match home {
            Ok(home) => Directory { path, home: Some(home), failure: Mutex::default() },
            // These are not the disk's failures but the operator's mistakes.
            Err(error @ (LogError::Locked { .. } | LogError::BadFile { .. })) => return Err(error),
            Err(error) => {
                tracing::error!(dir = %path.display(), %error, "data directory is offline");
                Directory { path, home: None, failure: Mutex::new(Some(error)) }
            }
        });
    }
    match directories.iter().find(|directory| directory.is_open()) {
        Some(_) => Ok((cluster_id, directories)),
        None => {
            let reasons = directories.iter().filter_map(Directory::failure).map(|error| error.to_string());
            Err(LogError::Offline(format!(
                "no data directory works: {}",
                reasons.collect::<Vec<_>>().join("; ")
            )))
        }
    }
}

type Lock = Box<dyn Debug + Send + Sync>;

fn lock_and_read(disk: &dyn Disk, path: &Path) -> Result<(Lock, Option<MetaProperties>), LogError> {
    disk.create_dir_all(path).map_err(LogError::storage("create", path))?;
    let file = path.join(LOCK_FILE);
    let lock = disk.lock(&file).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => LogError::Locked { path: path.to_owned() },
        _ => LogError::storage("lock", &file)(error),
    })?;
    Ok((lock, MetaProperties::read(disk, path)?))
}

/// Checks whose directory it is, or makes it ours. Returns its id.
fn adopt(
    disk: &dyn Disk,
    path: &Path,
    meta: Option<MetaProperties>,
    node_id: i32,
    cluster_id: &str,
) -> Result<Uuid, LogError> {
    let Some(meta) = meta else {
        let meta = MetaProperties { cluster_id: cluster_id.to_owned(), node_id, directory_id: random_id() };
        meta.write(disk, path)?;
        return Ok(meta.directory_id);
    };
    let refuse = |reason: String| Err(LogError::BadFile { path: path.join("meta.properties"), reason });
    if meta.node_id != node_id {
        return refuse(format!("the directory belongs to node {}, this is node {node_id}", meta.node_id));
    }
    if meta.cluster_id != cluster_id {
        return refuse(format!("the directory belongs to cluster {}, this is {cluster_id}", meta.cluster_id));
    }
    Ok(meta.directory_id)
}

impl Home {
    fn open(disk: &dyn Disk, path: &Path, lock: Lock, id: Uuid) -> Result<Self, LogError> {
        let mut contents = Contents::default();
        for entry in
            disk.list(path).map_err(LogError::storage("list", path))?.into_iter().filter(|entry| entry.is_dir)
        {
            if entry.name.ends_with(DELETE_DIR_SUFFIX) {
                contents.deleted.push(entry.name);
            } else if let Some(partition) = TopicPartition::from_dir_name(&entry.name)
                && partition.topic != METADATA_TOPIC
            {
                contents.partitions.push(partition);
            }
        }
        let known: HashMap<TopicPartition, Known> = super::checkpoints::read_all(disk, path)?;
        let clean = take_clean_marker(disk, path)?;
        if !clean && !contents.partitions.is_empty() {
            tracing::info!(dir = %path.display(), "the last stop was not clean, logs are recovered");
        }
        Ok(Self { _lock: lock, id, clean, contents, checkpoints: Mutex::new(Checkpoints::new(known)) })
    }
}
