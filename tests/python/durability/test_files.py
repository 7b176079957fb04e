"""The files on disk, read by Kafka's own programs while the broker runs: segments, indexes, snapshots, group records."""

import json
import subprocess

import pytest

from harness import java
from harness.places import CACHE, TESTS, python_of, require

# What DumpLogSegments says when it finds fault; its exit code stays 0.
FAULTS = ["Mismatches", "mismatch", "out of order", "Invalid", "corrupt", "isvalid: false", "Exception", "Could not read"]

SCRIPTS = TESTS / "python" / "durability" / "scripts"


@pytest.fixture(scope="module")
def written(new_broker):
    """A running broker with records of every codec and a group that has committed."""
    require("kafka-libs", "confluent-kafka")
    broker = new_broker("files").start()
    done = subprocess.run(
        [python_of("confluent-kafka"), SCRIPTS / "write_everything.py"],
        env={"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    yield broker
    broker.stop()


def dump(files, *arguments):
    """What DumpLogSegments prints about the files."""
    # It writes nothing to the files, but it opens indexes for writing; a read-only copy would be another thing to test.
    names = ",".join(str(file) for file in sorted(files))
    argv = java.command(java.TOOLS["kafka-dump-log"], "--files", names, *arguments)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, cwd=CACHE)
    assert done.returncode == 0, done.stderr
    found = [line for line in done.stdout.splitlines() if any(fault in line for fault in FAULTS)]
    assert not found, "\n".join(found[:20])
    return done.stdout


@pytest.mark.xdist_group("files")
def test_dump_log_reads_segments_and_indexes(written):
    for partition in (0, 1):
        folder = written.data / f"files-{partition}"
        segments = sorted(folder.glob("*.log"))
        assert len(segments) > 1, "the topic has rolled"
        printed = dump(segments, "--deep-iteration")
        records = [line for line in printed.splitlines() if line.startswith("| offset:")]
        offsets = [int(line.split()[2]) for line in records]
        assert offsets == list(range(len(offsets))) and len(offsets) > 5000, f"{len(offsets)} records"
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
            assert f"compresscodec: {codec}" in printed, codec
        # Indexes are compared with the segments beside them.
        for index in folder.glob("*.*index"):
            dump([index], "--verify-index-only" if index.suffix == ".index" else "--deep-iteration")
        for snapshot in folder.glob("*.snapshot"):
            assert "producerId:" in dump([snapshot])
        assert list(folder.glob("*.snapshot")), "a snapshot of producers beside a rolled segment"


@pytest.mark.xdist_group("files")
def test_dump_log_reads_the_records_of_groups(written):
    segments = [log for log in written.data.glob("__consumer_offsets-*/*.log") if log.stat().st_size]
    assert segments, "some partition of __consumer_offsets holds the group"
    printed = dump(segments, "--deep-iteration", "--offsets-decoder")
    assert "files-readers" in printed and "a note" in printed, printed[-3000:]


@pytest.mark.xdist_group("files")
def test_dump_log_reads_the_metadata_log(written):
    segments = list(written.data.glob("__cluster_metadata-0/*.log"))
    assert segments
    printed = dump(segments, "--deep-iteration", "--cluster-metadata-decoder")
    for wanted in ["TOPIC_RECORD", "PARTITION_RECORD", "CONFIG_RECORD", '"files"']:
        assert wanted in printed, wanted


def formatted(broker, formatter, count):
    """`count` records of __consumer_offsets, as Kafka's console consumer prints them with a formatter."""
    argv = java.command(java.TOOLS["kafka-console-consumer"], "--bootstrap-server", broker.bootstrap)
    argv += ["--topic", "__consumer_offsets", "--from-beginning", "--formatter", formatter, "--timeout-ms", "5000"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    # The formatters put no line break between two records.
    records, text, decoder = [], done.stdout.strip(), json.JSONDecoder()
    while text:
        record, end = decoder.raw_decode(text)
        records.append(record)
        text = text[end:].lstrip()
    assert len(records) >= count, f"{done.stdout}\n{done.stderr}"
    return records


@pytest.mark.xdist_group("files")
def test_javas_formatters_read_consumer_offsets(written):
    package = "org.apache.kafka.tools.consumer"
    commits = formatted(written, f"{package}.OffsetsMessageFormatter", 1)
    mine = [each for each in commits if each["key"]["data"]["group"] == "files-readers"]
    assert [(each["key"]["data"]["topic"], each["key"]["data"]["partition"]) for each in mine] == [("files", 0)]
    # confluent-kafka sends the zero byte behind its string, to Apache Kafka too.
    value = mine[0]["value"]["data"]
    assert (value["offset"], value["metadata"].rstrip("\0")) == (42, "a note")

    groups = formatted(written, f"{package}.GroupMetadataMessageFormatter", 1)
    mine = [each for each in groups if each["key"]["data"]["group"] == "files-readers"]
    generations = [each["value"]["data"]["generation"] for each in mine if each["value"]]
    assert generations == sorted(generations) and generations, "generations in order"
    assert "consumer" in {each["value"]["data"]["protocolType"] for each in mine if each["value"]}
