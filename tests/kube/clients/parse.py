"""The parse group: reads log records with kafka-python, prints each as one line, commits what it printed.

    python3 /app/parse.py [--topic logss] [--group parse-logs] [--delay 0]
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
        max_poll_records=50,
    )
    while running:
        polled = consumer.poll(timeout_ms=500)
        for record in (record for records in polled.values() for record in records):
            entry = json.loads(record.value)
            time.sleep(arguments.delay)
            print(f"{record.partition}:{record.offset} {entry['level']} {entry['number']} {entry['message']}")
        if polled:
            consumer.commit()
    consumer.close(autocommit=False)
    print("ended")


main()
