"""The broker under test: Millrace, or Apache Kafka as the oracle that shows that a scenario itself is right."""

import shutil
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

from . import java
from .places import CACHE, MILLRACE
from .ports import free_port
from .process import Process
from .waiting import until

READY_DEADLINE_S = 60.0
STOP_DEADLINE_S = 30.0


class Broker:
    """What both kinds share: start, stop, restart, kill. `data` is the directory with one folder per partition."""

    def __init__(self, directory: Path, overrides=None):
        self.directory = directory
        self.data = directory / "data"
        self.overrides = dict(overrides or {})
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.process = None
        directory.mkdir(parents=True, exist_ok=True)

    def argv(self):
        raise NotImplementedError

    def start(self):
        """Starts the process and returns once it answers a Metadata request with itself in it."""
        assert self.process is None, "already started"
        process = Process(self.argv(), self.directory / "broker.log", cwd=self.directory)
        self.process = process

        def answers():
            assert process.exit_code() is None, f"ended with {process.exit_code()}:\n{process.log_tail()}"
            return brokers_in_metadata(self.port) > 0

        until(lambda: f"{self.bootstrap} serves\n{process.log_tail()}", answers, READY_DEADLINE_S)
        return self

    def stop(self):
        """SIGTERM; the process must end by itself with `clean_exit_code`."""
        process, self.process = self.process, None
        code = process.terminate(STOP_DEADLINE_S)
        assert code in self.clean_exit_codes, f"stopped with {code}:\n{process.log_tail()}"

    def restart(self):
        self.stop()
        self.start()

    def kill(self):
        """SIGKILL, as a crash would."""
        process, self.process = self.process, None
        process.kill()

    def close(self):
        """Ends what still runs, without judging how it ends: a test that failed must not leave a process behind."""
        if self.process is not None:
            self.kill()


class MillraceBroker(Broker):
    clean_exit_codes = (0,)

    def __init__(self, directory, overrides=None):
        super().__init__(directory, overrides)
        self.http_port = free_port()

    def argv(self):
        settings = {
            "log.dirs": self.data,
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "http.listen": f"127.0.0.1:{self.http_port}",
            **self.overrides,
        }
        argv = [MILLRACE, "serve"]
        for key, value in settings.items():
            argv += ["--override", f"{key}={value}"]
        return argv


class KafkaBroker(Broker):
    # A JVM that ends on SIGTERM says so in its exit code, however clean the end was.
    clean_exit_codes = (0, 143)

    def __init__(self, directory, overrides=None):
        super().__init__(directory, overrides)
        self.controller_port = free_port()

    def properties(self):
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "log.dirs": self.data,
            "offsets.topic.num.partitions": 5,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.num.partitions": 5,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            # As in the server.properties that Kafka ships.
            "group.initial.rebalance.delay.ms": 0,
            **self.overrides,
        }

    def argv(self):
        file = self.directory / "server.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in self.properties().items()))
        if not self.data.exists():
            shutil.copytree(_formatted_storage(), self.data)
        return java.command("kafka.Kafka", file, heap="512m")


def _formatted_storage() -> Path:
    """A formatted Kafka data directory to copy, made once: formatting takes a JVM start that every broker would pay."""
    ready = CACHE / "kafka-formatted"
    if not ready.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            template = KafkaBroker.__new__(KafkaBroker)
            template.port, template.controller_port, template.overrides = 1, 2, {}
            template.data = Path(scratch) / "data"
            file = Path(scratch) / "server.properties"
            file.write_text("".join(f"{key}={value}\n" for key, value in template.properties().items()))
            argv = java.command("kafka.tools.StorageTool", "format", "-t", "MillraceTestsOracle00w", "-c", file)
            subprocess.run(argv, check=True, timeout=60, stdout=subprocess.DEVNULL)
            try:
                template.data.rename(ready)
            except OSError:
                # Another worker was first; its directory is as good.
                assert ready.exists()
    return ready


def brokers_in_metadata(port: int) -> int:
    """Asks Metadata v1 about no topic at all; returns how many brokers answered, 0 when nobody does."""
    request = struct.pack(">hhih", 3, 1, 7, -1) + struct.pack(">i", 0)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            head = b""
            while len(head) < 12:
                piece = connection.recv(12 - len(head))
                if not piece:
                    return 0
                head += piece
    except OSError:
        return 0
    _size, correlation, brokers = struct.unpack(">iii", head)
    assert correlation == 7, f"answered request {correlation}, asked 7"
    return brokers


KINDS = {"millrace": MillraceBroker, "kafka": KafkaBroker}
