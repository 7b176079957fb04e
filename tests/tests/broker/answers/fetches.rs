//! Reads of what is not there, and of offsets nobody has.

use millrace_protocol::Uuid;
use millrace_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use millrace_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use millrace_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use millrace_protocol::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use millrace_tests::Connection;
use millrace_tests::records::{FETCH_VERSION, batch, fetch_request, produce, values};

use super::topics::create;
use super::{Case, PRESENT_RECORDS};

/// A topic that no other case writes to.
const STILL: &str = "still";

pub(super) const CASES: &[Case] = &[
    ("fetch: five records to look at", |c| {
        assert_eq!(create(c, STILL, 2, 1), "NONE");
        for _ in 0..2 {
            let _ = produce(c, STILL, batch(&[b"a", b"b", b"c", b"d", b"e"]));
        }
        fetched(c, &fetch_request(STILL, 0, 1 << 20))
    }),
    ("fetch: from the middle of a batch", |c| fetched(c, &fetch_request(STILL, 7, 1 << 20))),
    ("fetch: at the end", |c| fetched(c, &fetch_request(STILL, PRESENT_RECORDS, 1 << 20))),
    ("fetch: beyond the end", |c| fetched(c, &fetch_request(STILL, PRESENT_RECORDS + 1, 1 << 20))),
    ("fetch: before the start", |c| fetched(c, &fetch_request(STILL, -1, 1 << 20))),
    ("fetch: an offset beyond all", |c| fetched(c, &fetch_request(STILL, i64::MAX, 1 << 20))),
    ("fetch: less than a batch", |c| fetched(c, &fetch_request(STILL, 0, 1))),
    ("fetch: no bytes", |c| fetched(c, &fetch_request(STILL, 0, 0))),
    ("fetch: two gigabytes", |c| fetched(c, &fetch_request(STILL, 0, i32::MAX))),
    ("fetch: a topic that is not there", |c| fetched(c, &fetch_request("absent", 0, 1000))),
    ("fetch: a bad topic name", |c| fetched(c, &fetch_request("a b", 0, 1000))),
    ("fetch: a partition that is not there", |c| {
        let mut request = fetch_request(STILL, 0, 1000);
        request.topics[0].partitions[0].partition = 9;
        fetched(c, &request)
    }),
    ("fetch: a topic id that is not there", |c| {
        let partition = FetchPartition { partition_max_bytes: 1000, ..Default::default() };
        let topic = FetchTopic { topic_id: Uuid([7; 16]), partitions: vec![partition], ..Default::default() };
        let request = FetchRequest { topics: vec![topic], ..Default::default() };
        let answer = c.ask(&request, 13);
        let partitions: Vec<_> = answer.responses.iter().flat_map(|each| &each.partitions).collect();
        format!("{:?} {:?}", answer.error_code, partitions[0].error_code)
    }),
    ("fetch: a leader epoch of the future", |c| {
        let mut request = fetch_request(STILL, 0, 1000);
        request.topics[0].partitions[0].current_leader_epoch = 99;
        fetched(c, &request)
    }),
    ("fetch: a session that is not there", |c| {
        let request = FetchRequest { session_id: 12345, session_epoch: 1, ..Default::default() };
        let answer = c.ask(&request, FETCH_VERSION);
        format!("{:?}, session {}", answer.error_code, answer.session_id)
    }),
    ("fetch: a session's wrong epoch", |c| {
        let request = FetchRequest { session_epoch: 0, ..fetch_request(STILL, 0, 1000) };
        let session_id = c.ask(&request, FETCH_VERSION).session_id;
        let request = FetchRequest { session_id, session_epoch: 5, ..Default::default() };
        let answer = c.ask(&request, FETCH_VERSION);
        format!("made {}, then {:?}", session_id != 0, answer.error_code)
    }),
    ("fetch: a session that has nothing new to say", |c| {
        let request = FetchRequest { session_epoch: 0, ..fetch_request(STILL, 0, 1 << 20) };
        let session_id = c.ask(&request, FETCH_VERSION).session_id;
        let mut next = fetch_request(STILL, PRESENT_RECORDS, 1 << 20);
        (next.session_id, next.session_epoch) = (session_id, 1);
        let answer = c.ask(&next, FETCH_VERSION);
        format!("{:?}, {} topics", answer.error_code, answer.responses.len())
    }),
    ("fetch: no topic", |c| {
        let answer = c.ask(&FetchRequest::default(), FETCH_VERSION);
        format!("{:?}, {} topics", answer.error_code, answer.responses.len())
    }),
    ("list offsets: the earliest", |c| listed(c, STILL, 0, -2)),
    ("list offsets: the latest", |c| listed(c, STILL, 0, -1)),
    ("list offsets: the largest timestamp of nothing", |c| listed(c, STILL, 1, -3)),
    ("list offsets: the local earliest", |c| listed(c, STILL, 0, -4)),
    ("list offsets: a time in the future", |c| listed(c, STILL, 0, i64::MAX)),
    ("list offsets: the beginning of time", |c| listed(c, STILL, 0, 0)),
    ("list offsets: a negative time that means nothing", |c| listed(c, STILL, 0, -9)),
    ("list offsets: a topic that is not there", |c| listed(c, "absent", 0, -1)),
    ("list offsets: a partition that is not there", |c| listed(c, STILL, 9, -1)),
    ("list offsets: a leader epoch of the future", |c| {
        let partition = ListOffsetsPartition { current_leader_epoch: 99, timestamp: -1, partition_index: 0 };
        let topic = ListOffsetsTopic { name: STILL.to_owned(), partitions: vec![partition] };
        let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
        format!("{:?}", c.ask(&request, 7).topics[0].partitions[0].error_code)
    }),
    ("leader epoch: the current one", |c| epoch_end(c, STILL, 0, 0)),
    ("leader epoch: one of the future", |c| epoch_end(c, STILL, 0, 99)),
    ("leader epoch: a negative one", |c| epoch_end(c, STILL, 0, -1)),
    ("leader epoch: a topic that is not there", |c| epoch_end(c, "absent", 0, 0)),
    ("leader epoch: a partition that is not there", |c| epoch_end(c, STILL, 9, 0)),
    ("delete records: a topic that is not there", |c| deleted(c, "absent", 0, 1)),
    ("delete records: a partition that is not there", |c| deleted(c, STILL, 9, 1)),
    ("delete records: beyond the end", |c| deleted(c, STILL, 0, 11)),
    ("delete records: a negative offset", |c| deleted(c, STILL, 0, -5)),
    ("delete records: some", |c| format!("{}, then {}", deleted(c, STILL, 0, 7), listed(c, STILL, 0, -2))),
    ("delete records: what is gone already", |c| deleted(c, STILL, 0, 3)),
    ("delete records: then fetch what is gone", |c| fetched(c, &fetch_request(STILL, 3, 1 << 20))),
    ("delete records: all", |c| format!("{}, then {}", deleted(c, STILL, 0, -1), listed(c, STILL, 0, -2))),
    ("delete records: of a compacted topic", |c| deleted(c, "compacted", 0, 0)),
];

