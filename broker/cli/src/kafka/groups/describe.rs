//! `kafka-consumer-groups --describe`: offsets and lag, members, or the state of groups.

use std::collections::BTreeMap;

use millrace_client::{CommittedOffset, GroupDescription, GroupMember, OffsetSpec, TopicPartition};

use super::{print_error, wanted_groups};
use crate::admin::Admin;
use crate::io::Io;
use crate::kafka::format::{columns, left, length};
use crate::kafka::hash::sort_partitions;
use crate::kafka::options::Options;
use crate::kafka::throwable::Throwable;

const MISSING: &str = "-";

/// Describes the groups that the options name.
pub(super) async fn describe(admin: &Admin, options: &Options, io: &mut Io) -> Result<(), Throwable> {
    let mut groups = BTreeMap::new();
    for group in wanted_groups(admin, options).await? {
        let description = admin.describe_group(&group).await.map_err(Throwable::execution)?;
        groups.insert(group, description);
    }
    let verbose = options.has("verbose");
    if options.has("members") {
        for group in groups.values() {
            print_members(group, verbose, io)?;
        }
    } else if options.has("state") {
        for group in groups.values() {
            print_state(group, verbose, io)?;
        }
    } else {
        let mut described = Vec::with_capacity(groups.len());
        for group in groups.values() {
            described.push((group, rows_of(admin, group).await?));
        }
        for (group, rows) in described {
            print_offsets(group, &rows, verbose, io)?;
        }
    }
    Ok(())
}

/// A partition of a group.
#[derive(Debug)]
struct Row {
    partition: TopicPartition,
    committed: Option<CommittedOffset>,
    end: Option<i64>,
    consumer_id: String,
    host: String,
    client_id: String,
}

async fn rows_of(admin: &Admin, group: &GroupDescription) -> Result<Vec<Row>, Throwable> {
    let committed = admin.committed(&group.group).await.map_err(|error| error.execution().runtime())?;
    let mut members: Vec<&GroupMember> =
        group.members.iter().filter(|member| !member.assignment.is_empty()).collect();
    members.sort_by_key(|member| std::cmp::Reverse(member.assignment.len()));
    let mut rows = Vec::new();
    let mut unassigned: Vec<TopicPartition> = committed.keys().cloned().collect();
    for member in members {
        unassigned.retain(|partition| !member.assignment.contains(partition));
        let who = [&member.member_id, &member.host, &member.client_id];
        rows.extend(partition_rows(admin, &member.assignment, &committed, who).await?);
    }
    if !unassigned.is_empty() {
        let nobody = MISSING.to_owned();
        rows.extend(partition_rows(admin, &unassigned, &committed, [&nobody, &nobody, &nobody]).await?);
    }
    Ok(rows)
}

async fn partition_rows(
    admin: &Admin,
    partitions: &[TopicPartition],
    committed: &BTreeMap<TopicPartition, CommittedOffset>,
    [consumer_id, host, client_id]: [&String; 3],
) -> Result<Vec<Row>, Throwable> {
    let mut partitions = partitions.to_vec();
    partitions.sort_by(|left, right| (left.partition, &left.topic).cmp(&(right.partition, &right.topic)));
    sort_partitions(&mut partitions, |partition| (&partition.topic, partition.partition));
    let ends = admin
        .list_offsets(&partitions, OffsetSpec::Latest)
        .await
        .map_err(|error| error.execution().runtime())?;
    let row = |partition: TopicPartition| Row {
        committed: committed.get(&partition).cloned(),
        end: ends.get(&partition).copied(),
        partition,
        consumer_id: consumer_id.clone(),
        host: host.clone(),
        client_id: client_id.clone(),
    };
    Ok(partitions.into_iter().map(row).collect())
}

/// Says on standard error what is odd about a group, and whether its table is worth printing.
fn worth_printing(io: &mut Io, group: &GroupDescription, rows: usize) -> Result<bool, Throwable> {
    let name = &group.group;
    match group.state.as_str() {
        "Dead" => {
            print_error(io, &format!("Consumer group '{name}' does not exist."));
            return Ok(false);
        }
        "Empty" => io.error_line(format!("\nConsumer group '{name}' has no active members.")),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            io.error_line(format!("\nWarning: Consumer group '{name}' is rebalancing."));
        }
        "Stable" => {}
        other => {
            return Err(Throwable::new(
                "org.apache.kafka.common.KafkaException",
                format!("Expected a valid consumer group state, but found '{other}'."),
            ));
        }
    }
    Ok(rows > 0)
}

