//! Too many, too much, too long: connections, answers nobody reads, fetches of a gigabyte, partitions by the thousand.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use millrace_protocol::messages::metadata::MetadataRequest;
use millrace_tests::records::{
    FETCH_VERSION, batch, fetch, fetch_request, idempotent_batch, produce, produce_request, values,
};
use millrace_tests::{Connection, Millrace, Neighbour, until};
use rustix::process::{Resource, getrlimit, setrlimit};

const MIB: usize = 1 << 20;
const IDLE_CONNECTIONS: usize = 10_000;
/// Fewer say nothing about thousands.
const IDLE_CONNECTIONS_MIN: usize = 5_000;

/// Raises this process's limit of descriptors to what it may have, and returns it.
fn descriptors() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    limit.maximum.map_or(usize::MAX, |maximum| usize::try_from(maximum).unwrap_or(usize::MAX))
}

/// Ten thousand connections that say nothing, or as many as this machine's descriptors allow.
#[test]
fn idle_connections_cost_next_to_nothing() {
    // The broker has one descriptor for each, and this process too; both have others besides.
    let count = IDLE_CONNECTIONS.min(descriptors().saturating_sub(1500));
    assert!(
        count >= IDLE_CONNECTIONS_MIN,
        "descriptors for {count} connections only: raise the hard limit (ulimit -Hn) to {}",
        IDLE_CONNECTIONS + 1500
    );
    if count < IDLE_CONNECTIONS {
        millrace_tests::places::left_out(
            "idle-connections",
            &format!("{count} of {IDLE_CONNECTIONS}: the limit of descriptors (ulimit -Hn) is lower"),
        );
    }
    let broker = Millrace::start(&[]);
    let neighbour = Neighbour::move_in(broker.address);
    let (before_kib, _) = broker.memory_kib();
    let threads = broker.process.threads();
    let idle: Vec<_> = (0..count)
        .map(|at| {
            let mut connection = Connection::open(broker.address);
            // Half of them have been used once.
            if at % 2 == 0 {
                assert!(connection.knows_brokers());
            }
            connection
        })
        .collect();
    until("all are accepted", || (broker.process.open_files() > count).then_some(()));
    neighbour.keeps_going();
    let (after_kib, _) = broker.memory_kib();
    let each = (after_kib.saturating_sub(before_kib)) * 1024 / count as u64;
    assert!(each < 8 * 1024, "{each} bytes for each of {count} idle connections");
    assert_eq!(broker.process.threads(), threads, "no thread for each");
    drop(idle);
    until("they are forgotten", || (broker.process.open_files() < 200).then_some(()));
    let slowest = neighbour.move_out();
    assert!(slowest < Duration::from_secs(5), "a round of the neighbour took {slowest:?}");
}

/// So many connections that are served. The one that found the broker ready may still be counted for a moment.
fn served_connections(broker: &Millrace, count: usize) -> Vec<Connection> {
    until("there is room for all", || {
        let mut connections: Vec<_> = std::iter::repeat_with(|| broker.connect()).take(count).collect();
        connections.iter_mut().all(Connection::knows_brokers).then_some(connections)
    })
}

#[test]
fn connections_above_the_limit_are_closed() {
    let broker = Millrace::start(&["max.connections=10"]);
    let mut served = served_connections(&broker, 10);
    for _ in 0..50 {
        broker.connect().until_closed();
    }
    assert!(served.iter_mut().all(Connection::knows_brokers), "those that were there before stay");
    let output = broker.process.output();
    let lines: Vec<_> = output.lines().filter(|line| line.contains("max.connections")).collect();
    assert!(lines.len() <= 2, "a line or two for fifty refusals: {lines:?}");
    drop(served);
    until("there is room again", || Connection::try_open(broker.address)?.knows_brokers().then_some(()));
}

#[test]
fn connections_of_one_address_are_limited() {
    let broker =
        Millrace::start(&["max.connections.per.ip=5", "max.connections.per.ip.overrides=127.0.0.2:7"]);
    let served = served_connections(&broker, 5);
    broker.connect().until_closed();
    drop(served);
    until("there is room again", || Connection::try_open(broker.address)?.knows_brokers().then_some(()));
}

/// Idle connections end after `connections.max.idle.ms`, used ones do not.
#[test]
fn idle_connections_end() {
    let broker = Millrace::start(&["connections.max.idle.ms=1500"]);
    let neighbour = Neighbour::move_in(broker.address);
    broker.connect().until_closed();
    neighbour.keeps_going();
    neighbour.move_out();
}

/// Fills a topic with `count` records of 1 MiB.
fn fill(broker: &Millrace, topic: &str, count: usize) {
    broker.create_topic(topic, &[("max.message.bytes", "2000000")]);
    let mut connection = broker.connect();
    let records = batch(&[&vec![b'x'; MIB]]);
    for _ in 0..count {
        assert_eq!(produce(&mut connection, topic, records.clone()).error_code, ErrorCode::NONE);
    }
}

