"""confluent-kafka (librdkafka) in the matrix."""

import os

import confluent_kafka
import scenarios
from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, TopicPartition
from confluent_kafka import Consumer as RdConsumer
from confluent_kafka import Producer as RdProducer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

BOOTSTRAP = os.environ["MATRIX_BOOTSTRAP"]
equal, until = scenarios.equal, scenarios.until

COORDINATOR_AWAY = {
    KafkaError._WAIT_COORD,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
}


class Producer:
    def __init__(self, codec, idempotent):
        self._rd = RdProducer(
            {
                "bootstrap.servers": BOOTSTRAP,
                "compression.type": codec,
                "enable.idempotence": idempotent,
                "max.in.flight.requests.per.connection": 5 if idempotent else 1,
                "linger.ms": 20,
                "retry.backoff.ms": 100,
            }
        )
        self._sent = 0
        self._answers = []

    def send(self, topic, value, key=None, timestamp_ms=None, headers=None):
        settings = {"timestamp": timestamp_ms} if timestamp_ms else {}
        self._rd.produce(topic, value, key, headers=headers, on_delivery=self._answered, **settings)
        self._sent += 1
        self._rd.poll(0)

    def _answered(self, error, _message):
        self._answers.append(error)

    def flush(self):
        self._rd.flush(scenarios.DEADLINE_S)
        equal(len(self._answers), self._sent, "answers")
        equal([error for error in self._answers if error], [], "errors")

    def close(self):
        """The client needs no closing after a flush."""


class Consumer:
    def __init__(self, group, topics, assign):
        self._rd = RdConsumer(
            {
                "bootstrap.servers": BOOTSTRAP,
                "group.id": group or "unused",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "heartbeat.interval.ms": 500,
                "session.timeout.ms": 10000,
                "fetch.wait.max.ms": 100,
            }
        )
        if topics:
            self._rd.subscribe(topics)
        else:
            self._rd.assign([TopicPartition(*each, confluent_kafka.OFFSET_BEGINNING) for each in assign])

    def poll(self, seconds):
        polled = self._rd.consume(500, seconds)
        for message in polled:
            assert message.error() is None, message.error()
        return [
            scenarios.Record(m.partition(), m.offset(), m.key(), m.value(), m.timestamp()[1], tuple(m.headers() or ()))
            for m in polled
        ]

    def assignment(self):
        return [each.partition for each in self._rd.assignment()]

    def commit(self):
        until("the offsets are committed", self._commit)

    def _commit(self):
        """One attempt: librdkafka leaves it to the caller to commit again when the coordinator was away."""
        try:
            for committed in self._rd.commit(asynchronous=False):
                assert committed.error is None, committed.error
        except confluent_kafka.KafkaException as error:
            if error.args[0].code() in COORDINATOR_AWAY:
                return False
            raise
        return True

    def commit_at(self, topic, partition, offset, metadata):
        self._rd.commit(offsets=[TopicPartition(topic, partition, offset, metadata)], asynchronous=False)

    def committed(self, topic, partition):
        committed = self._rd.committed([TopicPartition(topic, partition)], timeout=30)[0]
        return committed.offset, committed.metadata

    def seek(self, topic, partition, offset):
        # An assignment with an offset starts there; seek() wants partitions that are being fetched already.
        self._rd.assign([TopicPartition(topic, partition, offset)])

    def offset_for_time(self, topic, partition, timestamp_ms):
        found = self._rd.offsets_for_times([TopicPartition(topic, partition, timestamp_ms)], timeout=30)[0]
        assert found.error is None, found.error
        return found.offset if found.offset >= 0 else None

    def close(self):
        self._rd.close()


def done(futures):
    """Waits for the futures of an admin call; returns {name: result}."""
    return {name: future.result(scenarios.DEADLINE_S) for name, future in futures.items()}


