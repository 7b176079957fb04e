"""Commits 1, 2, 3 ... for a group's partition until SIGTERM, through whatever happens to the broker.

    commit_until_told.py GROUP TOPIC        prints each number when it is committed
"""

import os
import signal
import sys
import threading

from confluent_kafka import Consumer, KafkaException, TopicPartition

group, topic = sys.argv[1:]
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
consumer = Consumer(
    {
        "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        "group.id": group,
        "enable.auto.commit": False,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 100,
        "retry.backoff.ms": 20,
    }
)
number = 1
while not stop.is_set():
    try:
        consumer.commit(offsets=[TopicPartition(topic, 0, number)], asynchronous=False)
    except KafkaException as error:
        # The broker is away, or was before it could answer: the same number once more.
        print(error, file=sys.stderr, flush=True)
        stop.wait(0.05)
        continue
    print(number, flush=True)
    number += 1
# Without close(), which a broker that is away would hold up.
sys.stdout.flush()
os._exit(0)
