"""Sends numbers as JSON to a topic, with callbacks, as the tutorials do. Prints a JSON line for each answer.

    send_numbers.py TOPIC 20 30                     twenty to thirty, then ends
    send_numbers.py TOPIC 0 --pace-ms 5             from zero until SIGTERM
"""

import argparse
import json
import os
import signal
import sys
import threading

from kafka import KafkaProducer

parser = argparse.ArgumentParser()
parser.add_argument("topic")
parser.add_argument("first", type=int)
parser.add_argument("last", type=int, nargs="?")
parser.add_argument("--partition", type=int)
parser.add_argument("--pace-ms", type=float, default=0)
arguments = parser.parse_args()

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
errors = []


def on_success(number):
    def sent(metadata):
        answer = {"number": number, "topic": metadata.topic, "partition": metadata.partition, "offset": metadata.offset}
        print(json.dumps(answer), flush=True)

    return sent


def on_error(number):
    def failed(error):
        errors.append(number)
        print(json.dumps({"number": number, "error": repr(error)}), flush=True)

    return failed


producer = KafkaProducer(
    bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    value_serializer=lambda value: json.dumps(value).encode("utf-8"),
    metadata_max_age_ms=1000,
)
number = arguments.first
while not stop.is_set() and (arguments.last is None or number <= arguments.last):
    sending = producer.send(arguments.topic, {"number": number}, partition=arguments.partition)
    sending.add_callback(on_success(number))
    sending.add_errback(on_error(number))
    number += 1
    if arguments.pace_ms:
        stop.wait(arguments.pace_ms / 1000)
producer.flush()
producer.close()
sys.exit(1 if errors else 0)
