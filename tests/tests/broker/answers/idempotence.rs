//! Idempotent producers whose sequence is not what it should be, and producer ids that cannot be had.

use millrace_protocol::messages::describe_producers::{DescribeProducersRequest, TopicRequest};
use millrace_protocol::messages::init_producer_id::InitProducerIdRequest;
use millrace_tests::records::{idempotent_batch, produce};
use millrace_tests::{Connection, until};

use super::Case;
use super::topics::create;

pub(super) const CASES: &[Case] = &[
    ("idempotence: a batch again", |c| sequences(c, "again", &[(0, 0, 3), (0, 3, 2), (0, 3, 2), (0, 5, 1)])),
    ("idempotence: the first of the last five again", |c| {
        sequences(c, "fifth", &[(0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 3, 1), (0, 4, 1), (0, 0, 1)])
    }),
    ("idempotence: one before the last five again", |c| {
        sequences(c, "sixth", &[(0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 3, 1), (0, 4, 1), (0, 5, 1), (0, 0, 1)])
    }),
    ("idempotence: a gap", |c| sequences(c, "gap-in-sequence", &[(0, 0, 3), (0, 5, 1), (0, 3, 1)])),
    ("idempotence: an overlap", |c| sequences(c, "overlap", &[(0, 0, 3), (0, 1, 3)])),
    ("idempotence: a first sequence that is not 0", |c| sequences(c, "late", &[(0, 7, 1), (0, 8, 1)])),
    ("idempotence: a newer epoch from 0", |c| sequences(c, "newer", &[(0, 0, 3), (1, 0, 1)])),
    ("idempotence: a newer epoch that goes on", |c| sequences(c, "newer-on", &[(0, 0, 3), (1, 3, 1)])),
    ("idempotence: an older epoch", |c| sequences(c, "older", &[(1, 0, 3), (0, 3, 1)])),
    ("idempotence: an older epoch, answered to an old client", |c| {
        let id = producer_id(c);
        assert_eq!(create(c, "older-old", 1, 1), "NONE");
        let _ = produce(c, "older-old", idempotent_batch(id, 1, 0, 1));
        let request =
            millrace_tests::records::produce_request("older-old", 0, -1, Some(idempotent_batch(id, 0, 1, 1)));
        format!("{:?}", c.ask(&request, 7).responses[0].partition_responses[0].error_code)
    }),
    ("idempotence: a sequence at its end", |c| {
        sequences(c, "wrap", &[(0, i32::MAX - 1, 2), (0, 0, 1), (0, 1, 1)])
    }),
    ("idempotence: an empty transactional id", |c| {
        let request = InitProducerIdRequest {
            transactional_id: Some(String::new()),
            transaction_timeout_ms: 1000,
            ..Default::default()
        };
        format!("{:?}", c.ask(&request, 4).error_code)
    }),
    ("idempotence: an epoch asked for without its id", |c| {
        let request = InitProducerIdRequest { producer_epoch: 3, ..Default::default() };
        format!("{:?}", c.ask(&request, 4).error_code)
    }),
    ("idempotence: ids differ", |c| format!("{}", producer_id(c) != producer_id(c))),
    ("describe producers: who has written", |c| {
        let id = producer_id(c);
        assert_eq!(create(c, "producers", 1, 1), "NONE");
        let _ = produce(c, "producers", idempotent_batch(id, 0, 0, 3));
        described(c, "producers", 0, id)
    }),
    ("describe producers: a topic that is not there", |c| described(c, "absent", 0, 0)),
    ("describe producers: a partition that is not there", |c| described(c, "producers", 5, 0)),
    ("describe producers: a bad name", |c| described(c, "a b", 0, 0)),
];

/// A new producer id. Kafka has none to give for a moment after its start.
fn producer_id(connection: &mut Connection) -> i64 {
    until("there are producer ids", || {
        let answer = connection.ask(&InitProducerIdRequest::default(), 4);
        answer.error_code.is_ok().then_some(answer.producer_id)
    })
}

/// Appends batches, as (epoch, first sequence, records), and shows each one's answer.
fn sequences(connection: &mut Connection, topic: &str, batches: &[(i16, i32, i32)]) -> String {
    let id = producer_id(connection);
    assert_eq!(create(connection, topic, 1, 1), "NONE");
    let answers = batches.iter().map(|(epoch, sequence, count)| {
        let answer = produce(connection, topic, idempotent_batch(id, *epoch, *sequence, *count));
        if answer.error_code.is_ok() {
            format!("at {}", answer.base_offset)
        } else {
            format!("{:?}", answer.error_code)
        }
    });
    answers.collect::<Vec<_>>().join(", ")
}

fn described(connection: &mut Connection, topic: &str, partition: i32, id: i64) -> String {
    let topic = TopicRequest { name: topic.to_owned(), partition_indexes: vec![partition] };
    let answer = connection.ask(&DescribeProducersRequest { topics: vec![topic] }, 0);
    let partition = &answer.topics[0].partitions[0];
    let producers: Vec<_> = partition
        .active_producers
        .iter()
        .map(|each| {
            let mine = each.producer_id == id;
            let (epoch, last) = (each.producer_epoch, each.last_sequence);
            let (coordinator, open) = (each.coordinator_epoch, each.current_txn_start_offset);
            format!("mine {mine}, epoch {epoch}, last {last}, coordinator {coordinator}, open {open}")
        })
        .collect();
    format!("{:?} {producers:?}", partition.error_code)
}
