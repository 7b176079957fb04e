"""The clients of the matrix: how each is started, and what is known that it cannot do."""

import dataclasses

from harness import java
from harness.places import CACHE, TESTS, python_of

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# What every client must report on.
CORE = ["create-topic", *(f"produce:{codec}" for codec in CODECS), "idempotent", "group-rebalance", "broker-restart"]
CORE += ["commit-resume", "seek-by-timestamp"]


@dataclasses.dataclass(frozen=True)
class Client:
    """`needs` are parts of tests/setup; `cannot` the capabilities for which the client has no call."""

    name: str
    title: str
    command: tuple
    needs: tuple
    admin_calls: int
    cannot: frozenset = frozenset()
    env: dict = dataclasses.field(default_factory=dict)
    overrides: dict = dataclasses.field(default_factory=dict)

    def argv(self):
        return [str(part) for part in self.command]


def python_client(name, title, script, admin_calls, environment=None, **known):
    environment = environment or name
    path = TESTS / "python" / "clients" / script
    return Client(name, title, (python_of(environment), path), (environment,), admin_calls, **known)


CLIENTS = [
    python_client(
        "kafka-python-2", "kafka-python", "kafka_python_client.py", 10, cannot=frozenset({"idempotent"})
    ),
    python_client("kafka-python-3", "kafka-python", "kafka_python_client.py", 18),
    python_client("aiokafka", "aiokafka", "aiokafka_client.py", 10),
    python_client("confluent-kafka", "confluent-kafka", "confluent_client.py", 16),
    python_client("kcat", "kcat", "kcat_client.py", 2, environment="confluent-kafka"),
    Client(
        "java",
        "Java (Apache Kafka)",
        tuple(java.command("MatrixClient", classpath=[CACHE / "java"])),
        ("kafka-libs", "java"),
        22,
    ),
    Client("kafkajs", "kafkajs", ("node", CACHE / "node" / "matrix.mjs"), ("node", "node-client"), 14),
    Client("sarama", "Sarama (Go)", (CACHE / "bin" / "matrix-go",), ("go",), 15),
]
