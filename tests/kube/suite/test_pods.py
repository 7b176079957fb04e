"""What a BrokerCluster says of its pods, and of load balancers before them: resources, template, zones, addresses."""

import json
import re
import uuid
from pathlib import Path

import pytest

from ground.operators import process_of
from ground.shop import Shop
from harness.waiting import until

CONFIG = {"group.initial.rebalance.delay.ms": 0}
# An address that nobody has: what a cloud would give out.
BALANCER = "10.250.0.1"
TEMPLATE = {
    "labels": {"team": "logs"},
    "annotations": {"example.com/note": "here"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "preference": {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["fast"]}]}},
    ]}},
    "topologySpreadConstraints": [{
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"team": "logs"}},
    }],
    "priorityClassName": "brokers",
    "imagePullPolicy": "IfNotPresent",
    "imagePullSecrets": [{"name": "registry"}],
    "securityContext": {"runAsUser": 2000, "runAsGroup": 2000, "fsGroup": 2000},
    "terminationGracePeriodSeconds": 9,
}  # fmt: skip


@pytest.fixture
def shop(operator, shell, namespace):
    yield Shop(shell, namespace.name)
    namespace.kubectl("delete brokercluster --all --cascade=foreground --timeout=60s", deadline_s=90)


def manifest(**spec):
    """A cluster's manifest."""
    return json.dumps({
        "apiVersion": "millrace.dev/v1alpha1", "kind": "BrokerCluster", "metadata": {"name": "main"},
        "spec": {"config": CONFIG, **spec},
    })  # fmt: skip


def pod(shop):
    return shop.get("pod main-broker-0")


def wait_for_another_pod(shop, uid):
    """Until the broker was restarted."""
    another = lambda found: found is not None and found["metadata"]["uid"] != uid
    return shop.wait_for("pod main-broker-0", "is another one", another)["metadata"]["uid"]


def user_of(process):
    """The user that a process runs as."""
    return int(re.search(r"^Uid:\s+(\d+)", Path(f"/proc/{process}/status").read_text(), re.M)[1])


def holds(found, asked):
    """Whether everything that was asked for is found: Kubernetes fills in defaults, and adds tolerations."""
    if isinstance(asked, dict):
        return isinstance(found, dict) and all(holds(found.get(key), value) for key, value in asked.items())
    if isinstance(asked, list):
        return isinstance(found, list) and all(any(holds(one, wanted) for one in found) for wanted in asked)
    return found == asked


def test_pods_are_what_resources_and_template_say(shop, inside):
    mark = uuid.uuid4().hex
    resources = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
    template = {**TEMPLATE, "env": [{"name": "MARK", "value": mark}, {"name": "MILLRACE_LOG_LEVEL", "value": "debug"}]}
    shop.shell.run("kubectl create priorityclass brokers --value=1000")
    try:
        shop.apply(manifest(resources=resources, podTemplate=template))
        shop.wait_ready("brokercluster/main")
        found = pod(shop)
        spec, metadata = found["spec"], found["metadata"]
        assert spec["containers"][0]["resources"] == resources
        assert found["status"]["qosClass"] == "Burstable"
        assert holds(metadata["labels"], template["labels"]) and holds(metadata["annotations"], template["annotations"])
        of_spec = {key: value for key, value in TEMPLATE.items() if key not in ("labels", "annotations", "imagePullPolicy")}
        missing = {key for key, value in of_spec.items() if not holds(spec.get(key), value)}
        assert not missing, f"{missing} of {json.dumps(spec)}"
        assert spec["containers"][0]["imagePullPolicy"] == "IfNotPresent" and spec["priority"] == 1000
        # What is asked for besides stays as it is.
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert user_of(process_of("MARK", mark)) == 2000
        shop.tool("kafka-topics --create --topic written")
        assert '"DEBUG"' in shop.kubectl("logs main-broker-0")
        shop.produce("written", "by another user")
        assert shop.tool("kafka-console-consumer --topic written --from-beginning --max-messages 1").strip() == "by another user"

        # Another template is another pod, and none is the image's user.
        shop.apply(manifest(resources=resources, podTemplate={"env": [{"name": "MARK", "value": mark}]}))
        wait_for_another_pod(shop, metadata["uid"])
        shop.wait_ready("brokercluster/main", deadline_s=90)
        assert user_of(process_of("MARK", mark)) == 1000
        assert "team" not in pod(shop)["metadata"]["labels"]
    finally:
        shop.shell.run("kubectl delete priorityclass brokers")


