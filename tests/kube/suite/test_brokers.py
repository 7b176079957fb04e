"""A BrokerCluster's life: settings, volumes, ways in from outside, pods that die, and what remains when it goes."""

import itertools
import json
import math
import re
import time

import pytest

from ground.operators import kill, leader
from ground.shop import Shop, group, open_shop, topic
from harness.waiting import until

CLUSTER = {
    "apiVersion": "millrace.dev/v1alpha1", "kind": "BrokerCluster", "metadata": {"name": "main"},
    "spec": {"storage": {"size": "1Gi", "retainOnDelete": False}, "config": {"group.initial.rebalance.delay.ms": 0}},
}  # fmt: skip
# A client that writes all the time waits no longer for the next pod of a broker that is told to go. It would wait for its
# timeout, 30 s, if it dialled the address of a pod that is just gone.
REPLACED_WITHIN_S = 10


def manifest(**spec):
    """The cluster's manifest with these fields of the spec besides."""
    changed = json.loads(json.dumps(CLUSTER))
    changed["spec"] |= spec
    return json.dumps(changed)


@pytest.fixture(scope="module")
def shop(operator, shell):
    with open_shop(shell, "brokers", manifest()) as shop:
        yield shop


def pod_uid(shop):
    return shop.get("pod main-broker-0")["metadata"]["uid"]


def pod_is_another(shop, broker):
    """Whether there is a pod that is not the one of that uid."""
    pod = shop.get("pod main-broker-0")
    return pod is not None and pod["metadata"]["uid"] != broker


def directory(shop):
    return shop.get("brokercluster main")["status"]["brokers"][0]["directoryId"]


def longest_pause(moments, since, end):
    """The longest time between two moments of these, and from `since` to the first one."""
    within = sorted([since, *(moment for moment in moments if since < moment < end)])
    return max(later - earlier for earlier, later in itertools.pairwise(within))


def waits_of(operator, name):
    """After how many seconds the operator tries again what failed for this object, attempt by attempt."""
    log = operator.kubectl(f"logs {leader(operator)}")
    lines = [json.loads(line) for line in log.splitlines() if '"reconcile failed"' in line]
    return [line["wait_seconds"] for line in lines if line["object"] == name]


