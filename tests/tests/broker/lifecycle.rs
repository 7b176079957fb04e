//! Starting, stopping and refusing to start.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::fetch::FetchRequest;
use millrace_tests::records::{FETCH_VERSION, batch, fetch_request, produce, produce_request, read_all};
use millrace_tests::{Connection, Millrace, Process, places, until};
use rustix::process::Signal;

/// Runs `millrace ARGUMENT...` in `directory` to its end; returns exit code and output.
fn run(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(places::millrace());
    command.args(arguments).envs(environment.iter().copied()).current_dir(directory);
    let mut process = Process::start(command, &directory.join("run.log"));
    let code = process.wait();
    (code, process.output())
}

fn serve(overrides: &[&str]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut arguments =
        vec!["serve", "--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override", "http.listen="];
    arguments.extend(overrides.iter().flat_map(|each| ["--override", *each]));
    run(directory.path(), &arguments, &[])
}

#[test]
fn sigterm_ends_it_cleanly_and_soon() {
    let mut broker = Millrace::start(&[]);
    broker.create_topic("clean", &[]);
    let mut client = broker.connect();
    for _ in 0..50 {
        assert_eq!(produce(&mut client, "clean", batch(&[b"a", b"b"])).error_code, ErrorCode::NONE);
    }
    // A reader that waits, and a client that does nothing, must not hold it up.
    let mut reader = broker.connect();
    let waiting = FetchRequest { max_wait_ms: 60_000, min_bytes: 1, ..fetch_request("clean", 100, 1000) };
    reader.send(&waiting, FETCH_VERSION);
    let _idle = broker.connect();
    let started = Instant::now();
    assert_eq!(broker.process.terminate(), Some(0), "{}", broker.process.output());
    assert!(started.elapsed() < Duration::from_secs(10), "took {:?}", started.elapsed());
    assert!(broker.data.join(".kafka_cleanshutdown").exists(), "marked clean");

    let took = broker.start_again();
    assert!(took < Duration::from_secs(5), "the next start took {took:?}");
    assert!(!broker.data.join(".kafka_cleanshutdown").exists(), "the mark holds for one start");
    assert_eq!(read_all(&mut broker.connect(), "clean").len(), 100);
}

/// Supervisors repeat themselves: `timeout` tells the child and then its group.
#[test]
fn a_repeated_sigterm_is_one_sigterm() {
    let mut broker = Millrace::start(&[]);
    broker.create_topic("twice", &[]);
    for _ in 0..3 {
        broker.process.signal(Signal::TERM);
    }
    assert_eq!(broker.process.terminate(), Some(0), "{}", broker.process.output());
    assert!(broker.data.join(".kafka_cleanshutdown").exists(), "marked clean");
}

/// What was acknowledged before SIGTERM is there; what was not may be.
#[test]
fn sigterm_answers_what_is_in_flight() {
    let mut broker = Millrace::start(&[]);
    broker.create_topic("in-flight", &[]);
    let mut client = broker.connect();
    client.send(&produce_request("in-flight", 0, -1, Some(batch(&[b"x"]))), 9);
    until("the record is written", || {
        (!read_all(&mut broker.connect(), "in-flight").is_empty()).then_some(())
    });
    broker.process.signal(Signal::TERM);
    let answer = client.answer::<millrace_protocol::messages::produce::ProduceRequest>(9);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, ErrorCode::NONE);
    client.until_closed();
    assert_eq!(broker.process.wait(), Some(0));
}

#[test]
fn sigkill_loses_nothing_that_was_acknowledged() {
    let mut broker = Millrace::start(&[]);
    broker.create_topic("killed", &[]);
    let mut acknowledged = 0;
    for _ in 0..5 {
        let mut client = broker.connect();
        for _ in 0..100 {
            let written = produce(&mut client, "killed", batch(&[format!("{acknowledged}").as_bytes()]));
            assert_eq!((written.error_code, written.base_offset), (ErrorCode::NONE, acknowledged));
            acknowledged += 1;
        }
        broker.process.kill();
        broker.start_again();
        let read = read_all(&mut broker.connect(), "killed");
        let wanted: Vec<_> = (0..acknowledged).map(|n| (n, n.to_string().into())).collect();
        assert_eq!(read, wanted, "in order, nothing twice");
    }
}

#[test]
fn a_second_broker_on_the_same_data_is_refused() {
    let broker = Millrace::start(&[]);
    let (code, output) = serve(&[&format!("log.dirs={}", broker.data.display())]);
    assert!(code.is_some_and(|code| code != 0), "exit code {code:?}");
    assert!(output.contains(&broker.data.display().to_string()), "names the directory: {output}");
    assert!(output.contains("use"), "says that it is in use: {output}");
    assert!(broker.connect().knows_brokers(), "the first one goes on");
}

#[test]
fn a_taken_port_is_named() {
    let broker = Millrace::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let listeners = format!("listeners=PLAINTEXT://{}", broker.address);
    let (code, output) =
        run(directory.path(), &["serve", "--override", &listeners, "--override", "http.listen="], &[]);
    assert!(code.is_some_and(|code| code != 0), "exit code {code:?}");
    assert!(output.contains(&broker.address.to_string()), "names the address: {output}");
}

