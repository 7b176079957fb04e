"""Metrics as Debian's Prometheus reads them: every query of the board and of others, and lag that is what a stopped consumer left."""

import re
import shlex
import time

import pytest

from ground.prometheus import Prometheus, filled, queries
from ground.shop import group, open_shop, topic
from harness.places import python_of
from harness.waiting import until

RECORDS, READ = 1000, 620
# The board's: throughput by topic, lag by group in records and seconds, brokers, reconciles.
PANELS = {
    "Bytes in", "Bytes out", "Messages in", "Lag in records", "Lag in seconds", "Lag in records by topic", "Members", "Brokers",
    "Partitions under-replicated", "Resources not ready", "Reconciles", "Failed reconciles", "Duration of reconciles, 99 %",
}  # fmt: skip
# What people's boards ask: 7589 (kafka_exporter) and 11285, Strimzi's version of it, which finds cluster, group and topic
# step by step; and Strimzi's board of Kafka itself, as far as one broker without JMX has it.
ASKED_ELSEWHERE = [
    'kafka_exporter_build_info{namespace="metrics"}',
    'kafka_exporter_build_info{namespace="metrics",strimzi_io_cluster="main"}',
    'kafka_consumergroup_current_offset{namespace="metrics",strimzi_io_cluster="main",consumergroup="billing"}',
    'kafka_topic_partition_current_offset{namespace="metrics",strimzi_io_cluster="main",topic="orders"}',
    'count(kafka_topic_partitions{topic=~"orders"})',
    'sum(kafka_topic_partition_replicas{topic=~"orders"})',
    'sum(kafka_topic_partition_in_sync_replica{topic=~"orders"})',
    'sum(kafka_topic_partition_under_replicated_partition{topic=~"orders"})',
    'sum(kafka_cluster_partition_atminisr{topic=~"orders"})',
    'sum(kafka_cluster_partition_underminisr{topic=~"orders"})',
    'sum(kafka_topic_partition_leader_is_preferred{topic=~"orders"})',
    'sum(rate(kafka_topic_partition_current_offset{topic=~"orders"}[1m])) by (topic)',
    'sum(delta(kafka_consumergroup_current_offset{consumergroup=~"billing",topic=~"orders"}[1m])/60) by (consumergroup, topic)',
    'sum(kafka_consumergroup_lag{consumergroup=~"billing",topic=~"orders"}) by (consumergroup, topic)',
    'sum(kafka_consumergroup_current_offset{topic=~"orders"}) by (consumergroup, partition, topic)',
    'sum(kafka_topic_partition_oldest_offset{topic=~"orders"}) by (partition, topic)',
    'sum(irate(kafka_server_brokertopicmetrics_bytesin_total{strimzi_io_cluster="main",topic!=""}[1m]))',
    'sum(irate(kafka_server_brokertopicmetrics_messagesin_total{strimzi_io_cluster="main",topic!=""}[1m]))',
    'max(kafka_consumergroup_group_lag_seconds{group="billing",topic="orders"})',
]


@pytest.fixture(scope="module")
def rendered(shell):
    """The chart's monitors and rules, as Helm would install them."""
    switches = "--set metrics.podMonitor.enabled=true --set metrics.rules.enabled=true"
    return shell.run(f"helm template millrace charts/millrace --namespace millrace --kube-version 1.34.0 {switches}")


@pytest.fixture(scope="module")
def shop(operator, shell, inside):
    with open_shop(shell, "metrics") as shop:
        yield shop


@pytest.fixture(scope="module")
def prometheus(shop, rendered, tmp_path_factory):
    prometheus = Prometheus(shop.shell, tmp_path_factory.mktemp("prometheus"), rendered)
    yield prometheus
    prometheus.close()


@pytest.fixture
def left_behind(shop, prometheus, python):
    """A consumer that read a part of a topic and stopped."""
    targets = lambda: {labels["job"] for labels, value in prometheus.query("up") if value == 1}
    until(lambda: f"both are scraped: {targets()}", lambda: targets() == {"millrace-operator", "millrace-brokers"}, 30, 0.5)
    shop.apply(topic("orders", partitions=4))
    shop.apply(group("billing", topics=["orders"], maxLag={"records": 10}))
    shop.wait_ready("topic/orders")
    producer = python("produce", shop.bootstrap, "--topic", "orders", "--count", RECORDS, "--rate", 1000)
    assert producer.wait(60) == 0, producer.log_tail()
    reader = python("parse", shop.bootstrap, "--topic", "orders", "--group", "billing", "--count", READ)
    assert reader.wait(60) == 0, reader.log_tail()
    assert len(re.findall(r"^\d+:\d+ ", reader.log.read_text(), re.M)) == READ
    return RECORDS - READ


