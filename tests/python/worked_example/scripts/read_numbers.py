"""Reads a topic until SIGTERM. Prints a JSON line for each record, and one for each new assignment.

    read_numbers.py TOPIC --group readers           a member of a group, committing after each batch
    read_numbers.py TOPIC --partition 1             that partition alone, by manual assignment
"""

import argparse
import json
import os
import signal
import threading

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition

parser = argparse.ArgumentParser()
parser.add_argument("topic")
parser.add_argument("--group")
parser.add_argument("--partition", type=int)
arguments = parser.parse_args()

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())


class Listener(ConsumerRebalanceListener):
    def on_partitions_revoked(self, revoked):
        """Nothing to do: what was read is committed already."""

    def on_partitions_assigned(self, assigned):
        print(json.dumps({"assigned": sorted(partition.partition for partition in assigned)}), flush=True)


consumer = KafkaConsumer(
    bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    group_id=arguments.group,
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    value_deserializer=lambda value: json.loads(value.decode("utf-8")),
    metadata_max_age_ms=1000,
    heartbeat_interval_ms=500,
)
if arguments.partition is None:
    consumer.subscribe([arguments.topic], listener=Listener())
else:
    consumer.assign([TopicPartition(arguments.topic, arguments.partition)])

while not stop.is_set():
    # kafka-python 3.0.12 forgets an assignment that arrives between two polls, so they had better be few.
    batch = consumer.poll(timeout_ms=1000)
    for records in batch.values():
        for record in records:
            line = {"number": record.value["number"], "partition": record.partition, "offset": record.offset}
            print(json.dumps(line), flush=True)
    if batch and arguments.group:
        consumer.commit()
consumer.close(autocommit=False)
