//! Data directories through starts, stops, deletions and failures.

mod stops;

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

fn put(log: &Log) {
    log.append(batch(&["x"]), &CLIENT).unwrap();
}

fn put_keyed(log: &Log) {
    log.append(keyed_batch(NOW_MS, &[("k", Some("v"))]), &CLIENT).unwrap();
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

#[test]
fn a_directory_is_one_brokers_alone() {
    let mut house = House::new(&["/a"]);
    let logs = house.open();
    assert!(matches!(house.try_open(), Err(LogError::Locked { .. })));
    let cluster_id = logs.cluster_id().to_owned();
    drop(logs);
    house.config.node_id = 2;
    let error = house.try_open().unwrap_err().to_string();
    assert!(error.contains("/a/meta.properties") && error.contains("belongs to node 1"), "{error}");
    house.config.node_id = 1;
    house.config.cluster_id = Some("another".to_owned());
    let error = house.try_open().unwrap_err().to_string();
    assert!(error.contains(&format!("belongs to cluster {cluster_id}")), "{error}");
    // A directory that is added gets the cluster of the others.
    house.config.cluster_id = None;
    house.config.dirs.push("/b".into());
    let logs = house.open();
    assert_eq!(logs.cluster_id(), cluster_id);
    assert_eq!(logs.dir_ids().len(), 2);
    assert_ne!(logs.dir_ids()[0], logs.dir_ids()[1]);
}

#[test]
fn partitions_spread_over_directories_and_stay_where_they_are() {
    let house = House::new(&["/a", "/b", "/c"]);
    let logs = house.open();
    (0..6).for_each(|index| drop(logs.make(&part("t", index))));
    let dirs: Vec<_> = (0..6).map(|index| logs.get(&part("t", index)).unwrap().dir().to_owned()).collect();
    for dir in ["/a", "/b", "/c"] {
        assert_eq!(dirs.iter().filter(|path| path.starts_with(dir)).count(), 2, "{dirs:?}");
    }
    drop(logs);
    house.disk.kill();
    let logs = house.open();
    for (index, dir) in dirs.iter().enumerate() {
        assert_eq!(logs.make(&part("t", index as i32)).dir(), dir);
    }
}

#[test]
fn a_partition_in_two_directories_is_refused() {
    let house = House::new(&["/a", "/b"]);
    for dir in ["/a/t-0", "/b/t-0"] {
        house.disk.create_dir_all(Path::new(dir)).unwrap();
    }
    let error = house.try_open().unwrap_err().to_string();
    assert!(error.contains("/b/t-0") && error.contains("also in /a"), "{error}");
}

#[test]
fn a_deleted_partition_is_gone_at_once_and_its_files_later() {
    let house = House::new(&["/a"]);
    let logs = house.open();
    let log = logs.make(&part("t", 0));
    log.append(batch(&["old"]), &CLIENT).unwrap();
    log.set_high_watermark(1);
    log.flush(i64::MAX).unwrap();
    logs.maintenance(NOW_MS + 60_000);
    assert_eq!(house.text("/a/recovery-point-offset-checkpoint"), "0\n1\nt 0 1\n");
    let deleted = |name: &String| name.starts_with("t-0.") && name.ends_with("-delete");

    logs.delete(&part("t", 0), NOW_MS).unwrap();
    assert!(logs.get(&part("t", 0)).is_none());
    assert!(matches!(log.append(batch(&["late"]), &CLIENT), Err(LogError::Closed)));
    assert!(house.names("/a").iter().any(deleted), "{:?}", house.names("/a"));
    logs.delete(&part("t", 0), NOW_MS).unwrap();

    let again = logs.create(&part("t", 0), Uuid([8; 16]), Arc::default(), NOW_MS).unwrap();
    assert_eq!((again.end_offset(), again.recovery_point(), again.high_watermark()), (0, 0, 0));
    let checkpoint = house.text("/a/recovery-point-offset-checkpoint");
    assert_eq!(checkpoint, "0\n0\n", "a crash now must not meet the old recovery point");

    logs.maintenance(NOW_MS + 59_999);
    assert!(house.names("/a").iter().any(deleted));
    logs.maintenance(NOW_MS + 60_000);
    assert!(!house.names("/a").iter().any(deleted), "{:?}", house.names("/a"));
    assert!(house.names("/a/t-0").contains(&"00000000000000000000.log".to_owned()));
}

#[test]
fn who_still_reads_a_deleted_partition_does_not_meet_the_new_one() {
    let house = House::new(&["/a"]);
    let logs = house.open();
    let old = logs.make(&part("t", 0));
    old.append(batch(&["old"]), &CLIENT).unwrap();
    logs.delete(&part("t", 0), NOW_MS).unwrap();
    let new = logs.create(&part("t", 0), Uuid([8; 16]), Arc::default(), NOW_MS).unwrap();
    new.append(batch(&["new"]), &CLIENT).unwrap();
    assert_eq!((old.values(), new.values()), (vec!["old".to_owned()], vec!["new".to_owned()]));
    assert!(matches!(old.flush(i64::MAX), Err(LogError::Closed)));
    assert!(matches!(old.roll(NOW_MS), Err(LogError::Closed)));
    old.set_high_watermark(1);
    assert_eq!(old.apply_retention(i64::MAX).unwrap().segments, 0);
    assert_eq!(new.values(), ["new"]);
}

#[test]
fn what_was_being_deleted_is_removed_after_a_start() {
    let house = House::new(&["/a"]);
    let logs = house.open();
    logs.make(&part("t", 0));
    logs.delete(&part("t", 0), NOW_MS).unwrap();
    drop(logs);
    house.disk.kill();
    house.open().maintenance(NOW_MS);
    assert!(!house.names("/a").iter().any(|name| name.starts_with('t')), "{:?}", house.names("/a"));
}

#[test]
fn data_of_another_topic_of_the_same_name_is_set_aside() {
    let house = House::new(&["/a"]);
    let logs = house.open();
    logs.make(&part("t", 0)).append(batch(&["old"]), &CLIENT).unwrap();
    logs.close().unwrap();
    drop(logs);
    let logs = house.open();
    let log = logs.create(&part("t", 0), Uuid([8; 16]), Arc::default(), NOW_MS).unwrap();
    assert_eq!((log.end_offset(), log.topic_id()), (0, Some(Uuid([8; 16]))));
    let names = house.names("/a");
    let stray = names.iter().find(|name| name.starts_with("t-0.") && name.ends_with("-stray")).unwrap();
    assert!(house.names(&format!("/a/{stray}")).contains(&"00000000000000000000.log".to_owned()));
    logs.maintenance(i64::MAX / 2);
    assert_eq!(house.names("/a"), names, "it is never removed");
}

#[test]
fn partitions_without_a_topic_are_set_aside_but_not_all_of_them() {
    let house = House::new(&["/a"]);
    let logs = house.open();
    ["t", "u"].iter().for_each(|topic| drop(logs.make(&part(topic, 0))));
    logs.close().unwrap();
    drop(logs);
    let logs = house.open();
    logs.settle();
    assert!(
        ["t-0", "u-0"].iter().all(|dir| house.names("/a").contains(&(*dir).to_owned())),
        "the metadata is lost"
    );
    drop(logs);
    let logs = house.open();
    logs.make(&part("t", 0));
    logs.settle();
    let names = house.names("/a");
    assert!(names.contains(&"t-0".to_owned()) && !names.contains(&"u-0".to_owned()), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("u-0.") && name.ends_with("-stray")), "{names:?}");
}

