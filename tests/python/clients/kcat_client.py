"""kcat in the matrix: the program itself, driven through its standard input and output.

kcat has no admin calls: its topics are made by the first record (one partition) or, where a scenario needs more, by the
admin client of confluent-kafka, in whose environment this script runs.
"""

import json
import os
import queue
import subprocess
import threading

import scenarios
from confluent_kafka.admin import AdminClient, NewTopic
from scenarios import equal, until

BOOTSTRAP = os.environ["MATRIX_BOOTSTRAP"]
BASE = ["kcat", "-b", BOOTSTRAP]
QUICK = ["-X", "heartbeat.interval.ms=500", "-X", "session.timeout.ms=10000", "-X", "fetch.wait.max.ms=100"]


def kcat(*arguments, stdin=b""):
    """Runs kcat to its end; returns its standard output."""
    done = subprocess.run([*BASE, *arguments], input=stdin, capture_output=True, timeout=scenarios.DEADLINE_S)
    assert done.returncode == 0, f"kcat {arguments}: {done.stderr.decode()}"
    return done.stdout


class Producer:
    """kcat -P with an open standard input. kcat gives all records of a run the same headers."""

    def __init__(self, codec, idempotent):
        self._settings = ["-z", codec, "-X", "linger.ms=20", "-X", "retry.backoff.ms=100"]
        if idempotent:
            self._settings += ["-X", "enable.idempotence=true"]
        else:
            self._settings += ["-X", "max.in.flight.requests.per.connection=1"]
        self._child = None

    def send(self, topic, value, key=b"", timestamp_ms=None, headers=()):
        if self._child is None:
            # -E: a broker that is away for a moment is no reason to end; -K: key and value are parted by a tab.
            argv = [*BASE, "-E", "-P", "-t", topic, "-K", "\t", "-H", "from=kcat", *self._settings]
            self._child = subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self._child.stdin.write(key + b"\t" + value + b"\n")
        self._child.stdin.flush()

    def flush(self):
        """kcat ends at the end of its input, once everything is delivered, with 0; or with 1 when something was not."""
        _out, err = self._child.communicate(timeout=scenarios.DEADLINE_S)
        equal((self._child.returncode, b"Delivery failed" in err), (0, False), f"exit code; {err.decode()}")
        self._child = None

    def close(self):
        """Nothing is left after a flush."""


class Consumer:
    """kcat -C or -G whose output lines a thread collects."""

    def __init__(self, group, topics, assign):
        if group:
            argv = [*BASE, *QUICK, "-E", "-J", "-u", "-X", "auto.offset.reset=earliest", "-X", "auto.commit.interval.ms=200"]
            argv += ["-G", group, *topics]
        else:
            (topic,) = {topic for topic, _ in assign}
            argv = [*BASE, *QUICK, "-J", "-u", "-C", "-t", topic, "-o", "beginning"]
        self._lines = queue.Queue()
        self._assignment = []
        self._errors = []
        self._child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._collect, daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()

    def _collect(self):
        for line in self._child.stdout:
            self._lines.put(line)

    def _watch(self):
        """Follows "% Group G rebalanced (memberid ...): assigned: TOPIC [0], TOPIC [1]" and "... revoked: ..."."""
        for line in self._child.stderr:
            self._errors.append(line)
            if "rebalanced" in line:
                listed = line.partition("assigned: ")[2]
                self._assignment = [int(part.split("[")[1].split("]")[0]) for part in listed.split(",") if "[" in part]

    def poll(self, seconds):
        records = []
        try:
            records.append(self._lines.get(timeout=seconds))
            while True:
                records.append(self._lines.get_nowait())
        except queue.Empty:
            pass
        assert self._child.poll() is None, f"kcat ended: {''.join(self._errors)}"
        return [self._record(json.loads(line)) for line in records]

    @staticmethod
    def _record(entry):
        headers = entry.get("headers") or []
        pairs = tuple((headers[i], headers[i + 1].encode()) for i in range(0, len(headers), 2))
        key, value = entry["key"], entry["payload"]
        return scenarios.Record(
            entry["partition"], entry["offset"], key and key.encode(), value.encode(), entry["ts"], pairs
        )

    def assignment(self):
        return self._assignment

    def commit(self):
        """kcat commits by itself, and once more when it ends."""

    def close(self):
        self._child.terminate()
        self._child.wait(scenarios.DEADLINE_S)


