"""Commands as a user types them, in the repository's root and the cluster's network."""

import json
import os
import subprocess

from ground.cluster import LANE
from harness.places import OUTPUT, REPOSITORY
from harness.process import Process
from harness.waiting import until

DEADLINE_S = 120


class Done:
    """How a command ended."""

    def __init__(self, line, completed):
        self.line = line
        self.code = completed.returncode
        self.out = completed.stdout
        self.err = completed.stderr

    def __str__(self):
        return f"$ {self.line}\nexit {self.code}\n--- out\n{self.out}--- err\n{self.err}"


class Shell:
    """Runs lines of shell, each to its end. A line that fails fails the test, with what it printed."""

    def __init__(self, cluster):
        self.cluster = cluster
        helm = OUTPUT / "kube" / "helm" / LANE
        # Nobody's own helm is read or changed.
        homes = {f"HELM_{name}_HOME": str(helm / name.lower()) for name in ["CACHE", "CONFIG", "DATA"]}
        self.environment = {**os.environ, **homes, **cluster.environment(), "NO_COLOR": "1"}

    def try_run(self, line, stdin="", deadline_s=DEADLINE_S):
        """As `run`, and the command may fail."""
        argv = self.cluster.command("bash", "-euo", "pipefail", "-c", line)
        completed = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, check=False, timeout=deadline_s,
            cwd=REPOSITORY, env=self.environment,
        )
        return Done(line, completed)

    def run(self, line, stdin="", deadline_s=DEADLINE_S):
        """Runs a line; returns what it printed."""
        done = self.try_run(line, stdin, deadline_s)
        assert done.code == 0, str(done)
        return done.out

    def start(self, name, *argv, env=None):
        """A program that runs beside the test, in the cluster's network; its log is kept."""
        environment = {**self.environment, **(env or {})}
        return Process(self.cluster.command(*argv), OUTPUT / "kube" / "programs" / LANE / f"{name}.log", env=environment)


class Namespace:
    """A namespace, with kubectl's everyday calls in it."""

    def __init__(self, shell, name):
        self.shell = shell
        self.name = name

    def kubectl(self, line, stdin="", deadline_s=DEADLINE_S):
        return self.shell.run(f"kubectl -n {self.name} {line}", stdin, deadline_s)

    def apply(self, manifest):
        """`kubectl apply -f -`."""
        return self.kubectl("apply -f -", stdin=manifest)

    def get(self, what):
        """One object, or a list of them, as JSON; None when it is not there."""
        done = self.shell.try_run(f"kubectl -n {self.name} get {what} -o json --ignore-not-found")
        assert done.code == 0, str(done)
        return json.loads(done.out) if done.out.strip() else None

    def all(self, kind):
        """All objects of a kind, as JSON."""
        return (self.get(kind) or {"items": []})["items"]

    def wait_ready(self, *resources, deadline_s=60):
        """`kubectl wait --for=condition=Ready`."""
        line = f"wait --for=condition=Ready --timeout={deadline_s}s {' '.join(resources)}"
        return self.kubectl(line, deadline_s=deadline_s + 30)

    def wait_for(self, what, sentence, condition, deadline_s=60):
        """Waits until `condition(object)` holds for what `get` gives; returns the object."""
        seen = {}

        def holds():
            seen["last"] = self.get(what)
            return condition(seen["last"])

        until(lambda: f"{what} {sentence}\n{json.dumps(seen['last'])[:4000]}", holds, deadline_s, interval_s=0.25)
        return seen["last"]

    def condition(self, what, kind):
        """A condition of an object's status, or an empty one."""
        status = (self.get(what) or {}).get("status", {})
        return next((one for one in status.get("conditions", []) if one["type"] == kind), {})
