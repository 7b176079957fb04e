//! `kafka-get-offsets`: offsets of partitions (`org.apache.kafka.tools.GetOffsetShell`).

use std::collections::BTreeSet;

use millrace_client::{IsolationLevel, OffsetSpec, TopicPartition};
use regex::Regex;

use super::Tool;
use super::command_line::{Stop, check_required, help_or_version, usage_and_exit, validate_bootstrap};
use super::options::{Options, Spec};
use super::pattern::IncludeList;
use super::properties::{Properties, load};
use super::throwable::Throwable;
use crate::admin::{Admin, throwable};
use crate::io::Io;

const TOOL: Tool = Tool::GetOffsets;
const PURPOSE: &str = "An interactive shell for getting topic-partition offsets.";
const RULE: &str = "^([^:,]*)(?::(?:([0-9]*)|(?:([0-9]*)-([0-9]*))))?$";

const SPECS: &[Spec] = &[
    Spec::text("bootstrap-server"),
    Spec::text("topic-partitions"),
    Spec::text("topic"),
    Spec::text("partitions"),
    Spec::text("time").or("latest"),
    Spec::text("command-config"),
    Spec::switch("exclude-internal-topics"),
];

/// Runs the tool.
pub(super) async fn run(arguments: &[String], io: &mut Io) -> u8 {
    match execute(arguments, io).await {
        Ok(()) => 0,
        Err(Stop::Exit(status)) => status,
        Err(Stop::Throw(error)) => {
            io.error_line(format!("Error occurred: {}", error.message()));
            if error.simple_name() != "TerseException" {
                io.error_line(error.stack_trace());
            }
            1
        }
    }
}

async fn execute(arguments: &[String], io: &mut Io) -> Result<(), Stop> {
    let options = read(arguments, io)?;
    if options.has("topic-partitions") && (options.has("topic") || options.has("partitions")) {
        return Err(terse("--topic-partitions cannot be used with --topic or --partitions").into());
    }
    let spec = parse_spec(&options.value("time")?.unwrap_or_default())?;
    let filter = match options.given("topic-partitions")? {
        Some(rules) => Filter::from_rules(&rules)?,
        None => Filter::from_lists(options.given("topic")?, options.given("partitions")?)?,
    };
    let mut properties = match options.value("command-config")? {
        Some(path) => load(&path)?,
        None => Properties::new(),
    };
    properties.insert("bootstrap.servers".to_owned(), options.value("bootstrap-server")?.unwrap_or_default());
    properties.insert("client.id".to_owned(), "GetOffsetShell".to_owned());
    let admin = Admin::from_properties(properties)?;
    admin.reach("listTopics", io).await.map_err(|why| why.wrapped(Throwable::execution))?;
    let partitions = matching(&admin, &filter, options.has("exclude-internal-topics")).await?;
    if partitions.is_empty() {
        return Err(terse("Could not match any topic-partitions with the specified filters").into());
    }
    print(&admin, partitions, spec, io).await?;
    Ok(())
}

fn read(arguments: &[String], io: &mut Io) -> Result<Options, Stop> {
    if arguments.is_empty() {
        return Err(usage_and_exit(io, TOOL, PURPOSE));
    }
    let options = Options::parse(SPECS, arguments).map_err(|error| terse(error.message()))?;
    help_or_version(io, TOOL, &options, PURPOSE)?;
    check_required(io, TOOL, &options, &["bootstrap-server"])?;
    validate_bootstrap(options.value("bootstrap-server")?.as_deref())
        .map_err(|error| usage_and_exit(io, TOOL, error.message()))?;
    Ok(options)
}

/// A failure that the tool words without a stack trace.
fn terse(message: impl Into<String>) -> Throwable {
    Throwable::new("org.apache.kafka.tools.TerseException", message)
}

fn parse_spec(text: &str) -> Result<OffsetSpec, Throwable> {
    Ok(match text {
        "earliest" | "-2" => OffsetSpec::Earliest,
        "latest" | "-1" => OffsetSpec::Latest,
        "max-timestamp" | "-3" => OffsetSpec::MaxTimestamp,
        "earliest-local" | "-4" => OffsetSpec::EarliestLocal,
        "latest-tiered" | "-5" => OffsetSpec::LatestTiered,
        other => OffsetSpec::Timestamp(other.parse().map_err(|_| {
            terse(format!(
                "Malformed time argument {other}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / \
                 -4 or earliest-local / -5 or latest-tiered, or a specified long format timestamp"
            ))
        })?),
    })
}

/// Which partitions to ask for: any rule may take one.
struct Filter(Vec<(IncludeList, Partitions)>);

/// Which numbers a rule takes.
enum Partitions {
    /// These; all when there are none.
    Set(BTreeSet<i32>),
    /// From the first up to, without, the second.
    Range(i32, i32),
}

impl Partitions {
    fn takes(&self, partition: i32) -> bool {
        match self {
            Self::Set(numbers) => numbers.is_empty() || numbers.contains(&partition),
            Self::Range(from, to) => (*from..*to).contains(&partition),
        }
    }
}

