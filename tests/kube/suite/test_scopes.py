"""An operator that looks after some namespaces only, and whose resource definitions those are that the API server has."""

import contextlib
import json

import pytest

from conftest import IMAGE_VALUES
from ground.rights import used
from ground.shell import Namespace
from ground.shop import CLUSTER, Shop, group, resource, topic
from harness.places import REPOSITORY
from harness.waiting import until

NAMESPACE = "scopes"
FINALIZER = "millrace.dev/cleanup"
TOPICS = "topics.millrace.dev"
OPERATOR = REPOSITORY / "target" / "release" / "millrace-operator"


@pytest.fixture
def release(shell):
    """A namespace for a release of the chart, and nothing left of either."""
    shell.run(f"kubectl create namespace {NAMESPACE}")
    yield Namespace(shell, NAMESPACE)
    shell.try_run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
    shell.run(f"kubectl delete namespace {NAMESPACE} --timeout=60s", deadline_s=90)


@contextlib.contextmanager
def shops(shell, *names):
    """Namespaces for clusters; they go with all that is in them."""
    for name in names:
        shell.run(f"kubectl create namespace {name}")
    try:
        yield [Shop(shell, name) for name in names]
    finally:
        for name in names:
            shell.run(f"kubectl -n {name} delete brokercluster --all --cascade=foreground --timeout=60s", deadline_s=90)
        shell.run(f"kubectl delete namespace {' '.join(names)} --timeout=60s", deadline_s=90)


def install(release, *values):
    sets = " ".join(f"--set {value}" for value in values)
    release.shell.run(f"helm install millrace charts/millrace --namespace {NAMESPACE} {IMAGE_VALUES} {sets}")
    release.kubectl("rollout status deployment/millrace-operator --timeout=60s")


def test_an_operator_of_two_namespaces_has_no_say_elsewhere(shell, release, audit):
    mark = audit.mark()
    with shops(shell, "first", "second", "elsewhere") as (first, second, elsewhere):
        install(release, "'operator.watchNamespaces={first,second}'")
        elsewhere.apply(CLUSTER)
        elsewhere.apply(resource("Topic", "orders", {"partitions": 2}, finalizers=[FINALIZER]))
        for shop in (first, second):
            shop.apply(CLUSTER)
            shop.apply(topic("orders", partitions=2))
            shop.apply(group("readers", topics=["orders"], deletionPolicy="Delete"))
        for shop in (first, second):
            shop.wait_ready("brokercluster/main", "topic/orders", "consumergroup/readers")
            shop.produce("orders", "a")
            # Whatever rings for one of the two is heard there: a broker that comes back is seen within seconds.
            shop.kubectl("delete pod main-broker-0 --force --grace-period=0")
            shop.wait_condition("brokercluster main", "Ready", "False", "BrokersStarting")
            shop.wait_ready("pod/main-broker-0", "brokercluster/main", deadline_s=90)
            shop.kubectl("delete topic orders --timeout=30s")
            assert "orders" not in shop.topics()
        assert "status" not in elsewhere.get("brokercluster main")
        assert elsewhere.get("statefulset") is None or not elsewhere.get("statefulset")["items"]
        rights = shell.run("kubectl get clusterroles -o name").split()
        assert [name for name in rights if "millrace" in name and "definitions" not in name] == []
        assert audit.refused(mark, f"system:serviceaccount:{NAMESPACE}:") == []
        shell.run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
        # Nor has the hook that lets go of what stays: there may be another operator there.
        for shop in (first, second):
            assert not shop.get("consumergroup readers")["metadata"].get("finalizers")
        assert elsewhere.get("topic orders")["metadata"]["finalizers"] == [FINALIZER]
        elsewhere.kubectl("patch topic orders --type merge -p '{\"metadata\":{\"finalizers\":null}}'")


