"""The operator among many resources: how fast, how large, and what a broken one does to the others."""

import json
import re
import time

import pytest

from ground.operators import leader
from ground.shop import group, open_shop, topic
from harness.waiting import until

TOPICS = 1000
GROUPS = 1000
# Groups are looked at so often, and their requests are counted for so long.
ROUND_S = 5
LOOK_S = 20
TOPICS_READY_WITHIN_S = 20
# Brokers are asked more often than that.
RESTS_AFTER_S = 15
RESIDENT_BYTES_MAX = 64 * 1024 * 1024
USER = "system:serviceaccount:millrace:"


@pytest.fixture(scope="module")
def shop(operator, shell):
    with open_shop(shell, "many") as shop:
        yield shop


def metrics(operator):
    """What the operator that leads tells Prometheus."""
    pod = until("somebody leads", lambda: leader(operator))
    raw = f"get --raw /api/v1/namespaces/millrace/pods/{pod}:8080/proxy/metrics"
    return operator.shell.run(f"kubectl {raw}")


def value(text, name):
    return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])


def broker_metrics(shop):
    """What the shop's broker tells Prometheus."""
    return shop.shell.run(f"kubectl get --raw /api/v1/namespaces/{shop.name}/pods/main-broker-0:9644/proxy/metrics")


def manifests(first, count):
    return "\n".join(topic(f"t-{number:04}", partitions=1) for number in range(first, first + count))


def ready(shop):
    """How many Topics are Ready."""
    path = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
    return shop.kubectl(f"get topics -o jsonpath='{path}'").split().count("True")


def wait_until_it_rests(audit):
    """Until the operator has written nothing about topics for some seconds: sizes come with the next look at the disks."""
    quiet = {"since": audit.mark(), "at": time.monotonic()}

    def rests():
        if any("topics" in what for what in audit.writes(quiet["since"], USER)):
            quiet.update(since=audit.mark(), at=time.monotonic())
        return time.monotonic() - quiet["at"] > RESTS_AFTER_S

    until("the operator rests", rests, 90, 1)


def test_a_thousand_topics(shop, operator, shell, audit):
    """Ready within 20 s of the last one's being made, with less than 64 MiB."""
    shop.kubectl("delete topics --all --timeout=120s", deadline_s=150)
    # kubectl takes longer to make them than the operator does to see to them: the clock starts with its last one.
    shop.kubectl("create -f -", stdin=manifests(0, TOPICS), deadline_s=240)
    made = time.monotonic()
    until(lambda: f"all topics are Ready, {ready(shop)} are", lambda: ready(shop) == TOPICS, 120, interval_s=0.5)
    took = time.monotonic() - made
    assert len(shop.topics()) == TOPICS
    resident = value(metrics(operator), "process_resident_memory_bytes")
    print(f"{TOPICS} topics Ready {took:.1f} s after the last was made, {resident / 2**20:.0f} MiB resident")
    assert took < TOPICS_READY_WITHIN_S
    assert resident < RESIDENT_BYTES_MAX

    wait_until_it_rests(audit)
    # All of them anew, at once: an operator that starts over finds nothing to do.
    mark = audit.mark()
    operator.kubectl("rollout restart deployment/millrace-operator")
    operator.kubectl("rollout status deployment/millrace-operator --timeout=60s")
    looked = lambda: value(metrics(operator), r'millrace_reconcile_total\{kind="Topic"\}')
    until(lambda: f"the new one has looked at all of them, not {looked()}", lambda: looked() >= TOPICS, 60)
    written = {what: count for what, count in audit.writes(mark, USER).items() if re.search(r"topics|brokerclusters", what)}
    # The CRDs are applied, which changes nothing.
    assert not [what for what in written if "customresourcedefinitions" not in what], written
    assert value(metrics(operator), "process_resident_memory_bytes") < RESIDENT_BYTES_MAX


def test_a_thousand_topics_go(shop):
    shop.kubectl("delete topics --all --wait=false", deadline_s=150)
    until("all topics are gone", lambda: not shop.kubectl("get topics -o name").split(), 60, interval_s=0.5)
    assert shop.topics() == set()


def test_a_thousand_groups(shop, operator):
    """Each is moved once. Afterwards looking at all of them costs the brokers some requests a round, not a thousand."""
    shop.apply(topic("read", partitions=1))
    shop.wait_ready("topic/read")
    shop.produce("read", *range(5))
    earliest = {"id": "start", "to": {"position": "Earliest"}}
    manifests = "\n".join(group(f"g-{number:04}", topics=["read"], offsetReset=earliest) for number in range(GROUPS))
    shop.kubectl("create -f -", stdin=manifests, deadline_s=240)
    path = '{range .items[*]}{.status.offsetReset.id}={.status.lagRecords}{"\\n"}{end}'
    behind = lambda: shop.kubectl(f"get consumergroups -o jsonpath='{path}'").split().count("start=5")
    until(lambda: f"all groups were moved, {behind()} are", lambda: behind() == GROUPS, 120, interval_s=0.5)
    assert len(shop.tool("kafka-consumer-groups --list").split()) == GROUPS

    asked = lambda: value(broker_metrics(shop), r'millrace_request_duration_seconds_count\{api="OffsetFetch"\}')
    began, before = time.monotonic(), asked()
    time.sleep(LOOK_S)
    requests, rounds = asked() - before, (time.monotonic() - began) / ROUND_S + 1
    print(f"{requests:.0f} requests for the offsets of {GROUPS} groups in {LOOK_S} s")
    assert 0 < requests <= rounds * GROUPS / 200
    assert value(metrics(operator), "process_resident_memory_bytes") < RESIDENT_BYTES_MAX
    shop.kubectl("delete consumergroups --all --wait=false", deadline_s=150)
    until("all are gone", lambda: not shop.kubectl("get consumergroups -o name").split(), 60, interval_s=0.5)
    shop.kubectl("delete topic read --timeout=30s")


def test_a_broken_object_stops_nobody(shop, shell):
    """Such as a resource of a later version of the definitions, after the operator was downgraded."""
    partitions = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/partitions"
    rules = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations"
    loose = [
        {"op": "remove", "path": rules},
        {"op": "replace", "path": partitions, "value": {"x-kubernetes-preserve-unknown-fields": True}},
    ]
    shell.run("kubectl patch crd topics.millrace.dev --type json --patch-file /dev/stdin", stdin=json.dumps(loose))
    try:
        until("the API server takes what the definition forbade", lambda: shell.try_run(
            f"kubectl -n {shop.name} apply -f -", stdin=topic("broken", partitions="four")).code == 0)  # fmt: skip
    finally:
        shell.run("kubectl apply --server-side --force-conflicts -f crds/topics.yaml")
    condition = shop.wait_condition("topic broken", "Ready", "False", "Unreadable")
    assert "four" in condition["message"] or "partitions" in condition["message"], condition
    shop.apply(topic("healthy", partitions=1))
    shop.wait_ready("topic/healthy")
    shop.kubectl("delete topic broken healthy --timeout=30s")
