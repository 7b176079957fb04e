"""Sends numbers with an idempotent producer until SIGTERM, through whatever happens to the broker.

    send_until_told.py TOPIC COMPACTED

prints "NUMBER PARTITION OFFSET" for each acknowledged record of TOPIC, "sent COUNT" at its end. COMPACTED gets each number
under one of 16 keys.
"""

import os
import signal
import sys
import threading

from confluent_kafka import Producer

topic, compacted = sys.argv[1:]
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())


def delivered(error, message):
    if error is not None:
        sys.exit(f"{message.value().decode()}: {error}")
    if message.topic() == topic:
        print(message.value().decode(), message.partition(), message.offset())


def fatal(error):
    print(error, file=sys.stderr, flush=True)
    if error.fatal():
        sys.exit(f"fatal: {error}")


producer = Producer(
    {
        "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 2,
        # Small batches, so that there are many to lose.
        "batch.num.messages": 20,
        "max.in.flight.requests.per.connection": 5,
        "message.timeout.ms": 120_000,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 100,
        "retry.backoff.ms": 20,
        "error_cb": fatal,
    }
)
number = 0
while not stop.is_set():
    # All of a partition lie in it in the order in which they were sent.
    try:
        producer.produce(topic, str(number), key=f"key-{number % 16}", on_delivery=delivered)
        producer.produce(compacted, str(number), key=f"key-{number % 16}", on_delivery=delivered)
    except BufferError:
        # The broker has been away for long.
        producer.poll(0.1)
        continue
    number += 1
    if number % 20 == 0:
        producer.poll(0.005)
        sys.stdout.flush()
left = producer.flush(60)
print("sent", number)
sys.exit(f"{left} not delivered" if left else 0)
