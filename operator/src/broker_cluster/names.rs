//! Names of a cluster's children, and labels. Pure.

use std::collections::BTreeMap;

use crate::names::ObjectKey;

/// The brokers' port for clients in Kubernetes.
pub const KAFKA_PORT: i32 = 9092;
/// The brokers' port for metrics and probes.
pub const HTTP_PORT: i32 = 9644;
/// All children carry it, with the cluster's name.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// All children carry it, with [`MANAGER`].
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Who made the children.
pub const MANAGER: &str = "millrace-operator";
/// On the pods: the listener that a Service of one broker is for.
pub const LISTENER_LABEL: &str = "millrace.dev/listener";
/// Kubernetes puts it on the pods of a StatefulSet.
pub const POD_NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
/// Kubernetes puts it on the pods of a StatefulSet.
pub const POD_INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";

/// The StatefulSet.
#[must_use]
pub fn stateful_set(cluster: &str) -> String {
    format!("{cluster}-broker")
}

/// The pod of a broker.
#[must_use]
pub fn pod(cluster: &str, broker: i32) -> String {
    format!("{cluster}-broker-{broker}")
}

/// The Service that gives each pod a name.
#[must_use]
pub fn headless_service(cluster: &str) -> String {
    format!("{cluster}-brokers")
}

/// The Service that clients start from.
#[must_use]
pub fn bootstrap_service(cluster: &str) -> String {
    format!("{cluster}-bootstrap")
}

/// The Service of one broker for a listener to the outside.
#[must_use]
pub fn listener_service(cluster: &str, listener: &str, broker: i32) -> String {
    format!("{cluster}-{listener}-{broker}")
}

/// The ConfigMap, ServiceAccount, PodDisruptionBudget and NetworkPolicy.
#[must_use]
pub fn shared(cluster: &str) -> String {
    format!("{cluster}-broker")
}

/// Where clients in Kubernetes connect, from any namespace.
#[must_use]
pub fn bootstrap(cluster: &ObjectKey) -> String {
    format!("{}.{}.svc:{KAFKA_PORT}", bootstrap_service(&cluster.name), cluster.namespace)
}

/// Where a broker is, from any namespace.
#[must_use]
pub fn broker_host(cluster: &ObjectKey, broker: i32) -> String {
    format!("{}.{}.{}.svc", pod(&cluster.name, broker), headless_service(&cluster.name), cluster.namespace)
}

/// The labels by which pods are selected; they never change.
#[must_use]
pub fn selector(cluster: &str) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", "millrace"),
        (INSTANCE_LABEL, cluster),
        ("app.kubernetes.io/component", "broker"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// The labels of all children.
#[must_use]
pub fn labels(cluster: &str) -> BTreeMap<String, String> {
    let mut labels = selector(cluster);
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGER.to_owned());
    labels
}

/// A label selector for the children of a cluster.
#[must_use]
pub fn label_query(cluster: &str) -> String {
    format!("{MANAGED_BY_LABEL}={MANAGER},{INSTANCE_LABEL}={cluster}")
}
