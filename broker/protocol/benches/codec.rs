//! Decoding and encoding of the messages that a broker sees most, in the versions that current clients send.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use millrace_protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse, PartitionData,
};
use millrace_protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use millrace_protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
    TopicProduceResponse,
};
use millrace_protocol::wire::RecordSet;
use millrace_protocol::{Message, Uuid, decode_from_bytes, encode_to_bytes};

/// Measures both directions of a message.
fn both<M: Message>(c: &mut Criterion, name: &str, message: &M, version: i16) {
    let Ok(bytes) = encode_to_bytes(message, version) else {
        eprintln!("{name} cannot be encoded in version {version}");
        return;
    };
    c.bench_function(&format!("{name}/decode"), |b| {
        b.iter(|| decode_from_bytes::<M>(black_box(bytes.clone()), version));
    });
    c.bench_function(&format!("{name}/encode"), |b| b.iter(|| encode_to_bytes(black_box(message), version)));
}

fn produce(c: &mut Criterion) {
    let request = |partitions: i32, bytes: usize| ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: "application-logs".to_owned(),
            partition_data: (0..partitions)
                .map(|index| PartitionProduceData { index, records: Some(Bytes::from(vec![7; bytes])) })
                .collect(),
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    both(c, "produce request, 1 partition of 16 KiB", &request(1, 16 << 10), 12);
    both(c, "produce request, 50 partitions of 1 KiB", &request(50, 1 << 10), 12);
    let response = ProduceResponse {
        responses: vec![TopicProduceResponse {
            name: "application-logs".to_owned(),
            partition_responses: vec![PartitionProduceResponse::default()],
            ..TopicProduceResponse::default()
        }],
        ..ProduceResponse::default()
    };
    both(c, "produce response, 1 partition", &response, 12);
}

fn fetch(c: &mut Criterion) {
    let request = |partitions: i32| FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 50 << 20,
        topics: vec![FetchTopic {
            topic_id: Uuid([3; 16]),
            partitions: (0..partitions)
                .map(|partition| FetchPartition {
                    partition,
                    partition_max_bytes: 1 << 20,
                    ..FetchPartition::default()
                })
                .collect(),
            ..FetchTopic::default()
        }],
        rack_id: String::new(),
        ..FetchRequest::default()
    };
    both(c, "fetch request, 1 partition", &request(1), 17);
    both(c, "fetch request, 100 partitions", &request(100), 17);
    let response = FetchResponse {
        responses: vec![FetchableTopicResponse {
            topic_id: Uuid([3; 16]),
            partitions: (0..10)
                .map(|partition_index| PartitionData {
                    partition_index,
                    records: Some(RecordSet::Memory(Bytes::from(vec![7; 16 << 10]))),
                    ..PartitionData::default()
                })
                .collect(),
            ..FetchableTopicResponse::default()
        }],
        ..FetchResponse::default()
    };
    both(c, "fetch response, 10 partitions of 16 KiB", &response, 17);
}

fn metadata(c: &mut Criterion) {
    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    both(c, "metadata request, all topics", &request, 12);
    let partition = |partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: 1,
        replica_nodes: vec![1, 2, 3],
        isr_nodes: vec![1, 2, 3],
        ..MetadataResponsePartition::default()
    };
    let response = MetadataResponse {
        brokers: (1..=3)
            .map(|node_id| MetadataResponseBroker {
                node_id,
                host: format!("broker-{node_id}.brokers.default.svc"),
                port: 9092,
                rack: None,
            })
            .collect(),
        topics: (0..100)
            .map(|n| MetadataResponseTopic {
                name: Some(format!("topic-number-{n}")),
                topic_id: Uuid([n; 16]),
                partitions: (0..10).map(partition).collect(),
                ..MetadataResponseTopic::default()
            })
            .collect(),
        ..MetadataResponse::default()
    };
    both(c, "metadata response, 100 topics of 10 partitions", &response, 12);
}

criterion_group!(benches, produce, fetch, metadata);
criterion_main!(benches);
