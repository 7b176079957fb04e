//! `Topic`: a topic of a cluster, with its partitions and settings.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClusterRef, Condition, Scalar};

/// What the topic should be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "millrace.dev",
    version = "v1alpha1",
    kind = "Topic",
    plural = "topics",
    singular = "topic",
    shortname = "tp",
    category = "millrace",
    namespaced,
    status = "TopicStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A topic of a Kafka-protocol cluster. The operator creates it, or adopts one that is there, grows its partitions and keeps its settings as stated here.",
    validation = Rule::new(
        "(has(self.spec.topicName) ? self.spec.topicName : self.metadata.name) == \
         (has(oldSelf.spec.topicName) ? oldSelf.spec.topicName : oldSelf.metadata.name)"
    )
    .message("the topic's name cannot change: make a new Topic instead"),
    validation = Rule::new("has(self.spec.topicName) || size(self.metadata.name) <= 249")
        .message("the object's name is longer than Kafka's 249 characters: set spec.topicName"),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name"),
    printcolumn(name = "Partitions", type_ = "integer", json_path = ".status.partitions"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicationFactor"),
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
    printcolumn(
        name = "Bytes/s in",
        type_ = "integer",
        json_path = ".status.bytesInPerSecond",
        priority = 1
    ),
    printcolumn(name = "Size", type_ = "integer", json_path = ".status.sizeBytes", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new(
    "!has(oldSelf.partitions) || !has(self.partitions) || self.partitions >= oldSelf.partitions"
).message("partitions can be added, not removed: make a new topic with fewer and move its readers and writers")
 .field_path(".partitions"))]
#[x_kube(validation = Rule::new(
    "!has(self.autoscaling) || !has(self.partitions) || self.autoscaling.maxPartitions >= self.partitions"
).message("autoscaling.maxPartitions must not be below partitions").field_path(".autoscaling"))]
pub struct TopicSpec {
    /// The cluster that the topic belongs to. Cannot change.
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("clusterRef cannot change: make a new Topic instead"))]
    pub cluster_ref: ClusterRef,
    /// The topic's name in Kafka, when it is not the name of this object: letters, digits, dots,
    /// underscores and hyphens. Cannot change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 249), regex(pattern = r"^[a-zA-Z0-9._-]+$"))]
    #[x_kube(validation = Rule::new(
        "!(self in ['.', '..', '__consumer_offsets', '__transaction_state', '__cluster_metadata', '__share_group_state'])"
    ).message("this name is reserved"))]
    pub topic_name: Option<String>,
    /// How many partitions the topic has. Can be raised, never lowered: a larger topic is grown to this
    /// number when it is raised, and said to have too many when it was not. When absent, the broker's
    /// num.partitions decides at creation, and the number is left alone afterwards. With autoscaling, the
    /// least number. Note that records with a key go to another partition than before when the number
    /// changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub partitions: Option<i32>,
    /// How many brokers keep each partition. When absent, the broker's default.replication.factor decides
    /// at creation, and the number is left alone afterwards. Cannot exceed the number of brokers: with one
    /// broker only 1 works. This release cannot change it after creation: a topic that has another number
    /// keeps it, and is not Ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32_767))]
    pub replication_factor: Option<i32>,
    /// The topic's settings by Kafka's names, such as retention.ms or cleanup.policy. A value is enforced:
    /// when somebody changes it by other means, it is set back. A setting that is absent here goes back to
    /// the broker's default. A setting with the value null is left to others, as is one in
    /// unmanagedConfig. (kubectl apply loses every null unless it is given --server-side.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::nullable_settings")]
    pub config: Option<BTreeMap<String, Option<Scalar>>>,
    /// Settings by Kafka's names that are left to others: whatever they are set to by other means, they
    /// stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 249)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub unmanaged_config: Option<Vec<String>>,
    /// What becomes of the topic when this object is deleted: Delete (also when absent) deletes it with all
    /// its records, Retain keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Adds partitions by itself when the load asks for it. Off unless given, because records with a key
    /// go to another partition than before when partitions are added, and a reader can then meet records
    /// of one key out of order. Partitions are never removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<TopicAutoscaling>,
}

/// What becomes of what a resource describes when the resource is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::undescribed)]
pub enum DeletionPolicy {
    /// It is deleted as well.
    Delete,
    /// It stays.
    Retain,
}

/// When to add partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.bytesInPerPartition) || has(self.lagPerPartition)")
    .message("at least one of bytesInPerPartition and lagPerPartition is needed"))]
pub struct TopicAutoscaling {
    /// The number of partitions never grows beyond this.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_partitions: i32,
    /// Bytes a second that one partition should at most take in. Partitions are added until each stays
    /// below, once the load has lasted for stabilizationSeconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub bytes_in_per_partition: Option<i64>,
    /// Records of lag for which one partition is wanted. Partitions are added for all that a group is behind
    /// in this topic, once that has lasted for stabilizationSeconds: what waits stays where it is, but more
    /// members can share what comes. The group furthest behind counts, of those that a ConsumerGroup resource
    /// describes and that have members.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub lag_per_partition: Option<i64>,
    /// For how long the load must ask for more partitions without a break before they are added, in
    /// seconds. When absent, 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 86_400))]
    pub stabilization_seconds: Option<i32>,
}

/// What the topic is, as last seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopicStatus {
    /// The metadata.generation that the operator last worked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The topic's name in Kafka.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_name: Option<String>,
    /// The id that the cluster gave to the topic. It changes when the topic is deleted and made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<String>,
    /// Created when the operator made the topic, Adopted when it was there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<TopicOrigin>,
    /// How many partitions it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// How many replicas its partitions have; of the partition with the fewest, where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i32>,
    /// How many partitions have fewer replicas in sync than they have replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub under_replicated_partitions: Option<i32>,
    /// Bytes a second written to it, lately; about right, so that the status does not change all the time.
    /// Exact figures are in the metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_in_per_second: Option<i64>,
    /// Bytes a second read from it, lately; about right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_out_per_second: Option<i64>,
    /// Bytes that it takes on the disks of the partitions' leaders; about right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
    /// Ready: the topic is as the spec says. Paused: the operator leaves the topic alone, as the annotation
    /// millrace.dev/pause: "true" asks; a resource that is deleted then leaves its topic behind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Where a topic comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::undescribed)]
pub enum TopicOrigin {
    /// The operator made it.
    Created,
    /// It was there before.
    Adopted,
}