class Client:
    name = "kcat"
    version = subprocess.run(["kcat", "-V"], capture_output=True, text=True).stdout.split("Version ")[1].split(" (")[0]
    codecs = scenarios.CODECS
    idempotent = True

    def __init__(self):
        self._admin = AdminClient({"bootstrap.servers": BOOTSTRAP})

    def create_topic(self, name, partitions, configs=None):
        created = self._admin.create_topics([NewTopic(name, partitions, 1, config=configs or {})])
        created[name].result(scenarios.DEADLINE_S)

    def producer(self, codec="none", idempotent=False):
        return Producer(codec, idempotent)

    def consumer(self, group=None, topics=None, assign=None):
        return Consumer(group, topics, assign)

    def metadata(self, topic):
        return json.loads(kcat("-L", "-J", "-t", topic))["topics"][0]

    def scenario_create_topic(self):
        kcat("-P", "-t", "created", stdin=b"first\n")
        equal(len(self.metadata("created")["partitions"]), 1, "partitions")
        equal(kcat("-C", "-t", "created", "-o", "beginning", "-e", "-q"), b"first\n", "what was written")
        return "made by the first record"

    def scenario_commit_resume(self):
        """-c ends kcat after so many records; what it has printed is then committed."""
        self.create_topic("commit", 1)
        scenarios.produce(self, "commit", 0, 100)
        group = [*QUICK, "-q", "-X", "auto.offset.reset=earliest", "-f", "%s\n", "-G", "committing"]
        numbers = [int(line[:6]) for count in (40, 60) for line in kcat("-c", str(count), *group, "commit").splitlines()]
        equal(numbers, list(range(100)), "numbers over two runs")
        return "40 in one run, the other 60 in the next"

    def scenario_seek_by_timestamp(self):
        """kcat cannot set timestamps: three runs make three times, which are read back and then sought."""
        self.create_topic("timestamps", 1)
        for first in (0, 10, 20):
            scenarios.produce(self, "timestamps", first, 10)
            # The next run's clock must be past this one's.
            until("the clock moved on", lambda t=self._clock(): self._clock() > t + 1)
        printed = kcat("-C", "-t", "timestamps", "-o", "beginning", "-e", "-q", "-f", "%T %s\n").splitlines()
        times = [int(line.split()[0]) for line in printed]
        equal(len(times), 30, "records")
        found = kcat("-Q", "-t", f"timestamps:0:{times[9] + 1}").split()
        equal(int(found[-1]), 10, "offset of the first record after the tenth's time")
        rest = kcat("-C", "-t", "timestamps", "-o", f"s@{times[9] + 1}", "-e", "-q", "-f", "%s\n").splitlines()
        equal([int(line[:6]) for line in rest], list(range(10, 30)), "read from there")
        return "queried (-Q) and read from a time (s@)"

    @staticmethod
    def _clock():
        return int(scenarios.time.time() * 1000)

    def admin_list_topics(self):
        names = {topic["topic"] for topic in json.loads(kcat("-L", "-J"))["topics"]}
        assert {"created", "codec-gzip", "rebalance"} <= names, names
        return f"{len(names)} topics"

    def admin_describe_topic(self):
        partitions = self.metadata("rebalance")["partitions"]
        equal([(each["partition"], len(each["isrs"])) for each in partitions], [(n, 1) for n in range(4)], "partitions")
        return "4 partitions with leader and replicas"


def produce_codec(client, codec):
    """As the shared scenario, with the one header that kcat gives to all records of a run."""
    topic = f"codec-{codec}"
    client.create_topic(topic, 2)
    scenarios.produce(client, topic, 0, scenarios.CODEC_RECORDS, codec=codec)
    consumer = client.consumer(assign=[(topic, 0), (topic, 1)])
    records = scenarios.read(consumer, scenarios.CODEC_RECORDS)
    consumer.close()
    for record in records:
        n = scenarios.number_of(record)
        seen = (record.key, record.value, record.headers)
        equal(seen, (f"key-{n % 7}".encode(), scenarios.value_of(n), (("from", b"kcat"),)), "record")
    for partition in (0, 1):
        mine = [scenarios.number_of(record) for record in records if record.partition == partition]
        equal(mine, sorted(mine), f"order in partition {partition}")
    equal(sorted(scenarios.number_of(record) for record in records), list(range(scenarios.CODEC_RECORDS)), "numbers")
    return f"{scenarios.CODEC_RECORDS} records back, keys and headers too"


scenarios.produce_codec = produce_codec
scenarios.run(Client())