fn fetched(connection: &mut Connection, request: &FetchRequest) -> String {
    let answer = connection.ask(request, FETCH_VERSION);
    let partition = &answer.responses[0].partitions[0];
    if partition.error_code.is_err() {
        let (high, start) = (partition.high_watermark, partition.log_start_offset);
        return format!("{:?}, high watermark {high}, start {start}", partition.error_code);
    }
    let offsets: Vec<_> = values(partition).iter().map(|(offset, _)| *offset).collect();
    let (high, stable) = (partition.high_watermark, partition.last_stable_offset);
    let start = partition.log_start_offset;
    format!("offsets {offsets:?}, high watermark {high}, stable {stable}, start {start}")
}

pub(super) fn listed(
    connection: &mut Connection,
    topic: &str,
    partition_index: i32,
    timestamp: i64,
) -> String {
    let partition = ListOffsetsPartition { partition_index, current_leader_epoch: -1, timestamp };
    let topic = ListOffsetsTopic { name: topic.to_owned(), partitions: vec![partition] };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
    let answer = connection.ask(&request, 8);
    let partition = &answer.topics[0].partitions[0];
    let dated = partition.timestamp >= 0;
    format!(
        "{:?}, offset {}, dated {dated}, epoch {}",
        partition.error_code, partition.offset, partition.leader_epoch
    )
}

fn epoch_end(connection: &mut Connection, topic: &str, partition: i32, leader_epoch: i32) -> String {
    let partition = OffsetForLeaderPartition { partition, current_leader_epoch: -1, leader_epoch };
    let topic = OffsetForLeaderTopic { topic: topic.to_owned(), partitions: vec![partition] };
    let request = OffsetForLeaderEpochRequest { topics: vec![topic], ..Default::default() };
    let answer = connection.ask(&request, 4);
    let end = &answer.topics[0].partitions[0];
    format!("{:?}, epoch {}, end {}", end.error_code, end.leader_epoch, end.end_offset)
}

fn deleted(connection: &mut Connection, topic: &str, partition_index: i32, offset: i64) -> String {
    let partition = DeleteRecordsPartition { partition_index, offset };
    let topic = DeleteRecordsTopic { name: topic.to_owned(), partitions: vec![partition] };
    let answer = connection.ask(&DeleteRecordsRequest { topics: vec![topic], timeout_ms: 5000 }, 2);
    let partition = &answer.topics[0].partitions[0];
    format!("{:?}, low watermark {}", partition.error_code, partition.low_watermark)
}
