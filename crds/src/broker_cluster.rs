//! `BrokerCluster`: the brokers, their volumes, their listeners and settings.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Condition, PodTemplateSpec, Scalar};

/// What the cluster should be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "millrace.dev",
    version = "v1alpha1",
    kind = "BrokerCluster",
    plural = "brokerclusters",
    singular = "brokercluster",
    shortname = "bc",
    category = "millrace",
    namespaced,
    status = "BrokerClusterStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A cluster of Millrace brokers, which speak the Kafka protocol. The operator runs them in a StatefulSet, behind the Service NAME-bootstrap on port 9092.",
    validation = Rule::new("size(self.metadata.name) <= 40")
        .message("the name may have at most 40 characters, so that the names of pods and Services fit"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("the name may have lower-case letters, digits and hyphens, and begins with a letter, as names of Services do"),
    printcolumn(name = "Brokers", type_ = "integer", json_path = ".status.replicas"),
    printcolumn(name = "Up", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "Bootstrap", type_ = "string", json_path = ".status.bootstrap"),
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
    printcolumn(name = "Image", type_ = "string", json_path = ".status.image", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("has(oldSelf.storage) == has(self.storage)")
    .message("storage cannot be added or taken away: make a new BrokerCluster instead").field_path(".storage"))]
pub struct BrokerClusterSpec {
    /// How many brokers. When absent, 1. This release runs one broker in each cluster; several come with
    /// replication.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    #[x_kube(validation = Rule::new("self == 1")
        .message("this release runs one broker in each cluster; several come with replication"))]
    pub replicas: Option<i32>,
    /// The brokers' image. When absent, the one that came with the operator, which changes when the
    /// operator is upgraded. With a digest (NAME@sha256:...) it is pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// The brokers' volumes. When absent, the data lives as long as the pod does, which serves to try
    /// things out and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageSpec>,
    /// Where clients outside of Kubernetes connect. Inside, NAME-bootstrap.NAMESPACE.svc:9092 is always
    /// there. Connections are neither encrypted nor authenticated: whoever reaches a port may do everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = Rule::new("self.all(one, self.exists_one(other, other.port == one.port))")
        .message("each listener needs a port of its own"))]
    pub listeners: Option<Vec<Listener>>,
    /// The brokers' settings by Kafka's names, such as log.retention.hours. Those that Kafka can change at
    /// run time are changed at run time, the others by restarting the brokers. One that is changed at run
    /// time is enforced: when somebody changes it for all brokers by other means, it is set back, and one
    /// that is absent here goes back to its default. What is set for one broker alone is left, and wins. A
    /// setting that running brokers do not know is refused; a value that they cannot start with keeps them
    /// from serving once they are restarted: the status says which, and the next spec mends it. The operator
    /// itself sets node.id, broker.id, cluster.id, process.roles, the listeners, the log directories,
    /// http.listen and broker.rack, and refuses them here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::settings")]
    pub config: Option<BTreeMap<String, Scalar>>,
    /// What each broker asks of its node, and may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesSpec>,
    /// Spreads brokers over zones, and tells each broker its zone (broker.rack) where Kubernetes gives the
    /// pods their node's label: from 1.35 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack: Option<RackSpec>,
    /// Where the brokers' metrics are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetricsSpec>,
    /// Who may connect to the brokers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicySpec>,
    /// Changes to the brokers' pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplateSpec>,
    /// Namespaces, beside the cluster's own, whose Topics and ConsumerGroups may belong to this cluster.
    /// `*` stands for all of them. Of these only namespaces that the operator looks after count
    /// (operator.watchNamespaces of its chart): of resources in others it knows nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed_namespaces: Option<Vec<String>>,
}

/// A volume for each broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "has(oldSelf.className) == has(self.className) && (!has(self.className) || self.className == oldSelf.className)"
).message("the storage class cannot change: make a new BrokerCluster instead").field_path(".className"))]
pub struct StorageSpec {
    /// How large, such as 10Gi. Can be raised, where the storage class can grow volumes, never lowered. A
    /// volume that was made larger by hand is fine.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))")
        .message("a quantity is needed, such as 10Gi"))]
    #[x_kube(validation = Rule::new(
        "!isQuantity(self) || !isQuantity(oldSelf) || quantity(self).compareTo(quantity(oldSelf)) >= 0"
    ).message("volumes can grow, not shrink"))]
    pub size: String,
    /// The StorageClass. When absent, Kubernetes' default. Cannot change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,
    /// Whether volumes stay when the BrokerCluster is deleted. When absent, true: a new BrokerCluster of the
    /// same name then finds its data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain_on_delete: Option<bool>,
}

/// A way into the cluster from outside of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.type != 'NodePort' || has(self.advertisedHost)")
    .message("a listener of type NodePort needs advertisedHost: a name or address of the nodes that clients can reach"))]
#[x_kube(validation = Rule::new("!has(self.nodePort) || self.type == 'NodePort'")
    .message("nodePort is for listeners of type NodePort").field_path(".nodePort"))]
