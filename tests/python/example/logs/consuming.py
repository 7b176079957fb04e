"""What the two consuming commands share: a consumer of the logs topic that ends cleanly on SIGTERM or Ctrl-C."""

import json
import logging
import signal

from django.conf import settings
from kafka import ConsumerRebalanceListener, KafkaConsumer

logger = logging.getLogger(__name__)


def add_arguments(parser, default_group):
    parser.add_argument("--group", default=default_group, help="consumer group (default: %(default)s)")


class Assignments(ConsumerRebalanceListener):
    """Tells operators which partitions this member of the group has."""

    def on_partitions_revoked(self, revoked):
        """Nothing to do: what was read is committed already."""

    def on_partitions_assigned(self, assigned):
        logger.info("assigned %s", sorted(partition.partition for partition in assigned))


class LogConsumer:
    """Polls batches of log records until told to stop. Offsets are committed by the caller, after its work is done."""

    def __init__(self, group):
        self._stopping = False
        self.kafka = KafkaConsumer(
            bootstrap_servers=settings.KAFKA_BOOTSTRAP_SERVERS,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            value_deserializer=lambda value: json.loads(value.decode("utf-8")),
            # New partitions are found, and crashed members missed, within seconds.
            metadata_max_age_ms=2000,
            session_timeout_ms=6000,
            heartbeat_interval_ms=500,
        )
        self.kafka.subscribe([settings.LOGS_TOPIC], listener=Assignments())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, _number, _frame):
        self._stopping = True

    def batches(self):
        """Yields non-empty lists of records."""
        try:
            while not self._stopping:
                # kafka-python 3.0.12 forgets an assignment that arrives between two polls, so they had better be few.
                polled = self.kafka.poll(timeout_ms=1000)
                records = [record for partition in polled.values() for record in partition]
                if records:
                    yield records
        finally:
            self.kafka.close(autocommit=False)

    def commit(self):
        self.kafka.commit()
