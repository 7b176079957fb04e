//! Statuses of clusters in every state that matters.

use expect_test::expect;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use millrace_client::BrokerNode;
use millrace_protocol::Uuid;

use super::*;
use crate::broker_cluster::build::properties::Address;
use crate::broker_cluster::plan::roll::PodState;
use crate::broker_cluster::validate::validate;
use crate::conditions::with_verdicts;
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
        rack: None,
        ready_since: ready.then_some(Timestamp::UNIX_EPOCH),
        problem: problem.map(str::to_owned),
    }
}

fn answering() -> ClusterObservation {
    let broker = BrokerNode { id: 0, host: "h".into(), port: 9092, rack: None };
    let directories = [(0, Uuid([7; 16]))].into();
    ClusterObservation { id: "abc".into(), controller: Some(0), brokers: vec![broker], directories }
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
          directoryId: BwcHBwcHBwcHBwcHBwcHBw
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

#[test]
fn a_broker_is_known_by_its_data_directory_while_it_does_not_answer() {
    let cluster = cluster("{}");
    let pods = [running(true, None)];
    let none = Advertised::new();
    let before = status(&cluster, &pods, Some(&answering()), &Step::Done, &none);
    let health = Health::Unreachable("refused".into());
    let from = Ingredients {
        cluster: &cluster,
        generation: Some(2),
        pods: &pods,
        advertised: &none,
        seen: None,
        health: &health,
        roll: &Step::Done,
        refused: None,
        storage: None,
    };
    let after = observed(&before, &from, Timestamp::UNIX_EPOCH);
    assert_eq!(after.brokers[0].directory_id, before.brokers[0].directory_id);
    assert!(after.brokers[0].directory_id.is_some());
}

#[test]
fn an_empty_disk_is_told_of_once_for_the_broker_or_for_the_cluster() {
    let cluster = cluster("{}");
    let pods = [running(true, None)];
    let seen_with = |id: &str, directory: [u8; 16]| {
        let seen =
            ClusterObservation { id: id.into(), directories: [(0, Uuid(directory))].into(), ..answering() };
        status(&cluster, &pods, Some(&seen), &Step::Done, &Advertised::new())
    };
    let before = seen_with("abc", [7; 16]);
    assert_eq!(replaced(&before, &before), Vec::<String>::new());
    assert_eq!(replaced(&BrokerClusterStatus::default(), &before), Vec::<String>::new());
    expect!["broker 0 came back with an empty disk: data directory BwcHBwcHBwcHBwcHBwcHBw is now CAgICAgICAgICAgICAgICA; what only it had is lost"]
        .assert_eq(&replaced(&before, &seen_with("abc", [8; 16])).join("\n"));
    expect!["the brokers' data is not what it was: cluster id abc is now xyz; topics are made again, empty"]
        .assert_eq(&replaced(&before, &seen_with("xyz", [8; 16])).join("\n"));
}

#[test]
fn what_kubernetes_refuses_is_said_and_what_passes_is_not() {
    let refused = |code: u16, message: &str| {
        let status = kube::core::Status::failure(message, "Reason").with_code(code);
        obstacle(&ReconcileError::from(kube::Error::Api(Box::new(status))))
    };
    let quota = refused(403, "exceeded quota: services").unwrap();
    assert_eq!((quota.aspect, quota.reason), (READY, "ApplyFailed"));
    assert_eq!(quota.message, "Kubernetes refuses: exceeded quota: services");
    assert!(refused(422, "spec.ports[0].nodePort: Invalid value").is_some());
    assert!(refused(500, "failed calling webhook").is_some());
    assert!(refused(409, "the object has been modified").is_none());
    assert!(refused(429, "too many requests").is_none());
    let volumes = Verdict::no(STORAGE_RESIZED, "Growing", "growing: data-0");
    let before =
        with_verdicts(&BrokerClusterStatus::default(), vec![volumes], Some(1), Timestamp::UNIX_EPOCH);
    let after = with_verdicts(&before, vec![quota], Some(2), Timestamp::now());
    let aspects: Vec<&str> = after.conditions.iter().map(|one| one.type_.as_str()).collect();
    assert_eq!(aspects, [READY, STORAGE_RESIZED], "what was not looked at stays as it was");
}

#[test]
fn a_rack_that_brokers_are_not_told_is_said() {
    let said = |yaml: &str, pods: &[BrokerPod]| {
        let status = status(&cluster(yaml), pods, Some(&answering()), &Step::Done, &Advertised::new());
        let rack = status.conditions.iter().find(|one| one.type_ == "RackKnown");
        rack.map_or_else(String::new, |one| format!("{:?} {}: {}", one.status, one.reason, one.message))
    };
    let zone = "rack: {topologyKey: topology.kubernetes.io/zone}";
    let told = BrokerPod { rack: Some("a".into()), ..running(true, None) };
    let homeless = BrokerPod { node: None, ..running(false, None) };
    let all = [
        said("{}", &[running(true, None)]),
        said(zone, &[told]),
        said(zone, &[homeless]),
        said(zone, &[running(true, None)]),
        said("rack: {topologyKey: example.com/hall}", &[running(true, None)]),
    ];
    expect![[r#"

        True LabelFound: every broker has the rack that topology.kubernetes.io/zone names
        Unknown BrokersStarting: not every broker has a node yet
        False LabelMissing: broker 0 has no rack: its pod lacks the label topology.kubernetes.io/zone; Kubernetes gives a new pod this label of its node from 1.35 on, where the node has it
        False LabelMissing: broker 0 has no rack: its pod lacks the label example.com/hall; of a node's labels Kubernetes gives pods none but topology.kubernetes.io/zone and topology.kubernetes.io/region
    "#]]
    .assert_eq(&format!("{}\n", all.join("\n")));
}

#[test]
fn brokers_that_just_started_may_take_their_time_to_answer() {
    let cluster = cluster("{}");
    let none = Advertised::new();
    let health = Health::Unreachable("no such host".into());
    let reason_at = |second: i64| {
        let from = Ingredients {
            cluster: &cluster,
            generation: Some(2),
            pods: &[running(true, None)],
            advertised: &none,
            seen: None,
            health: &health,
            roll: &Step::Done,
            refused: None,
            storage: None,
        };
        let status =
            observed(&BrokerClusterStatus::default(), &from, Timestamp::from_second(second).unwrap());
        status.conditions[0].reason.clone()
    };
    assert_eq!(reason_at(59), "BrokersStarting");
    assert_eq!(reason_at(60), "BrokersUnreachable");
}
