//! Who a data directory and a partition are: `meta.properties` (KIP-78, KIP-858), `partition.metadata`
//! (KIP-516), and the marker of a clean stop.

use std::io::{self, IoSlice};
use std::path::Path;

use millrace_protocol::Uuid;

use crate::LogError;
use crate::disk::{Disk, OpenMode, read_file, write_file_atomically};
use crate::files::remove_if_there;

const META_PROPERTIES: &str = "meta.properties";
const PARTITION_METADATA: &str = "partition.metadata";
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";

/// A new random id (a version 4 UUID), never one that begins with a dash: people type ids after options.
pub(crate) fn random_id() -> Uuid {
    loop {
        let mut bytes = fastrand::u128(..).to_be_bytes();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let id = Uuid(bytes);
        if !id.to_string().starts_with('-') {
            return id;
        }
    }
}

/// Whose data a directory holds (`MetaProperties`, version 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster, as clients see it.
    pub cluster_id: String,
    /// The node.
    pub node_id: i32,
    /// The directory itself; a node that comes back with another directory id lost its data.
    pub directory_id: Uuid,
}

impl MetaProperties {
    /// Reads a directory's `meta.properties`; `None` when the directory has none yet.
    ///
    /// # Errors
    /// [`LogError::Storage`], or [`LogError::BadFile`] when a property is missing or damaged.
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<Self>, LogError> {
        let path = dir.join(META_PROPERTIES);
        let Some(text) = read_text(disk, &path)? else { return Ok(None) };
        let bad = |reason: &str| LogError::BadFile { path: path.clone(), reason: reason.to_owned() };
        let property = |name: &str| {
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
            lines
                .filter_map(|line| line.split_once('='))
                .find(|(key, _)| key.trim() == name)
                .map(|(_, v)| v.trim())
        };
        if property("version") != Some("1") {
            return Err(bad("version is not 1"));
        }
        let node_id =
            property("node.id").and_then(|id| id.parse().ok()).ok_or_else(|| bad("no valid node.id"))?;
        let cluster_id = property("cluster.id").ok_or_else(|| bad("no cluster.id"))?.to_owned();
        let directory_id = property("directory.id").and_then(|id| id.parse().ok());
        let directory_id = directory_id.ok_or_else(|| bad("no valid directory.id"))?;
        Ok(Some(Self { cluster_id, node_id, directory_id }))
    }

    /// Writes a directory's `meta.properties`, durably; the directory must exist.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
        let path = dir.join(META_PROPERTIES);
        let text = format!(
            "#\ncluster.id={}\ndirectory.id={}\nnode.id={}\nversion=1\n",
            self.cluster_id, self.directory_id, self.node_id
        );
        write_file_atomically(disk, &path, text.as_bytes()).map_err(LogError::storage("write", &path))
    }
}

/// The topic id of a partition's directory; `None` when it was never written, or a power failure took what
/// was: the cluster's metadata knows it too.
pub(crate) fn read_topic_id(disk: &dyn Disk, dir: &Path) -> Result<Option<Uuid>, LogError> {
    let path = dir.join(PARTITION_METADATA);
    let contents = match read_file(disk, &path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        contents => contents.map_err(LogError::storage("read", &path))?,
    };
    let text = String::from_utf8_lossy(&contents);
    let id = text.lines().find_map(|line| line.strip_prefix("topic_id:"));
    match id.and_then(|id| id.trim().parse::<Uuid>().ok()) {
        Some(id) => Ok((!id.is_zero()).then_some(id)),
        None => {
            tracing::warn!(path = %path.display(), "no valid topic id, it is written again");
            Ok(None)
        }
    }
}

/// Writes a partition's topic id. Renamed into place, so a kill leaves it whole or not at all; not synced,
/// since that would cost each new partition a flush of the disk.
pub(crate) fn write_topic_id(disk: &dyn Disk, dir: &Path, id: Uuid) -> Result<(), LogError> {
    let path = dir.join(PARTITION_METADATA);
    let temporary = dir.join("partition.metadata.tmp");
    let text = format!("version: 0\ntopic_id: {id}\n");
    let written = disk
        .open(&temporary, OpenMode::Truncate)
        .and_then(|file| file.write_all_at(&mut [IoSlice::new(text.as_bytes())], 0));
    written.and_then(|()| disk.rename(&temporary, &path)).map_err(LogError::storage("write", &path))
}

