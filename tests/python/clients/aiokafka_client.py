"""aiokafka in the matrix. Its calls are coroutines: one event loop in a thread of its own runs them all."""

import asyncio
import os
import threading

import aiokafka
import scenarios
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import OffsetAndMetadata

BOOTSTRAP = os.environ["MATRIX_BOOTSTRAP"]

LOOP = asyncio.new_event_loop()
threading.Thread(target=LOOP.run_forever, daemon=True).start()


def wait(coroutine):
    """Runs a coroutine on the loop, and waits for its result."""
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result(scenarios.DEADLINE_S)


async def on_loop(make):
    """Makes a client object on the loop, as they take the running loop for theirs."""
    return make()


class Producer:
    def __init__(self, codec, idempotent):
        self._kafka = wait(
            on_loop(
                lambda: AIOKafkaProducer(
                    bootstrap_servers=BOOTSTRAP,
                    compression_type=None if codec == "none" else codec,
                    enable_idempotence=idempotent,
                    acks="all",
                    linger_ms=20,
                    retry_backoff_ms=100,
                )
            )
        )
        wait(self._kafka.start())
        self._sent = []

    def send(self, topic, value, key=None, timestamp_ms=None, headers=None):
        sending = self._kafka.send(topic, value, key=key, timestamp_ms=timestamp_ms, headers=headers)
        self._sent.append(wait(sending))

    def flush(self):
        wait(self._kafka.flush())
        for sent in self._sent:
            wait(asyncio.wait_for(sent, scenarios.DEADLINE_S))

    def close(self):
        wait(self._kafka.stop())


class Consumer:
    def __init__(self, group, topics, assign):
        self._kafka = wait(
            on_loop(
                lambda: AIOKafkaConsumer(
                    *(topics or ()),
                    bootstrap_servers=BOOTSTRAP,
                    group_id=group,
                    auto_offset_reset="earliest",
                    enable_auto_commit=False,
                    heartbeat_interval_ms=500,
                    retry_backoff_ms=100,
                )
            )
        )
        wait(self._kafka.start())
        if assign:
            wait(on_loop(lambda: self._kafka.assign([TopicPartition(*each) for each in assign])))

    def poll(self, seconds):
        polled = wait(self._kafka.getmany(timeout_ms=int(seconds * 1000)))
        return [
            scenarios.Record(r.partition, r.offset, r.key, r.value, r.timestamp, tuple(r.headers))
            for records in polled.values()
            for r in records
        ]

    def assignment(self):
        return [each.partition for each in self._kafka.assignment()]

    def commit(self):
        wait(self._kafka.commit())

    def commit_at(self, topic, partition, offset, metadata):
        wait(self._kafka.commit({TopicPartition(topic, partition): OffsetAndMetadata(offset, metadata)}))

    def committed(self, topic, partition):
        # The client's own call leaves the metadata out; that of the admin client has it.
        key = TopicPartition(topic, partition)
        offset = wait(self._kafka.committed(key))
        return offset, client.group_offsets(self._kafka._group_id)[key].metadata

    def seek(self, topic, partition, offset):
        wait(on_loop(lambda: self._kafka.seek(TopicPartition(topic, partition), offset)))

    def offset_for_time(self, topic, partition, timestamp_ms):
        key = TopicPartition(topic, partition)
        found = wait(self._kafka.offsets_for_times({key: timestamp_ms}))[key]
        return found.offset if found else None

    def close(self):
        wait(self._kafka.stop())


