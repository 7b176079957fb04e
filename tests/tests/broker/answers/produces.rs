//! Records that cannot be appended.

use bytes::{Bytes, BytesMut};
use millrace_protocol::messages::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use millrace_protocol::records::{BatchOptions, Compression, ProducerStamp};
use millrace_protocol::{ErrorCode, Uuid};
use millrace_tests::Connection;
use millrace_tests::records::{PRODUCE_VERSION, batch, build, produce, produce_request};

use super::topics::{create, create_configured};
use super::{Case, PRESENT, shown};

pub(super) const CASES: &[Case] = &[
    ("produce: a topic that is not there", |c| produced(c, &produce_request("absent", 0, 1, some_batch()))),
    ("produce: a partition that is not there", |c| {
        produced(c, &produce_request(PRESENT, 7, 1, some_batch()))
    }),
    ("produce: a negative partition", |c| produced(c, &produce_request(PRESENT, -1, 1, some_batch()))),
    ("produce: a bad topic name", |c| produced(c, &produce_request("a b", 0, 1, some_batch()))),
    ("produce: a topic id that is not there", |c| {
        let data = vec![PartitionProduceData { index: 0, records: some_batch() }];
        let topic = TopicProduceData { topic_id: Uuid([7; 16]), partition_data: data, ..Default::default() };
        let request = ProduceRequest { acks: 1, topic_data: vec![topic], ..Default::default() };
        answer(&c.ask(&request, 13))
    }),
    ("produce: acks=2", |c| produced(c, &produce_request(PRESENT, 0, 2, some_batch()))),
    ("produce: acks=-2", |c| produced(c, &produce_request(PRESENT, 0, -2, some_batch()))),
    ("produce: no topic", |c| {
        let answer = c.ask(&ProduceRequest { acks: 1, ..Default::default() }, PRODUCE_VERSION);
        format!("{} topics", answer.responses.len())
    }),
    ("produce: empty records", |c| patient(c, &produce_request(PRESENT, 0, 1, Some(Bytes::new())))),
    ("produce: a corrupt checksum", |c| changed(c, |bytes| bytes[17] ^= 1)),
    ("produce: a corrupt record", |c| changed(c, |bytes| *bytes.last_mut().unwrap() ^= 1)),
    ("produce: a batch that is cut", |c| {
        patient(c, &produce_request(PRESENT, 0, 1, some_batch().map(|bytes| bytes.slice(..bytes.len() - 5))))
    }),
    ("produce: a batch header that is cut", |c| {
        patient(c, &produce_request(PRESENT, 0, 1, some_batch().map(|bytes| bytes.slice(..30))))
    }),
    ("produce: two batches", |c| {
        let two = [some_batch().unwrap(), some_batch().unwrap()].concat();
        patient(c, &produce_request(PRESENT, 0, 1, Some(two.into())))
    }),
    ("produce: a batch of magic 3", |c| changed(c, |bytes| bytes[16] = 3)),
    ("produce: a batch of magic 1 in a new request", |c| changed(c, |bytes| bytes[16] = 1)),
    ("produce: a batch of a negative length", |c| {
        changed(c, |bytes| bytes[8..12].copy_from_slice(&(-1_i32).to_be_bytes()))
    }),
    ("produce: a batch of a length below its header", |c| {
        changed(c, |bytes| bytes[8..12].copy_from_slice(&10_i32.to_be_bytes()))
    }),
    ("produce: a count of records that is too large", |c| {
        signed(c, |bytes| bytes[57..61].copy_from_slice(&100_i32.to_be_bytes()))
    }),
    ("produce: a count of no records", |c| {
        signed(c, |bytes| bytes[57..61].copy_from_slice(&0_i32.to_be_bytes()))
    }),
    ("produce: a negative last offset", |c| {
        signed(c, |bytes| bytes[23..27].copy_from_slice(&(-1_i32).to_be_bytes()))
    }),
    ("produce: a control batch", |c| {
        let options = BatchOptions { control: true, ..Default::default() };
        patient(c, &produce_request(PRESENT, 0, 1, Some(build(options, &[b"x"]))))
    }),
    ("produce: a batch of a transaction, and no transactional id", |c| {
        let producer = Some(ProducerStamp { id: 7, epoch: 0, base_sequence: 0 });
        let options = BatchOptions { transactional: true, producer, ..Default::default() };
        patient(c, &produce_request(PRESENT, 0, 1, Some(build(options, &[b"x"]))))
    }),
    ("produce: acks=all, and fewer replicas than min.insync.replicas", |c| {
        create_configured(c, "alone", &[("min.insync.replicas", "2")]);
        produced(c, &produce_request("alone", 0, -1, some_batch()))
    }),
    ("produce: zstd in a request too old for it", |c| {
        let options = BatchOptions { compression: Compression::Zstd, ..Default::default() };
        let request = produce_request(PRESENT, 0, 1, Some(build(options, &[b"x"])));
        code(&c.ask(&request, 6))
    }),
    ("produce: above max.message.bytes of the topic", |c| {
        create_configured(c, "small-messages", &[("max.message.bytes", "1000")]);
        let request = produce_request("small-messages", 0, 1, Some(batch(&[&[b'x'; 1100]])));
        patient(c, &request)
    }),
    ("produce: above the default max.message.bytes", |c| {
        let request = produce_request(PRESENT, 0, 1, Some(batch(&[&vec![b'x'; 1_100_000]])));
        patient(c, &request)
    }),
    ("produce: no key on a compacted topic", |c| {
        create_configured(c, "compacted", &[("cleanup.policy", "compact")]);
        produced(c, &produce_request("compacted", 0, 1, some_batch()))
    }),
    ("produce: a timestamp too far from now", |c| {
        create_configured(c, "timely", &[("message.timestamp.before.max.ms", "1000")]);
        produced(c, &produce_request("timely", 0, 1, Some(old_batch())))
    }),
    ("produce: several partitions, one of them wrong", |c| {
        assert_eq!(create(c, "partly", 2, 1), "NONE");
        let data = |index, records| PartitionProduceData { index, records };
        let partition_data = vec![data(0, some_batch()), data(5, some_batch()), data(1, some_batch())];
        let topic = TopicProduceData { name: "partly".to_owned(), partition_data, ..Default::default() };
        let request =
            ProduceRequest { acks: -1, timeout_ms: 5000, topic_data: vec![topic], ..Default::default() };
        let answer = c.ask(&request, PRODUCE_VERSION);
        let partitions = &answer.responses[0].partition_responses;
        let mut all: Vec<_> = partitions.iter().map(|each| (each.index, each.error_code)).collect();
        all.sort_by_key(|(index, _)| *index);
        format!("{all:?}")
    }),
    ("produce: nothing of the above was stored", |c| {
        let written = produce(c, PRESENT, batch(&[b"after"]));
        format!("{:?} at {}", written.error_code, written.base_offset)
    }),
];