/// Clients that ask for a lot and never read: the broker waits for them, cheaply, and cuts them off in the end.
#[test]
fn clients_that_never_read_are_cut_off() {
    let broker = Millrace::start(&["connections.max.idle.ms=2000"]);
    fill(&broker, "unread", 64);
    let neighbour = Neighbour::move_in(broker.address);
    let (before_kib, _) = broker.memory_kib();
    let mut lazy: Vec<_> = std::iter::repeat_with(|| broker.connect()).take(30).collect();
    for connection in &mut lazy {
        for _ in 0..100 {
            // The broker stops reading requests of a client that reads no answers.
            connection.send(&fetch_request("unread", 0, 50 << 20), FETCH_VERSION);
        }
    }
    neighbour.keeps_going();
    let (_, most_kib) = broker.memory_kib();
    assert!(most_kib < before_kib + 48 * 1024, "{before_kib} KiB before, {most_kib} KiB at most");
    until("the log says that they were cut off", || {
        broker.process.output().contains("took nothing").then_some(())
    });
    neighbour.keeps_going();
    neighbour.move_out();
    drop(lazy);
}

/// A fetch of two gigabytes gets what `fetch.max.bytes` allows, and costs no memory: it leaves from the page cache.
#[test]
fn a_fetch_of_a_gigabyte_gets_what_is_allowed() {
    let broker = Millrace::start(&[]);
    fill(&broker, "gigantic", 128);
    let (before_kib, _) = broker.memory_kib();
    let mut connection = broker.connect();
    connection.send(&fetch_request("gigantic", 0, i32::MAX), FETCH_VERSION);
    let bytes = frame_length(connection.stream());
    // 55 MiB is `fetch.max.bytes` of a broker; a batch more would be Kafka's grace for the first one only.
    assert!((40 << 20..=56 << 20).contains(&bytes), "{bytes} bytes");
    let (_, most_kib) = broker.memory_kib();
    assert!(most_kib < before_kib + 16 * 1024, "{before_kib} KiB before, {most_kib} KiB at most");
}

/// Reads a frame to its end without keeping it; returns its length.
fn frame_length(mut stream: &TcpStream) -> usize {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let length = u64::from(u32::from_be_bytes(length));
    let read = std::io::copy(&mut stream.take(length), &mut std::io::sink()).unwrap();
    assert_eq!(read, length);
    usize::try_from(length).unwrap()
}

/// Fetches that wait, from hundreds of connections on the same partition: each is woken once, by one append.
#[test]
fn parked_fetches_are_woken() {
    let broker = Millrace::start(&[]);
    broker.create_topic("parked", &[]);
    let waiting = FetchRequest { max_wait_ms: 25_000, min_bytes: 1, ..fetch_request("parked", 0, 1 << 20) };
    let mut readers: Vec<_> = std::iter::repeat_with(|| broker.connect()).take(300).collect();
    for reader in &mut readers {
        reader.send(&waiting, FETCH_VERSION);
    }
    let mut writer = broker.connect();
    assert_eq!(produce(&mut writer, "parked", batch(&[b"at last"])).error_code, ErrorCode::NONE);
    for mut reader in readers {
        let answer = reader.answer::<FetchRequest>(FETCH_VERSION);
        assert_eq!(values(&answer.responses[0].partitions[0]), [(0, "at last".into())]);
    }
}

/// Above `max.parked.requests` a fetch is answered at once, empty, instead of waiting.
#[test]
fn parked_fetches_are_bounded() {
    let broker = Millrace::start(&["max.parked.requests=10"]);
    broker.create_topic("crowded", &[]);
    let waiting = FetchRequest { max_wait_ms: 25_000, min_bytes: 1, ..fetch_request("crowded", 0, 1 << 20) };
    let mut readers: Vec<_> = std::iter::repeat_with(|| broker.connect()).take(40).collect();
    for reader in &mut readers {
        reader.send(&waiting, FETCH_VERSION);
    }
    until("thirty were answered", || {
        let silent = readers
            .iter_mut()
            .filter_map(|reader| reader.is_silent_for(Duration::from_millis(1)).then_some(()));
        (silent.count() <= 10).then_some(())
    });
    let written = produce(&mut broker.connect(), "crowded", batch(&[b"x"]));
    assert_eq!(written.error_code, ErrorCode::NONE);
    for mut reader in readers {
        let answer = reader.answer::<FetchRequest>(FETCH_VERSION);
        assert_eq!(answer.responses[0].partitions[0].error_code, ErrorCode::NONE);
    }
}

/// Clients that leak fetch sessions: beyond the limit they are served without one.
#[test]
fn fetch_sessions_are_bounded() {
    let broker = Millrace::start(&["max.incremental.fetch.session.cache.slots=20"]);
    broker.create_topic("leaky", &[]);
    assert_eq!(produce(&mut broker.connect(), "leaky", batch(&[b"x"])).error_code, ErrorCode::NONE);
    let mut connection = broker.connect();
    let mut made = 0;
    for _ in 0..500 {
        let request = FetchRequest { session_epoch: 0, ..fetch_request("leaky", 0, 1000) };
        let answer = connection.ask(&request, FETCH_VERSION);
        assert_eq!(answer.error_code, ErrorCode::NONE);
        assert_eq!(values(&answer.responses[0].partitions[0]).len(), 1);
        made += usize::from(answer.session_id != 0);
    }
    assert_eq!(made, 20, "sessions made");
}