#[x_kube(validation = Rule::new("!has(self.advertisedPort) || self.type == 'LoadBalancer' || has(self.nodePort)")
    .message("advertisedPort is for listeners of type LoadBalancer, and for NodePort where nodePort is given").field_path(".advertisedPort"))]
pub struct Listener {
    /// Its name: letters, digits and single hyphens.
    #[schemars(length(min = 1, max = 15), regex(pattern = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"))]
    #[x_kube(validation = Rule::new("!(self in ['internal', 'controller', 'replication', 'plaintext', 'brokers', 'bootstrap', 'kafka', 'metrics'])")
        .message("this name is reserved"))]
    pub name: String,
    /// The port that brokers listen on for it.
    #[schemars(range(min = 1024, max = 65_535))]
    #[x_kube(validation = Rule::new("!(self in [9092, 9093, 9644])")
        .message("9092, 9093 and 9644 are taken"))]
    pub port: i32,
    /// What Kubernetes makes to let clients in: NodePort or LoadBalancer. Each broker gets a Service of its
    /// own, since Kafka's clients talk to each broker.
    #[serde(rename = "type")]
    pub kind: ListenerKind,
    /// The host that clients are told to dial. `{broker}` stands for the broker's number. With LoadBalancer,
    /// when absent, the address that the load balancer got.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub advertised_host: Option<String>,
    /// The port that clients are told to dial, for broker 0; broker 1 gets the next one, and so on. When
    /// absent, the node port or the load balancer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub advertised_port: Option<i32>,
    /// The port on the nodes for broker 0; broker 1 gets the next one, and so on. When absent, Kubernetes
    /// chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub node_port: Option<i32>,
    /// Annotations for the Services, such as those that choose a cloud's kind of load balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// What Kubernetes makes to let clients in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::undescribed)]
pub enum ListenerKind {
    /// A port on every node.
    NodePort,
    /// A load balancer of the cloud's.
    LoadBalancer,
}

/// Requests and limits of a broker's container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct ResourcesSpec {
    /// What the node must have to spare, such as cpu: 500m and memory: 512Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::quantities")]
    pub requests: Option<BTreeMap<String, Scalar>>,
    /// What the container may take at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::quantities")]
    pub limits: Option<BTreeMap<String, Scalar>>,
}

/// Zones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RackSpec {
    /// The label of nodes that names their zone, usually topology.kubernetes.io/zone. Brokers are spread by
    /// any label. They learn their zone from their pod's labels, where Kubernetes puts those of the node when
    /// the pod is made: from 1.35 on, and none but topology.kubernetes.io/zone and
    /// topology.kubernetes.io/region. Where the label is missing, broker.rack is empty and the condition
    /// RackKnown says why.
    #[schemars(length(min = 1, max = 317))]
    pub topology_key: String,
}

/// Where the brokers' metrics are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricsSpec {
    /// Whether pods carry the annotations prometheus.io/scrape, port and path, which many Prometheus
    /// installations go by. When absent, false: the chart's PodMonitor is for those with the Prometheus
    /// operator. The metrics themselves are always on port 9644 under /metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scrape_annotations: Option<bool>,
}

/// Who may connect to the brokers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicySpec {
    /// Whether there is a NetworkPolicy. When absent, true: it opens the brokers' ports and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Who may reach port 9092, as in NetworkPolicy.spec.ingress.from. When absent, everybody. Brokers of the
    /// cluster and the operator always may. Ports of listeners and of metrics stay open to all: those who come
    /// through a load balancer have addresses that no selector knows.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::foreign::strict")]
    #[schemars(schema_with = "crate::schema::foreign_list")]
    pub clients: Option<Vec<k8s_openapi::api::networking::v1::NetworkPolicyPeer>>,
}

/// What the cluster is, as last seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokerClusterStatus {
    /// The metadata.generation that the operator last worked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How many brokers there should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// How many of them serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// The Kafka cluster's id. It changes only when the data is lost or replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Where clients in Kubernetes connect (bootstrap.servers).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<String>,
    /// The image that the brokers are to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Where clients outside connect, for each listener.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub listeners: Vec<ListenerStatus>,
    /// The brokers, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub brokers: Vec<BrokerStatus>,
    /// Ready: all brokers serve with the settings of the spec. Progressing: something is being changed.
    /// StorageResized: the volumes are as large as the spec asks. RackKnown: every broker was told its zone.
    /// Paused: the operator leaves the cluster alone, as the annotation millrace.dev/pause: "true" asks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Where clients outside connect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// The listener's name.
    pub name: String,
    /// Addresses of all brokers (bootstrap.servers); absent until they are known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bootstrap: String,
}

/// A broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokerStatus {
    /// Its node id.
    pub id: i32,
    /// Its pod.
    pub pod: String,
    /// Whether it serves.
    pub ready: bool,
    /// Whether it is part of the Kafka cluster, as the cluster itself says.
    pub registered: bool,
    /// The id of its data directory. With the node id it is the broker's identity: a broker that comes back with
    /// another one has lost what it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory_id: Option<String>,
    /// The node that it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What is wrong with it, where something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