class Client:
    name = "confluent-kafka"
    version = f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})"
    codecs = scenarios.CODECS
    idempotent = True

    def __init__(self):
        self.admin = AdminClient({"bootstrap.servers": BOOTSTRAP})

    def create_topic(self, name, partitions, configs=None):
        done(self.admin.create_topics([NewTopic(name, partitions, 1, config=configs or {})]))

    def create_again_fails(self, name):
        try:
            self.create_topic(name, 1)
        except confluent_kafka.KafkaException as error:
            equal(error.args[0].name(), "TOPIC_ALREADY_EXISTS", "error")
            return
        raise AssertionError("the second create was not refused")

    def partition_count(self, name):
        return len(self.admin.list_topics(name, timeout=30).topics[name].partitions)

    def producer(self, codec="none", idempotent=False):
        return Producer(codec, idempotent)

    def consumer(self, group=None, topics=None, assign=None):
        return Consumer(group, topics, assign)

    def admin_list_topics(self):
        names = set(self.admin.list_topics(timeout=30).topics)
        assert {"created", "codec-gzip", "rebalance"} <= names, names
        return f"{len(names)} topics"

    def admin_describe_topics(self):
        described = done(self.admin.describe_topics(confluent_kafka.TopicCollection(["rebalance"])))["rebalance"]
        equal([partition.id for partition in described.partitions], [0, 1, 2, 3], "partitions")
        return "4 partitions and a topic id"

    def admin_describe_cluster(self):
        cluster = self.admin.describe_cluster().result(30)
        equal([f"{node.host}:{node.port}" for node in cluster.nodes], [BOOTSTRAP], "brokers")
        assert cluster.cluster_id and cluster.controller is not None
        return "one broker, a cluster id, a controller"

    def _config(self, topic, key):
        resource = ConfigResource(ResourceType.TOPIC, topic)
        return self.admin.describe_configs([resource])[resource].result(30)[key]

    def admin_describe_configs(self):
        entry = self._config("created", "max.message.bytes")
        equal((entry.value, entry.is_default), ("200000", False), "max.message.bytes")
        assert "message.max.bytes" in entry.synonyms, entry.synonyms
        return "value, default flag, synonyms"

    def admin_describe_broker_configs(self):
        broker = next(iter(self.admin.list_topics(timeout=30).brokers))
        resource = ConfigResource(ResourceType.BROKER, str(broker))
        entries = self.admin.describe_configs([resource])[resource].result(30)
        assert {"log.retention.ms", "num.partitions", "message.max.bytes"} <= set(entries), sorted(entries)
        return "the broker's own"

    def admin_alter_configs(self):
        self.create_topic("altered", 1)
        resource = ConfigResource(ResourceType.TOPIC, "altered", set_config={"retention.ms": "123456"})
        done(self.admin.alter_configs([resource]))
        until("the change shows", lambda: self._config("altered", "retention.ms").value == "123456")
        return "retention.ms changed and read back"

    def admin_incremental_alter_configs(self):
        self.create_topic("altered-2", 1, {"retention.ms": "1000000"})
        entry = ConfigEntry("max.message.bytes", "300000", incremental_operation=AlterConfigOpType.SET)
        done(self.admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, "altered-2", incremental_configs=[entry])]))
        until("the change shows", lambda: self._config("altered-2", "max.message.bytes").value == "300000")
        equal(self._config("altered-2", "retention.ms").value, "1000000", "the other value stays")
        return "one value changed, the other kept"

    def admin_create_partitions(self):
        self.create_topic("grown", 1)
        done(self.admin.create_partitions([NewPartitions("grown", 4)]))
        until("the topic has 4 partitions", lambda: self.partition_count("grown") == 4)
        return "1 to 4"

    def admin_list_groups(self):
        listed = self.admin.list_consumer_groups().result(30)
        equal(listed.errors, [], "errors")
        names = {group.group_id for group in listed.valid}
        assert {"rebalancing", "committing"} <= names, names
        return f"{len(names)} groups"

    def admin_describe_group(self):
        with scenarios.live_group(self, "described", "rebalance", 4):
            group = done(self.admin.describe_consumer_groups(["described"]))["described"]
        shares = [[each.partition for each in member.assignment.topic_partitions] for member in group.members]
        equal((group.state.name, shares), ("STABLE", [[0, 1, 2, 3]]), "state and shares")
        return "a live group: state, members, assignment"

    def _group_offset(self, group):
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition("commit", 0)])
        answer = done(self.admin.list_consumer_group_offsets([asked]))[group]
        return answer.topic_partitions[0].offset

    def admin_list_group_offsets(self):
        equal(self._group_offset("committing"), 40, "offset")
        return "40"

    def _set_group_offset(self, group, offset):
        wanted = ConsumerGroupTopicPartitions(group, [TopicPartition("commit", 0, offset)])
        answer = done(self.admin.alter_consumer_group_offsets([wanted]))[group]
        assert answer.topic_partitions[0].error is None, answer.topic_partitions[0].error

    def admin_alter_group_offsets(self):
        self._set_group_offset("altering", 12)
        equal(self._group_offset("altering"), 12, "offset")
        return "set to 12"

    def admin_delete_group(self):
        self._set_group_offset("short-lived", 1)
        done(self.admin.delete_consumer_groups(["short-lived"]))
        assert "short-lived" not in {group.group_id for group in self.admin.list_consumer_groups().result(30).valid}
        return "gone from the list"

    def _offset(self, topic, spec):
        partition = TopicPartition(topic, 0)
        answer = done(self.admin.list_offsets({partition: spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED))
        return answer[partition].offset

    def admin_list_offsets(self):
        specs = [OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.max_timestamp()]
        specs.append(OffsetSpec.for_timestamp(scenarios.FIRST_TIMESTAMP_MS + 36_500))
        equal([self._offset("timestamps", spec) for spec in specs], [0, 100, 99, 37], "offsets")
        return "earliest, latest, newest, by time"

    def admin_delete_records(self):
        self.create_topic("trimmed", 1)
        scenarios.produce(self, "trimmed", 0, 50)
        partition = TopicPartition("trimmed", 0, 30)
        equal([answer.low_watermark for answer in done(self.admin.delete_records([partition])).values()], [30], "answer")
        equal(self._offset("trimmed", OffsetSpec.earliest()), 30, "earliest offset")
        return "30 of 50 gone"

    def admin_delete_topic(self):
        self.create_topic("doomed", 1)
        done(self.admin.delete_topics(["doomed"]))
        until("the topic is gone", lambda: "doomed" not in self.admin.list_topics(timeout=30).topics)
        return "gone from the list"


if __name__ == "__main__":
    scenarios.run(Client())
