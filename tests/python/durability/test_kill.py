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
COMPACTED = "killed-compacted"
GROUP = "killed-group"
KEYS = 16
# Compaction is at work all the time.
BUSY_CLEANER = {"log.cleaner.backoff.ms": 100}
TOPICS = {
    TOPIC: {"segment.bytes": 1048576},
    COMPACTED: {"cleanup.policy": "compact", "segment.ms": 300, "min.cleanable.dirty.ratio": 0.01},
}
SCRIPTS = TESTS / "python" / "durability" / "scripts"


class Sender:
    """The producing program, and what was acknowledged so far."""

    def __init__(self, broker, directory):
        self.out = directory / "sender.out"
        self.program = Process(
            [python_of("confluent-kafka"), SCRIPTS / "send_until_told.py", TOPIC, COMPACTED],
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


class Committer:
    """The committing program, and what was committed so far."""

    def __init__(self, broker, directory):
        self.out = directory / "committer.out"
        self.program = Process(
            [python_of("confluent-kafka"), SCRIPTS / "commit_until_told.py", GROUP, TOPIC],
            directory / "committer.err",
            env={"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap},
            stdout=open(self.out, "wb"),
        )

    def committed(self):
        """The last number that was acknowledged; 0 before the first."""
        return int(([0] + self.out.read_text().split("\n")[:-1])[-1])


def python(program, broker):
    """Runs a few lines with confluent-kafka; returns what they print."""
    done = subprocess.run(
        [python_of("confluent-kafka"), "-c", program],
        env={"B": broker.bootstrap}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def create_topics(broker):
    make = "import os; from confluent_kafka.admin import AdminClient, NewTopic\n"
    make += "admin = AdminClient({'bootstrap.servers': os.environ['B']})\n"
    for name, config in TOPICS.items():
        config = {key: str(value) for key, value in config.items()}
        make += f"admin.create_topics([NewTopic('{name}', {PARTITIONS}, 1, config={config})])['{name}'].result(30)\n"
    python(make, broker)


def committed(broker):
    """The group's offset, as the broker says."""
    ask = "import os; from confluent_kafka import Consumer, TopicPartition\n"
    ask += f"consumer = Consumer({{'bootstrap.servers': os.environ['B'], 'group.id': '{GROUP}'}})\n"
    ask += f"print(consumer.committed([TopicPartition('{TOPIC}', 0)], 30)[0].offset)\n"
    return int(python(ask, broker))


def read_everything(broker, topic):
    """Every record of a topic as (number, partition, offset), in the order of each partition."""
    done = subprocess.run(
        [python_of("confluent-kafka"), SCRIPTS / "read_everything.py", topic, str(PARTITIONS)],
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
    broker = new_broker("kill", **BUSY_CLEANER).start()
    create_topics(broker)
    sender, committer = Sender(broker, tmp_path), Committer(broker, tmp_path)
    try:
        # The oracle takes seconds for each start.
        for _ in range(ROUNDS if broker_kind == "millrace" else 3):
            sender.wait_for_more(moments.randrange(100, 800))
            broker.kill()
            broker.start()
        sender.wait_for_more(100)
        until(committer.program.log_tail, lambda: committer.committed() > 0, 30)
        acknowledged, sent = sender.finish()
        assert committer.program.terminate(30) == 0, committer.program.log_tail()
    finally:
        sender.program.kill()
        committer.program.kill()
    # Once more, with nobody writing: what is read comes from recovered logs alone.
    broker.kill()
    broker.start()
    read, newest = read_everything(broker, TOPIC), read_everything(broker, COMPACTED)
    offset = committed(broker)
    broker.stop()

    lost = set(acknowledged) - set(read)
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged records are not where they were: {sorted(lost)[:10]}"
    assert sorted(number for number, _, _ in read) == list(range(sent)), "each number once"
    for partition in range(PARTITIONS):
        mine = [(number, offset) for number, its_partition, offset in read if its_partition == partition]
        assert [offset for _, offset in mine] == list(range(len(mine))), "no gap in the offsets"
        assert [number for number, _ in mine] == sorted(number for number, _ in mine), f"order in partition {partition}"
    # Of each key the last number is there, in its order; some of those before it are gone.
    assert [max(number for number, _, _ in newest if number % KEYS == key) for key in range(KEYS)] == [
        max(range(key, sent, KEYS)) for key in range(KEYS)
    ]
    for key in range(KEYS):
        numbers = [number for number, _, _ in newest if number % KEYS == key]
        assert numbers == sorted(set(numbers)), f"order and doubles of key {key}"
    assert len(newest) < sent / 2, f"{len(newest)} of {sent} are left: nothing was compacted"
    # A commit whose answer was lost may be there.
    assert offset in (committer.committed(), committer.committed() + 1)
    print(f"{sent} sent, {len(acknowledged)} acknowledged, {len(newest)} left of the compacted, {offset} commits, {ROUNDS} kills")
