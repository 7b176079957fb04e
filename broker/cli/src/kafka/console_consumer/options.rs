//! The command line of `kafka-console-consumer` (`ConsoleConsumerOptions`).

use std::collections::BTreeSet;
use std::time::Duration;

use super::formatter::{DEFAULT, Formatter};
use crate::io::Io;
use crate::kafka::Tool;
use crate::kafka::command_line::{Stop, check_required, help_or_version, parse_or_usage, usage_and_exit};
use crate::kafka::hash::sort_strings;
use crate::kafka::options::{Options, Spec};
use crate::kafka::properties::{Properties, from_arguments, load};
use crate::kafka::throwable::Throwable;

const TOOL: Tool = Tool::ConsoleConsumer;

/// The last three are the names that Kafka 4.2 gives to older options (KIP-1147).
const SPECS: &[Spec] = &[
    Spec::text("topic"),
    Spec::text("include"),
    Spec::int("partition"),
    Spec::text("offset").or("latest"),
    Spec::text("consumer-property"),
    Spec::text("consumer.config"),
    Spec::text("formatter").or(DEFAULT),
    Spec::text("property"),
    Spec::text("formatter-config"),
    Spec::switch("from-beginning"),
    Spec::int("max-messages"),
    Spec::long("timeout-ms"),
    Spec::switch("skip-message-on-error"),
    Spec::text("bootstrap-server"),
    Spec::text("key-deserializer"),
    Spec::text("value-deserializer"),
    Spec::switch("enable-systest-events"),
    Spec::text("isolation-level").or("read_uncommitted"),
    Spec::text("group"),
    Spec::text("formatter-property"),
    Spec::text("command-property"),
    Spec::text("command-config"),
];

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A topic, in a group.
    Topic(String),
    /// The topics that a regular expression takes, in a group.
    Matching(String),
    /// One partition, from a place in it.
    Partition(String, i32, Start),
}

/// Where to begin in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// With its first record.
    Earliest,
    /// With what comes from now on.
    Latest,
    /// At this offset.
    Offset(i64),
}

/// What to read, how, and how much of it.
#[derive(Debug)]
pub(super) struct Request {
    /// What is read.
    pub(super) source: Source,
    /// Of the consumer.
    pub(super) consumer: Properties,
    /// Prints what was read.
    pub(super) formatter: Formatter,
    /// Most records; `None` for no end. Kafka's tool looks at the number when the consumer is made.
    pub(super) records_max: Result<Option<u64>, Throwable>,
    /// Longest wait for a record; `None` for ever.
    pub(super) timeout: Option<Duration>,
    /// A record that cannot be printed is passed over.
    pub(super) skip_on_error: bool,
    /// Say when the tool ends because it was asked to.
    pub(super) systest_events: bool,
}

/// Reads and checks the command line.
pub(super) fn read(arguments: &[String], io: &mut Io) -> Result<Request, Stop> {
    let options = parse_or_usage(io, TOOL, SPECS, arguments)?;
    let purpose = "This tool helps to read data from Kafka topics and outputs it to standard output.";
    help_or_version(io, TOOL, &options, purpose)?;
    check_sources(&options, io)?;
    let from_file = loaded(&options, ["consumer.config", "command-config"])?;
    let mut given = from_arguments(&options.values("consumer-property"));
    given.extend(from_arguments(&options.values("command-property")));
    let group = group(&options, [&from_file, &given], io)?;
    let consumer = consumer_properties(&options, from_file, given, group, io)?;
    let start = start(&options, io)?;
    let timeout_ms = options.long("timeout-ms")?.and_then(|timeout| u64::try_from(timeout).ok());
    let formatter = formatter(&options, io)?;
    let topic = options.given("topic")?;
    let source = match (topic, options.int("partition")?) {
        (Some(topic), Some(partition)) => Source::Partition(topic, partition, start),
        (Some(topic), None) => Source::Topic(topic),
        (None, _) => Source::Matching(options.given("include")?.unwrap_or_default()),
    };
    let records_max = options.int("max-messages").map(|limit| {
        let limit = limit.filter(|limit| *limit != -1);
        limit.map(|limit| u64::try_from(limit).unwrap_or(0))
    });
    Ok(Request {
        source,
        consumer,
        formatter,
        records_max,
        timeout: timeout_ms.map(Duration::from_millis),
        skip_on_error: options.has("skip-message-on-error"),
        systest_events: options.has("enable-systest-events"),
    })
}

fn check_sources(options: &Options, io: &mut Io) -> Result<(), Stop> {
    if options.given("topic")?.is_some() == options.given("include")?.is_some() {
        return Err(usage_and_exit(io, TOOL, "Exactly one of --include/--topic is required. "));
    }
    if options.int("partition")?.is_some() {
        if !options.has("topic") {
            let message = "The topic is required when partition is specified.";
            return Err(usage_and_exit(io, TOOL, message));
        }
        if options.has("from-beginning") && options.has("offset") {
            let message = "Options from-beginning and offset cannot be specified together.";
            return Err(usage_and_exit(io, TOOL, message));
        }
    } else if options.has("offset") {
        return Err(usage_and_exit(io, TOOL, "The partition is required when offset is specified."));
    }
    check_required(io, TOOL, options, &["bootstrap-server"])
}

fn loaded(options: &Options, names: [&str; 2]) -> Result<Properties, Throwable> {
    let mut properties = Properties::new();
    for name in names {
        if let Some(path) = options.given(name)? {
            properties.extend(load(&path)?);
        }
    }
    Ok(properties)
}

