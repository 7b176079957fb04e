"""The store group: reads log records with confluent-kafka, keeps each as a row in MySQL or MariaDB, commits after the rows.

    python3 /app/store.py [--topic logss] [--group store-logs]
    python3 /app/store.py --count                  how many rows there are, and how many different numbers
"""

import argparse
import json
import os
import signal
import sys

import pymysql
from confluent_kafka import Consumer, KafkaException

TABLE = """
CREATE TABLE IF NOT EXISTS log (
    `partition` INT, `offset` BIGINT, number BIGINT, level VARCHAR(10), message TEXT, PRIMARY KEY (`partition`, `offset`)
)
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--topic", default="logss")
    parser.add_argument("--group", default="store-logs")
    parser.add_argument("--count", action="store_true")
    arguments = parser.parse_args()
    setting = lambda name: os.environ[f"MYSQL_{name}"]
    database = pymysql.connect(
        host=setting("HOST"), port=int(setting("PORT")), database=setting("DATABASE"), user=setting("USER"),
        password=setting("PASSWORD"),
    )
    with database.cursor() as cursor:
        cursor.execute(TABLE)
    if arguments.count:
        with database.cursor() as cursor:
            cursor.execute("SELECT count(*), count(DISTINCT number) FROM log")
            print(*cursor.fetchone())
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
            with database.cursor() as cursor:
                cursor.executemany("INSERT IGNORE INTO log VALUES (%s, %s, %s, %s, %s)", rows)
            database.commit()
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