def test_pods_are_as_little_privileged_as_they_can_be(shop):
    spec = shop.get("pod main-broker-0")["spec"]
    container = spec["containers"][0]
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["readOnlyRootFilesystem"] and not container["securityContext"]["allowPrivilegeEscalation"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert spec["automountServiceAccountToken"] is False
    assert shop.get("poddisruptionbudget main-broker") and shop.get("networkpolicy main-broker")
    owners = {
        kind: shop.get(kind)["metadata"]["ownerReferences"][0]["kind"]
        for kind in ["statefulset main-broker", "configmap main-broker", "service main-bootstrap", "service main-brokers"]
    }
    assert set(owners.values()) == {"BrokerCluster"}, owners


def test_settings_change_live_where_kafka_can_and_by_a_restart_where_not(shop):
    broker = pod_uid(shop)
    live = {**CLUSTER["spec"]["config"], "log.retention.ms": 7200000}
    shop.apply(manifest(config=live))
    described = lambda: shop.tool("kafka-configs --describe --entity-type brokers --entity-default")
    until(described, lambda: "log.retention.ms=7200000" in described())
    shop.wait_ready("brokercluster/main")
    assert pod_uid(shop) == broker

    # By hand it is changed for a moment only; what nobody asks for is Kafka's default again; what no broker takes is said.
    alter = "kafka-configs --alter --entity-type brokers --entity-default --add-config"
    shop.tool(f"{alter} log.retention.ms=1,message.max.bytes=2000000")
    shop.kubectl("annotate brokercluster main example.com/look=now")
    until(described, lambda: "log.retention.ms=7200000" in described() and "message.max.bytes" not in described(), 90)
    notes = lambda: " ".join(note for reason, note in shop.events("main") if reason == "ConfigChanged")
    until(notes, lambda: "log.retention.ms set from 1 to 7200000" in notes())
    shop.apply(manifest(config={**live, "message.max.bytes": -7}))
    condition = shop.wait_condition("brokercluster main", "Ready", "False", "InvalidConfig")
    assert "message.max.bytes" in condition["message"], condition
    shop.apply(manifest(config=CLUSTER["spec"]["config"]))
    until(described, lambda: "log.retention.ms" not in described())
    shop.apply(manifest(config=live))
    until(described, lambda: "log.retention.ms=7200000" in described())
    shop.wait_ready("brokercluster/main")
    assert pod_uid(shop) == broker

    shop.apply(manifest(config={**live, "num.partitions": 3}))
    until("the broker is restarted", lambda: pod_is_another(shop, broker))
    shop.wait_ready("brokercluster/main")
    shop.tool("kafka-topics --create --topic of-three")
    assert shop.partitions("of-three") == 3
    assert "Restarting" in [reason for reason, _ in shop.events("main")]


def test_children_that_somebody_else_changed_are_put_back(shop):
    """By server-side apply: what the operator says is the operator's, whoever wrote there."""
    broker, wanted = pod_uid(shop), shop.get("configmap main-broker")["data"]
    other = "--server-side --force-conflicts --field-manager=somebody -f -"
    child = lambda api, kind, name, **fields: json.dumps(
        {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": shop.name}, **fields}
    )
    shop.kubectl(f"apply {other}", stdin=child("v1", "ConfigMap", "main-broker", data={key: "changed" for key in wanted}))
    until("its settings are back", lambda: shop.get("configmap main-broker")["data"] == wanted)
    ports = [{"name": "kafka", "port": 9092, "targetPort": 9999, "protocol": "TCP"}]
    shop.kubectl(f"apply {other}", stdin=child("v1", "Service", "main-bootstrap", spec={"ports": ports}))
    target = lambda: shop.get("service main-bootstrap")["spec"]["ports"][0]["targetPort"]
    until(lambda: f"its port is back: {target()}", lambda: target() == 9092)
    shop.wait_ready("brokercluster/main")
    assert pod_uid(shop) == broker
    managers = lambda what: {
        one["manager"] for one in json.loads(shop.kubectl(f"get {what} -o json --show-managed-fields"))["metadata"]["managedFields"]
        if one["operation"] == "Apply" and "f:data" in one["fieldsV1"]
    }  # fmt: skip
    assert managers("configmap main-broker") == {"millrace-operator"}


def test_a_wrong_setting_is_named_in_the_status_and_taken_back(shop):
    good = {**CLUSTER["spec"]["config"], "log.retention.ms": 7200000}
    broken = shop.shell.try_run(f"kubectl -n {shop.name} apply -f -", stdin=manifest(config={"log.dirs": "/tmp"}))
    assert broken.code == 0, str(broken)
    condition = shop.wait_condition("brokercluster main", "Ready", "False", "InvalidConfig")
    assert "log.dirs" in condition["message"], condition
    broker = pod_uid(shop)
    shop.apply(manifest(config={**good, "num.partitoins": 3}))
    says = lambda *words: lambda one: any(all(word in seen["message"] for word in words) for seen in one["status"]["conditions"])
    shop.wait_for("brokercluster main", "says what was meant", says("num.partitoins", "did you mean num.partitions"))
    shop.wait_condition("brokercluster main", "Ready", "False", "InvalidConfig")
    assert pod_uid(shop) == broker, "it serves on with the settings that it has"
    # What a broker finds only when it starts.
    shop.apply(manifest(config={**good, "num.partitions": "many"}))
    condition = shop.wait_condition("brokercluster main", "Ready", "False", "BrokerFailing", 120)
    assert "num.partitions" in condition["message"] and "many" in condition["message"], condition
    shop.apply(manifest(config=good))
    shop.wait_ready("brokercluster/main", deadline_s=120)


def test_a_misspelt_field_of_kubernetes_own_types_is_named(shop):
    """No schema knows those fields. A peer with `matchLabel` would let every pod in."""
    broker, policy = pod_uid(shop), lambda: shop.get("networkpolicy main-broker")["spec"]
    before = policy()
    peer = lambda field: {"clients": [{"podSelector": {field: {"app": "shop"}}}]}
    shop.apply(manifest(networkPolicy=peer("matchLabel")))
    condition = shop.wait_condition("brokercluster main", "Ready", "False", "Unreadable")
    assert "unknown field `[0].podSelector.matchLabel`" in condition["message"], condition
    assert policy() == before and pod_uid(shop) == broker, "nothing is done with what cannot be read"
    shop.apply(manifest(networkPolicy=peer("matchLabels")))
    until("the policy names the peer", lambda: '"matchLabels": {"app": "shop"}' in json.dumps(policy()))
    shop.wait_ready("brokercluster/main")
    shop.apply(manifest())
    until("the policy is as it was", lambda: policy() == before)
    assert pod_uid(shop) == broker


def test_what_kubernetes_refuses_is_in_the_status_until_it_does_not(operator, shell, namespace):
    shop = Shop(shell, namespace.name)
    shop.kubectl("create quota nothing --hard=services=0")
    shop.kubectl("create configmap main-broker --from-literal=mine=kept")
    shop.apply(json.dumps({**CLUSTER, "spec": {"config": CLUSTER["spec"]["config"]}}))
    condition = shop.wait_condition("brokercluster main", "Ready", "False", "ApplyFailed")
    assert "exceeded quota: nothing" in condition["message"], condition
    assert "ApplyFailed" in [reason for reason, _ in shop.events("main")]
    pod = leader(operator)
    page = shell.run(f"kubectl get --raw /api/v1/namespaces/{operator.name}/pods/{pod}:8080/proxy/metrics")
    failed = re.search(r'^millrace_reconcile_errors_total\{class="kubernetes",kind="BrokerCluster"\} (\S+)$', page, re.M)
    assert float(failed[1]) > 0
    # Each attempt waits about twice as long as the one before, until one succeeds.
    waits = lambda: waits_of(operator, f"{shop.name}/main")
    until(lambda: f"it was tried four times: {waits()}", lambda: len(waits()) >= 4, 30, 1)
    in_vain = waits()
    assert in_vain[0] < 1.3 and in_vain == sorted(in_vain) and in_vain[3] > 4 * in_vain[0], in_vain
    shop.kubectl("delete quota nothing")
    # What somebody else made is not taken, though it has the name of one of the cluster's parts.
    taken = shop.wait_for(
        "brokercluster main", "says whose the name is", lambda one: any("ConfigMap main-broker" in seen["message"] for seen in one["status"]["conditions"])
    )  # fmt: skip
    assert "ApplyFailed" in [seen["reason"] for seen in taken["status"]["conditions"]]
    assert shop.get("configmap main-broker")["data"] == {"mine": "kept"}
    shop.kubectl("delete configmap main-broker")
    shop.wait_ready("brokercluster/main", deadline_s=90)
    in_vain = len(waits())
    # A node port outside of the range: only the API server knows which that is.
    listener = {"name": "outside", "type": "NodePort", "port": 9094, "advertisedHost": "h", "nodePort": 80}
    shop.apply(json.dumps({**CLUSTER, "spec": {"listeners": [listener]}}))
    condition = shop.wait_condition("brokercluster main", "Ready", "False", "ApplyFailed")
    assert "nodePort" in condition["message"] and "80" in condition["message"], condition
    assert waits()[in_vain] < 1.3, "success cleared the count"
    shop.kubectl("delete brokercluster main --cascade=foreground --timeout=60s", deadline_s=90)


@pytest.mark.parametrize(
    ("name", "spec", "reason"),
    [
        ("main.v2", {}, "as names of Services do"),
        ("2main", {}, "as names of Services do"),
        ("env", {"podTemplate": {"env": [{"name": "POD_INDEX"}]}}, "the operator sets POD_INDEX itself"),
        ("env", {"podTemplate": {"env": [{"name": "A"}, {"name": "A"}]}}, "Duplicate value"),
    ],
)
def test_what_cannot_work_is_refused_at_admission(shop, name, spec, reason):
    wrong = {**CLUSTER, "metadata": {"name": name}, "spec": spec}
    refused = shop.shell.try_run(f"kubectl -n {shop.name} apply -f -", stdin=json.dumps(wrong))
    assert refused.code != 0 and reason in refused.err, str(refused)


def test_volumes_that_cannot_grow_are_said_to(shop):
    of_its_class = shop.get("pvc data-main-broker-0")["spec"]["storageClassName"]
    if json.loads(shop.shell.run(f"kubectl get storageclass {of_its_class} -o json")).get("allowVolumeExpansion"):
        pytest.skip("volumes of the default class can grow here; those of the tests' own node cannot")
    shop.apply(manifest(storage={"size": "2Gi", "retainOnDelete": False}))
    condition = shop.wait_condition("brokercluster main", "StorageResized", "False", "Refused")
    assert "cannot grow" in condition["message"], condition
    refused = shop.shell.try_run(
        f"kubectl -n {shop.name} apply -f -", stdin=manifest(storage={"size": "1Gi", "retainOnDelete": False})
    )
    assert refused.code != 0 and "volumes can grow, not shrink" in refused.err, str(refused)


GROWING = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: growing}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
allowVolumeExpansion: true
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: growing}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: growing
  hostPath: {path: PATH}
