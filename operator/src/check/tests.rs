//! Manifests that Kubernetes refuses, refused offline in words that help.

use expect_test::{Expect, expect};

use super::*;
use crate::manifests::parse;

fn check(text: &str, before: &str, expected: Expect) {
    let checker = Checker::new().unwrap();
    let findings = checker.check(&parse("m.yaml", text).unwrap(), &parse("old.yaml", before).unwrap());
    let lines: Vec<String> = findings
        .into_iter()
        .map(|one| format!("{} {} {}: {}\n", one.source, one.object, one.field, one.message))
        .collect();
    expected.assert_eq(&lines.concat());
}

fn topic(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: millrace.dev/v1alpha1\nkind: Topic\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{clusterRef: {{name: main}}, {spec}}}\n"
    )
}

fn group(spec: &str) -> String {
    format!(
        "---\napiVersion: millrace.dev/v1alpha1\nkind: ConsumerGroup\nmetadata: {{name: readers, namespace: shop}}\nspec: {{clusterRef: {{name: main}}, {spec}}}\n"
    )
}

fn cluster(spec: &str) -> String {
    format!(
        "---\napiVersion: millrace.dev/v1alpha1\nkind: BrokerCluster\nmetadata: {{name: main, namespace: shop}}\nspec: {{{spec}}}\n"
    )
}

#[test]
fn good_manifests_pass_and_others_kinds_are_none_of_our_business() {
    let all = [
        topic(
            "orders",
            "partitions: 4, config: {retention.ms: 1000, segment.bytes: null, preallocate: true}",
        ),
        topic("auto", "autoscaling: {maxPartitions: 8, lagPerPartition: 1000}"),
        group("maxLag: {records: 10}, offsetReset: {id: a, to: {timestamp: '2026-07-01T06:00:00Z'}}"),
        cluster(
            "storage: {size: 10Gi}, config: {log.retention.hours: 24}, resources: {requests: {cpu: 1, memory: 1Gi}}, listeners: [{name: out, type: NodePort, port: 9094, advertisedHost: localhost, nodePort: 30092}], podTemplate: {tolerations: [{operator: Exists}], affinity: {nodeAffinity: {}}}",
        ),
        "---\napiVersion: apps/v1\nkind: Deployment\nspec: 5\n".to_owned(),
    ];
    check(&all.concat(), "", expect![""]);
}