impl Filter {
    /// `--topic` and `--partitions`.
    fn from_lists(topic: Option<String>, partitions: Option<String>) -> Result<Self, Throwable> {
        let topics = IncludeList::new(topic.as_deref().unwrap_or(".*"))?;
        let text = partitions.unwrap_or_default();
        let numbers: Result<BTreeSet<i32>, _> =
            text.trim_end_matches(',').split(',').filter(|_| !text.is_empty()).map(str::parse).collect();
        let numbers = numbers.map_err(|_| {
            terse(format!(
                "--partitions expects a comma separated list of numeric partition ids, but received: {text}"
            ))
        })?;
        Ok(Self(vec![(topics, Partitions::Set(numbers))]))
    }

    /// `--topic-partitions`.
    fn from_rules(rules: &str) -> Result<Self, Throwable> {
        let shape = Regex::new(RULE)
            .map_err(|error| Throwable::new("java.util.regex.PatternSyntaxException", error.to_string()))?;
        let rules: Result<Vec<_>, Throwable> =
            rules.trim_end_matches(',').split(',').map(|rule| Self::rule(&shape, rule)).collect();
        Ok(Self(rules?))
    }

    fn rule(shape: &Regex, rule: &str) -> Result<(IncludeList, Partitions), Throwable> {
        let parts = shape
            .captures(rule)
            .ok_or_else(|| terse(format!("Invalid rule specification: {rule}")).runtime())?;
        let part = |index: usize| parts.get(index).map(|part| part.as_str()).filter(|part| !part.is_empty());
        let number = |text: &str| text.parse::<i32>().map_err(|_| Throwable::number_format(text));
        let topics = IncludeList::new(part(1).unwrap_or(".*"))?;
        let partitions = match part(2) {
            Some(only) => Partitions::Set(BTreeSet::from([number(only)?])),
            None => Partitions::Range(part(3).map_or(Ok(0), number)?, part(4).map_or(Ok(i32::MAX), number)?),
        };
        Ok((topics, partitions))
    }

    fn takes_topic(&self, topic: &str) -> bool {
        self.0.iter().any(|(topics, _)| topics.allows(topic, false))
    }

    fn takes(&self, topic: &str, partition: i32) -> bool {
        self.0.iter().any(|(topics, partitions)| topics.allows(topic, false) && partitions.takes(partition))
    }
}

async fn matching(
    admin: &Admin,
    filter: &Filter,
    exclude_internal: bool,
) -> Result<Vec<TopicPartition>, Throwable> {
    let topics = admin.list_topics(!exclude_internal).await.map_err(Throwable::execution)?;
    let names: Vec<String> =
        topics.into_iter().map(|topic| topic.name).filter(|name| filter.takes_topic(name)).collect();
    let mut partitions = Vec::new();
    for topic in admin.describe_topics(&names).await.map_err(Throwable::execution)? {
        let numbers = topic.partitions.iter().map(|partition| partition.index);
        let taken = numbers.filter(|number| filter.takes(&topic.name, *number));
        partitions.extend(taken.map(|number| TopicPartition::new(topic.name.as_str(), number)));
    }
    partitions.sort_by_key(ToString::to_string);
    Ok(partitions)
}

async fn print(
    admin: &Admin,
    partitions: Vec<TopicPartition>,
    spec: OffsetSpec,
    io: &mut Io,
) -> Result<(), Throwable> {
    let wanted = partitions.into_iter().map(|partition| (partition, spec)).collect();
    let found = admin
        .inner()
        .list_offsets(wanted, IsolationLevel::ReadUncommitted)
        .await
        .map_err(|error| throwable(error).execution())?;
    let mut lines = Vec::with_capacity(found.len());
    for (partition, listed) in found {
        match listed {
            Ok(listed) if listed.offset >= 0 => {
                lines.push(format!("{}:{}:{}", partition.topic, partition.partition, listed.offset));
            }
            Ok(_) => {}
            Err(error) => io.error_line(format!(
                "Skip getting offsets for topic-partition {partition} due to error: {}",
                throwable(error).execution().message()
            )),
        }
    }
    for line in lines {
        io.line(line);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_take_numbers_and_ranges() {
        let filter = Filter::from_rules("a:1,b:2-4,c,d:5-,e:-3,:9").unwrap();
        let cases = [
            ("a", 1, true),
            ("a", 2, false),
            ("b", 2, true),
            ("b", 4, false),
            ("c", 77, true),
            ("d", 4, false),
            ("d", 5, true),
            ("e", 2, true),
            ("e", 3, false),
            ("z", 9, true),
        ];
        for (topic, partition, taken) in cases {
            assert_eq!(filter.takes(topic, partition), taken, "{topic}-{partition}");
        }
        let error = Filter::from_rules("x:y").err().unwrap();
        assert_eq!(error.message(), "org.apache.kafka.tools.TerseException: Invalid rule specification: x:y");
    }

    #[test]
    fn lists_take_all_without_numbers() {
        let filter = Filter::from_lists(Some("log.*".to_owned()), None).unwrap();
        assert!(filter.takes("logss", 3) && !filter.takes("other", 0));
        assert!(Filter::from_lists(None, Some("0,x".to_owned())).is_err());
    }
}
