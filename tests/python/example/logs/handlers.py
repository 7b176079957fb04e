"""A logging handler that sends each record as JSON to a topic."""

import json
import logging
import threading

from kafka import KafkaProducer


class KafkaHandler(logging.Handler):
    """Sends log records to `topic`. Connects on the first record, so that commands that log nothing need no broker."""

    def __init__(self, topic, bootstrap_servers):
        super().__init__()
        self.topic = topic
        self.bootstrap_servers = bootstrap_servers
        self._producer = None
        self._connecting = threading.Lock()

    def producer(self):
        with self._connecting:
            if self._producer is None:
                self._producer = KafkaProducer(
                    bootstrap_servers=self.bootstrap_servers,
                    value_serializer=lambda value: json.dumps(value).encode("utf-8"),
                    acks="all",
                    retries=5,
                    # How soon partitions that are added later get their share; the default is five minutes.
                    metadata_max_age_ms=2000,
                )
            return self._producer

    def emit(self, record):
        try:
            entry = {
                "logger": record.name,
                "level": record.levelname,
                "message": record.getMessage(),
                "created": record.created,
                "process": record.process,
                "traceback": logging.Formatter().formatException(record.exc_info) if record.exc_info else None,
            }
            self.producer().send(self.topic, entry).add_errback(self._failed, record)
        except Exception:
            self.handleError(record)

    def _failed(self, record, error):
        logging.getLogger("kafka").error("log record lost: %s: %s", record.getMessage(), error)

    def flush(self):
        if self._producer is not None:
            self._producer.flush(timeout=30)

    def close(self):
        if self._producer is not None:
            self._producer.close(timeout=30)
            self._producer = None
        super().close()
