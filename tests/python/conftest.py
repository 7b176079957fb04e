"""Options and fixtures that every suite shares."""

import pytest

from harness import broker as brokers
from harness.places import MILLRACE, OUTPUT, require


def pytest_addoption(parser):
    parser.addoption(
        "--broker",
        choices=sorted(brokers.KINDS),
        default="millrace",
        help="the broker under test; `kafka` runs the same scenarios against Apache Kafka to check the scenarios",
    )


def pytest_report_header(config):
    return f"broker under test: {config.getoption('broker')}"


@pytest.fixture(scope="session")
def broker_kind(pytestconfig):
    kind = pytestconfig.getoption("broker")
    if kind == "kafka":
        require("kafka-libs")
    else:
        assert MILLRACE.exists(), f"{MILLRACE} is not there: build it with `cargo build --release`"
    return kind


@pytest.fixture(scope="session")
def new_broker(broker_kind, tmp_path_factory):
    """A function that makes a broker, not yet started, in a directory of its own; all are ended at the end."""
    made = []

    def make(name, **overrides):
        broker = brokers.KINDS[broker_kind](tmp_path_factory.mktemp(name), overrides)
        made.append(broker)
        return broker

    yield make
    for broker in made:
        broker.close()


@pytest.fixture(scope="session")
def output(broker_kind):
    """Where results and logs are kept for people to read: target/tests-output/BROKER."""
    directory = OUTPUT / broker_kind
    directory.mkdir(parents=True, exist_ok=True)
    return directory
