//! `ConsumerGroup`: what the owner of a group expects of it, and allows.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClusterRef, Condition, DeletionPolicy};

/// What is expected of the group, and allowed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "millrace.dev",
    version = "v1alpha1",
    kind = "ConsumerGroup",
    plural = "consumergroups",
    singular = "consumergroup",
    shortname = "cg",
    category = "millrace",
    namespaced,
    status = "ConsumerGroupStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A consumer group of a Kafka-protocol cluster. A group comes to be when its first member joins, so this does not make one: it states what the group's owner expects, watches how far behind it is, and can reset its offsets and scale the Deployment that its members run in.",
    validation = Rule::new(
        "(has(self.spec.groupId) ? self.spec.groupId : self.metadata.name) == \
         (has(oldSelf.spec.groupId) ? oldSelf.spec.groupId : oldSelf.metadata.name)"
    )
    .message("the group's id cannot change: make a new ConsumerGroup instead"),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Members", type_ = "integer", json_path = ".status.members"),
    printcolumn(name = "Lag", type_ = "integer", json_path = ".status.lagRecords"),
    printcolumn(name = "Seconds", type_ = "integer", json_path = ".status.lagSeconds"),
    printcolumn(
        name = "Lagging",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Lagging\")].status"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Assignor", type_ = "string", json_path = ".status.assignor", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct ConsumerGroupSpec {
    /// The cluster that the group belongs to. Cannot change.
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("clusterRef cannot change: make a new ConsumerGroup instead"))]
    pub cluster_ref: ClusterRef,
    /// The group's id in Kafka (group.id), when it is not the name of this object. Cannot change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub group_id: Option<String>,
    /// The topics, by Kafka's names, that the group is expected to read. Lag is then counted over these
    /// alone, and a group with members that does not read one of them is not Ready. When absent, lag is
    /// counted over all topics that the group committed offsets for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 249), regex(pattern = r"^[a-zA-Z0-9._-]+$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub topics: Option<Vec<String>>,
    /// How far the group may be behind. Beyond it the condition Lagging is True, and an Event says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lag: Option<LagLimits>,
    /// Moves the group's committed offsets, once for each id. Done only while the group has no members;
    /// until then the condition OffsetsReset says what it waits for, and autoscaling adds no members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_reset: Option<OffsetReset>,
    /// Scales the Deployment that the group's members run in, by lag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<GroupAutoscaling>,
    /// What becomes of the group's committed offsets when this object is deleted: Retain (also when absent)
    /// keeps them, Delete deletes the group once it has no members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// How far a group may be behind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.records) || has(self.seconds)")
    .message("at least one of records and seconds is needed"))]
pub struct LagLimits {
    /// Records, summed over all partitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub records: Option<i64>,
    /// Seconds since the next record to read was written, in the partition that is furthest behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub seconds: Option<i64>,
}

/// A move of the group's offsets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OffsetReset {
    /// Any name for this move. It is made once for each id, also when another one was made since: to move the
    /// offsets again, give another. The last 16 are remembered, in the status: a resource that is deleted and made
    /// again makes its move again.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[a-zA-Z0-9._:-]+$"))]
    pub id: String,
    /// Where to.
    pub to: OffsetTarget,
    /// The topics, by Kafka's names, whose offsets move. When absent, those of spec.topics, and without
    /// these all that the group committed offsets for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), inner(length(min = 1, max = 249)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub topics: Option<Vec<String>>,
}

/// Where offsets move to: exactly one of the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "[has(self.position), has(self.timestamp), has(self.offset), has(self.shiftBy)].exists_one(given, given)"
).message("exactly one of position, timestamp, offset and shiftBy is needed"))]
pub struct OffsetTarget {
    /// Earliest: the first record that is there. Latest: the end, so that only new records are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<OffsetPosition>,
    /// The first record written at or after this time, such as 2026-07-01T06:00:00Z; the end, where there
    /// is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub timestamp: Option<String>,
    /// This offset in every partition, or the nearest that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub offset: Option<i64>,
    /// So many records forward, or back where negative, within what is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift_by: Option<i64>,
}

