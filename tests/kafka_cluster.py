"""Kafka for the tests: librdkafka's own cluster, or a real one, whose topics are emptied."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from barometer import (
    kafka_client,
    kafka_dead_letters,
    kafka_offsets,
    kafka_publisher,
    kafka_topics,
)
from barometer.settings import REPOSITORY
from tests.machine import eventually

TOPICS = ("barometer.posts", "barometer.posts.dead")


def empty_topics(address: str) -> None:
    """Make Barometer's topics anew, each of one partition, in a cluster that is there for tests."""
    admin = AdminClient({"bootstrap.servers": address})

    def there() -> set[str]:
        return set(TOPICS) & set(admin.list_topics(timeout=10).topics)

    if old := there():
        for answer in admin.delete_topics(list(old)).values():
            answer.result(30)
    eventually(lambda: not there(), "the old topics stay")
    new = [
        NewTopic(TOPICS[0], 1, 1),
        NewTopic(TOPICS[1], 1, 1, config={"cleanup.policy": "compact"}),
    ]
    for answer in admin.create_topics(new).values():
        answer.result(30)
    eventually(lambda: len(there()) == 2, "the topics are not made")


def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give brokers that are away less time than a person would."""
    for module in (kafka_client, kafka_dead_letters, kafka_offsets, kafka_publisher, kafka_topics):
        monkeypatch.setattr(module, "CALL_S", 1.0)


@dataclass
class KafkaHost:
    """A running `tests.kafka_host`."""

    process: subprocess.Popen[str]
    address: str

    @property
    def url(self) -> str:
        return f"kafka://{self.address}"

    def tell(self, command: str) -> None:
        """Let it do something; see there."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(command, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "done\n", command


@contextmanager
def kafka_host(topics: Sequence[str] = TOPICS) -> Iterator[KafkaHost]:
    """A cluster of one broker with these topics; when it is asked to make one, it cannot."""
    command = [sys.executable, "-m", "tests.kafka_host"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, text=True, stderr=subprocess.DEVNULL,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        host = KafkaHost(process, process.stdout.readline().strip())
        for topic in topics:
            host.tell(f"topic {topic} 1")
        try:
            yield host
        finally:
            process.kill()
