//! The Services: one that gives each pod a name, one that clients start from, and one for each broker and
//! way in from outside.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use millrace_crds::ListenerKind;

use super::super::ValidatedCluster;
use super::super::names::{
    HTTP_PORT, KAFKA_PORT, LISTENER_LABEL, POD_NAME_LABEL, bootstrap_service, headless_service,
    listener_service, pod, selector,
};
use super::super::validate::ValidatedListener;
use super::metadata;

/// Gives each pod a name.
#[must_use]
pub fn headless(cluster: &ValidatedCluster) -> Service {
    Service {
        metadata: metadata(cluster, headless_service(&cluster.key.name)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: found_unready(cluster),
            selector: Some(selector(&cluster.key.name)),
            ports: Some(vec![port("kafka", KAFKA_PORT), port("metrics", HTTP_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Where clients start: any broker that serves.
#[must_use]
pub fn bootstrap(cluster: &ValidatedCluster) -> Service {
    Service {
        metadata: metadata(cluster, bootstrap_service(&cluster.key.name)),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(selector(&cluster.key.name)),
            ports: Some(vec![port("kafka", KAFKA_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// One for each broker and listener.
#[must_use]
pub fn listeners(cluster: &ValidatedCluster) -> Vec<Service> {
    let each = cluster.listeners.iter().flat_map(|listener| {
        (0..cluster.replicas).map(move |broker| listener_of_broker(cluster, listener, broker))
    });
    each.collect()
}

fn listener_of_broker(cluster: &ValidatedCluster, listener: &ValidatedListener, broker: i32) -> Service {
    let mut meta = metadata(cluster, listener_service(&cluster.key.name, &listener.name, broker));
    meta.labels.get_or_insert_default().insert(LISTENER_LABEL.to_owned(), listener.name.clone());
    meta.annotations = Some(listener.annotations.clone()).filter(|annotations| !annotations.is_empty());
    let mut selector = selector(&cluster.key.name);
    selector.insert(POD_NAME_LABEL.to_owned(), pod(&cluster.key.name, broker));
    let mut port = port("kafka", listener.port);
    port.node_port = listener.node_port.map(|first| first + broker);
    let type_ = match listener.kind {
        ListenerKind::NodePort => "NodePort",
        ListenerKind::LoadBalancer => "LoadBalancer",
    };
    Service {
        metadata: meta,
        spec: Some(ServiceSpec {
            type_: Some(type_.to_owned()),
            publish_not_ready_addresses: found_unready(cluster),
            selector: Some(selector),
            ports: Some(vec![port]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Whether pods are found that are not ready: where there are several, since brokers meet before they serve, and
/// lead before Kubernetes calls them ready. One alone meets nobody, and so its name goes as soon as it is told to go,
/// while it still serves: no client dials the address of a pod that is just gone, which nobody answers.
fn found_unready(cluster: &ValidatedCluster) -> Option<bool> {
    (cluster.replicas > 1).then_some(true)
}

fn port(name: &str, number: i32) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        target_port: Some(IntOrString::Int(number)),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}