/// One end of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::undescribed)]
pub enum OffsetPosition {
    /// The first record that is there.
    Earliest,
    /// After the last.
    Latest,
}

/// How to scale the group's members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.maxReplicas >= (has(self.minReplicas) ? self.minReplicas : 1)")
    .message("maxReplicas must not be below minReplicas").field_path(".maxReplicas"))]
pub struct GroupAutoscaling {
    /// What to scale, in the namespace of this object. Leave spec.replicas out of its manifest, and do not
    /// point a HorizontalPodAutoscaler at it. Of several ConsumerGroups with the same one the oldest scales it.
    pub target_ref: ScaleTarget,
    /// Never fewer, as long as the topics have as many partitions. With 0 the members go when there is nothing to
    /// read; name the topics then, since without spec.topics records in partitions that the group has not
    /// committed an offset for wake nobody. When absent, 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub min_replicas: Option<i32>,
    /// Never more; and never more than the topics have partitions, since further members would have nothing to
    /// read. Where spec.topics names none, the topics are those that the group committed offsets for or
    /// subscribed to.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_replicas: i32,
    /// Records of lag for which one more member is wanted.
    #[schemars(range(min = 1))]
    pub lag_per_replica: i64,
    /// Members are taken away only when fewer sufficed for this long, in seconds. When absent, 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86_400))]
    pub stabilization_seconds: Option<i32>,
}

/// What to scale.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleTarget {
    /// Deployment, also when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ScaleTargetKind>,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What can be scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::undescribed)]
pub enum ScaleTargetKind {
    /// A Deployment of apps/v1.
    Deployment,
}

/// What the group is, as last seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerGroupStatus {
    /// The metadata.generation that the operator last worked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The group's id in Kafka.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// The group's state by Kafka's name: Stable, Empty, PreparingRebalance or CompletingRebalance; absent
    /// when there is no such group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// How many members it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<i32>,
    /// How its members share the partitions (partition.assignment.strategy).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignor: Option<String>,
    /// Records between the committed offsets and the ends of the partitions. Kept about right while it
    /// moves, exact when it rests; exact figures at any time are in the metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_records: Option<i64>,
    /// Seconds since the next record to read was written, in the partition that is furthest behind; 0 when
    /// all is read. Kept about right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<i64>,
    /// The partition with the greatest lag, when there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_partition: Option<WorstPartition>,
    /// The last move of offsets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_reset: Option<OffsetResetStatus>,
    /// Which moves of offsets are not made again, and the one whose end is not known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_reset_history: Option<OffsetResetHistory>,
    /// How many members the lag asks for, within the bounds of spec.autoscaling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<i32>,
    /// Ready: the group is as the spec expects, or has not joined yet. Lagging: it is further behind than
    /// spec.maxLag. Both are Unknown while a partition cannot be asked, such as one without a leader.
    /// OffsetsReset: what became of spec.offsetReset. Paused: the operator leaves the group alone, as the
    /// annotation millrace.dev/pause: "true" asks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The partition with the greatest lag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorstPartition {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// Records behind.
    pub lag_records: i64,
}

/// A move of offsets that was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OffsetResetStatus {
    /// The id of the move that was made last.
    pub id: String,
    /// How many partitions it moved.
    pub partitions: i32,
    /// When.
    #[schemars(extend("format" = "date-time"))]
    pub completed_at: String,
}

/// What is remembered of moves of offsets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OffsetResetHistory {
    /// The ids of the last 16 moves, the latest first. None of them is made again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 128)))]
    pub ids: Vec<String>,
    /// The move that was begun last, until its end is known: written before the offsets are, so that a move
    /// in the middle of which the operator stops is not made twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun: Option<OffsetResetStart>,
}

/// A move of offsets that was begun.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OffsetResetStart {
    /// Its id.
    pub id: String,
    /// When.
    #[schemars(extend("format" = "date-time"))]
    pub started_at: String,
    /// A checksum of the offsets that were committed then. As long as it holds, nobody has committed since.
    pub committed: String,
}
