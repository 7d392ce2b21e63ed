"""What only Kafka does to a stream: share by partition, count no deliveries, delete by age."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from confluent_kafka import Consumer, Producer

from barometer.broker import Broker, Entry
from barometer.brokers import open_broker
from barometer.errors import BrokerError, SettingsError
from barometer.kafka_client import client_config
from barometer.redis_server import connect
from barometer.settings import REPOSITORY, Settings
from tests.conftest import post
from tests.kafka_cluster import KafkaHost, impatience, kafka_host
from tests.machine import eventually
from tests.tls import certificate, tls_front

pytestmark = pytest.mark.alone

POSTS = "barometer.posts"
DEAD = "barometer.posts.dead"


@pytest.fixture
def host() -> Iterator[KafkaHost]:
    with kafka_host() as running:
        yield running


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    impatience(monkeypatch)


@pytest.fixture
def known(host: KafkaHost, redis_url: str, tmp_path: Path) -> Settings:
    connect(redis_url).flushall()
    return Settings(
        state_dir=tmp_path, broker_url=host.url, redis_url=redis_url, stream_claim_after_s=1.5
    )


@pytest.fixture
def broker(known: Settings) -> Iterator[Broker]:
    with closing(open_broker(known)) as client:
        yield client


def take(broker: Broker, count: int = 1_000) -> list[Entry]:
    return broker.receive("w", count, block_ms=50)


def ids(entries: list[Entry]) -> list[str]:
    return [entry.post.id for entry in entries if entry.post is not None]


def answered(call: Callable[[], object]) -> object:
    """The call's answer; None where it is refused for now."""
    try:
        return call() or True
    except BrokerError:
        return None


def test_brokers_that_are_down_for_a_while_lose_nothing(host: KafkaHost, broker: Broker) -> None:
    broker.publish([post(n, f"text {n}") for n in range(5)])
    entries = take(broker)
    host.tell("down")
    calls: list[Callable[[], object]] = [
        lambda: broker.publish([post(1), post(5, "text 5")]),
        broker.backlog,
        lambda: broker.dead_letters(10),
    ]
    with ThreadPoolExecutor() as callers:
        assert list(callers.map(answered, calls)) == [None, None, None]
    assert answered(lambda: broker.acknowledge(entries[:3])) is None
    assert answered(lambda: take(broker)) is None
    host.tell("up")
    # What was not taken was not marked as seen; what was taken before is still there.
    new = eventually(lambda: answered(calls[0]), "nothing is taken", 20)
    assert new == [False, True]
    came: list[str] = []
    while eventually(lambda: [broker.backlog()], "it does not answer", 20) != [0]:
        again = eventually(lambda: take(broker), "nothing comes", 20)
        broker.acknowledge(again)
        came += ids(again)
    assert {"3", "4", "5"} <= set(came)


def test_acknowledgement_waits_for_brokers_that_come_back_soon(
    host: KafkaHost, known: Settings
) -> None:
    patient = known.model_copy(update={"stream_claim_after_s": 30})
    with closing(open_broker(patient)) as broker:
        broker.publish([post(1)])
        entries = take(broker)
        host.tell("down")
        back = threading.Timer(1, host.tell, ["up"])
        back.start()
        broker.acknowledge(entries)
        back.join()
        assert broker.backlog() == 0
        assert take(broker) == []


def test_post_that_kills_its_consumer_is_counted_by_those_who_come_after(
    broker: Broker, known: Settings
) -> None:
    broker.publish([post(n, "a deadly text" if n == 7 else f"text {n}") for n in range(20)])
    env = {
        **os.environ,
        "BAROMETER_BROKER_URL": known.broker_url,
        "BAROMETER_REDIS_URL": known.redis_url,
        "BAROMETER_STREAM_CLAIM_AFTER_S": "0.5",
    }
    for _ in range(5):
        command = [sys.executable, "-m", "tests.mortal_consumer", "a deadly text"]
        ended = subprocess.run(command, check=False, cwd=REPOSITORY, env=env)
        assert ended.returncode == -signal.SIGKILL
    [poison] = eventually(lambda: take(broker), "its partition stays with the dead", 30)
    assert (ids([poison]), poison.deliveries) == (["7"], 6)
    broker.bury(poison, "it kills")
    rest = []
    while entries := take(broker):
        assert entries[0].deliveries <= 3
        broker.acknowledge(entries)
        rest += ids(entries)
    assert rest == [str(n) for n in range(8, 20)]
    assert [letter.reason for letter in broker.dead_letters(10)] == ["it kills"]


def test_settled_entries_and_counts_survive_those_that_are_not(known: Settings) -> None:
    with closing(open_broker(known)) as first:
        first.publish([post(n, f"text {n}") for n in range(30)])
        entries = take(first, count=20)
        first.acknowledge(entries[5:10])
        first.hold("w", entries[10:15])
        assert first.backlog() == 25
    with closing(open_broker(known)) as second:
        again = take(second)
        assert ids(again) == [str(n) for n in (*range(5), *range(15, 20))]
        assert {entry.deliveries for entry in again} == {2}
        second.acknowledge(again)
        new = take(second)
        assert ids(new) == [str(n) for n in (*range(10, 15), *range(20, 30))]
        assert {entry.deliveries for entry in new} == {1}
        second.acknowledge(new)
        assert second.backlog() == 0


