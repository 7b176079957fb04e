"""The worked example, parts a, b, d, e and f: plain scripts with kafka-python, as a user writes them after a tutorial."""

import itertools

import pytest

from harness.waiting import until

from .conftest import VERSIONS

_names = itertools.count()


@pytest.fixture
def topic():
    """A name that no other test uses."""
    return f"numbers-{next(_names)}"


def test_the_client_is_the_pinned_one(example, example_broker):
    program = example.start(["-c", "import json, kafka; print(json.dumps(kafka.__version__))"])
    assert program.wait() == 0
    assert program.entries() == [VERSIONS[example_broker[0]]]


def test_first_send_to_a_topic_that_does_not_exist(example, topic):
    answers = example.send(topic, 20, 30)
    assert [answer["number"] for answer in answers] == list(range(20, 31)), "an answer for each, in order, no error"
    assert [answer["offset"] for answer in answers] == list(range(11))
    assert {(answer["topic"], answer["partition"]) for answer in answers} == {(topic, 0)}

    reader = example.read(topic, "--group", "first-readers")
    assert reader.wait_for(11) == list(range(20, 31))
    assert [record["offset"] for record in reader.records()] == list(range(11))
    reader.finish()


def test_a_reader_resumes_where_its_group_committed(example, topic):
    example.send(topic, 20, 30)
    first = example.read(topic, "--group", "resuming")
    first.wait_for(11)
    first.finish()
    example.send(topic, 31, 40)
    second = example.read(topic, "--group", "resuming")
    assert second.wait_for(10) == list(range(31, 41)), "only what came after the commit"
    second.finish()


def test_two_groups_with_one_reader_each_get_everything(example, topic):
    readers = [example.read(topic, "--group", f"alone-{n}") for n in (1, 2)]
    example.send(topic, 0, 199)
    for reader in readers:
        assert reader.wait_for(200) == list(range(200))
        reader.finish()


def wait_for_shares(readers, partitions):
    """Waits until the readers have every partition between them, each at least one."""

    def shared():
        shares = [reader.assignment() for reader in readers]
        return all(shares) and sorted(itertools.chain(*shares)) == list(range(partitions))

    until(lambda: f"shared: {[reader.assignment() for reader in readers]}", shared, 60)


def all_numbers(readers):
    return sorted(number for reader in readers for number in reader.numbers())


def wait_for_all(readers, count):
    until(lambda: f"{count} read: {len(all_numbers(readers))}", lambda: len(all_numbers(readers)) >= count, 60)


def test_two_groups_with_two_readers_each_share(example, topic):
    example.admin("create", topic, 4)
    groups = [[example.read(topic, "--group", f"pair-{g}") for _ in range(2)] for g in (1, 2)]
    for readers in groups:
        wait_for_shares(readers, 4)
    example.send(topic, 0, 399)
    for readers in groups:
        wait_for_all(readers, 400)
        assert all_numbers(readers) == list(range(400)), "each number once in each group"
        assert all(reader.numbers() for reader in readers), "both had a share"
    for reader in itertools.chain(*groups):
        reader.finish()


def test_readers_that_join_while_messages_flow_share_with_no_message_twice(example, topic):
    example.admin("create", topic, 4)
    sender = example.script("send_numbers", topic, 0, "--pace-ms", 5)
    readers = []
    for _ in range(3):
        readers.append(example.read(topic, "--group", "growing"))
        wait_for_shares(readers, 4)
        seen = len(all_numbers(readers))
        wait_for_all(readers, seen + 50)
    readers.pop().finish()
    left = example.script("read_numbers", topic, "--group", "growing")
    readers.append(left)
    wait_for_shares(readers, 4)
    sender.finish()
    sent = sender.numbers()
    gone = [program for program in example._programs if program.argv[1].endswith("read_numbers.py")]
    wait_for_all(gone, len(sent))
    assert all_numbers(gone) == list(range(len(sent))), "each number once, over every join and leave"
    for reader in readers:
        reader.finish()


def test_partitions_grow_while_messages_flow(example, topic):
    sender = example.script("send_numbers", topic, 0, "--pace-ms", 5)
    sender.wait_for(20)
    reader = example.read(topic, "--group", "growing-partitions")
    reader.wait_for(40)
    assert {record["partition"] for record in sender.records()} == {0}

    example.admin("grow", topic, 4)

    for program in (sender, reader):
        until(
            lambda: f"{program.argv[1]} uses all four: {program.log_tail()}",
            lambda: {record["partition"] for record in program.records()} == {0, 1, 2, 3},
            60,
        )
    sender.finish()
    sent = sender.numbers()
    reader.wait_for(len(sent))
    assert sorted(reader.numbers()) == list(range(len(sent))), "nothing lost, nothing twice"
    reader.finish()


def test_a_chosen_partition_is_written_and_read_alone(example):
    example.admin("create", "logss", 4)
    answers = example.send("logss", 0, 49, "--partition", 1)
    assert {answer["partition"] for answer in answers} == {1}
    example.send("logss", 1000, 1049, "--partition", 0)
    example.send("logss", 2000, 2049, "--partition", 2)

    reader = example.read("logss", "--partition", 1)
    assert reader.wait_for(50) == list(range(50))
    example.send("logss", 3000, 3009, "--partition", 3)
    example.send("logss", 50, 59, "--partition", 1)
    assert reader.wait_for(60) == list(range(60)), "that partition and no other"
    assert {record["partition"] for record in reader.records()} == {1}
    assert [record["offset"] for record in reader.records()] == list(range(60))
    reader.finish()
