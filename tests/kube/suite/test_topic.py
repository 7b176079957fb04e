"""A Topic's life, from its manifest to Kafka and back."""

import json
import re
import time

import pytest

from ground.operators import kill, leader, metrics
from ground.shop import group, open_shop, resource, topic
from harness.waiting import until


@pytest.fixture(scope="module")
def shop(operator, shell):
    with open_shop(shell, "topics") as shop:
        yield shop


def test_create_grow_configure_delete(shop):
    shop.apply(topic("orders", partitions=1, config={"retention.ms": 60000, "preallocate": True}))
    shop.wait_ready("topic/orders")
    assert shop.partitions("orders") == 1
    assert shop.settings("orders") == {"retention.ms": "60000", "preallocate": "true"}
    assert ("Created", "topic orders: created") in shop.events("orders")
    shop.produce("orders", "one", "two")

    # Nothing that would be a difference to what was applied, as GitOps looks at it.
    shop.kubectl("diff -f -", stdin=topic("orders", partitions=1, config={"retention.ms": 60000, "preallocate": True}))
    assert shop.kubectl("get bc,tp,cg -o name").split() == ["brokercluster.millrace.dev/main", "topic.millrace.dev/orders"]

    shop.kubectl("""patch topic orders --type merge -p '{"spec":{"partitions":4}}'""")
    shop.wait_for("topic orders", "shows 4 partitions", lambda one: one["status"]["partitions"] == 4)
    assert shop.partitions("orders") == 4
    read = shop.tool("kafka-console-consumer --topic orders --from-beginning --max-messages 2")
    assert read.split() == ["one", "two"], "growing loses nothing"

    shop.apply(topic("orders", partitions=4, config={"segment.bytes": "1048576"}))
    until(lambda: shop.settings("orders"), lambda: shop.settings("orders") == {"segment.bytes": "1048576"})
    shop.wait_ready("topic/orders")
    columns = shop.kubectl("get topics orders").splitlines()
    assert columns[0].split()[:4] == ["NAME", "CLUSTER", "PARTITIONS", "REPLICAS"]
    assert columns[1].split()[:5] == ["orders", "main", "4", "1", "True"]

    shop.kubectl("delete topic orders --timeout=30s")
    assert shop.topics().isdisjoint({"orders"})


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        ('{"spec":{"partitions":2}}', "partitions can be added, not removed"),
        ('{"spec":{"clusterRef":{"name":"other"}}}', "clusterRef cannot change"),
        ('{"spec":{"topicName":"other"}}', "the topic's name cannot change"),
        ('{"spec":{"partitions":0}}', "should be greater than or equal to 1"),
    ],
)
def test_what_cannot_change_is_refused_at_admission(shop, patch, reason):
    shop.apply(topic("fixed", partitions=3))
    shop.wait_ready("topic/fixed")
    refused = shop.shell.try_run(f"kubectl -n {shop.name} patch topic fixed --type merge -p '{patch}'")
    assert refused.code != 0 and reason in refused.err, str(refused)


@pytest.mark.parametrize("name", ["not a name", "ä", "..", "n" * 250])
def test_names_that_kafka_cannot_have_are_refused_at_admission(shop, name):
    refused = shop.shell.try_run(f"kubectl -n {shop.name} apply -f -", stdin=topic("illegal", topicName=name))
    assert refused.code != 0 and "spec.topicName" in refused.err, str(refused)


def test_drift_is_set_back_but_for_what_is_left_to_others(shop):
    manifest = topic("drifting", config={"retention.ms": 60000}, unmanagedConfig=["segment.bytes"])
    shop.apply(manifest)
    shop.apply(topic("nullable", config={"retention.ms": 60000}))
    shop.kubectl("apply --server-side --force-conflicts -f -", stdin=topic("nullable", config={"retention.ms": None}))
    shop.wait_ready("topic/drifting", "topic/nullable")
    alter = "kafka-configs --alter --entity-type topics --entity-name"
    shop.tool(f"{alter} drifting --add-config retention.ms=1,segment.bytes=1048576,max.message.bytes=2000")
    shop.tool(f"{alter} nullable --add-config retention.ms=2")
    shop.tool("kafka-topics --alter --topic drifting --partitions 2")
    wanted = {"retention.ms": "60000", "segment.bytes": "1048576"}
    until(lambda: shop.settings("drifting"), lambda: shop.settings("drifting") == wanted, 90, interval_s=1)
    assert shop.settings("nullable") == {"retention.ms": "2"}
    # Partitions were left to the broker: more than there were is fine.
    shop.wait_for("topic drifting", "shows 2 partitions", lambda one: one["status"]["partitions"] == 2)
    notes = lambda: [note for reason, note in shop.events("drifting") if reason == "ConfigChanged"]
    until(lambda: f"an Event tells of it: {notes()}", lambda: any("retention.ms" in note for note in notes()))