def test_without_redis_every_post_counts_as_new(known: Settings, tmp_path: Path) -> None:
    nowhere = known.model_copy(update={"redis_url": f"unix://{tmp_path}/none.sock"})
    with closing(open_broker(nowhere)) as broker:
        assert broker.publish([post(1), post(1)]) == [True, False]
        assert broker.publish([post(1)]) == [True]
        assert len(take(broker)) == 2


def test_posts_that_kafka_deleted_unstored_are_told_and_the_rest_comes(
    host: KafkaHost, known: Settings
) -> None:
    with closing(open_broker(known)) as broker:
        broker.publish([post(n, f"text {n}") for n in range(5)])
        broker.acknowledge(take(broker, count=1))
    host.tell(f"forget {POSTS} 3")
    with structlog.testing.capture_logs() as logs, closing(open_broker(known)) as broker:
        assert broker.backlog() == 2
        assert ids(take(broker)) == ["3", "4"]
    [lost] = [line["posts"] for line in logs if line["log_level"] == "error"]
    assert lost == 2


def test_posts_that_kafka_deletes_soon_are_warned_of(known: Settings) -> None:
    days = 1 / (24 * 3600)
    short = known.model_copy(update={"stream_keep_days": days})
    with closing(open_broker(short)) as broker:
        broker.publish([post(1)])
        take(broker)
        with structlog.testing.capture_logs() as logs:
            broker.tidy()
            assert logs == []
            time.sleep(1)
            broker.tidy()
        assert "deletes posts soon" in logs[0]["event"]


def test_entry_too_large_for_a_letter_is_kept_in_part(host: KafkaHost, broker: Broker) -> None:
    large = Producer({"bootstrap.servers": host.address, "message.max.bytes": 5_000_000})
    large.produce(POSTS, b"x" * 3_000_000, headers=[("events", b"[]")])
    assert large.flush(10) == 0
    [entry] = take(broker)
    broker.bury(entry, entry.fault)
    [letter] = broker.dead_letters(10)
    assert letter.post == "x" * 900_000
    assert broker.backlog() == 0


def test_acknowledgement_that_comes_too_late_settles_nothing(known: Settings) -> None:
    with closing(open_broker(known)) as slow, closing(open_broker(known)) as heir:
        slow.publish([post(n, f"text {n}") for n in range(10)])
        entries = take(slow, count=5)
        slow.acknowledge(entries[:3])
        taken = eventually(lambda: take(heir), "the silent one keeps its partition", 20)
        assert [(entry.id, entry.deliveries) for entry in taken] == [("0-3", 2), ("0-4", 2)]
        slow.acknowledge(entries[3:])
        assert heir.backlog() == 7
        assert [entry.deliveries for entry in take(heir)] == [3]


def test_missing_topic_is_named() -> None:
    with kafka_host(topics=[POSTS]) as host, closing(open_broker(_at(host))) as broker:
        with pytest.raises(BrokerError, match=r"no topic barometer\.posts\.dead"):
            broker.backlog()
        host.tell(f"topic {DEAD} 1")
        assert broker.backlog() == 0


def test_brokers_behind_tls_are_verified_by_their_ca(host: KafkaHost, tmp_path: Path) -> None:
    ca, key = certificate(tmp_path)
    stranger, _ = certificate(tmp_path / "other")
    with tls_front(host.address, ca, key) as port:
        host.tell(f"advertise localhost {port}")
        url = f"kafkas://localhost:{port}"
        with closing(open_broker(Settings(broker_url=url, kafka_ca_file=str(ca)))) as broker:
            eventually(lambda: answered(lambda: broker.publish([post(1)])), "no handshake", 20)
            assert ids(take(broker)) == ["1"]
        deceived = Settings(broker_url=url, kafka_ca_file=str(stranger))
        with closing(open_broker(deceived)) as broker, pytest.raises(BrokerError):
            broker.backlog()


def test_password_is_never_sent_readable_nor_shown() -> None:
    secret = {"kafka_username": "me", "kafka_password": "open sesame"}
    with pytest.raises(SettingsError, match="kafkas://") as refusal:
        client_config(Settings(broker_url="kafka://k:9092", **secret))
    assert "sesame" not in f"{refusal.value}{Settings(**secret)}"
    scram = Settings(broker_url="kafka://k:9092", kafka_login="SCRAM-SHA-512", **secret)
    assert client_config(scram)["security.protocol"] == "SASL_PLAINTEXT"
    encrypted = client_config(Settings(broker_url="kafkas://k:9092,l:9092", **secret))
    assert encrypted["security.protocol"] == "SASL_SSL"
    assert encrypted["bootstrap.servers"] == "k:9092,l:9092"
    with closing(Consumer(encrypted | {"group.id": "x"})) as consumer:  # the library takes it all
        assert consumer.assignment() == []


def _at(host: KafkaHost) -> Settings:
    return Settings(broker_url=host.url)
