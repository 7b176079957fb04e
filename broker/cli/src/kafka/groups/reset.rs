//! `kafka-consumer-groups --reset-offsets`: plan new offsets, print or export them, commit them with
//! `--execute`.

use std::collections::BTreeMap;

use millrace_client::{OffsetSpec, TopicPartition};

use super::csv::{self, PlanLine};
use super::options::{TOOL, no_scenario};
use super::{LOGGER, print_error, wanted_groups};
use crate::admin::Admin;
use crate::io::Io;
use crate::kafka::command_line::{Stop, usage_and_exit};
use crate::kafka::datetime::{now_ms, parse_date_time, parse_duration_ms};
use crate::kafka::format::left;
use crate::kafka::hash::{sort_as_hash_map, sort_as_sized_map, sort_partitions, sort_strings, string_hash};
use crate::kafka::log;
use crate::kafka::options::Options;
use crate::kafka::properties::read_file;
use crate::kafka::throwable::Throwable;

/// New offsets of one group, in the order of the table.
type Plan = Vec<(TopicPartition, i64)>;

/// Resets the groups that the options name.
pub(super) async fn reset(admin: &Admin, options: &Options, io: &mut Io) -> Result<(), Stop> {
    let mut groups = wanted_groups(admin, options).await?;
    sort_strings(&mut groups);
    groups.dedup();
    let mut plans: Vec<(String, Plan)> = Vec::with_capacity(groups.len());
    for group in groups {
        let state = match admin.describe_group(&group).await {
            Ok(description) => description.state,
            Err(error) if error.simple_name() == "GroupIdNotFoundException" => "Dead".to_owned(),
            Err(error) => return Err(error.execution().runtime().into()),
        };
        let plan = if state == "Empty" || state == "Dead" {
            reset_inactive(admin, options, &group, io).await?
        } else {
            print_error(
                io,
                &format!(
                    "Assignments can only be reset if the group '{group}' is inactive, but the current state is \
                     {state}."
                ),
            );
            Plan::new()
        };
        plans.push((group, plan));
    }
    sort_as_hash_map(&mut plans, |(group, _)| string_hash(group));
    if options.has("export") {
        io.line(exported(&plans, options.values("group").len() == 1));
    } else {
        print_table(&plans, io);
    }
    Ok(())
}

fn print_table(plans: &[(String, Plan)], io: &mut Io) {
    let row = |group: &str, topic: &str, partition: &str, offset: &str| {
        format!("\n{} {} {} {}", left(group, 30), left(topic, 30), left(partition, 10), left(offset, 15))
    };
    if !plans.is_empty() {
        io.print(row("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"));
    }
    for (group, plan) in plans {
        for (partition, offset) in plan {
            io.print(row(group, &partition.topic, &partition.partition.to_string(), &offset.to_string()));
        }
    }
    io.line("");
}

fn exported(plans: &[(String, Plan)], is_single: bool) -> String {
    let mut text = String::new();
    for (group, plan) in plans {
        for (partition, offset) in plan {
            text.push_str(&csv::write(&PlanLine {
                group: (!is_single).then(|| group.clone()),
                partition: partition.clone(),
                offset: *offset,
            }));
        }
    }
    text
}

async fn reset_inactive(admin: &Admin, options: &Options, group: &str, io: &mut Io) -> Result<Plan, Stop> {
    let partitions = partitions_to_reset(admin, options, group, io).await?;
    let mut plan = prepare(admin, options, group, partitions, io).await?;
    sort_partitions(&mut plan, |(partition, _)| (&partition.topic, partition.partition));
    if options.has("execute") && !options.has("dry-run") {
        admin.alter_offsets(group, &plan).await?;
    }
    Ok(plan)
}

async fn partitions_to_reset(
    admin: &Admin,
    options: &Options,
    group: &str,
    io: &mut Io,
) -> Result<Vec<TopicPartition>, Stop> {
    if options.has("all-topics") {
        let committed = admin.committed(group).await.map_err(wrapped)?;
        return Ok(committed.into_keys().collect());
    }
    if options.has("topic") {
        return Ok(named_partitions(admin, &options.values("topic")).await?);
    }
    if !options.has("from-file") {
        let message = "One of the reset scopes should be defined: --all-topics, --topic.";
        return Err(usage_and_exit(io, TOOL, message));
    }
    Ok(Vec::new())
}

