"""The parse group: reads log records with kafka-python, prints each as one line, commits what it printed.

    python3 /app/parse.py [--topic logss] [--group parse-logs] [--delay 0] [--count 0]
"""

import argparse
import json
import os
import signal
import time

from kafka import KafkaConsumer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--topic", default="logss")
    parser.add_argument("--group", default="parse-logs")
    parser.add_argument("--delay", type=float, default=0, help="seconds of work for each record")
    parser.add_argument("--count", type=int, default=0, help="end after so many records, all of them committed; 0 for no end")
    arguments = parser.parse_args()
    running = [True]
    for number in [signal.SIGTERM, signal.SIGINT]:
        signal.signal(number, lambda *_: running.clear())
    consumer = KafkaConsumer(
        arguments.topic,
        bootstrap_servers=os.environ["BOOTSTRAP_SERVERS"],
        group_id=arguments.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=500,
        metadata_max_age_ms=2000,
    )
    read = 0
    while running and (arguments.count == 0 or read < arguments.count):
        polled = consumer.poll(timeout_ms=500, max_records=min(50, arguments.count - read) if arguments.count else 50)
        for record in (record for records in polled.values() for record in records):
            entry = json.loads(record.value)
            time.sleep(arguments.delay)
            read += 1
            print(f"{record.partition}:{record.offset} {entry['level']} {entry['number']} {entry['message']}")
        if polled:
            consumer.commit()
    consumer.close(autocommit=False)
    print("ended")


main()
