//! The usage texts of Kafka's tools, as Kafka 4.1 prints them: `usage/<tool>.txt`.
//!
//! The files carry no blanks at line ends; the printer pads every line to the widest, as Kafka's does.

use super::Tool;

/// The text below the first line of `--help`, padded and ended.
pub(crate) fn usage(tool: Tool) -> String {
    let text = raw(tool);
    let width = text.lines().map(str::len).max().unwrap_or(0);
    let mut padded = String::with_capacity(text.len() * 2);
    for line in text.lines() {
        padded.push_str(line);
        padded.extend(std::iter::repeat_n(' ', width - line.len()));
        padded.push('\n');
    }
    padded
}

/// The text without padding.
pub(crate) fn raw(tool: Tool) -> &'static str {
    match tool {
        Tool::Topics => include_str!("usage/kafka-topics.txt"),
        Tool::ConsoleProducer => include_str!("usage/kafka-console-producer.txt"),
        Tool::ConsoleConsumer => include_str!("usage/kafka-console-consumer.txt"),
        Tool::ConsumerGroups => include_str!("usage/kafka-consumer-groups.txt"),
        Tool::Configs => include_str!("usage/kafka-configs.txt"),
        Tool::GetOffsets => include_str!("usage/kafka-get-offsets.txt"),
        Tool::DeleteRecords => include_str!("usage/kafka-delete-records.txt"),
        Tool::BrokerApiVersions => include_str!("usage/kafka-broker-api-versions.txt"),
        Tool::ProducerPerf => include_str!("usage/kafka-producer-perf-test.txt"),
        Tool::ConsumerPerf => include_str!("usage/kafka-consumer-perf-test.txt"),
    }
}
