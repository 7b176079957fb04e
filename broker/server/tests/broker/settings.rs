//! Settings that change while the broker runs: by the admin API, and by SIGHUP.

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};
use millrace_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use millrace_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use millrace_tests::records::{batch, produce};
use millrace_tests::{Connection, Millrace, until};
use rustix::process::Signal;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;

const SET: i8 = 0;
const DELETE: i8 = 1;

/// Changes one setting; returns code and text.
fn alter(
    client: &mut Connection,
    kind: i8,
    resource: &str,
    operation: i8,
    key: &str,
    value: &str,
) -> (ErrorCode, String) {
    let value = (operation != DELETE).then(|| value.to_owned());
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: kind,
            resource_name: resource.to_owned(),
            configs: vec![AlterableConfig { name: key.to_owned(), config_operation: operation, value }],
        }],
        validate_only: false,
    };
    let answer = client.ask(&request, 1).responses.remove(0);
    (answer.error_code, answer.error_message.unwrap_or_default())
}

fn described(client: &mut Connection, kind: i8, resource: &str, key: &str) -> DescribeConfigsResourceResult {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: kind,
            resource_name: resource.to_owned(),
            configuration_keys: Some(vec![key.to_owned()]),
        }],
        include_synonyms: true,
        include_documentation: true,
    };
    client.ask(&request, 4).results.remove(0).configs.remove(0)
}

#[test]
fn a_topics_limit_counts_at_once() {
    let broker = Millrace::start(&[]);
    broker.create_topic("limited", &[]);
    let mut client = broker.connect();
    let large = batch(&[&[b'x'; 2000]]);
    assert_eq!(produce(&mut client, "limited", large.clone()).error_code, ErrorCode::NONE);
    assert_eq!(
        alter(&mut client, TOPIC, "limited", SET, "max.message.bytes", "1000"),
        (ErrorCode::NONE, String::new())
    );
    assert_eq!(produce(&mut client, "limited", large.clone()).error_code, ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(
        alter(&mut client, TOPIC, "limited", DELETE, "max.message.bytes", ""),
        (ErrorCode::NONE, String::new())
    );
    assert_eq!(produce(&mut client, "limited", large).error_code, ErrorCode::NONE);
}

#[test]
fn topics_follow_the_brokers_default_and_say_so() {
    let broker = Millrace::start(&[]);
    broker.create_topic("follows", &[]);
    let mut client = broker.connect();
    let large = batch(&[&[b'x'; 2000]]);
    for (resource, limit, source) in [("", "1500", 3), ("1", "1200", 2)] {
        assert_eq!(alter(&mut client, BROKER, resource, SET, "message.max.bytes", limit).0, ErrorCode::NONE);
        let shown = described(&mut client, TOPIC, "follows", "max.message.bytes");
        assert_eq!((shown.value.as_deref(), shown.config_source), (Some(limit), source));
        assert_eq!(shown.synonyms[0].name, "message.max.bytes");
        assert!(shown.documentation.is_some_and(|text| !text.is_empty()));
        assert_eq!(produce(&mut client, "follows", large.clone()).error_code, ErrorCode::MESSAGE_TOO_LARGE);
    }
    let (code, text) = alter(&mut client, BROKER, "1", SET, "log.dirs", "/elsewhere");
    assert_eq!(
        (code, text.as_str()),
        (ErrorCode::INVALID_REQUEST, "Cannot update these configs dynamically: Set(log.dirs)")
    );
}

#[test]
fn dynamic_settings_survive_a_restart() {
    let mut broker = Millrace::start(&[]);
    broker.create_topic("kept", &[]);
    assert_eq!(
        alter(&mut broker.connect(), BROKER, "1", SET, "message.max.bytes", "1000").0,
        ErrorCode::NONE
    );
    assert_eq!(broker.process.terminate(), Some(0));
    broker.start_again();
    let answer = produce(&mut broker.connect(), "kept", batch(&[&[b'x'; 2000]]));
    assert_eq!(answer.error_code, ErrorCode::MESSAGE_TOO_LARGE);
}

#[test]
fn connections_follow_a_limit_that_changes() {
    let broker = Millrace::start(&[]);
    let mut client = broker.connect();
    assert!(client.knows_brokers());
    assert_eq!(alter(&mut client, BROKER, "", SET, "max.connections", "1").0, ErrorCode::NONE);
    assert!(!broker.connect().knows_brokers());
    assert_eq!(alter(&mut client, BROKER, "", DELETE, "max.connections", "").0, ErrorCode::NONE);
    assert!(broker.connect().knows_brokers());
}

/// A client's first question about a topic, which creates it.
fn named(topic: &str) -> MetadataRequest {
    let topic = MetadataRequestTopic { name: Some(topic.to_owned()), ..Default::default() };
    MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: true, ..Default::default() }
}

#[test]
fn sighup_reads_the_file_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("server.properties");
    std::fs::write(&file, "message.max.bytes=100000\nnum.partitions=1\n").unwrap();
    let (process, address) = crate::serve(directory.path(), &["server.properties"]);
    let mut client = Connection::open(address);
    assert_eq!(client.ask(&named("reloaded"), 4).topics[0].error_code, ErrorCode::NONE);
    let large = batch(&[&[b'x'; 2000]]);
    assert_eq!(produce(&mut client, "reloaded", large.clone()).error_code, ErrorCode::NONE);
    std::fs::write(&file, "message.max.bytes=1000\nnum.partitions=3\n").unwrap();
    process.signal(Signal::HUP);
    until("the smaller limit counts", || {
        (produce(&mut client, "reloaded", large.clone()).error_code == ErrorCode::MESSAGE_TOO_LARGE)
            .then_some(())
    });
    assert!(process.output().contains("these settings change with the next start: num.partitions"));
    std::fs::write(&file, "message.max.byte=1\n").unwrap();
    process.signal(Signal::HUP);
    until("the mistake is told", || {
        process.output().contains("did you mean message.max.bytes?").then_some(())
    });
    assert!(client.knows_brokers());
}

#[test]
fn loggers_are_a_resource() {
    let broker = Millrace::start(&[]);
    let mut client = broker.connect();
    assert_eq!(described(&mut client, BROKER_LOGGER, "1", "root").value.as_deref(), Some("INFO"));
    assert_eq!(alter(&mut client, BROKER_LOGGER, "1", SET, "millrace::quorum", "DEBUG").0, ErrorCode::NONE);
    assert_eq!(
        described(&mut client, BROKER_LOGGER, "1", "millrace::quorum").value.as_deref(),
        Some("DEBUG")
    );
    broker.create_topic("logged", &[]);
    until("the quorum says what it commits", || {
        broker.process.output().contains("metadata committed").then_some(())
    });
    let refused = [
        (SET, "kafka.server.KafkaApis", "INFO", "Logger kafka.server.KafkaApis does not exist!"),
        (DELETE, "root", "", "Removing the log level of the root logger is not allowed"),
        (2, "root", "x", "APPEND operation is not allowed for the BROKER_LOGGER resource"),
    ];
    for (operation, logger, level, text) in refused {
        assert_eq!(alter(&mut client, BROKER_LOGGER, "1", operation, logger, level).1, text);
    }
}