#[test]
fn a_directory_that_fails_is_offline_and_the_rest_is_served() {
    let house = House::new(&["/a", "/b"]);
    let logs = house.open();
    let (first, second) = (logs.make(&part("t", 0)), logs.make(&part("t", 1)));
    first.append(batch(&["x"]), &CLIENT).unwrap();
    second.append(batch(&["x"]), &CLIENT).unwrap();
    let (in_a, in_b) = if first.dir().starts_with("/a") { (first, second) } else { (second, first) };
    logs.close().unwrap();
    drop(logs);
    house.disk.fail(Call::Open, "/a/", 5, 0, usize::MAX);
    let logs = house.open();
    let error = logs.dir_failure(Path::new("/a")).unwrap();
    assert!(error.to_string().contains("/a/.lock"), "{error}");
    assert_eq!(logs.dir_failure(Path::new("/b")).map(|error| error.to_string()), None);
    assert_eq!(logs.make(in_b.partition()).end_offset(), 1);
    let error = logs.create(in_a.partition(), TOPIC, Arc::default(), NOW_MS).unwrap_err();
    assert!(error.is_storage() && error.to_string().contains("/a, which is offline"), "{error}");
    logs.settle();
    assert!(logs.make(&part("new", 0)).dir().starts_with("/b"));
    drop(logs);
    house.disk.fail(Call::Open, "/b/", 5, 0, usize::MAX);
    let error = house.try_open().unwrap_err().to_string();
    assert!(error.contains("/a/.lock") && error.contains("/b/.lock"), "{error}");
}

