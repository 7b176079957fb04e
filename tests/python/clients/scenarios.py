"""What every client of the matrix is put through, for the clients that Python can drive.

A client is an adapter: a class with the methods that `Client` and `Consumer` below name, written with the client's own
calls and nothing else. `run(adapter)` prints one JSON line for each capability:

    {"client": "aiokafka", "version": "0.14.0", "capability": "produce:gzip", "ok": true, "detail": "200 records"}

`ok` is null where the client has no such call. When the broker must be restarted a line {"request": "restart-broker"}
goes out, and "done" is read from standard input before the script goes on. tests/README.md describes the protocol.
"""

import collections
import contextlib
import json
import sys
import threading
import time
import traceback

Record = collections.namedtuple("Record", "partition offset key value timestamp_ms headers", defaults=(None, None, ()))

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
CODEC_RECORDS = 200
FIRST_TIMESTAMP_MS = int(time.time() - 3600) * 1000
DEADLINE_S = 60.0


class Cannot(Exception):
    """The client has no call for this."""


def until(what, condition, deadline_s=DEADLINE_S):
    """Calls `condition()` until it returns something true, and returns that."""
    end = time.monotonic() + deadline_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_s:g} s until {what() if callable(what) else what}")
        time.sleep(0.02)


def equal(got, expected, what):
    assert got == expected, f"{what}: got {str(got)[:300]}, expected {str(expected)[:300]}"


def request(name):
    """Asks the harness for something, and waits until it is done."""
    print(json.dumps({"request": name}), flush=True)
    answer = sys.stdin.readline().strip()
    assert answer == "done", f"{name}: harness answered {answer!r}"


def value_of(n):
    """A value that says which it is, long and repetitive enough for a codec to have something to do."""
    return f"{n:06} {'the quick brown fox jumps over the lazy dog ' * 4}".encode()


def number_of(record):
    return int(record.value[:6])


def read(consumer, count, deadline_s=DEADLINE_S):
    """Polls until `count` records came; more than `count` is an error of the caller's to find."""
    records = []
    until(
        lambda: f"{count} records were read, have {len(records)}",
        lambda: records.extend(consumer.poll(0.2)) or len(records) >= count,
        deadline_s,
    )
    return records


class Member(threading.Thread):
    """A group member in a thread of its own that reads, commits after each batch, and keeps what it read."""

    def __init__(self, client, group, topic):
        super().__init__(daemon=True)
        self.records = []
        self.shares = []
        self.failure = None
        self._leave = threading.Event()
        self._open = lambda: client.consumer(group=group, topics=[topic])
        self.start()

    def run(self):
        try:
            consumer = self._open()
            while not self._leave.is_set():
                batch = consumer.poll(0.2)
                self.shares = sorted(consumer.assignment())
                if batch:
                    self.records.extend(batch)
                    consumer.commit()
            consumer.close()
        except BaseException:
            self.failure = traceback.format_exc()

    def leave(self):
        self._leave.set()
        self.join(DEADLINE_S)
        assert not self.is_alive(), "a member did not leave"
        self.check()

    def check(self):
        assert self.failure is None, self.failure


def shared(members, partitions):
    """True when the members have all partitions between them and each has some."""
    for member in members:
        member.check()
    together = sorted(partition for member in members for partition in member.shares)
    return all(member.shares for member in members) and together == list(range(partitions))


@contextlib.contextmanager
def live_group(client, group, topic, partitions):
    """A group with one member that has all partitions of `topic`, for as long as the block takes."""
    member = Member(client, group, topic)
    try:
        until("the member has all", lambda: shared([member], partitions))
        yield
    finally:
        member.leave()


def numbers(members):
    for member in members:
        member.check()
    return sorted(number_of(record) for member in members for record in list(member.records))


def produce(client, topic, first, count, **settings):
    producer = client.producer(**settings)
    for n in range(first, first + count):
        producer.send(topic, value_of(n), key=f"key-{n % 7}".encode())
    producer.flush()
    producer.close()


