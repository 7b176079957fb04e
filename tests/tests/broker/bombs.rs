//! Small requests whose records are large once decompressed: they cost their own client time, and nobody else.

use std::time::Duration;

use bytes::Bytes;
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::api_versions::ApiVersionsRequest;
use millrace_protocol::messages::fetch::{FetchRequest, PartitionData};
use millrace_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use millrace_protocol::messages::produce::{PartitionProduceData, ProduceRequest};
use millrace_protocol::records::legacy::{self, Room};
use millrace_protocol::records::{BatchBuilder, BatchOptions, Compression};
use millrace_protocol::wire::RecordSet;
use millrace_tests::records::{
    PRODUCE_VERSION, build, fetch, fetch_request, produce, produce_request, values,
};
use millrace_tests::{Connection, Millrace, Neighbour};

const MIB: usize = 1 << 20;
/// Entries of a request; the broker decompresses 100 MiB for each request and no more.
const ENTRIES: usize = 50;
/// The slowest that anybody else may be served meanwhile.
const PATIENCE: Duration = Duration::from_secs(4);
/// The last version whose clients read message sets of magic 1.
const OLD_FETCH: i16 = 2;

fn keyed(compression: Compression, key: Option<&[u8]>, size_bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions { compression, ..Default::default() });
    builder.append(-1, key, Some(&vec![0; size_bytes]), &[]);
    builder.build().unwrap()
}

fn repeated(topic: &str, records: &Bytes) -> ProduceRequest {
    let mut request = produce_request(topic, 0, 1, None);
    let entry = PartitionProduceData { index: 0, records: Some(records.clone()) };
    request.topic_data[0].partition_data = vec![entry; ENTRIES];
    request
}

/// Sends the request on a few connections at once, and goes on being a neighbour.
fn attack(topic: &str, configs: &[(&str, &str)], request: &ProduceRequest, version: i16) {
    let broker = Millrace::start(&[]);
    broker.create_topic(topic, configs);
    let neighbour = Neighbour::move_in(broker.address);
    let (before_kib, _) = broker.memory_kib();
    let mut connections: Vec<_> = std::iter::repeat_with(|| broker.connect()).take(4).collect();
    for connection in &mut connections {
        connection.send(request, version);
    }
    neighbour.keeps_going();
    for connection in &mut connections {
        let answer = connection.answer::<ProduceRequest>(version);
        let codes: Vec<_> =
            answer.responses[0].partition_responses.iter().map(|each| each.error_code).collect();
        assert_eq!(codes.len(), ENTRIES);
        assert_eq!(codes[0], ErrorCode::NONE);
        assert!(codes[3..].iter().all(|code| *code == ErrorCode::MESSAGE_TOO_LARGE), "{codes:?}");
    }
    let slowest = neighbour.move_out();
    assert!(slowest < PATIENCE, "a round of the neighbour took {slowest:?}");
    let (_, most_kib) = broker.memory_kib();
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let bound_kib = before_kib + 400 * 1024 * threads.saturating_sub(1).clamp(1, 4);
    assert!(most_kib < bound_kib, "{before_kib} KiB before, {most_kib} KiB at most");
}

#[test]
fn message_sets_that_grow_stall_nobody() {
    let batch = keyed(Compression::Gzip, None, 40 * MIB);
    let mut room = Room { first_bytes: 100 * MIB, rest_bytes: 0 };
    let set = legacy::from_batches(batch, 0, 0, &mut room).unwrap();
    assert!(set.len() < 100_000, "{} bytes", set.len());
    attack("old", &[], &repeated("old", &set), 0);
}

#[test]
fn batches_that_grow_on_a_compacted_topic_stall_nobody() {
    let batch = keyed(Compression::Gzip, Some(b"k"), 40 * MIB);
    attack("compacted", &[("cleanup.policy", "compact")], &repeated("compacted", &batch), PRODUCE_VERSION);
}

#[test]
fn batches_that_grow_while_they_are_compressed_anew_stall_nobody() {
    let batch = keyed(Compression::Gzip, None, 40 * MIB);
    attack("anew", &[("compression.type", "zstd")], &repeated("anew", &batch), PRODUCE_VERSION);
}

/// A search by time decompresses the batch that it ends in.
#[test]
fn searches_by_time_stall_nobody() {
    const PARTITIONS: i32 = 12;
    let broker = Millrace::start(&[]);
    broker.create_partitions("searched", PARTITIONS, &[]);
    let mut builder =
        BatchBuilder::new(BatchOptions { compression: Compression::Gzip, ..Default::default() });
    builder.append(1_000, None, Some(&vec![0; 40 * MIB]), &[]);
    builder.append(2_000, None, None, &[]);
    let records = builder.build().unwrap();
    let mut client = broker.connect();
    for partition in 0..PARTITIONS {
        let request = produce_request("searched", partition, 1, Some(records.clone()));
        client.ask(&request, PRODUCE_VERSION);
    }
    let wanted = |partition_index| ListOffsetsPartition {
        partition_index,
        timestamp: 1_500,
        ..ListOffsetsPartition::default()
    };
    let partitions = (0..PARTITIONS).map(wanted).collect();
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic { name: "searched".to_owned(), partitions }],
        ..ListOffsetsRequest::default()
    };
    let neighbour = Neighbour::move_in(broker.address);
    let mut connections: Vec<_> = std::iter::repeat_with(|| broker.connect()).take(4).collect();
    for connection in &mut connections {
        connection.send(&request, 7);
        // An ordinary question behind the search is answered after it, and not before.
        connection.send(&ApiVersionsRequest::default(), 0);
    }
    neighbour.keeps_going();
    for connection in &mut connections {
        let found = connection.answer::<ListOffsetsRequest>(7).topics.remove(0).partitions;
        assert!(found.iter().all(|each| (each.offset, each.timestamp) == (1, 2_000)), "{found:?}");
        assert_eq!(found.len(), 12);
        assert_eq!(connection.answer::<ApiVersionsRequest>(0).error_code, ErrorCode::NONE);
    }
    let slowest = neighbour.move_out();
    assert!(slowest < PATIENCE, "a round of the neighbour took {slowest:?}");
}

