//! `kafka-console-consumer`.

use millrace_cli::Tool;

use crate::bench::{admin, create, with_bench};

#[test]
fn records_are_printed() {
    with_bench(|bench| {
        bench.compare(
            &[
                ("formatter.properties", "print.key=true\nkey.separator=\\ =>\\ \nnull.literal=(none)\n"),
                ("consumer.properties", "auto.offset.reset=earliest\nclient.id=me\n"),
            ],
            "
            kafka-topics --create --topic t
            kafka-topics --create --topic keyed --partitions 3
            kafka-topics --create --topic keyless
            java kafka-console-producer --topic t < one\\ntwo\\nthree\\n
            java kafka-console-producer --topic t --compression-codec lz4 < four\\nfive\\n
            java kafka-console-producer --topic keyed --property parse.key=true --property parse.headers=true --property null.marker=NULL < h:1,i:NULL\\tk1\\tv1\\nNULL\\tk2\\tNULL\\n
            # A record without a key goes to any partition: this topic has one.
            java kafka-console-producer --topic keyless --property parse.key=true --property parse.headers=true --property null.marker=NULL < j:3\\tNULL\\tv3\\n
            kafka-console-consumer --topic t --from-beginning --max-messages 5
            kafka-console-consumer --topic t --from-beginning --max-messages 2 --timeout-ms 20000
            kafka-console-consumer --topic t --from-beginning --max-messages 0
            kafka-console-consumer --topic t --from-beginning --timeout-ms 3000
            kafka-console-consumer --topic t --timeout-ms 2000
            kafka-console-consumer --topic t --partition 0 --offset 3 --max-messages 2
            kafka-console-consumer --topic t --partition 0 --offset earliest --max-messages 1
            kafka-console-consumer --topic t --partition 0 --from-beginning --max-messages 1
            kafka-console-consumer --topic t --partition 0 --offset latest --timeout-ms 1000
            kafka-console-consumer --topic t --partition 0 --timeout-ms 1000
            kafka-console-consumer --include 't|nothing' --from-beginning --max-messages 5 --timeout-ms 20000
            kafka-console-consumer --topic t --consumer.config {files}/consumer.properties --max-messages 1
            kafka-console-consumer --topic t --consumer-property auto.offset.reset=earliest --max-messages 1
            kafka-console-consumer --topic t --from-beginning --isolation-level read_committed --max-messages 5
            kafka-console-consumer --topic t --from-beginning --max-messages 1 --enable-systest-events
            kafka-console-consumer --topic t --partition 0 --offset 1 --max-messages 1 --property print.timestamp=true --property print.partition=true --property print.offset=true --property print.epoch=true --property print.delivery=true --property print.headers=true --property print.key=true
            kafka-console-consumer --topic t --partition 0 --offset 1 --max-messages 2 --property print.value=false --property print.offset=true --property line.separator=;
            kafka-console-consumer --topic keyed --partition 0 --from-beginning --timeout-ms 1000 --formatter-config {files}/formatter.properties
            kafka-console-consumer --topic keyed --partition 1 --from-beginning --timeout-ms 1000 --property print.headers=true --property print.key=true --property headers.separator=/
            kafka-console-consumer --topic keyless --from-beginning --max-messages 1 --property print.headers=true --property print.key=true
            kafka-console-consumer --topic keyed --partition 2 --from-beginning --timeout-ms 1000 --property print.headers=true --property print.key=true
            ",
        );
    });
}

#[test]
fn formatters_and_deserializers() {
    let package = "org.apache.kafka.tools.consumer";
    let serialization = "org.apache.kafka.common.serialization";
    with_bench(|bench| {
        let script = "
            kafka-topics --create --topic t
            java kafka-console-producer --topic t --property parse.key=true < key1\\tvaluevalue\\nkey2\\tab\\n
            kafka-console-consumer --topic t --from-beginning --max-messages 2 --formatter PACKAGE.DefaultMessageFormatter
            kafka-console-consumer --topic t --from-beginning --max-messages 2 --formatter PACKAGE.LoggingMessageFormatter
            kafka-console-consumer --topic t --from-beginning --max-messages 2 --formatter PACKAGE.NoOpMessageFormatter
            kafka-console-consumer --topic t --from-beginning --max-messages 2 --formatter nonsense
            kafka-console-consumer --topic t --from-beginning --max-messages 2 --property print.key=true --key-deserializer SERIALIZATION.IntegerDeserializer
            kafka-console-consumer --topic t --from-beginning --max-messages 2 --value-deserializer SERIALIZATION.StringDeserializer
            kafka-console-consumer --topic t --from-beginning --max-messages 2 --property value.deserializer=SERIALIZATION.BytesDeserializer
            kafka-console-consumer --topic t --from-beginning --max-messages 2 --value-deserializer SERIALIZATION.ShortDeserializer
            kafka-console-consumer --topic t --from-beginning --max-messages 2 --value-deserializer SERIALIZATION.ShortDeserializer --skip-message-on-error
            kafka-console-consumer --topic t --from-beginning --max-messages 2 --value-deserializer nonsense
            ";
        let script = script.replace("PACKAGE", package).replace("SERIALIZATION", serialization);
        bench.compare(&[], &script);
    });
}

