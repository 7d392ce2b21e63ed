"""Kafka's clients as Barometer sets them up: who they are, where they go, what they say."""

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Message

from barometer.errors import BrokerError, SettingsError
from barometer.settings import Settings

POSTS: Final = "barometer.posts"
DEAD: Final = "barometer.posts.dead"
GROUP: Final = "barometer-scorers"
CALL_S: Final = 5.0
"""Seconds that the brokers may take to answer one call."""
TLS: Final = "kafkas://"
QUIET_S: Final = 30.0
"""The library tells of one kind of trouble once in so many seconds."""

Config = dict[str, Any]


def client_config(settings: Settings) -> Config:
    """What every client is told.

    Raises:
        SettingsError: the settings do not go together.
    """
    scheme, _, hosts = settings.broker_url.partition("://")
    encrypted = f"{scheme}://" == TLS
    config: Config = {
        "bootstrap.servers": hosts,
        "client.id": "barometer",
        "enable.metrics.push": False,  # it would tell the brokers about this process
        "socket.timeout.ms": int(CALL_S * 1000),
        "log_level": 4,  # warnings and worse
    }
    if encrypted and settings.kafka_ca_file:
        config["ssl.ca.location"] = settings.kafka_ca_file
    if settings.kafka_username:
        if not encrypted and settings.kafka_login == "PLAIN":
            raise SettingsError(
                "BAROMETER_KAFKA_USERNAME with a kafka:// address would send the password "
                "readable: use kafkas://, or SCRAM as BAROMETER_KAFKA_LOGIN."
            )
        config["sasl.mechanism"] = settings.kafka_login
        config["sasl.username"] = settings.kafka_username
        config["sasl.password"] = settings.kafka_password.get_secret_value()
    login = "SASL_" if settings.kafka_username else ""
    config["security.protocol"] = login + ("SSL" if encrypted else "PLAINTEXT")
    return config


@contextlib.contextmanager
def spoken() -> Iterator[None]:
    """Turn a fault of Kafka into the one error that callers know."""
    try:
        yield
    except KafkaException as error:
        raise away(error.args[0].name()) from error


def away(name: str) -> BrokerError:
    """The error for Kafka's error of this name."""
    return BrokerError(f"Kafka is away for a moment ({name}): try again shortly.")


def read(consumer: Consumer, most: int, wait_s: float) -> list[Message]:
    """What comes within `wait_s`, and at once whatever came with it; at most so many messages."""
    first = consumer.poll(wait_s)
    if first is None:  # a message without content is there and yet falsy
        return []
    return [first, *(consumer.consume(most - 1, timeout=0) if most > 1 else ())]


def header(message: Message, name: str) -> bytes | None:
    """A header's value; None where it is absent."""
    value = dict(message.headers() or ()).get(name)
    return value.encode() if isinstance(value, str) else value


class _Calm(logging.Filter):
    """A broker that is away is tried again many times a second: one line tells of it."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = str(record.args[0]) if isinstance(record.args, tuple) and record.args else ""
        now = time.monotonic()
        if now < self._said.get(kind, 0.0):
            return False
        self._said[kind] = now + QUIET_S
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


library_log: Final = logging.getLogger("librdkafka")
"""Where the clients' own words go: what fails is told as `BrokerError`, so these only warn."""
library_log.addFilter(_Calm())
