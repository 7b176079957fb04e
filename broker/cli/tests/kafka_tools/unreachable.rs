//! What all tools say where no broker answers.

use crate::bench::with_bench;

/// Nobody listens on port 1, and no resolver has to be asked for a name with an empty part.
#[test]
fn addresses_that_lead_nowhere() {
    with_bench(|bench| {
        bench.compare(
            &[
                ("short.properties", "default.api.timeout.ms=800\nrequest.timeout.ms=800\n"),
                ("delete.json", r#"{"partitions":[{"topic":"a","partition":0,"offset":0}]}"#),
            ],
            "
            alone kafka-topics --bootstrap-server 127.0.0.1:1 --command-config {files}/short.properties --list
            alone kafka-topics --bootstrap-server 127.0.0.1:1 --command-config {files}/short.properties --create --topic t
            alone kafka-topics --bootstrap-server localhost:1 --command-config {files}/short.properties --describe --topic t
            alone kafka-topics --bootstrap-server a..b:1 --list
            alone kafka-consumer-groups --bootstrap-server 127.0.0.1:1 --timeout 800 --list
            alone kafka-consumer-groups --bootstrap-server 127.0.0.1:1 --timeout 800 --list --state
            alone kafka-consumer-groups --bootstrap-server 127.0.0.1:1 --timeout 800 --describe --group g
            alone kafka-consumer-groups --bootstrap-server 127.0.0.1:1 --timeout 800 --describe --all-groups
            alone kafka-consumer-groups --bootstrap-server 127.0.0.1:1 --timeout 800 --delete --group g
            alone kafka-consumer-groups --bootstrap-server 127.0.0.1:1 --timeout 800 --reset-offsets --group g --topic t --to-earliest --execute
            alone kafka-consumer-groups --bootstrap-server a..b:1 --list
            alone kafka-configs --bootstrap-server 127.0.0.1:1 --command-config {files}/short.properties --describe --topic t
            alone kafka-configs --bootstrap-server 127.0.0.1:1 --command-config {files}/short.properties --describe --broker 1
            alone kafka-configs --bootstrap-server 127.0.0.1:1 --command-config {files}/short.properties --describe --group g
            alone kafka-configs --bootstrap-server 127.0.0.1:1 --command-config {files}/short.properties --alter --topic t --add-config retention.ms=1
            alone kafka-configs --bootstrap-server a..b:1 --describe --topic t
            alone kafka-get-offsets --bootstrap-server 127.0.0.1:1 --command-config {files}/short.properties
            alone kafka-get-offsets --bootstrap-server a..b:1
            alone kafka-delete-records --bootstrap-server 127.0.0.1:1 --command-config {files}/short.properties --offset-json-file {files}/delete.json
            alone kafka-delete-records --bootstrap-server a..b:1 --offset-json-file {files}/delete.json
            alone kafka-broker-api-versions --bootstrap-server 127.0.0.1:1
            alone kafka-broker-api-versions --bootstrap-server a..b:1
            alone kafka-console-producer --bootstrap-server 127.0.0.1:1 --topic t --max-block-ms 800 < x\\n
            alone kafka-console-producer --bootstrap-server 127.0.0.1:1 --topic t --max-block-ms 800 --sync < x\\n
            alone kafka-console-producer --bootstrap-server a..b:1 --topic t < x\\n
            alone kafka-console-consumer --bootstrap-server 127.0.0.1:1 --topic t --timeout-ms 800
            alone kafka-console-consumer --bootstrap-server a..b:1 --topic t --timeout-ms 800
            alone kafka-producer-perf-test --topic t --num-records 2 --record-size 10 --throughput -1 --producer-props bootstrap.servers=127.0.0.1:1 max.block.ms=800
            alone kafka-producer-perf-test --topic t --num-records 2 --record-size 10 --throughput -1 --producer-props bootstrap.servers=a..b:1
            alone kafka-consumer-perf-test --bootstrap-server 127.0.0.1:1 --topic t --messages 2 --timeout 800
            alone kafka-consumer-perf-test --bootstrap-server a..b:1 --topic t --messages 2 --timeout 800
            ",
        );
    });
}