def test_a_topic_that_is_there_is_adopted(shop):
    shop.tool("kafka-topics --create --topic there --partitions 2 --replication-factor 1")
    shop.produce("there", "kept")
    shop.apply(topic("mine", topicName="there", partitions=3, config={"cleanup.policy": "compact"}))
    shop.wait_ready("topic/mine")
    assert shop.get("topic mine")["status"]["origin"] == "Adopted"
    assert shop.partitions("there") == 3 and shop.settings("there") == {"cleanup.policy": "compact"}
    assert "Adopted" in [reason for reason, _ in shop.events("mine")]

    shop.tool("kafka-topics --create --topic wide --partitions 6 --replication-factor 1")
    shop.apply(topic("wide", partitions=2))
    condition = shop.wait_condition("topic wide", "Ready", "False", "TooManyPartitions")
    assert "6" in condition["message"] and "2" in condition["message"], condition
    assert shop.partitions("wide") == 6
    # In two steps admission lets it through: the status says it then.
    for partitions, reason in [("6", "Ready"), ("null", "Ready"), ("4", "TooManyPartitions")]:
        shop.kubectl(f"patch topic wide --type merge -p '{{\"spec\":{{\"partitions\":{partitions}}}}}'")
        shop.wait_condition("topic wide", "Ready", "True" if reason == "Ready" else "False", reason)
    assert shop.partitions("wide") == 6


def test_two_resources_for_one_topic(shop):
    shop.apply(topic("first", topicName="contested", partitions=1))
    shop.wait_ready("topic/first")
    shop.apply(topic("second", topicName="contested", partitions=5, config={"retention.ms": 5}))
    condition = shop.wait_condition("topic second", "Ready", "False", "ResourceConflict")
    assert "first" in condition["message"], condition
    assert shop.partitions("contested") == 1 and shop.settings("contested") == {}
    # The one that has nothing goes: the topic stays.
    shop.kubectl("delete topic second --timeout=30s")
    assert shop.partitions("contested") == 1
    shop.apply(topic("third", topicName="contested", partitions=2, deletionPolicy="Retain"))
    shop.wait_condition("topic third", "Ready", "False", "ResourceConflict")
    shop.kubectl("patch topic first --type merge -p '{\"spec\":{\"deletionPolicy\":\"Retain\"}}'")
    shop.kubectl("delete topic first --timeout=30s")
    shop.wait_ready("topic/third")
    assert shop.partitions("contested") == 2
    shop.kubectl("delete topic third --timeout=30s")
    assert shop.partitions("contested") == 2, "retained"


def test_what_brokers_refuse_is_in_the_status_and_mended_by_the_next_manifest(shop):
    shop.apply(topic("wrong", replicationFactor=3))
    condition = shop.wait_condition("topic wrong", "Ready", "False", "InvalidReplicationFactor")
    assert "3" in condition["message"], condition
    shop.apply(topic("wrong", config={"retention.mss": 5}))
    condition = shop.wait_condition("topic wrong", "Ready", "False", "InvalidConfig")
    assert "retention.mss" in condition["message"], condition
    assert "wrong" not in shop.topics()
    shop.apply(topic("wrong", config={"retention.ms": 5}))
    shop.wait_ready("topic/wrong")


def test_the_operator_looks_away_while_it_is_paused(shop):
    manifest = resource("Topic", "asleep", {"partitions": 1}, annotations={"millrace.dev/pause": "true"})
    shop.apply(manifest)
    shop.wait_condition("topic asleep", "Paused", "True", "Annotated")
    assert "asleep" not in shop.topics()
    shop.kubectl("annotate topic asleep millrace.dev/pause-")
    shop.wait_ready("topic/asleep")
    assert shop.condition("topic asleep", "Paused") == {}