/// The group, which all places that name one must agree on.
fn group(options: &Options, places: [&Properties; 2], io: &mut Io) -> Result<Option<String>, Stop> {
    let mut groups: Vec<String> = options.given("group")?.into_iter().collect();
    for place in places {
        groups.extend(place.get("group.id").cloned());
    }
    let mut seen = BTreeSet::new();
    groups.retain(|group| seen.insert(group.clone()));
    if groups.len() > 1 {
        sort_strings(&mut groups);
        let quoted: Vec<String> = groups.iter().map(|group| format!("'{group}'")).collect();
        let message = format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or \
             via '--consumer.config') do not match. Detected group ids: {}",
            quoted.join(", ")
        );
        return Err(usage_and_exit(io, TOOL, &message));
    }
    if !groups.is_empty() && options.has("partition") {
        let message = "Options group and partition cannot be specified together.";
        return Err(usage_and_exit(io, TOOL, message));
    }
    Ok(groups.pop())
}

fn consumer_properties(
    options: &Options,
    from_file: Properties,
    given: Properties,
    group: Option<String>,
    io: &mut Io,
) -> Result<Properties, Stop> {
    let mut properties = from_file;
    properties.extend(given);
    let mut set = |key: &str, value: String| properties.insert(key.to_owned(), value);
    set("bootstrap.servers", options.value("bootstrap-server")?.unwrap_or_default());
    if options.has("isolation-level") {
        set("isolation.level", options.value("isolation-level")?.unwrap_or_default());
    }
    let from_beginning = options.has("from-beginning");
    match properties.get("auto.offset.reset") {
        Some(reset) if from_beginning && reset != "earliest" => {
            io.error_line(format!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one \
                 option"
            ));
            return Err(Stop::Exit(1));
        }
        Some(_) => {}
        None => {
            let reset = if from_beginning { "earliest" } else { "latest" };
            properties.insert("auto.offset.reset".to_owned(), reset.to_owned());
        }
    }
    let mut default = |key: &str, value: &str| {
        properties.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    };
    default("client.id", "console-consumer");
    if group.is_none() {
        // Nobody will ever ask for the offsets of a group with such a name.
        default("enable.auto.commit", "false");
    }
    let group = group.unwrap_or_else(|| format!("console-consumer-{}", fastrand::u32(..100_000)));
    properties.insert("group.id".to_owned(), group);
    Ok(properties)
}

fn start(options: &Options, io: &mut Io) -> Result<Start, Stop> {
    let Some(text) = options.given("offset")? else {
        return Ok(if options.has("from-beginning") { Start::Earliest } else { Start::Latest });
    };
    match text.to_lowercase().as_str() {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        other => match other.parse::<i64>() {
            Ok(offset) if offset >= 0 => Ok(Start::Offset(offset)),
            _ => {
                let message = format!(
                    "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a \
                     non-negative long."
                );
                Err(usage_and_exit(io, TOOL, &message))
            }
        },
    }
}

fn formatter(options: &Options, io: &mut Io) -> Result<Formatter, Stop> {
    let class = options.value("formatter")?.unwrap_or_default();
    let properties = formatter_properties(options);
    let formatter = properties.and_then(|properties| Formatter::new(&class, &properties, io));
    formatter.map_err(|error| usage_and_exit(io, TOOL, error.message()))
}

fn formatter_properties(options: &Options) -> Result<Properties, Throwable> {
    let mut properties = match options.given("formatter-config")? {
        Some(path) => load(&path)?,
        None => Properties::new(),
    };
    for (option, key) in
        [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")]
    {
        if let Some(class) = options.value(option)?.filter(|class| !class.is_empty()) {
            properties.insert(key.to_owned(), class);
        }
    }
    properties.extend(from_arguments(&options.values("property")));
    properties.extend(from_arguments(&options.values("formatter-property")));
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_line(line: &str) -> Request {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (mut io, _) = Io::captured(b"");
        read(&arguments, &mut io).unwrap()
    }

    #[test]
    fn without_a_group_nothing_is_committed() {
        let request = read_line("--bootstrap-server h:1 --topic t --from-beginning");
        assert_eq!(request.source, Source::Topic("t".to_owned()));
        assert_eq!(request.consumer["enable.auto.commit"], "false");
        assert_eq!(request.consumer["auto.offset.reset"], "earliest");
        assert!(request.consumer["group.id"].starts_with("console-consumer-"));
        let request = read_line("--bootstrap-server h:1 --topic t --consumer-property group.id=g");
        assert_eq!(request.consumer["group.id"], "g");
        assert_eq!(request.consumer.get("enable.auto.commit"), None);
    }

    #[test]
    fn a_partition_starts_where_it_is_told() {
        let source = |line: &str| read_line(&format!("--bootstrap-server h:1 --topic t {line}")).source;
        let at = |start| Source::Partition("t".to_owned(), 3, start);
        assert_eq!(source("--partition 3"), at(Start::Latest));
        assert_eq!(source("--partition 3 --from-beginning"), at(Start::Earliest));
        assert_eq!(source("--partition 3 --offset Earliest"), at(Start::Earliest));
        assert_eq!(source("--partition 3 --offset 17"), at(Start::Offset(17)));
    }

    #[test]
    fn minus_one_is_no_limit() {
        let request = |line: &str| read_line(&format!("--bootstrap-server h:1 --topic t {line}"));
        assert_eq!(request("--max-messages 5 --timeout-ms 70").records_max, Ok(Some(5)));
        assert_eq!(request("--max-messages 5 --timeout-ms 70").timeout, Some(Duration::from_millis(70)));
        assert_eq!(request("--max-messages -1 --timeout-ms -1").records_max, Ok(None));
        assert_eq!(request("--max-messages -1 --timeout-ms -1").timeout, None);
    }
}
