//! `kafka-topics`: create, delete, describe, list and grow topics (`org.apache.kafka.tools.TopicCommand`).

mod describe;
mod options;

use std::collections::BTreeSet;

use super::command_line::{Stop, end_with_trace};
use super::log;
use super::options::Options;
use super::pattern::{IncludeList, is_internal};
use super::throwable::Throwable;
use millrace_client::{NewPartitions, NewTopic};

use crate::admin::{Admin, Unreachable};
use crate::io::Io;

const LOGGER: &str = "org.apache.kafka.tools.TopicCommand";

/// Runs the tool.
pub(super) async fn run(arguments: &[String], io: &mut Io) -> u8 {
    let result = execute(arguments, io).await;
    end_with_trace(io, result)
}

async fn execute(arguments: &[String], io: &mut Io) -> Result<(), Stop> {
    let options = options::read(arguments, io)?;
    let admin = Admin::for_tool(options.value("command-config")?, options.value("bootstrap-server")?)?;
    let call = if options.has("create") { "createTopics" } else { "listTopics" };
    let reached = match admin.reach(call, io).await {
        Err(Unreachable::NoHost(error)) => return Err(error.into()),
        Err(Unreachable::Silence(error)) => Err(error),
        Ok(()) => Ok(()),
    };
    let result = if reached.is_err() {
        reached
    } else if options.has("create") {
        create(&admin, &options, io).await
    } else if options.has("alter") {
        alter(&admin, &options).await
    } else if options.has("list") {
        list(&admin, &options, io).await
    } else if options.has("describe") {
        describe::describe(&admin, &options, io).await
    } else {
        delete(&admin, &options).await
    };
    result.map_err(|error| {
        io.line(format!("Error while executing topic command : {}", error.message()));
        log::error(io, LOGGER, &error.stack_trace());
        Stop::Exit(1)
    })
}

/// What `--create` and `--alter` say about a topic.
struct Wanted {
    name: String,
    partitions: Option<i32>,
    replication_factor: Option<i32>,
    assignment: Vec<Vec<i32>>,
    configs: Vec<(String, String)>,
}

impl Wanted {
    fn read(options: &Options) -> Result<Self, Throwable> {
        let assignment = match options.given("replica-assignment")? {
            Some(text) if !text.is_empty() => parse_assignment(&text)?,
            _ => Vec::new(),
        };
        Ok(Self {
            name: options.value("topic")?.unwrap_or_default(),
            partitions: options.int("partitions")?,
            replication_factor: options.int("replication-factor")?,
            assignment,
            configs: parse_configs(&options.values("config"))?,
        })
    }
}

async fn create(admin: &Admin, options: &Options, io: &mut Io) -> Result<(), Throwable> {
    let topic = Wanted::read(options)?;
    if topic.name.contains(['_', '.']) {
        io.line(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could \
             collide. To avoid issues it is best to use either, but not both.",
        );
    }
    let in_range = |factor: i32| i16::try_from(factor).ok().filter(|factor| *factor >= 1);
    let replication_factor = match topic.replication_factor {
        Some(factor) => Some(in_range(factor).ok_or_else(|| {
            Throwable::illegal_argument("The replication factor must be between 1 and 32767 inclusive")
        })?),
        None => None,
    };
    if topic.partitions.is_some_and(|partitions| partitions < 1) {
        return Err(Throwable::illegal_argument("The partitions must be greater than 0"));
    }
    let new = NewTopic {
        name: topic.name.clone(),
        num_partitions: topic.partitions,
        replication_factor,
        assignments: topic.assignment,
        configs: topic.configs,
    };
    match admin.create_topic(new).await {
        Ok(()) => io.line(format!("Created topic {}.", topic.name)),
        Err(error) if options.has("if-not-exists") && error.simple_name() == "TopicExistsException" => {}
        Err(error) => return Err(checked_here(error)),
    }
    Ok(())
}

/// Kafka's tool checks the types of settings itself, before it asks the broker, whose words are the same.
fn checked_here(error: Throwable) -> Throwable {
    if error.simple_name() == "InvalidConfigurationException" && error.message().starts_with("Invalid value ")
    {
        return Throwable::new("org.apache.kafka.common.config.ConfigException", error.message());
    }
    error
}

async fn list(admin: &Admin, options: &Options, io: &mut Io) -> Result<(), Throwable> {
    let topics = topics(admin, options).await?;
    io.line(topics.join("\n"));
    Ok(())
}

