//! Record batches: the checksum, the header, and the records of a batch, which a broker looks at only where a
//! rule of the topic asks.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use millrace_protocol::records::{Batch, BatchBuilder, BatchHeader, BatchOptions, Compression, crc32c};

/// A batch of `count` records with keys and values of `value_bytes`.
fn batch(compression: Compression, count: usize, value_bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions { compression, ..BatchOptions::default() });
    for n in 0..count {
        // Text that compresses about as well as log lines do.
        let line = format!("{n:06} level=info service=checkout user={} path=/cart/{} ", n * 7919, n % 97);
        let value: Vec<u8> = line.bytes().cycle().take(value_bytes).collect();
        builder.append(1_700_000_000_000, Some(format!("key-{n}").as_bytes()), Some(&value), &[]);
    }
    builder.build().unwrap_or_default()
}

fn checksum(c: &mut Criterion) {
    let mut group = c.benchmark_group("crc32c");
    for bytes in [100, 1 << 10, 16 << 10, 1 << 20] {
        let data = vec![0x5a_u8; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_with_input(BenchmarkId::from_parameter(bytes), &data, |b, data| {
            b.iter(|| crc32c(black_box(data)))
        });
    }
    group.finish();
}

fn header(c: &mut Criterion) {
    let bytes = batch(Compression::None, 100, 100);
    c.bench_function("batch header/parse", |b| b.iter(|| BatchHeader::parse(black_box(&bytes))));
    c.bench_function("batch of 100 records/validate", |b| {
        b.iter(|| Batch::parse(black_box(&bytes)).and_then(|batch| batch.validate()));
    });
}

fn records(c: &mut Criterion) {
    let mut group = c.benchmark_group("100 records of 150 bytes");
    group.throughput(Throughput::Elements(100));
    for codec in Compression::ALL {
        let bytes = batch(codec, 100, 150);
        group.bench_with_input(BenchmarkId::new("read", codec), &bytes, |b, bytes| {
            b.iter(|| {
                let body = Batch::parse(bytes).and_then(|batch| batch.body(1 << 20));
                body.map(|body| {
                    body.refs().filter(|record| record.as_ref().is_ok_and(|r| r.key.is_some())).count()
                })
            });
        });
        group.bench_with_input(BenchmarkId::new("build", codec), &codec, |b, codec| {
            b.iter(|| batch(*codec, 100, 150))
        });
    }
    group.finish();
}

criterion_group!(benches, checksum, header, records);
criterion_main!(benches);
