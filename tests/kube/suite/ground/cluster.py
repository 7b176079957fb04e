"""The Kubernetes cluster under the tests. Which one is decided by `tests/kube/cluster kind`."""

import os
import shutil
import subprocess
from pathlib import Path

from harness.places import OUTPUT, REPOSITORY

SCRIPT = REPOSITORY / "tests" / "kube" / "cluster"
# Which of the processes that share out the tests this is (pytest-xdist): each but the first has a node of its own.
LANE = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
if LANE != "gw0":
    os.environ["MILLRACE_KUBE_NODE"] = LANE
# Where `tests/kube/cluster` keeps a node: what it says is the truth, this is only where to look.
NODE_RUN = (
    Path(os.environ.get("MILLRACE_KUBE_DIR") or REPOSITORY / "target" / "kube").resolve() / ("run" if LANE == "gw0" else f"run-{LANE}")
)


def call(*argv, **options):
    """Runs a command of the ground itself; what it says goes into the failure."""
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"$ {' '.join(map(str, argv))}\nexit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


class Given:
    """The cluster of $KUBECONFIG. Nothing but the tests' own namespaces and releases is made in it, or removed."""

    # Whether programs of the tests can reach pods, Services and the cluster's names.
    inside = False
    # The API server's audit log.
    audit_log = None

    def up(self):
        call("kubectl", "version")

    def load(self, archive):
        command = os.environ.get("MILLRACE_KUBE_LOAD")
        if command:
            call(*command.split(), archive)

    def command(self, *argv):
        """The command as it is run to have its place in the cluster's network."""
        return [str(part) for part in argv]

    def environment(self):
        """What commands find in their environment."""
        return {}

    def down(self):
        pass


class Kind(Given):
    """A cluster of kind's, in Docker or Podman."""

    name = "millrace-tests"

    def __init__(self):
        self._kubeconfig = OUTPUT / "kube" / "kind.kubeconfig"

    def up(self):
        self._kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        self.down()
        call("kind", "create", "cluster", "--name", self.name, "--kubeconfig", self._kubeconfig, "--wait", "180s")

    def load(self, archive):
        call("kind", "load", "image-archive", archive, "--name", self.name)

    def environment(self):
        return {"KUBECONFIG": str(self._kubeconfig)}

    def down(self):
        call("kind", "delete", "cluster", "--name", self.name, "--kubeconfig", self._kubeconfig)


class Node(Given):
    """A node of the tests' own. One that was up before stays up."""

    inside = True
    audit_log = NODE_RUN / "logs" / "audit.log"

    def __init__(self):
        self._was_up = False

    def up(self):
        self._was_up = subprocess.run([SCRIPT, "exec", "true"], capture_output=True, check=False).returncode == 0
        if not self._was_up:
            call(SCRIPT, "up")

    def load(self, archive):
        call(SCRIPT, "load", archive)

    def tag(self, image, name):
        """Gives an image another name."""
        call(SCRIPT, "tag", image, name)

    def command(self, *argv):
        return [str(SCRIPT), "exec", *(str(part) for part in argv)]

    def ctr(self, *argv, timeout_s=60):
        """containerd's own client, in the node: how a container is run without Kubernetes. Exit code and output."""
        argv = [str(SCRIPT), "ctr", *(str(part) for part in argv)]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout_s)

    def down(self):
        if not self._was_up:
            call(SCRIPT, "down")


def choose():
    """The cluster that the tests run on, not up yet."""
    kinds = {"given": Given, "kind": Kind, "node": Node}
    assert shutil.which("kubectl") and shutil.which("helm"), "kubectl and helm are needed: run tests/setup"
    return kinds[call(SCRIPT, "kind").strip()]()