#[test]
fn a_partition_that_fails_is_offline_and_the_rest_is_served() {
    let house = House::new(&["/a"]);
    let logs = house.open();
    (0..3).for_each(|index| put(&logs.make(&part("t", index))));
    logs.close().unwrap();
    drop(logs);
    house.disk.fail(Call::Open, "/a/t-1/", 5, 0, usize::MAX);
    let logs = house.open();
    let wanted: Vec<WantedLog> = (0..3)
        .map(|index| WantedLog { partition: part("t", index), topic_id: TOPIC, config: Arc::default() })
        .collect();
    let opened = logs.create_all(&wanted, NOW_MS);
    assert!(opened[0].is_ok() && opened[2].is_ok());
    let error = opened[1].as_ref().unwrap_err();
    assert!(error.is_storage() && error.to_string().contains("/a/t-1/"), "{error}");
    logs.settle();
    assert!(house.names("/a").contains(&"t-1".to_owned()), "it is not taken for a stray");
    house.disk.heal();
    assert_eq!(logs.make(&part("t", 1)).end_offset(), 1, "the next attempt finds it");
}

#[test]
fn checkpoints_keep_what_nobody_asked_for() {
    let house = House::new(&["/a"]);
    let logs = house.open();
    (0..2).for_each(|index| put(&logs.make(&part("t", index))));
    logs.close().unwrap();
    drop(logs);
    let logs = house.open();
    let log = logs.make(&part("t", 0));
    log.append(batch(&["y"]), &CLIENT).unwrap();
    log.flush(i64::MAX).unwrap();
    logs.maintenance(NOW_MS + 60_000);
    assert_eq!(house.text("/a/recovery-point-offset-checkpoint"), "0\n2\nt 0 2\nt 1 1\n");
}

#[test]
fn a_checkpoint_that_did_not_change_is_not_written() {
    let house = House::new(&["/a"]);
    let logs = house.open();
    logs.make(&part("t", 0));
    logs.maintenance(NOW_MS + 60_000);
    house.disk.fail(Call::Open, "offset-checkpoint", 5, 0, usize::MAX);
    logs.maintenance(NOW_MS + 120_000);
    assert_eq!(logs.dir_failure(Path::new("/a")).map(|error| error.to_string()), None);
    let log = logs.get(&part("t", 0)).unwrap();
    log.append(batch(&["x"]), &CLIENT).unwrap();
    log.set_high_watermark(1);
    logs.maintenance(NOW_MS + 180_000);
    let error = logs.dir_failure(Path::new("/a")).unwrap().to_string();
    assert!(error.contains("replication-offset-checkpoint"), "{error}");
    house.disk.heal();
    logs.maintenance(NOW_MS + 240_000);
    assert_eq!(logs.dir_failure(Path::new("/a")).map(|error| error.to_string()), None, "it works again");
    assert_eq!(house.text("/a/replication-offset-checkpoint"), "0\n1\nt 0 1\n");
}

#[test]
fn maintenance_does_what_is_due() {
    let house = House::new(&["/a"]);
    let logs = house.open();
    let mut config = LogConfig::default();
    config.flush.ms = 3_000;
    config.retention.ms = 100_000;
    config.producers.expiration_ms = 500_000;
    let log = logs.create(&part("t", 0), TOPIC, Arc::new(config), NOW_MS).unwrap();
    log.append(producer_batch(1, 0, &["x"]), &CLIENT).unwrap();
    log.set_high_watermark(1);
    logs.maintenance(NOW_MS + 2_999);
    assert_eq!(log.recovery_point(), 0);
    logs.maintenance(NOW_MS + 3_000);
    assert_eq!(log.recovery_point(), 1, "flush.ms has passed");
    log.append(producer_batch(1, 1, &["y"]), &CLIENT).unwrap();
    log.roll(NOW_MS).unwrap();
    log.set_high_watermark(2);
    logs.maintenance(NOW_MS + 3_001);
    assert_eq!(log.recovery_point(), 2, "what takes no more appends is flushed");
    logs.maintenance(NOW_MS + 299_999);
    assert_eq!(log.start_offset(), 0);
    logs.maintenance(NOW_MS + 300_000);
    assert_eq!(log.start_offset(), 2, "retention is due");
    assert!(house.names("/a/t-0").iter().any(|name| name.ends_with(".log.deleted")));
    logs.maintenance(NOW_MS + 360_000);
    assert!(!house.names("/a/t-0").iter().any(|name| name.ends_with(".deleted")));
    assert_eq!(house.text("/a/log-start-offset-checkpoint"), "0\n0\n", "the first segment's name says it");
    assert_eq!(log.producers().len(), 1);
    logs.maintenance(NOW_MS + 600_000);
    assert_eq!(log.producers().len(), 0);
}

