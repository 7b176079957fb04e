"""Debian's Prometheus in the cluster's network, scraping what the chart's PodMonitors select."""

import json
import re
import shlex
from dataclasses import dataclass

from harness.places import REPOSITORY
from harness.waiting import until

ADDRESS = "http://127.0.0.1:9090"
BOARD = REPOSITORY / "charts" / "millrace" / "dashboards" / "millrace.json"
# How often it looks; the chart's own interval would only make the test longer.
INTERVAL_S = 1
# What Grafana puts in the place of its variables: everything, and a window that holds the whole test.
VARIABLES = {"$namespace": ".*", "$cluster": ".*", "$topic": ".*", "$group": ".*", "$__rate_interval": "2m"}


def queries():
    """(panel, query) of the board."""
    board = json.loads(BOARD.read_text())
    found = [(panel["title"], target["expr"]) for panel in board["panels"] for target in panel.get("targets", [])]
    assert len(found) > 10
    return found


def filled(query, **chosen):
    """The query with its variables filled in: with what is chosen, else with everything."""
    for name, value in {**VARIABLES, **{f"${name}": value for name, value in chosen.items()}}.items():
        query = query.replace(name, value)
    assert "$" not in query, query
    return query


@dataclass(frozen=True)
class Monitor:
    """What a PodMonitor says."""

    name: str
    # Labels that select pods.
    labels: dict
    port: str
    # Whether labels of the series win over those of the target.
    honor: bool
    # Labels of the series by the pods' labels that they are taken from.
    carried: dict


def monitors(rendered):
    """The PodMonitors in a rendered chart."""
    found = []
    for document in re.split(r"^---$", rendered, flags=re.M):
        if "kind: PodMonitor" not in document:
            continue
        name = re.search(r"^  name: (\S+)$", document, re.M)[1]
        block = re.search(r"^  selector:\n    matchLabels:\n((?:      .*\n)+)", document, re.M)[1]
        labels = dict(line.strip().replace('"', "").split(": ") for line in block.splitlines())
        port = re.search(r"- port: (\S+)", document)[1]
        honor = re.search(r"^      honorLabels: (\S+)$", document, re.M)
        listed = re.search(r"^  podTargetLabels: \[(.*)\]$", document, re.M)
        carried = {sanitised(name.strip()): sanitised(name.strip()) for name in listed[1].split(",")} if listed else {}
        copied = r"- sourceLabels: \[__meta_kubernetes_pod_label_(\w+)\]\n +targetLabel: (\w+)"
        carried |= {target: source for source, target in re.findall(copied, document)}
        found.append(Monitor(name, labels, port, honor is not None and honor[1] == "true", carried))
    return found


def sanitised(label):
    """A label's name as the Prometheus operator turns it into one of Prometheus."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", label)


def targets(shell, monitor):
    """The pods that a monitor selects, by its port, as the Prometheus operator finds them (Debian's Prometheus
    is built without the means to ask Kubernetes itself)."""
    selector = ",".join(f"{name}={value}" for name, value in monitor.labels.items())
    found = []
    listed = json.loads(shell.run(f"kubectl get pods --all-namespaces --selector {selector} -o json"))["items"]
    for pod in (pod for pod in listed if "podIP" in pod["status"]):
        ports = [one for container in pod["spec"]["containers"] for one in container.get("ports", [])]
        number = next(one["containerPort"] for one in ports if one["name"] == monitor.port)
        place = {"namespace": pod["metadata"]["namespace"], "pod": pod["metadata"]["name"]}
        own = {sanitised(name): value for name, value in pod["metadata"].get("labels", {}).items()}
        place |= {target: own[source] for target, source in monitor.carried.items() if source in own}
        found.append({"targets": [f"{pod['status']['podIP']}:{number}"], "labels": place})
    assert found, f"no pod is selected by {selector}"
    return found


def configuration(shell, rendered):
    """Prometheus' own words for what the Prometheus operator makes of the PodMonitors."""
    jobs = [
        {"job_name": one.name, "honor_labels": one.honor, "static_configs": targets(shell, one)}
        for one in monitors(rendered)
    ]
    return {"global": {"scrape_interval": f"{INTERVAL_S}s", "scrape_timeout": f"{INTERVAL_S}s"}, "scrape_configs": jobs}


class Prometheus:
    """A running Prometheus."""

    def __init__(self, shell, directory, rendered):
        self._shell = shell
        config = directory / "prometheus.yml"
        config.write_text(json.dumps(configuration(shell, rendered)))
        shell.run(f"promtool check config {config}")
        self._process = shell.start(
            "prometheus", "prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
            "--web.listen-address=127.0.0.1:9090",
        )  # fmt: skip

    def close(self):
        self._process.kill()

    def query(self, query):
        """The samples of an instant query: (labels, value)."""
        done = self._shell.try_run(f"promtool query -o json instant {ADDRESS} {shlex.quote(query)}")
        assert self._process.exit_code() is None, self._process.log_tail()
        if done.code != 0:
            return []
        return [(sample["metric"], float(sample["value"][1])) for sample in json.loads(done.out)]

    def value(self, query):
        """The one value of a query, or None."""
        samples = self.query(query)
        return samples[0][1] if len(samples) == 1 else None

    def wait_value(self, query, wanted, deadline_s=30):
        """Waits until the query's one value is this one."""
        until(lambda: f"{query} is {wanted}: {self.query(query)}", lambda: self.value(query) == wanted, deadline_s, 0.5)
