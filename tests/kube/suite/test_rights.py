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
# Rights whose occasion does not arise here: a class whose volumes grow, a broker that is restarted for its settings,
# Services and policies that a changed spec no longer asks for, definitions that Helm has put there.
UNUSED = {
    ("patch", "persistentvolumeclaims"), ("delete", "pods"), ("delete", "services"), ("delete", "networkpolicies"),
    ("create", "customresourcedefinitions"), ("watch", "customresourcedefinitions"), ("list", "customresourcedefinitions"),
    ("get", "customresourcedefinitions"),
    # Asked by the API server itself (OwnerReferencesPermissionEnforcement), not in a request of the operator's.
    ("update", "brokerclusters/finalizers"),
}


@pytest.fixture(scope="module")
def shop(operator, shell, audit):
    with open_shop(shell, "settled") as shop:
        yield shop


def test_a_settled_cluster_causes_no_write(shop, audit):
    for number in range(5):
        shop.apply(topic(f"t{number}", partitions=2))
        shop.apply(group(f"g{number}", topics=[f"t{number}"], maxLag={"records": 1}))
    shop.produce("t0", "a", "b")
    shop.tool("kafka-console-consumer --topic t0 --group g0 --from-beginning --max-messages 2")
    shop.wait_for("consumergroup g0", "has caught up", lambda found: found.get("status", {}).get("lagRecords") == 0)
    shop.wait_ready(*(f"topic/t{number}" for number in range(5)))
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
    roles = ["clusterrole millrace-operator", "clusterrole millrace-operator-definitions", "role millrace-operator-lease"]
    rules = [rule for role in roles for rule in json.loads(shop.shell.run(f"kubectl -n millrace get {role} -o json"))["rules"]]
    used = set()
    for request in audit.requests(operator.mark, OPERATOR):
        to = request.get("objectRef", {})
        used.add((request["verb"], "/".join(part for part in [to.get("resource"), to.get("subresource")] if part)))
    # Whoever applies what is not there yet needs the right to create it, and the log says that it was patched.
    used |= {("create", resource) for verb, resource in used if verb == "patch"}
    unused = granted(rules) - used - UNUSED
    assert not unused, f"granted and not needed: {sorted(unused)}"
