"""Running Java programs from Kafka's jars: its broker, its tools, the client of the matrix."""

from .places import kafka_libs

# A short-lived JVM is quickest with one compiler level and one collector thread.
_QUICK = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]

# The classes behind Kafka's shell scripts.
TOOLS = {
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-dump-log": "kafka.tools.DumpLogSegments",
}


def command(main_class, *arguments, heap="256m", classpath=()):
    """The argument list that runs `main_class` with Kafka's jars."""
    path = ":".join([*map(str, classpath), f"{kafka_libs()}/*"])
    return ["java", f"-Xmx{heap}", *_QUICK, "-cp", path, main_class, *map(str, arguments)]
