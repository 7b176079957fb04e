"""The chart as its user meets it: lint, template, install, notes, test, upgrade, uninstall."""

import contextlib
import re

import pytest

from conftest import IMAGE_VALUES
from ground import rights
from ground.audit import Audit
from ground.chart import notes
from ground.shell import Namespace
from ground.shop import group, topic
from harness.places import CACHE
from harness.waiting import until

NAMESPACE = "chart"
VALUES = """
cluster:
  enabled: true
  spec:
    storage:
      size: 1Gi
topics:
  orders:
    partitions: 4
    config:
      retention.ms: 604800000
  plain: {}
groups:
  billing:
    topics: [orders]
    maxLag:
      seconds: 60
"""
MONITORS = ["podmonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com"]


@pytest.fixture
def release(shell):
    """A namespace for a release of the chart, and nothing left of either."""
    yield Namespace(shell, NAMESPACE)
    shell.try_run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
    shell.try_run(f"kubectl delete namespace {NAMESPACE} --timeout=30s --ignore-not-found", deadline_s=60)


def follow_notes(shell):
    """Runs the notes' commands; returns what each printed."""
    return {command: shell.run(command, deadline_s=360) for command in notes(shell, "millrace", NAMESPACE)}


def read_in_a_pod(shell):
    """The first record of topic greetings. From the pod's log: kubectl run may attach when a short program has ended."""
    client = "-- consume greetings --from-beginning -n 1 --bootstrap-server main-bootstrap.chart.svc:9092"
    shell.run(f"kubectl -n chart run reader --restart=Never --image=millrace:0.1.0 {client}")
    shell.run("kubectl -n chart wait pod/reader --for=jsonpath='{.status.phase}'=Succeeded --timeout=60s")
    read = shell.run("kubectl -n chart logs reader")
    shell.run("kubectl -n chart delete pod reader --now")
    return read.splitlines()[0]


def assert_nothing_left(release):
    """Of the release, but for volumes, which stay unless asked otherwise."""
    release.wait_for("pods", "are gone", lambda pods: not (pods and pods["items"]))
    kinds = "all,configmaps,serviceaccounts,roles,rolebindings,poddisruptionbudgets,networkpolicies,jobs,leases,millrace"
    kept = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
    left = lambda: set(release.kubectl(f"get {kinds} -o name --ignore-not-found").split()) - kept
    until(lambda: f"nothing is left: {left()}", lambda: not left(), 30, 0.5)
    rights = release.shell.run("kubectl get clusterroles,clusterrolebindings -o name")
    assert "/millrace-" not in rights, rights


@contextlib.contextmanager
def hooks_use_what_they_may(shell):
    """While the hooks of the release run: nothing is refused to them, and nothing is granted that they do not need."""
    log = shell.cluster.audit_log
    if log is None:
        yield
        return
    audit, granted = Audit(log), rights.of_hooks(shell, "millrace", NAMESPACE)
    mark = audit.mark()
    yield
    assert set(granted) == {"millrace-uninstall", "millrace-clean-up"}, granted
    for account, may in granted.items():
        user = f"system:serviceaccount:{NAMESPACE}:{account}"
        assert audit.refused(mark, user) == []
        unneeded = may - rights.used(audit, mark, user)
        assert not unneeded, f"{account} may, and never did: {sorted(unneeded)}"


@pytest.fixture
def prometheus_operator(shell):
    """The API server knows what the Prometheus operator looks at, though nobody looks."""
    missing = [name for name in MONITORS if shell.try_run(f"kubectl get crd {name}").code != 0]
    for name in missing:
        definition = CACHE / "definitions" / f"monitoring.coreos.com_{name.split('.')[0]}.yaml"
        shell.run(f"kubectl apply --server-side -f {definition}")
        shell.run(f"kubectl wait --for=condition=Established crd/{name} --timeout=30s")
    yield
    for name in missing:
        shell.run(f"kubectl delete crd {name} --timeout=60s")


def test_the_api_server_takes_all_of_it(shell, release, prometheus_operator):
    shell.run("helm lint --strict charts/millrace --values charts/millrace/ci/full-values.yaml")
    shell.run("kubectl apply --server-side --force-conflicts -f charts/millrace/crds")
    shell.run(f"kubectl create namespace {NAMESPACE}")
    shell.run("kubectl create namespace shop && kubectl create namespace billing")
    try:
        # Not even a field too many.
        rendered = shell.run(
            f"helm template millrace charts/millrace --namespace {NAMESPACE} --kube-version 1.34.0"
            " --values charts/millrace/ci/full-values.yaml | kubectl apply --dry-run=server --validate=strict -f -"
        )
    finally:
        shell.run("kubectl delete namespace shop billing")
    for made in [
        "brokercluster.millrace.dev/main", "configmap/millrace-dashboards", "podmonitor.monitoring.coreos.com/millrace-operator",
        "podmonitor.monitoring.coreos.com/millrace-brokers", "prometheusrule.monitoring.coreos.com/millrace",
    ]:  # fmt: skip
        assert f"{made} created" in rendered, made


def test_monitors_and_rules_come_and_go_with_their_switches(shell, release, prometheus_operator):
    there = lambda: set(release.kubectl("get podmonitors,prometheusrules -o name").split())
    switches = "--set metrics.podMonitor.enabled=true --set metrics.rules.enabled=true"
    values = f"{IMAGE_VALUES} --set metrics.podMonitor.labels.release=prometheus --set metrics.rules.labels.release=prometheus"
    shell.run(f"helm install millrace charts/millrace --namespace {NAMESPACE} --create-namespace {values} {switches}")
    assert len(there()) == 3, there()
    # By such a label a Prometheus finds its monitors and rules.
    chosen = release.kubectl("get podmonitors,prometheusrules --selector release=prometheus -o name").split()
    assert set(chosen) == there()
    shell.run(f"helm upgrade millrace charts/millrace --namespace {NAMESPACE} {values} --wait --timeout 60s")
    assert there() == set()
    shell.run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
    assert_nothing_left(release)