class Client:
    name = "aiokafka"
    version = aiokafka.__version__
    codecs = scenarios.CODECS
    idempotent = True

    def __init__(self):
        self.admin = wait(on_loop(lambda: AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)))
        wait(self.admin.start())

    def _create(self, name, partitions, configs=None):
        topic = NewTopic(name, partitions, 1, topic_configs=configs or {})
        # The error code is the second field of each topic's answer.
        return [error[1] for error in wait(self.admin.create_topics([topic])).topic_errors]

    def create_topic(self, name, partitions, configs=None):
        scenarios.equal(self._create(name, partitions, configs), [0], f"create {name}")

    def create_again_fails(self, name):
        scenarios.equal(self._create(name, 1), [36], "a second create")

    def partition_count(self, name):
        return len(wait(self.admin.describe_topics([name]))[0]["partitions"])

    def producer(self, codec="none", idempotent=False):
        return Producer(codec, idempotent)

    def consumer(self, group=None, topics=None, assign=None):
        return Consumer(group, topics, assign)

    def group_offsets(self, group):
        return wait(self.admin.list_consumer_group_offsets(group))

    def admin_list_topics(self):
        names = set(wait(self.admin.list_topics()))
        assert {"created", "codec-gzip", "rebalance"} <= names, names
        return f"{len(names)} topics"

    def admin_describe_cluster(self):
        cluster = wait(self.admin.describe_cluster())
        scenarios.equal([f"{b['host']}:{b['port']}" for b in cluster["brokers"]], [BOOTSTRAP], "brokers")
        assert cluster["cluster_id"] and cluster["controller_id"] >= 0, cluster
        return "one broker, a cluster id, a controller"

    def _topic_config(self, topic, key):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={key: None})
        error, _message, _type, name, entries = wait(self.admin.describe_configs([resource]))[0].resources[0]
        scenarios.equal((error, name), (0, topic), "answer")
        return {entry[0]: entry[1] for entry in entries}[key]

    def admin_describe_configs(self):
        scenarios.equal(self._topic_config("created", "max.message.bytes"), "200000", "max.message.bytes")
        return "the value given at creation"

    def admin_alter_configs(self):
        self.create_topic("altered", 1)
        resource = ConfigResource(ConfigResourceType.TOPIC, "altered", configs={"retention.ms": "123456"})
        wait(self.admin.alter_configs([resource]))
        scenarios.until("the change shows", lambda: self._topic_config("altered", "retention.ms") == "123456")
        return "retention.ms changed and read back"

    def admin_create_partitions(self):
        self.create_topic("grown", 1)
        wait(self.admin.create_partitions({"grown": NewPartitions(4)}))
        scenarios.until("the topic has 4 partitions", lambda: self.partition_count("grown") == 4)
        return "1 to 4"

    def admin_list_groups(self):
        names = {group[0] for group in wait(self.admin.list_consumer_groups())}
        assert {"rebalancing", "committing"} <= names, names
        return f"{len(names)} groups"

    def admin_describe_group(self):
        with scenarios.live_group(self, "described", "rebalance", 4):
            answer = wait(self.admin.describe_consumer_groups(["described"]))[0].groups[0]
        error, group, state, protocol_type, _protocol, members = answer[:6]
        scenarios.equal((error, group, state, protocol_type), (0, "described", "Stable", "consumer"), "answer")
        scenarios.equal(len(members), 1, "members")
        return "a live group: state and members"

    def admin_list_group_offsets(self):
        offset = self.group_offsets("committing")[TopicPartition("commit", 0)].offset
        scenarios.equal(offset, 40, "offset")
        return "40"

    def admin_delete_records(self):
        self.create_topic("trimmed", 1)
        scenarios.produce(self, "trimmed", 0, 50)
        partition = TopicPartition("trimmed", 0)
        answer = wait(self.admin.delete_records({partition: RecordsToDelete(before_offset=30)}))
        scenarios.equal(answer, {partition: 30}, "low watermarks")
        return "30 of 50 gone"

    def admin_delete_topic(self):
        self.create_topic("doomed", 1)
        wait(self.admin.delete_topics(["doomed"]))
        scenarios.until("the topic is gone", lambda: "doomed" not in wait(self.admin.list_topics()))
        return "gone from the list"


client = Client()
scenarios.run(client)
