//! `millrace topics describe`.

use std::collections::BTreeMap;

use clap::Args;
use millrace_client::{
    ConfigEntry, ConfigResource, ConfigSource, DescribeConfigsOptions, OffsetSpec, PartitionView,
    ResourceKind, TopicPartition, TopicView,
};
use serde::Serialize;

use crate::people::failure::Failure;
use crate::people::screen::Screen;
use crate::people::session::{Session, partitions_of};
use crate::people::table::{Cell, Column, Table, Tone};
use crate::people::units;

#[derive(Debug, Clone, Args)]
pub(super) struct DescribeArgs {
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Description {
    topic: String,
    id: String,
    internal: bool,
    replicas: usize,
    configs: BTreeMap<String, Option<String>>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Clone, Serialize)]
struct Partition {
    partition: i32,
    leader: Option<i32>,
    leader_epoch: Option<i32>,
    replicas: Vec<i32>,
    in_sync: Vec<i32>,
    first_offset: Option<i64>,
    end_offset: Option<i64>,
    bytes: Option<i64>,
}

/// What is known of partitions beside metadata.
struct Facts {
    first: BTreeMap<TopicPartition, i64>,
    end: BTreeMap<TopicPartition, i64>,
    bytes: BTreeMap<TopicPartition, i64>,
}

/// Runs the command.
pub(super) async fn run(
    session: &Session,
    args: &DescribeArgs,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let topics = session.topics(&args.topics).await?;
    let partitions: Vec<TopicPartition> = topics.iter().flat_map(partitions_of).collect();
    let facts = Facts {
        first: session.offsets(&partitions, OffsetSpec::Earliest).await?,
        end: session.offsets(&partitions, OffsetSpec::Latest).await?,
        bytes: session.sizes(&topics).await,
    };
    let mut configs = configs(session, &topics).await?;
    let described: Vec<Description> = topics
        .iter()
        .map(|topic| description(topic, configs.remove(&*topic.name).unwrap_or_default(), &facts))
        .collect();
    if screen.is_json() {
        screen.json(&described);
        return Ok(());
    }
    for (at, one) in described.iter().enumerate() {
        if at > 0 {
            screen.line("");
        }
        screen.fields(&fields(one));
        screen.line("");
        screen.table(&table(one));
    }
    Ok(())
}

/// Settings of each topic that differ from the broker's.
async fn configs(
    session: &Session,
    topics: &[TopicView],
) -> Result<BTreeMap<String, BTreeMap<String, Option<String>>>, Failure> {
    let resource =
        |topic: &TopicView| ConfigResource { kind: ResourceKind::Topic, name: topic.name.to_string() };
    let resources = topics.iter().map(resource).collect();
    let described = session.admin().describe_configs(resources, DescribeConfigsOptions::default()).await?;
    let own = |entry: &ConfigEntry| entry.source == ConfigSource::DynamicTopic;
    Ok(described
        .into_iter()
        .map(|(resource, entries)| {
            let entries = entries.unwrap_or_default().into_iter().filter(own);
            (resource.name, entries.map(|entry| (entry.name, entry.value)).collect())
        })
        .collect())
}

fn description(topic: &TopicView, configs: BTreeMap<String, Option<String>>, facts: &Facts) -> Description {
    let partition = |(view, name): (&PartitionView, TopicPartition)| Partition {
        partition: view.partition,
        leader: view.leader,
        leader_epoch: view.leader_epoch,
        replicas: view.replicas.clone(),
        in_sync: view.isr.clone(),
        first_offset: facts.first.get(&name).copied(),
        end_offset: facts.end.get(&name).copied(),
        bytes: facts.bytes.get(&name).copied(),
    };
    Description {
        topic: topic.name.to_string(),
        id: topic.id.to_string(),
        internal: topic.is_internal,
        replicas: topic.partitions.first().map_or(0, |partition| partition.replicas.len()),
        configs,
        partitions: topic.partitions.iter().zip(partitions_of(topic)).map(partition).collect(),
    }
}

fn fields(one: &Description) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("topic", one.topic.clone()),
        ("id", one.id.clone()),
        ("partitions", one.partitions.len().to_string()),
        ("replicas", one.replicas.to_string()),
    ];
    let records: i64 = one.partitions.iter().filter_map(records).sum();
    fields.push(("records", records.to_string()));
    if one.partitions.iter().any(|partition| partition.bytes.is_some()) {
        let bytes = one.partitions.iter().filter_map(|partition| partition.bytes).sum();
        fields.push(("size", units::size(bytes)));
    }
    for (at, (name, value)) in one.configs.iter().enumerate() {
        let title = if at == 0 { "configs" } else { "" };
        fields.push((title, format!("{name}={}", value.as_deref().unwrap_or(""))));
    }
    fields
}

/// Offsets between first and end: fewer records where compaction took some.
fn records(partition: &Partition) -> Option<i64> {
    Some(partition.end_offset? - partition.first_offset?)
}

fn table(one: &Description) -> Table {
    let mut table = Table::new([
        Column::Right("PARTITION"),
        Column::Right("LEADER"),
        Column::Left("REPLICAS"),
        Column::Left("IN SYNC"),
        Column::Right("FIRST"),
        Column::Right("END"),
        Column::Right("RECORDS"),
        Column::Right("SIZE"),
    ]);
    for partition in &one.partitions {
        let leader = match partition.leader {
            Some(leader) => leader.into(),
            None => Cell::toned("none", Tone::Bad),
        };
        let lagging = partition.in_sync.len() < partition.replicas.len();
        table.row([
            Cell::name(partition.partition),
            leader,
            join(&partition.replicas).into(),
            Cell::toned(join(&partition.in_sync), if lagging { Tone::Warn } else { Tone::Plain }),
            Cell::maybe(partition.first_offset),
            Cell::maybe(partition.end_offset),
            Cell::maybe(records(partition)),
            Cell::maybe(partition.bytes.map(units::size)),
        ]);
    }
    table
}

fn join(ids: &[i32]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Io;
    use crate::people::screen::OutputArgs;
    use expect_test::expect;

    #[test]
    fn a_topic_in_full() {
        let partition = |number, leader, in_sync: &[i32], end| Partition {
            partition: number,
            leader,
            leader_epoch: Some(3),
            replicas: vec![1, 2],
            in_sync: in_sync.to_vec(),
            first_offset: Some(10),
            end_offset: end,
            bytes: Some(2048),
        };
        let configs = [("cleanup.policy", "compact"), ("retention.ms", "-1")];
        let one = Description {
            topic: "orders".into(),
            id: "x0bHMKyrTPGVkDyuFNqAPA".into(),
            internal: false,
            replicas: 2,
            configs: configs.iter().map(|(key, value)| ((*key).into(), Some((*value).into()))).collect(),
            partitions: vec![partition(0, Some(1), &[1, 2], Some(110)), partition(1, None, &[2], None)],
        };
        let (mut io, seen) = Io::captured(b"");
        let mut screen = Screen::new(&mut io, &OutputArgs::default());
        screen.fields(&fields(&one));
        screen.table(&table(&one));
        io.flush();
        expect![[r#"
            topic       orders
            id          x0bHMKyrTPGVkDyuFNqAPA
            partitions  2
            replicas    2
            records     100
            size        4.0 KiB
            configs     cleanup.policy=compact
                        retention.ms=-1
            PARTITION  LEADER  REPLICAS  IN SYNC  FIRST  END  RECORDS     SIZE
                    0       1  1,2       1,2         10  110      100  2.0 KiB
                    1    none  1,2       2           10    -        -  2.0 KiB
        "#]]
        .assert_eq(&seen.out());
    }
}
