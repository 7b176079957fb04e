//! The NetworkPolicy: opens the brokers' ports, and nothing else.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::ValidatedCluster;
use super::super::names::{HTTP_PORT, KAFKA_PORT, selector, shared};
use super::metadata;

/// The operator's pods, in whichever namespace they run.
const OPERATOR_LABEL: (&str, &str) = ("app.kubernetes.io/name", "millrace-operator");

/// Builds it; `None` when the spec wants none.
#[must_use]
pub fn network_policy(cluster: &ValidatedCluster) -> Option<NetworkPolicy> {
    let policy = cluster.network_policy.as_ref()?;
    let mut ingress = vec![rule(KAFKA_PORT, policy.clients.clone().map(|peers| with_own(cluster, peers)))];
    // Who comes from outside of Kubernetes has any address.
    ingress.extend(cluster.listeners.iter().map(|listener| rule(listener.port, None)));
    // Probes come from the node, metrics are read by whoever collects them.
    ingress.push(rule(HTTP_PORT, None));
    Some(NetworkPolicy {
        metadata: metadata(cluster, shared(&cluster.key.name)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(pods(cluster)),
            ingress: Some(ingress),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ..NetworkPolicySpec::default()
        }),
    })
}

fn rule(port: i32, from: Option<Vec<NetworkPolicyPeer>>) -> NetworkPolicyIngressRule {
    let port = NetworkPolicyPort {
        port: Some(IntOrString::Int(port)),
        protocol: Some("TCP".to_owned()),
        ..NetworkPolicyPort::default()
    };
    NetworkPolicyIngressRule { from, ports: Some(vec![port]) }
}

/// Brokers among themselves, and the operator, always may.
fn with_own(cluster: &ValidatedCluster, mut peers: Vec<NetworkPolicyPeer>) -> Vec<NetworkPolicyPeer> {
    let operator = LabelSelector {
        match_labels: Some([(OPERATOR_LABEL.0.to_owned(), OPERATOR_LABEL.1.to_owned())].into()),
        ..LabelSelector::default()
    };
    peers.push(NetworkPolicyPeer { pod_selector: Some(pods(cluster)), ..NetworkPolicyPeer::default() });
    peers.push(NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector::default()),
        pod_selector: Some(operator),
        ..NetworkPolicyPeer::default()
    });
    peers
}

fn pods(cluster: &ValidatedCluster) -> LabelSelector {
    LabelSelector { match_labels: Some(selector(&cluster.key.name)), ..LabelSelector::default() }
}
