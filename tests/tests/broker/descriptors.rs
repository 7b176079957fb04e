//! More partitions in use than files may be open.

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::fetch::FetchRequest;
use millrace_protocol::messages::produce::ProduceRequest;
use millrace_tests::records::{
    FETCH_VERSION, PRODUCE_VERSION, batch, fetch_request, produce_request, values,
};
use millrace_tests::{Connection, Millrace};

const PARTITIONS: i32 = 1_000;
const ROUNDS: usize = 3;
/// What the system lets the broker have, of which logs get a quarter.
const DESCRIPTORS_MAX: usize = 400;
const LOG_FILES_MAX: usize = DESCRIPTORS_MAX / 4;
/// Files that are being opened while others are being closed.
const PASSING: usize = 16;

fn write(connection: &mut Connection, partition: i32, round: usize) {
    let value = format!("{partition} {round}");
    let request = produce_request("wide", partition, -1, Some(batch(&[value.as_bytes()])));
    let written = connection.ask::<ProduceRequest>(&request, PRODUCE_VERSION);
    let answer = &written.responses[0].partition_responses[0];
    assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::NONE, round as i64), "{value}");
}

fn read(connection: &mut Connection, partition: i32) {
    let mut request: FetchRequest = fetch_request("wide", 0, 1 << 20);
    request.topics[0].partitions[0].partition = partition;
    let answer = connection.ask(&request, FETCH_VERSION);
    let expected: Vec<_> =
        (0..ROUNDS).map(|round| (round as i64, format!("{partition} {round}").into())).collect();
    assert_eq!(values(&answer.responses[0].partitions[0]), expected);
}

#[test]
fn partitions_in_use_hold_few_files_open() {
    let mut broker = Millrace::start_with_descriptors(DESCRIPTORS_MAX, &[]);
    let mut connection = broker.connect();
    let idle = broker.process.open_files();
    let bound = idle + LOG_FILES_MAX + PASSING;
    assert!(bound < DESCRIPTORS_MAX, "{idle} files open with nothing to do");
    let few = |broker: &Millrace, what: &str| {
        let open = broker.process.open_files();
        assert!(open <= bound, "{open} files open after {what}, {idle} before");
    };
    broker.create_partitions("wide", PARTITIONS, &[]);
    few(&broker, "making the topic");
    for round in 0..ROUNDS {
        for partition in 0..PARTITIONS {
            write(&mut connection, partition, round);
            if partition % 20 == 0 {
                few(&broker, "a write");
            }
        }
    }
    for partition in 0..PARTITIONS {
        read(&mut connection, partition);
        if partition % 20 == 0 {
            few(&broker, "a read");
        }
    }
    broker.process.kill();
    broker.start_again();
    few(&broker, "recovery");
    let mut connection = broker.connect();
    (0..PARTITIONS).for_each(|partition| read(&mut connection, partition));
    few(&broker, "reading all of it again");
    let output = broker.process.output();
    assert!(!output.contains("Too many open files"), "{output}");
}