# The scenarios. Each returns what it saw, as the detail of its capability.


def create_topic(client):
    client.create_topic("created", 3, {"max.message.bytes": "200000"})
    until("the topic has 3 partitions", lambda: client.partition_count("created") == 3)
    client.create_again_fails("created")
    return "3 partitions, a second create is refused"


def produce_codec(client, codec):
    if codec not in client.codecs:
        raise Cannot("the client has no such codec")
    topic = f"codec-{codec}"
    client.create_topic(topic, 2)
    producer = client.producer(codec=codec)
    for n in range(CODEC_RECORDS):
        producer.send(topic, value_of(n), key=f"key-{n % 7}".encode(), headers=[("n", str(n).encode())])
    producer.flush()
    producer.close()
    consumer = client.consumer(assign=[(topic, 0), (topic, 1)])
    records = read(consumer, CODEC_RECORDS)
    consumer.close()
    equal(sorted(number_of(record) for record in records), list(range(CODEC_RECORDS)), "numbers")
    for partition in (0, 1):
        mine = [record for record in records if record.partition == partition]
        equal([record.offset for record in mine], list(range(len(mine))), f"offsets of partition {partition}")
        equal([number_of(record) for record in mine], sorted(number_of(record) for record in mine), "order")
    for record in records:
        n = number_of(record)
        equal(record.value, value_of(n), "value")
        equal(record.key, f"key-{n % 7}".encode(), "key")
        equal(list(record.headers), [("n", str(n).encode())], "headers")
    return f"{CODEC_RECORDS} records back, keys and headers too"


def idempotent(client):
    if not client.idempotent:
        raise Cannot("the client has no idempotent producer")
    client.create_topic("idempotent", 1)
    produce(client, "idempotent", 0, 300, idempotent=True)
    consumer = client.consumer(assign=[("idempotent", 0)])
    records = read(consumer, 300)
    consumer.close()
    equal([number_of(record) for record in records], list(range(300)), "numbers in order")
    return "300 records in order"


def group_rebalance(client):
    topic, partitions = "rebalance", 4
    client.create_topic(topic, partitions)
    first = Member(client, "rebalancing", topic)
    until("one member has all", lambda: shared([first], partitions))
    produce(client, topic, 0, 100)
    until("one member read all", lambda: len(numbers([first])) >= 100)
    second = Member(client, "rebalancing", topic)
    both = [first, second]
    until(lambda: f"two members share: {[m.shares for m in both]}", lambda: shared(both, partitions))
    produce(client, topic, 100, 100)
    until("two members read all", lambda: len(numbers(both)) >= 200)
    assert second.records, "the second member read nothing"
    second.leave()
    until("one member has all again", lambda: shared([first], partitions))
    produce(client, topic, 200, 100)
    until("the member that stayed read the rest", lambda: len(numbers(both)) >= 300)
    first.leave()
    equal(numbers(both), list(range(300)), "each number once")
    return "4, 2+2, 4 partitions; 300 records, none twice"


def broker_restart(client):
    """The producer goes on through the restart, and the member that was there before reads everything."""
    topic = "restart"
    client.create_topic(topic, 2)
    member = Member(client, "restarting", topic)
    until("the member has both", lambda: shared([member], 2))
    producer = client.producer(idempotent=client.idempotent)
    stop, sent, failure = threading.Event(), [], []

    def send():
        try:
            while not stop.is_set():
                producer.send(topic, value_of(len(sent)), key=f"key-{len(sent) % 7}".encode())
                sent.append(len(sent))
                stop.wait(0.02)
            producer.flush()
            producer.close()
        except BaseException:
            failure.append(traceback.format_exc())

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    until("records came before the restart", lambda: len(numbers([member])) >= 20)
    request("restart-broker")
    after = len(sent)
    until("sent on after the restart", lambda: failure or len(sent) >= after + 20)
    stop.set()
    sender.join(DEADLINE_S)
    assert not failure, failure[0]
    assert not sender.is_alive(), "the producer hangs"
    until(lambda: f"{len(sent)} came: {len(set(numbers([member])))}", lambda: len(set(numbers([member]))) >= len(sent))
    member.leave()
    equal(sorted(set(numbers([member]))), list(range(len(sent))), "numbers")
    written = {(record.partition, record.offset): number_of(record) for record in member.records}
    if client.idempotent:
        equal(sorted(written.values()), list(range(len(sent))), "each number written once")
    for partition in (0, 1):
        firsts = list(dict.fromkeys(n for (p, _), n in sorted(written.items()) if p == partition))
        equal(firsts, sorted(firsts), f"order in partition {partition}")
    return "nothing lost, in order" + (", nothing twice" if client.idempotent else "")


