"""The operators of a release: which of them works, and how one is cut off."""

import contextlib
import os
from pathlib import Path

from harness.waiting import until

# Where pods find the API server.
API_SERVICE = "10.96.0.1"


def leader(operator):
    """The pod that holds the Lease; None between two. The holder is a process, and named after its pod."""
    holder = operator.get("lease millrace-operator")["spec"].get("holderIdentity")
    return holder and holder.rpartition("_")[0]


def metrics(operator):
    """What the operator that leads tells Prometheus."""
    pod = until("somebody leads", lambda: leader(operator))
    raw = f"get --raw /api/v1/namespaces/millrace/pods/{pod}:8080/proxy/metrics"
    return operator.shell.run(f"kubectl {raw}")


def kill(operator):
    """Ends the operator that works, at once: it hands nothing over, and another one waits for its Lease to run out. Gives
    the name of its pod."""

    def works():
        name = leader(operator)
        pod = operator.get(f"pod {name}") if name else None
        return name if pod and "deletionTimestamp" not in pod["metadata"] else None

    pod = until("an operator works", works, 60)
    operator.kubectl(f"delete pod {pod} --force --grace-period=0 --wait=false")
    until(f"{pod} is gone", lambda: operator.get(f"pod {pod}") is None, 30)
    return pod


def process_of(variable, value):
    """The id of a process in a pod that has this in its environment."""
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{variable}={value}".encode() in environment.read_bytes().split(b"\0"):
                return int(environment.parent.name)
    raise AssertionError(f"no process has {variable}={value}")


@contextlib.contextmanager
def network_of(pod):
    """The command that runs another one in the pod's network."""
    # Held open, so that the network can be named whatever becomes of the process.
    with open(f"/proc/{process_of('POD_NAME', pod)}/ns/net") as network:
        yield f"nsenter --net=/proc/{os.getpid()}/fd/{network.fileno()}"


@contextlib.contextmanager
def cut_off(shell, pod):
    """The API server does not get the pod's packets, and the pod is not told: a network that came apart."""
    with network_of(pod) as inside:
        shell.run(f"{inside} ip route add blackhole {API_SERVICE}")
        try:
            yield
        finally:
            shell.run(f"{inside} ip route del blackhole {API_SERVICE}")


@contextlib.contextmanager
def hung_up(shell, pod):
    """All connections to the API server are ended, and each new one is refused: it restarts."""
    rule = f"OUTPUT -d {API_SERVICE} -p tcp -j REJECT --reject-with tcp-reset"
    to_api = f"dst {API_SERVICE}"
    with network_of(pod) as inside:
        shell.run(f"{inside} iptables --wait -I {rule}")
        try:
            shell.run(f"{inside} ss --tcp --kill {to_api}")
            left = shell.run(f"{inside} ss --tcp --no-header state established {to_api}")
            assert not left.strip(), f"this kernel ends no connections (CONFIG_INET_DIAG_DESTROY): {left}"
            yield
        finally:
            shell.run(f"{inside} iptables --wait -D {rule}")
