"""The session's cluster with the images in it, namespaces, the operator; what is kept when a test fails."""

import itertools
import re

import pytest

from ground import cluster as clusters
from ground.audit import Audit
from ground.evidence import keep
from ground.shell import Namespace, Shell
from harness.places import REPOSITORY, python_of

IMAGES = ["millrace.tar", "clients.tar"]
# The chart's values that name the image of this checkout; the rest are the chart's own.
IMAGE_VALUES = "--set image.repository=millrace"
_numbers = itertools.count(1)


def pytest_report_header(config):
    return f"Kubernetes: {clusters.call(clusters.SCRIPT, 'kind').strip()}"


# The files whose tests are run one after the other beside all others, where there are two nodes for them (tests/kube/run).
# `test_rights` looks back on what the operator did in its lane, so all that makes use of a right is in there with it.
OTHER_LANE = {"test_admission", "test_brokers", "test_group", "test_leader", "test_pods", "test_rights"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """First those that install the operator themselves, there being one at a time; last the look back on what it did."""
    items.sort(key=lambda item: ("operator" in item.fixturenames, "test_rights" in item.nodeid))
    for item in items:
        item.add_marker(pytest.mark.xdist_group("other" if item.path.stem in OTHER_LANE else "first"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and (shell := item.session.stash.get(SHELL, None)):
        report.sections.append(("evidence", f"kept in {keep(shell, f'{item.name}-{report.when}')}"))
    return report


SHELL = pytest.StashKey()


@pytest.fixture(scope="session")
def cluster():
    """The cluster, up, with the images of the project and of the clients; ended at the end if it was started here."""
    chosen = clusters.choose()
    try:
        chosen.up()
        for image in IMAGES:
            chosen.load(REPOSITORY / "target" / "image" / image)
        yield chosen
    finally:
        chosen.down()


@pytest.fixture(scope="session")
def shell(cluster, request):
    """Lines of shell, as a user types them."""
    shell = Shell(cluster)
    request.session.stash[SHELL] = shell
    yield shell


@pytest.fixture(scope="session")
def inside(cluster):
    """The cluster, where programs of the tests reach pods and Services; elsewhere the test is skipped."""
    if not cluster.inside:
        pytest.skip("programs of the tests are not in the network of this cluster; they are on the tests' own node")
    return cluster


@pytest.fixture(scope="session")
def audit(cluster):
    if cluster.audit_log is None:
        pytest.skip("the audit log of this cluster is not at hand; that of the tests' own node is")
    return Audit(cluster.audit_log)


@pytest.fixture
def namespace(shell, request):
    """A namespace of the test's own. That it goes away afterwards, with all that is in it, is part of the test."""
    name = f"t{next(_numbers)}-{re.sub('[^a-z0-9]+', '-', request.node.name.lower())[5:40].strip('-')}"
    shell.run(f"kubectl create namespace {name}")
    yield Namespace(shell, name)
    shell.run(f"kubectl delete namespace {name} --ignore-not-found --timeout=60s", deadline_s=90)


@pytest.fixture(scope="session")
def operator(shell):
    """The operator, installed as the README says, for all tests that use it."""
    log = shell.cluster.audit_log
    mark = log.stat().st_size if log else 0
    shell.run(f"helm install millrace charts/millrace --namespace millrace --create-namespace {IMAGE_VALUES}")
    system = Namespace(shell, "millrace")
    # Where in the audit log its story begins.
    system.mark = mark
    system.kubectl("rollout status deployment/millrace-operator --timeout=60s")
    yield system
    refused = Audit(log).refused(mark, "system:serviceaccount:millrace:") if log else []
    shell.run("helm uninstall millrace --namespace millrace --wait --timeout 60s")
    shell.run("kubectl delete namespace millrace --timeout=60s", deadline_s=90)
    assert refused == [], "it asked for what it may not"


@pytest.fixture
def python(shell, inside):
    """Starts one of the clients' programs outside of pods, by name, against a bootstrap address; all are ended."""
    started = []

    def start(program, bootstrap, *arguments):
        script = REPOSITORY / "tests" / "kube" / "clients" / f"{program}.py"
        environment = "confluent-kafka" if program == "store" else "kafka-python-2"
        process = shell.start(
            f"{next(_numbers)}-{program}", python_of(environment), script, *arguments,
            env={"BOOTSTRAP_SERVERS": bootstrap, "PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