/// Records are looked into before the next request begins, answered or not.
#[test]
fn what_is_looked_into_keeps_its_order() {
    let broker = Millrace::start(&[]);
    broker.create_topic("tidy", &[("cleanup.policy", "compact")]);
    let mut connection = broker.connect();
    for _ in 0..20 {
        let silent = produce_request("tidy", 0, 0, Some(keyed(Compression::Gzip, Some(b"k"), 100_000)));
        connection.send(&silent, PRODUCE_VERSION);
    }
    let last = produce(&mut connection, "tidy", keyed(Compression::None, Some(b"k"), 1));
    assert_eq!((last.error_code, last.base_offset), (ErrorCode::NONE, 20));
    let without_key = produce_request("tidy", 0, 0, Some(keyed(Compression::Gzip, None, 1)));
    connection.send(&without_key, PRODUCE_VERSION);
    connection.until_closed();
}

/// Fetches as a client from before record batches.
fn old_fetch(connection: &mut Connection, offset: i64) -> PartitionData {
    let mut answer = connection.ask(&fetch_request("grown", offset, 10 << 20), OLD_FETCH);
    answer.responses.remove(0).partitions.remove(0)
}

/// The offset of the first message of a set; of a compressed one, its last record's.
fn first_offset(answer: &PartitionData) -> Option<i64> {
    assert_eq!(answer.error_code, ErrorCode::NONE, "{answer:?}");
    let Some(RecordSet::Memory(set)) = &answer.records else { return None };
    Some(i64::from_be_bytes(set.get(..8)?.try_into().ok()?))
}

/// Batches of any ratio go down to old clients one by one; those that cannot are told for what they are.
#[test]
fn old_clients_get_past_what_was_compressed_well() {
    let broker = Millrace::start(&[]);
    broker.create_topic("grown", &[]);
    let neighbour = Neighbour::move_in(broker.address);
    let mut connection = broker.connect();
    let grown = keyed(Compression::Gzip, None, 30 * MIB);
    let zstd = build(BatchOptions { compression: Compression::Zstd, ..Default::default() }, &[b"x"]);
    let huge = keyed(Compression::Gzip, None, 101 * MIB);
    for records in std::iter::repeat_n(grown, 20).chain([zstd, huge]) {
        assert_eq!(produce(&mut connection, "grown", records).error_code, ErrorCode::NONE);
    }
    for offset in 0..20 {
        assert_eq!(first_offset(&old_fetch(&mut connection, offset)), Some(offset));
    }
    assert_eq!(old_fetch(&mut connection, 20).error_code, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    assert_eq!(old_fetch(&mut connection, 21).error_code, ErrorCode::MESSAGE_TOO_LARGE);
    let mut many: Vec<_> = std::iter::repeat_with(|| broker.connect()).take(20).collect();
    for connection in &mut many {
        connection.send(&fetch_request("grown", 0, 10 << 20), OLD_FETCH);
    }
    neighbour.keeps_going();
    for connection in &mut many {
        let answer = connection.answer::<FetchRequest>(OLD_FETCH);
        assert_eq!(first_offset(&answer.responses[0].partitions[0]), Some(0));
    }
    let slowest = neighbour.move_out();
    assert!(slowest < PATIENCE, "a round of the neighbour took {slowest:?}");
}

/// An old client asks for a lot: it gets about a megabyte at a time, and all of it in the end.
#[test]
fn old_clients_get_little_at_a_time() {
    let broker = Millrace::start(&[]);
    broker.create_topic("grown", &[]);
    let mut connection = broker.connect();
    let records = keyed(Compression::None, None, 300_000);
    for _ in 0..10 {
        assert_eq!(produce(&mut connection, "grown", records.clone()).error_code, ErrorCode::NONE);
    }
    assert_eq!(
        values(&fetch(&mut connection, "grown", 0, 10 << 20)).len(),
        10,
        "a new client gets it at once"
    );
    let answer = old_fetch(&mut connection, 0);
    assert_eq!(first_offset(&answer), Some(0));
    let Some(RecordSet::Memory(set)) = &answer.records else { panic!("{answer:?}") };
    assert!((900_000..=MIB).contains(&set.len()), "{} bytes", set.len());
    assert_eq!(first_offset(&old_fetch(&mut connection, 9)), Some(9));
}
