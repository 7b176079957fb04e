"""The log app: sends log records as JSON to a topic, as many as it is told, and says when the broker has all of them.

    python3 /app/produce.py --count 1000 [--first 0] [--topic logss] [--rate 200]
"""

import argparse
import json
import os
import time

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--topic", default="logss")
    parser.add_argument("--first", type=int, default=0, help="the number of the first record")
    parser.add_argument("--count", type=int, default=0, help="how many records; 0 for no end")
    parser.add_argument("--rate", type=float, default=200, help="records a second")
    parser.add_argument("--age", type=float, default=0, help="how many seconds ago the records say that they were written")
    arguments = parser.parse_args()
    producer = KafkaProducer(
        bootstrap_servers=os.environ["BOOTSTRAP_SERVERS"],
        value_serializer=lambda value: json.dumps(value).encode(),
        acks="all",
        retries=20,
        metadata_max_age_ms=2000,
    )
    number, sent = arguments.first, 0
    waiting = []
    while arguments.count == 0 or sent < arguments.count:
        entry = {"number": number, "level": LEVELS[number % 4], "message": f"line {number}", "created": time.time()}
        written_ms = int((time.time() - arguments.age) * 1000)
        waiting.append((producer.send(arguments.topic, entry, key=str(number).encode(), timestamp_ms=written_ms), entry))
        number, sent = number + 1, sent + 1
        if len(waiting) >= 100:
            settle(producer, arguments.topic, waiting)
            print(f"sent {sent}")
        time.sleep(1 / arguments.rate)
    settle(producer, arguments.topic, waiting)
    producer.close()
    print(f"sent {sent}, all answered")


def settle(producer, topic, waiting):
    """Each was answered, or is sent once more: while a broker's pod is replaced this client gives up after 30 s."""
    while waiting:
        future, entry = waiting.pop()
        try:
            future.get(timeout=60)
        except KafkaTimeoutError:
            producer.send(topic, entry, key=str(entry["number"]).encode()).get(timeout=60)


main()
