//! `kafka-producer-perf-test` and `kafka-consumer-perf-test`.

use crate::bench::with_bench;

#[test]
fn records_are_produced_and_counted() {
    with_bench(|bench| {
        bench.compare(
            &[("payloads.txt", "one\ntwo\nthree\n")],
            "
            kafka-topics --create --topic t
            alone kafka-producer-perf-test --topic t --num-records 1000 --record-size 100 --throughput -1 --producer-props bootstrap.servers={bootstrap}
            alone kafka-producer-perf-test --topic t --num-records 20 --record-size 10 --throughput 100 --producer-props bootstrap.servers={bootstrap} acks=1 linger.ms=0
            alone kafka-producer-perf-test --topic t --num-records 20 --payload-file {files}/payloads.txt --throughput -1 --producer-props bootstrap.servers={bootstrap}
            alone kafka-producer-perf-test --topic t --num-records 20 --payload-file {files}/payloads.txt --payload-delimiter t --throughput -1 --producer-props bootstrap.servers={bootstrap}
            alone kafka-producer-perf-test --topic t --num-records 20 --payload-monotonic --throughput -1 --producer-props bootstrap.servers={bootstrap}
            alone kafka-producer-perf-test --topic t --num-records 7 --payload-monotonic --throughput 1e6 --producer-props bootstrap.servers={bootstrap} compression.type=zstd
            kafka-get-offsets --topic t
            ",
        );
    });
}

#[test]
fn what_kafka_producer_perf_test_refuses() {
    with_bench(|bench| {
        bench.compare(
            &[("empty.txt", "")],
            "
            kafka-topics --create --topic t
            alone kafka-producer-perf-test
            alone kafka-producer-perf-test --help
            alone kafka-producer-perf-test -h
            alone kafka-producer-perf-test --nonsense
            alone kafka-producer-perf-test --topc t
            alone kafka-producer-perf-test stray words
            alone kafka-producer-perf-test --topic
            alone kafka-producer-perf-test --topic t
            alone kafka-producer-perf-test --topic t --num-records 1
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1
            alone kafka-producer-perf-test --topic t --num-records x --throughput -1 --record-size 1
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput fast --record-size 1
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --record-size 1
            alone kafka-producer-perf-test --topic t --num-records 0 --throughput -1 --record-size 1 --producer-props a=b
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --record-size -1 --producer-props a=b
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --record-size 1 --payload-file x --producer-props a=b
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --record-size 1 --payload-monotonic --producer-props a=b
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --payload 1
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --record-size 1 --producer-props
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --record-size 1 --producer-props nonsense
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --record-size 1 --producer-props a=b
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --record-size 1 --producer-props bootstrap.servers=nonsense
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --record-size 1 --producer-props bootstrap.servers={bootstrap} acks=7
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --record-size 1 --producer.config {files}/missing
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --payload-file {files}/missing --producer-props a=b
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --payload-file {files}/empty.txt --producer-props a=b
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --record-size 1 --transaction-duration-ms 0 --producer-props a=b
            alone kafka-producer-perf-test --topic 'a b' --num-records 2 --throughput -1 --record-size 1 --producer-props bootstrap.servers={bootstrap}
            alone kafka-producer-perf-test --topic t --num-records 1 --throughput -1 --record-size 200 --producer-props bootstrap.servers={bootstrap} max.request.size=100
            ",
        );
    });
}

#[test]
fn records_are_consumed_and_counted() {
    with_bench(|bench| {
        bench.compare(
            &[("consumer.properties", "client.id=me\n")],
            "
            kafka-topics --create --topic t
            alone kafka-producer-perf-test --topic t --num-records 2000 --record-size 100 --throughput -1 --producer-props bootstrap.servers={bootstrap}
            kafka-consumer-perf-test --topic t --messages 2000
            kafka-consumer-perf-test --topic t --messages 1000 --group g --hide-header --consumer.config {files}/consumer.properties
            kafka-consumer-perf-test --topic t --messages 3000 --timeout 1000
            kafka-consumer-perf-test --topic t --messages 1 --from-latest --timeout 1000
            kafka-consumer-perf-test --topic t --messages 2000 --show-detailed-stats
            kafka-consumer-perf-test --topic t --messages 2000 --date-format yyyy
            ",
        );
    });
}

#[test]
fn what_kafka_consumer_perf_test_refuses() {
    with_bench(|bench| {
        bench.compare(
            &[],
            "
            alone kafka-consumer-perf-test
            alone kafka-consumer-perf-test --help
            alone kafka-consumer-perf-test --version
            alone kafka-consumer-perf-test --nonsense
            alone kafka-consumer-perf-test --topic t --messages 1
            kafka-consumer-perf-test --topic t
            kafka-consumer-perf-test --messages 1
            kafka-consumer-perf-test --topic t --messages x
            kafka-consumer-perf-test --topic t --messages 1 --reporting-interval 0
            kafka-consumer-perf-test --topic t --messages 1 --fetch-size x
            kafka-consumer-perf-test --topic t --messages 1 --consumer.config {files}/missing
            alone kafka-consumer-perf-test --topic t --messages 1 --bootstrap-server nonsense
            ",
        );
    });
}
