"""Reads a topic from its start to its end. Prints "NUMBER PARTITION OFFSET" for each record.

    read_everything.py TOPIC PARTITIONS
"""

import os
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

topic, partitions = sys.argv[1], int(sys.argv[2])
consumer = Consumer(
    {
        "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        "group.id": "unused",
        "enable.partition.eof": True,
        "enable.auto.commit": False,
    }
)
consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
ended = set()
while len(ended) < partitions:
    for message in consumer.consume(1000, 10):
        if message.error() is None:
            print(message.value().decode(), message.partition(), message.offset())
        elif message.error().code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition())
        else:
            sys.exit(str(message.error()))
consumer.close()
