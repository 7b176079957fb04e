//! The pages for operators: probes, metrics, the log level.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use millrace_protocol::records::{BatchBuilder, BatchOptions};
use millrace_tests::records::{batch, produce};
use millrace_tests::{Millrace, until};

/// A broker and the address of its pages.
fn start() -> (Millrace, SocketAddr) {
    let pages = crate::free_address();
    let broker = Millrace::start(&[&format!("http.listen={pages}"), "offsets.topic.num.partitions=2"]);
    (broker, pages)
}

/// Status and body.
fn request(pages: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    try_request(pages, method, path, body).unwrap()
}

/// The same where somebody listens.
fn try_request(pages: SocketAddr, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(pages).ok()?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Some((head[9..12].parse().unwrap(), body.to_owned()))
}

fn get(pages: SocketAddr, path: &str) -> (u16, String) {
    request(pages, "GET", path, "")
}

/// The value of one series.
fn sample(metrics: &str, series: &str) -> Option<f64> {
    let line =
        metrics.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn probes_answer() {
    let (broker, pages) = start();
    assert_eq!(get(pages, "/livez"), (200, "ok\n".to_owned()));
    until("the broker is ready", || (get(pages, "/readyz").0 == 200).then_some(()));
    assert_eq!(get(pages, "/nothing").0, 404);
    drop(broker);
}

#[test]
fn a_broker_that_reads_its_logs_again_is_alive_and_not_ready() {
    let (mut broker, pages) = start();
    broker.create_partitions("unclosed", 1000, &[]);
    broker.process.kill();
    // From the moment on that there is a page.
    let look = || {
        let mut seen = Vec::new();
        until("the broker is ready", || {
            let (status, _) = try_request(pages, "GET", "/readyz", "")?;
            if seen.last() != Some(&status) {
                assert_eq!(get(pages, "/livez").0, 200);
                seen.push(status);
            }
            (status == 200).then_some(())
        });
        seen
    };
    let seen = std::thread::scope(|scope| {
        let looking = scope.spawn(look);
        broker.start_again();
        looking.join().unwrap()
    });
    assert_eq!(seen, [503, 200]);
}

#[test]
fn throughput_and_offsets_are_shown() {
    let (broker, pages) = start();
    // More than there are replicas: one is enough for writes, as in Kafka.
    broker.create_partitions("shown", 2, &[("min.insync.replicas", "2")]);
    let mut client = broker.connect();
    let five = batch(&[b"a", b"b", b"c", b"d", b"e"]);
    let bytes = five.len() as f64;
    assert_eq!(produce(&mut client, "shown", five).error_code, ErrorCode::NONE);
    let (status, metrics) = get(pages, "/metrics");
    assert_eq!(status, 200);
    let expected = [
        ("kafka_server_brokertopicmetrics_messagesin_total{topic=\"shown\"}", 5.0),
        ("kafka_server_brokertopicmetrics_bytesin_total{topic=\"shown\"}", bytes),
        ("kafka_topic_partitions{topic=\"shown\"}", 2.0),
        ("kafka_topic_partition_current_offset{topic=\"shown\",partition=\"0\"}", 5.0),
        ("kafka_topic_partition_oldest_offset{topic=\"shown\",partition=\"0\"}", 0.0),
        ("kafka_topic_partition_leader{topic=\"shown\",partition=\"1\"}", 1.0),
        ("kafka_topic_partition_leader_is_preferred{topic=\"shown\",partition=\"1\"}", 1.0),
        ("kafka_topic_partition_replicas{topic=\"shown\",partition=\"1\"}", 1.0),
        ("kafka_topic_partition_in_sync_replica{topic=\"shown\",partition=\"1\"}", 1.0),
        ("kafka_topic_partition_under_replicated_partition{topic=\"shown\",partition=\"1\"}", 0.0),
        ("kafka_cluster_partition_atminisr{topic=\"shown\",partition=\"0\"}", 1.0),
        ("kafka_cluster_partition_underminisr{topic=\"shown\",partition=\"0\"}", 0.0),
        ("kafka_log_log_size{topic=\"shown\",partition=\"0\"}", bytes),
        ("kafka_brokers", 1.0),
        ("millrace_ready", 1.0),
        ("millrace_request_duration_seconds_count{api=\"Produce\"}", 1.0),
    ];
    for (series, value) in expected {
        assert_eq!(sample(&metrics, series), Some(value), "{series}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let exporter = format!("kafka_exporter_build_info{{version=\"{version}\"}}");
    assert_eq!(sample(&metrics, &exporter), Some(1.0));
    assert!(metrics.contains("kafka_broker_info{id=\"1\",address=\""), "brokers and their addresses");
    assert!(sample(&metrics, "process_resident_memory_bytes").is_some_and(|bytes| bytes > 1e6));
    assert!(sample(&metrics, "millrace_connections").is_some_and(|count| count >= 1.0));
}

/// Offsets of a group without members, as tools commit them.
fn commit(broker: &Millrace, group: &str, topic: &str, offset: i64) {
    let partition =
        OffsetCommitRequestPartition { partition_index: 0, committed_offset: offset, ..Default::default() };
    let request = OffsetCommitRequest {
        group_id: group.to_owned(),
        generation_id_or_member_epoch: -1,
        topics: vec![OffsetCommitRequestTopic { name: topic.to_owned(), partitions: vec![partition] }],
        ..Default::default()
    };
    let mut client = broker.connect();
    let finding = millrace_protocol::messages::find_coordinator::FindCoordinatorRequest {
        key: group.to_owned(),
        ..Default::default()
    };
    until("the group's coordinator has loaded", || {
        client.ask(&finding, 0);
        let answer = client.ask(&request, 8);
        (answer.topics[0].partitions[0].error_code == ErrorCode::NONE).then_some(())
    });
}

#[test]
fn lag_is_shown_in_records_and_seconds() {
    let (broker, pages) = start();
    broker.create_topic("late", &[]);
    let mut client = broker.connect();
    for _ in 0..2 {
        assert_eq!(produce(&mut client, "late", batch(&[b"a", b"b"])).error_code, ErrorCode::NONE);
    }
    // In the middle of a batch, at the start of one, and at the end.
    for (committed, lag) in [(1, 3.0), (2, 2.0), (4, 0.0)] {
        commit(&broker, "slow", "late", committed);
        let (_, metrics) = get(pages, "/metrics");
        let of = |name: &str| {
            sample(&metrics, &format!("{name}{{consumergroup=\"slow\",topic=\"late\",partition=\"0\"}}"))
        };
        assert_eq!(of("kafka_consumergroup_lag"), Some(lag), "{metrics}");
        assert_eq!(of("kafka_consumergroup_current_offset"), Some(committed as f64));
        let lag_sum = sample(&metrics, "kafka_consumergroup_lag_sum{consumergroup=\"slow\",topic=\"late\"}");
        assert_eq!(lag_sum, Some(lag));
        let seconds =
            metrics.lines().find(|line| line.starts_with("kafka_consumergroup_group_max_lag_seconds"));
        let seconds: f64 = seconds.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        assert_eq!(seconds > 0.0, lag > 0.0, "{seconds} s");
        assert!(seconds < 60.0, "{seconds} s");
    }
    assert_eq!(
        sample(&get(pages, "/metrics").1, "kafka_consumergroup_members{consumergroup=\"slow\"}"),
        Some(0.0)
    );
}

#[test]
fn an_age_that_is_not_known_is_left_out_rather_than_shown_as_none() {
    let (broker, pages) = start();
    broker.create_topic("ageless", &[]);
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(-1, None, Some(b"no time"), &[]);
    let records = builder.build().unwrap();
    assert_eq!(produce(&mut broker.connect(), "ageless", records).error_code, ErrorCode::NONE);
    let seconds = || {
        let (_, metrics) = get(pages, "/metrics");
        let of_group = |line: &&str| line.contains("_lag_seconds{") && line.contains("group=\"slow\"");
        let shown = metrics.lines().filter(of_group).count();
        let records = sample(
            &metrics,
            "kafka_consumergroup_lag{consumergroup=\"slow\",topic=\"ageless\",partition=\"0\"}",
        );
        (records, shown)
    };
    commit(&broker, "slow", "ageless", 0);
    assert_eq!(seconds(), (Some(1.0), 0), "behind, nobody knows since when");
    commit(&broker, "slow", "ageless", 1);
    assert_eq!(seconds(), (Some(0.0), 2), "caught up");
}

#[test]
fn series_of_a_topic_end_with_it() {
    let (broker, pages) = start();
    broker.create_topic("short", &[]);
    assert!(get(pages, "/metrics").1.contains("topic=\"short\""));
    let request = millrace_protocol::messages::delete_topics::DeleteTopicsRequest {
        topic_names: vec!["short".to_owned()],
        ..Default::default()
    };
    assert_eq!(broker.connect().ask(&request, 5).responses[0].error_code, ErrorCode::NONE);
    assert!(!get(pages, "/metrics").1.contains("topic=\"short\""));
}

#[test]
fn the_log_level_changes_while_it_runs() {
    let (broker, pages) = start();
    assert_eq!(get(pages, "/log-level"), (200, "root=INFO\n".to_owned()));
    assert_eq!(request(pages, "PUT", "/log-level", "loud").0, 400);
    assert!(!broker.process.output().contains("metadata committed"));
    let (status, levels) = request(pages, "PUT", "/log-level", "warn,millrace::quorum=debug");
    assert_eq!((status, levels.as_str()), (200, "root=WARN\nmillrace::quorum=DEBUG\n"));
    broker.create_topic("logged", &[]);
    until("the quorum says what it commits", || {
        broker.process.output().contains("metadata committed").then_some(())
    });
}