fn some_batch() -> Option<Bytes> {
    Some(batch(&[b"one", b"two"]))
}

fn old_batch() -> Bytes {
    let mut builder = millrace_protocol::records::BatchBuilder::new(BatchOptions::default());
    builder.append(1_000_000_000_000, None, Some(b"old"), &[]);
    builder.build().unwrap()
}

fn produced(connection: &mut Connection, request: &ProduceRequest) -> String {
    answer(&connection.ask(request, PRODUCE_VERSION))
}

/// The code alone: the texts of these show the insides of Kafka's classes.
fn patient(connection: &mut Connection, request: &ProduceRequest) -> String {
    connection.send(request, PRODUCE_VERSION);
    if connection.is_silent_for(super::PATIENCE) {
        return "nothing".to_owned();
    }
    let Some(frame) = connection.frame() else { return "the connection is closed".to_owned() };
    code(&millrace_protocol::decode_from_bytes(frame.slice(5..), PRODUCE_VERSION).unwrap())
}

fn code(answer: &ProduceResponse) -> String {
    format!("{:?}", answer.responses[0].partition_responses[0].error_code)
}

fn answer(answer: &ProduceResponse) -> String {
    let partition = &answer.responses[0].partition_responses[0];
    let mut text = shown(partition.error_code, partition.error_message.as_deref());
    if partition.error_code == ErrorCode::INVALID_RECORD {
        let errors = &partition.record_errors;
        text = format!(
            "{:?}, records {:?}",
            partition.error_code,
            errors.iter().map(|each| each.batch_index).collect::<Vec<_>>()
        );
    }
    text
}

/// Produces a batch that was changed after its checksum was made.
fn changed(connection: &mut Connection, change: impl FnOnce(&mut BytesMut)) -> String {
    let mut bytes = BytesMut::from(&some_batch().unwrap()[..]);
    change(&mut bytes);
    patient(connection, &produce_request(PRESENT, 0, 1, Some(bytes.freeze())))
}

/// Produces a batch that was changed before its checksum was made.
fn signed(connection: &mut Connection, change: impl FnOnce(&mut BytesMut)) -> String {
    changed(connection, |bytes| {
        change(bytes);
        let crc = millrace_protocol::records::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    })
}
