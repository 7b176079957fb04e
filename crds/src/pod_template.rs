//! What a BrokerCluster may change about its pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, LocalObjectReference, PodSecurityContext, Toleration, TopologySpreadConstraint,
};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Changes to the brokers' pods. Every change but to nothing restarts the brokers, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplateSpec {
    /// Labels beside the operator's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 64))]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations beside the operator's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Labels that nodes must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 64))]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Taints that the pods tolerate, as in Pod.spec.tolerations.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::foreign::strict")]
    #[schemars(schema_with = "crate::schema::foreign_list")]
    pub tolerations: Option<Vec<Toleration>>,
    /// Where pods should and should not run, as in Pod.spec.affinity. When absent, brokers of one cluster
    /// prefer different nodes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::foreign::strict")]
    #[schemars(schema_with = "crate::schema::foreign_object")]
    pub affinity: Option<Affinity>,
    /// How pods are spread, as in Pod.spec.topologySpreadConstraints.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::foreign::strict")]
    #[schemars(schema_with = "crate::schema::foreign_list")]
    pub topology_spread_constraints: Option<Vec<TopologySpreadConstraint>>,
    /// The pods' PriorityClass.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub priority_class_name: Option<String>,
    /// When the image is pulled: Always, IfNotPresent or Never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(Always|IfNotPresent|Never)$"))]
    pub image_pull_policy: Option<String>,
    /// Secrets to pull the image with, as in Pod.spec.imagePullSecrets.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::foreign::strict")]
    #[schemars(schema_with = "crate::schema::foreign_list")]
    pub image_pull_secrets: Option<Vec<LocalObjectReference>>,
    /// As whom the pods run, as in Pod.spec.securityContext. When absent, user, group and fsGroup 1000. An empty
    /// one leaves that to Kubernetes, where it gives out ids itself (OpenShift). Brokers never run as root, and
    /// with the seccomp profile RuntimeDefault unless another one is named.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::foreign::strict")]
    #[schemars(schema_with = "crate::schema::foreign_object")]
    pub security_context: Option<PodSecurityContext>,
    /// Environment variables of the brokers, such as MILLRACE_LOG_LEVEL. Settings belong into spec.config.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Option<Vec<EnvironmentVariable>>,
    /// How long a broker may take to stop, in seconds. When absent, 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub termination_grace_period_seconds: Option<i64>,
}

/// An environment variable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct EnvironmentVariable {
    /// Its name.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("!self.startsWith('KAFKA_') && !(self in ['CLUSTER_ID'])")
        .message("settings of the broker belong into spec.config"))]
    #[x_kube(validation = Rule::new("self != 'POD_INDEX'").message("the operator sets POD_INDEX itself"))]
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32_768))]
    pub value: String,
}
