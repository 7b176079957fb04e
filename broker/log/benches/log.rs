//! Appends and reads of one partition on the system's disk. An append is one system call and a constant number
//! of allocations, whatever its records: the figures of large and small batches show it.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has nothing to report")]

use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use millrace_log::disk::OsDisk;
use millrace_log::{AppendOptions, FilePool, Log, LogConfig, OpenLog, Origin, ReadRequest, TopicPartition};
use millrace_protocol::records::{BatchBuilder, BatchOptions, ProducerStamp};

const NOW_MS: i64 = 1_700_000_000_000;
const CLIENT: AppendOptions = AppendOptions { origin: Origin::Client, leader_epoch: 0, now_ms: NOW_MS };
/// A log is begun anew when it has grown to this: benchmarks must not fill the disk.
const LOG_BYTES_MAX: u64 = 256 << 20;

fn batch(records: usize, value_bytes: usize, producer: Option<ProducerStamp>) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions { producer, ..BatchOptions::default() });
    for n in 0..records {
        builder.append(NOW_MS, Some(format!("key-{n}").as_bytes()), Some(&vec![0x61; value_bytes]), &[]);
    }
    builder.build().unwrap()
}

fn open(dir: &tempfile::TempDir) -> Log {
    let mut config = LogConfig::default();
    config.retention.policy.delete = false;
    let params = OpenLog {
        partition: TopicPartition::new("bench", 0),
        dir: dir.path().join("bench-0"),
        config: Arc::new(config),
        recovery_point: 0,
        log_start_offset: 0,
        high_watermark: 0,
        cleaned_to: 0,
        clean: false,
        now_ms: NOW_MS,
    };
    Log::open(&FilePool::new(Arc::new(OsDisk), 64), params).unwrap()
}

fn tempdir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn append(log: &Log, bytes: &Bytes) {
    if log.size_bytes() > LOG_BYTES_MAX {
        log.truncate_fully(0, NOW_MS).unwrap();
    }
    log.append(bytes.clone(), &CLIENT).unwrap();
}

fn appends(c: &mut Criterion) {
    let mut group = c.benchmark_group("append");
    for (name, records, value_bytes) in [
        ("1 record of 100 bytes", 1, 100),
        ("1 record of 16 KiB", 1, 16 << 10),
        ("150 records, 16 KiB", 150, 100),
    ] {
        let dir = tempdir();
        let log = open(&dir);
        let bytes = batch(records, value_bytes, None);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| b.iter(|| append(&log, &bytes)));
    }
    let dir = tempdir();
    let log = open(&dir);
    let mut sequence = 0;
    group.throughput(Throughput::Elements(1));
    group.bench_function("1 idempotent record of 100 bytes", |b| {
        b.iter_batched(
            || {
                let producer = Some(ProducerStamp { id: 1, epoch: 0, base_sequence: sequence });
                sequence += 1;
                batch(1, 100, producer)
            },
            |bytes| append(&log, &bytes),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn reads(c: &mut Criterion) {
    let dir = tempdir();
    let log = open(&dir);
    let bytes = batch(150, 100, None);
    for _ in 0..8_000 {
        append(&log, &bytes);
    }
    let end = log.end_offset();
    let read = |offset: i64, max_bytes: usize| {
        let request = ReadRequest { offset, max_bytes, upper_bound: i64::MAX, min_one_batch: true };
        log.read(&request).map(|slice| slice.len_bytes()).unwrap_or(0)
    };
    let mut group = c.benchmark_group("read");
    group.bench_function("a range at the end, as followers of the log do", |b| {
        b.iter(|| read(end - 150, 1 << 20))
    });
    let mut offset = 0;
    group.bench_function("ranges of 1 MiB one after the other", |b| {
        b.iter(|| {
            let len = read(offset, 1 << 20);
            offset = (offset + (len / bytes.len()) as i64 * 150) % end;
            len
        });
    });
    let mut random = 12_345_i64;
    group.bench_function("a range at a random offset", |b| {
        b.iter(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            read((random >> 16).rem_euclid(end), 64 << 10)
        });
    });
    group.bench_function("an offset by its timestamp", |b| b.iter(|| log.offset_for_timestamp(NOW_MS)));
    group.finish();
}

criterion_group!(benches, appends, reads);
criterion_main!(benches);
