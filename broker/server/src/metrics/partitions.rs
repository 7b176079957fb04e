//! Series of brokers, topics and partitions, under the names of kafka_exporter and Strimzi's boards. A
//! series belongs to the partition's leader, so that sums over all brokers hold.

use std::sync::Arc;

use millrace_metadata::config::{effective, topic_def};
use millrace_metadata::image::{ClusterImage, PartitionImage};

use super::exposition::{Exposition, Labels};
use crate::config::ServerConfig;
use crate::partitions::{Partition, Partitions};

/// One partition that this broker leads, and the labels of its series.
struct Row<'a> {
    labels: Labels,
    image: &'a PartitionImage,
    partition: Arc<Partition>,
    /// Replicas in sync that writes with acks=all need: `min.insync.replicas`, and no more than there are
    /// (`kafka.cluster.Partition.effectiveMinIsr`).
    min_insync: usize,
}

/// A family of gauges with one series for each partition.
type Family = (&'static str, &'static str, fn(&Row<'_>) -> i64);

const FAMILIES: [Family; 10] = [
    ("kafka_topic_partition_current_offset", "Offset that the next record will get.", |row| {
        row.partition.high_watermark()
    }),
    ("kafka_topic_partition_oldest_offset", "First offset that can be read.", |row| {
        row.partition.log_start_offset()
    }),
    ("kafka_topic_partition_leader", "Node id of the leader.", |row| row.image.leader.into()),
    ("kafka_topic_partition_leader_is_preferred", "1 if the first replica leads.", |row| {
        (row.image.replicas.first() == Some(&row.image.leader)).into()
    }),
    ("kafka_topic_partition_replicas", "Number of replicas.", |row| count(&row.image.replicas)),
    ("kafka_topic_partition_in_sync_replica", "Number of replicas in sync.", |row| count(&row.image.isr)),
    ("kafka_topic_partition_under_replicated_partition", "1 if a replica is out of sync.", |row| {
        (row.image.isr.len() < row.image.replicas.len()).into()
    }),
    ("kafka_cluster_partition_atminisr", "1 if no replica may go out of sync.", |row| {
        (row.image.isr.len() == row.min_insync).into()
    }),
    ("kafka_cluster_partition_underminisr", "1 if writes with acks=all are refused.", |row| {
        (row.image.isr.len() < row.min_insync).into()
    }),
    ("kafka_log_log_size", "Bytes of the log on disk.", |row| {
        i64::try_from(row.partition.size_bytes()).unwrap_or(i64::MAX)
    }),
];

fn count(replicas: &[i32]) -> i64 {
    i64::try_from(replicas.len()).unwrap_or(i64::MAX)
}

pub(super) fn expose(
    to: &mut Exposition,
    image: &ClusterImage,
    partitions: &Partitions,
    settings: &ServerConfig,
) {
    let node_id = settings.node_id;
    brokers(to, image);
    to.gauge("kafka_topic_partitions", "Number of partitions of a topic.");
    for topic in image.topics.iter() {
        if topic.partition(0).is_some_and(|first| first.leader == node_id) {
            to.sample(&Labels::new(&[("topic", &topic.name)]), topic.partition_count());
        }
    }
    let rows = rows(image, partitions, settings);
    for (name, help, value) in FAMILIES {
        to.gauge(name, help);
        rows.iter().for_each(|row| to.sample(&row.labels, value(row)));
    }
    let offline = offline(image, partitions, node_id);
    to.single(
        "kafka_controller_kafkacontroller_offlinepartitionscount",
        "Partitions that nobody serves.",
        offline,
    );
}

fn brokers(to: &mut Exposition, image: &ClusterImage) {
    let alive = || image.brokers.values().filter(|broker| !broker.fenced);
    to.single("kafka_brokers", "Number of brokers in the cluster.", alive().count());
    to.gauge("kafka_broker_info", "1 for each broker and address.");
    for broker in alive() {
        for endpoint in &broker.endpoints {
            let address = format!("{}:{}", endpoint.host, endpoint.port);
            to.sample(
                &Labels::new(&[("id", &broker.id), ("address", &address), ("listener", &endpoint.name)]),
                1,
            );
        }
    }
}

fn rows<'a>(image: &'a ClusterImage, partitions: &Partitions, settings: &ServerConfig) -> Vec<Row<'a>> {
    let led = image.topics.iter().flat_map(|topic| {
        let min_insync = min_insync(image, &topic.name, settings);
        let led = topic.partitions.iter().filter(|(_, partition)| partition.leader == settings.node_id);
        led.filter_map(move |(index, image)| {
            let partition = partitions.get(&topic.name, *index)?;
            Some(Row {
                labels: Labels::new(&[("topic", &topic.name), ("partition", index)]),
                image,
                partition,
                min_insync: min_insync.min(image.replicas.len()),
            })
        })
    });
    led.collect()
}

/// A topic's `min.insync.replicas`.
fn min_insync(image: &ClusterImage, topic: &str, settings: &ServerConfig) -> usize {
    let node = settings.node_id.to_string();
    let layers = image.configs.topic_layers(topic, &node, &settings.properties);
    let value = topic_def("min.insync.replicas").and_then(|def| effective(def, &layers));
    value.and_then(|value| value.to_string().parse().ok()).unwrap_or(1)
}

/// Partitions without a leader, and those whose leader is this broker and cannot serve them.
fn offline(image: &ClusterImage, partitions: &Partitions, node_id: i32) -> usize {
    let all = image
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(move |(index, partition)| (topic, index, partition)));
    let offline = all.filter(|(topic, index, partition)| {
        partition.leader < 0
            || (partition.leader == node_id
                && partitions.get(&topic.name, **index).is_none_or(|partition| partition.is_offline()))
    });
    offline.count()
}
