"""The worked example, part g: the tools that people know by name, ours and Java's, on one broker.

Every step runs with both, each on a topic and a group of its own whose names have the same length; after the names are
taken out, exit code and output must be equal line by line.
"""

import json
import re

import pytest

from harness.places import MILLRACE, require
from harness.tools import JavaTools, OurTools

# name, tool, arguments, standard input. {topic} and {group} stand for the names of the tool's own; {files} for a folder.
STEPS = [
    ("create", "kafka-topics", "--create --topic {topic} --partitions 3 --replication-factor 1", ""),
    ("create again", "kafka-topics", "--create --topic {topic} --if-not-exists --partitions 3", ""),
    ("create with configs", "kafka-topics", "--create --topic {topic}-one --config retention.ms=86400000 --config cleanup.policy=compact,delete", ""),
    ("list", "kafka-topics", "--list", ""),
    ("describe", "kafka-topics", "--describe --topic {topic}", ""),
    ("describe with configs", "kafka-topics", "--describe --topic {topic}-one", ""),
    ("grow", "kafka-topics", "--alter --topic {topic} --partitions 4", ""),
    ("describe grown", "kafka-topics", "--describe --topic {topic}", ""),
    ("create plain", "kafka-topics", "--create --topic {topic}-log", ""),
    ("produce", "kafka-console-producer", "--topic {topic}-log", "one\ntwo\nthree\n"),
    ("produce with keys", "kafka-console-producer", "--topic {topic}-log --property parse.key=true --property key.separator=:", "k1:four\nk2:five\n"),
    ("produce compressed", "kafka-console-producer", "--topic {topic}-log --compression-codec gzip", "six\n"),
    ("consume", "kafka-console-consumer", "--topic {topic}-log --from-beginning --max-messages 6 --timeout-ms 20000", ""),
    ("consume until idle", "kafka-console-consumer", "--topic {topic}-log --from-beginning --timeout-ms 5000", ""),
    ("consume with keys", "kafka-console-consumer", "--topic {topic}-log --from-beginning --max-messages 6 --timeout-ms 20000 --property print.key=true --property print.partition=true --property print.offset=true", ""),
    ("consume one partition", "kafka-console-consumer", "--topic {topic}-log --partition 0 --offset 4 --max-messages 2 --timeout-ms 20000", ""),
    ("consume in a group", "kafka-console-consumer", "--topic {topic}-log --group {group} --from-beginning --max-messages 4 --timeout-ms 20000", ""),
    ("list groups", "kafka-consumer-groups", "--list", ""),
    ("describe group", "kafka-consumer-groups", "--describe --group {group}", ""),
    ("reset offsets", "kafka-consumer-groups", "--group {group} --topic {topic}-log --reset-offsets --to-offset 1 --execute", ""),
    ("describe reset group", "kafka-consumer-groups", "--describe --group {group}", ""),
    ("alter config", "kafka-configs", "--alter --entity-type topics --entity-name {topic}-log --add-config max.message.bytes=12345", ""),
    ("describe config", "kafka-configs", "--describe --entity-type topics --entity-name {topic}-log", ""),
    ("offsets", "kafka-get-offsets", "--topic {topic}-log", ""),
    ("delete records", "kafka-delete-records", "--offset-json-file {files}/delete.json", ""),
    ("earliest offsets", "kafka-get-offsets", "--topic {topic}-log --time earliest", ""),
    ("consume what is left", "kafka-console-consumer", "--topic {topic}-log --from-beginning --max-messages 3 --timeout-ms 20000", ""),
    ("delete group", "kafka-consumer-groups", "--delete --group {group}", ""),
    ("delete", "kafka-topics", "--delete --topic {topic}-one", ""),
]

# Lines about what the other session, or the broker itself, has made.
OTHERS = r"(tools|group|console-consumer)-|__"


class Session:
    """A person with one kind of tools, who types the steps one after another."""

    def __init__(self, tools, topic, group, files):
        self.tools, self.topic, self.group, self.files = tools, topic, group, files
        files.mkdir()
        partition = {"topic": f"{topic}-log", "partition": 0, "offset": 3}
        (files / "delete.json").write_text(json.dumps({"version": 1, "partitions": [partition]}))

    def type(self, tool, arguments, stdin):
        filled = arguments.format(topic=self.topic, group=self.group, files=self.files)
        return self.tools.run(tool, *filled.split(), stdin=stdin)

    def comparable(self, text):
        """The lines of an answer without what must differ: the names, topic ids, and what others have made.

        Lists come in no order that means anything (Kafka's own order of groups is that of a hash), so lines that are
        a bare name are sorted.
        """
        text = text.replace(self.topic, "TOPIC").replace(self.group, "GROUP")
        text = re.sub(r"TopicId: \S+", "TopicId: ID", text)
        lines = [line for line in text.splitlines() if not re.match(OTHERS, line)]
        return sorted(lines) if all(re.fullmatch(r"[A-Z][-A-Za-z]*", line) for line in lines) else lines


@pytest.fixture(scope="module")
def tools_broker(new_broker):
    require("kafka-libs")
    if not MILLRACE.exists():
        pytest.skip(f"{MILLRACE} is not there")
    broker = new_broker("tools").start()
    yield broker
    broker.stop()


@pytest.mark.xdist_group("tools")
def test_our_tools_answer_as_java_does(tools_broker, tmp_path, output):
    bootstrap = tools_broker.bootstrap
    ours = Session(OurTools(tmp_path / "bin", bootstrap), "tools-ours", "group-ours", tmp_path / "ours")
    java = Session(JavaTools(tmp_path / "bin", bootstrap), "tools-java", "group-java", tmp_path / "java")
    transcript, different = [], []
    for name, tool, arguments, stdin in STEPS:
        expected, got = java.type(tool, arguments, stdin), ours.type(tool, arguments, stdin)
        transcript += [f"## {name}", str(got), str(expected)]
        if (got.code, ours.comparable(got.out)) != (expected.code, java.comparable(expected.out)):
            different.append(f"## {name}\n{got}\n{expected}")
    (output / "tools.txt").write_text("\n".join(transcript))
    assert not different, f"{len(different)} of {len(STEPS)} steps differ:\n" + "\n".join(different)


@pytest.mark.xdist_group("tools")
@pytest.mark.parametrize("suffix", ["", ".sh"])
def test_a_session_with_both(tools_broker, tmp_path, suffix):
    """What one kind writes the other reads, and our names work with and without `.sh`."""
    ours, java = OurTools(tmp_path / "bin", tools_broker.bootstrap), JavaTools(tmp_path / "bin", tools_broker.bootstrap)
    topic = f"both{suffix}"

    def succeeds(done):
        assert done.code == 0, str(done)
        return done.out

    succeeds(ours.run(f"kafka-topics{suffix}", "--create", "--topic", topic))
    assert topic in succeeds(java.run("kafka-topics", "--list")).split()
    succeeds(java.run("kafka-console-producer", "--topic", topic, stdin="from java\n"))
    succeeds(ours.run(f"kafka-console-producer{suffix}", "--topic", topic, stdin="from ours\n"))
    reading = ["--topic", topic, "--from-beginning", "--max-messages", "2", "--timeout-ms", "20000"]
    assert succeeds(ours.run(f"kafka-console-consumer{suffix}", *reading)) == "from java\nfrom ours\n"
    assert succeeds(java.run("kafka-console-consumer", *reading)) == "from java\nfrom ours\n"
