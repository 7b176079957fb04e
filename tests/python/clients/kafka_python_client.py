"""kafka-python in the matrix: 2.0.2, which has been the newest for years and is in many requirements files, and 3.x."""

import os

import kafka
import scenarios
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata

BOOTSTRAP = os.environ["MATRIX_BOOTSTRAP"]
IS_3 = kafka.__version__.startswith("3.")
if IS_3:
    from kafka.admin._partitions import NewPartitions
    from kafka.admin._topics import NewTopic
else:
    from kafka.admin import NewPartitions, NewTopic


class Producer:
    def __init__(self, codec, idempotent):
        settings = {"compression_type": None if codec == "none" else codec, "linger_ms": 20}
        if IS_3:
            settings["enable_idempotence"] = idempotent
        if not idempotent:
            # One request at a time keeps the order when one is sent again.
            settings.update(max_in_flight_requests_per_connection=1, retries=100, acks="all")
        self._kafka = KafkaProducer(bootstrap_servers=BOOTSTRAP, retry_backoff_ms=100, **settings)
        self._sent = []

    def send(self, topic, value, key=None, timestamp_ms=None, headers=None):
        sending = self._kafka.send(topic, value, key=key, timestamp_ms=timestamp_ms, headers=headers)
        self._sent.append(sending)

    def flush(self):
        self._kafka.flush(timeout=scenarios.DEADLINE_S)
        for sending in self._sent:
            sending.get(timeout=scenarios.DEADLINE_S)

    def close(self):
        self._kafka.close()


class Consumer:
    def __init__(self, group, topics, assign):
        self._kafka = KafkaConsumer(
            bootstrap_servers=BOOTSTRAP,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=500,
            session_timeout_ms=10000,
            retry_backoff_ms=100,
        )
        if topics:
            self._kafka.subscribe(topics)
        else:
            self._kafka.assign([TopicPartition(*each) for each in assign])

    def poll(self, seconds):
        # 3.0.12 forgets an assignment that arrives between two polls, so they had better be few.
        seconds = max(seconds, 1.0)
        polled = self._kafka.poll(timeout_ms=int(seconds * 1000))
        return [
            scenarios.Record(r.partition, r.offset, r.key, r.value, r.timestamp, tuple(r.headers))
            for records in polled.values()
            for r in records
        ]

    def assignment(self):
        return [each.partition for each in self._kafka.assignment()]

    def commit(self):
        self._kafka.commit()

    def commit_at(self, topic, partition, offset, metadata):
        offsets = OffsetAndMetadata(offset, metadata, -1) if IS_3 else OffsetAndMetadata(offset, metadata)
        self._kafka.commit({TopicPartition(topic, partition): offsets})

    def committed(self, topic, partition):
        committed = self._kafka.committed(TopicPartition(topic, partition), metadata=True)
        return committed.offset, committed.metadata

    def seek(self, topic, partition, offset):
        self._kafka.seek(TopicPartition(topic, partition), offset)

    def offset_for_time(self, topic, partition, timestamp_ms):
        key = TopicPartition(topic, partition)
        found = self._kafka.offsets_for_times({key: timestamp_ms})[key]
        return found.offset if found else None

    def close(self):
        self._kafka.close(autocommit=False)