/// Takes the marker of a clean stop away and says whether it was there: what follows is unclean until the
/// marker is back.
pub(crate) fn take_clean_marker(disk: &dyn Disk, dir: &Path) -> Result<bool, LogError> {
    let path = dir.join(CLEAN_SHUTDOWN);
    let there = match disk.stat(&path) {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(LogError::storage("stat", &path)(error)),
    };
    if there {
        remove_if_there(disk, &path)?;
        disk.sync_dir(dir).map_err(LogError::storage("sync", dir))?;
    }
    Ok(there)
}

/// Leaves the marker of a clean stop, durably (Kafka's `CleanShutdownFileHandler`).
pub(crate) fn put_clean_marker(disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
    let path = dir.join(CLEAN_SHUTDOWN);
    let text = br#"{"version":0,"brokerEpoch":-1}"#;
    write_file_atomically(disk, &path, text).map_err(LogError::storage("write", &path))
}

fn read_text(disk: &dyn Disk, path: &Path) -> Result<Option<String>, LogError> {
    let contents = match read_file(disk, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        contents => contents.map_err(LogError::storage("read", path))?,
    };
    let bad = |_| LogError::BadFile { path: path.to_owned(), reason: "not UTF-8".to_owned() };
    String::from_utf8(contents).map(Some).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    fn disk_with(name: &str, text: &str) -> SimDisk {
        let disk = SimDisk::new();
        disk.create_dir_all(Path::new("/d")).unwrap();
        let file = disk.open(&Path::new("/d").join(name), OpenMode::Create).unwrap();
        file.write_all_at(&mut [IoSlice::new(text.as_bytes())], 0).unwrap();
        disk
    }

    #[test]
    fn meta_properties_as_kafka_writes_them_are_read() {
        let text = "#\n#Sat Nov 22 10:00:00 UTC 2025\ncluster.id=4L6g3nShT-eMCtK--X86sw\nnode.id=1\n\
                    directory.id=9cnVNxmTQ9a3AGwv9NEPCA\nversion=1\n";
        let disk = disk_with(META_PROPERTIES, text);
        let read = MetaProperties::read(&disk, Path::new("/d")).unwrap().unwrap();
        assert_eq!((read.cluster_id.as_str(), read.node_id), ("4L6g3nShT-eMCtK--X86sw", 1));
        assert_eq!(read.directory_id.to_string(), "9cnVNxmTQ9a3AGwv9NEPCA");
        let again = MetaProperties { node_id: 7, ..read };
        again.write(&disk, Path::new("/d")).unwrap();
        assert_eq!(MetaProperties::read(&disk, Path::new("/d")).unwrap(), Some(again));
    }

    #[test]
    fn damaged_identities_are_told() {
        for text in
            ["version=0\nbroker.id=1\n", "version=1\nnode.id=1\n", "version=1\ncluster.id=a\nnode.id=x\n"]
        {
            assert!(MetaProperties::read(&disk_with(META_PROPERTIES, text), Path::new("/d")).is_err());
        }
    }

    #[test]
    fn a_topic_id_that_is_damaged_counts_as_not_written() {
        for text in ["", "version: 0\n", "version: 0\ntopic_id: x\n", "version: 0\ntopic_id: 9cnVNxmTQ9a3AGw"]
        {
            let disk = disk_with(PARTITION_METADATA, text);
            assert_eq!(read_topic_id(&disk, Path::new("/d")).unwrap(), None, "{text:?}");
        }
    }

    #[test]
    fn topic_ids_and_markers_come_back() {
        let disk = disk_with("x", "");
        let dir = Path::new("/d");
        assert_eq!(read_topic_id(&disk, dir).unwrap(), None);
        write_topic_id(&disk, dir, Uuid([7; 16])).unwrap();
        assert_eq!(read_topic_id(&disk, dir).unwrap(), Some(Uuid([7; 16])));
        assert!(!take_clean_marker(&disk, dir).unwrap());
        put_clean_marker(&disk, dir).unwrap();
        assert!(take_clean_marker(&disk, dir).unwrap());
        assert!(!take_clean_marker(&disk, dir).unwrap());
    }
}
