//! Topics that are deleted under those who wait for their records: told at once, not when their patience ends.

use std::time::{Duration, Instant};

use millrace_protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use millrace_protocol::messages::fetch::{FetchRequest, PartitionData};
use millrace_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use millrace_protocol::{ErrorCode, Uuid};
use millrace_tests::records::{batch, fetch_request, produce, values};
use millrace_tests::{Connection, Millrace, until};

const TOPIC: &str = "deleted";
/// How long the readers would wait.
const WAIT: Duration = Duration::from_secs(25);
const BY_NAME: i16 = 12;
const BY_ID: i16 = 13;

/// A reader that waits at the end of a topic.
struct Reader {
    what: &'static str,
    version: i16,
    connection: Connection,
}

impl Reader {
    /// Parks on an empty topic, in a session that has been told all there is, if that is wanted.
    fn park(broker: &Millrace, what: &'static str, version: i16, session: bool) -> Self {
        let mut connection = broker.connect();
        let mut request = fetch_request(TOPIC, 0, 1 << 20);
        request.topics[0].topic_id = topic_id(broker);
        (request.session_epoch, request.min_bytes) = (-1, 1);
        if session {
            request.session_epoch = 0;
            let opened = connection.ask(&request, version);
            assert_ne!(opened.session_id, 0, "{what}");
            (request.session_id, request.session_epoch) = (opened.session_id, 1);
            request.topics.clear();
        }
        request.max_wait_ms = WAIT.as_millis() as i32;
        connection.send(&request, version);
        Self { what, version, connection }
    }

    fn answer(&mut self) -> Option<PartitionData> {
        let answer = self.connection.answer::<FetchRequest>(self.version);
        assert_eq!(answer.error_code, ErrorCode::NONE, "{}", self.what);
        answer.responses.into_iter().flat_map(|topic| topic.partitions).next()
    }
}

fn park_all(broker: &Millrace) -> Vec<Reader> {
    vec![
        Reader::park(broker, "by name", BY_NAME, false),
        Reader::park(broker, "by name, in a session", BY_NAME, true),
        Reader::park(broker, "by id", BY_ID, false),
        Reader::park(broker, "by id, in a session", BY_ID, true),
    ]
}

fn topic_id(broker: &Millrace) -> Uuid {
    let topic = MetadataRequestTopic { name: Some(TOPIC.to_owned()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    broker.connect().ask(&request, 12).topics[0].topic_id
}

fn delete(broker: &Millrace) {
    let state = DeleteTopicState { name: Some(TOPIC.to_owned()), ..Default::default() };
    let request = DeleteTopicsRequest { topics: vec![state], timeout_ms: 10_000, ..Default::default() };
    assert_eq!(broker.connect().ask(&request, 6).responses[0].error_code, ErrorCode::NONE);
}

/// The error that a fetch by that version gets of a topic that is gone.
fn gone(version: i16) -> ErrorCode {
    if version >= BY_ID { ErrorCode::UNKNOWN_TOPIC_ID } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION }
}

#[test]
fn who_waits_for_a_topic_is_told_that_it_is_gone() {
    let broker = Millrace::start(&["auto.create.topics.enable=false"]);
    for _ in 0..10 {
        broker.create_topic(TOPIC, &[]);
        // That they wait cannot be seen from outside; what comes too late for that is answered at once as well.
        let mut readers = park_all(&broker);
        let deleted = Instant::now();
        delete(&broker);
        for reader in &mut readers {
            let code = reader.answer().map(|partition| partition.error_code);
            assert_eq!(code, Some(gone(reader.version)), "{}", reader.what);
        }
        assert!(deleted.elapsed() < WAIT / 2, "told after {:?}", deleted.elapsed());
    }
}

/// Whoever knows it by id is told that it is gone; whoever knows it by name reads the new one.
#[test]
fn who_waits_for_a_topic_that_is_made_again_is_told() {
    let broker = Millrace::start(&["auto.create.topics.enable=false"]);
    for _ in 0..10 {
        broker.create_topic(TOPIC, &[]);
        let mut readers = park_all(&broker);
        let deleted = Instant::now();
        delete(&broker);
        broker.create_topic(TOPIC, &[]);
        let written = produce(&mut broker.connect(), TOPIC, batch(&[b"new"]));
        assert_eq!((written.error_code, written.base_offset), (ErrorCode::NONE, 0));
        for reader in &mut readers {
            let answer = reader.answer();
            // It looked after the old one had gone: before the new one was there, or before it had a record.
            match answer {
                Some(partition) if partition.error_code.is_err() => {
                    assert_eq!(partition.error_code, gone(reader.version), "{}", reader.what);
                }
                _ if reader.version >= BY_ID => panic!("{}: {answer:?}", reader.what),
                Some(partition) if partition.high_watermark > 0 => {
                    assert_eq!(values(&partition), [(0, "new".into())], "{}", reader.what);
                }
                _ => {}
            }
        }
        assert!(deleted.elapsed() < WAIT / 2, "told after {:?}", deleted.elapsed());
        delete(&broker);
        until("it is gone", || (topic_id(&broker) == Uuid::ZERO).then_some(()));
    }
}
