//! Mutated frames, messages and records for as long as `FUZZ_SECONDS` says, two by default. A failure
//! prints the seed, which `FUZZ_SEED` takes, and the input.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use millrace_protocol::header::{RequestHeader, request_header_version};
use millrace_protocol::records::{
    BatchBuilder, BatchOptions, Batches, Compression, Header, ProducerStamp, legacy,
};
use millrace_protocol::wire::{Reader, Writer};
use millrace_protocol::{ApiKey, Message};

use crate::catalogue::{Known, decode_frame, messages};
use crate::corpus::{hex, samples};
use crate::hostile::assert_bounded;
use crate::mutate::mutate;

/// Decompressed records are refused above this.
const RECORDS_LIMIT_BYTES: usize = 1 << 16;
/// What codecs may take besides records: zstd's window for one.
const CODEC_BYTES_MAX: usize = 16 << 20;

/// Says what was being decoded when a test panics.
struct Report<'a> {
    seed: u64,
    round: u64,
    what: &'a str,
    input: &'a [u8],
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { seed, round, what, input } = self;
            println!("FUZZ_SEED={seed}, round {round}: {what} from {}", hex(input));
        }
    }
}

/// Mutates `seeds` until time is up, and gives each result with the name of its seed to `check`.
fn fuzz<S>(seeds: &[(S, Bytes)], name: impl Fn(&S) -> &str, check: impl Fn(&S, Bytes)) {
    let seconds = number_from("FUZZ_SECONDS").unwrap_or(2);
    let seed = number_from("FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..));
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut rng = Rng::with_seed(seed);
    let mut round = 0_u64;
    while round == 0 || Instant::now() < deadline {
        let (kind, valid) = &seeds[rng.usize(..seeds.len())];
        let mut input = valid.to_vec();
        // The first round of each seed would find nothing that the golden test does not.
        mutate(&mut input, &seeds[rng.usize(..seeds.len())].1, &mut rng);
        let input = Bytes::from(input);
        let report = Report { seed, round, what: name(kind), input: &input };
        check(kind, input.clone());
        drop(report);
        round += 1;
    }
    println!("FUZZ_SEED={seed}: {round} rounds in {seconds} s");
}

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[test]
fn frames() {
    let seeds: Vec<_> = samples()
        .iter()
        .filter_map(|sample| {
            let key =
                ApiKey::ALL.iter().find(|key| sample.name.strip_suffix("Request") == Some(key.name()))?;
            Some((sample.name, frame(*key, sample.version, &sample.bytes)))
        })
        .collect();
    assert!(seeds.iter().all(|(_, frame)| decode_frame(frame.clone()).is_ok()));
    fuzz(
        &seeds,
        |name| name,
        |name, input| {
            assert_bounded(name, &input, |input| {
                let _ = decode_frame(input);
            });
        },
    );
}

fn frame(key: ApiKey, version: i16, body: &[u8]) -> Bytes {
    let header = RequestHeader {
        request_api_key: key.number(),
        request_api_version: version,
        correlation_id: 7,
        client_id: Some("fuzz".to_owned()),
    };
    let mut writer = Writer::default();
    header.encode(&mut writer, request_header_version(key, version)).unwrap();
    writer.write_slice(body);
    writer.finish_whole().unwrap()
}

/// What can be read can be written, and is then read as the same.
#[test]
fn whole_messages() {
    let messages = messages();
    let by_name: HashMap<_, _> = messages.iter().map(|known| (known.name, known)).collect();
    let seeds: Vec<((&Known, i16), Bytes)> =
        samples().into_iter().map(|sample| ((by_name[sample.name], sample.version), sample.bytes)).collect();
    fuzz(
        &seeds,
        |(known, _)| known.name,
        |(known, version), input| {
            assert_bounded(known.name, &input, |bytes| {
                let _ = (known.decode)(&mut Reader::new(bytes), *version);
            });
            let _ = (known.again)(input, *version);
        },
    );
}

fn room() -> legacy::Room {
    legacy::Room { first_bytes: RECORDS_LIMIT_BYTES, rest_bytes: RECORDS_LIMIT_BYTES }
}

#[test]
fn records() {
    let batches: Vec<_> = Compression::ALL.iter().map(|codec| batch(*codec)).collect();
    let mut seeds: Vec<_> = batches.iter().map(|batch| ("batch", batch.clone())).collect();
    seeds.push(("batches", batches.concat().into()));
    for batch in &batches {
        for magic in [0, 1] {
            // zstd has no place in message sets.
            if let Ok(set) = legacy::from_batches(batch.clone(), magic, 0, &mut room()) {
                seeds.push(("message set", set));
            }
        }
    }
    fuzz(
        &seeds,
        |name| name,
        |_, input| {
            let peak = crate::allocator::peak_bytes_of(|| read_records(&input));
            assert!(peak <= CODEC_BYTES_MAX, "{peak} bytes held");
        },
    );
}

fn batch(compression: Compression) -> Bytes {
    let producer = ProducerStamp { id: 5, epoch: 1, base_sequence: 9 };
    let mut builder =
        BatchBuilder::new(BatchOptions { compression, producer: Some(producer), ..Default::default() });
    let header = Header { key: Bytes::from_static(b"trace"), value: Some(Bytes::from_static(b"1")) };
    builder.append(
        1_700_000_000_000,
        Some(b"key"),
        Some(b"a value that repeats, repeats, repeats"),
        &[header],
    );
    builder.append(1_700_000_000_001, None, Some(b"value"), &[]);
    builder.append(1_700_000_000_002, Some(b"tombstone"), None, &[]);
    builder.build().unwrap()
}

/// All that the broker does with records from a client, without asking whether the checksum holds:
/// whoever can spoil bytes can also compute it.
fn read_records(input: &Bytes) {
    for batch in Batches::new(input.clone()).flatten() {
        let _ = batch.validate();
        let _ = batch.header.check_fields();
        if let Ok(body) = batch.body(RECORDS_LIMIT_BYTES) {
            assert!(body.data.len() <= RECORDS_LIMIT_BYTES.max(batch.bytes.len()));
            for record in body.refs().flatten() {
                record.headers().for_each(drop);
            }
            body.into_records().for_each(drop);
        }
    }
    for magic in [0, 1] {
        let _ = legacy::from_batches(input.clone(), magic, 0, &mut room());
    }
    if let Ok(batch) = legacy::to_batch(input, &mut { RECORDS_LIMIT_BYTES }) {
        assert!(Batches::new(batch).all(|batch| batch.is_ok_and(|batch| batch.validate().is_ok())));
    }
}
