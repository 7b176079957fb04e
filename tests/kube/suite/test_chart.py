"""The chart as its user meets it: lint, template, install, notes, test, upgrade, uninstall."""

import re

import pytest

from conftest import IMAGE_VALUES
from ground.chart import notes
from ground.shell import Namespace
from ground.shop import group, topic
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
WITHOUT_PROMETHEUS_OPERATOR = "--set metrics.podMonitor.enabled=false --set metrics.rules.enabled=false"


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


def test_the_api_server_takes_all_of_it(shell, release):
    shell.run("helm lint --strict charts/millrace --values charts/millrace/ci/full-values.yaml")
    shell.run("kubectl apply --server-side --force-conflicts -f charts/millrace/crds")
    shell.run(f"kubectl create namespace {NAMESPACE}")
    shell.run("kubectl create namespace shop && kubectl create namespace billing")
    try:
        rendered = shell.run(
            f"helm template millrace charts/millrace --namespace {NAMESPACE} --kube-version 1.34.0"
            f" --values charts/millrace/ci/full-values.yaml {WITHOUT_PROMETHEUS_OPERATOR}"
            " | kubectl apply --dry-run=server -f -"
        )
    finally:
        shell.run("kubectl delete namespace shop billing")
    assert "brokercluster.millrace.dev/main created" in rendered
    assert "configmap/millrace-dashboards created" in rendered


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
    values = f"{IMAGE_VALUES} --set cluster.enabled=true --set topics.ours.partitions=1 --set uninstall.timeoutSeconds=2"
    shell.run(f"helm install millrace charts/millrace --namespace {NAMESPACE} --create-namespace {values}")
    release.wait_ready("brokercluster/main", "topic/ours")
    release.apply(topic("theirs", partitions=1))
    release.apply(group("readers", topics=["theirs"], deletionPolicy="Delete"))
    release.wait_ready("topic/theirs", "consumergroup/readers")
    release.kubectl("scale deployment millrace-operator --replicas=0")
    release.wait_for("pods", "the operator is gone", lambda pods: len(pods["items"]) == 1)
    shell.run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
    assert release.get("topic ours") is None
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