#[test]
fn deleted_records_stay_deleted_after_a_kill() {
    let house = House::new(&["/a"]);
    let logs = house.open();
    let log = logs.make(&part("t", 0));
    log.append(batch(&["x", "y", "z"]), &CLIENT).unwrap();
    log.set_high_watermark(3);
    log.delete_records(2).unwrap();
    logs.maintenance(NOW_MS + 60_000);
    assert_eq!(house.text("/a/log-start-offset-checkpoint"), "0\n1\nt 0 2\n");
    house.disk.kill();
    let log = house.open().make(&part("t", 0));
    assert_eq!((log.start_offset(), log.end_offset(), log.high_watermark()), (2, 3, 3));
}

#[test]
fn the_dirtiest_log_is_compacted_first() {
    let house = House::new(&["/a"]);
    let logs = house.open();
    let mut config = LogConfig::default();
    config.retention.policy = crate::config::CleanupPolicy { delete: false, compact: true };
    config.segment.bytes = 400;
    let config = Arc::new(config);
    let make = |topic: &str, records: i32| {
        let log = logs.create(&part(topic, 0), TOPIC, Arc::clone(&config), NOW_MS).unwrap();
        (0..records).for_each(|_| put_keyed(&log));
        log.set_high_watermark(log.end_offset());
        log
    };
    let (small, large) = (make("small", 2), make("large", 40));
    assert!(logs.clean_once(NOW_MS));
    assert_eq!(small.cleaned_to(), 0);
    let cleaned_to = large.cleaned_to();
    assert!(cleaned_to > 30);
    assert!(!logs.clean_once(NOW_MS), "nothing is dirty any more");
    assert_eq!(house.text("/a/cleaner-offset-checkpoint"), format!("0\n1\nlarge 0 {cleaned_to}\n"));
    assert!(large.recovery_point() >= cleaned_to);
    house.disk.kill();
    drop(logs);
    let logs = house.open();
    let log = logs.create(&part("large", 0), TOPIC, config, NOW_MS).unwrap();
    assert_eq!((log.cleaned_to(), log.end_offset()), (cleaned_to, 40));
}

#[test]
fn a_log_that_cannot_be_compacted_holds_up_no_other() {
    let house = House::new(&["/a"]);
    let logs = house.open();
    let mut config = LogConfig::default();
    config.retention.policy = crate::config::CleanupPolicy { delete: false, compact: true };
    config.segment.bytes = 400;
    let config = Arc::new(config);
    for topic in ["bad", "good"] {
        let log = logs.create(&part(topic, 0), TOPIC, Arc::clone(&config), NOW_MS).unwrap();
        let records = if topic == "bad" { 60 } else { 20 };
        (0..records).for_each(|_| put_keyed(&log));
        log.set_high_watermark(log.end_offset());
    }
    house.disk.fail(Call::Read, "/a/bad-0/00000000000000000000.log", 5, 0, usize::MAX);
    let cleaned: Vec<bool> = (0..3).map(|_| logs.clean_once(NOW_MS)).collect();
    assert_eq!(cleaned.iter().filter(|cleaned| **cleaned).count(), 1, "{cleaned:?}");
    assert!(logs.get(&part("good", 0)).unwrap().cleaned_to() > 0);
    assert_eq!(logs.get(&part("bad", 0)).unwrap().cleaned_to(), 0);
}

#[test]
fn a_log_that_cannot_be_closed_leaves_its_directory_unclean() {
    let house = House::new(&["/a", "/b"]);
    let logs = house.open();
    let all: Vec<_> = (0..2).map(|index| logs.make(&part("t", index))).collect();
    all.iter().for_each(|log| put(log));
    house.disk.fail(Call::Sync, "/a/t-", 5, 0, usize::MAX);
    assert!(logs.close().is_err());
    assert!(!house.names("/a").contains(&".kafka_cleanshutdown".to_owned()));
    assert!(house.names("/b").contains(&".kafka_cleanshutdown".to_owned()));
    drop(logs);
    house.disk.heal();
    house.disk.kill();
    let logs = house.open();
    assert!((0..2).all(|index| logs.make(&part("t", index)).end_offset() == 1));
}

#[test]
fn a_start_touches_no_files_of_logs_and_idle_logs_hold_none() {
    let house = House::new(&["/a"]);
    let logs = house.open();
    (0..200).for_each(|index| put(&logs.make(&part("t", index))));
    assert!(logs.pool().open_count() <= 64);
    logs.close().unwrap();
    drop(logs);
    let logs = house.open();
    assert_eq!(logs.pool().open_count(), 0);
    (0..200).for_each(|index| drop(logs.make(&part("t", index))));
    assert!(logs.pool().open_count() <= 64, "{}", logs.pool().open_count());
    assert_eq!(logs.logs().len(), 200);
}