def test_the_lag_shown_is_what_a_stopped_consumer_left(shop, prometheus, left_behind):
    prometheus.wait_value('sum by (consumergroup) (kafka_consumergroup_lag{consumergroup="billing"})', left_behind)
    prometheus.wait_value('sum(kafka_consumergroup_lag_sum{consumergroup="billing"})', left_behind)
    prometheus.wait_value('sum(millrace_consumer_group_lag_records{group="billing"})', left_behind)
    assert prometheus.value('max by (group) (kafka_consumergroup_group_max_lag_seconds{group="billing"})') > 0
    prometheus.wait_value('sum(kafka_server_brokertopicmetrics_messagesin_total{topic="orders"})', RECORDS)
    assert prometheus.value("sum(kafka_brokers)") == 1, "each series comes from one process"
    prometheus.wait_value('millrace_consumer_group_lagging{namespace="metrics",name="billing",cluster="main"}', 1)
    shop.wait_for("consumergroup billing", "says the same", lambda found: found["status"].get("lagRecords") == left_behind)
    assert str(left_behind) in shop.kubectl("get consumergroup billing").split()
    # The board shows it, in both units, and has what people look for.
    panels = dict(queries())
    assert panels.keys() >= PANELS, PANELS - panels.keys()
    assert prometheus.value(filled(panels["Lag in records"], group="billing")) == left_behind
    assert prometheus.value(filled(panels["Lag in seconds"], group="billing")) > 0
    assert prometheus.value(filled(panels["Messages in"], topic="orders")) > 0
    # Lag in records and seconds is 0 again, not gone, when somebody reads the rest.
    shop.tool(f"kafka-console-consumer --topic orders --group billing --max-messages {left_behind}")
    prometheus.wait_value('sum(kafka_consumergroup_lag{consumergroup="billing"})', 0)
    prometheus.wait_value('max(kafka_consumergroup_group_max_lag_seconds{group="billing"})', 0)

    # The namespace is that of the resource, not of the operator that tells; and clusters have their names.
    prometheus.wait_value('millrace_resource_ready{kind="Topic",namespace="metrics",name="orders"}', 1)
    assert prometheus.value('sum(kafka_brokers{namespace="metrics",app_kubernetes_io_instance="main"})') == 1
    prometheus.wait_value('millrace_consumer_group_lagging{namespace="metrics",name="billing",cluster="main"}', 0)

    # What the operator shows of its topics and groups is what brokers show of theirs.
    size = 'sum(kafka_log_log_size{topic="orders"})'
    same = lambda: prometheus.value('millrace_topic_size_bytes{name="orders"}') == prometheus.value(size) > 0
    until(lambda: f"the sizes agree: {prometheus.query(size)}", same, 60, 0.5)
    assert shop.get("topic orders")["status"]["sizeBytes"] == prometheus.value(size)
    for series in [
        'millrace_topic_records_in_per_second{name="orders"}', 'millrace_topic_bytes_in_per_second{name="orders"}',
        'millrace_topic_bytes_out_per_second{name="orders"}', 'millrace_consumer_group_lag_seconds{name="billing"}',
        'millrace_consumer_group_members{name="billing"}', 'millrace_consumer_group_records_per_second{name="billing"}',
    ]:  # fmt: skip
        until(f"there is {series}", lambda series=series: good(prometheus.query(series)), 30, 0.5)

    asked = [filled(query) for _, query in queries()] + ASKED_ELSEWHERE
    without = lambda: [query for query in asked if not good(prometheus.query(query))]
    until(lambda: f"every query of the boards has data; none have {without()}", lambda: not without(), 30, 1)
    assert prometheus.value('sum(kafka_topic_partition_replicas{topic="orders"})') == 4


TWO_AGES = """
import os, sys, time
from kafka import KafkaProducer
producer = KafkaProducer(bootstrap_servers=sys.argv[1], linger_ms=1000)
ages = [int(age) for age in sys.argv[3:]]
sent = [producer.send(sys.argv[2], b"x", partition=0, timestamp_ms=int((time.time() - age) * 1000)) for age in ages]
producer.flush()
print([one.get(10).offset for one in sent])
"""


def test_lag_in_seconds_is_the_age_of_the_next_record(shop, prometheus):
    """Not that of another one of its batch."""
    shop.apply(topic("aged", partitions=1))
    shop.apply(group("elders", topics=["aged"]))
    shop.wait_ready("topic/aged")
    script = shlex.join([python_of("kafka-python-2"), "-c", TWO_AGES, shop.bootstrap, "aged", "2000", "500", "100"])
    assert shop.shell.run(script).strip() == "[0, 1, 2]"
    began = time.monotonic()
    shop.tool("kafka-consumer-groups --reset-offsets --group elders --topic aged:0 --to-offset 1 --execute")
    # It is asked about every few seconds, and a status shows what moved by a tenth.
    close = lambda value: value is not None and 500 <= value <= 500 + (time.monotonic() - began) + 60
    for query in [
        'kafka_consumergroup_group_lag_seconds{group="elders",topic="aged",partition="0"}',
        'kafka_consumergroup_group_max_lag_seconds{group="elders"}', 'millrace_consumer_group_lag_seconds{name="elders"}',
    ]:  # fmt: skip
        until(lambda query=query: f"{query}: {prometheus.query(query)}", lambda query=query: close(prometheus.value(query)), 30, 0.5)
    shop.wait_for("consumergroup elders", "is as old", lambda one: close(one["status"].get("lagSeconds")))
    assert shop.get("consumergroup elders")["status"]["lagRecords"] == 2


def good(samples):
    """Whether a panel shows something: NaN is nothing."""
    return any(value == value for _, value in samples)


def test_prometheus_takes_the_alerts(shell, rendered, tmp_path):
    document = next(part for part in re.split(r"^---$", rendered, flags=re.M) if "kind: PrometheusRule" in part)
    rules = document.split("\nspec:\n")[1]
    file = tmp_path / "rules.yaml"
    file.write_text("\n".join(line[2:] for line in rules.splitlines()) + "\n")
    checked = shell.run(f"promtool check rules {file}")
    assert f"SUCCESS: {rules.count('- alert: ')} rules found" in checked, checked
