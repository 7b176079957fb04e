//! `kafka-get-offsets`, `kafka-delete-records` and `kafka-broker-api-versions`.

use crate::bench::with_bench;

#[test]
fn offsets_of_partitions() {
    with_bench(|bench| {
        bench.compare(
            &[],
            "
            kafka-topics --create --topic a --partitions 3
            kafka-topics --create --topic b --partitions 12
            kafka-get-offsets --exclude-internal-topics
            kafka-get-offsets --topic a
            kafka-get-offsets --topic 'a|b' --partitions 0,2
            kafka-get-offsets --topic-partitions a:1,b:5-7,b:11
            kafka-get-offsets --topic-partitions ':0' --exclude-internal-topics
            kafka-get-offsets --topic a --time earliest
            kafka-get-offsets --topic a --time -2
            kafka-get-offsets --topic a --time -1
            kafka-get-offsets --topic a --time max-timestamp
            kafka-get-offsets --topic a --time earliest-local
            kafka-get-offsets --topic a --time latest-tiered
            kafka-get-offsets --topic a --time 1700000000000
            kafka-get-offsets --topic nothing
            kafka-get-offsets --topic a --partitions 9
            alone kafka-get-offsets
            alone kafka-get-offsets --help
            alone kafka-get-offsets --version
            alone kafka-get-offsets --topic a
            alone kafka-get-offsets --bootstrap-server nonsense --topic a
            alone kafka-get-offsets --nonsense
            kafka-get-offsets --topic a --topic-partitions a:1
            kafka-get-offsets --topic a --partitions x
            kafka-get-offsets --topic-partitions a:x
            kafka-get-offsets --topic 'a('
            kafka-get-offsets --topic a --time soon
            kafka-get-offsets --topic a --time
            kafka-get-offsets --topic a --command-config {files}/missing
            ",
        );
    });
}

#[test]
fn records_are_deleted_by_file() {
    let good = r#"{"partitions":[{"topic":"a","partition":0,"offset":0},{"topic":"a","partition":1,"offset":-1}],"version":1}"#;
    let beyond = r#"{"partitions":[{"topic":"a","partition":0,"offset":99}]}"#;
    let twice =
        r#"{"partitions":[{"topic":"a","partition":0,"offset":1},{"topic":"a","partition":0,"offset":2}]}"#;
    with_bench(|bench| {
        bench.compare(
            &[
                ("good.json", good),
                ("beyond.json", beyond),
                ("twice.json", twice),
                ("broken.json", "{"),
                ("empty.json", ""),
                ("version.json", r#"{"version":2,"partitions":[]}"#),
                ("words.json", r#"{"partitions":[{"topic":"a","partition":"zero","offset":0}]}"#),
                ("without.json", r#"{"partitions":[{"topic":"a","partition":0}]}"#),
                ("list.json", "[1]"),
                ("nothing.json", r#"{"version":1}"#),
            ],
            "
            kafka-topics --create --topic a --partitions 3
            kafka-delete-records --offset-json-file {files}/good.json
            kafka-delete-records --offset-json-file {files}/beyond.json
            kafka-delete-records --offset-json-file {files}/twice.json
            kafka-delete-records --offset-json-file {files}/broken.json
            kafka-delete-records --offset-json-file {files}/empty.json
            kafka-delete-records --offset-json-file {files}/version.json
            kafka-delete-records --offset-json-file {files}/words.json
            kafka-delete-records --offset-json-file {files}/without.json
            kafka-delete-records --offset-json-file {files}/list.json
            kafka-delete-records --offset-json-file {files}/nothing.json
            kafka-delete-records --offset-json-file {files}/missing.json
            kafka-delete-records
            alone kafka-delete-records
            alone kafka-delete-records --help
            alone kafka-delete-records --offset-json-file {files}/good.json
            alone kafka-delete-records --nonsense
            ",
        );
    });
}

#[test]
fn versions_of_the_protocol() {
    with_bench(|bench| {
        bench.compare(
            &[("client.properties", "client.id=somebody\n")],
            "
            kafka-broker-api-versions
            kafka-broker-api-versions --command-config {files}/client.properties
            kafka-broker-api-versions --command-config {files}/missing
            kafka-broker-api-versions --nonsense
            alone kafka-broker-api-versions
            alone kafka-broker-api-versions --help
            alone kafka-broker-api-versions --version
            ",
        );
    });
}
