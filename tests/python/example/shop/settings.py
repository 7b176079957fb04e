"""Settings of the example. What differs from machine to machine comes from the environment."""

import os

SECRET_KEY = "only for the example"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["logs"]
MIDDLEWARE = []
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.mysql",
        "HOST": os.environ.get("MYSQL_HOST", "127.0.0.1"),
        "PORT": os.environ.get("MYSQL_PORT", "3306"),
        "NAME": os.environ.get("MYSQL_DATABASE", "millrace_example"),
        "USER": os.environ.get("MYSQL_USER", "example"),
        "PASSWORD": os.environ.get("MYSQL_PASSWORD", "example"),
        "OPTIONS": {"charset": "utf8mb4"},
    }
}

KAFKA_BOOTSTRAP_SERVERS = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
LOGS_TOPIC = "logss"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "console": {"class": "logging.StreamHandler"},
        "kafka": {
            "class": "logs.handlers.KafkaHandler",
            "topic": LOGS_TOPIC,
            "bootstrap_servers": KAFKA_BOOTSTRAP_SERVERS,
        },
    },
    "loggers": {
        "shop": {"handlers": ["kafka"], "level": "DEBUG", "propagate": False},
        "logs": {"handlers": ["console"], "level": "INFO", "propagate": False},
        # The Kafka client logs too: through the handler above it would feed itself.
        "kafka": {"handlers": ["console"], "level": "WARNING", "propagate": False},
    },
}
