"""The operator among many resources: how fast, how large, and what a broken one does to the others."""

import json
import os
import re
import signal
import time
import uuid
from datetime import datetime
from pathlib import Path

import pytest

from ground.operators import kill, leader, metrics, process_of
from ground.shop import group, open_shop, topic
from harness.waiting import until

TOPICS = 1000
GROUPS = 1000
# Topics and groups are looked at so often, and the brokers' requests are counted for so long.
ROUND_S = 5
LOOK_S = 20
ROUNDS_MAX = LOOK_S / ROUND_S + 2
TOPICS_READY_WITHIN_S = 20
# How many topics are reconciled at a time, at most: of all clusters (operator/src/controllers.rs).
AT_A_TIME = 64
# In so long what fails is tried again at least twice.
TRIED_AGAIN_S = 12
# Brokers are asked more often than that.
RESTS_AFTER_S = 15
RESIDENT_BYTES_MAX = 64 * 1024 * 1024
USER = "system:serviceaccount:millrace:"


@pytest.fixture(scope="module")
def shop(operator, shell):
    with open_shop(shell, "many") as shop:
        yield shop


def value(text, name):
    return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])


def peak_bytes(operator):
    """The most memory that the operator that leads ever had."""
    status = Path(f"/proc/{process_of('POD_NAME', leader(operator))}/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)[1]) * 1024


def slowest_s(shop):
    """How long the slowest topic took from its creation to Ready, in whole seconds."""
    moment = lambda text: datetime.fromisoformat(text.replace("Z", "+00:00"))

    def took(one):
        ready = next(seen for seen in one["status"]["conditions"] if seen["type"] == "Ready")
        return (moment(ready["lastTransitionTime"]) - moment(one["metadata"]["creationTimestamp"])).total_seconds()

    return max(took(one) for one in shop.all("topics"))


def succeeded(text, kind):
    """When each resource of a kind was last reconciled without an error, in seconds since 1970."""
    series = rf'^millrace_resource_last_success_timestamp_seconds\{{kind="{kind}",[^}}]*\}} (\S+)$'
    return [float(seconds) for seconds in re.findall(series, text, re.M)]


def under_way(text):
    """How many topics are being reconciled."""
    return value(text, r'millrace_reconcile_in_progress\{kind="Topic"\}')


def broker_metrics(shop):
    """What the shop's broker tells Prometheus."""
    return shop.shell.run(f"kubectl get --raw /api/v1/namespaces/{shop.name}/pods/main-broker-0:9644/proxy/metrics")


def asked_in_a_while(shop, api=".*?"):
    """How many requests the shop's broker answers in `LOOK_S`, by name."""
    series = rf'^millrace_request_duration_seconds_count\{{api="({api})"\}} (\S+)$'
    count = lambda: {name: float(requests) for name, requests in re.findall(series, broker_metrics(shop), re.M)}
    before = count()
    time.sleep(LOOK_S)
    asked = {name: requests - before.get(name, 0) for name, requests in count().items()}
    return {name: requests for name, requests in asked.items() if requests}


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
    """Ready within 20 s of the last one's being made, with less than 64 MiB, and no dearer at rest than a few."""
    shop.kubectl("delete topics --all --timeout=120s", deadline_s=150)
    # kubectl takes longer to make them than the operator does to see to them: the clock starts with its last one.
    shop.kubectl("create -f -", stdin=manifests(0, TOPICS), deadline_s=240)
    made = time.monotonic()
    until(lambda: f"all topics are Ready, {ready(shop)} are", lambda: ready(shop) == TOPICS, 120, interval_s=0.5)
    took = time.monotonic() - made
    assert len(shop.topics()) == TOPICS
    slowest, peak = slowest_s(shop), peak_bytes(operator)
    print(f"{TOPICS} topics Ready {took:.1f} s after the last was made, each within {slowest:.0f} s, {peak / 2**20:.0f} MiB at most")
    assert took < TOPICS_READY_WITHIN_S and slowest < TOPICS_READY_WITHIN_S
    assert peak < RESIDENT_BYTES_MAX

    wait_until_it_rests(audit)
    requests = asked_in_a_while(shop)
    print(f"{requests} asked about {TOPICS} topics in {LOOK_S} s")
    assert 0 < sum(requests.values()) <= ROUNDS_MAX * TOPICS / 100

    # All of them anew, at once: an operator that starts over finds nothing to do.
    mark = audit.mark()
    operator.kubectl("rollout restart deployment/millrace-operator")
    operator.kubectl("rollout status deployment/millrace-operator --timeout=60s")
    at_a_time, began = [], time.time()

    def looked():
        """How many were looked at; notes how many at a time."""
        text = metrics(operator)
        at_a_time.append(under_way(text))
        return value(text, r'millrace_reconcile_total\{kind="Topic"\}')

    until(lambda: f"the new one has looked at all of them, not {looked()}", lambda: looked() >= TOPICS, 60, interval_s=0.05)
    print(f"{max(at_a_time):.0f} topics at a time")
    assert max(at_a_time) <= AT_A_TIME, at_a_time
    moments = succeeded(metrics(operator), "Topic")
    assert len(moments) >= TOPICS and began - 60 < min(moments) <= max(moments) < time.time() + 1
    written = {what: count for what, count in audit.writes(mark, USER).items() if re.search(r"topics|brokerclusters", what)}
    # The CRDs are applied, which changes nothing.
    assert not [what for what in written if "customresourcedefinitions" not in what], written
    assert peak_bytes(operator) < RESIDENT_BYTES_MAX


def test_a_thousand_topics_go(shop):
    shop.kubectl("delete topics --all --wait=false", deadline_s=150)
    until("all topics are gone", lambda: not shop.kubectl("get topics -o name").split(), 60, interval_s=0.5)
    assert shop.topics() == set()


def test_a_thousand_groups(shop, operator, inside):
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

    requests = asked_in_a_while(shop, "OffsetFetch").get("OffsetFetch", 0)
    print(f"{requests:.0f} requests for the offsets of {GROUPS} groups in {LOOK_S} s")
    assert 0 < requests <= ROUNDS_MAX * GROUPS / 200
    assert peak_bytes(operator) < RESIDENT_BYTES_MAX
    shop.kubectl("delete consumergroups --all --wait=false", deadline_s=150)
    until("all are gone", lambda: not shop.kubectl("get consumergroups -o name").split(), 60, interval_s=0.5)
    shop.kubectl("delete topic read --timeout=30s")


SPEC = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties"


def patch_definition(shell, plural, patch):
    """Changes a resource definition, as another version may have it."""
    shell.run(f"kubectl patch crd {plural}.millrace.dev --type json --patch-file /dev/stdin", stdin=json.dumps(patch))


def without_rules(shell, plural, field):
    """There a field may be anything, and no rule is about the spec."""
    rules = SPEC.removesuffix("/properties") + "/x-kubernetes-validations"
    there = json.loads(shell.run(f"kubectl get crd {plural}.millrace.dev -o json"))
    spec = there["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    loose = [{"op": "replace", "path": f"{SPEC}/{field}", "value": {"x-kubernetes-preserve-unknown-fields": True}}]
    patch_definition(shell, plural, loose + [{"op": "remove", "path": rules}] * ("x-kubernetes-validations" in spec))


def loosen(shell):
    """The definition of Topics as another version may have it: partitions are anything, and no rule is about them."""
    without_rules(shell, "topics", "partitions")


def test_a_broken_object_stops_nobody(shop, shell, operator, audit):
    """Such as a resource of a later version of the definitions, after a downgrade. It goes when it is told to."""
    shop.apply(topic("broken", partitions=1))
    shop.wait_ready("topic/broken")
    assert shop.get("topic broken")["metadata"]["finalizers"]
    loosen(shell)
    try:
        until("the API server takes what the definition forbade", lambda: shell.try_run(
            f"kubectl -n {shop.name} apply -f -", stdin=topic("broken", partitions="four")).code == 0)  # fmt: skip
        condition = shop.wait_condition("topic broken", "Ready", "False", "Unreadable")
        assert "four" in condition["message"], condition
        shop.apply(topic("healthy", partitions=1))
        shop.wait_ready("topic/healthy")
        # The next one finds it at its start, and brings its own definitions.
        kill(operator)
        shop.apply(topic("healthier", partitions=1))
        shop.wait_ready("topic/healthier")
        until("an Event tells", lambda: "Unreadable" in [reason for reason, _ in shop.events("broken")])
        assert value(metrics(operator), 'millrace_resource_ready{kind="Topic",name="broken",namespace="many"}') == 0
        # It is tried again, and not told again.
        mark = audit.mark()
        time.sleep(TRIED_AGAIN_S)
        written = audit.writes(mark, USER)
        assert "patch topics/status many/broken" in written, written
        assert not [what for what in written if "events" in what or "broken" in what and "patch" not in what], written
        loosen(shell)
        shop.kubectl("delete topic broken healthy healthier --timeout=60s", deadline_s=90)
    finally:
        shell.run("kubectl apply --server-side --force-conflicts -f crds/topics.yaml")
    assert "broken" in shop.topics(), "nobody knows whether it is to be retained"
    shop.tool("kafka-topics --delete --topic broken")


def test_a_broken_cluster_or_group_stops_nobody_either(shop, shell, operator):
    """Brokers and what belongs to them go on as they are; nothing is deleted from a cluster that cannot be read."""
    with open_shop(shell, "broken") as broken:
        broken.apply(topic("before", partitions=1))
        broken.apply(group("readers"))
        broken.wait_ready("topic/before", "consumergroup/readers")
        broker = broken.get("pod main-broker-0")["metadata"]["uid"]
        try:
            without_rules(shell, "brokerclusters", "replicas")
            without_rules(shell, "consumergroups", "topics")
            put = lambda kind, name, spec: broken.kubectl(f"patch {kind} {name} --type merge -p '{json.dumps({'spec': spec})}'")
            until("the API server takes a cluster of many", lambda: broken.shell.try_run(
                f"kubectl -n {broken.name} patch brokercluster main --type merge -p '{{\"spec\":{{\"replicas\":\"many\"}}}}'").code == 0)  # fmt: skip
            until("the API server takes a group of topics in words", lambda: broken.shell.try_run(
                f"kubectl -n {broken.name} patch consumergroup readers --type merge -p '{{\"spec\":{{\"topics\":\"all\"}}}}'").code == 0)  # fmt: skip
            broken.wait_condition("brokercluster main", "Ready", "False", "Unreadable")
            broken.wait_condition("consumergroup readers", "Ready", "False", "Unreadable")
            shop.apply(topic("healthy", partitions=1))
            shop.wait_ready("topic/healthy")
            kill(operator)
            # The next one never saw the cluster as it was.
            broken.apply(topic("after", partitions=1))
            broken.wait_condition("topic after", "Ready", "False", "ClusterUnreadable")
            broken.kubectl("delete topic before --wait=false")
            broken.wait_condition("topic before", "Ready", "False", "DeletionBlocked")
            assert broken.get("pod main-broker-0")["metadata"]["uid"] == broker
            put("brokercluster", "main", {"replicas": 1})
            put("consumergroup", "readers", {"topics": None})
            broken.wait_ready("brokercluster/main", "topic/after", "consumergroup/readers")
            broken.wait_for("topic before", "is gone", lambda one: one is None)
        finally:
            shell.run("kubectl apply --server-side --force-conflicts -f crds")
        shop.kubectl("delete topic healthy --timeout=30s")


def test_a_cluster_that_does_not_answer_holds_up_nobody_else(shop, operator, shell, inside):
    """Its broker hangs: it takes connections and says nothing, while topics are made there and elsewhere."""
    mark = uuid.uuid4().hex
    hanging = json.dumps({
        "apiVersion": "millrace.dev/v1alpha1", "kind": "BrokerCluster", "metadata": {"name": "main"},
        "spec": {"podTemplate": {"env": [{"name": "MARK", "value": mark}], "terminationGracePeriodSeconds": 6}},
    })  # fmt: skip
    with open_shop(shell, "hanging", hanging) as ill:
        os.kill(process_of("MARK", mark), signal.SIGSTOP)
        ill.kubectl("create -f -", stdin="\n".join(topic(f"t-{number:03}", partitions=1) for number in range(100)))
        busiest = 0
        for number in range(6):
            began = time.monotonic()
            shop.apply(topic(f"meanwhile-{number}", partitions=1))
            shop.wait_ready(f"topic/meanwhile-{number}", deadline_s=15)
            print(f"Ready after {time.monotonic() - began:.1f} s")
            # Who waits for the broker does so for seconds; a topic of the others, or one that is sent away again, is counted
            # for a moment.
            busiest = max(busiest, min(under_way(metrics(operator)) for _ in range(3)))
        assert 0 < busiest <= AT_A_TIME / 2, "they wait for the broker, and leave places to others"
        ill.wait_condition("topic t-000", "Ready", "False", "ClusterNotReady")
        text = metrics(operator)
        assert value(text, r'millrace_broker_cluster_reachable\{name="main",namespace="hanging"\}') == 0
        # A broker that does not answer its probes is restarted, and everybody gets what was asked for.
        restarts = lambda: ill.get("pod main-broker-0")["status"]["containerStatuses"][0]["restartCount"]
        until(lambda: f"the broker is restarted, {restarts()} times", lambda: restarts() == 1, 180, interval_s=1)
        until(lambda: f"all are Ready in the end, {ready(ill)} are", lambda: ready(ill) == 100, 90)
        ill.kubectl("delete topics --all --timeout=60s", deadline_s=90)
    shop.kubectl(f"delete topic {' '.join(f'meanwhile-{number}' for number in range(6))} --timeout=30s")
