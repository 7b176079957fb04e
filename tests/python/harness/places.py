"""Where things lie: the repository, the cache that `tests/setup` fills, the broker under test."""

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
REPOSITORY = TESTS.parent
CACHE = Path(os.environ.get("MILLRACE_TESTS_CACHE") or REPOSITORY / "target" / "tests-cache")
OUTPUT = REPOSITORY / "target" / "tests-output"
MILLRACE = REPOSITORY / (os.environ.get("MILLRACE_BIN") or "target/release/millrace")


def kafka_libs() -> Path:
    """The directory with Kafka's jars."""
    return Path(os.environ.get("MILLRACE_KAFKA_LIBS") or CACHE / "kafka-libs")


def python_of(environment: str) -> str:
    """The interpreter of one of the virtual environments that `tests/setup` makes."""
    return str(CACHE / "venvs" / environment / "bin" / "python")


def require(*parts: str) -> None:
    """Skips the test when `tests/setup` left one of `parts` out, with its reason; fails it instead when CI is set."""
    for part in parts:
        reason_file = CACHE / "left-out" / part
        if not reason_file.exists():
            continue
        reason = f"tests/setup left out {part}: {reason_file.read_text().strip()}"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
