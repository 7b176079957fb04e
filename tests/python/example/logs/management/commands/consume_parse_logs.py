from django.core.management.base import BaseCommand

from logs.consuming import LogConsumer, add_arguments


class Command(BaseCommand):
    help = "Reads the logs topic and prints each record as one parsed line."

    def add_arguments(self, parser):
        add_arguments(parser, "parse-logs")

    def handle(self, *args, **options):
        consumer = LogConsumer(options["group"])
        for records in consumer.batches():
            for record in records:
                entry = record.value
                line = f"{record.partition}:{record.offset} {entry['level']} {entry['logger']}: {entry['message']}"
                self.stdout.write(line)
            self.stdout.flush()
            consumer.commit()