#[test]
fn groups_remember_how_far_they_read() {
    with_bench(|bench| {
        bench.compare(
            &[],
            "
            kafka-topics --create --topic t
            java kafka-console-producer --topic t < one\\ntwo\\nthree\\nfour\\n
            kafka-console-consumer --topic t --group g --from-beginning --max-messages 1
            kafka-consumer-groups --describe --group g
            kafka-console-consumer --topic t --group g --max-messages 2
            kafka-console-consumer --topic t --consumer-property group.id=g --from-beginning --timeout-ms 3000
            kafka-consumer-groups --describe --group g
            kafka-consumer-groups --reset-offsets --group g --topic t --shift-by -2 --execute
            kafka-console-consumer --topic t --group g --max-messages 2
            kafka-console-consumer --topic t --group g --timeout-ms 2000
            ",
        );
    });
}

#[test]
fn what_kafka_console_consumer_refuses() {
    with_bench(|bench| {
        bench.compare(
            &[("group.properties", "group.id=other\n")],
            "
            alone kafka-console-consumer
            alone kafka-console-consumer --help
            alone kafka-console-consumer --version
            alone kafka-console-consumer --topic t
            alone kafka-console-consumer --zookeeper a:1 --topic t
            alone kafka-console-consumer --bootstrap-server nonsense --topic t
            kafka-console-consumer
            kafka-console-consumer --topic t --include u
            kafka-console-consumer --topic t --topic u
            kafka-console-consumer --include t --partition 0
            kafka-console-consumer --topic t --partition x
            kafka-console-consumer --topic t --offset 3
            kafka-console-consumer --topic t --partition 0 --offset -3
            kafka-console-consumer --topic t --partition 0 --offset nonsense
            kafka-console-consumer --topic t --partition 0 --offset 3 --from-beginning
            kafka-console-consumer --topic t --partition 0 --group g
            kafka-console-consumer --topic t --group g --consumer-property group.id=g2
            kafka-console-consumer --topic t --group g --consumer.config {files}/group.properties
            kafka-console-consumer --topic t --from-beginning --consumer-property auto.offset.reset=latest
            kafka-console-consumer --topic t --max-messages x
            kafka-console-consumer --topic t --timeout-ms x
            kafka-console-consumer --topic t --isolation-level nonsense
            kafka-console-consumer --topic t --consumer-property max.poll.records=x
            kafka-console-consumer --topic t --consumer.config {files}/missing
            kafka-console-consumer --topic t --formatter-config {files}/missing
            kafka-console-consumer --topic 'a b' --timeout-ms 2000
            ",
        );
    });
}

/// Both read what the broker itself wrote down about a group.
#[test]
fn offsets_and_groups_are_printed_as_json() {
    const GROUP: &str = "watched";
    with_bench(|bench| {
        for (_, address) in bench.brokers() {
            bench.runtime.block_on(create(&admin(&address), "t", 2));
            let run = |tool, line: &str| {
                let line = format!("--bootstrap-server {address} {line}");
                let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
                assert_eq!(bench.run_ours(tool, &arguments, b"one\ntwo\n").status, 0);
            };
            run(Tool::ConsoleProducer, "--topic t");
            run(Tool::ConsoleConsumer, "--topic t --group watched --from-beginning --max-messages 2");
        }
        bench.compare_in_place(
            async |address| {
                let described = admin(address).describe_topics(vec!["__consumer_offsets".to_owned()]).await;
                let topic = described.unwrap().pop().unwrap().1.unwrap();
                partition_of(GROUP, topic.partitions.len())
            },
            |partition| {
                let read = format!(
                    "kafka-console-consumer --topic __consumer_offsets --partition {partition} --from-beginning \
                     --timeout-ms 1500 --formatter org.apache.kafka.tools.consumer"
                );
                format!("{read}.OffsetsMessageFormatter\n{read}.GroupMetadataMessageFormatter")
            },
            async |_| {},
        );
    });
}

/// `Utils.abs(groupId.hashCode()) % partitions`.
fn partition_of(group: &str, partitions: usize) -> usize {
    let hash = group.bytes().fold(0i32, |hash, letter| hash.wrapping_mul(31).wrapping_add(i32::from(letter)));
    (hash & i32::MAX) as usize % partitions
}
