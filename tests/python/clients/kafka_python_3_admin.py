"""The admin calls that kafka-python has from 3.0 on."""

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec, OffsetTimestamp
from kafka.errors import NoError
from kafka.structs import OffsetAndMetadata
from scenarios import CODEC_RECORDS, FIRST_TIMESTAMP_MS, equal, produce, until


class Admin3:
    """Mixed into the client of the matrix."""

    def admin_incremental_alter_configs(self):
        self.create_topic("altered-3", 1, {"retention.ms": "1000000"})
        resource = ConfigResource(ConfigResourceType.TOPIC, "altered-3", configs={"max.message.bytes": ("SET", "300000")})
        self.admin.alter_configs([resource], incremental=True)
        until("the change shows", lambda: self._topic_config("altered-3", "max.message.bytes")["value"] == "300000")
        equal(self._topic_config("altered-3", "retention.ms")["value"], "1000000", "the other value stays")
        return "one value changed, the other kept"

    def admin_describe_configs(self):
        entry = self._topic_config("created", "max.message.bytes")
        equal((entry["value"], entry["config_source"]), ("200000", "DYNAMIC_TOPIC_CONFIG"), "entry")
        everything = self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "created")], True, "all")
        equal(everything["topic"]["created"]["retention.ms"]["config_type"], "LONG", "type")
        return f"{len(everything['topic']['created'])} keys, with source and type"

    def admin_alter_configs(self):
        self.create_topic("altered", 1)
        resource = ConfigResource(ConfigResourceType.TOPIC, "altered", configs={"retention.ms": "123456"})
        answer = self.admin.alter_configs([resource], incremental=False)
        equal(answer, {"topic": {"altered": "OK"}}, "answer")
        until("the change shows", lambda: self._topic_config("altered", "retention.ms")["value"] == "123456")
        return "retention.ms changed and read back"

    def admin_delete_group(self):
        self.admin.alter_group_offsets("short-lived", {TopicPartition("commit", 0): OffsetAndMetadata(1, "", -1)})
        equal(self.admin.delete_groups(["short-lived"]), {"short-lived": "OK"}, "answer")
        assert "short-lived" not in {group["group_id"] for group in self.admin.list_groups()}
        return "gone from the list"

    def admin_delete_records(self):
        self.create_topic("trimmed", 1)
        produce(self, "trimmed", 0, 50)
        partition = TopicPartition("trimmed", 0)
        answer = self.admin.delete_records({partition: 30})
        equal(answer[partition]["low_watermark"], 30, "low watermark")
        found = self.admin.list_partition_offsets({partition: OffsetSpec.EARLIEST})
        equal(found[partition].offset, 30, "earliest offset")
        return "30 of 50 gone"

    def admin_list_offsets(self):
        partition = TopicPartition("timestamps", 0)
        specs = {"earliest": OffsetSpec.EARLIEST, "latest": OffsetSpec.LATEST, "newest": OffsetSpec.MAX_TIMESTAMP}
        specs["by time"] = OffsetTimestamp(FIRST_TIMESTAMP_MS + 36_500)
        found = {name: self.admin.list_partition_offsets({partition: spec})[partition].offset for name, spec in specs.items()}
        equal(found, {"earliest": 0, "latest": 100, "newest": 99, "by time": 37}, "offsets")
        return "earliest, latest, newest, by time"

    def admin_describe_log_dirs(self):
        answer = self.admin.describe_log_dirs({"codec-none": [0, 1]})
        directory = answer[0]["log_dirs"][0]
        equal(directory["error_code"], 0, "error")
        topics = {topic["name"]: topic["partitions"] for topic in directory["topics"]}
        assert sum(partition["partition_size"] for partition in topics["codec-none"]) > CODEC_RECORDS * 100
        return "sizes in bytes"

    def admin_alter_group_offsets(self):
        partition = TopicPartition("commit", 0)
        answer = self.admin.alter_group_offsets("altering", {partition: OffsetAndMetadata(12, "twelve", -1)})
        equal(answer, {partition: NoError}, "answer")
        equal(self._group_offset("altering", "commit", 0), 12, "offset")
        answer = self.admin.reset_group_offsets("altering", {partition: OffsetSpec.LATEST})
        equal(answer[partition]["offset"], 100, "reset to the latest")
        equal(self._group_offset("altering", "commit", 0), 100, "offset after the reset")
        return "set to 12, reset to the latest"

    def admin_delete_group_offsets(self):
        partition = TopicPartition("commit", 0)
        self.admin.alter_group_offsets("forgetting", {partition: OffsetAndMetadata(12, "", -1)})
        equal(self.admin.delete_group_offsets("forgetting", [partition]), {partition: NoError}, "answer")
        equal(self._group_offset("forgetting", "commit", 0), -1, "offset afterwards")
        return "none left"

    def admin_describe_producers(self):
        produce(self, "idempotent", 300, 1, idempotent=True)
        partition = TopicPartition("idempotent", 0)
        state = self.admin.describe_producers([partition])[partition]
        producers = state.active_producers
        assert producers and all(producer.producer_id >= 0 for producer in producers), state
        return f"{len(producers)} producers of a partition"

    def admin_describe_topic_partitions(self):
        answer = self.admin.describe_topic_partitions(["rebalance"])
        partitions = answer["topics"][0]["partitions"]
        equal(sorted(partition["partition_index"] for partition in partitions), [0, 1, 2, 3], "partitions")
        return "4 partitions with their replicas"