def test_resources_that_contradict_one_another_are_named_in_the_status(shop):
    shop.apply(manifest(resources={"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}))
    condition = shop.wait_condition("brokercluster main", "Ready", "False", "ApplyFailed")
    assert "must be less than or equal to memory limit" in condition["message"], condition
    shop.apply(manifest(resources={"requests": {"memory": "64Mi"}, "limits": {"memory": "1Gi"}}))
    shop.wait_ready("brokercluster/main")


def test_brokers_know_their_zone_where_kubernetes_tells_their_pods(shop, inside):
    """The tests' own node has a zone, and gives it to pods as Kubernetes does from 1.35 on."""
    shop.apply(manifest(rack={"topologyKey": "example.com/row"}))
    condition = shop.wait_condition("brokercluster main", "RackKnown", "False", "LabelMissing")
    assert "example.com/row" in condition["message"] and "topology.kubernetes.io/zone" in condition["message"], condition
    shop.wait_ready("brokercluster/main")
    assert "rack: null" in shop.tool("kafka-broker-api-versions")
    broker = pod(shop)["metadata"]["uid"]
    shop.apply(manifest(rack={"topologyKey": "topology.kubernetes.io/zone"}))
    wait_for_another_pod(shop, broker)
    shop.wait_condition("brokercluster main", "RackKnown", "True", "LabelFound", 90)
    shop.wait_ready("brokercluster/main", deadline_s=90)
    assert "rack: zone-a" in shop.tool("kafka-broker-api-versions")
    spread = pod(shop)["spec"]["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in spread] == ["topology.kubernetes.io/zone"]


def give(shop, ingress):
    """What the cloud's controller does: it says which address the load balancer has."""
    status = json.dumps({"status": {"loadBalancer": {"ingress": ingress}}})
    shop.kubectl(f"patch service main-public-0 --subresource=status --type merge -p '{status}'")


def test_clients_come_in_by_a_load_balancer_once_it_has_an_address(shop, inside, python):
    listener = {
        "name": "public", "type": "LoadBalancer", "port": 9094,
        "annotations": {"service.beta.kubernetes.io/aws-load-balancer-type": "nlb"},
    }  # fmt: skip
    shop.apply(manifest(listeners=[listener]))
    condition = shop.wait_condition("brokercluster main", "Ready", "False", "ListenerPending")
    assert "listener public has no address yet" in condition["message"], condition
    service = shop.get("service main-public-0")
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["metadata"]["annotations"] == listener["annotations"]
    # Those inside do not wait for it.
    shop.tool("kafka-topics --create --topic early")

    give(shop, [{"ip": BALANCER}])
    bootstrap = f"{BALANCER}:9094"
    told = lambda found: (found["status"].get("listeners") or [{}])[0].get("bootstrap") == bootstrap
    shop.wait_for("brokercluster main", "knows the address", told)
    shop.wait_ready("brokercluster/main", deadline_s=90)
    # kube-proxy answers for the address, as it does for a cloud's.
    sent = python("produce", bootstrap, "--topic", "through-it", "--count", "10", "--rate", "1000")
    assert sent.wait(60) == 0, sent.log_tail()
    assert "sent 10, all answered" in sent.log_tail()

    # An address that is lost for a moment restarts nobody; another one does.
    broker = pod(shop)["metadata"]["uid"]
    give(shop, [])
    shop.kubectl("annotate brokercluster main example.com/look=now")
    until("the operator has looked", lambda: told(shop.get("brokercluster main")))
    give(shop, [{"hostname": "brokers.example.com"}])
    wait_for_another_pod(shop, broker)
    bootstrap = "brokers.example.com:9094"
    shop.wait_for("brokercluster main", "knows the other address", told)
    shop.wait_ready("brokercluster/main", deadline_s=90)
    advertised = shop.get("configmap main-broker")["data"]
    assert any("PUBLIC://brokers.example.com:9094" in text for text in advertised.values()), advertised
