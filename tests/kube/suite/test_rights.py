"""What the operator asks of the API server: nothing while nothing happens, nothing that it has no right to, and no right
without need."""

import json
import re
import time

import pytest

from ground.operators import leader
from ground.rights import granted, rules_of, used
from ground.shop import group, open_shop, topic
from harness.waiting import until

OPERATOR = "system:serviceaccount:millrace:millrace-operator"
SETTLED_S = 60
# So long nothing rings. Two of the resources are autoscaled, and looked at every ten seconds.
RESTS_S = 20
LOOKS_MAX = 4
LEASE = "patch leases millrace/millrace-operator"
# Rights that are not seen in the audit log: definitions that Helm has put there are applied and not created, and are
# served before they would be watched; whether an owner reference may be set the API server asks itself
# (OwnerReferencesPermissionEnforcement).
UNUSED = {
    ("create", "customresourcedefinitions.apiextensions.k8s.io"), ("watch", "customresourcedefinitions.apiextensions.k8s.io"),
    ("update", "brokerclusters/finalizers.millrace.dev"),
}
# Of these the operator has its own, which have names; what has no name yet, or is a list, cannot be granted by name.
BY_NAME = {"leases", "customresourcedefinitions"}
# With all that could give an operator a reason to write: volumes, a way in from outside, autoscaling of both kinds.
CLUSTER = json.dumps({
    "apiVersion": "millrace.dev/v1alpha1", "kind": "BrokerCluster", "metadata": {"name": "main"},
    "spec": {
        "storage": {"size": "1Gi", "retainOnDelete": False},
        "config": {"group.initial.rebalance.delay.ms": 0, "log.retention.ms": 7200000},
        "listeners": [{"name": "outside", "type": "NodePort", "port": 9094, "advertisedHost": "127.0.0.1"}],
    },
})  # fmt: skip
READER = json.dumps({
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "reader"},
    "spec": {
        "replicas": 0, "selector": {"matchLabels": {"app": "reader"}},
        "template": {
            "metadata": {"labels": {"app": "reader"}},
            "spec": {"containers": [{"name": "reader", "image": "millrace-clients:1", "command": ["python3"]}]},
        },
    },
})  # fmt: skip


@pytest.fixture(scope="module")
def shop(operator, shell, audit):
    with open_shop(shell, "settled", CLUSTER) as shop:
        yield shop


def lag_is(shop, name, records):
    """Whether a group's status says so, with more than a day for it."""
    status = shop.get(f"consumergroup {name}")["status"]
    return status["lagRecords"] == records and status["lagSeconds"] >= 24 * 3600


def reconciles(operator, kind):
    """How many there were."""
    pod = leader(operator)
    text = operator.shell.run(f"kubectl get --raw /api/v1/namespaces/{operator.name}/pods/{pod}:8080/proxy/metrics")
    return float(re.search(rf'^millrace_reconcile_total\{{kind="{kind}"\}} (\S+)$', text, re.M)[1])


def test_a_settled_cluster_causes_no_write(shop, audit, operator, python):
    """Also where something is not as it should be: what does not change is said once."""
    for number in range(5):
        shop.apply(topic(f"t{number}", partitions=2))
        shop.apply(group(f"g{number}", topics=[f"t{number}"], maxLag={"records": 1}))
    shop.apply(READER)
    by_lag = {"targetRef": {"name": "reader"}, "minReplicas": 0, "maxReplicas": 2, "lagPerReplica": 10}
    shop.apply(group("scaled", topics=["t4"], autoscaling=by_lag))
    shop.apply(topic("growing", partitions=1, autoscaling={"maxPartitions": 4, "lagPerPartition": 1000}))
    # A group that stopped a day ago, and whatever cannot become Ready.
    shop.wait_ready("topic/t1")
    sent = python("produce", shop.bootstrap, "--topic", "t1", "--count", "3", "--age", str(24 * 3600))
    assert sent.wait(60) == 0, sent.log_tail()
    shop.tool("kafka-consumer-groups --reset-offsets --group g1 --topic t1 --to-earliest --execute")
    shop.tool("kafka-topics --create --topic wide --partitions 3")
    shop.apply(topic("wide", partitions=1))
    shop.apply(topic("again", topicName="t0", partitions=2))
    shop.apply(topic("wrong", config={"retention.mss": 1}))
    shop.apply(group("again", groupId="g0", offsetReset={"id": "never", "to": {"position": "Earliest"}}))
    shop.apply(group("lost", topics=["t0"]).replace('"name": "main"', '"name": "nowhere"'))
    for kind, name, reason in [
        ("topic", "wide", "TooManyPartitions"), ("topic", "again", "ResourceConflict"), ("topic", "wrong", "InvalidConfig"),
        ("consumergroup", "again", "ResourceConflict"), ("consumergroup", "lost", "ClusterNotFound"),
    ]:  # fmt: skip
        shop.wait_condition(f"{kind} {name}", "Ready", "False", reason)
    shop.wait_condition("consumergroup g1", "Lagging", "True", "RecordsBehind")
    shop.produce("t0", "a", "b")
    shop.tool("kafka-console-consumer --topic t0 --group g0 --from-beginning --max-messages 2")
    shop.wait_for("consumergroup g0", "has caught up", lambda found: found.get("status", {}).get("lagRecords") == 0)
    shop.wait_ready("brokercluster/main", "topic/growing", *(f"topic/t{number}" for number in range(5)))
    assert lag_is(shop, "g1", 3)
    quiet = {"since": audit.mark(), "at": time.time()}

    def passed():
        """Whether the operator has written nothing for so long; the Lease, which it renews, shows that it lives."""
        wrote = audit.writes(quiet["since"], OPERATOR)
        if set(wrote) - {LEASE}:
            quiet.update(since=audit.mark(), at=time.time(), wrote=wrote)
        renewed = [audit.moment(one) for one in audit.requests(quiet["since"], OPERATOR) if audit.written(one) == LEASE]
        return any(moment - quiet["at"] > SETTLED_S for moment in renewed)

    until(lambda: f"the operator writes nothing for {SETTLED_S} s: {quiet}", passed, SETTLED_S * 2, 1)
    # Nor does it look at what rests: seconds pass for the group that stopped, and change nothing worth to be shown.
    before = {kind: reconciles(operator, kind) for kind in ("Topic", "ConsumerGroup")}
    time.sleep(RESTS_S)
    looks = {kind: reconciles(operator, kind) - count for kind, count in before.items()}
    assert all(count <= LOOKS_MAX for count in looks.values()), looks


def test_its_rights_are_what_it_needs(shop, audit, operator):
    assert audit.refused(operator.mark, OPERATOR) == []
    rules = rules_of(shop.shell, "millrace-operator", "millrace")
    unused = granted(rules) - used(audit, operator.mark, OPERATOR) - UNUSED
    assert not unused, f"granted and not needed: {sorted(unused)}"
    wide = [rule for rule in rules if BY_NAME & set(rule["resources"]) and not rule.get("resourceNames")]
    assert all(set(rule["verbs"]) <= {"create", "list", "watch"} for rule in wide), wide