class Client:
    name = "kafka-python"
    version = kafka.__version__
    codecs = scenarios.CODECS
    idempotent = IS_3

    def __init__(self):
        self.admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)

    def create_topic(self, name, partitions, configs=None):
        self.admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs or {})])

    def create_again_fails(self, name):
        try:
            self.admin.create_topics([NewTopic(name, 1, 1)])
        except TopicAlreadyExistsError:
            return
        raise AssertionError("the second create was not refused")

    def partition_count(self, name):
        return len(self.admin.describe_topics([name])[0]["partitions"])

    def producer(self, codec="none", idempotent=False):
        return Producer(codec, idempotent)

    def consumer(self, group=None, topics=None, assign=None):
        return Consumer(group, topics, assign)

    # Admin calls. Those that both versions have come first.

    def admin_list_topics(self):
        topics = self.admin.list_topics()
        names = {topic["name"] if isinstance(topic, dict) else topic for topic in topics}
        assert {"created", "codec-gzip", "rebalance"} <= names, names
        return f"{len(names)} topics"

    def admin_describe_cluster(self):
        cluster = self.admin.describe_cluster()
        equal = scenarios.equal
        equal(len(cluster["brokers"]), 1, "brokers")
        equal(f"{cluster['brokers'][0]['host']}:{cluster['brokers'][0]['port']}", BOOTSTRAP, "address")
        assert cluster["cluster_id"] and cluster["controller_id"] >= 0, cluster
        return "one broker, a cluster id, a controller"

    def _topic_config(self, topic, key):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={key: None})
        described = self.admin.describe_configs([resource])
        if IS_3:
            return described["topic"][topic][key]
        error, _message, _type, name, entries = described[0].resources[0]
        scenarios.equal((error, name), (0, topic), "answer")
        return {entry[0]: entry[1] for entry in entries}[key]

    def admin_describe_configs(self):
        scenarios.equal(self._topic_config("created", "max.message.bytes"), "200000", "max.message.bytes")
        return "the value given at creation"

    def admin_alter_configs(self):
        self.create_topic("altered", 1)
        resource = ConfigResource(ConfigResourceType.TOPIC, "altered", configs={"retention.ms": "123456"})
        self.admin.alter_configs([resource])
        scenarios.until("the change shows", lambda: self._topic_config("altered", "retention.ms") == "123456")
        return "retention.ms changed and read back"

    def admin_create_partitions(self):
        self.create_topic("grown", 1)
        self.admin.create_partitions({"grown": NewPartitions(4)})
        scenarios.until("the topic has 4 partitions", lambda: self.partition_count("grown") == 4)
        return "1 to 4"

    def admin_list_groups(self):
        listed = self.admin.list_groups() if IS_3 else self.admin.list_consumer_groups()
        names = {group["group_id"] if isinstance(group, dict) else group[0] for group in listed}
        assert {"rebalancing", "committing"} <= names, names
        return f"{len(names)} groups"

    def admin_describe_group(self):
        with scenarios.live_group(self, "described", "rebalance", 4):
            state, members = self._described_group("described")
        scenarios.equal((state, members), ("Stable", [[0, 1, 2, 3]]), "state and shares")
        return "a live group: state, members, assignment"

    def _described_group(self, name):
        """The group's state, and the partitions of each member."""
        if IS_3:
            group = self.admin.describe_groups([name])[name]
            shares = [member["member_assignment"]["assigned_partitions"] for member in group["members"]]
            return group["group_state"], [share[0]["partitions"] for share in shares]
        group = self.admin.describe_consumer_groups([name])[0]
        return group.state, [member.member_assignment.assignment[0][1] for member in group.members]

    def _group_offset(self, group, topic, partition):
        key = TopicPartition(topic, partition)
        if IS_3:
            return self.admin.list_group_offsets({group: [key]})[group][key].offset
        return self.admin.list_consumer_group_offsets(group)[key].offset

    def admin_list_group_offsets(self):
        scenarios.equal(self._group_offset("committing", "commit", 0), 40, "offset")
        return "40"

    def admin_delete_group(self):
        consumer = self.consumer(group="short-lived", assign=[("commit", 0)])
        consumer.commit_at("commit", 0, 1, "")
        consumer.close()
        deleted = self.admin.delete_groups(["short-lived"]) if IS_3 else self.admin.delete_consumer_groups(["short-lived"])
        if not IS_3:
            scenarios.equal([(group, error.errno) for group, error in deleted], [("short-lived", 0)], "answer")
        listed = self.admin.list_groups() if IS_3 else self.admin.list_consumer_groups()
        names = {group["group_id"] if isinstance(group, dict) else group[0] for group in listed}
        assert "short-lived" not in names, names
        return "gone from the list"

    def admin_delete_topic(self):
        self.create_topic("doomed", 1)
        self.admin.delete_topics(["doomed"])
        scenarios.until("the topic is gone", lambda: "doomed" not in self._topic_names())
        return "gone from the list"

    def _topic_names(self):
        return {topic["name"] if isinstance(topic, dict) else topic for topic in self.admin.list_topics()}


client = Client()
if IS_3:
    from kafka_python_3_admin import Admin3

    client.__class__ = type("Client3", (Admin3, Client), {})
scenarios.run(client)
