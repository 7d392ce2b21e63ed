"""The broker that the settings name, opened."""

import importlib
import time

from redis import Redis

from barometer.broker import Broker
from barometer.errors import BrokerError, SettingsError, UnavailableError
from barometer.redis_server import connect, redis_url, verified
from barometer.redis_stream import RedisStream
from barometer.settings import KAFKA, Settings


def open_broker(settings: Settings, redis: Redis | None = None) -> Broker:
    """The broker in force, not yet asked anything: `BROKER_URL`, or the Redis in force.

    `redis` is the latter, where the caller has it connected already.

    Raises:
        SettingsError: it is Kafka, and its client is not installed or its settings do not go
            together.
    """
    redis = redis or connect(redis_url(settings))
    if not settings.broker_url:
        return RedisStream(redis, settings)
    if not settings.broker_url.startswith(KAFKA):
        return RedisStream(connect(verified(settings.broker_url, settings)), settings)
    try:
        kafka = importlib.import_module("barometer.kafka_stream")
    except ModuleNotFoundError as error:
        raise SettingsError(
            "BAROMETER_BROKER_URL names Kafka, whose client is not installed: install the extra "
            "`kafka`, as in pip install 'barometer[kafka]'."
        ) from error
    broker: Broker = kafka.KafkaStream(settings, redis)
    return broker


def answering_broker(settings: Settings, wait_s: float = 0.0) -> Broker:
    """The broker in force, once it has answered; asked for up to `wait_s` seconds.

    Raises:
        SettingsError: it is Kafka, and its client is not installed.
        UnavailableError: it does not answer.
    """
    broker = open_broker(settings)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            broker.backlog()
        except BrokerError as error:
            if time.monotonic() > deadline:
                raise UnavailableError(_remedy(settings)) from error
            time.sleep(0.1)
        else:
            return broker


def _remedy(settings: Settings) -> str:
    if settings.broker_url:
        return "the broker does not answer: check BAROMETER_BROKER_URL."
    if settings.redis_url:
        return "Redis does not answer: check BAROMETER_REDIS_URL."
    return (
        "Redis does not answer: start everything with `barometer up`, or set BAROMETER_REDIS_URL."
    )
