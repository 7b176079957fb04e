"""Fills topic `files` with every codec, over several segments, and commits an offset for group `files-readers`."""

import os
import random

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

bootstrap = {"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
topic = NewTopic("files", 2, 1, config={"segment.bytes": "1048576", "index.interval.bytes": "4096"})
admin = AdminClient(bootstrap)
admin.create_topics([topic])["files"].result(30)

for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
    producer = Producer({**bootstrap, "compression.type": codec, "enable.idempotence": True, "batch.num.messages": 50})
    for number in range(4000):
        # What cannot be compressed fills segments, what can be shows the codec.
        value = random.randbytes(200) + bytes(100)
        producer.produce("files", value, key=str(number), headers={"codec": codec})
        producer.poll(0)
    assert producer.flush(60) == 0

settings = {"group.id": "files-readers", "auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer({**bootstrap, **settings})
consumer.subscribe(["files"])
seen = 0
while seen < 100:
    messages = consumer.consume(100, 30)
    assert messages and not any(message.error() for message in messages), messages
    seen += len(messages)
consumer.commit(offsets=[TopicPartition("files", 0, 42, "a note")], asynchronous=False)
consumer.close()