/// `topic:0,1` for some partitions, `topic` for all.
async fn named_partitions(admin: &Admin, arguments: &[String]) -> Result<Vec<TopicPartition>, Throwable> {
    let (with_numbers, mut topics): (Vec<String>, Vec<String>) =
        arguments.iter().cloned().partition(|argument| argument.contains(':'));
    let mut partitions = Vec::new();
    for argument in &with_numbers {
        partitions.extend(parse_partitions(argument)?);
    }
    topics.dedup();
    sort_as_sized_map(&mut topics, |topic| string_hash(topic));
    for topic in admin.describe_topics(&topics).await? {
        partitions.extend(
            topic
                .partitions
                .iter()
                .map(|partition| TopicPartition::new(topic.name.as_str(), partition.index)),
        );
    }
    Ok(partitions)
}

/// Reads `topic:0,1`.
pub(super) fn parse_partitions(argument: &str) -> Result<Vec<TopicPartition>, Throwable> {
    let parts: Vec<&str> = argument.trim_end_matches(':').split(':').collect();
    let [topic, numbers] = parts[..] else {
        return Err(Throwable::illegal_argument(format!(
            "Invalid topic arg '{argument}', expected topic name and partitions"
        )));
    };
    numbers
        .split(',')
        .map(|number| {
            number.parse().map(|number| TopicPartition::new(topic, number)).map_err(|_| {
                Throwable::illegal_argument(format!(
                    "Invalid partition '{number}' specified in topic arg '{argument}''"
                ))
            })
        })
        .collect()
}

async fn prepare(
    admin: &Admin,
    options: &Options,
    group: &str,
    partitions: Vec<TopicPartition>,
    io: &mut Io,
) -> Result<Plan, Stop> {
    if options.has("to-offset") {
        let offset = options.long("to-offset")?.unwrap_or(0);
        let wanted = partitions.into_iter().map(|partition| (partition, offset)).collect();
        return Ok(within_range(admin, wanted, io).await?);
    }
    if options.has("to-earliest") || options.has("to-latest") {
        let spec = if options.has("to-earliest") { OffsetSpec::Earliest } else { OffsetSpec::Latest };
        return Ok(log_offsets(admin, &partitions, spec).await?);
    }
    if options.has("shift-by") {
        return shifted(admin, options, group, partitions, io).await;
    }
    if let Some(text) = options.given("to-datetime")? {
        let time_ms = parse_date_time(&text).map_err(Throwable::runtime)?;
        return Ok(offsets_at(admin, &partitions, time_ms, io).await?);
    }
    if let Some(text) = options.given("by-duration")? {
        let time_ms = now_ms() - parse_duration_ms(&text)?;
        return Ok(offsets_at(admin, &partitions, time_ms, io).await?);
    }
    if let Some(path) = options.given("from-file")? {
        return from_file(admin, options, group, &path, io).await;
    }
    if options.has("to-current") {
        return Ok(current(admin, group, partitions).await?);
    }
    Err(no_scenario(io))
}

async fn shifted(
    admin: &Admin,
    options: &Options,
    group: &str,
    partitions: Vec<TopicPartition>,
    io: &mut Io,
) -> Result<Plan, Stop> {
    let committed = admin.committed(group).await.map_err(wrapped)?;
    let shift = options.long("shift-by")?.unwrap_or(0);
    let mut wanted = Plan::with_capacity(partitions.len());
    for partition in partitions {
        let Some(current) = committed.get(&partition) else {
            return Err(Throwable::illegal_argument(format!(
                "Cannot shift offset for partition {partition} since there is no current committed offset"
            ))
            .into());
        };
        wanted.push((partition, current.offset.wrapping_add(shift)));
    }
    Ok(within_range(admin, wanted, io).await?)
}

async fn current(admin: &Admin, group: &str, partitions: Vec<TopicPartition>) -> Result<Plan, Throwable> {
    let committed = admin.committed(group).await.map_err(wrapped)?;
    let (known, unknown): (Vec<_>, Vec<_>) =
        partitions.into_iter().partition(|partition| committed.contains_key(partition));
    let mut plan: Plan = known
        .into_iter()
        .filter_map(|partition| {
            let offset = committed.get(&partition)?.offset;
            Some((partition, offset))
        })
        .collect();
    plan.extend(log_offsets(admin, &unknown, OffsetSpec::Latest).await?);
    Ok(plan)
}