/// A thousand producers, each with an id of its own, on one partition: the snapshot grows, nothing else does.
#[test]
fn many_producers_are_remembered() {
    let broker = Millrace::start(&[]);
    broker.create_topic("popular", &[]);
    let mut connection = broker.connect();
    for id in 0..1000 {
        let written = produce(&mut connection, "popular", idempotent_batch(id, 0, 0, 1));
        assert_eq!((written.error_code, written.base_offset), (ErrorCode::NONE, id));
    }
    for id in [0, 500, 999] {
        let again = produce(&mut connection, "popular", idempotent_batch(id, 0, 0, 1));
        assert_eq!((again.error_code, again.base_offset), (ErrorCode::NONE, id), "written once");
    }
}

/// A thousand partitions: no thread and hardly a descriptor for each.
#[test]
fn idle_partitions_cost_no_threads_and_few_descriptors() {
    let broker = Millrace::start(&[]);
    let (threads, files) = (broker.process.threads(), broker.process.open_files());
    broker.create_partitions("wide", 1000, &[]);
    let mut connection = broker.connect();
    let answer = connection.ask(&MetadataRequest { topics: None, ..Default::default() }, 9);
    assert_eq!(answer.topics[0].partitions.len(), 1000);
    let (more_threads, more_files) =
        (broker.process.threads() - threads, broker.process.open_files() - files);
    assert!(more_threads <= 2, "{more_threads} threads for 1000 partitions");
    assert!(more_files < 200, "{more_files} descriptors for 1000 partitions");
}

/// Neither logs nor indexes are mapped into memory, also while they are in use: `vm.max_map_count` bounds nothing.
#[test]
fn no_file_of_a_partition_is_mapped() {
    let broker = Millrace::start(&[]);
    broker.create_partitions("wide", 20, &[("segment.bytes", "1048576"), ("index.interval.bytes", "0")]);
    let mut connection = broker.connect();
    for partition in 0..20 {
        // The second record begins another segment.
        for _ in 0..2 {
            let records = batch(&[&vec![b'x'; 600 << 10]]);
            let answer = connection.ask(&produce_request("wide", partition, -1, Some(records)), 9);
            assert_eq!(answer.responses[0].partition_responses[0].error_code, ErrorCode::NONE);
        }
    }
    assert_eq!(values(&fetch(&mut connection, "wide", 1, 1 << 20)).len(), 1);
    let files = std::fs::read_dir(broker.data.join("wide-0")).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().filter(|name| name.ends_with(".log")).count() == 2, "{names:?}");
    assert!(names.iter().any(|name| name.ends_with(".timeindex")), "{names:?}");
    let mapped = broker.process.mapped_files();
    assert!(mapped.iter().any(|path| path.ends_with("/millrace")), "the program itself is: {mapped:?}");
    let data = broker.data.canonicalize().unwrap().display().to_string();
    let ours: Vec<_> = mapped.iter().filter(|path| path.starts_with(&data)).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

/// One fetch that names more partitions than there are, many times over.
#[test]
fn a_fetch_that_names_a_hundred_thousand_partitions_is_answered() {
    let broker = Millrace::start(&[]);
    broker.create_topic("named", &[]);
    let neighbour = Neighbour::move_in(broker.address);
    let partitions = (0..100_000).map(|partition| FetchPartition {
        partition,
        partition_max_bytes: 1000,
        ..Default::default()
    });
    let topic =
        FetchTopic { topic: "named".to_owned(), partitions: partitions.collect(), ..Default::default() };
    let request = FetchRequest { max_bytes: 1000, topics: vec![topic], ..Default::default() };
    let answer = broker.connect().ask(&request, FETCH_VERSION);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let count = answer.responses[0].partitions.iter().filter(|each| each.error_code == unknown).count();
    assert_eq!(count, 99_999);
    let (_, most_kib) = broker.memory_kib();
    assert!(most_kib < 300 * 1024, "{most_kib} KiB at most");
    neighbour.move_out();
}

/// A pipeline of more requests than `queued.max.requests` is slowed down, not refused.
#[test]
fn long_pipelines_are_answered_in_full() {
    let broker = Millrace::start(&["queued.max.requests=5"]);
    broker.create_topic("pipeline", &[]);
    let mut connection = broker.connect();
    for _ in 0..1000 {
        connection.send(&produce_request("pipeline", 0, -1, Some(batch(&[b"x"]))), 9);
    }
    for offset in 0..1000 {
        let answer = connection.answer::<millrace_protocol::messages::produce::ProduceRequest>(9);
        assert_eq!(answer.responses[0].partition_responses[0].base_offset, offset);
    }
    assert_eq!(fetch(&mut connection, "pipeline", 0, 1000).high_watermark, 1000);
}
