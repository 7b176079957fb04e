from datetime import datetime, timezone

from django.core.management.base import BaseCommand
from django.db import transaction

from logs.consuming import LogConsumer, add_arguments
from logs.models import RawLog


class Command(BaseCommand):
    help = "Reads the logs topic and stores each record as a RawLog row."

    def add_arguments(self, parser):
        add_arguments(parser, "store-logs")

    def handle(self, *args, **options):
        consumer = LogConsumer(options["group"])
        for records in consumer.batches():
            # Rows first, offsets after: a crash in between delivers again, and the unique key takes care of that.
            with transaction.atomic():
                RawLog.objects.bulk_create([self.row(record) for record in records], ignore_conflicts=True)
            consumer.commit()
            self.stdout.write(f"stored {len(records)}")
            self.stdout.flush()

    @staticmethod
    def row(record):
        entry = record.value
        return RawLog(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            logger=entry["logger"],
            level=entry["level"],
            message=entry["message"],
            payload=entry,
            created_at=datetime.fromtimestamp(entry["created"], tz=timezone.utc),
        )
