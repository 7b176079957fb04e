#!/usr/bin/env python3
"""Millrace beside Apache Kafka on this machine: the same load, the same CPUs, in turn.

Prints CPU microseconds a record in the broker (user and system, from the kernel's accounting), resident memory, the
time from start to the first acknowledged record, and the ratio of the two. Absolute figures hold nowhere; the ratio of
one run does. Usage:

    tests/bench/compare.py [--pairs N] [--records N] [--only millrace]

Wants `target/release/millrace` and, for the comparison, what `tests/setup` installs. The broker runs on CPU 0, the
generator (`kafka-producer-perf-test` and `kafka-consumer-perf-test` of this project, for both brokers) on CPU 1.
"""

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MILLRACE = Path(os.environ.get("MILLRACE_BIN", ROOT / "target/release/millrace"))
TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
BROKER_CPU, LOAD_CPU = ("0", "1") if (os.cpu_count() or 1) > 1 else ("0", "0")

# name, record bytes, share of --records, properties of the producer
CASES = [
    ("1 KiB, acks=1, batch 16 KiB, linger 5 ms", 1024, 1.0, ["acks=1", "batch.size=16384", "linger.ms=5"]),
    ("1 KiB, acks=all", 1024, 1.0, ["acks=all", "batch.size=16384", "linger.ms=5"]),
    ("100 B, acks=1, batch 16 KiB", 100, 4.0, ["acks=1", "batch.size=16384", "linger.ms=5"]),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """A running broker of its own directory and port."""

    def __init__(self, command, log, port, environment=None):
        self.port = port
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            ["taskset", "-c", BROKER_CPU, *command], stdout=log, stderr=log, env={**os.environ, **(environment or {})}
        )

    def wait(self, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise SystemExit(f"the broker ended with status {self.process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.002)
        raise SystemExit("the broker does not listen")

    def cpu_us(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * TICK_US

    def resident_mib(self):
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE_BYTES / 2**20

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_millrace(directory, log):
    port = free_port()
    overrides = [f"listeners=PLAINTEXT://127.0.0.1:{port}", f"log.dirs={directory}/data", "http.listen="]
    command = [str(MILLRACE), "serve"] + [word for override in overrides for word in ("--override", override)]
    return Broker(command, log, port)


def start_kafka(directory, log):
    libs = os.environ.get("MILLRACE_KAFKA_LIBS", str(ROOT / "target/tests-cache/kafka-libs"))
    port, controller = free_port(), free_port()
    properties = Path(directory) / "server.properties"
    properties.write_text(
        f"process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n"
        f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n"
        "controller.listener.names=CONTROLLER\n"
        f"log.dirs={directory}/data\noffsets.topic.replication.factor=1\ngroup.initial.rebalance.delay.ms=0\n"
    )
    java = ["java", "-Xmx1G", "-Xms1G", "-cp", f"{libs}/*"]
    format_ = [*java, "kafka.tools.StorageTool", "format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", str(properties)]
    subprocess.run(format_, check=True, stdout=log, stderr=log)
    return Broker([*java, "kafka.Kafka", str(properties)], log, port)


def tool(name, *arguments):
    """One of our Kafka-named tools, on the generator's CPU."""
    # argv[0] picks the tool, as a link of that name would.
    script = 'name=$1 program=$2; shift 2; exec -a "$name" "$program" "$@"'
    command = ["taskset", "-c", LOAD_CPU, "bash", "-c", script, "-", name, str(MILLRACE), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout


def produce(broker, topic, count, size, properties):
    tool(
        "kafka-producer-perf-test", "--topic", topic, "--num-records", str(count), "--record-size", str(size),
        "--throughput", "-1", "--producer-props", f"bootstrap.servers=127.0.0.1:{broker.port}", *properties,
    )  # fmt: skip


def measure(start, scale):
    """Figures of one broker: {case: CPU us a record}, memory, milliseconds to the first acknowledged record."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as directory, open(f"{directory}/log", "w") as log:
        broker = start(directory, log)
        try:
            broker.wait()
            produce(broker, "first", 1, 100, ["acks=all", "linger.ms=0"])
            figures["start to first acknowledged record, ms"] = (time.monotonic() - broker.started) * 1000
            server = f"127.0.0.1:{broker.port}"
            tool("kafka-topics", "--bootstrap-server", server, "--create", "--topic", "load", "--partitions", "12")
            produce(broker, "load", int(scale * 0.5), 1024, ["acks=1"])
            total = int(scale * 0.5)
            for name, size, share, properties in CASES:
                count = int(scale * share)
                before = broker.cpu_us()
                produce(broker, "load", count, size, properties)
                figures[f"produce {name}, us"] = (broker.cpu_us() - before) / count
                total += count
            before = broker.cpu_us()
            tool("kafka-consumer-perf-test", "--bootstrap-server", server, "--topic", "load", "--messages", str(total), "--timeout", "60000")
            figures["consume all of it, us"] = (broker.cpu_us() - before) / total
            figures["resident, MiB"] = broker.resident_mib()
        finally:
            broker.stop()
    return figures


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pairs", type=int, default=1)
    arguments.add_argument("--records", type=int, default=500_000)
    arguments.add_argument("--only", choices=["millrace", "kafka"])
    chosen = arguments.parse_args()
    libs = Path(os.environ.get("MILLRACE_KAFKA_LIBS", ROOT / "target/tests-cache/kafka-libs"))
    contenders = {"millrace": start_millrace, "kafka": start_kafka}
    if not any(libs.glob("kafka_2.13-*.jar")) or not shutil.which("java"):
        print("left out: Apache Kafka (run tests/setup first)", file=sys.stderr)
        contenders.pop("kafka")
    if chosen.only:
        contenders = {chosen.only: contenders[chosen.only]}
    seen = {name: [] for name in contenders}
    for _ in range(chosen.pairs):
        for name, start in contenders.items():
            seen[name].append(measure(start, chosen.records))
    report(seen)


def report(seen):
    print("| figure | " + " | ".join(seen) + (" | ratio |" if len(seen) > 1 else " |"))
    print("|---|" + "---|" * (len(seen) + (len(seen) > 1)))
    for figure in next(iter(seen.values()))[0]:
        medians = [statistics.median(run[figure] for run in runs) for runs in seen.values()]
        ratio = f" {medians[0] / medians[1]:.2f} |" if len(medians) > 1 and medians[1] else ""
        print(f"| {figure} | " + " | ".join(f"{median:.2f}" for median in medians) + " |" + ratio)


if __name__ == "__main__":
    main()
