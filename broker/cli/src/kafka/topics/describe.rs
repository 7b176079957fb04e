//! `kafka-topics --describe`: a line for each topic and one for each partition.

use std::collections::BTreeSet;

use millrace_client::{ConfigEntry, ConfigSource, ResourceKind};
use millrace_protocol::Uuid;

use super::options::REPORTS;
use super::{ensure_found, topics};
use crate::admin::{Admin, PartitionInfo, TopicDescription};
use crate::io::Io;
use crate::kafka::hash::{sort_as_copied_map, sort_as_hash_map, sort_as_sized_map, string_hash};
use crate::kafka::options::Options;
use crate::kafka::throwable::Throwable;

/// What to print of a topic.
struct Report<'a> {
    options: &'a Options,
    live_brokers: BTreeSet<i32>,
    /// The topic's own line.
    with_topics: bool,
    /// Its partitions' lines.
    with_partitions: bool,
}

/// Describes the topics that the options name.
pub(super) async fn describe(admin: &Admin, options: &Options, io: &mut Io) -> Result<(), Throwable> {
    let id = match options.given("topic-id")? {
        Some(text) => Some(parse_id(&text)?).filter(|id| !id.is_zero()),
        None => None,
    };
    let topics = match id {
        Some(id) => described_by_id(admin, options, id).await?,
        None => described_by_name(admin, options).await?,
    };
    let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    let settings = admin.describe_configs(ResourceKind::Topic, &names, false).await?;
    let narrowed = REPORTS.iter().any(|report| options.has(report));
    let report = Report {
        options,
        live_brokers: admin.broker_ids().await?.into_iter().collect(),
        with_topics: !narrowed,
        with_partitions: !options.has("topics-with-overrides"),
    };
    for (topic, settings) in topics.iter().zip(&settings) {
        report.print(topic, settings, io);
    }
    Ok(())
}

async fn described_by_name(admin: &Admin, options: &Options) -> Result<Vec<TopicDescription>, Throwable> {
    let names = topics(admin, options).await?;
    ensure_found(options, &names)?;
    let limit = options.int("partition-size-limit-per-response")?.unwrap_or(2000);
    let mut found = admin.describe_each(&names, limit).await?;
    let mut topics = Vec::with_capacity(names.len());
    for name in names {
        if let Some(topic) = found.remove(&name) {
            topics.push(topic?);
        }
    }
    // The admin client hands topics on in three maps, one after the other.
    let hash = |topic: &TopicDescription| string_hash(&topic.name);
    sort_as_sized_map(&mut topics, hash);
    sort_as_copied_map(&mut topics, hash);
    sort_as_sized_map(&mut topics, hash);
    Ok(topics)
}

async fn described_by_id(
    admin: &Admin,
    options: &Options,
    id: Uuid,
) -> Result<Vec<TopicDescription>, Throwable> {
    let known = admin.list_topics(!options.has("exclude-internal")).await?;
    if known.iter().any(|topic| topic.id == id) {
        return Ok(vec![admin.describe_by_id(id).await?]);
    }
    if options.has("if-exists") {
        return Ok(Vec::new());
    }
    Err(Throwable::illegal_argument(format!("TopicId '{id}' does not exist as expected")))
}

fn parse_id(text: &str) -> Result<Uuid, Throwable> {
    if text.len() > 24 {
        let prefix: String = text.chars().take(24).collect();
        return Err(Throwable::illegal_argument(format!(
            "Input string with prefix `{prefix}` is too long to be decoded as a base64 UUID"
        )));
    }
    text.parse().map_err(|_| {
        Throwable::illegal_argument(format!(
            "Input string `{text}` decoded as {} bytes, which is not equal to the expected 16 bytes of a \
             base64-encoded UUID",
            text.trim_end_matches('=').len() * 3 / 4
        ))
    })
}

impl Report<'_> {
    fn print(&self, topic: &TopicDescription, settings: &[ConfigEntry], io: &mut Io) {
        let mut overridden: Vec<&ConfigEntry> = settings.iter().collect();
        sort_as_hash_map(&mut overridden, |entry| string_hash(&entry.name));
        overridden.retain(|entry| entry.source != ConfigSource::Default);
        if self.with_topics && (self.with_partitions || !overridden.is_empty()) {
            print_topic(topic, &overridden, io);
        }
        if !self.with_partitions {
            return;
        }
        let min_isr = settings
            .iter()
            .find(|entry| entry.name == "min.insync.replicas")
            .and_then(|entry| entry.value.as_ref()?.parse::<usize>().ok());
        for partition in &topic.partitions {
            if self.with_topics || self.reports(partition, min_isr.unwrap_or(1)) {
                print_partition(&topic.name, partition, io);
            }
        }
    }

    fn reports(&self, partition: &PartitionInfo, min_isr: usize) -> bool {
        let in_sync = partition.isr.len();
        let has_live_leader = partition.leader.is_some_and(|leader| self.live_brokers.contains(&leader));
        (self.options.has("under-replicated-partitions") && partition.replicas.len() > in_sync)
            || (self.options.has("unavailable-partitions") && !has_live_leader)
            || (self.options.has("under-min-isr-partitions")
                && (partition.leader.is_none() || in_sync < min_isr))
            || (self.options.has("at-min-isr-partitions") && in_sync == min_isr)
    }
}

fn print_topic(topic: &TopicDescription, overridden: &[&ConfigEntry], io: &mut Io) {
    let configs: Vec<String> = overridden
        .iter()
        .map(|entry| format!("{}={}", entry.name, entry.value.as_deref().unwrap_or("null")))
        .collect();
    let mut line = format!("Topic: {}", topic.name);
    if !topic.id.is_zero() {
        line.push_str(&format!("\tTopicId: {}", topic.id));
    }
    let replication_factor = topic.partitions.first().map_or(0, |partition| partition.replicas.len());
    line.push_str(&format!(
        "\tPartitionCount: {}\tReplicationFactor: {replication_factor}\tConfigs: {}",
        topic.partitions.len(),
        configs.join(",")
    ));
    io.line(line);
}

fn print_partition(topic: &str, partition: &PartitionInfo, io: &mut Io) {
    let leader = partition.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string());
    let optional = |ids: &Option<Vec<i32>>| ids.as_deref().map_or_else(|| "N/A".to_owned(), joined);
    io.line(format!(
        "\tTopic: {topic}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}\tElr: {}\tLastKnownElr: {}",
        partition.index,
        joined(&partition.replicas),
        joined(&partition.isr),
        optional(&partition.elr),
        optional(&partition.last_known_elr),
    ));
}

fn joined(ids: &[i32]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.join(",")
}
