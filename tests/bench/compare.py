#!/usr/bin/env python3
"""Millrace beside Apache Kafka on this machine: the same load, the same CPUs, in turn.

Prints CPU microseconds a record in the broker (user and system, from the kernel's accounting), throughput, end-to-end
latency, resident memory, the time from start to the first acknowledged record, and the cost of many partitions, with
the ratio of the two. Absolute figures hold nowhere; the ratio of one run does.

    tests/bench/compare.py [--pairs N] [--records N] [--partitions N] [--only millrace] [--write-readme]

Wants `target/release/millrace` and, for the comparison, what `tests/setup` installs. The broker runs on CPU 0, the
generator (`kafka-producer-perf-test`, `kafka-consumer-perf-test` and `millrace perf end-to-end`, this project's for
both brokers; the last sends at times that do not depend on the answers) on CPU 1.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import wire

ROOT = Path(__file__).resolve().parents[2]
MILLRACE = ROOT / (os.environ.get("MILLRACE_BIN") or "target/release/millrace")
LIBS = Path(os.environ.get("MILLRACE_KAFKA_LIBS") or ROOT / "target/tests-cache/kafka-libs")
TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
BROKER_CPU, LOAD_CPU = ("0", "1") if (os.cpu_count() or 1) > 1 else ("0", "0")
STEP = 2000
END_TO_END_S = 20
STARTS = 3
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"

# name, record bytes, share of --records, records a second, properties of the producer
CASES = [
    ("1 KiB, acks=1, batch 16 KiB, linger 5 ms", 1024, 1.0, -1, ["acks=1", "batch.size=16384", "linger.ms=5"]),
    ("1 KiB, acks=all", 1024, 1.0, -1, ["acks=all", "batch.size=16384", "linger.ms=5"]),
    ("100 B, acks=1, batch 16 KiB", 100, 4.0, -1, ["acks=1", "batch.size=16384", "linger.ms=5"]),
    ("100 B at 50k/s, acks=all, linger 0", 100, 1.0, 50_000, ["acks=all", "linger.ms=0"]),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """A broker with a directory and a port of its own. `command` is how it is started."""

    def __init__(self, command, port, log):
        self.command, self.port, self.log = command, port, log
        self.bootstrap = f"127.0.0.1:{port}"
        self.start()

    def start(self):
        self.started = time.monotonic()
        pinned = ["taskset", "-c", BROKER_CPU, *self.command]
        self.process = subprocess.Popen(pinned, stdout=self.log, stderr=self.log)

    def wait_until(self, condition, seconds=600):
        """Calls `condition(connection)` until it holds; returns the milliseconds since the start."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise SystemExit(f"the broker ended with status {self.process.returncode}, see {self.log.name}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
                    if condition(connection):
                        return (time.monotonic() - self.started) * 1000
            except OSError:
                pass
            time.sleep(0.001)
        raise SystemExit("the broker does not get ready")

    def cpu_us(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * TICK_US

    def resident_mib(self):
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE_BYTES / 2**20

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_millrace(directory, log):
    port = free_port()
    overrides = [f"listeners=PLAINTEXT://127.0.0.1:{port}", f"log.dirs={directory}/data", "http.listen="]
    command = [str(MILLRACE), "serve"] + [word for override in overrides for word in ("--override", override)]
    return Broker(command, port, log)


def start_kafka(directory, log):
    port, controller = free_port(), free_port()
    properties = Path(directory) / "server.properties"
    properties.write_text(
        f"process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n"
        f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n"
        "controller.listener.names=CONTROLLER\n"
        f"log.dirs={directory}/data\noffsets.topic.replication.factor=1\ngroup.initial.rebalance.delay.ms=0\n"
    )
    # Kafka's own start script gives the broker a heap of 1 GiB.
    java = ["java", "-Xmx1G", "-Xms1G", "-cp", f"{LIBS}/*"]
    format_ = [*java, "kafka.tools.StorageTool", "format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", str(properties)]
    subprocess.run(format_, check=True, stdout=log, stderr=log)
    return Broker([*java, "kafka.Kafka", str(properties)], port, log)


def tool(name, *arguments):
    """One of our Kafka-named tools, on the generator's CPU."""
    # argv[0] picks the tool, as a link of that name would.
    script = 'name=$1 program=$2; shift 2; exec -a "$name" "$program" "$@"'
    command = ["taskset", "-c", LOAD_CPU, "bash", "-c", script, "-", name, str(MILLRACE), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout


def produce(broker, topic, count, size, rate, properties):
    tool(
        "kafka-producer-perf-test", "--topic", topic, "--num-records", str(count), "--record-size", str(size),
        "--throughput", str(rate), "--producer-props", f"bootstrap.servers={broker.bootstrap}", *properties,
    )  # fmt: skip


def consume(broker, topic, count):
    tool(
        "kafka-consumer-perf-test", "--bootstrap-server", broker.bootstrap, "--topic", topic,
        "--messages", str(count), "--timeout", "60000",
    )  # fmt: skip


def end_to_end(broker, topic, seconds):
    """Milliseconds from being due to being read, at 50,000 records a second: (median, 99th percentile)."""
    done = subprocess.run(
        ["taskset", "-c", LOAD_CPU, MILLRACE, "perf", "end-to-end", topic, "--rate", "50000", "--duration", f"{seconds}s",
         "--warmup", "100000", "--bootstrap-server", broker.bootstrap, "--output", "json"],
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"millrace perf end-to-end failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    latencies = json.loads(done.stdout)["end_to_end"]
    return latencies["p50_ms"], latencies["p99_ms"]


def create(broker, topic, partitions):
    """Creates a topic, in steps that a busy disk takes within the tools' timeout."""
    where = ["--bootstrap-server", broker.bootstrap, "--topic", topic]
    tool("kafka-topics", *where, "--create", "--partitions", str(min(partitions, STEP)), "--replication-factor", "1")
    for count in range(2 * STEP, partitions + STEP, STEP):
        tool("kafka-topics", *where, "--alter", "--partitions", str(min(count, partitions)))


def measure_load(broker, records):
    """Figures of a broker that has just been started."""
    broker.wait_until(wire.produces)
    figures = {"resident after start, MiB": broker.resident_mib()}
    create(broker, "load", 12)
    total = records
    produce(broker, "load", records, 1024, -1, ["acks=1"])
    for name, size, share, rate, properties in CASES:
        count = int(records * share)
        before, began = broker.cpu_us(), time.monotonic()
        produce(broker, "load", count, size, rate, properties)
        figures[f"produce {name}: CPU us a record"] = (broker.cpu_us() - before) / count
        if rate < 0:
            figures[f"produce {name}: records/s"] = count / (time.monotonic() - began)
        total += count
    consume(broker, "load", records)
    before, began = broker.cpu_us(), time.monotonic()
    consume(broker, "load", total)
    figures["consume all of it: CPU us a record"] = (broker.cpu_us() - before) / total
    figures["consume all of it: records/s"] = total / (time.monotonic() - began)
    create(broker, "latency", 12)
    median, p99 = end_to_end(broker, "latency", END_TO_END_S)
    figures["end to end at 50,000 records/s of 100 B, linger 5 ms, median, ms"] = median
    figures["end to end at 50,000 records/s of 100 B, linger 5 ms, 99th percentile, ms"] = p99
    figures["resident after that, MiB"] = broker.resident_mib()
    return figures


def measure_partitions(broker, count):
    broker.wait_until(wire.answers)
    create(broker, "wide", count)
    broker.wait_until(lambda connection: wire.led_partitions(connection, "wide") == count)
    figures = {f"resident with {count:,} partitions, MiB": broker.resident_mib()}
    broker.stop()
    broker.start()
    took = broker.wait_until(lambda connection: wire.led_partitions(connection, "wide") == count)
    figures[f"start with {count:,} partitions, ms"] = took
    return figures


def measure_starts(start):
    """Each in an empty directory. The first warms the page cache: a program that was just built is read from the disk."""
    took = []
    for _ in range(1 + STARTS):
        with tempfile.TemporaryDirectory(prefix="millrace-bench-") as directory, open(f"{directory}/log", "w") as log:
            broker = start(directory, log)
            try:
                took.append(broker.wait_until(wire.produces))
            finally:
                broker.stop()
    return {"start to first acknowledged record, ms": statistics.median(took[1:])}


def measure(start, arguments):
    figures = measure_starts(start)
    for part in [lambda b: measure_load(b, arguments.records), lambda b: measure_partitions(b, arguments.partitions)]:
        with tempfile.TemporaryDirectory(prefix="millrace-bench-") as directory, open(f"{directory}/log", "w") as log:
            broker = start(directory, log)
            try:
                figures.update(part(broker))
            finally:
                broker.stop()
    return figures


def machine():
    """What these figures were measured on, in one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())
    memory_gib = os.sysconf("SC_PHYS_PAGES") * PAGE_BYTES / 2**30
    return f"{os.cpu_count()} CPUs ({model.strip()}), {memory_gib:.0f} GiB, Linux {platform.release().split('-')[0]}"


def table(seen):
    rows = [["", *seen, *(["ratio"] if len(seen) > 1 else [])]]
    rows.append(["---"] * len(rows[0]))
    for figure in next(iter(seen.values()))[0]:
        medians = [statistics.median(run[figure] for run in runs) for runs in seen.values()]
        row = [figure, *(f"{median:,.0f}" if median >= 100 else f"{median:.2f}" for median in medians)]
        if len(medians) > 1:
            row.append(f"{medians[0] / medians[1]:.3f}" if medians[1] else "–")
        rows.append(row)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def write_readme(text):
    readme = ROOT / "README.md"
    head, begin, rest = readme.read_text().partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{readme} has no markers {BEGIN} {END}")
    readme.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--partitions", type=int, default=10_000)
    parser.add_argument("--only", choices=["millrace", "kafka"])
    parser.add_argument("--write-readme", action="store_true", help="put the table in the README")
    arguments = parser.parse_args()
    contenders = {"Millrace": start_millrace, "Apache Kafka 4.1.1": start_kafka}
    if not any(LIBS.glob("kafka_2.13-*.jar")) or not shutil.which("java"):
        print("left out: Apache Kafka (run tests/setup first)", file=sys.stderr)
        contenders.pop("Apache Kafka 4.1.1")
    if arguments.only:
        contenders = {name: start for name, start in contenders.items() if arguments.only in name.lower()}
    seen = {name: [] for name in contenders}
    for _ in range(arguments.pairs):
        for name, start in contenders.items():
            seen[name].append(measure(start, arguments))
    pairs = f"median of {arguments.pairs} pairs" if arguments.pairs > 1 else "one pair of runs"
    note = f"Measured on {datetime.date.today()} by `make bench`, {pairs}, the broker on one CPU, its load on another: {machine()}."
    text = f"{note}\n\n{table(seen)}"
    print(text)
    if arguments.write_readme:
        write_readme(text)


if __name__ == "__main__":
    main()