def test_a_namespace_that_is_taken_out_is_let_go_by_hand(shell, release):
    """The operator has no rights there any more, and works on in the other one."""
    with shops(shell, "kept", "taken-out") as (kept, taken):
        install(release, "'operator.watchNamespaces={kept,taken-out}'")
        for shop in (kept, taken):
            shop.apply(CLUSTER)
            shop.apply(topic("orders", partitions=1))
        taken.apply(group("readers", topics=["orders"], deletionPolicy="Delete"))
        kept.wait_ready("brokercluster/main", "topic/orders")
        taken.wait_ready("brokercluster/main", "topic/orders", "consumergroup/readers")

        values = f"{IMAGE_VALUES} --set 'operator.watchNamespaces={{kept}}'"
        shell.run(f"helm upgrade millrace charts/millrace --namespace {NAMESPACE} {values}")
        release.kubectl("rollout status deployment/millrace-operator --timeout=60s")
        release.wait_for("pods", "are the new one alone", lambda pods: len(pods["items"]) == 1)
        taken.kubectl("delete topic/orders consumergroup/readers --wait=false")
        # The operator has seen off what was deleted later: it does not come to these.
        kept.kubectl("delete topic orders --timeout=30s")
        for held in ["topic orders", "consumergroup readers"]:
            metadata = taken.get(held)["metadata"]
            assert metadata["deletionTimestamp"] and metadata["finalizers"] == [FINALIZER], held

        lease = lambda: release.get("lease millrace-operator")["metadata"]["uid"]
        before = lease()
        # The Lease is the very one that would be deleted without the flag.
        shell.run(f"{OPERATOR} clean-up --keep-lease --watch-namespaces=taken-out --namespace={NAMESPACE}")
        assert lease() == before, "the operator lost its Lease"
        for gone in ["topic orders", "consumergroup readers"]:
            assert taken.get(gone) is None, gone
        assert "orders" in taken.topics(), "the topic itself stays"
        # The namespaces go at the end of `shops`.


def properties(shell):
    """The fields of a Topic's spec that the API server knows."""
    crd = json.loads(shell.run(f"kubectl get crd {TOPICS} -o json"))
    return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


def go_back(shell):
    """Gives the API server the definition of an earlier version, which lacks a field."""
    shell.run("kubectl apply --server-side --force-conflicts -f crds")
    crd = json.loads(shell.run(f"kubectl get crd {TOPICS} -o json"))
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["unmanagedConfig"]
    shell.run("kubectl replace -f -", stdin=json.dumps(crd))
    assert "unmanagedConfig" not in properties(shell)


def test_definitions_are_upgraded_by_the_operator_unless_that_is_left_to_others(shell, release):
    try:
        go_back(shell)
        install(release)
        until("the definition is that of the operator", lambda: "unmanagedConfig" in properties(shell), 30)
        shell.run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
        go_back(shell)
        install(release, "operator.installCrds=false", "cluster.enabled=true", "topics.orders.partitions=1")
        release.wait_ready("brokercluster/main", "topic/orders")
        assert "unmanagedConfig" not in properties(shell)
        definitions = shell.run("kubectl get clusterroles -o json")
        assert '"create"' not in json.dumps([
            role["rules"] for role in json.loads(definitions)["items"] if "definitions" in role["metadata"]["name"] and "millrace" in role["metadata"]["name"]
        ]), "no right to write definitions"  # fmt: skip
        shell.run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
        release.kubectl("delete pvc --all --timeout=30s")
    finally:
        shell.run("kubectl apply --server-side --force-conflicts -f crds")


def test_an_operator_without_definitions_is_alive_and_not_ready_until_somebody_brings_them(shell, release, inside, audit):
    """As GitOps may order it. (They are taken away for that: not on a cluster where others may have resources.)"""
    shell.run("kubectl delete --ignore-not-found --timeout=60s -f crds")
    mark = audit.mark()
    values = f"{IMAGE_VALUES} --set operator.installCrds=false"
    try:
        shell.run(f"helm install millrace charts/millrace --namespace {NAMESPACE} --skip-crds {values}")
        state = lambda pods: pods["items"][0]["status"].get("containerStatuses", [{}])[0] if pods["items"] else {}
        release.wait_for("pods", "are alive", lambda pods: state(pods).get("started"))
        early = shell.try_run(f"kubectl -n {NAMESPACE} wait pod --all --for=condition=Ready --timeout=6s")
        assert early.code != 0, "it is ready without anything to look at"
    finally:
        shell.run("kubectl apply --server-side --force-conflicts -f crds")
    release.kubectl("rollout status deployment/millrace-operator --timeout=30s")
    assert state(release.get("pods"))["restartCount"] == 0
    release.apply(CLUSTER)
    release.wait_ready("brokercluster/main")
    release.kubectl("delete brokercluster main --cascade=foreground --timeout=60s", deadline_s=90)

    # Or it brings them itself, where there were none.
    shell.run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
    shell.run("kubectl delete --timeout=60s -f crds")
    try:
        shell.run(f"helm install millrace charts/millrace --namespace {NAMESPACE} --skip-crds {IMAGE_VALUES}")
        release.kubectl("rollout status deployment/millrace-operator --timeout=60s")
        assert "unmanagedConfig" in properties(shell)
    finally:
        shell.run("kubectl apply --server-side --force-conflicts -f crds")
    definitions = {(verb, "customresourcedefinitions.apiextensions.k8s.io") for verb in ("create", "watch")}
    assert definitions <= used(audit, mark, f"system:serviceaccount:{NAMESPACE}:millrace-operator")
    shell.run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
