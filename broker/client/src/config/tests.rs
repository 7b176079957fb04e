//! Properties to settings, and refusals in Java's words. Never connects.

use super::*;
use crate::topic_partition::IsolationLevel;
use millrace_protocol::records::Compression;

fn message(error: ClientError) -> String {
    match error {
        ClientError::Config { message, .. } => message,
        other => panic!("{other}"),
    }
}

const BOOTSTRAP: (&str, &str) = ("bootstrap.servers", "localhost:9092");

#[test]
fn every_key_that_java_knows_is_known() {
    for (file, kind) in [
        (include_str!("../../tests/data/producer-keys.txt"), "producer"),
        (include_str!("../../tests/data/consumer-keys.txt"), "consumer"),
    ] {
        // Values that are valid for each key are not known here; what counts is that the key is read
        // or listed, so an error about the value shows as much as success.
        for key in file.lines().filter(|key| *key != "bootstrap.servers") {
            let pairs = [BOOTSTRAP, (key, "1")];
            let unused = match kind {
                "producer" => ProducerConfig::from_properties(pairs).map(|config| config.client.unused),
                _ => ConsumerConfig::from_properties(pairs).map(|config| config.client.unused),
            };
            assert_eq!(unused.unwrap_or_default(), Vec::<String>::new(), "{kind} {key}");
        }
    }
}

#[test]
fn unknown_keys_are_kept_for_a_warning() {
    let config =
        ProducerConfig::from_properties([BOOTSTRAP, ("lingr.ms", "5"), ("ssl.protocol", "x")]).unwrap();
    assert_eq!(config.client.unused, ["lingr.ms"]);
}

#[test]
fn producer_properties_are_read() {
    let config = ProducerConfig::from_properties([
        ("bootstrap.servers", "a:1, b:2"),
        ("acks", "1"),
        ("linger.ms", "20"),
        ("batch.size", "1000"),
        ("compression.type", "zstd"),
        ("max.in.flight.requests.per.connection", "1"),
        ("request.timeout.ms", "1000"),
        ("delivery.timeout.ms", "2000"),
    ])
    .unwrap();
    assert_eq!(config.client.bootstrap_servers, ["a:1", "b:2"]);
    assert_eq!(config.acks, Acks::Leader);
    assert!(!config.idempotence, "acks=1 turns the default off");
    assert_eq!(config.batching.linger.as_millis(), 20);
    assert_eq!(config.batching.compression, Compression::Zstd);
    assert_eq!(config.client.in_flight_max, 1);
    assert_eq!(config.delivery_timeout.as_millis(), 2000);
}

#[test]
fn bad_values_are_refused_in_java_s_words() {
    let cases = [
        (("linger.ms", "x"), "Invalid value x for configuration linger.ms: Not a number of type LONG"),
        (("linger.ms", "-1"), "Invalid value -1 for configuration linger.ms: Value must be at least 0"),
        (
            ("batch.size", "3000000000"),
            "Invalid value 3000000000 for configuration batch.size: Not a number of type INT",
        ),
        (("acks", "2"), "Invalid value 2 for configuration acks: String must be one of: all, -1, 0, 1"),
        (
            ("enable.idempotence", "yes"),
            "Invalid value yes for configuration enable.idempotence: Expected value to be either true or false",
        ),
        (
            ("delivery.timeout.ms", "10"),
            "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms",
        ),
        (
            ("security.protocol", "SASL_SSL"),
            "security.protocol=SASL_SSL is not supported: this client speaks PLAINTEXT only",
        ),
        (("bootstrap.servers", "nowhere"), "Invalid url in bootstrap.servers: nowhere"),
        (("bootstrap.servers", ""), "No resolvable bootstrap urls given in bootstrap.servers"),
    ];
    for (pair, expected) in cases {
        let error = ProducerConfig::from_properties([BOOTSTRAP, pair]).unwrap_err();
        assert_eq!(message(error), expected);
    }
    let none: [(&str, &str); 0] = [];
    assert_eq!(
        message(ClientConfig::from_properties(none).unwrap_err()),
        "Missing required configuration \"bootstrap.servers\" which has no default value."
    );
}

#[test]
fn idempotence_that_was_asked_for_insists() {
    let error = ProducerConfig::from_properties([BOOTSTRAP, ("enable.idempotence", "true"), ("acks", "1")])
        .unwrap_err();
    assert!(message(error).starts_with("Must set acks to all in order to use the idempotent producer."));
    let error = ProducerConfig::from_properties([
        BOOTSTRAP,
        ("enable.idempotence", "true"),
        ("max.in.flight.requests.per.connection", "6"),
    ])
    .unwrap_err();
    assert!(message(error).contains("to at most 5"));
}

#[test]
fn consumer_properties_are_read() {
    let config = ConsumerConfig::from_properties([
        BOOTSTRAP,
        ("group.id", "g"),
        ("auto.offset.reset", "earliest"),
        ("isolation.level", "read_committed"),
        (
            "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.CooperativeStickyAssignor,range",
        ),
        ("max.poll.records", "7"),
    ])
    .unwrap();
    let group = config.group.unwrap();
    assert_eq!(group.assignors, [AssignorKind::CooperativeSticky, AssignorKind::Range]);
    assert_eq!(config.offsets.reset, OffsetReset::Earliest);
    assert!(config.offsets.auto_commit);
    assert_eq!(config.fetch.isolation, IsolationLevel::ReadCommitted);
    assert_eq!(config.poll_records_max, 7);
}

#[test]
fn without_a_group_nothing_commits() {
    let config = ConsumerConfig::from_properties([BOOTSTRAP]).unwrap();
    assert!(config.group.is_none() && !config.offsets.auto_commit);
    let error = ConsumerConfig::from_properties([BOOTSTRAP, ("enable.auto.commit", "true")]).unwrap_err();
    assert!(message(error).contains("default group id (null)"));
}

#[test]
fn offset_reset_by_duration() {
    for (text, seconds) in [("by_duration:PT1H", 3600), ("by_duration:P1DT2H3M4S", 93_784)] {
        let config = ConsumerConfig::from_properties([BOOTSTRAP, ("auto.offset.reset", text)]).unwrap();
        assert_eq!(config.offsets.reset, OffsetReset::ByDuration(Duration::from_secs(seconds)));
    }
    for text in ["by_duration:", "by_duration:P", "by_duration:P1H", "sometimes"] {
        assert!(ConsumerConfig::from_properties([BOOTSTRAP, ("auto.offset.reset", text)]).is_err(), "{text}");
    }
}

#[test]
fn addresses_are_split_as_java_splits_them() {
    for (address, host, port) in [
        ("localhost:9092", "localhost", 9092),
        ("[::1]:1234", "::1", 1234),
        ("PLAINTEXT://broker.example:9", "broker.example", 9),
    ] {
        assert_eq!(split_address(address).unwrap(), (host.to_owned(), port));
    }
    for address in ["localhost", ":9092", "host:", "host:99999", "a b:1"] {
        assert!(split_address(address).is_err(), "{address}");
    }
}
