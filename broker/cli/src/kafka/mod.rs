//! Kafka's command line tools under their own names: the flags, the exit status and the output of Kafka
//! 4.1, line by line. `org.apache.kafka.tools` and `kafka.admin` define them.
//!
//! | file | is |
//! |---|---|
//! | `options.rs`, `command_line.rs`, `usage.rs` | joptsimple's syntax, its errors, the usage texts |
//! | `throwable.rs`, `log.rs`, `clients.rs`, `reach.rs` | exceptions and log lines as text |
//! | `hash.rs`, `format.rs`, `metrics.rs`, `datetime.rs`, `pattern.rs`, `properties.rs` | what of Java shows in the output |
//! | the rest | one tool each |
//!
//! Nothing here formats for people; that is `people`.

mod api_versions;
mod clients;
mod command_line;
mod configs;
mod console_consumer;
mod console_producer;
mod consumer_perf;
mod datetime;
mod delete_records;
mod format;
mod get_offsets;
mod groups;
mod hash;
mod log;
mod metrics;
mod options;
mod pattern;
mod producer_perf;
mod properties;
mod reach;
mod throwable;
mod topics;
mod usage;

pub(crate) use properties::{Properties, load as load_properties, parse as parse_properties};
pub(crate) use reach::{Seeker, Unreached, no_host, reach};
pub(crate) use throwable::Throwable;

use crate::io::Io;

/// A tool that Kafka ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tool {
    /// `kafka-topics`
    Topics,
    /// `kafka-console-producer`
    ConsoleProducer,
    /// `kafka-console-consumer`
    ConsoleConsumer,
    /// `kafka-consumer-groups`
    ConsumerGroups,
    /// `kafka-configs`
    Configs,
    /// `kafka-get-offsets`
    GetOffsets,
    /// `kafka-delete-records`
    DeleteRecords,
    /// `kafka-broker-api-versions`
    BrokerApiVersions,
    /// `kafka-producer-perf-test`
    ProducerPerf,
    /// `kafka-consumer-perf-test`
    ConsumerPerf,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 10] = [
        Self::Topics,
        Self::ConsoleProducer,
        Self::ConsoleConsumer,
        Self::ConsumerGroups,
        Self::Configs,
        Self::GetOffsets,
        Self::DeleteRecords,
        Self::BrokerApiVersions,
        Self::ProducerPerf,
        Self::ConsumerPerf,
    ];

    /// The name people type, without `.sh`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Topics => "kafka-topics",
            Self::ConsoleProducer => "kafka-console-producer",
            Self::ConsoleConsumer => "kafka-console-consumer",
            Self::ConsumerGroups => "kafka-consumer-groups",
            Self::Configs => "kafka-configs",
            Self::GetOffsets => "kafka-get-offsets",
            Self::DeleteRecords => "kafka-delete-records",
            Self::BrokerApiVersions => "kafka-broker-api-versions",
            Self::ProducerPerf => "kafka-producer-perf-test",
            Self::ConsumerPerf => "kafka-consumer-perf-test",
        }
    }

    /// The tool that a program was started as: the last component of `argv0`, with or without `.sh`.
    #[must_use]
    pub fn from_program(argv0: &str) -> Option<Self> {
        let name = argv0.rsplit('/').next().unwrap_or(argv0);
        let name = name.strip_suffix(".sh").unwrap_or(name);
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }
}

/// Runs a tool to its end and gives the exit status.
pub(crate) async fn run(tool: Tool, arguments: &[String], io: &mut Io) -> u8 {
    match tool {
        Tool::Topics => topics::run(arguments, io).await,
        Tool::ConsoleProducer => console_producer::run(arguments, io).await,
        Tool::ConsoleConsumer => console_consumer::run(arguments, io).await,
        Tool::ConsumerGroups => groups::run(arguments, io).await,
        Tool::Configs => configs::run(arguments, io).await,
        Tool::GetOffsets => get_offsets::run(arguments, io).await,
        Tool::DeleteRecords => delete_records::run(arguments, io).await,
        Tool::BrokerApiVersions => api_versions::run(arguments, io).await,
        Tool::ProducerPerf => producer_perf::run(arguments, io).await,
        Tool::ConsumerPerf => consumer_perf::run(arguments, io).await,
    }
}
