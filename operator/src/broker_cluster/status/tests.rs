//! Statuses of clusters in every state that matters.

use expect_test::expect;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use millrace_client::BrokerNode;

use super::*;
use crate::broker_cluster::build::properties::Address;
use crate::broker_cluster::plan::roll::PodState;
use crate::broker_cluster::validate::validate;
use crate::names::ObjectKey;

fn cluster(yaml: &str) -> ValidatedCluster {
    let key = ObjectKey { namespace: "shop".into(), name: "main".into() };
    validate(key, OwnerReference::default(), &serde_yaml::from_str(yaml).unwrap(), "millrace:1").unwrap()
}

fn running(ready: bool, problem: Option<&str>) -> BrokerPod {
    BrokerPod {
        state: PodState { broker: 0, up_to_date: true, ready, terminating: false },
        name: "main-broker-0".into(),
        uid: "u".into(),
        node: Some("node-1".into()),
        problem: problem.map(str::to_owned),
    }
}

fn answering() -> ClusterObservation {
    let broker = BrokerNode { id: 0, host: "h".into(), port: 9092, rack: None };
    ClusterObservation { id: "abc".into(), controller: Some(0), brokers: vec![broker] }
}

fn status(
    cluster: &ValidatedCluster,
    pods: &[BrokerPod],
    seen: Option<&ClusterObservation>,
    roll: &Step,
    advertised: &Advertised,
) -> BrokerClusterStatus {
    let health = if seen.is_some() { Health::Reachable } else { Health::Unknown };
    let from = Ingredients {
        cluster,
        generation: Some(2),
        pods,
        advertised,
        seen,
        health: &health,
        roll,
        refused: None,
        storage: cluster.storage.is_some().then(|| storage_verdict(&[], None)),
    };
    observed(&BrokerClusterStatus::default(), &from, Timestamp::UNIX_EPOCH)
}

fn ready_reason(status: &BrokerClusterStatus) -> (&str, &str) {
    (status.conditions[0].reason.as_str(), status.conditions[0].message.as_str())
}

#[test]
fn a_cluster_that_serves_says_where() {
    let cluster = cluster(
        "storage: {size: 1Gi}\nlisteners: [{name: out, type: NodePort, port: 9094, advertisedHost: h}]",
    );
    let advertised = [(("out".to_owned(), 0), Address { host: "h".into(), port: 30092 })].into();
    let status = status(&cluster, &[running(true, None)], Some(&answering()), &Step::Done, &advertised);
    expect![[r#"
        observedGeneration: 2
        replicas: 1
        readyReplicas: 1
        clusterId: abc
        bootstrap: main-bootstrap.shop.svc:9092
        image: millrace:1
        listeners:
        - name: out
          bootstrap: h:30092
        brokers:
        - id: 0
          pod: main-broker-0
          ready: true
          registered: true
          node: node-1
        conditions:
        - type: Ready
          status: 'True'
          reason: Ready
          message: all brokers serve with the settings of the spec
          lastTransitionTime: 1970-01-01T00:00:00Z
          observedGeneration: 2
        - type: Progressing
          status: 'False'
          reason: Settled
          message: nothing is being changed
          lastTransitionTime: 1970-01-01T00:00:00Z
          observedGeneration: 2
        - type: StorageResized
          status: 'True'
          reason: AsAsked
          message: the volumes are as large as the spec asks, or larger
          lastTransitionTime: 1970-01-01T00:00:00Z
          observedGeneration: 2
    "#]]
    .assert_eq(&serde_yaml::to_string(&status).unwrap());
}

#[test]
fn a_broker_that_does_not_start_is_quoted() {
    let cluster = cluster("{}");
    let crash =
        running(false, Some("exit code 1: log.retentoin.ms: no such key; did you mean log.retention.ms?"));
    let status = status(&cluster, &[crash], None, &Step::Done, &Advertised::new());
    let (reason, message) = ready_reason(&status);
    assert_eq!(reason, "BrokerFailing");
    assert!(message.starts_with("broker 0 (main-broker-0): exit code 1: log.retentoin.ms"), "{message}");
}

#[test]
fn not_ready_before_pods_serve_answer_and_have_an_address() {
    let none = Advertised::new();
    let plain = cluster("{}");
    assert_eq!(ready_reason(&status(&plain, &[], None, &Step::Done, &none)).0, "BrokersStarting");
    let pods = [running(true, None)];
    assert_eq!(ready_reason(&status(&plain, &pods, None, &Step::Done, &none)).0, "BrokersStarting");
    let rolling = Step::Wait("replicas".into());
    assert_eq!(ready_reason(&status(&plain, &pods, Some(&answering()), &rolling, &none)).0, "Rolling");
    let balanced = cluster("listeners: [{name: out, type: LoadBalancer, port: 9094}]");
    let pending = status(&balanced, &pods, Some(&answering()), &Step::Done, &none);
    assert_eq!(ready_reason(&pending).0, "ListenerPending");
    assert_eq!(ready_reason(&status(&plain, &pods, Some(&answering()), &Step::Done, &none)).0, "Ready");
}
