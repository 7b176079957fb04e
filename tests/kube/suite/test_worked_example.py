"""The worked example in pods: a log app, a parse group and a store group with a real MariaDB; and the broker dies under
them, and the topic grows from 1 to 4 partitions while they run."""

import json
import re
from pathlib import Path

import pytest

from ground.shop import Shop
from harness.mariadb import MariaDb
from harness.waiting import until

MANIFEST = Path(__file__).parent / "worked-example.yaml"
CALM, STORMY = 800, 1200


@pytest.fixture
def shop(operator, namespace):
    return Shop(namespace.shell, namespace.name)


@pytest.fixture
def database(inside, shop, tmp_path):
    """A MariaDB on the node, beside the pods, and a Secret that says where."""
    nodes = json.loads(shop.shell.run("kubectl get nodes -o json"))["items"]
    address = nodes[0]["status"]["addresses"][0]["address"]
    mariadb = MariaDb(tmp_path / "mariadb", address, inside.command)
    try:
        mariadb.start()
        settings = mariadb.new_database("logs")
        shop.kubectl("create secret generic database " + " ".join(f"--from-literal={name}={value}" for name, value in settings.items()))
        yield mariadb
    finally:
        mariadb.close()


def log_app(name, *arguments):
    """The app, as a Job that ends when the broker has answered for every record."""
    container = {
        "name": "app", "image": "millrace-clients:1", "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "/app/produce.py", *map(str, arguments)],
        "env": [{"name": "BOOTSTRAP_SERVERS", "value": "main-bootstrap:9092"}],
    }  # fmt: skip
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return json.dumps({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": template},
    })  # fmt: skip


def stored(database):
    """How many different records the store group has."""
    return int(database.query("SELECT count(DISTINCT number) FROM logs.log")[0][0])


def parsed(shop):
    """The numbers of the records that the members of the parse group printed."""
    lines = shop.kubectl("logs --selector app=parse --tail=-1")
    return {int(number) for number in re.findall(r"^\d+:\d+ [A-Z]+ (\d+) line", lines, re.M)}


def caught_up(shop, group):
    shop.wait_for(f"consumergroup {group}", "has caught up", lambda found: found["status"].get("lagRecords") == 0)


def test_a_log_goes_through_parse_and_store_whatever_happens_to_the_broker(shop, database):
    shop.apply(MANIFEST.read_text())
    shop.wait_ready("brokercluster/main", "topic/logss", "consumergroup/parse-logs", "consumergroup/store-logs")
    shop.kubectl("wait --for=condition=Available --timeout=60s deployment/parse deployment/store")
    shop.apply(log_app("calm", "--count", CALM, "--rate", 400))
    shop.kubectl("wait --for=condition=Complete --timeout=60s job/calm")
    until(lambda: f"all is stored; {stored(database)} are", lambda: stored(database) == CALM, 30, 0.5)
    until(lambda: f"all is parsed; {len(parsed(shop))} are", lambda: parsed(shop) == set(range(CALM)), 30, 0.5)
    for group, members in [("parse-logs", 2), ("store-logs", 1)]:
        caught_up(shop, group)
        shop.wait_for(f"consumergroup {group}", "has its members", lambda found: found["status"].get("members") == members)

    volume = shop.get("pvc data-main-broker-0")["spec"]["volumeName"]
    first = shop.get("pod main-broker-0")["metadata"]["uid"]
    shop.apply(log_app("stormy", "--first", CALM, "--count", STORMY, "--rate", 100))
    until("the storm has begun", lambda: stored(database) > CALM, 30, 0.25)
    shop.kubectl("""patch topic logss --type merge -p '{"spec":{"partitions":4}}'""")
    shop.wait_for("topic logss", "has grown", lambda found: found["status"].get("partitions") == 4)
    shop.kubectl("delete pod main-broker-0 --grace-period=0 --force --wait=false")
    another = lambda pod: pod is not None and pod["metadata"]["uid"] != first
    shop.wait_for("pod main-broker-0", "is another one", another)
    shop.wait_ready("brokercluster/main")
    assert shop.get("pvc data-main-broker-0")["spec"]["volumeName"] == volume
    shop.kubectl("wait --for=condition=Complete --timeout=90s job/stormy")
    until(lambda: f"all is stored; {stored(database)} are", lambda: stored(database) == CALM + STORMY, 60, 0.5)
    for group in ["parse-logs", "store-logs"]:
        caught_up(shop, group)
    partitions = database.query("SELECT count(DISTINCT `partition`) FROM logs.log")
    assert partitions == [["4"]], "the new partitions are written and read"
