//! Requests that name much: what they cost is bounded, for one and for many of them together.

use std::time::Duration;

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::delete_groups::DeleteGroupsRequest;
use millrace_protocol::messages::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use millrace_protocol::messages::describe_groups::DescribeGroupsRequest;
use millrace_protocol::messages::fetch::FetchRequest;
use millrace_protocol::messages::find_coordinator::FindCoordinatorRequest;
use millrace_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use millrace_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use millrace_protocol::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use millrace_tests::records::{FETCH_VERSION, batch, fetch_request, produce, values};
use millrace_tests::{Connection, Millrace, Neighbour, until};

/// Of the broker, where 100 MiB is the default: what is held below then takes a test's time.
const LIMITS: [&str; 2] = ["socket.request.max.bytes=26214400", "queued.max.request.bytes=52428800"];
/// A 256th of the first.
const ENTRIES_MAX: usize = 102_400;
/// The budget, what one request at a time is read and answered into, and what the neighbour and the
/// allocator take; an answer beside the budget to each of the requests would be twice as much.
const GROWTH_MAX_KIB: u64 = 250 * 1024;
/// The slowest that anybody else may be served meanwhile.
const PATIENCE: Duration = Duration::from_secs(4);
const CONNECTIONS: usize = 16;
/// How often one fetch names its partition: the frames of all of them have room in half of the budget.
const AGAIN: usize = 50_000;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number:x}")).collect()
}

/// Asks as much as may be asked in one request of each kind.
fn ask_much(connection: &mut Connection, kind: usize) {
    let names = names(ENTRIES_MAX - 1_000);
    match kind % 6 {
        0 => connection.send(&DescribeGroupsRequest { groups: names, ..Default::default() }, 5),
        1 => connection.send(&FindCoordinatorRequest { coordinator_keys: names, ..Default::default() }, 4),
        2 => connection.send(&DeleteGroupsRequest { groups_names: names }, 2),
        3 => {
            let group = |group_id| OffsetFetchRequestGroup { group_id, ..Default::default() };
            let groups = names.into_iter().map(group).collect();
            connection.send(&OffsetFetchRequest { groups, ..Default::default() }, 8);
        }
        4 => {
            let resource = |resource_name| DescribeConfigsResource {
                resource_type: 2,
                resource_name,
                configuration_keys: None,
            };
            let resources = names.into_iter().map(resource).collect();
            connection.send(&DescribeConfigsRequest { resources, ..Default::default() }, 4);
        }
        _ => {
            let partition = |index| OffsetDeleteRequestPartition { partition_index: index };
            let partitions = (0..names.len() as i32).map(partition).collect();
            let topics = vec![OffsetDeleteRequestTopic { name: "t".to_owned(), partitions }];
            connection.send(&OffsetDeleteRequest { group_id: "g".to_owned(), topics }, 0);
        }
    }
}

#[test]
fn many_requests_that_name_much_take_turns_and_bounded_memory() {
    let broker = Millrace::start(&LIMITS);
    let mut client = broker.connect();
    client.ask(&FindCoordinatorRequest { coordinator_keys: names(1), ..Default::default() }, 4);
    let neighbour = Neighbour::move_in(broker.address);
    let (before_kib, _) = broker.memory_kib();
    let mut connections: Vec<_> = std::iter::repeat_with(|| broker.connect()).take(CONNECTIONS).collect();
    for (kind, connection) in connections.iter_mut().enumerate() {
        ask_much(connection, kind);
    }
    neighbour.keeps_going();
    for (kind, connection) in connections.iter_mut().enumerate() {
        let output = broker.process.output();
        assert!(connection.frame().is_some(), "kind {} got no answer: {output}", kind % 6);
    }
    let slowest = neighbour.move_out();
    assert!(slowest < PATIENCE, "a round of the neighbour took {slowest:?}");
    let (_, most_kib) = broker.memory_kib();
    assert!(most_kib - before_kib < GROWTH_MAX_KIB, "{before_kib} KiB before, {most_kib} KiB at most");
}

