//! Children as Kubernetes shows them, in states that come and go.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::json;

use super::*;
use crate::broker_cluster::validate::validate;
use crate::names::ObjectKey;

fn cluster(yaml: &str) -> ValidatedCluster {
    let key = ObjectKey { namespace: "shop".into(), name: "main".into() };
    validate(key, OwnerReference::default(), &serde_yaml::from_str(yaml).unwrap(), "millrace:1").unwrap()
}

fn told(name: &str, bootstrap: &str) -> Vec<ListenerStatus> {
    vec![ListenerStatus { name: name.into(), bootstrap: bootstrap.into() }]
}

/// What clients are told, when the load balancer of listener `cloud` has these addresses.
fn advertised(yaml: &str, ingress: &[&str], before: &[ListenerStatus]) -> Vec<String> {
    let ingress: Vec<_> = ingress.iter().map(|ip| json!({ "ip": ip })).collect();
    let service = json!({
        "metadata": { "name": "main-cloud-0" },
        "status": { "loadBalancer": { "ingress": ingress } },
    });
    let children = ClusterChildren {
        listener_services: vec![serde_json::from_value(service).unwrap()],
        ..ClusterChildren::default()
    };
    children.advertised(&cluster(yaml), before).values().map(ToString::to_string).collect()
}

const CLOUD: &str = "listeners: [{name: cloud, type: LoadBalancer, port: 9095}]";

#[test]
fn a_load_balancer_that_loses_its_address_for_a_moment_changes_nothing() {
    let none: [String; 0] = [];
    assert_eq!(advertised(CLOUD, &[], &[]), none);
    assert_eq!(advertised(CLOUD, &["192.0.2.1"], &[]), ["192.0.2.1:9095"]);
    assert_eq!(advertised(CLOUD, &[], &told("cloud", "192.0.2.1:9095")), ["192.0.2.1:9095"]);
    assert_eq!(advertised(CLOUD, &["192.0.2.2"], &told("cloud", "192.0.2.1:9095")), ["192.0.2.2:9095"]);
    assert_eq!(advertised(CLOUD, &["2001:db8::1"], &[]), ["[2001:db8::1]:9095"]);
    assert_eq!(advertised(CLOUD, &[], &told("cloud", "[2001:db8::1]:9095")), ["[2001:db8::1]:9095"]);
}

#[test]
fn what_another_listener_told_is_not_told_again() {
    let none: [String; 0] = [];
    assert_eq!(advertised(CLOUD, &[], &told("other", "192.0.2.1:9095")), none);
    assert_eq!(advertised(CLOUD, &[], &told("cloud", "node.example:30092")), none, "it was a NodePort");
    assert_eq!(advertised(CLOUD, &[], &told("cloud", "")), none, "nothing was known");
    let named = "listeners: [{name: cloud, type: LoadBalancer, port: 9095, advertisedHost: mq.example}]";
    assert_eq!(advertised(named, &[], &told("cloud", "192.0.2.1:9095")), ["mq.example:9095"]);
}