def commit_resume(client):
    topic, group = "commit", "committing"
    client.create_topic(topic, 1)
    produce(client, topic, 0, 100)
    consumer = client.consumer(group=group, topics=[topic])
    records = read(consumer, 1)
    equal([number_of(record) for record in records], list(range(len(records))), "from the start")
    consumer.commit_at(topic, 0, 40, "forty")
    equal(consumer.committed(topic, 0), (40, "forty"), "committed offset and metadata")
    consumer.close()
    consumer = client.consumer(group=group, topics=[topic])
    records = read(consumer, 60)
    equal([number_of(record) for record in records], list(range(40, 100)), "resumed")
    consumer.close()
    return "resumed at the committed 40, metadata kept"


def seek_by_timestamp(client):
    topic = "timestamps"
    client.create_topic(topic, 1)
    producer = client.producer()
    for n in range(100):
        producer.send(topic, value_of(n), timestamp_ms=FIRST_TIMESTAMP_MS + n * 1000)
    producer.flush()
    producer.close()
    consumer = client.consumer(assign=[(topic, 0)])
    offset = consumer.offset_for_time(topic, 0, FIRST_TIMESTAMP_MS + 36_500)
    equal(offset, 37, "first offset at or after the time")
    equal(consumer.offset_for_time(topic, 0, FIRST_TIMESTAMP_MS + 37_000), 37, "offset of the exact time")
    equal(consumer.offset_for_time(topic, 0, FIRST_TIMESTAMP_MS + 1_000_000), None, "offset after the last")
    consumer.seek(topic, 0, offset)
    records = read(consumer, 63)
    equal([number_of(record) for record in records], list(range(37, 100)), "read from there")
    equal(records[0].timestamp_ms, FIRST_TIMESTAMP_MS + 37_000, "timestamp")
    consumer.close()
    return "found 37 of 100, read on from there"


def capabilities(client):
    """The capabilities in order, as (name, function)."""
    yield "create-topic", create_topic
    for codec in CODECS:
        yield f"produce:{codec}", lambda client, codec=codec: produce_codec(client, codec)
    yield "idempotent", idempotent
    yield "commit-resume", commit_resume
    yield "seek-by-timestamp", seek_by_timestamp
    yield "group-rebalance", group_rebalance
    for name in dir(client):
        if name.startswith("admin_"):
            yield "admin:" + name.removeprefix("admin_").replace("_", "-"), lambda client, name=name: getattr(client, name)()
    yield "broker-restart", broker_restart


def run(client):
    """Puts `client` through everything; exits with 1 when something failed."""
    failed = False
    for name, scenario in capabilities(client):
        started = time.monotonic()
        try:
            ok, detail = True, getattr(client, "scenario_" + name.replace("-", "_"), lambda: scenario(client))()
        except Cannot as reason:
            ok, detail = None, str(reason)
        except BaseException:
            ok, detail, failed = False, traceback.format_exc(), True
        line = {"client": client.name, "version": client.version, "capability": name, "ok": ok, "detail": detail}
        print(json.dumps({**line, "seconds": round(time.monotonic() - started, 1)}), flush=True)
    sys.exit(1 if failed else 0)
