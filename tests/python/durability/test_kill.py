"""kill -9 in the middle of producing, over and over: an idempotent producer loses nothing, doubles nothing, keeps order.

A crash of the process, not of the machine: what was written is in the page cache, as with Apache Kafka's defaults.
"""

import random
import subprocess

import pytest

from harness.places import TESTS, python_of, require
from harness.process import Process
from harness.waiting import until

ROUNDS = 20
PARTITIONS = 4
TOPIC = "killed"
SCRIPTS = TESTS / "python" / "durability" / "scripts"


class Sender:
    """The producing program, and what was acknowledged so far."""

    def __init__(self, broker, directory):
        self.out = directory / "sender.out"
        self.program = Process(
            [python_of("confluent-kafka"), SCRIPTS / "send_until_told.py", TOPIC],
            directory / "sender.err",
            env={"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap},
            stdout=open(self.out, "wb"),
        )

    def lines(self):
        return self.out.read_text().split("\n")[:-1]

    def wait_for_more(self, count):
        """Waits until `count` more records are acknowledged."""
        wanted = len(self.lines()) + count

        def came():
            assert self.program.exit_code() is None, self.program.log_tail()
            return len(self.lines()) >= wanted

        until(lambda: f"{wanted} acknowledged, have {len(self.lines())}\n{self.program.log_tail()}", came, 60, 0.01)

    def finish(self):
        """Lets it end; returns (acknowledged records, count of sent ones)."""
        assert self.program.terminate(90) == 0, self.program.log_tail()
        *acknowledged, last = self.lines()
        return [tuple(map(int, line.split())) for line in acknowledged], int(last.removeprefix("sent "))


def create_topic(broker):
    make = "import os, sys; from confluent_kafka.admin import AdminClient, NewTopic; "
    make += "a = AdminClient({'bootstrap.servers': os.environ['B']}); "
    make += f"a.create_topics([NewTopic('{TOPIC}', {PARTITIONS}, 1, config={{'segment.bytes': '1048576'}})])['{TOPIC}'].result(30)"
    subprocess.run([python_of("confluent-kafka"), "-c", make], check=True, timeout=60, env={"B": broker.bootstrap})


def read_everything(broker):
    """Every record of the topic as (number, partition, offset), in the order of each partition."""
    done = subprocess.run(
        [python_of("confluent-kafka"), SCRIPTS / "read_everything.py", TOPIC, str(PARTITIONS)],
        env={"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]


@pytest.mark.xdist_group("kill")
def test_kill_in_the_middle_of_producing(new_broker, broker_kind, tmp_path):
    require("confluent-kafka")
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    broker = new_broker("kill").start()
    create_topic(broker)
    sender = Sender(broker, tmp_path)
    try:
        # The oracle takes seconds for each start.
        for _ in range(ROUNDS if broker_kind == "millrace" else 3):
            sender.wait_for_more(moments.randrange(100, 800))
            broker.kill()
            broker.start()
        sender.wait_for_more(100)
        acknowledged, sent = sender.finish()
    finally:
        sender.program.kill()
    # Once more, with nobody writing: what is read comes from recovered logs alone.
    broker.kill()
    broker.start()
    read = read_everything(broker)
    broker.stop()

    lost = set(acknowledged) - set(read)
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged records are not where they were: {sorted(lost)[:10]}"
    assert sorted(number for number, _, _ in read) == list(range(sent)), "each number once"
    for partition in range(PARTITIONS):
        mine = [(number, offset) for number, its_partition, offset in read if its_partition == partition]
        assert [offset for _, offset in mine] == list(range(len(mine))), "no gap in the offsets"
        for key in range(16):
            numbers = [number for number, _ in mine if number % 16 == key]
            assert numbers == sorted(numbers), f"order of key {key} in partition {partition}"
    print(f"{sent} sent, {len(acknowledged)} acknowledged, {ROUNDS} kills")
