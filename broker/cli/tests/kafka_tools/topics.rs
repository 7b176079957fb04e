//! `kafka-topics`.

use crate::bench::with_bench;

#[test]
fn a_topic_from_its_creation_to_its_end() {
    with_bench(|bench| {
        bench.compare(
            &[],
            "
            kafka-topics --list
            kafka-topics --create --topic logs --partitions 3 --replication-factor 1
            kafka-topics --create --topic logs --partitions 3
            kafka-topics --create --topic logs --partitions 3 --if-not-exists
            kafka-topics --create --topic with.dots_and_underscores
            kafka-topics --create --topic compacted --config cleanup.policy=compact --config retention.ms=1000
            kafka-topics --create --topic assigned --replica-assignment 1,1,1
            kafka-topics --list
            kafka-topics --list --exclude-internal
            kafka-topics --list --topic 'l.*,compacted'
            kafka-topics --describe --topic logs
            kafka-topics --describe --exclude-internal
            kafka-topics --describe --topic nothing
            kafka-topics --describe --topic nothing --if-exists
            kafka-topics --describe --topic 'com.*'
            kafka-topics --describe --topics-with-overrides --exclude-internal
            kafka-topics --describe --unavailable-partitions
            kafka-topics --describe --under-replicated-partitions --exclude-internal
            kafka-topics --describe --at-min-isr-partitions --topic logs
            kafka-topics --describe --under-min-isr-partitions
            kafka-topics --describe --topic logs --partition-size-limit-per-response 1
            kafka-topics --alter --topic logs --partitions 5
            kafka-topics --alter --topic logs --partitions 5
            kafka-topics --alter --topic logs --partitions 2
            kafka-topics --alter --topic nothing --partitions 2
            kafka-topics --alter --topic nothing --partitions 2 --if-exists
            kafka-topics --alter --topic assigned --partitions 4 --replica-assignment 1,1,1,1
            kafka-topics --describe --topic logs
            kafka-topics --delete --topic nothing
            kafka-topics --delete --topic nothing --if-exists
            kafka-topics --delete --topic logs
            kafka-topics --delete --topic 'with.*|assigned'
            kafka-topics --list
            ",
        );
    });
}

const REFUSED: &str = "
alone kafka-topics
alone kafka-topics --help
alone kafka-topics --version
alone kafka-topics --list
alone kafka-topics.sh --list --zookeeper localhost:2181
alone kafka-topics -list
alone kafka-topics --bootstrap-server
alone kafka-topics --bootstrap-server nowhere --list
kafka-topics
kafka-topics --list --create
kafka-topics --create
kafka-topics --create --topic 'a b'
kafka-topics --create --topic ''
kafka-topics --create --topic .
kafka-topics --create --topic t --partitions 0
kafka-topics --create --topic t --partitions -5
kafka-topics --create --topic t --partitions x
kafka-topics --create --topic t --partitions 99999999999
kafka-topics --create --topic t --replication-factor 0
kafka-topics --create --topic t --replication-factor 3
kafka-topics --create --topic t --replication-factor 40000
kafka-topics --create --topic t --config nonsense
kafka-topics --create --topic t --config nonsense=1
kafka-topics --create --topic t --config retention.ms=soon
kafka-topics --create --topic t --config retention.ms=1 --config retention.ms=2
kafka-topics --describe --topic t
kafka-topics --create --topic t2 --replica-assignment 1:1
kafka-topics --create --topic t2 --replica-assignment 1,1:2
kafka-topics --create --topic t2 --replica-assignment x
kafka-topics --create --topic t2 --replica-assignment 7
kafka-topics --create --topic t2 --replica-assignment 1 --partitions 1
kafka-topics --create --topic t2 --if-exists
kafka-topics --create --topic t2 --exclude-internal
kafka-topics --create --topic t --topic t2
kafka-topics --list --if-not-exists
kafka-topics --list --partitions 1
kafka-topics --list --replication-factor 1
kafka-topics --list --config a=b
kafka-topics --list --topic=
kafka-topics --list --topic= t
kafka-topics --list=yes
kafka-topics --list --topic 'a('
kafka-topics --describe --topic 'a['
kafka-topics --alter --topic t
kafka-topics --alter --topic t --config a=b
kafka-topics --alter --topic t --partitions 3 --replica-assignment 1
kafka-topics --alter --topic t --partitions 3 --replica-assignment 1,1,1,1
kafka-topics --alter --topic t --partitions 0
kafka-topics --alter --topic t --partitions 2 --delete-config a
kafka-topics --delete
kafka-topics --delete --topic __nothing
kafka-topics --describe --under-replicated-partitions --topics-with-overrides
kafka-topics --describe --unavailable-partitions --under-min-isr-partitions
kafka-topics --describe --if-exists
kafka-topics --describe --topic-id nonsense
kafka-topics --describe --topic-id AAAAAAAAAAAAAAAAAAAAAA
kafka-topics --describe --topic-id 3ELQs-KGQBOGMY0lF2RLkQ
kafka-topics --describe --topic-id 3ELQs-KGQBOGMY0lF2RLkQ3ELQs-KGQBOGMY0lF2RLkQ
kafka-topics --describe --topic-id 3ELQs-KGQBOGMY0lF2RLkQ --if-exists
kafka-topics --describe --topic t --topic-id 3ELQs-KGQBOGMY0lF2RLkQ --if-exists
kafka-topics --list --command-config {files}/missing.properties
kafka-topics --list --command-config {files}/client.properties
kafka-topics --list --command-config {files}/empty.properties stray words
kafka-topics --list --help
kafka-topics --list --version
";

#[test]
fn what_kafka_topics_refuses() {
    with_bench(|bench| {
        bench.compare(
            &[
                ("empty.properties", ""),
                ("client.properties", "client.id=somebody\nrequest.timeout.ms = 20000\n"),
            ],
            REFUSED,
        );
    });
}
