"""An upgrade to another image: the operator comes first, then it restarts the brokers that name no image."""

import json

import pytest

from conftest import IMAGE_VALUES
from ground.shop import Shop, topic

NAMESPACE = "upgrade"
IMAGE, NEXT = "millrace:0.1.0", "millrace:next"


@pytest.fixture
def shop(shell, inside):
    """The namespace of a release with a cluster of its own, and nothing left of either."""
    inside.tag(IMAGE, NEXT)
    values = f"{IMAGE_VALUES} --set cluster.enabled=true --set cluster.spec.storage.size=1Gi"
    chart = f"charts/millrace --namespace {NAMESPACE} {values}"
    shell.run(f"helm install millrace {chart} --create-namespace")
    shop = Shop(shell, NAMESPACE)
    shop.chart = chart
    yield shop
    shell.try_run(f"helm uninstall millrace --namespace {NAMESPACE} --wait --timeout 60s")
    shell.run(f"kubectl delete namespace {NAMESPACE} --timeout=60s", deadline_s=90)


def images(pods):
    """The images of the pods that stay, by what they are."""
    staying = [pod for pod in pods["items"] if "deletionTimestamp" not in pod["metadata"]]
    return {container["image"] for pod in staying for container in pod["spec"]["containers"]}


def test_brokers_follow_the_image_of_the_release_and_keep_their_records(shop, shell):
    shop.wait_ready("brokercluster/main")
    shop.apply(topic("kept", partitions=1))
    shop.wait_ready("topic/kept")
    shop.produce("kept", "before")
    # One whose resource names its image keeps to that.
    pinned = {"apiVersion": "millrace.dev/v1alpha1", "kind": "BrokerCluster", "metadata": {"name": "pinned"}, "spec": {"image": IMAGE}}
    shop.apply(json.dumps(pinned))
    shop.wait_ready("brokercluster/pinned")
    first = shop.get("pod pinned-broker-0")["metadata"]["uid"]
    assert images(shop.get("pods")) == {IMAGE}
    shell.run(f"helm upgrade millrace {shop.chart} --set image.tag=next --wait --timeout 60s")
    shop.wait_for("pods --selector app.kubernetes.io/instance!=pinned", "are all of the next image", lambda pods: images(pods) == {NEXT}, 90)
    shop.wait_ready("pod/main-broker-0", "brokercluster/main", deadline_s=90)
    shop.wait_for("brokercluster main", "names the image", lambda one: one["status"]["image"] == NEXT)
    assert shop.tool("kafka-console-consumer --topic kept --from-beginning --max-messages 1").strip() == "before"
    assert "Restarting" in [reason for reason, _ in shop.events("main")]
    shop.kubectl("delete topic kept --timeout=30s")
    kept = shop.get("pod pinned-broker-0")
    assert kept["metadata"]["uid"] == first and images({"items": [kept]}) == {IMAGE}
    shop.kubectl("delete brokercluster pinned --cascade=foreground --timeout=60s", deadline_s=90)

    # Back again, as `helm rollback` does it.
    shell.run(f"helm rollback millrace 1 --namespace {NAMESPACE} --wait --timeout 60s")
    shop.wait_for("pods", "are all of the first image", lambda pods: images(pods) == {IMAGE}, 90)
    shop.wait_ready("pod/main-broker-0", "brokercluster/main", deadline_s=90)
