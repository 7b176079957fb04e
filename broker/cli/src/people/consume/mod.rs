//! `millrace consume`: records of topics, from anywhere in them, alone or as a member of a group.

mod format;
mod goal;
mod start;

use std::time::Duration;

use clap::{Args, ValueEnum};
use millrace_client::{Consumer, ConsumerConfig, ConsumerRecord, TopicPartition};

use super::Common;
use super::failure::Failure;
use super::position::{Position, Selection};
use super::screen::Screen;
use super::session::Session;
use crate::signals::Signals;
use format::{Printer, Template};
use goal::Goal;

/// How long one poll waits before the end of the command is thought of again.
const POLL: Duration = Duration::from_millis(250);
/// How long leaving the group may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// `millrace consume`.
#[derive(Debug, Clone, Args)]
pub(super) struct ConsumeArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// The topics, or some of their partitions
    #[arg(required = true, value_name = "TOPIC[:0,2-4]")]
    topics: Vec<Selection>,
    /// Where to start: earliest, latest, an offset, -10 (the last ten), a moment, or 90m (ago)
    #[arg(long, value_name = "POSITION", allow_hyphen_values = true)]
    from: Option<Position>,
    /// As --from earliest
    #[arg(long, conflicts_with = "from")]
    from_beginning: bool,
    /// Only these partitions
    #[arg(short, long = "partition", value_name = "0,2-4", value_parser = numbers)]
    partitions: Option<Numbers>,
    /// Read as a member of this group, which shares partitions and keeps its place
    #[arg(short, long)]
    group: Option<String>,
    /// End after so many records
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
    /// End at what was the end of the topics at the start
    #[arg(short = 'e', long)]
    until_end: bool,
    /// How a record is printed: %t topic, %p partition, %o offset, %T time in ms, %d time, %k key, %v
    /// value (or %s), %h headers, %K and %V their lengths, %%, and \n \t \0 \\ \xHH
    #[arg(short, long, value_name = "TEMPLATE", value_parser = Template::parse, conflicts_with = "verbose")]
    format: Option<Template>,
    /// Print place, time, key and headers before the value
    #[arg(short, long)]
    verbose: bool,
    /// Which records of transactions to read
    #[arg(long, value_enum, default_value = "read-uncommitted")]
    isolation: Isolation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Isolation {
    /// All
    ReadUncommitted,
    /// Those of committed ones
    ReadCommitted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Numbers(Vec<i32>);

fn numbers(text: &str) -> Result<Numbers, String> {
    super::position::partition_numbers(text).map(Numbers)
}

impl ConsumeArgs {
    /// Where to start, if that was said.
    fn start(&self) -> Option<Position> {
        if self.from_beginning { Some(Position::Earliest) } else { self.from }
    }

    /// What is read, `--partition` applied.
    fn selections(&self) -> Vec<Selection> {
        let only = self.partitions.as_ref().map(|numbers| numbers.0.clone());
        let narrowed = |one: &Selection| Selection {
            topic: one.topic.clone(),
            partitions: one.partitions.clone().or_else(|| only.clone()),
        };
        self.topics.iter().map(narrowed).collect()
    }
}

/// Runs the command.
pub(super) async fn run(args: ConsumeArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if args.count == Some(0) {
        return Ok(());
    }
    let session = Session::open(&args.common.connection).await?;
    let config = ConsumerConfig::from_properties(session.properties(&settings(&args)?))?;
    let mut consumer = Consumer::new(config).await?;
    start::start(&session, &args, &mut consumer).await?;
    if args.start().is_none() && args.group.is_none() && screen.is_interactive() {
        screen.note("waiting for new records; --from-beginning shows those that are there already");
    }
    let mut goal = Goal::new(args.count, args.until_end);
    let printer = Printer::new(args.format.clone(), args.verbose, screen);
    let read = read(&mut consumer, &mut goal, &printer, screen).await;
    let closed = consumer.close(CLOSE_WITHIN).await;
    read?;
    // A reader that went away is no reason to complain about the rest.
    if screen.io().is_broken() { Ok(()) } else { closed.map_err(Failure::from) }
}

fn settings(args: &ConsumeArgs) -> Result<Vec<(&'static str, String)>, Failure> {
    let isolation = match args.isolation {
        Isolation::ReadUncommitted => "read_uncommitted",
        Isolation::ReadCommitted => "read_committed",
    };
    let mut settings = vec![("isolation.level", isolation.to_owned())];
    let Some(group) = &args.group else { return Ok(settings) };
    let reset = match args.start() {
        None | Some(Position::Latest) => "latest",
        Some(Position::Earliest) => "earliest",
        Some(_) => {
            return Err(Failure::usage(
                "a group starts where it has committed; --from can only say \
                                       earliest or latest, for where it has not",
            )
            .hint("`millrace groups reset` moves what a group has committed"));
        }
    };
    if args.topics.iter().any(|topic| topic.partitions.is_some()) || args.partitions.is_some() {
        return Err(Failure::usage(
            "a group gives out partitions itself: --group and partitions exclude \
                                   each other",
        ));
    }
    settings.push(("group.id", group.clone()));
    settings.push(("auto.offset.reset", reset.to_owned()));
    Ok(settings)
}

async fn read(
    consumer: &mut Consumer,
    goal: &mut Goal,
    printer: &Printer,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let mut signals = Signals::new(screen.io().takes_signals);
    while !goal.is_reached(consumer).await? {
        let records = tokio::select! {
            records = consumer.poll(POLL) => records?,
            status = signals.next() => return Err(Failure::interrupted(status)),
        };
        let wanted = goal.take(records.len());
        for record in &records[..wanted] {
            printer.print(record, screen);
        }
        screen.io().flush();
        give_back(consumer, &records[wanted..])?;
        if screen.io().is_broken() {
            return Ok(());
        }
    }
    Ok(())
}

/// Records that were read and not shown are read again by whoever goes on.
fn give_back(consumer: &mut Consumer, unwanted: &[ConsumerRecord]) -> Result<(), Failure> {
    let mut first = std::collections::BTreeMap::<&TopicPartition, i64>::new();
    for record in unwanted {
        first.entry(&record.partition).or_insert(record.offset);
    }
    for (partition, offset) in first {
        consumer.seek(partition, offset)?;
    }
    Ok(())
}
