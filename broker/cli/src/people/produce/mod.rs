//! `millrace produce`: lines or JSON to records.

mod input;
mod record;
mod tally;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use millrace_client::{Producer, ProducerConfig, Record};
use millrace_protocol::records::Header;

use super::Common;
use super::failure::Failure;
use super::screen::{Screen, Unit};
use super::session::{Session, nearest};
use crate::signals::Signals;
use input::{Input, Item};
use record::{Owned, Shape};
use tally::Tally;

/// How long the records that are on their way may take to arrive at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(120);
/// How long a topic that does not exist yet may take to come into being.
const CREATE_WITHIN_MS: u32 = 15_000;

/// `millrace produce`.
#[derive(Debug, Clone, Args)]
pub(super) struct ProduceArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// The topic
    topic: String,
    /// Read these files instead of standard input, one after the other
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What the input is made of
    #[arg(long, value_enum, default_value = "lines")]
    format: InputFormat,
    /// The key of all records
    #[arg(short, long, conflicts_with = "key_separator")]
    key: Option<String>,
    /// What separates the key from the value in a line, such as : or \t
    #[arg(short = 'K', long, value_name = "TEXT", value_parser = record::separator)]
    key_separator: Option<String>,
    /// A header of all records
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE", value_parser = record::header)]
    headers: Vec<Header>,
    /// The partition of all records; by key, or spread evenly, otherwise
    #[arg(short, long, value_name = "N")]
    partition: Option<i32>,
    /// Compress batches
    #[arg(short = 'z', long, value_enum, value_name = "CODEC")]
    compression: Option<Codec>,
    /// Which replicas must have a record before it counts as written
    #[arg(long, value_enum)]
    acks: Option<Acks>,
    /// Make records with an empty value tombstones
    #[arg(long)]
    tombstones: bool,
}

/// What the input is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum InputFormat {
    /// A record a line
    Lines,
    /// A JSON object a line, as `millrace consume --output json` prints them: key, value, headers,
    /// partition, timestamp_ms
    Json,
    /// One record for each input, with all its bytes
    Whole,
}

/// A codec of batches, by Kafka's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// Which replicas must have a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Acks {
    /// None: the broker does not answer
    #[value(name = "0")]
    None,
    /// The leader
    #[value(name = "1")]
    Leader,
    /// All in-sync replicas
    #[value(name = "all", alias = "-1")]
    All,
}

impl Codec {
    /// `compression.type`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl Acks {
    /// `acks`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "0",
            Self::Leader => "1",
            Self::All => "all",
        }
    }
}

/// Runs the command.
pub(super) async fn run(args: ProduceArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let session = Session::open(&args.common.connection).await?;
    let is_there = check_topic(&session, &args, screen).await?;
    let tally = Tally::default();
    let config = ProducerConfig {
        on_batch: Some(tally.callback()),
        ..ProducerConfig::from_properties(session.properties(&settings(&args, is_there)))?
    };
    let producer = Producer::new(config).await?;
    let total = input::total_bytes(&args.files)?;
    if args.files.is_empty() && screen.is_interactive() {
        screen.note("a record a line; Ctrl-D ends");
    }
    let bar = screen.progress(total, Unit::Bytes);
    if total == 0 {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let result = send_all(&producer, &args, screen, &bar).await;
    bar.finish_and_clear();
    // What was taken before a failure is delivered all the same.
    let closed = producer.close(CLOSE_WITHIN).await;
    tally.show(&args.topic, screen);
    let result = match result {
        Err(error) => Err(error.into_failure(&session, &args.topic).await),
        Ok(()) => Ok(()),
    };
    result.and(closed.map_err(Failure::from)).and(tally.into_result())
}

fn settings(args: &ProduceArgs, is_there: bool) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    if let Some(codec) = args.compression {
        settings.push(("compression.type", codec.name().to_owned()));
    }
    if let Some(acks) = args.acks {
        settings.push(("acks", acks.name().to_owned()));
    }
    if !is_there {
        settings.push(("max.block.ms", CREATE_WITHIN_MS.to_string()));
    }
    settings
}

/// Whether the topic exists. One that does not may be a new one, or a typo: a person is told.
async fn check_topic(
    session: &Session,
    args: &ProduceArgs,
    screen: &mut Screen<'_>,
) -> Result<bool, Failure> {
    let cluster = session.everything().await?;
    if cluster.topic(&args.topic).is_some() {
        return Ok(true);
    }
    let near = nearest(&args.topic, cluster.topics.keys().map(|name| &**name));
    let near = near.map_or(String::new(), |near| format!(" (did you mean '{near}'?)"));
    screen.warn(format!("there is no topic '{}' yet{near}; the broker may create it", args.topic));
    Ok(false)
}

/// Why no more records were taken.
#[derive(Debug)]
enum Stopped {
    /// The input is not what it should be.
    Input(Failure),
    /// The producer refused a record.
    Refused(String, millrace_client::ClientError),
    /// A signal.
    Signal(u8),
}

impl Stopped {
    async fn into_failure(self, session: &Session, topic: &str) -> Failure {
        match self {
            Self::Input(failure) => failure,
            Self::Signal(status) => Failure::interrupted(status),
            Self::Refused(_, error) if error.code().is_some() => session.about_topic(topic, error).await,
            Self::Refused(place, error) => Failure::refused(place, error),
        }
    }
}

async fn send_all(
    producer: &Producer,
    args: &ProduceArgs,
    screen: &mut Screen<'_>,
    bar: &ProgressBar,
) -> Result<(), Stopped> {
    let mut signals = Signals::new(screen.io().takes_signals);
    let standard = args.files.is_empty().then(|| screen.io().take_input());
    let shape = Shape {
        key: args.key.clone().map(String::into_bytes),
        separator: args.key_separator.clone().map(String::into_bytes),
        headers: args.headers.clone(),
        partition: args.partition,
        tombstones: args.tombstones,
        is_json: args.format == InputFormat::Json,
    };
    let mut input = Input::start(standard, args.files.clone(), args.format == InputFormat::Whole);
    loop {
        let item = tokio::select! {
            item = input.next() => item,
            status = signals.next() => return Err(Stopped::Signal(status)),
        };
        let Some(item) = item else { return Ok(()) };
        let Item { place, bytes, bytes_read } = item.map_err(Stopped::Input)?;
        let record = shape
            .record(bytes)
            .map_err(|reason| Stopped::Input(Failure::new(format!("{place}: {reason}"))))?;
        append(producer, &args.topic, &record)
            .await
            .map_err(|error| Stopped::Refused(place.to_string(), error))?;
        bar.inc(bytes_read);
    }
}

async fn append(
    producer: &Producer,
    topic: &str,
    record: &Owned,
) -> Result<(), millrace_client::ClientError> {
    let record = Record {
        partition: record.partition,
        timestamp_ms: record.timestamp_ms,
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: &record.headers,
        ..Record::to(topic)
    };
    producer.append(record).await
}
