"""What the operator asks of the API server: nothing while nothing happens, nothing that it has no right to, and no right
without need."""

import json
import time

import pytest

from ground.shop import group, open_shop, topic
from harness.waiting import until

OPERATOR = "system:serviceaccount:millrace:millrace-operator"
SETTLED_S = 60
LEASE = "patch leases millrace/millrace-operator"
# Rights that are not seen in the audit log: definitions that Helm has put there are applied and not created, and whether
# an owner reference may be set the API server asks itself (OwnerReferencesPermissionEnforcement).
UNUSED = {
    ("create", "customresourcedefinitions"), ("watch", "customresourcedefinitions"), ("list", "customresourcedefinitions"),
    ("get", "customresourcedefinitions"), ("update", "brokerclusters/finalizers"),
}
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


def test_a_settled_cluster_causes_no_write(shop, audit):
    for number in range(5):
        shop.apply(topic(f"t{number}", partitions=2))
        shop.apply(group(f"g{number}", topics=[f"t{number}"], maxLag={"records": 1}))
    shop.apply(READER)
    by_lag = {"targetRef": {"name": "reader"}, "minReplicas": 0, "maxReplicas": 2, "lagPerReplica": 10}
    shop.apply(group("scaled", topics=["t4"], autoscaling=by_lag))
    shop.apply(topic("growing", partitions=1, autoscaling={"maxPartitions": 4, "lagPerPartition": 1000}))
    shop.produce("t0", "a", "b")
    shop.tool("kafka-console-consumer --topic t0 --group g0 --from-beginning --max-messages 2")
    shop.wait_for("consumergroup g0", "has caught up", lambda found: found.get("status", {}).get("lagRecords") == 0)
    shop.wait_ready("brokercluster/main", "topic/growing", *(f"topic/t{number}" for number in range(5)))
    quiet = {"since": audit.mark(), "at": time.time()}

    def passed():
        """Whether the operator has written nothing for so long; the Lease, which it renews, shows that it lives."""
        wrote = audit.writes(quiet["since"], OPERATOR)
        if set(wrote) - {LEASE}:
            quiet.update(since=audit.mark(), at=time.time(), wrote=wrote)
        renewed = [audit.moment(one) for one in audit.requests(quiet["since"], OPERATOR) if audit.written(one) == LEASE]
        return any(moment - quiet["at"] > SETTLED_S for moment in renewed)

    until(lambda: f"the operator writes nothing for {SETTLED_S} s: {quiet}", passed, SETTLED_S * 2, 1)


def granted(rules):
    """(verb, resource) of a role's rules."""
    return {(verb, resource) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}


def test_its_rights_are_what_it_needs(shop, audit, operator):
    assert audit.refused(operator.mark, OPERATOR) == []
    roles = [
        "clusterrole millrace-operator:millrace", "clusterrole millrace-operator-definitions:millrace", "role millrace-operator-lease",
    ]  # fmt: skip
    rules = [rule for role in roles for rule in json.loads(shop.shell.run(f"kubectl -n millrace get {role} -o json"))["rules"]]
    used = set()
    for request in audit.requests(operator.mark, OPERATOR):
        to = request.get("objectRef", {})
        used.add((request["verb"], "/".join(part for part in [to.get("resource"), to.get("subresource")] if part)))
    # Whoever applies what is not there yet needs the right to create it, and the log says that it was patched.
    used |= {("create", resource) for verb, resource in used if verb == "patch"}
    unused = granted(rules) - used - UNUSED
    assert not unused, f"granted and not needed: {sorted(unused)}"