async fn alter(admin: &Admin, options: &Options) -> Result<(), Throwable> {
    let wanted = Wanted::read(options)?;
    let topics = topics(admin, options).await?;
    ensure_found(options, &topics)?;
    if topics.is_empty() {
        return Ok(());
    }
    let count = wanted.partitions.unwrap_or(0);
    let mut changes = Vec::with_capacity(topics.len());
    if wanted.assignment.is_empty() {
        let grown = |topic| NewPartitions { topic, total_count: count, assignments: None };
        changes.extend(topics.into_iter().map(grown));
    } else {
        for topic in admin.describe_topics(&topics).await? {
            let added = wanted.assignment.iter().skip(topic.partitions.len()).cloned().collect();
            changes.push(NewPartitions { topic: topic.name, total_count: count, assignments: Some(added) });
        }
    }
    admin.create_partitions(changes).await
}

async fn delete(admin: &Admin, options: &Options) -> Result<(), Throwable> {
    let topics = topics(admin, options).await?;
    ensure_found(options, &topics)?;
    if topics.is_empty() {
        return Ok(());
    }
    admin.delete_topics(&topics).await
}

/// The topics that `--topic` takes, sorted.
async fn topics(admin: &Admin, options: &Options) -> Result<Vec<String>, Throwable> {
    let exclude_internal = options.has("exclude-internal");
    let mut names: Vec<String> =
        admin.list_topics(!exclude_internal).await?.into_iter().map(|topic| topic.name).collect();
    names.sort_by(|left, right| left.encode_utf16().cmp(right.encode_utf16()));
    match options.given("topic")? {
        Some(pattern) => {
            let list = IncludeList::new(&pattern)?;
            names.retain(|name| list.allows(name, exclude_internal));
        }
        None => names.retain(|name| !(exclude_internal && is_internal(name))),
    }
    Ok(names)
}

/// Without `--if-exists`, `--topic` must name a topic.
fn ensure_found(options: &Options, topics: &[String]) -> Result<(), Throwable> {
    match options.given("topic")? {
        Some(name) if !name.is_empty() && topics.is_empty() && !options.has("if-exists") => {
            Err(Throwable::illegal_argument(format!("Topic '{name}' does not exist as expected")))
        }
        _ => Ok(()),
    }
}

/// `0:1,1:2`: replicas of partition 0, replicas of partition 1.
fn parse_assignment(text: &str) -> Result<Vec<Vec<i32>>, Throwable> {
    let mut partitions: Vec<Vec<i32>> = Vec::new();
    for (index, brokers) in text.trim_end_matches(',').split(',').enumerate() {
        let mut ids = Vec::new();
        for id in brokers.split(':') {
            ids.push(id.trim().parse::<i32>().map_err(|_| Throwable::number_format(id.trim()))?);
        }
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<String> =
            ids.iter().filter(|id| !seen.insert(**id)).map(ToString::to_string).collect();
        if !twice.is_empty() {
            let twice: Vec<String> = twice.into_iter().collect();
            return Err(Throwable::new(
                "org.apache.kafka.tools.AdminCommandFailedException",
                format!("Partition replica lists may not contain duplicate entries: {}", twice.join(",")),
            ));
        }
        if partitions.first().is_some_and(|first| first.len() != ids.len()) {
            return Err(Throwable::new(
                "org.apache.kafka.tools.AdminOperationException",
                format!("Partition {index} has different replication factor: {ids:?}"),
            ));
        }
        partitions.push(ids);
    }
    Ok(partitions)
}

/// `key=value`, blanks around the equals sign allowed, exactly one of those.
fn parse_configs(arguments: &[String]) -> Result<Vec<(String, String)>, Throwable> {
    let pairs: Option<Vec<(String, String)>> = arguments
        .iter()
        .map(|argument| {
            let (name, value) = argument.split_once('=')?;
            let value = value.trim_end_matches('=');
            (!value.is_empty() && !value.contains('='))
                .then(|| (name.trim().to_owned(), value.trim().to_owned()))
        })
        .collect();
    pairs.ok_or_else(|| {
        Throwable::illegal_argument(
            "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments() {
        assert_eq!(parse_assignment("0:1,1:2"), Ok(vec![vec![0, 1], vec![1, 2]]));
        assert_eq!(
            parse_assignment("1:1").unwrap_err().message(),
            "Partition replica lists may not contain duplicate entries: 1"
        );
        assert_eq!(
            parse_assignment("1,1:2").unwrap_err().message(),
            "Partition 1 has different replication factor: [1, 2]"
        );
        assert_eq!(parse_assignment("a").unwrap_err().message(), "For input string: \"a\"");
    }

    #[test]
    fn configs() {
        let read = |text: &str| parse_configs(&[text.to_owned()]);
        assert_eq!(read("retention.ms = 5"), Ok(vec![("retention.ms".to_owned(), "5".to_owned())]));
        for bad in ["retention.ms", "retention.ms=", "a=b=c"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