async fn from_file(
    admin: &Admin,
    options: &Options,
    group: &str,
    path: &str,
    io: &mut Io,
) -> Result<Plan, Stop> {
    let text = read_file(path).map_err(Throwable::runtime)?;
    let mut lines: Vec<&str> = text.split('\n').collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let groups = options.values("group");
    let shape = csv::read(lines.first().copied().unwrap_or_default(), false);
    // Kafka reads the plan twice, to see whether there is one and to use it, and complains each time.
    let mut complain = || {
        if let Err(error) = &shape {
            io.error(error.stack_trace());
        }
    };
    complain();
    let with_group = !(groups.len() == 1 && shape.is_ok());
    let mut plans: BTreeMap<String, BTreeMap<TopicPartition, i64>> = BTreeMap::new();
    for line in lines {
        let line = csv::read(line, with_group).map_err(Throwable::runtime)?;
        let owner = line.group.unwrap_or_else(|| group.to_owned());
        plans.entry(owner).or_default().insert(line.partition, line.offset);
    }
    complain();
    match plans.remove(group) {
        Some(plan) => Ok(within_range(admin, plan.into_iter().collect(), io).await?),
        None => {
            print_error(io, &format!("No reset plan for group {group} found"));
            Ok(Plan::new())
        }
    }
}

/// The offsets, each moved into the range that the log has.
async fn within_range(admin: &Admin, mut wanted: Plan, io: &mut Io) -> Result<Plan, Throwable> {
    let partitions: Vec<TopicPartition> = wanted.iter().map(|(partition, _)| partition.clone()).collect();
    let starts = admin.list_offsets(&partitions, OffsetSpec::Earliest).await.map_err(wrapped)?;
    let ends = admin.list_offsets(&partitions, OffsetSpec::Latest).await.map_err(wrapped)?;
    sort_partitions(&mut wanted, |(partition, _)| (&partition.topic, partition.partition));
    for (partition, offset) in &mut wanted {
        let (start, end) = (starts.get(partition).copied(), ends.get(partition).copied());
        let (side, bound) = match (start, end) {
            (_, Some(end)) if *offset > end => ("higher than latest", end),
            (Some(start), _) if *offset < start => ("lower than earliest", start),
            _ => continue,
        };
        let message = format!(
            "New offset ({offset}) is {side} offset for topic partition {partition}. Value will be set to {bound}"
        );
        log::warn(io, LOGGER, &message);
        *offset = bound;
    }
    Ok(wanted)
}

async fn log_offsets(
    admin: &Admin,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<Plan, Throwable> {
    if partitions.is_empty() {
        return Ok(Plan::new());
    }
    let found = admin.list_offsets(partitions, spec).await.map_err(wrapped)?;
    Ok(partitions
        .iter()
        .filter_map(|partition| found.get(partition).map(|offset| (partition.clone(), *offset)))
        .collect())
}

/// The first offsets at or after a time; the end of the log where nothing is that young.
async fn offsets_at(
    admin: &Admin,
    partitions: &[TopicPartition],
    time_ms: i64,
    io: &mut Io,
) -> Result<Plan, Throwable> {
    let found = log_offsets(admin, partitions, OffsetSpec::Timestamp(time_ms)).await?;
    let (mut plan, missing): (Plan, Plan) = found.into_iter().partition(|(_, offset)| *offset >= 0);
    let mut missing: Vec<TopicPartition> = missing.into_iter().map(|(partition, _)| partition).collect();
    sort_partitions(&mut missing, |partition| (&partition.topic, partition.partition));
    for partition in &missing {
        io.line(format!(
            "\nWarn: Partition {} from topic {} is empty. Falling back to latest known offset.",
            partition.partition, partition.topic
        ));
    }
    plan.extend(log_offsets(admin, &missing, OffsetSpec::Latest).await?);
    Ok(plan)
}

/// As a future's failure arrives through the tool's own layers.
fn wrapped(error: Throwable) -> Throwable {
    error.execution().runtime()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_partitions() {
        let partitions = parse_partitions("t:0,2").unwrap();
        assert_eq!(partitions, [TopicPartition::new("t", 0), TopicPartition::new("t", 2)]);
        assert_eq!(
            parse_partitions("t:x").unwrap_err().message(),
            "Invalid partition 'x' specified in topic arg 't:x''"
        );
        assert_eq!(
            parse_partitions("t:1:2").unwrap_err().message(),
            "Invalid topic arg 't:1:2', expected topic name and partitions"
        );
    }
}
