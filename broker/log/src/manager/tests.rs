//! Data directories through starts, stops, deletions and failures.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_protocol::Uuid;

use super::*;
use crate::disk::sim::{Call, SimDisk};
use crate::testing::{CLIENT, NOW_MS, batch, keyed_batch, producer_batch};

const TOPIC: Uuid = Uuid([7; 16]);

struct House {
    disk: SimDisk,
    config: ManagerConfig,
}

impl House {
    fn new(dirs: &[&str]) -> Self {
        let config = ManagerConfig {
            dirs: dirs.iter().map(PathBuf::from).collect(),
            node_id: 1,
            cluster_id: None,
            open_files_max: 64,
            threads_per_dir: 1,
            dedupe_bytes_max: 1 << 20,
            intervals: Intervals::default(),
        };
        Self { disk: SimDisk::new(), config }
    }

    fn try_open(&self) -> Result<LogManager, LogError> {
        LogManager::open(Arc::new(self.disk.clone()), self.config.clone(), NOW_MS)
    }

    fn open(&self) -> LogManager {
        self.try_open().unwrap()
    }

    fn names(&self, dir: &str) -> Vec<String> {
        self.disk.list(Path::new(dir)).unwrap().into_iter().map(|entry| entry.name).collect()
    }

    fn text(&self, path: &str) -> String {
        String::from_utf8(crate::disk::read_file(&self.disk, Path::new(path)).unwrap()).unwrap()
    }
}

fn part(topic: &str, index: i32) -> TopicPartition {
    TopicPartition::new(topic, index)
}

impl LogManager {
    fn make(&self, partition: &TopicPartition) -> Arc<Log> {
        self.create(partition, TOPIC, Arc::default(), NOW_MS).unwrap()
    }
}

#[test]
fn a_clean_stop_and_a_start() {
    let house = House::new(&["/a"]);
    let logs = house.open();
    let log = logs.make(&part("t", 0));
    log.append(producer_batch(1, 0, &["x", "y"]), &CLIENT).unwrap();
    log.set_high_watermark(2);
    assert!(Arc::ptr_eq(&log, &logs.make(&part("t", 0))));
    logs.close().unwrap();
    let cluster_id = logs.cluster_id().to_owned();
    let dir_ids = logs.dir_ids();
    drop(logs);
    assert!(house.names("/a").contains(&".kafka_cleanshutdown".to_owned()));
    assert_eq!(house.text("/a/recovery-point-offset-checkpoint"), "0\n1\nt 0 2\n");
    assert_eq!(house.text("/a/replication-offset-checkpoint"), "0\n1\nt 0 2\n");

    house.disk.kill();
    let logs = house.open();
    assert!(!house.names("/a").contains(&".kafka_cleanshutdown".to_owned()), "from now on a stop is unclean");
    assert_eq!((logs.cluster_id(), logs.dir_ids()), (&*cluster_id, dir_ids));
    let log = logs.make(&part("t", 0));
    assert_eq!((log.end_offset(), log.high_watermark(), log.recovery_point()), (2, 2, 2));
    assert_eq!(log.topic_id(), Some(TOPIC));
    assert!(log.append(producer_batch(1, 0, &["x", "y"]), &CLIENT).unwrap().duplicate);
}
