"""The client matrix: every client goes through the same scenarios on a broker of its own.

The scenarios run in the client's own language and print what they saw (tests/README.md describes the protocol). Here the
broker is started, restarted when the client asks, and afterwards its files are looked at: did the codec that the client
was told to use really arrive, did the idempotent producer really send a producer id?
"""

import json
import queue
import subprocess
import threading
import time

import pytest

from harness import segments
from harness.places import require
from harness.process import Process

from .clients import CLIENTS, CODECS, CORE

DEADLINE_S = 200


class Run:
    """One client's program from start to end: what it reported, and whether it asked for a restart."""

    def __init__(self, client, broker, log):
        self.reports = {}
        self.restarts = 0
        self._broker = broker
        # A Java broker that stops tells clients by closing connections; each has its own way to see that.
        self._process = Process(
            client.argv(),
            log,
            env={"MATRIX_BOOTSTRAP": broker.bootstrap, **client.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._lines = queue.Queue()
        threading.Thread(target=self._pump, daemon=True).start()

    def _pump(self):
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def to_the_end(self):
        """Serves the program until it closes its output; returns its exit code."""
        end = time.monotonic() + DEADLINE_S
        try:
            while True:
                line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
                if line is None:
                    return self._process.wait(20)
                self._take(json.loads(line))
        except queue.Empty:
            raise AssertionError(f"not done after {DEADLINE_S} s; {self.failures()}\n{self._process.log_tail()}") from None
        finally:
            self._process.kill()

    def _take(self, line):
        if "request" in line:
            assert line["request"] == "restart-broker", line
            self._broker.restart()
            self.restarts += 1
            self._process.stdin.write(b"done\n")
            self._process.stdin.flush()
        else:
            self.reports[line["capability"]] = line

    def failures(self):
        failed = [f"{name}: {line['detail']}" for name, line in self.reports.items() if line["ok"] is False]
        return f"{len(self.reports)} reports, failed:\n" + "\n".join(failed)


def codecs_on_disk(broker, topic):
    return {codec for _, codec, _, _ in segments.batches(broker.data, topic)}


def check_files(broker, reports):
    for codec in CODECS:
        if reports[f"produce:{codec}"]["ok"]:
            assert codecs_on_disk(broker, f"codec-{codec}") == {codec}, f"what was sent as {codec}"
    if reports["idempotent"]["ok"]:
        producers = {producer for _, _, producer, _ in segments.batches(broker.data, "idempotent")}
        assert producers and min(producers) >= 0, f"producer ids of the idempotent producer: {producers}"


@pytest.mark.parametrize("client", CLIENTS, ids=[client.name for client in CLIENTS])
def test_client(client, new_broker, output):
    require(*client.needs)
    broker = new_broker(client.name, **client.overrides).start()
    started = time.monotonic()
    run = Run(client, broker, output / f"{client.name}.log")
    try:
        code = run.to_the_end()
    finally:
        reports = {name: {**line, "client": client.title} for name, line in run.reports.items()}
        results = output / "matrix"
        results.mkdir(exist_ok=True)
        (results / f"{client.name}.json").write_text(json.dumps(list(reports.values()), indent=1) + "\n")
    broker.stop()

    assert code == 0, run.failures()
    failed = [name for name, line in reports.items() if line["ok"] is False]
    assert not failed, run.failures()
    # What a client cannot do is written down here, not decided by its script.
    cannot = {name for name, line in reports.items() if line["ok"] is None}
    assert cannot == client.cannot, f"has no call for {cannot}, known: {client.cannot}"
    assert set(CORE) <= set(reports), f"not reported: {set(CORE) - set(reports)}"
    admin = [name for name in reports if name.startswith("admin:")]
    assert len(admin) == client.admin_calls, f"{len(admin)} admin calls, known: {client.admin_calls}"
    assert run.restarts == 1, "the broker was restarted once"
    check_files(broker, reports)
    print(f"{client.title}: {len(reports)} capabilities in {time.monotonic() - started:.0f} s")
