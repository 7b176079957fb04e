//! `kafka-consumer-groups --delete-offsets`: forget what a group has committed for topics.

use std::collections::BTreeMap;

use millrace_client::TopicPartition;
use millrace_protocol::ErrorCode;

use super::print_error;
use super::reset::parse_partitions;
use crate::admin::{Admin, throwable};
use crate::io::Io;
use crate::kafka::format::{left, length};
use crate::kafka::hash::sort_partitions;
use crate::kafka::options::Options;
use crate::kafka::throwable::Throwable;

/// What became of each partition; -1 stands for a topic that could not be looked up.
type Outcome = BTreeMap<TopicPartition, Option<Throwable>>;

/// Deletes the offsets that the options name.
pub(super) async fn delete(admin: &Admin, options: &Options, io: &mut Io) -> Result<(), Throwable> {
    let group = options.value("group")?.unwrap_or_default();
    let (with_numbers, topics): (Vec<String>, Vec<String>) =
        options.values("topic").into_iter().partition(|argument| argument.contains(':'));
    let mut outcome = Outcome::new();
    let mut partitions = Vec::new();
    for argument in &with_numbers {
        partitions.extend(parse_partitions(argument)?);
    }
    for (name, described) in admin.describe_each(&topics, 2000).await? {
        match described {
            Ok(topic) => partitions.extend(
                topic.partitions.iter().map(|partition| TopicPartition::new(name.as_str(), partition.index)),
            ),
            Err(error) => {
                outcome.insert(TopicPartition::new(name.as_str(), -1), Some(error.execution()));
            }
        }
    }
    sort_partitions(&mut partitions, |partition| (&partition.topic, partition.partition));
    partitions.dedup();
    let first = forget(admin, &group, partitions, &mut outcome).await;
    report(io, &group, first);
    print_table(io, &outcome);
    Ok(())
}

/// What the table says where no broker answers: topics could not be looked up.
pub(super) fn nobody_answers(options: &Options, error: &Throwable, io: &mut Io) {
    let group = options.value("group").ok().flatten().unwrap_or_default();
    let place = |argument: &String| match argument.split_once(':') {
        Some((topic, _)) => {
            parse_partitions(argument).unwrap_or_else(|_| vec![TopicPartition::new(topic, -1)])
        }
        None => vec![TopicPartition::new(argument.as_str(), -1)],
    };
    let failed = |partition| (partition, Some(error.clone().execution()));
    let outcome = options.values("topic").iter().flat_map(place).map(failed).collect();
    report(io, &group, Some(ErrorCode::REQUEST_TIMED_OUT));
    print_table(io, &outcome);
}

/// Asks the broker and gives the first failure.
async fn forget(
    admin: &Admin,
    group: &str,
    partitions: Vec<TopicPartition>,
    outcome: &mut Outcome,
) -> Option<ErrorCode> {
    let mut first = None;
    let results = match admin.inner().delete_group_offsets(group, partitions.clone()).await {
        Ok(results) => results,
        Err(error) => partitions.into_iter().map(|partition| (partition, Err(error.clone()))).collect(),
    };
    for (partition, result) in results {
        let failure = result.err();
        if let Some(error) = &failure {
            first = first.or(Some(error.code().unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR)));
        }
        outcome.insert(partition, failure.map(|error| throwable(error).execution()));
    }
    first
}

fn report(io: &mut Io, group: &str, first: Option<ErrorCode>) {
    match first {
        None => io.line(format!("Request succeeded for deleting offsets from group {group}.")),
        Some(
            code @ (ErrorCode::INVALID_GROUP_ID
            | ErrorCode::GROUP_ID_NOT_FOUND
            | ErrorCode::GROUP_AUTHORIZATION_FAILED
            | ErrorCode::NON_EMPTY_GROUP),
        ) => print_error(io, code.message()),
        Some(
            ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC
            | ErrorCode::TOPIC_AUTHORIZATION_FAILED
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ) => print_error(io, "Encountered some partition-level error, see the follow-up details."),
        Some(code) => print_error(io, &format!("Encountered some unknown error: {}", code.name())),
    }
}

fn print_table(io: &mut Io, outcome: &Outcome) {
    let width = outcome.keys().map(|partition| length(&partition.topic)).max().unwrap_or(0).max(15);
    let row = |topic: &str, partition: &str, status: &str| {
        format!("\n{} {} {}", left(topic, width), left(partition, 10), left(status, 15))
    };
    io.print(row("TOPIC", "PARTITION", "STATUS"));
    let mut rows: Vec<(&TopicPartition, &Option<Throwable>)> = outcome.iter().collect();
    rows.sort_by_key(|(partition, _)| format!("{}{}", partition.topic, partition.partition));
    for (partition, failure) in rows {
        let number = if partition.partition >= 0 { partition.partition.to_string() } else { "-".to_owned() };
        let status = match failure {
            Some(error) => format!("Error: {}", error.message()),
            None => "Successful".to_owned(),
        };
        io.print(row(&partition.topic, &number, &status));
    }
    io.line("");
}
