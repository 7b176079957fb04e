//! `millrace perf end-to-end`: how long a record takes from being due to being in a consumer's hands.

use std::time::{Duration, Instant};

use clap::Args;
use millrace_client::{ConsumerConfig, OffsetSpec, TopicPartition};
use serde::Serialize;

use super::consume::shares;
use super::produce::{LoadArgs, failed};
use super::receiving::{Reading, Received, Receiving};
use super::report::{Generator, Latencies, Throughput, latency_table, throughput_table};
use super::sending::{Load, Sending, Sent};
use super::stamp::{STAMP_BYTES, Stamp};
use super::{amount, topic, watch};
use crate::people::failure::Failure;
use crate::people::screen::Screen;
use crate::people::session::{ConnectionArgs, Session, partitions_of};

/// How long the consumers wait for the last records after the last acknowledgement.
const ARRIVE_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Args)]
pub(super) struct EndToEndArgs {
    #[command(flatten)]
    load: LoadArgs,
    /// Records in a second
    #[arg(short, long, value_name = "N", default_value = "1000", value_parser = amount)]
    rate: u64,
    /// Consumers, each with connections and a thread of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    consumers: u64,
}

#[derive(Debug, Serialize)]
struct Report {
    topic: String,
    partitions: usize,
    connections: u64,
    consumers: u64,
    record_bytes: u64,
    failed: u64,
    received: u64,
    #[serde(flatten)]
    throughput: Throughput,
    acknowledged: Latencies,
    end_to_end: Latencies,
    generator: Generator,
}

/// Runs the command.
pub(super) async fn run(
    connection: &ConnectionArgs,
    args: &EndToEndArgs,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    if args.load.size < STAMP_BYTES as u64 {
        return Err(Failure::usage(format!(
            "--size is {STAMP_BYTES} at least: a value tells when it was due"
        )));
    }
    let session = Session::open(connection).await?;
    let view = topic::prepared(&session, &args.load.topic, args.load.partitions).await?;
    let stamp = Stamp::new(fastrand::u64(..), Instant::now());
    let load = Load { stamp: Some(stamp), ..args.load.load(&session, Some(args.rate))? };
    let partitions = partitions_of(&view);
    let ends = session.offsets(&partitions, OffsetSpec::Latest).await?;
    let starts: Vec<(TopicPartition, i64)> = ends.into_iter().collect();
    let reading = Reading {
        config: ConsumerConfig::from_properties(session.properties(&[]))?,
        topic: args.load.topic.clone(),
        shares: shares(&starts, args.consumers, false),
        records: u64::MAX,
        idle: Duration::MAX,
        stamp: Some(stamp),
    };
    let bar = args.load.progress(&load, screen);
    let receiving = Receiving::start(&reading);
    let sending = Sending::start(&load);
    let position = || (!sending.is_finished()).then(|| receiving.records());
    watch(screen, &bar, position, || sending.stop()).await?;
    let sent = sending.finish()?;
    wait_for_all(&receiving, sent.delivered, screen).await?;
    let received = receiving.finish()?;
    let report = report(args, &load, partitions.len(), &sent, &received);
    if screen.is_json() {
        screen.json(&report);
    } else {
        show(&report, screen);
    }
    failed(&sent)?;
    match report.received.checked_sub(sent.delivered) {
        Some(0) => Ok(()),
        Some(more) => Err(Failure::new(format!("{more} records came twice"))),
        None => Err(Failure::new(format!("{} of {} records came", report.received, sent.delivered))),
    }
}

async fn wait_for_all(receiving: &Receiving, records: u64, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let deadline = Instant::now() + ARRIVE_WITHIN;
    let is_open = || {
        let missing = receiving.records() < records && Instant::now() < deadline;
        (missing && !receiving.is_finished()).then(|| receiving.records())
    };
    let waited = watch(screen, &indicatif::ProgressBar::hidden(), is_open, || {}).await;
    receiving.stop();
    waited
}

fn report(args: &EndToEndArgs, load: &Load, partitions: usize, sent: &Sent, received: &Received) -> Report {
    Report {
        topic: load.topic.clone(),
        partitions,
        connections: load.connections,
        consumers: args.consumers,
        record_bytes: args.load.size,
        failed: sent.failed,
        received: received.records,
        throughput: Throughput::new(sent.delivered, sent.bytes, sent.batches, sent.elapsed),
        acknowledged: Latencies::of(&sent.latencies),
        end_to_end: Latencies::of(&received.latencies),
        generator: Generator::new(load.rate, sent.late_max),
    }
}

fn show(report: &Report, screen: &mut Screen<'_>) {
    screen.table(&throughput_table("produced", &report.throughput, Some(report.failed)));
    screen.line("");
    let rows = [("acknowledged", &report.acknowledged), ("end to end", &report.end_to_end)];
    screen.table(&latency_table(&rows));
    report.generator.warn_if_late(screen);
}
