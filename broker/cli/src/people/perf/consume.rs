//! `millrace perf consume`.

use std::time::Duration;

use clap::Args;
use millrace_client::{ConsumerConfig, OffsetSpec, TopicPartition};
use serde::Serialize;

use super::receiving::{Reading, Received, Receiving};
use super::report::{Generator, Throughput, ms, throughput_table};
use super::{amount, watch};
use crate::people::failure::Failure;
use crate::people::screen::{Screen, Unit};
use crate::people::session::{ConnectionArgs, Session, partitions_of};
use crate::people::units;

#[derive(Debug, Clone, Args)]
pub(super) struct ConsumeArgs {
    /// The topic
    topic: String,
    /// Records to read; all that are there otherwise
    #[arg(short = 'n', long, value_name = "N", value_parser = amount)]
    records: Option<u64>,
    /// Read as members of this group instead of from the beginning
    #[arg(short, long)]
    group: Option<String>,
    /// Consumers, each with connections and a thread of its own
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    connections: u64,
    /// Give up without a record for this long
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::parse_stretch)]
    idle: Duration,
}

#[derive(Debug, Serialize)]
struct Report {
    topic: String,
    partitions: usize,
    connections: u64,
    #[serde(flatten)]
    throughput: Throughput,
    /// From the start of the consumers to the first record.
    first_record_ms: Option<f64>,
    generator: Generator,
}

/// Runs the command.
pub(super) async fn run(
    connection: &ConnectionArgs,
    args: &ConsumeArgs,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let session = Session::open(connection).await?;
    let topic = session.topic(&args.topic).await?;
    let partitions = partitions_of(&topic);
    let first = session.offsets(&partitions, OffsetSpec::Earliest).await?;
    let end = session.offsets(&partitions, OffsetSpec::Latest).await?;
    let there: i64 = first.iter().filter_map(|(partition, first)| Some(end.get(partition)? - first)).sum();
    let records = args.records.unwrap_or(there.unsigned_abs());
    let mut settings = vec![("auto.offset.reset", "earliest".to_owned())];
    settings.extend(args.group.iter().map(|group| ("group.id", group.clone())));
    let starts: Vec<(TopicPartition, i64)> = first.into_iter().collect();
    let reading = Reading {
        config: ConsumerConfig::from_properties(session.properties(&settings))?,
        topic: args.topic.clone(),
        shares: shares(&starts, args.connections, args.group.is_some()),
        records,
        idle: args.idle,
        stamp: None,
    };
    let bar = screen.progress(records, Unit::Things);
    let receiving = Receiving::start(&reading);
    let started = receiving.started();
    let position = || (!receiving.is_finished()).then(|| receiving.records());
    watch(screen, &bar, position, || receiving.stop()).await?;
    let received = receiving.finish()?;
    let report = report(args, partitions.len(), &received, started);
    screen.show(&report, |report| throughput_table("consumed", &report.throughput, None));
    if received.records < records {
        return Err(Failure::new(format!("{} of {records} records came", received.records)));
    }
    Ok(())
}

/// Partitions in turn; a group gives them out itself.
pub(super) fn shares(
    starts: &[(TopicPartition, i64)],
    connections: u64,
    is_group: bool,
) -> Vec<Vec<(TopicPartition, i64)>> {
    let connections = usize::try_from(connections).unwrap_or(1).max(1);
    if is_group {
        return vec![Vec::new(); connections];
    }
    let connections = connections.min(starts.len().max(1));
    (0..connections).map(|index| starts.iter().skip(index).step_by(connections).cloned().collect()).collect()
}

fn report(args: &ConsumeArgs, partitions: usize, received: &Received, started: std::time::Instant) -> Report {
    let elapsed = received.last_at.map_or(Duration::ZERO, |last| last.saturating_duration_since(started));
    Report {
        topic: args.topic.clone(),
        partitions,
        connections: args.connections,
        throughput: Throughput::new(received.records, received.bytes, received.batches, elapsed),
        first_record_ms: received.first_at.map(|first| ms(first.saturating_duration_since(started))),
        generator: Generator::new(None, Duration::ZERO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_shared_out() {
        let starts: Vec<_> = (0..5).map(|number| (TopicPartition::new("t", number), 0)).collect();
        let sizes = |connections, is_group| -> Vec<usize> {
            shares(&starts, connections, is_group).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(2, false), [3, 2]);
        assert_eq!(sizes(9, false), [1, 1, 1, 1, 1]);
        assert_eq!(sizes(3, true), [0, 0, 0]);
    }
}