#[test]
fn data_of_another_node_is_refused() {
    let mut broker = Millrace::start(&[]);
    assert_eq!(broker.process.terminate(), Some(0));
    let (code, output) = serve(&[&format!("log.dirs={}", broker.data.display()), "node.id=7"]);
    assert!(code.is_some_and(|code| code != 0), "exit code {code:?}");
    assert!(output.contains("node") && output.contains('7'), "names the node: {output}");
}

#[test]
fn a_misspelt_key_is_refused_with_the_right_one() {
    let (code, output) = serve(&["log.retention.mss=5"]);
    assert!(code.is_some_and(|code| code != 0), "exit code {code:?}");
    assert!(output.contains("log.retention.mss"), "names the key: {output}");
    assert!(output.contains("log.retention.ms"), "suggests the right one: {output}");
    assert!(output.contains("--override"), "says where: {output}");
}

#[test]
fn a_misspelt_key_in_a_file_is_refused_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let text = "# mine\nnode.id=1\nnum.partitons=4\n";
    std::fs::write(directory.path().join("server.properties"), text).unwrap();
    let (code, output) = run(directory.path(), &["serve", "server.properties"], &[]);
    assert!(code.is_some_and(|code| code != 0), "exit code {code:?}");
    assert!(output.contains("num.partitons") && output.contains("num.partitions"), "{output}");
    assert!(output.contains("server.properties:3"), "says where: {output}");
}

#[test]
fn a_misspelt_variable_is_refused_with_the_right_one() {
    let directory = tempfile::tempdir().unwrap();
    let (code, output) = run(directory.path(), &["serve"], &[("KAFKA_NUM_PARTITONS", "4")]);
    assert!(code.is_some_and(|code| code != 0), "exit code {code:?}");
    assert!(output.contains("KAFKA_NUM_PARTITONS") && output.contains("KAFKA_NUM_PARTITIONS"), "{output}");
}

#[test]
fn a_bad_value_is_refused() {
    for (setting, part) in [
        ("num.partitions=many", "many"),
        ("num.partitions=0", "at least 1"),
        ("log.cleanup.policy=shred", "shred"),
        ("listeners=SASL_SSL://127.0.0.1:9093", "SASL_SSL"),
        ("log.segment.bytes=99999999999", "99999999999"),
    ] {
        let (code, output) = serve(&[setting]);
        assert!(code.is_some_and(|code| code != 0), "{setting}: exit code {code:?}");
        let key = setting.split('=').next().unwrap();
        assert!(output.contains(key) && output.contains(part), "{setting}: {output}");
    }
}

#[test]
fn what_kafka_needs_and_this_does_not_is_accepted() {
    let broker = Millrace::start(&["zookeeper.connect=zookeeper:2181", "num.io.threads=8"]);
    let output = broker.process.output();
    let lines: Vec<_> = output.lines().filter(|line| line.contains("zookeeper.connect")).collect();
    assert_eq!(lines.len(), 1, "one line that says that it is not needed: {output}");
}

/// As the common images are started.
#[test]
fn the_environment_configures_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(places::millrace());
    command.arg("serve").current_dir(directory.path()).envs([
        ("KAFKA_NODE_ID", "3"),
        ("KAFKA_LISTENERS", "PLAINTEXT://127.0.0.1:0"),
        ("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://broker.example:19092"),
        ("KAFKA_LOG_DIRS", "./here"),
        ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
        ("KAFKA_HTTP_LISTEN", ""),
        ("CLUSTER_ID", "4L6g3nShT-eMCtK--X86sw"),
    ]);
    let mut process = Process::start(command, &directory.path().join("broker.log"));
    let address = until("the first line says where it listens and where its data is", || {
        assert!(process.ended().is_none(), "{}", process.output());
        let output = process.output();
        let line = output.lines().find(|line| line.contains("127.0.0.1:"))?.to_owned();
        assert!(line.contains("here"), "{line}");
        let port = line.split("127.0.0.1:").nth(1)?;
        let digits: String = port.chars().take_while(char::is_ascii_digit).collect();
        format!("127.0.0.1:{digits}").parse().ok()
    });
    use millrace_protocol::messages::metadata::MetadataRequest;
    let mut connection = Connection::open(address);
    let answer = connection.ask(&MetadataRequest { topics: Some(Vec::new()), ..Default::default() }, 9);
    assert_eq!(answer.cluster_id.as_deref(), Some("4L6g3nShT-eMCtK--X86sw"));
    let broker = &answer.brokers[0];
    assert_eq!((broker.node_id, &*broker.host, broker.port), (3, "broker.example", 19092));
    assert_eq!(process.terminate(), Some(0));
}

/// The metadata log is not lost either: topics, their ids and their configurations are there after a crash.
#[test]
fn topics_survive_a_crash() {
    let mut broker = Millrace::start(&[]);
    for at in 0..20 {
        broker.create_partitions(&format!("topic-{at}"), 3, &[("retention.ms", "123456")]);
    }
    let before = topics(&broker);
    broker.process.kill();
    broker.start_again();
    assert_eq!(topics(&broker), before);
    assert_eq!(before.len(), 20);
}

fn topics(broker: &Millrace) -> Vec<(String, millrace_protocol::Uuid, usize)> {
    use millrace_protocol::messages::metadata::MetadataRequest;
    let answer = broker.connect().ask(&MetadataRequest { topics: None, ..Default::default() }, 12);
    let mut topics: Vec<_> = answer
        .topics
        .into_iter()
        .map(|topic| (topic.name.unwrap(), topic.topic_id, topic.partitions.len()))
        .collect();
    topics.sort();
    topics
}
