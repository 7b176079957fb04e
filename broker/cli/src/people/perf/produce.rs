//! `millrace perf produce`.

use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use millrace_client::ProducerConfig;
use serde::Serialize;

use super::report::{Generator, Latencies, Throughput, latency_table, throughput_table};
use super::sending::{Load, Sending, Sent};
use super::{amount, topic, watch};
use crate::people::failure::Failure;
use crate::people::produce::{Acks, Codec};
use crate::people::screen::{Screen, Unit};
use crate::people::session::{ConnectionArgs, Session};
use crate::people::units;

/// Records of a load without limits.
const RECORDS: u64 = 1_000_000;

/// What is sent, and how.
#[derive(Debug, Clone, Args)]
pub(super) struct LoadArgs {
    /// The topic
    pub(super) topic: String,
    /// Records to send; 1m unless there is a duration
    #[arg(short = 'n', long, value_name = "N", value_parser = amount)]
    pub(super) records: Option<u64>,
    /// How long to send, such as 30s or 5m
    #[arg(short, long, value_name = "TIME", value_parser = units::parse_stretch)]
    pub(super) duration: Option<Duration>,
    /// Bytes of a value
    #[arg(short, long, value_name = "BYTES", default_value = "100", value_parser = units::parse_size)]
    pub(super) size: u64,
    /// Different keys; none otherwise
    #[arg(long, value_name = "N", value_parser = amount)]
    pub(super) keys: Option<u64>,
    /// Make the topic with so many partitions if it does not exist
    #[arg(short, long, value_name = "N")]
    pub(super) partitions: Option<i32>,
    /// Producers, each with connections and a thread of its own
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub(super) connections: u64,
    /// Records to send before anything is measured
    #[arg(long, value_name = "N", value_parser = amount)]
    pub(super) warmup: Option<u64>,
    #[command(flatten)]
    producer: ProducerArgs,
}

/// Settings of the producers.
#[derive(Debug, Clone, Args)]
struct ProducerArgs {
    /// Which replicas must have a record before it counts as written
    #[arg(long, value_enum, default_value = "all", help_heading = "Producer")]
    acks: Acks,
    /// Bytes of a batch
    #[arg(long, value_name = "BYTES", default_value = "16k", value_parser = units::parse_size)]
    #[arg(help_heading = "Producer")]
    batch_size: u64,
    /// How long a batch waits for more records
    #[arg(long, value_name = "MS", default_value_t = 5, help_heading = "Producer")]
    linger_ms: u32,
    /// Codec of the batches
    #[arg(short = 'z', long, value_enum, default_value = "none", value_name = "CODEC")]
    #[arg(help_heading = "Producer")]
    compression: Codec,
    /// Unanswered requests on a connection
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Producer")]
    in_flight: u16,
    /// Do not number batches, though acks is all
    #[arg(long, help_heading = "Producer")]
    no_idempotence: bool,
}

impl ProducerArgs {
    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("acks", self.acks.name().to_owned()),
            ("batch.size", self.batch_size.to_string()),
            ("linger.ms", self.linger_ms.to_string()),
            ("compression.type", self.compression.name().to_owned()),
            ("max.in.flight.requests.per.connection", self.in_flight.to_string()),
        ];
        if self.no_idempotence {
            settings.push(("enable.idempotence", "false".to_owned()));
        }
        settings
    }
}

impl LoadArgs {
    /// The load, at this rate.
    pub(super) fn load(&self, session: &Session, rate: Option<u64>) -> Result<Load, Failure> {
        let config = ProducerConfig::from_properties(session.properties(&self.producer.settings()))?;
        let forever = self.duration.map_or(RECORDS, |_| u64::MAX);
        Ok(Load {
            topic: self.topic.clone(),
            config,
            records: self.records.unwrap_or(forever),
            duration: self.duration,
            rate: rate.map(|rate| rate as f64),
            size: usize::try_from(self.size).unwrap_or(usize::MAX),
            keys: self.keys.unwrap_or(0),
            connections: self.connections,
            warmup: self.warmup.unwrap_or(0),
            stamp: None,
        })
    }

    /// A bar over what limits the load.
    pub(super) fn progress(&self, load: &Load, screen: &Screen<'_>) -> ProgressBar {
        match (load.records, load.rate, load.duration) {
            (u64::MAX, Some(rate), Some(duration)) => {
                screen.progress((rate * duration.as_secs_f64()) as u64, Unit::Things)
            }
            (u64::MAX, None, Some(_)) => screen.spinner(),
            (records, ..) => screen.progress(records, Unit::Things),
        }
    }
}

#[derive(Debug, Clone, Args)]
pub(super) struct ProduceArgs {
    #[command(flatten)]
    load: LoadArgs,
    /// Records in a second; as fast as it goes otherwise
    #[arg(short, long, value_name = "N", value_parser = amount)]
    rate: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Report {
    topic: String,
    partitions: usize,
    connections: u64,
    record_bytes: u64,
    producer: Settings,
    failed: u64,
    wire_bytes: u64,
    #[serde(flatten)]
    throughput: Throughput,
    latency: Latencies,
    generator: Generator,
}

/// Settings that a figure means nothing without.
#[derive(Debug, Serialize)]
struct Settings {
    acks: &'static str,
    batch_size: u64,
    linger_ms: u32,
    compression: &'static str,
    idempotence: bool,
}

/// Runs the command.
pub(super) async fn run(
    connection: &ConnectionArgs,
    args: &ProduceArgs,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let session = Session::open(connection).await?;
    let topic = topic::prepared(&session, &args.load.topic, args.load.partitions).await?;
    let load = args.load.load(&session, args.rate)?;
    let bar = args.load.progress(&load, screen);
    let sending = Sending::start(&load);
    let position = || (!sending.is_finished()).then(|| sending.appended());
    watch(screen, &bar, position, || sending.stop()).await?;
    let sent = sending.finish()?;
    let report = report(&args.load, &load, topic.partitions.len(), &sent);
    if screen.is_json() {
        screen.json(&report);
    } else {
        screen.table(&throughput_table("produced", &report.throughput, Some(sent.failed)));
        if sent.delivered > 0 {
            screen.line("");
            screen.table(&latency_table(&[("acknowledged", &report.latency)]));
        }
        report.generator.warn_if_late(screen);
    }
    failed(&sent)
}

/// Records that failed make the run a failure.
pub(super) fn failed(sent: &Sent) -> Result<(), Failure> {
    match &sent.first_error {
        None => Ok(()),
        Some(error) => {
            let failed = units::counted(sent.failed as i64, "record");
            Err(Failure::refused(format!("{failed} not written"), error.clone()))
        }
    }
}

fn report(args: &LoadArgs, load: &Load, partitions: usize, sent: &Sent) -> Report {
    Report {
        topic: load.topic.clone(),
        partitions,
        connections: load.connections,
        record_bytes: args.size,
        producer: Settings {
            acks: args.producer.acks.name(),
            batch_size: args.producer.batch_size,
            linger_ms: args.producer.linger_ms,
            compression: args.producer.compression.name(),
            idempotence: load.config.idempotence,
        },
        failed: sent.failed,
        wire_bytes: sent.wire_bytes,
        throughput: Throughput::new(sent.delivered, sent.bytes, sent.batches, sent.elapsed),
        latency: Latencies::of(&sent.latencies),
        generator: Generator::new(load.rate, sent.late_max),
    }
}
