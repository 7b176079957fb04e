//! `kafka-configs`.

use crate::bench::with_bench;

#[test]
fn settings_of_topics_brokers_and_groups() {
    with_bench(|bench| {
        bench.compare(
            &[("add.properties", "retention.ms=5000\nsegment.bytes = 1048576\n")],
            "
            kafka-topics --create --topic t --config retention.ms=1000
            kafka-topics --create --topic other
            kafka-configs --describe --entity-type topics --entity-name t
            kafka-configs --describe --topic t
            kafka-configs --describe --topic t --all
            kafka-configs --describe --entity-type topics
            kafka-configs --describe --topic missing
            kafka-configs --describe --topic missing --all
            kafka-configs --alter --topic t --add-config max.message.bytes=12345
            kafka-configs --alter --entity-type topics --entity-name t --add-config cleanup.policy=[compact,delete],retention.ms=2000
            kafka-configs --describe --topic t
            kafka-configs --alter --topic t --delete-config retention.ms,max.message.bytes
            kafka-configs --alter --topic t --delete-config retention.ms
            kafka-configs --alter --topic t --add-config-file {files}/add.properties
            kafka-configs --alter --topic t --add-config segment.bytes=2097152 --delete-config retention.ms
            kafka-configs --describe --topic t
            kafka-configs --describe --entity-type brokers --entity-name 1
            kafka-configs --describe --broker 1
            kafka-configs --describe --entity-type brokers
            kafka-configs --describe --entity-type brokers --entity-default
            kafka-configs --alter --broker 1 --add-config log.cleaner.threads=2
            kafka-configs --alter --entity-type brokers --entity-default --add-config message.max.bytes=2000000
            kafka-configs --describe --broker 1
            kafka-configs --describe --broker-defaults
            kafka-configs --alter --broker 1 --delete-config log.cleaner.threads
            kafka-configs --alter --broker-defaults --delete-config message.max.bytes
            kafka-configs --alter --group g --add-config consumer.session.timeout.ms=50000
            kafka-configs --alter --group g --delete-config consumer.session.timeout.ms
            ",
        );
    });
}

/// At a broker without ListConfigResources (KIP-1142), Kafka's tool fails where a group has no members; ours
/// goes by what is set for the group.
#[test]
fn settings_of_groups_that_nobody_is_in() {
    with_bench(|bench| {
        bench.compare_on_kafka(
            &[],
            "
            kafka-configs --alter --group g --add-config consumer.session.timeout.ms=50000
            kafka-configs --describe --group g
            kafka-configs --describe --entity-type groups --entity-name g
            kafka-configs --describe --group g --all
            kafka-configs --alter --group g --delete-config consumer.session.timeout.ms
            ",
        );
    });
}

#[test]
fn what_kafka_configs_refuses() {
    with_bench(|bench| {
        bench.compare(
            &[],
            "
            alone kafka-configs
            alone kafka-configs --help
            alone kafka-configs --version
            alone kafka-configs --describe --topic t
            alone kafka-configs --describe --topic t --nonsense
            kafka-configs
            kafka-configs --describe
            kafka-configs --alter --describe --topic t
            kafka-configs --describe --topic t --add-config a=b
            kafka-configs --describe --entity-type nonsense
            kafka-configs --describe --entity-type topics --entity-type topics
            kafka-configs --describe --entity-type topics --entity-type brokers
            kafka-configs --describe --entity-type topics --topic t
            kafka-configs --describe --entity-type topics --entity-default
            kafka-configs --describe --entity-type brokers --entity-name x
            kafka-configs --describe --broker 77
            kafka-configs --describe --entity-type broker-loggers
            kafka-configs --describe --topic 'a b'
            kafka-configs --alter --topic t
            kafka-configs --alter --entity-type topics --add-config a=b
            kafka-configs --alter --entity-type brokers --add-config a=b
            kafka-configs --alter --topic t --add-config a
            kafka-configs --alter --topic t --add-config a=b=c
            kafka-configs --alter --topic t --add-config 'a b=c'
            kafka-configs --alter --topic t --add-config retention.ms=1
            kafka-topics --create --topic t
            kafka-configs --alter --topic t --add-config nonsense=1
            kafka-configs --alter --topic t --add-config retention.ms=soon
            kafka-configs --alter --topic t --add-config cleanup.policy=nonsense
            kafka-configs --alter --topic t --add-config a=b --add-config-file x
            kafka-configs --alter --topic t --add-config-file {files}/missing
            kafka-configs --alter --topic t --delete-config nonsense
            kafka-configs --alter --broker 1 --add-config log.dirs=/elsewhere
            kafka-configs --alter --broker 1 --add-config nonsense.key=1
            kafka-configs --alter --broker 1 --add-config num.io.threads=x
            kafka-configs --alter --topic t --broker 1 --add-config a=b
            kafka-configs --describe --bootstrap-controller {bootstrap} --topic t
            ",
        );
    });
}
