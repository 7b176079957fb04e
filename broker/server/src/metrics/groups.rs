//! Series of consumer groups: how far they are, and how far behind, in records and in seconds. A group
//! belongs to its coordinator, so that sums over all brokers hold.

use std::sync::Arc;

use millrace_coordinator::GroupSummary;

use super::exposition::{Exposition, Labels};
use super::lag::{LagClock, Written};
use crate::partitions::Partitions;

/// What a group has committed in one partition, and the labels of its series.
struct Row {
    group: Arc<str>,
    topic: Arc<str>,
    index: i32,
    labels: Labels,
    committed: i64,
    lag: Option<Lag>,
}

/// How far behind: records, and seconds since the oldest of them was written, where that is known.
#[derive(Clone, Copy)]
struct Lag {
    records: i64,
    seconds: Option<f64>,
}

pub(super) fn expose(
    to: &mut Exposition,
    groups: &[GroupSummary],
    partitions: &Partitions,
    clock: &LagClock,
    cluster: &str,
    now_ms: i64,
) {
    to.gauge("kafka_consumergroup_members", "Members of a group.");
    for group in groups {
        to.sample(&Labels::new(&[("consumergroup", &group.group)]), group.members);
    }
    let mut looking = clock.begin();
    let rows: Vec<_> =
        groups.iter().flat_map(|group| rows(group, partitions, &mut looking, now_ms)).collect();
    clock.end(looking);
    to.gauge("kafka_consumergroup_current_offset", "Offset that a group has committed.");
    rows.iter().for_each(|row| to.sample(&row.labels, row.committed));
    to.gauge("kafka_consumergroup_lag", "Records that a group has not committed yet.");
    for row in &rows {
        if let Some(lag) = row.lag {
            to.sample(&row.labels, lag.records);
        }
    }
    sums(to, &rows);
    seconds(to, &rows, cluster);
}

fn rows(
    group: &GroupSummary,
    partitions: &Partitions,
    clock: &mut super::lag::Looking<'_>,
    now_ms: i64,
) -> Vec<Row> {
    let committed = group
        .offsets
        .iter()
        .flat_map(|(topic, offsets)| offsets.iter().map(move |(index, offset)| (topic, index, offset)));
    let rows = committed.map(|(topic, index, committed)| {
        let lag = partitions.get(topic, *index).map(|partition| {
            let records = (partition.high_watermark() - committed.offset).max(0);
            let written =
                if records > 0 { clock.written(&partition, committed.offset) } else { Written::Nothing };
            let seconds = match written {
                Written::At(written_ms) => Some((now_ms - written_ms).max(0) as f64 / 1000.0),
                Written::Nothing => Some(0.0),
                // Zero would read like a group that has caught up.
                Written::Unknown => None,
            };
            Lag { records, seconds }
        });
        Row {
            group: Arc::clone(&group.group),
            topic: Arc::clone(topic),
            index: *index,
            labels: Labels::new(&[("consumergroup", &group.group), ("topic", topic), ("partition", index)]),
            committed: committed.offset,
            lag,
        }
    });
    rows.collect()
}

/// Sums for each group and topic; rows of both come together.
fn sums(to: &mut Exposition, rows: &[Row]) {
    let by_topic = || rows.chunk_by(|row, next| (&row.group, &row.topic) == (&next.group, &next.topic));
    let labels = |rows: &[Row]| Labels::new(&[("consumergroup", &rows[0].group), ("topic", &rows[0].topic)]);
    to.gauge(
        "kafka_consumergroup_current_offset_sum",
        "Sum of the offsets that a group has committed in a topic.",
    );
    for rows in by_topic() {
        to.sample(&labels(rows), rows.iter().map(|row| row.committed).sum::<i64>());
    }
    to.gauge("kafka_consumergroup_lag_sum", "Records of a topic that a group has not committed yet.");
    for rows in by_topic() {
        to.sample(&labels(rows), rows.iter().filter_map(|row| row.lag).map(|lag| lag.records).sum::<i64>());
    }
}

fn seconds(to: &mut Exposition, rows: &[Row], cluster: &str) {
    to.gauge(
        "kafka_consumergroup_group_lag_seconds",
        "Age of the first record that a group has not committed; 0 when there is none.",
    );
    for row in rows {
        if let Some(seconds) = row.lag.and_then(|lag| lag.seconds) {
            let labels = [
                ("cluster_name", &cluster as &dyn std::fmt::Display),
                ("group", &row.group),
                ("topic", &row.topic),
                ("partition", &row.index),
            ];
            to.sample(&Labels::new(&labels), seconds);
        }
    }
    to.gauge("kafka_consumergroup_group_max_lag_seconds", "The largest of a group's lags in seconds.");
    for rows in rows.chunk_by(|row, next| row.group == next.group) {
        let lags = || rows.iter().filter_map(|row| row.lag);
        let known = lags().filter_map(|lag| lag.seconds).reduce(f64::max);
        // Where nothing can be behind nothing is.
        let most = if lags().next().is_none() { Some(0.0) } else { known };
        if let Some(most) = most {
            to.sample(&Labels::new(&[("cluster_name", &cluster), ("group", &rows[0].group)]), most);
        }
    }
}
