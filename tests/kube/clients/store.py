"""The store group: reads log records with confluent-kafka, keeps each as a row of a SQLite database, commits after the rows.

    python3 /app/store.py [--topic logss] [--group store-logs] [--database /data/logs.db]
    python3 /app/store.py --count                  how many rows there are, and how many different numbers
"""

import argparse
import json
import os
import signal
import sqlite3
import sys

from confluent_kafka import Consumer, KafkaException


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--topic", default="logss")
    parser.add_argument("--group", default="store-logs")
    parser.add_argument("--database", default="/data/logs.db")
    parser.add_argument("--count", action="store_true")
    arguments = parser.parse_args()
    database = sqlite3.connect(arguments.database)
    database.execute("CREATE TABLE IF NOT EXISTS log (partition, offset, number, level, message, PRIMARY KEY (partition, offset))")
    if arguments.count:
        print(*database.execute("SELECT count(*), count(DISTINCT number) FROM log").fetchone())
        return
    read(arguments, database)


def read(arguments, database):
    """Until told to stop."""
    running = [True]
    for number in [signal.SIGTERM, signal.SIGINT]:
        signal.signal(number, lambda *_: running.clear())
    consumer = Consumer({
        "bootstrap.servers": os.environ["BOOTSTRAP_SERVERS"],
        "group.id": arguments.group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": 6000,
        "topic.metadata.refresh.interval.ms": 2000,
    })
    consumer.subscribe([arguments.topic])
    while running:
        records = consumer.consume(200, timeout=0.5)
        rows = [row(record) for record in records if not failed(record)]
        if rows:
            # Rows first, offsets after: what is delivered again has the same key.
            with database:
                database.executemany("INSERT OR IGNORE INTO log VALUES (?, ?, ?, ?, ?)", rows)
            print(f"stored {len(rows)}")
            commit(consumer)
    consumer.close()
    print("ended")


def commit(consumer):
    """What cannot be committed while the broker is away is delivered again, and its rows are there already."""
    try:
        consumer.commit(asynchronous=False)
    except KafkaException as error:
        print(f"not committed: {error}", file=sys.stderr)


def failed(record):
    """What a client says about the topic or the broker goes away by itself, or ends this program."""
    if record.error() is None:
        return False
    if not record.error().retriable() and record.error().fatal():
        raise KafkaException(record.error())
    print(record.error(), file=sys.stderr)
    return True


def row(record):
    entry = json.loads(record.value())
    return record.partition(), record.offset(), entry["number"], entry["level"], entry["message"]


main()
