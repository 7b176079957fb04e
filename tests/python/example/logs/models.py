"""The table that `consume_store_logs` fills."""

from django.db import models


class RawLog(models.Model):
    """One log record as it came. Where it came from makes it unique: a record delivered twice is stored once."""

    topic = models.CharField(max_length=249)
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    logger = models.CharField(max_length=200)
    level = models.CharField(max_length=20)
    message = models.TextField()
    payload = models.JSONField()
    created_at = models.DateTimeField()
    stored_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["topic", "partition", "offset"], name="one_row_per_record")]
        indexes = [models.Index(fields=["level", "created_at"], name="by_level_and_time")]