/// One partition, named again and again: it is waited for once, and told once.
#[test]
fn fetches_that_name_a_partition_again_and_again_wait_for_it_once() {
    let broker = Millrace::start(&LIMITS);
    broker.create_topic("t", &[]);
    let neighbour = Neighbour::move_in(broker.address);
    let (before_kib, _) = broker.memory_kib();
    let mut request = FetchRequest { max_wait_ms: 60_000, min_bytes: 1, ..fetch_request("t", 0, 1 << 20) };
    let partition = request.topics[0].partitions[0].clone();
    request.topics[0].partitions = vec![partition; AGAIN];
    let mut connections: Vec<_> = std::iter::repeat_with(|| broker.connect()).take(CONNECTIONS).collect();
    connections.iter_mut().for_each(|connection| connection.send(&request, FETCH_VERSION));
    neighbour.keeps_going();
    for connection in &mut connections {
        assert!(connection.is_silent_for(Duration::from_millis(100)), "it waits");
    }
    let (waiting_kib, _) = broker.memory_kib();
    let written = produce(&mut broker.connect(), "t", batch(&[b"at last"]));
    assert_eq!(written.error_code, ErrorCode::NONE);
    for connection in &mut connections {
        let answer = connection.answer::<FetchRequest>(FETCH_VERSION);
        let partitions: Vec<_> = answer.responses.iter().flat_map(|topic| &topic.partitions).collect();
        assert_eq!(partitions.len(), 1);
        assert_eq!(values(partitions[0]), [(0, "at last".into())]);
    }
    let slowest = neighbour.move_out();
    assert!(slowest < PATIENCE, "a round of the neighbour took {slowest:?}");
    assert!(
        waiting_kib - before_kib < GROWTH_MAX_KIB / 2,
        "{before_kib} KiB before, {waiting_kib} KiB waiting"
    );
}

/// Two bytes an entry: what fits into a frame and not into memory.
#[test]
fn requests_with_too_many_entries_are_refused() {
    let broker = Millrace::start(&LIMITS);
    let (before_kib, _) = broker.memory_kib();
    let too_many = vec![String::new(); ENTRIES_MAX + 1];
    let mut one = broker.connect();
    one.send(&DescribeGroupsRequest { groups: too_many, ..Default::default() }, 5);
    one.until_closed();
    let mut most = broker.connect();
    most.send(&DescribeGroupsRequest { groups: vec![String::new(); 20_000_000], ..Default::default() }, 5);
    most.until_closed();
    // The lists of a request count together.
    let topic =
        |name: String| ListOffsetsTopic { name, partitions: vec![ListOffsetsPartition::default(); 100] };
    let mut nested = broker.connect();
    let topics = names(ENTRIES_MAX / 100).into_iter().map(topic).collect();
    nested.send(&ListOffsetsRequest { topics, ..Default::default() }, 7);
    nested.until_closed();
    until("the reason is told", || {
        let told = "a bad DescribeGroups request: a list of 102401 entries where 102400 are left";
        broker.process.output().contains(told).then_some(())
    });
    let (_, most_kib) = broker.memory_kib();
    assert!(most_kib - before_kib < 100 * 1024, "{before_kib} KiB before, {most_kib} KiB at most");
}

/// An answer is no larger than what there is to tell.
#[test]
fn what_is_named_again_is_not_told_again() {
    let broker = Millrace::start(&[]);
    let mut client = broker.connect();
    client.ask(&FindCoordinatorRequest { coordinator_keys: names(1), ..Default::default() }, 4);
    let again = vec!["g".to_owned(); 1_000];
    let described = until("the group's shard is loaded", || {
        let request = DescribeGroupsRequest { groups: again.clone(), ..Default::default() };
        let groups = client.ask(&request, 5).groups;
        (groups[0].error_code == ErrorCode::NONE).then_some(groups)
    });
    assert_eq!(described.len(), 1);
    let group = OffsetFetchRequestGroup { group_id: "g".to_owned(), topics: None, ..Default::default() };
    let groups = vec![group; 1_000];
    assert_eq!(client.ask(&OffsetFetchRequest { groups, ..Default::default() }, 8).groups.len(), 1);
}