def test_another_namespace_where_the_cluster_allows_it(shop, namespace):
    manifest = topic("guest", partitions=1).replace('{"name": "main"}', '{"name": "main", "namespace": "topics"}')
    namespace.apply(manifest)
    namespace.wait_for(
        "topic guest", "is not let in",
        lambda one: any(seen["reason"] == "NamespaceNotAllowed" for seen in one.get("status", {}).get("conditions", [])),
    )  # fmt: skip
    assert "guest" not in shop.topics()
    allowed = f'{{"spec":{{"allowedNamespaces":["{namespace.name}"]}}}}'
    shop.kubectl(f"patch brokercluster main --type merge -p '{allowed}'")
    namespace.wait_ready("topic/guest")
    assert shop.partitions("guest") == 1
    namespace.kubectl("delete topic guest --timeout=30s")
    assert "guest" not in shop.topics()

    # Whoever is let in no longer does not take records away either.
    namespace.apply(manifest)
    namespace.wait_ready("topic/guest")
    shop.kubectl("patch brokercluster main --type merge -p '{\"spec\":{\"allowedNamespaces\":null}}'")
    namespace.wait_for(
        "topic guest", "is not let in any more",
        lambda one: any(seen["reason"] == "NamespaceNotAllowed" for seen in one["status"]["conditions"]),
    )  # fmt: skip
    namespace.kubectl("delete topic guest --timeout=30s")
    assert "guest" in shop.topics()
    shop.tool("kafka-topics --delete --topic guest")


def test_partitions_are_added_for_a_load_that_lasts(shop, python):
    scaling = {"maxPartitions": 4, "bytesInPerPartition": 2000, "stabilizationSeconds": 10}
    shop.apply(topic("busy", partitions=1, autoscaling=scaling))
    shop.wait_ready("topic/busy")
    python("produce", shop.bootstrap, "--topic", "busy", "--rate", "100")
    grown = shop.wait_for("topic busy", "has more partitions", lambda one: one["status"]["partitions"] > 1, 90)
    assert grown["status"]["partitions"] <= 4
    notes = [note for reason, note in shop.events("busy") if reason == "Autoscaled"]
    assert notes and "2000 bytes a second" in notes[0], shop.events("busy")
    python("parse", shop.bootstrap, "--topic", "busy", "--group", "busy")
    flows = lambda one: min(one["status"].get(f"bytes{way}PerSecond", 0) for way in ["In", "Out"]) > 1000
    shop.wait_for("topic busy", "shows what comes and goes", flows, 60)


def test_partitions_are_added_once_for_a_backlog(shop, operator, python):
    """Of a group with members; records that are there stay in their partition, so that no more would help. An operator
    that knows nothing of the growth adds none either."""
    scaling = {"maxPartitions": 8, "lagPerPartition": 100, "stabilizationSeconds": 10}
    shop.apply(topic("behind", partitions=1, autoscaling=scaling))
    shop.wait_ready("topic/behind")
    shop.produce("behind", *(json.dumps({"level": "INFO", "message": "m", "number": number}) for number in range(250)))
    shop.tool("kafka-console-consumer --topic behind --group sleepers --from-beginning --max-messages 1")
    shop.apply(group("sleepers", topics=["behind"]))
    shop.wait_for("consumergroup sleepers", "is behind", lambda one: one.get("status", {}).get("lagRecords") == 249)
    # Nobody is there to read, which partitions do not help against. A member that hardly gets on is another matter.
    python("parse", shop.bootstrap, "--topic", "behind", "--group", "sleepers", "--delay", "5")
    shop.wait_for("topic behind", "has a partition for each 100 records", lambda one: one["status"]["partitions"] == 3, 90)
    notes = lambda: [note for reason, note in shop.events("behind") if reason == "Autoscaled"]
    until(notes, lambda: "group sleepers is" in " ".join(notes()) and "more than 100 records" in " ".join(notes()))
    dead = kill(operator)
    until("another one works", lambda: leader(operator) not in (None, dead), 60)
    # The new one knows of no demand before its own first look: it must have looked again when that has lasted.
    enough = time.time() + 2 * scaling["stabilizationSeconds"]
    series = r'^millrace_resource_last_success_timestamp_seconds\{kind="Topic",name="behind",namespace="topics"\} (\S+)$'
    looked = lambda: float((re.search(series, metrics(operator), re.M) or [0, 0])[1])
    until(lambda: f"it was looked at after {enough}: {looked()}", lambda: looked() > enough, 60, 1)
    assert shop.partitions("behind") == 3, "the same backlog does not count again"
