"""What the API server refuses, `millrace-operator check` refuses offline, and little else: the rules are the same."""

import json

import pytest

from ground.shop import resource
from harness.places import REPOSITORY

CHECK = REPOSITORY / "target" / "release" / "millrace-operator"
OUTSIDE = {"name": "outside", "type": "NodePort", "port": 9094, "advertisedHost": "h"}
BALANCED = {"name": "outside", "type": "LoadBalancer", "port": 9094}


def topic(**spec):
    return resource("Topic", "one", spec)


def group(**spec):
    return resource("ConsumerGroup", "one", spec)


def cluster(**spec):
    return json.dumps(
        {"apiVersion": "millrace.dev/v1alpha1", "kind": "BrokerCluster", "metadata": {"name": spec.pop("called", "one")}, "spec": spec}
    )


def move(**to):
    return group(offsetReset={"id": "a", "to": to})


def scaled(**spec):
    return group(autoscaling={"targetRef": {"name": "d"}, "maxReplicas": 3, "lagPerReplica": 1, **spec})


TAKEN = [
    topic(), topic(partitions=1, config={"retention.ms": 1, "preallocate": True, "segment.bytes": None}),
    topic(autoscaling={"maxPartitions": 8, "lagPerPartition": 1}), topic(topicName="With_All.of-them"), topic(deletionPolicy="Retain"),
    group(), group(maxLag={"seconds": 1}), move(position="Latest"), move(offset=0), move(shiftBy=-5), scaled(minReplicas=0),
    move(timestamp="2026-07-01T06:00:00Z"),
    cluster(), cluster(replicas=1, storage={"size": "1.5Gi"}), cluster(listeners=[OUTSIDE]), cluster(listeners=[BALANCED]),
    cluster(listeners=[{**OUTSIDE, "nodePort": 30000, "advertisedPort": 1}]), cluster(config={"log.retention.hours": 1}),
    cluster(podTemplate={"env": [{"name": "MILLRACE_LOG_LEVEL", "value": "debug"}]}), cluster(allowedNamespaces=["*"]),
    cluster(resources={"requests": {"cpu": 1, "memory": "1Gi"}}),
]  # fmt: skip
REFUSED = [
    topic(partitions=0), topic(partitions="four"), topic(partitons=1), topic(topicName="__consumer_offsets"), topic(topicName=".."),
    topic(topicName="a b"), topic(topicName="n" * 250), topic(autoscaling={"maxPartitions": 8}),
    topic(partitions=9, autoscaling={"maxPartitions": 8, "lagPerPartition": 1}), topic(deletionPolicy="Perhaps"),
    topic(replicationFactor=0),
    group(maxLag={}), move(), move(offset=1, shiftBy=1), move(position="earliest"), move(timestamp="yesterday"), move(offset=-1),
    scaled(minReplicas=5), scaled(lagPerReplica=0), group(groupId=""), group(topics=["a", "a"]),
    cluster(replicas=0), cluster(replicas=3), cluster(storage={"size": "large"}), cluster(storage={"size": "0"}),
    cluster(listeners=[{**OUTSIDE, "advertisedHost": None}]), cluster(listeners=[{**BALANCED, "nodePort": 30000}]),
    cluster(listeners=[{**OUTSIDE, "advertisedPort": 1}]), cluster(listeners=[{**OUTSIDE, "port": 9092}]),
    cluster(listeners=[{**OUTSIDE, "name": "internal"}]), cluster(listeners=[{**OUTSIDE, "name": "Out"}]),
    cluster(listeners=[{**OUTSIDE, "name": "kafka"}]), cluster(listeners=[{**OUTSIDE, "name": "metrics"}]),
    cluster(listeners=[{**OUTSIDE, "name": "a--b"}]),
    cluster(listeners=[OUTSIDE, {**BALANCED, "name": "other"}]), cluster(podTemplate={"env": [{"name": "KAFKA_LISTENERS"}]}),
    cluster(podTemplate={"env": [{"name": "POD_INDEX"}]}), cluster(podTemplate={"imagePullPolicy": "Sometimes"}),
    cluster(called="n" * 41), cluster(called="a.b"), cluster(called="1st"),
]  # fmt: skip
# The API server cannot be told a rule about values of several types: the operator refuses these in the status, and `check`.
REFUSED_LATER = [topic(config={"a": {"b": 1}}), cluster(config={"log.dirs": "/tmp"})]
# What there is, and what cannot become of it.
CHANGES = [
    (topic(partitions=4, topicName="a"), [topic(partitions=3, topicName="a"), topic(partitions=4, topicName="b"), topic(partitions=4)]),
    (topic(), [topic().replace('"main"', '"other"'), topic(topicName="b")]),
    (group(groupId="g"), [group(groupId="h"), group(), group(groupId="g").replace('"main"', '"other"')]),
    (cluster(storage={"size": "2Gi", "className": "c"}), [
        cluster(), cluster(storage={"size": "1Gi", "className": "c"}), cluster(storage={"size": "2Gi", "className": "d"}),
        cluster(storage={"size": "2Gi"}),
    ]),
    (cluster(), [cluster(storage={"size": "1Gi"})]),
]  # fmt: skip


@pytest.fixture
def place(shell, namespace):
    """A namespace where the definitions are known, and nobody does anything about resources."""
    shell.run("kubectl apply --server-side --force-conflicts -f crds")
    return namespace


def taken_by_the_api_server(place, manifest, how="apply"):
    """Whether it is, and what was said. `apply` removes fields that are not there any more; `create` knows no before."""
    done = place.shell.try_run(f"kubectl -n {place.name} {how} --dry-run=server -f -", stdin=manifest)
    return done.code == 0, done.err


def taken_offline(place, tmp_path, manifest, before=None):
    against = ""
    if before:
        (tmp_path / "before.yaml").write_text(before)
        against = f"--against {tmp_path}/before.yaml"
    done = place.shell.try_run(f"{CHECK} check -f - {against}", stdin=manifest)
    return done.code == 0, done.out + done.err


def test_new_resources(place, tmp_path):
    for manifests, wanted in [(TAKEN, True), (REFUSED, False)]:
        for manifest in manifests:
            for taken, said in [taken_by_the_api_server(place, manifest, "create"), taken_offline(place, tmp_path, manifest)]:
                assert taken == wanted, f"{manifest}\n{said}"
    for manifest in REFUSED_LATER:
        assert taken_by_the_api_server(place, manifest, "create")[0] and not taken_offline(place, tmp_path, manifest)[0], manifest


def test_changes(place, tmp_path):
    for before, impossible in CHANGES:
        place.apply(before)
        for manifest in impossible:
            for taken, said in [taken_by_the_api_server(place, manifest), taken_offline(place, tmp_path, manifest, before)]:
                assert not taken, f"{before}\n{manifest}\n{said}"
        kind = json.loads(before)["kind"]
        place.kubectl(f"delete {kind} one --timeout=20s")
