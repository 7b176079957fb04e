"""A namespace with a BrokerCluster `main` in it, for the tests of one file, and Kafka as its brokers see it."""

import contextlib
import json
import re

from ground.shell import Namespace

CLUSTER = """
apiVersion: millrace.dev/v1alpha1
kind: BrokerCluster
metadata: {name: main}
spec: {config: {group.initial.rebalance.delay.ms: 0}}
"""


class Shop(Namespace):
    """A namespace and its cluster."""

    @property
    def bootstrap(self):
        return f"main-bootstrap.{self.name}.svc:9092"

    def tool(self, line, stdin=""):
        """One of Kafka's tools, in the broker's pod, as its user types it; what it printed."""
        command, _, rest = line.partition(" ")
        interactive = "-i " if stdin else ""
        return self.kubectl(
            f"exec {interactive}main-broker-0 -- {command} --bootstrap-server localhost:9092 {rest}", stdin=stdin
        )

    def topics(self):
        """The topics that there are, without the brokers' own."""
        return {name for name in self.tool("kafka-topics --list").split() if not name.startswith("__")}

    def partitions(self, topic):
        """How many partitions a topic has, as the brokers say; 0 when there is none."""
        done = self.shell.try_run(
            f"kubectl -n {self.name} exec main-broker-0 -- kafka-topics --bootstrap-server localhost:9092"
            f" --describe --topic {topic}"
        )
        found = re.search(r"PartitionCount: (\d+)", done.out)
        return int(found[1]) if found else 0

    def settings(self, topic):
        """The settings made for a topic, by name."""
        described = self.tool(f"kafka-configs --describe --entity-type topics --entity-name {topic}")
        return dict(re.findall(r"^  (\S+)=(\S*) sensitive", described, re.M))

    def produce(self, topic, *values):
        """Records of these values."""
        self.tool(f"kafka-console-producer --topic {topic}", stdin="".join(f"{value}\n" for value in values))

    def events(self, name):
        """(reason, note) of the Events about objects of this name."""
        listed = self.all("events")
        return [(one["reason"], one["message"]) for one in listed if one["involvedObject"]["name"] == name]

    def wait_condition(self, what, kind, status, reason, deadline_s=60):
        """Waits until a condition has this status and reason; returns it."""

        def matches(found):
            conditions = ((found or {}).get("status") or {}).get("conditions", [])
            return any((one["type"], one["status"], one["reason"]) == (kind, status, reason) for one in conditions)

        self.wait_for(what, f"has {kind}={status} because of {reason}", matches, deadline_s)
        return self.condition(what, kind)


@contextlib.contextmanager
def open_shop(shell, name, cluster=CLUSTER):
    """The namespace while it is needed. It must go away in the end, with all that is left in it."""
    shell.run(f"kubectl create namespace {name}")
    shop = Shop(shell, name)
    try:
        shop.apply(cluster)
        shop.wait_ready("brokercluster/main")
        yield shop
    finally:
        # Kubernetes comes back to a namespace with pods only after half their grace period.
        shop.kubectl("delete brokercluster --all --cascade=foreground --timeout=60s", deadline_s=90)
        shell.run(f"kubectl delete namespace {name} --timeout=60s", deadline_s=90)


def resource(kind, name, spec, **metadata):
    """A manifest of a resource that belongs to cluster `main`."""
    return json.dumps({
        "apiVersion": "millrace.dev/v1alpha1", "kind": kind, "metadata": {"name": name, **metadata},
        "spec": {"clusterRef": {"name": "main"}, **spec},
    })  # fmt: skip


def topic(name, **spec):
    """A Topic's manifest."""
    return resource("Topic", name, spec)


def group(name, **spec):
    """A ConsumerGroup's manifest."""
    return resource("ConsumerGroup", name, spec)
