//! `kafka-console-producer`. What it wrote, Kafka's own consumer reads.

use crate::bench::with_bench;

const EVERYTHING: &str = "--from-beginning --timeout-ms 4000 --property print.key=true --property print.headers=true \
                          --property print.partition=true --property print.offset=true";

#[test]
fn lines_become_records() {
    with_bench(|bench| {
        let script = "
            kafka-topics --create --topic t
            kafka-topics --create --topic keyed --partitions 5
            kafka-console-producer --topic t < one\\ntwo\\n\\nthree
            kafka-console-producer --topic t --sync < four\\n
            kafka-console-producer --topic t --compression-codec < five\\n
            kafka-console-producer --topic t --compression-codec snappy < six\\n
            kafka-console-producer --topic t --compression-codec lz4 < seven\\n
            kafka-console-producer --topic t --compression-codec zstd < eight\\n
            kafka-console-producer --topic t --request-required-acks 0 < nine\\n
            kafka-console-producer --topic t --request-required-acks 1 --timeout 10 --batch-size 1 < ten\\neleven\\n
            kafka-console-producer --topic t --producer-property enable.idempotence=false < twelve\\n
            kafka-console-producer --topic t --producer.config {files}/producer.properties < thirteen\\n
            kafka-console-producer --topic t --property null.marker=NULL < NULL\\n
            kafka-console-producer --topic t --property parse.headers=true < a:1,b:2\\tfourteen\\n
            kafka-console-producer --topic t --reader-config {files}/reader.properties < h:1|k;fifteen\\n
            kafka-console-producer --topic keyed --property parse.key=true --property key.separator=: < a:1\\nb:2\\nc:3\\nd:4\\nä:5\\n
            kafka-console-producer --topic t < crlf\\r\\n
            kafka-get-offsets --topic 't|keyed'
            java kafka-console-consumer --topic keyed EVERYTHING
            java kafka-console-consumer --topic t EVERYTHING
            ";
        bench.compare(
            &[
                ("producer.properties", "linger.ms=1\nacks=all\nclient.id=me\n"),
                (
                    "reader.properties",
                    "parse.key=true\nkey.separator=;\nparse.headers=true\nheaders.delimiter=|\n",
                ),
            ],
            &script.replace("EVERYTHING", EVERYTHING),
        );
    });
}

#[test]
fn what_kafka_console_producer_refuses() {
    with_bench(|bench| {
        bench.compare(
            &[],
            "
            kafka-topics --create --topic t
            alone kafka-console-producer
            alone kafka-console-producer --help
            alone kafka-console-producer --version
            alone kafka-console-producer --topic t
            alone kafka-console-producer --bootstrap-server nonsense --topic t
            alone kafka-console-producer --bootstrap-server a:1,b --topic t
            alone kafka-console-producer --broker-list a:1 --topic t
            kafka-console-producer
            kafka-console-producer --topic t --topic u
            kafka-console-producer --topic 'a b' < x\\n
            kafka-console-producer --topic 'a b' --sync < x\\n
            kafka-console-producer --topic t --batch-size x
            kafka-console-producer --topic t --timeout x
            kafka-console-producer --topic t --request-required-acks 7
            kafka-console-producer --topic t --compression-codec nonsense
            kafka-console-producer --topic t --line-reader nonsense
            kafka-console-producer --topic t --producer-property linger.ms=soon
            kafka-console-producer --topic t --producer-property delivery.timeout.ms=1
            kafka-console-producer --topic t --producer-property enable.idempotence=true --request-required-acks 1
            kafka-console-producer --topic t --producer.config {files}/missing
            kafka-console-producer --topic t --property parse.key=true < x\\n
            kafka-console-producer --topic t --property parse.key=true --property ignore.error=true < x\\n
            kafka-console-producer --topic t --property parse.headers=true < x\\n
            kafka-console-producer --topic t --property parse.headers=true < x\\ty\\n
            kafka-console-producer --topic t --property headers.separator=:
            kafka-console-producer --topic t --property null.marker=: --property key.separator=:
            kafka-console-producer --topic t --producer-property max.request.size=100 < 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\\nshort\\n
            kafka-console-producer --topic t --sync --producer-property max.request.size=100 < 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\\n
            kafka-get-offsets --topic t
            ",
        );
    });
}
