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

/// What is wrong with a pod that the scheduler has found no node for in so many seconds.
fn unscheduled(seconds: i64) -> Option<String> {
    let pod = json!({
        "metadata": { "name": "main-broker-0" },
        "status": { "conditions": [{
            "type": "PodScheduled",
            "status": "False",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
            "message": "pod has unbound immediate PersistentVolumeClaims",
        }] },
    });
    let now = Timestamp::from_second(seconds).unwrap();
    broker_pod(&cluster("{}"), &serde_json::from_value(pod).unwrap(), None, now).unwrap().problem
}

#[test]
fn a_pod_whose_volume_is_being_made_has_no_problem_yet() {
    assert_eq!(unscheduled(1), None);
    let lasting = "not scheduled: pod has unbound immediate PersistentVolumeClaims";
    assert_eq!(unscheduled(60).as_deref(), Some(lasting));
}

#[test]
fn a_pod_tells_since_when_it_serves_and_its_zone() {
    let pod = json!({
        "metadata": {
            "name": "main-broker-0",
            "labels": { "topology.kubernetes.io/zone": "a", "example.com/hall": "" },
        },
        "status": { "conditions": [
            { "type": "Ready", "status": "True", "lastTransitionTime": "1970-01-01T00:00:07Z" },
        ] },
    });
    let seen = |yaml: &str| {
        let pod = serde_json::from_value(pod.clone()).unwrap();
        broker_pod(&cluster(yaml), &pod, None, Timestamp::UNIX_EPOCH).unwrap()
    };
    let zoned = seen("rack: {topologyKey: topology.kubernetes.io/zone}");
    assert_eq!(zoned.ready_since, Some(Timestamp::from_second(7).unwrap()));
    assert_eq!(zoned.rack.as_deref(), Some("a"));
    assert_eq!(seen("rack: {topologyKey: example.com/hall}").rack, None, "an empty label names no zone");
    assert_eq!(seen("{}").rack, None, "nobody asked");
}
