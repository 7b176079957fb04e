"""The three questions that the benchmarks ask a broker themselves, since no tool is quick enough to time a start with.

Each takes a fresh connection. Knows the bytes of Metadata v4 and v1 and of Produce v3, nothing else.
"""

import struct

TOPIC = b"first"
# A record batch with one record of value "hi", timestamp 0, and its checksum.
BATCH = bytes.fromhex(
    "00000000000000000000003affffffff02acc6b06600000000000000000000000000000000000000000000"
    "ffffffffffffffffffffffffffff00000001100000000104686900"
)


def ask(connection, api, version, body):
    """One request; returns the response's body."""
    header = struct.pack(">hhih", api, version, 1, -1)
    connection.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
    length = struct.unpack(">i", receive(connection, 4))[0]
    return receive(connection, length)[4:]


def receive(connection, count):
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionError("closed in the middle of an answer")
        data += piece
    return bytes(data)


def text(value):
    return struct.pack(">h", len(value)) + value


def answers(connection):
    """The broker answers Metadata with itself."""
    return struct.unpack_from(">i", ask(connection, 3, 1, struct.pack(">i", 0)))[0] > 0


def produces(connection):
    """A topic comes into being by being asked for, and takes a record with acks=all."""
    ask(connection, 3, 4, struct.pack(">i", 1) + text(TOPIC) + b"\1")
    partition = struct.pack(">ii", 0, len(BATCH)) + BATCH
    body = struct.pack(">hhi", -1, -1, 10_000) + struct.pack(">i", 1) + text(TOPIC) + struct.pack(">i", 1) + partition
    answer = ask(connection, 0, 3, body)
    # One topic, its name, one partition, its index; then the error.
    return struct.unpack_from(">h", answer, 4 + 2 + len(TOPIC) + 4 + 4)[0] == 0


def led_partitions(connection, topic):
    """How many partitions of `topic` have a leader."""
    answer = ask(connection, 3, 1, struct.pack(">i", 1) + text(topic.encode()))
    at = 0

    def take(form):
        nonlocal at
        value = struct.unpack_from(form, answer, at)[0]
        at += struct.calcsize(form)
        return value

    def skip_text():
        nonlocal at
        length = take(">h")
        at += max(length, 0)

    for _ in range(take(">i")):
        take(">i")
        skip_text()
        take(">i")
        skip_text()
    take(">i")
    assert take(">i") == 1, "one topic"
    take(">h")
    skip_text()
    take(">b")
    led = 0
    for _ in range(take(">i")):
        error, _index, leader = take(">h"), take(">i"), take(">i")
        for _ in range(2):
            replicas = take(">i")
            at += 4 * replicas
        led += error == 0 and leader >= 0
    return led
