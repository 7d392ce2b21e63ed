"""The brokers that the behaviour tests run over; one more is one more line in `KINDS`."""

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from confluent_kafka import Producer

from barometer import kafka_member
from barometer.broker import Broker
from barometer.brokers import open_broker
from barometer.redis_server import connect
from barometer.settings import Settings
from tests.kafka_cluster import empty_topics, kafka_host
from tests.servers import redis_server


@dataclass
class Stream:
    """An empty stream in a real broker, and what a test may do to it from outside."""

    settings: Settings
    """They name the broker; nothing else runs on them."""
    put: Callable[[bytes | None, bytes | None], None]
    """Append an entry as no publisher of ours would: the post's JSON and its events' slugs."""

    silence_s: float = 0.05
    """The shortest `STREAM_CLAIM_AFTER_S` that the broker takes."""
    opened: list[Broker] = field(default_factory=list)

    def open(self, **changed: object) -> Broker:
        """A further client of the stream, perhaps with other settings."""
        self.opened.append(open_broker(self.settings.model_copy(update=changed)))
        return self.opened[-1]

    def close(self) -> None:
        """Close all clients."""
        for client in self.opened:
            client.close()


def redis_stream(url: str, folder: Path) -> Stream:
    client = connect(url)
    client.flushall()

    def put(post: bytes | None, events: bytes | None) -> None:
        fields = {"post": post, "events": events, "by": b"somebody else"}
        client.xadd("barometer:posts", {k: v for k, v in fields.items() if v is not None})

    return Stream(Settings(state_dir=folder / "state", broker_url=url), put)


@contextmanager
def _carried(request: pytest.FixtureRequest) -> Iterator[Stream]:
    """The oldest Redis that a user may get."""
    yield redis_stream(request.getfixturevalue("redis_url"), request.getfixturevalue("tmp_path"))


@contextmanager
def _on_path(request: pytest.FixtureRequest) -> Iterator[Stream]:
    """The Redis that this machine prefers."""
    folder = request.getfixturevalue("tmp_path")
    with redis_server(folder) as url:
        yield redis_stream(url, folder)


def kafka_stream(url: str, redis_url: str, folder: Path, silence_s: float = 1.2) -> Stream:
    connect(redis_url).flushall()
    address = url.removeprefix("kafka://")

    def put(post: bytes | None, events: bytes | None) -> None:
        headers = [("by", b"somebody else")] + ([("events", events)] if events is not None else [])
        producer = Producer({"bootstrap.servers": address, "message.max.bytes": 10_000_000})
        producer.produce("barometer.posts", post, headers=headers)
        assert producer.flush(10) == 0

    settings = Settings(
        state_dir=folder / "state",
        redis_url=redis_url,
        broker_url=url,
        stream_claim_after_s=max(3, silence_s),
    )
    return Stream(settings, put, silence_s)


@contextmanager
def _kafka(request: pytest.FixtureRequest) -> Iterator[Stream]:
    """`TEST_KAFKA_URL`, or librdkafka's own; one partition keeps the order that tests look at."""
    redis_url, folder = map(request.getfixturevalue, ("redis_url", "tmp_path"))
    if real := os.environ.get("TEST_KAFKA_URL"):
        empty_topics(real.removeprefix("kafka://"))
        with contextlib.closing(kafka_stream(real, redis_url, folder, silence_s=6.5)) as stream:
            yield stream
        return
    request.getfixturevalue("monkeypatch").setattr(kafka_member, "JOIN_S", 2.5)
    with contextlib.ExitStack() as after, kafka_host() as host:
        stream = kafka_stream(host.url, redis_url, folder)
        # Goodbyes take no time once nobody is there to hear them; hence not before the host ends.
        after.callback(stream.close)
        yield stream


Kinds = dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[Stream]]]
KINDS: Kinds = {"Redis": _carried, "Kafka": _kafka}
VERSIONS: Kinds = {"Redis on PATH": _on_path}
"""Further versions of one kind; only what a broker itself does is tested over them too."""
