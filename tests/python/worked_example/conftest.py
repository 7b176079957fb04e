"""The two versions of kafka-python that the example runs with, and its programs as child processes."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from harness.mariadb import MariaDb
from harness.places import TESTS, python_of, require
from harness.process import Process
from harness.waiting import until

SCRIPTS = Path(__file__).parent / "scripts"
PROJECT = TESTS / "python" / "example"
VERSIONS = {"kafka-python-2": "2.0.2", "kafka-python-3": "3.0.12"}


class Program(Process):
    """A program of the example whose standard output is read line by line while it runs."""

    def __init__(self, argv, directory, name, env):
        self.out = directory / f"{name}.out"
        super().__init__(argv, directory / f"{name}.err", env=env, stdout=open(self.out, "wb"))

    def lines(self):
        """The complete lines so far."""
        return self.out.read_text().split("\n")[:-1]

    def entries(self):
        """The lines so far, as JSON."""
        return [json.loads(line) for line in self.lines()]

    def records(self):
        return [entry for entry in self.entries() if "number" in entry]

    def numbers(self):
        return [entry["number"] for entry in self.records()]

    def assignment(self):
        """The partitions of the newest assignment, None before the first."""
        assigned = [entry["assigned"] for entry in self.entries() if "assigned" in entry]
        return assigned[-1] if assigned else None

    def wait_for(self, count, deadline_s=30):
        """Waits for `count` records; returns their numbers in the order of arrival."""
        until(lambda: f"{count} records came\n{self.log_tail()}", lambda: self._check() and len(self.records()) >= count, deadline_s)
        return self.numbers()

    def _check(self):
        assert self.exit_code() in (None, 0), f"ended with {self.exit_code()}:\n{self.log_tail()}"
        return True

    def finish(self):
        """SIGTERM, and the end must be clean."""
        code = self.terminate(30)
        assert code == 0, f"ended with {code}:\n{self.log_tail()}"


class Example:
    """One version of kafka-python, one broker, and what a user of both has at hand."""

    def __init__(self, environment, broker, directory):
        self.python = python_of(environment)
        self.broker = broker
        self.directory = directory
        self.env = {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap, "PYTHONUNBUFFERED": "1"}
        self._programs = []

    def start(self, argv, env=None):
        """Starts a program with this version's interpreter."""
        name = f"{len(self._programs):03}-{Path(str(argv[0])).stem}"
        program = Program([self.python, *argv], self.directory, name, {**self.env, **(env or {})})
        self._programs.append(program)
        return program

    def script(self, name, *arguments):
        return self.start([SCRIPTS / f"{name}.py", *arguments])

    def read(self, topic, *arguments):
        return self.script("read_numbers", topic, *arguments)

    def send(self, topic, first, last, *arguments):
        """Sends `first` to `last` and waits for every answer; returns the answers."""
        program = self.script("send_numbers", topic, first, last, *arguments)
        code = program.wait(60)
        assert code == 0, f"ended with {code}: {program.lines()}\n{program.log_tail()}"
        assert not re.search("error|traceback", program.log_tail(), re.IGNORECASE), program.log_tail()
        return program.entries()

    def admin(self, action, topic, partitions):
        done = subprocess.run(
            [self.python, SCRIPTS / "admin_topic.py", action, topic, str(partitions)],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr

    def close(self):
        """Ends what a failed test left running."""
        for program in self._programs:
            program.kill()


@pytest.fixture(scope="module", params=sorted(VERSIONS))
def example_broker(request, new_broker):
    """A broker with its defaults, one for each module and version of the client, as `make run` would start it."""
    require(request.param)
    broker = new_broker(request.param).start()
    yield request.param, broker
    broker.stop()


@pytest.fixture
def example(example_broker, tmp_path):
    environment, broker = example_broker
    example = Example(environment, broker, tmp_path)
    yield example
    example.close()


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory):
    require("debian-packages")
    database = MariaDb(tmp_path_factory.mktemp("mariadb"))
    try:
        yield database.start()
    finally:
        database.close()