fn print_offsets(
    group: &GroupDescription,
    rows: &[Row],
    verbose: bool,
    io: &mut Io,
) -> Result<(), Throwable> {
    if !worth_printing(io, group, rows.len())? {
        return Ok(());
    }
    let widest = |cell: fn(&Row) -> &str| rows.iter().map(|row| length(cell(row))).max().unwrap_or(0).max(15);
    let mut widths = vec![
        length(&group.group).max(15),
        widest(|row| &row.partition.topic),
        10,
        15,
        15,
        15,
        15,
        widest(|row| &row.consumer_id),
        widest(|row| &row.host),
    ];
    let mut headers = vec![
        "GROUP",
        "TOPIC",
        "PARTITION",
        "LEADER-EPOCH",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ];
    if !verbose {
        headers.remove(3);
        widths.remove(3);
    }
    io.print(format!("\n{}", columns(&headers, &widths)));
    let text = |value: Option<i64>| value.map_or_else(|| MISSING.to_owned(), |value| value.to_string());
    for row in rows {
        let offset = row.committed.as_ref().map(|committed| committed.offset);
        let epoch = row.committed.as_ref().and_then(|committed| committed.leader_epoch).map(i64::from);
        let lag = offset.filter(|offset| *offset != -1).zip(row.end).map(|(offset, end)| end - offset);
        let number = row.partition.partition.to_string();
        let (epoch, offset, end, lag) = (text(epoch), text(offset), text(row.end), text(lag));
        let mut cells = vec![
            group.group.as_str(),
            &row.partition.topic,
            &number,
            &epoch,
            &offset,
            &end,
            &lag,
            &row.consumer_id,
            &row.host,
            &row.client_id,
        ];
        if !verbose {
            cells.remove(3);
        }
        io.print(format!("\n{}", columns(&cells, &widths)));
    }
    io.line("");
    Ok(())
}

/// `topic:0,1;other:2`, or `-`.
fn assignment_text(partitions: &[TopicPartition]) -> String {
    if partitions.is_empty() {
        return MISSING.to_owned();
    }
    let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        by_topic.entry(&partition.topic).or_default().push(partition.partition);
    }
    let mut topics: Vec<String> = by_topic
        .into_iter()
        .map(|(topic, mut numbers)| {
            numbers.sort_unstable();
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            format!("{topic}:{}", numbers.join(","))
        })
        .collect();
    topics.sort();
    topics.join(";")
}

fn print_members(group: &GroupDescription, verbose: bool, io: &mut Io) -> Result<(), Throwable> {
    // The header is printed in any case, which looks like a slip but is what people's scripts see.
    let members: &[GroupMember] = &group.members;
    worth_printing(io, group, members.len())?;
    let widest = |least: usize, cell: fn(&GroupMember) -> &str| {
        members.iter().map(|member| length(cell(member))).max().unwrap_or(0).max(least)
    };
    let with_instances = members.iter().any(|member| !instance(member).is_empty());
    let mut widths = vec![
        if members.is_empty() { 15 } else { length(&group.group).max(15) },
        widest(15, |member| &member.member_id),
        widest(17, instance),
        widest(15, |member| &member.host),
        widest(15, |member| &member.client_id),
        15,
    ];
    let assignments: Vec<String> = members.iter().map(|member| assignment_text(&member.assignment)).collect();
    let widest_assignment = assignments.iter().map(|text| length(text)).max().unwrap_or(0).max(20);
    if !with_instances {
        widths.remove(2);
    }
    let print = |mut cells: Vec<&str>, epochs: &str, assignment: &str, target_epoch: &str, target: &str| {
        if !with_instances {
            cells.remove(2);
        }
        let mut line = format!("{} ", columns(&cells, &widths));
        if verbose {
            let assignment = left(assignment, widest_assignment);
            line.push_str(&columns(&[epochs, &assignment, target_epoch, target], &[15, 0, 15, 20]));
        }
        line
    };
    let headers = vec!["GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS"];
    let header = print(headers, "CURRENT-EPOCH", "CURRENT-ASSIGNMENT", "TARGET-EPOCH", "TARGET-ASSIGNMENT");
    io.line(format!("\n{header}"));
    for (member, assignment) in members.iter().zip(&assignments) {
        let count = member.assignment.len().to_string();
        let cells =
            vec![&*group.group, &member.member_id, instance(member), &member.host, &member.client_id, &count];
        io.line(print(cells, MISSING, assignment, MISSING, MISSING));
    }
    Ok(())
}

fn instance(member: &GroupMember) -> &str {
    member.group_instance_id.as_deref().unwrap_or("")
}

fn print_state(group: &GroupDescription, verbose: bool, io: &mut Io) -> Result<(), Throwable> {
    if !worth_printing(io, group, 1)? {
        return Ok(());
    }
    let node = &group.coordinator;
    let coordinator = format!("{}:{}  ({})", node.host, node.port, node.id);
    let strategy = if group.protocol.is_empty() { MISSING } else { &group.protocol };
    let mut widths = vec![length(&group.group).max(15), length(&coordinator).max(25), 20, 20, 15, 25];
    let mut headers = vec![
        "GROUP",
        "COORDINATOR (ID)",
        "ASSIGNMENT-STRATEGY",
        "STATE",
        "GROUP-EPOCH",
        "TARGET-ASSIGNMENT-EPOCH",
        "#MEMBERS",
    ];
    let members = group.members.len().to_string();
    let mut cells =
        vec![group.group.as_str(), &coordinator, strategy, &group.state, MISSING, MISSING, &members];
    if !verbose {
        widths.truncate(4);
        headers.drain(4..6);
        cells.drain(4..6);
    }
    io.line(format!("\n{}\n{}", columns(&headers, &widths), columns(&cells, &widths)));
    Ok(())
}