"""


def test_volumes_grow_where_their_class_lets_them(operator, shell, namespace, inside, tmp_path):
    (tmp_path / "data").mkdir()
    # Brokers are nobody's user; what is above of it they do not see.
    (tmp_path / "data").chmod(0o777)
    shell.run("kubectl apply -f -", stdin=GROWING.replace("PATH", str(tmp_path / "data")))
    shop = Shop(shell, namespace.name)
    try:
        storage = {"size": "1Gi", "className": "growing", "retainOnDelete": False}
        shop.apply(manifest(storage=storage))
        shop.wait_ready("brokercluster/main")
        broker = pod_uid(shop)
        shop.apply(manifest(storage={**storage, "size": "2Gi"}))
        # Whoever asked for it, the next one sees it through.
        kill(operator)
        condition = shop.wait_condition("brokercluster main", "StorageResized", "False", "Growing")
        assert "data-main-broker-0" in condition["message"], condition
        assert shop.get("pvc data-main-broker-0")["spec"]["resources"]["requests"]["storage"] == "2Gi"
        assert "VolumeGrowing" in [reason for reason, _ in shop.events("main")]
        # What the storage's driver does next; this one has none.
        shell.run("""kubectl patch pv growing --type merge -p '{"spec":{"capacity":{"storage":"2Gi"}}}'""")
        grown = '{"status":{"capacity":{"storage":"2Gi"}}}'
        shop.kubectl(f"patch pvc data-main-broker-0 --subresource=status --type merge -p '{grown}'")
        shop.wait_condition("brokercluster main", "StorageResized", "True", "AsAsked")
        shop.wait_ready("brokercluster/main")
        assert pod_uid(shop) == broker, "nobody asked for a restart"
        # One that somebody made larger by hand stays as large, and stands in nobody's way.
        larger = '{"spec":{"resources":{"requests":{"storage":"3Gi"}}}}'
        shop.kubectl(f"patch pvc data-main-broker-0 --type merge -p '{larger}'")
        shop.apply(manifest(storage={**storage, "size": "2Gi"}, config={**CLUSTER["spec"]["config"], "log.retention.ms": 7200000}))
        described = lambda: shop.tool("kafka-configs --describe --entity-type brokers --entity-default")
        until(described, lambda: "log.retention.ms=7200000" in described())
        shop.wait_ready("brokercluster/main")
        assert shop.get("pvc data-main-broker-0")["spec"]["resources"]["requests"]["storage"] == "3Gi"
        shop.kubectl("delete brokercluster main --cascade=foreground --timeout=60s", deadline_s=90)
        shop.kubectl("wait --for=delete pvc/data-main-broker-0 --timeout=30s")
    finally:
        shell.run("kubectl delete pv/growing storageclass/growing --wait=false")


def test_a_paused_cluster_is_left_alone(shop):
    broker, settings = pod_uid(shop), shop.get("configmap main-broker")["data"]
    shop.kubectl("annotate brokercluster main millrace.dev/pause=true")
    shop.wait_condition("brokercluster main", "Paused", "True", "Annotated")
    changed = {"config": {**CLUSTER["spec"]["config"], "num.partitions": 5}}
    shop.kubectl(f"patch brokercluster main --type merge -p '{json.dumps({'spec': changed})}'")
    shop.kubectl("delete service main-bootstrap")
    # Its topics are looked after all the same.
    shop.apply(topic("while-paused", partitions=1))
    shop.wait_ready("topic/while-paused")
    assert shop.get("configmap main-broker")["data"] == settings and pod_uid(shop) == broker
    assert shop.get("service main-bootstrap") is None
    shop.kubectl("annotate brokercluster main millrace.dev/pause-")
    shop.wait_for("service main-bootstrap", "is there again", lambda found: found is not None)
    until("the broker is restarted", lambda: pod_is_another(shop, broker), 60)
    shop.wait_ready("brokercluster/main", deadline_s=90)
    assert shop.condition("brokercluster main", "Paused") == {}
    assert shop.get("configmap main-broker")["data"] != settings


def test_clients_outside_come_in_by_a_node_port(shop, inside, python):
    address = json.loads(shop.shell.run("kubectl get nodes -o json"))["items"][0]["status"]["addresses"][0]["address"]
    listener = {"name": "outside", "type": "NodePort", "port": 9094, "advertisedHost": address}
    shop.apply(manifest(storage={"size": "2Gi", "retainOnDelete": False}, listeners=[listener]))
    found = shop.wait_for(
        "brokercluster main", "knows its listener's address",
        lambda one: (one["status"].get("listeners") or [{}])[0].get("bootstrap", "").startswith(f"{address}:"), 90,
    )["status"]["listeners"][0]["bootstrap"]  # fmt: skip
    shop.wait_ready("brokercluster/main")
    sent = python("produce", found, "--topic", "from-outside", "--count", "10", "--rate", "1000")
    assert sent.wait(60) == 0, sent.log_tail()
    assert "sent 10, all answered" in sent.log_tail()
    services = lambda: {one["metadata"]["name"] for one in shop.all("services")}
    assert "main-outside-0" in services(), services()
    shop.apply(manifest(storage={"size": "2Gi", "retainOnDelete": False}))
    until(lambda: f"the listener's Service is gone: {services()}", lambda: "main-outside-0" not in services())
    shop.wait_for("brokercluster main", "has no listener", lambda one: not one["status"].get("listeners"))
    shop.wait_ready("brokercluster/main", deadline_s=90)


def test_the_network_policy_goes_and_comes_with_the_spec(shop):
    there = lambda: shop.get("networkpolicy main-broker") is not None
    assert there()
    shop.kubectl("patch brokercluster main --type merge -p '{\"spec\":{\"networkPolicy\":{\"enabled\":false}}}'")
    until("there is no policy", lambda: not there())
    # Whoever has policies of their own may call one so.
    shop.apply(json.dumps({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "main-broker"},
        "spec": {"podSelector": {"matchLabels": {"mine": "yes"}}},
    }))  # fmt: skip
    shop.kubectl("patch brokercluster main --type merge -p '{\"spec\":{\"config\":{\"log.retention.ms\":7100000}}}'")
    described = lambda: shop.tool("kafka-configs --describe --entity-type brokers --entity-default")
    until(described, lambda: "log.retention.ms=7100000" in described())
    assert there(), "it is not the operator's"
    shop.kubectl("delete networkpolicy main-broker")
    shop.kubectl("patch brokercluster main --type merge -p '{\"spec\":{\"networkPolicy\":null}}'")
    until("there is one", there)


def test_a_killed_broker_comes_back_with_its_volume_and_loses_nothing(shop, python):
    shop.apply(topic("kept", partitions=2, config={"message.timestamp.type": "LogAppendTime"}))
    shop.wait_ready("topic/kept")
    identity, disk = shop.get("topic kept")["status"]["topicId"], directory(shop)
    sender = python("produce", shop.bootstrap, "--topic", "kept", "--count", "2400", "--rate", "60")
    sent = lambda: max(map(int, re.findall(r"sent (\d+)", sender.log_tail())), default=0)
    until(sender.log_tail, sent, 60)
    killed, told = [], {reason for reason, _ in shop.events("main")}
    for kill in ["--force --grace-period=0", ""]:
        broker, before = pod_uid(shop), sent()
        assert sender.exit_code() is None, "the broker is killed while records come"
        killed.append(time.time())
        shop.kubectl(f"delete pod main-broker-0 {kill} --timeout=60s")
        until("another pod", lambda: pod_is_another(shop, broker))
        shop.wait_ready("pod/main-broker-0", "brokercluster/main")
        # The first hundred may have been written before.
        until(sender.log_tail, lambda: sent() > before + 100, 60)
    assert sender.wait(120) == 0, sender.log_tail()
    dated = "--property print.timestamp=true"
    records = shop.tool(f"kafka-console-consumer --topic kept --from-beginning --timeout-ms 5000 {dated}")
    written = {int(number): int(ms) / 1000 for ms, number in re.findall(r'^LogAppendTime:(\d+)\t.*"number": (\d+)', records, re.M)}
    assert set(written) == set(range(2400)), "what was acknowledged is there"
    pauses = [longest_pause(written.values(), since, end) for since, end in itertools.pairwise([*killed, math.inf])]
    print("nothing was written for {:.1f} s after the kill, for {:.1f} s after the farewell".format(*pauses))
    assert pauses[1] < REPLACED_WITHIN_S
    assert shop.get("topic kept")["status"]["topicId"] == identity
    assert directory(shop) == disk
    shop.wait_ready("topic/kept")
    assert "BrokerError" not in {reason for reason, _ in shop.events("main")} - told, "brokers that are not there are not asked"


def test_a_broker_with_an_empty_disk_is_another_one_and_gets_its_topics_again(shop):
    shop.apply(topic("kept", partitions=2))
    shop.wait_ready("topic/kept")
    known, old_topic, broker = directory(shop), shop.get("topic kept")["status"]["topicId"], pod_uid(shop)
    shop.kubectl("delete pvc data-main-broker-0 --wait=false")
    shop.kubectl("delete pod main-broker-0 --force --grace-period=0")
    until("another pod", lambda: pod_is_another(shop, broker))
    shop.wait_for("brokercluster main", "knows the new directory", lambda one: one["status"]["brokers"][0].get("directoryId") not in (known, None), 120)
    shop.wait_for("topic kept", "was made again", lambda one: one["status"]["topicId"] != old_topic, 60)
    shop.wait_ready("brokercluster/main", "topic/kept", deadline_s=90)
    assert shop.partitions("kept") == 2
    assert "DataReplaced" in [reason for reason, _ in shop.events("main")]


def test_a_cluster_goes_before_its_topics_and_comes_back_with_its_data(operator, shell, namespace):
    shop = Shop(shell, namespace.name)
    kept = manifest(storage={"size": "1Gi"})
    shop.apply(kept)
    shop.apply(topic("orders", partitions=2))
    shop.apply(topic("going", partitions=1))
    shop.apply(group("readers", topics=["orders"]))
    shop.wait_ready("brokercluster/main", "topic/orders", "topic/going", "consumergroup/readers")
    shop.produce("orders", "still here")
    shop.kubectl("delete brokercluster main --cascade=foreground --timeout=60s", deadline_s=90)
    shop.wait_condition("topic orders", "Ready", "False", "ClusterNotFound")
    shop.wait_condition("consumergroup readers", "Ready", "False", "ClusterNotFound")
    shop.kubectl("delete topic going --timeout=20s")
    shop.apply(kept)
    shop.wait_ready("brokercluster/main", "topic/orders", "consumergroup/readers", deadline_s=90)
    assert shop.tool("kafka-console-consumer --topic orders --from-beginning --max-messages 1").strip() == "still here"
    # So is the topic whose resource went while there was no cluster to delete it from.
    assert shop.topics() == {"orders", "going"}
    shop.kubectl("delete brokercluster main --cascade=foreground --timeout=60s", deadline_s=90)
    shop.kubectl("delete pvc --all --timeout=30s")


def test_what_belongs_to_a_cluster_that_goes_does_not_wait_for_it(operator, shell, namespace):
    """Somebody else holds the cluster; its topics and groups may go before it does."""
    shop = Shop(shell, namespace.name)
    shop.apply(manifest())
    shop.apply(topic("orders", partitions=1))
    shop.apply(group("readers", deletionPolicy="Delete"))
    shop.wait_ready("brokercluster/main", "topic/orders", "consumergroup/readers")
    hold = lambda finalizers: shop.kubectl(
        f"patch brokercluster main --type merge -p '{json.dumps({'metadata': {'finalizers': finalizers}})}'")  # fmt: skip
    hold(["example.com/held"])
    shop.kubectl("delete brokercluster main --wait=false")
    shop.wait_condition("topic orders", "Ready", "False", "ClusterDeleting")
    shop.wait_condition("consumergroup readers", "Ready", "False", "ClusterDeleting")
    shop.kubectl("delete topic orders --timeout=20s")
    shop.kubectl("delete consumergroup readers --timeout=20s")
    assert shop.topics() == {"orders"}, "it went with its cluster, not before"
    hold(None)
    shop.wait_for("brokercluster main", "is gone", lambda one: one is None)


def test_a_namespace_goes_in_one_go_with_all_that_is_in_it(operator, shell):
    shell.run("kubectl create namespace everything")
    shop = Shop(shell, "everything")
    shop.apply(manifest(podTemplate={"terminationGracePeriodSeconds": 5}))
    for number in range(10):
        shop.apply(topic(f"t{number}", partitions=1))
    shop.apply(group("g", deletionPolicy="Delete"))
    shop.wait_ready("brokercluster/main", *(f"topic/t{number}" for number in range(10)), "consumergroup/g")
    shell.run("kubectl delete namespace everything --timeout=45s", deadline_s=60)


def test_a_namespace_goes_though_brokers_elsewhere_do_not_answer(shop, shell, namespace):
    """A topic that cannot be deleted keeps its resource, but not its namespace."""
    shop.kubectl(f"patch brokercluster main --type merge -p '{{\"spec\":{{\"allowedNamespaces\":[\"{namespace.name}\"]}}}}'")
    guests = Shop(shell, namespace.name)
    elsewhere = lambda manifest: manifest.replace('{"name": "main"}', '{"name": "main", "namespace": "brokers"}')
    guests.apply(elsewhere(topic("guest", partitions=1)))
    guests.apply(elsewhere(group("guests", deletionPolicy="Delete")))
    guests.wait_ready("topic/guest", "consumergroup/guests")
    shop.kubectl("annotate brokercluster main millrace.dev/pause=true")
    shop.wait_condition("brokercluster main", "Paused", "True", "Annotated")
    shop.kubectl("scale statefulset main-broker --replicas 0")
    guests.wait_condition("topic guest", "Ready", "False", "ClusterNotReady", 90)
    guests.kubectl("delete topic guest --wait=false")
    blocked = guests.wait_condition("topic guest", "Ready", "False", "DeletionBlocked")
    assert "spec.deletionPolicy to Retain" in blocked["message"], blocked
    shell.run(f"kubectl delete namespace {namespace.name} --timeout=45s", deadline_s=60)
    shop.kubectl("scale statefulset main-broker --replicas 1")
    shop.kubectl("annotate brokercluster main millrace.dev/pause-")
    shop.wait_ready("pod/main-broker-0", "brokercluster/main", deadline_s=90)
    assert "guest" in shop.topics(), "nobody could delete it"
    shop.tool("kafka-topics --delete --topic guest")


def test_an_operator_that_dies_again_and_again_gets_there(operator, shop, shell):
    """Whatever was half done when it was killed is done by the next one."""
    names = [f"many-{number}" for number in range(60)]
    # Every fifth is there before its resource, to be adopted.
    found = names[::5]
    for name in found:
        shop.tool(f"kafka-topics --create --topic {name} --partitions 1")
    shop.produce(found[-1], "kept")
    for at in range(0, 60, 30):
        shop.apply("\n".join(topic(name, partitions=2) for name in names[at : at + 30]))
        kill(operator)
    shop.wait_ready(*(f"topic/{name}" for name in names), deadline_s=90)
    assert set(names) <= shop.topics()
    mine = [one for one in shop.all("topics") if one["metadata"]["name"] in names]
    assert all(one["status"]["partitions"] == 2 for one in mine)
    adopted = {one["metadata"]["name"] for one in mine if one["status"]["origin"] == "Adopted"}
    assert set(found) <= adopted, set(found) - adopted
    kept = shop.tool(f"kafka-console-consumer --topic {found[-1]} --from-beginning --max-messages 1")
    assert kept.split() == ["kept"]
    # In the middle of growing, and of deleting.
    shop.apply("\n".join(topic(name, partitions=3) for name in names))
    kill(operator)
    grown = lambda: [one["status"]["partitions"] for one in shop.all("topics") if one["metadata"]["name"] in names]
    until(lambda: f"all have 3 partitions: {grown()}", lambda: grown() == [3] * len(names), 90, 1)
    shop.kubectl(f"delete topic {' '.join(names)} --wait=false")
    kill(operator)
    left = lambda: [one["metadata"]["name"] for one in shop.all("topics") if one["metadata"]["name"] in names]
    until(lambda: f"all are gone but {left()}", lambda: not left(), 90, 1)
    assert shop.topics().isdisjoint(names)


def test_an_operator_that_dies_in_the_middle_of_a_roll_ends_it(operator, shop):
    """One restart, whoever asked for it."""
    shop.wait_ready("brokercluster/main", deadline_s=90)
    broker = pod_uid(shop)
    shop.kubectl("patch brokercluster main --type merge -p '{\"spec\":{\"config\":{\"num.partitions\":7}}}'")
    kill(operator)
    until("the broker is restarted", lambda: pod_is_another(shop, broker), 60)
    restarted = pod_uid(shop)
    kill(operator)
    shop.wait_for(
        "brokercluster main", "is done", lambda one: any(
            (seen["type"], seen["status"], seen.get("observedGeneration")) == ("Ready", "True", one["metadata"]["generation"])
            for seen in one["status"]["conditions"]
        ), 120,
    )  # fmt: skip
    assert pod_uid(shop) == restarted, "it was restarted twice"
    shop.tool("kafka-topics --create --topic of-seven")
    assert shop.partitions("of-seven") == 7