#[test]
fn unknown_fields_wrong_types_and_missing_ones() {
    let all = [
        topic("typo", "partitons: 4"),
        topic("text", "partitions: four"),
        topic("zero", "partitions: 0"),
        topic("map", "config: {retention.ms: {a: 1}}"),
        "---\napiVersion: millrace.dev/v1alpha1\nkind: Topic\nmetadata: {name: Bare_Name}\nspec: {}\n"
            .to_owned(),
        "---\napiVersion: millrace.dev/v1\nkind: Topic\n".to_owned(),
        "---\napiVersion: millrace.dev/v1alpha1\nkind: Topik\n".to_owned(),
    ];
    check(
        &all.concat(),
        "",
        expect![[r#"
        m.yaml#1 Topic shop/typo spec: Additional properties are not allowed ('partitons' was unexpected)
        m.yaml#2 Topic shop/text spec.partitions: "four" is not of type "integer"
        m.yaml#3 Topic shop/zero spec.partitions: 0 is less than the minimum of 1
        m.yaml#4 Topic shop/map spec.config.retention.ms: {"a":1} is not of types "null", "boolean", "number", "string"
        m.yaml#5 Topic Bare_Name metadata.name: "Bare_Name" does not match "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
        m.yaml#5 Topic Bare_Name spec: "clusterRef" is a required property
        m.yaml#6 Topic  apiVersion: there is no millrace.dev/v1, only millrace.dev/v1alpha1
        m.yaml#7 Topik  kind: there is no kind "Topik": BrokerCluster, ConsumerGroup, Topic
    "#]],
    );
}

#[test]
fn the_rules_of_each_kind() {
    let all = [
        topic("reserved", "topicName: __consumer_offsets"),
        topic("autoscaled", "autoscaling: {maxPartitions: 8}"),
        topic("bounds", "partitions: 9, autoscaling: {maxPartitions: 8, lagPerPartition: 1}"),
        group(
            "maxLag: {}, offsetReset: {id: a, to: {offset: 1, shiftBy: 2}}, autoscaling: {targetRef: {name: d}, minReplicas: 5, maxReplicas: 2, lagPerReplica: 1}",
        ),
        cluster(
            "replicas: 3, storage: {size: large}, config: {log.dirs: /tmp}, listeners: [{name: internal, type: NodePort, port: 9092}], podTemplate: {env: [{name: KAFKA_LISTENERS, value: x}, {name: POD_INDEX}]}",
        ),
        cluster("").replace("name: main", "name: main.v2"),
    ];
    check(
        &all.concat(),
        "",
        expect![[r#"
            m.yaml#1 Topic shop/reserved spec.topicName: this name is reserved
            m.yaml#2 Topic shop/autoscaled spec.autoscaling: at least one of bytesInPerPartition and lagPerPartition is needed
            m.yaml#3 Topic shop/bounds spec.autoscaling: autoscaling.maxPartitions must not be below partitions
            m.yaml#4 ConsumerGroup shop/readers spec.autoscaling.maxReplicas: maxReplicas must not be below minReplicas
            m.yaml#4 ConsumerGroup shop/readers spec.maxLag: at least one of records and seconds is needed
            m.yaml#4 ConsumerGroup shop/readers spec.offsetReset.to: exactly one of position, timestamp, offset and shiftBy is needed
            m.yaml#5 BrokerCluster shop/main spec.listeners[0]: a listener of type NodePort needs advertisedHost: a name or address of the nodes that clients can reach
            m.yaml#5 BrokerCluster shop/main spec.listeners[0].name: this name is reserved
            m.yaml#5 BrokerCluster shop/main spec.listeners[0].port: 9092, 9093 and 9644 are taken
            m.yaml#5 BrokerCluster shop/main spec.podTemplate.env[0].name: settings of the broker belong into spec.config
            m.yaml#5 BrokerCluster shop/main spec.podTemplate.env[1].name: the operator sets POD_INDEX itself
            m.yaml#5 BrokerCluster shop/main spec.replicas: this release runs one broker in each cluster; several come with replication
            m.yaml#5 BrokerCluster shop/main spec.storage.size: a quantity is needed, such as 10Gi
            m.yaml#6 BrokerCluster shop/main.v2 : the name may have lower-case letters, digits and hyphens, and begins with a letter, as names of Services do
        "#]],
    );
}

#[test]
fn lists_whose_items_must_differ() {
    let listener = "{name: out, type: LoadBalancer, port: 9094}";
    let all = [
        group("topics: [a, b, a]"),
        cluster(&format!(
            "podTemplate: {{env: [{{name: A}}, {{name: A, value: x}}]}}, listeners: [{listener}, {}]",
            listener.replace("9094", "9095")
        )),
    ];
    check(
        &all.concat(),
        "",
        expect![[r#"
            m.yaml#1 ConsumerGroup shop/readers spec.topics[2]: Duplicate value: "a"
            m.yaml#2 BrokerCluster shop/main spec.listeners[1]: Duplicate value: {"name":"out"}
            m.yaml#2 BrokerCluster shop/main spec.podTemplate.env[1]: Duplicate value: {"name":"A"}
        "#]],
    );
}

#[test]
fn what_only_the_operator_refuses() {
    check(
        &cluster("config: {log.dirs: /tmp}"),
        "",
        expect![[r#"
            m.yaml BrokerCluster shop/main spec: config: the operator sets log.dirs itself
        "#]],
    );
}

#[test]
fn the_rules_about_changes() {
    let before = [
        topic("orders", "partitions: 4, topicName: o"),
        group("groupId: g"),
        cluster("storage: {size: 10Gi, className: fast}"),
    ];
    let after = [
        topic("orders", "partitions: 2, topicName: p").replace("main", "other"),
        group("groupId: h").replace("main", "other"),
        cluster("storage: {size: 5Gi, className: slow}"),
    ];
    check(
        &after.concat(),
        &before.concat(),
        expect![[r#"
            m.yaml#1 Topic shop/orders : the topic's name cannot change: make a new Topic instead
            m.yaml#1 Topic shop/orders spec.clusterRef: clusterRef cannot change: make a new Topic instead
            m.yaml#1 Topic shop/orders spec.partitions: partitions can be added, not removed: make a new topic with fewer and move its readers and writers
            m.yaml#2 ConsumerGroup shop/readers : the group's id cannot change: make a new ConsumerGroup instead
            m.yaml#2 ConsumerGroup shop/readers spec.clusterRef: clusterRef cannot change: make a new ConsumerGroup instead
            m.yaml#3 BrokerCluster shop/main spec.storage.className: the storage class cannot change: make a new BrokerCluster instead
            m.yaml#3 BrokerCluster shop/main spec.storage.size: volumes can grow, not shrink
        "#]],
    );
    let grown =
        [topic("orders", "partitions: 8, topicName: o"), cluster("storage: {size: 20Gi, className: fast}")];
    check(&grown.concat(), &before.concat(), expect![""]);
}

/// The API server takes them, and would drop what is misspelt: this policy would let everybody in.
#[test]
fn fields_of_kubernetes_own_types_that_there_are_not() {
    let wrong = [
        cluster("networkPolicy: {clients: [{podSelector: {matchLabel: {team: logs}}}]}"),
        cluster("podTemplate: {tolerations: [{key: a}, {keys: b}]}").replace("main", "other"),
    ];
    check(
        &wrong.concat(),
        "",
        expect![[r#"
        m.yaml#1 BrokerCluster shop/main spec: it does not fit its type: unknown field `[0].podSelector.matchLabel`
        m.yaml#2 BrokerCluster shop/other spec: it does not fit its type: unknown field `[1].keys`
    "#]],
    );
}

#[test]
fn two_resources_for_one_topic() {
    let all = [topic("one", "topicName: same"), topic("same", ""), topic("one", "partitions: 2")];
    check(
        &all.concat(),
        "",
        expect![[r#"
        m.yaml#2 Topic shop/same spec: "same" of cluster shop/main is wanted by shop/one as well
        m.yaml#3 Topic shop/one metadata.name: it is in m.yaml#1 as well
    "#]],
    );
}
