//! Millrace's custom resources in `millrace.dev/v1alpha1` as Rust types, and the YAML that Kubernetes
//! takes for them. The documentation of every field becomes the text of `kubectl explain`. Knows nothing
//! of controllers or brokers.

#![expect(unreachable_pub, reason = "KubeSchema repeats each structure inside of a function")]

mod broker_cluster;
mod cluster_ref;
mod condition;
mod consumer_group;
mod foreign;
mod pod_template;
mod scalar;
mod schema;
mod topic;
mod yaml;

pub use broker_cluster::{
    BrokerCluster, BrokerClusterSpec, BrokerClusterStatus, BrokerStatus, Listener, ListenerKind,
    ListenerStatus, MetricsSpec, NetworkPolicySpec, RackSpec, ResourcesSpec, StorageSpec,
};
pub use cluster_ref::ClusterRef;
pub use condition::{Condition, ConditionStatus};
pub use consumer_group::{
    ConsumerGroup, ConsumerGroupSpec, ConsumerGroupStatus, GroupAutoscaling, LagLimits, OffsetPosition,
    OffsetReset, OffsetResetHistory, OffsetResetStart, OffsetResetStatus, OffsetTarget, ScaleTarget,
    ScaleTargetKind, WorstPartition,
};
pub use pod_template::{EnvironmentVariable, PodTemplateSpec};
pub use scalar::Scalar;
pub use topic::{DeletionPolicy, Topic, TopicAutoscaling, TopicOrigin, TopicSpec, TopicStatus};
pub use yaml::{CrdError, all, to_json, to_yaml};

/// The group of all kinds.
pub const GROUP: &str = "millrace.dev";
/// The version of all kinds.
pub const VERSION: &str = "v1alpha1";
/// `GROUP/VERSION`.
pub const API_VERSION: &str = "millrace.dev/v1alpha1";
/// With the value `true` on a resource, the operator leaves alone what the resource describes.
pub const PAUSE_ANNOTATION: &str = "millrace.dev/pause";
