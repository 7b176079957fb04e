//! Children as snapshots: what a change to a builder changes is seen in a review.

use expect_test::{ExpectFile, expect_file};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use millrace_crds::BrokerClusterSpec;
use serde::Serialize;

use super::properties::{Address, Advertised};
use super::stateful_set::{Present, stateful_set};
use super::{config_map, network_policy, pod_disruption_budget, service, service_account};
use crate::broker_cluster::ValidatedCluster;
use crate::broker_cluster::validate::validate;
use crate::names::ObjectKey;

const SMALL: &str = "{}";
const FULL: &str = r"
replicas: 1
image: registry.example/millrace:2
storage: {size: 10Gi, className: fast, retainOnDelete: false}
listeners:
- {name: outside, type: NodePort, port: 9094, advertisedHost: node.example, nodePort: 30092}
- {name: cloud, type: LoadBalancer, port: 9095, annotations: {example.com/kind: internal}}
config: {log.retention.ms: 60000, num.partitions: 4, log4j.path: 'C:\temp'}
resources: {requests: {cpu: 1, memory: 512Mi}, limits: {memory: 1Gi}}
rack: {topologyKey: topology.kubernetes.io/zone}
metrics: {scrapeAnnotations: true}
networkPolicy: {clients: [{namespaceSelector: {matchLabels: {team: shop}}}]}
podTemplate:
  labels: {team: shop}
  env: [{name: MILLRACE_LOG_LEVEL, value: debug}]
  tolerations: [{operator: Exists}]
  imagePullPolicy: Never
  terminationGracePeriodSeconds: 30
";

fn cluster(yaml: &str) -> ValidatedCluster {
    let spec: BrokerClusterSpec = serde_yaml::from_str(yaml).unwrap();
    let owner = OwnerReference {
        api_version: "millrace.dev/v1alpha1".into(),
        kind: "BrokerCluster".into(),
        name: "main".into(),
        uid: "8d4f2a3c".into(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    let key = ObjectKey { namespace: "shop".into(), name: "main".into() };
    validate(key, owner, &spec, "millrace:1").unwrap()
}

fn known_addresses() -> Advertised {
    [
        (("outside".to_owned(), 0), Address { host: "node.example".into(), port: 30092 }),
        (("cloud".to_owned(), 0), Address { host: "2001:db8::1".into(), port: 9095 }),
    ]
    .into()
}

fn yaml<K: Serialize>(children: &[K]) -> String {
    children.iter().map(|child| format!("---\n{}", serde_yaml::to_string(child).unwrap())).collect()
}

fn all(cluster: &ValidatedCluster, advertised: &Advertised, present: &Present) -> String {
    let mut services = vec![service::headless(cluster), service::bootstrap(cluster)];
    services.extend(service::listeners(cluster));
    [
        yaml(&[service_account::service_account(cluster)]),
        yaml(&[config_map::config_map(cluster, advertised)]),
        yaml(&services),
        yaml(&[pod_disruption_budget::pod_disruption_budget(cluster)]),
        yaml(&network_policy::network_policy(cluster).into_iter().collect::<Vec<_>>()),
        yaml(&[stateful_set(cluster, advertised, present)]),
    ]
    .concat()
}

fn check(yaml: &str, advertised: &Advertised, expected: ExpectFile) {
    expected.assert_eq(&all(&cluster(yaml), advertised, &Present::default()));
}

#[test]
fn the_smallest_cluster() {
    check(SMALL, &Advertised::new(), expect_file!["snapshots/small.yaml"]);
}

#[test]
fn a_cluster_with_everything() {
    check(FULL, &known_addresses(), expect_file!["snapshots/full.yaml"]);
}

/// An empty selector selects everything, an empty service name is refused: both were serialised by older
/// libraries.
#[test]
fn nothing_empty_is_sent() {
    let children = all(&cluster(SMALL), &Advertised::new(), &Present::default());
    for line in children.lines() {
        let empty = [": {}", ": []", ": ''", ": null"].iter().any(|empty| line.ends_with(empty));
        assert!(!empty || line.trim_start_matches([' ', '-']) == "emptyDir: {}", "{line}");
    }
}

#[test]
fn brokers_restart_for_what_they_read_at_start_and_for_nothing_else() {
    let template = |yaml: &str, advertised: &Advertised| {
        let set = stateful_set(&cluster(yaml), advertised, &Present::default());
        serde_json::to_value(set.spec.unwrap().template).unwrap()
    };
    let none = Advertised::new();
    let before = template("config: {log.retention.ms: 1, num.partitions: 1}", &none);
    assert_eq!(before, template("config: {log.retention.ms: 2, num.partitions: 1}", &none), "at run time");
    assert_eq!(
        before,
        template("config: {log.retention.ms: 1, num.partitions: 1}\nallowedNamespaces: ['*']", &none)
    );
    assert_ne!(before, template("config: {log.retention.ms: 1, num.partitions: 2}", &none));
    let balanced = "listeners: [{name: cloud, type: LoadBalancer, port: 9095}]";
    assert_ne!(template(balanced, &none), template(balanced, &known_addresses()), "the address is known now");
}

#[test]
fn brokers_run_as_whom_they_are_told_and_never_as_root() {
    let security = |given: &str| {
        let wanted = cluster(&format!("podTemplate: {{securityContext: {given}}}"));
        let set = stateful_set(&wanted, &Advertised::new(), &Present::default());
        serde_json::to_value(set.spec.unwrap().template.spec.unwrap().security_context).unwrap()
    };
    let runtime_default = serde_json::json!({ "type": "RuntimeDefault" });
    let left_to_kubernetes = serde_json::json!({ "runAsNonRoot": true, "seccompProfile": runtime_default });
    assert_eq!(security("{}"), left_to_kubernetes);
    let own = security("{runAsUser: 7, fsGroup: 8, runAsNonRoot: false, seccompProfile: {type: Unconfined}}");
    assert_eq!(
        own,
        serde_json::json!({
            "runAsUser": 7, "fsGroup": 8, "runAsNonRoot": true, "seccompProfile": { "type": "Unconfined" },
        })
    );
}

#[test]
fn the_claims_of_a_stateful_set_never_change() {
    let wanted = cluster("storage: {size: 20Gi}");
    let present = Present { claimed_size: Some("10Gi".into()) };
    let claims = |present: &Present| {
        let set = stateful_set(&wanted, &Advertised::new(), present);
        serde_json::to_value(set.spec.unwrap().volume_claim_templates).unwrap()
    };
    assert_eq!(claims(&present)[0]["spec"]["resources"]["requests"]["storage"], "10Gi");
    assert_eq!(claims(&Present::default())[0]["spec"]["resources"]["requests"]["storage"], "20Gi");
}

#[test]
fn one_of_several_is_found_before_it_is_ready_and_one_alone_is_not() {
    for (replicas, found) in [(1, None), (3, Some(true))] {
        let cluster = ValidatedCluster { replicas, ..cluster(FULL) };
        let services = [vec![service::headless(&cluster)], service::listeners(&cluster)].concat();
        assert_eq!(services.len(), 1 + 2 * usize::try_from(replicas).unwrap());
        for service in services {
            assert_eq!(service.spec.unwrap().publish_not_ready_addresses, found, "{replicas} brokers");
        }
    }
}
