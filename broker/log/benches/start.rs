//! Starting with many partitions, after a clean stop and after a kill. The target is 10,000 partitions in 2 s
//! after a clean stop.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has nothing to report")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use millrace_log::disk::OsDisk;
use millrace_log::{
    AppendOptions, Intervals, LogConfig, LogManager, ManagerConfig, Origin, TopicPartition, WantedLog,
};
use millrace_protocol::Uuid;
use millrace_protocol::records::{BatchBuilder, BatchOptions, ProducerStamp};

const NOW_MS: i64 = 1_700_000_000_000;
const CLIENT: AppendOptions = AppendOptions { origin: Origin::Client, leader_epoch: 0, now_ms: NOW_MS };
const PARTITIONS: i32 = 10_000;

fn open(dir: &Path) -> LogManager {
    let config = ManagerConfig {
        dirs: vec![dir.to_owned()],
        node_id: 1,
        cluster_id: None,
        open_files_max: 500,
        threads_per_dir: 2,
        dedupe_bytes_max: 1 << 20,
        intervals: Intervals::default(),
    };
    LogManager::open(Arc::new(OsDisk), config, NOW_MS).unwrap()
}

fn wanted() -> Vec<WantedLog> {
    let config = Arc::new(LogConfig::default());
    let wanted = (0..PARTITIONS).map(|index| WantedLog {
        partition: TopicPartition::new("bench", index),
        topic_id: Uuid([5; 16]),
        config: Arc::clone(&config),
    });
    wanted.collect()
}

fn create_all(logs: &LogManager, wanted: &[WantedLog]) {
    logs.create_all(wanted, NOW_MS).into_iter().for_each(|log| drop(log.unwrap()));
}

fn idempotent_batch(base_sequence: i32) -> Bytes {
    let producer = Some(ProducerStamp { id: 1, epoch: 0, base_sequence });
    let mut builder = BatchBuilder::new(BatchOptions { producer, ..BatchOptions::default() });
    builder.append(NOW_MS, None, Some(&[0x61; 100]), &[]);
    builder.build().unwrap()
}

fn start(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let wanted = wanted();
    let logs = open(dir.path());
    create_all(&logs, &wanted);
    logs.close().unwrap();
    drop(logs);
    let mut group = c.benchmark_group("10000 partitions");
    group.sample_size(10);
    let mut measure = |name: &str, stops_cleanly: bool| {
        group.bench_function(name, |b| {
            b.iter_batched(
                || (),
                |()| {
                    let logs = open(dir.path());
                    create_all(&logs, &wanted);
                    if stops_cleanly {
                        logs.close().unwrap();
                    }
                    logs
                },
                BatchSize::PerIteration,
            );
        });
    };
    measure("start and stop, empty", true);
    let logs = open(dir.path());
    create_all(&logs, &wanted);
    for log in logs.logs() {
        for sequence in 0..8 {
            log.append(idempotent_batch(sequence), &CLIENT).unwrap();
        }
    }
    logs.close().unwrap();
    drop(logs);
    measure("start and stop, with records of an idempotent producer", true);
    measure("start after a kill, with records of an idempotent producer", false);
    group.finish();
}

criterion_group!(benches, start);
criterion_main!(benches);