def test_the_operator_alone_then_the_notes_letter_by_letter(shell, release):
    shell.run(f"helm install millrace charts/millrace --namespace {NAMESPACE} --create-namespace {IMAGE_VALUES}")
    printed = follow_notes(shell)
    consumed = next(out for command, out in printed.items() if "millrace consume" in command)
    assert consumed.splitlines()[0] == "hello", printed
    listed = next(out for command, out in printed.items() if "get millrace" in command)
    assert re.search(r"brokercluster.millrace.dev/main .*True", listed), listed
    release.kubectl("delete brokercluster main --timeout=60s")
    shell.run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
    assert_nothing_left(release)


def test_topics_outside_of_the_release_do_not_wait_for_an_operator_that_is_gone(shell, release):
    """Nor does uninstalling wait for one that does not work: a topic of the release goes, and stays in the cluster."""
    ours = "--set topics.ours.partitions=1 --set groups.ours.deletionPolicy=Delete"
    values = f"{IMAGE_VALUES} --set cluster.enabled=true {ours} --set uninstall.timeoutSeconds=2"
    shell.run(f"helm install millrace charts/millrace --namespace {NAMESPACE} --create-namespace {values}")
    release.wait_ready("brokercluster/main", "topic/ours", "consumergroup/ours")
    release.apply(topic("theirs", partitions=1))
    release.apply(group("readers", topics=["theirs"], deletionPolicy="Delete"))
    release.wait_ready("topic/theirs", "consumergroup/readers")
    release.kubectl("scale deployment millrace-operator --replicas=0")
    release.wait_for("pods", "the operator is gone", lambda pods: len(pods["items"]) == 1)
    with hooks_use_what_they_may(shell):
        shell.run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
    assert release.get("topic ours") is None and release.get("consumergroup ours") is None
    for kept in ["topic theirs", "consumergroup readers"]:
        assert not release.get(kept)["metadata"].get("finalizers"), kept
        release.kubectl(f"delete {kept} --timeout=10s")
    assert_nothing_left(release)


def test_a_watched_namespace_that_is_gone_does_not_keep_the_others_from_being_let_go(shell, release):
    shell.run(f"kubectl create namespace {NAMESPACE} && kubectl create namespace chart-gone")
    values = f"{IMAGE_VALUES} --set cluster.enabled=true --set 'operator.watchNamespaces={{chart-gone,{NAMESPACE}}}'"
    shell.run(f"helm install millrace charts/millrace --namespace {NAMESPACE} {values}")
    release.wait_ready("brokercluster/main")
    release.apply(topic("theirs", partitions=1))
    release.wait_ready("topic/theirs")
    assert release.get("topic theirs")["metadata"]["finalizers"]
    shell.run("kubectl delete namespace chart-gone --timeout=30s")
    shell.run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
    assert not release.get("topic theirs")["metadata"].get("finalizers")
    release.kubectl("delete topic theirs --timeout=10s")
    assert_nothing_left(release)


def test_a_release_with_its_cluster_topics_and_groups(shell, release, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text(VALUES)
    chart = f"charts/millrace --namespace {NAMESPACE} --values {values} {IMAGE_VALUES}"
    shell.run(f"helm install millrace {chart} --create-namespace")
    printed = follow_notes(shell)
    assert next(out for command, out in printed.items() if "millrace consume" in command).splitlines()[0] == "hello"
    release.wait_ready("topic/orders", "topic/plain", "consumergroup/billing")
    topics = 'kubectl -n chart exec main-broker-0 -- kafka-topics --bootstrap-server main-bootstrap.chart.svc:9092'
    assert "PartitionCount: 4" in shell.run(f"{topics} --describe --topic orders")

    # Twice: what the first leaves behind is not what the second lives on.
    for _ in range(2):
        tested = shell.run(f"helm test millrace --namespace {NAMESPACE} --timeout 60s")
        assert "Phase:          Succeeded" in tested, tested
    assert set(shell.run(f"{topics} --list").split()) - {"__consumer_offsets"} == {"greetings", "orders", "plain"}

    broker = release.get("pod main-broker-0")["metadata"]["uid"]
    values.write_text(VALUES.replace("partitions: 4", "partitions: 6").replace("  plain: {}\n", ""))
    shell.run(f"helm upgrade millrace {chart} --set operator.logLevel=debug --wait --timeout 60s")
    release.kubectl("rollout status deployment/millrace-operator --timeout=60s")
    release.wait_for("topic orders", "has 6 partitions", lambda topic: topic["status"].get("partitions") == 6)
    release.wait_for("topic plain", "is gone", lambda topic: topic is None)
    assert release.get("pod main-broker-0")["metadata"]["uid"] == broker, "the broker was restarted for nothing"
    assert read_in_a_pod(shell) == "hello"

    shell.run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
    assert_nothing_left(release)
    claims = release.get("pvc")["items"]
    assert [claim["metadata"]["name"] for claim in claims] == ["data-main-broker-0"]

    # The same release again finds its data.
    shell.run(f"helm install millrace {chart}")
    release.wait_ready("brokercluster/main", "topic/orders")
    assert read_in_a_pod(shell) == "hello"
    shell.run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
    shell.run(f"kubectl delete namespace {NAMESPACE} --timeout=60s", deadline_s=90)
