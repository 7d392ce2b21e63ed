"""What only a Redis can do to a stream: forget, refuse, die, be guarded, and be two of them."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import structlog
from redis import Redis

from barometer import redis_upkeep
from barometer.broker import Broker
from barometer.brokers import open_broker
from barometer.errors import BrokerError
from barometer.redis_durability import doubts
from barometer.redis_server import connect
from barometer.redis_stream import RedisStream
from barometer.settings import Settings
from tests.conftest import post
from tests.machine import eventually
from tests.servers import bare_redis, free_port, redis_server
from tests.tls import certificate, tls_front

STREAM = "barometer:posts"


@pytest.fixture(params=["carried", "on PATH"])
def redis(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Iterator[Redis]:
    """The oldest Redis that a user may get, and the one that this machine prefers."""
    if request.param == "carried":
        client = connect(redis_url)
        client.flushall()
        yield client
    else:
        with redis_server(tmp_path) as url:
            yield connect(url)


def stream_in(redis: Redis, **settings: object) -> RedisStream:
    return RedisStream(redis, Settings(**settings))


def take(stream: Broker, consumer: str = "w") -> list[Any]:
    return stream.receive(consumer, 1_000, block_ms=10)


def test_entries_deleted_by_a_person_do_not_hold_up_the_others(redis: Redis) -> None:
    dead, alive = (stream_in(redis, stream_claim_after_s=0.05) for _ in range(2))
    dead.publish([post(n, f"text {n}") for n in range(6)])
    held = take(dead, "dead")
    redis.xdel(STREAM, *(entry.id for entry in held[:3]))
    threading.Event().wait(0.1)
    claimed = take(alive, "alive")
    assert [entry.id for entry in claimed] == [entry.id for entry in held[3:]]
    redis.xdel(STREAM, claimed[0].id)
    assert [entry.id for entry in take(alive, "alive")] == [held[4].id]  # often tried: alone
    alive.acknowledge(claimed)
    assert alive.backlog() == 0
    assert redis.xpending(STREAM, "scorers")["pending"] == 0


def test_workers_that_claim_at_once_get_each_entry_once(redis: Redis) -> None:
    dead = stream_in(redis)
    dead.publish([post(n, f"text {n}") for n in range(600)])
    held = {entry.id for entry in take(dead, "dead")}
    threading.Event().wait(1.1)

    def claim(name: str) -> list[str]:
        stream, claimed = stream_in(redis, stream_claim_after_s=1), []
        while entries := stream.receive(name, 20, block_ms=10):
            stream.tidy()
            stream.acknowledge(entries)
            claimed += [entry.id for entry in entries]
        return claimed

    with ThreadPoolExecutor() as pool:
        claimed = [entry_id for each in pool.map(claim, "abcd") for entry_id in each]
    assert len(claimed) == 600
    assert set(claimed) == held


def test_redis_that_lost_everything_goes_on_with_what_is_new(redis: Redis) -> None:
    stream = stream_in(redis)
    stream.publish([post(1)])
    assert len(take(stream)) == 1
    redis.flushall()
    stream.publish([post(2)])
    assert [entry.post for entry in take(stream)] == [post(2)]


def test_most_entries_are_kept_but_all_that_is_not_acknowledged(redis: Redis) -> None:
    stream = stream_in(redis, stream_most_entries=100)
    stream.publish([post(n, f"text {n}") for n in range(3_000)])
    first = take(stream)
    stream.acknowledge(first[:900])
    stream.tidy()
    assert redis.xlen(STREAM) == 2_100
    stream.acknowledge(first[900:])
    stream.tidy()
    assert 2_000 <= redis.xlen(STREAM) <= 2_001  # the last one acknowledged may stay
    while more := take(stream):
        stream.acknowledge(more)
    stream.tidy()
    assert redis.xlen(STREAM) == 100


def test_what_is_read_while_somebody_tidies_is_kept(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = stream_in(redis, stream_most_entries=1)
    stream.publish([post(n, f"text {n}") for n in range(50)])
    stream.acknowledge(stream.receive("w", 10, block_ms=10))
    plain = stream._redis.execute_command

    def read_after(*words: Any, **options: Any) -> Any:
        answer = plain(*words, **options)
        if words[0] in ("XPENDING", "XINFO GROUPS"):
            redis.xreadgroup("scorers", "another", {STREAM: ">"}, count=5)
        return answer

    monkeypatch.setattr(stream._redis, "execute_command", read_after)
    stream.tidy()
    held = redis.xpending_range(STREAM, "scorers", "-", "+", 50)
    assert len(held) == 10
    assert redis.xlen(STREAM) in (40, 41)  # the last one acknowledged may stay


def test_consumer_that_is_gone_is_forgotten_once_it_holds_nothing(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_upkeep, "FORGET_MS", 50)
    stream = stream_in(redis)
    stream.publish([post(1)])
    held = take(stream, "holds")
    assert take(stream, "idles") == []
    threading.Event().wait(0.1)
    stream.tidy()
    assert [c["name"] for c in redis.xinfo_consumers(STREAM, "scorers")] == ["holds"]
    stream.acknowledge(held)
    stream.tidy()
    assert redis.xinfo_consumers(STREAM, "scorers") == []
    stream.publish([post(2, "another")])
    assert [entry.post for entry in take(stream, "idles")] == [post(2, "another")]


def test_backlog_is_set_right_after_somebody_else_wrote(redis: Redis) -> None:
    stream = stream_in(redis)
    stream.publish([post(n, f"text {n}") for n in range(3)])
    redis.xadd(STREAM, {"post": "{", "events": "[]"})
    redis.set(f"{STREAM}:waiting", 10**6)
    for entry in take(stream):
        stream.bury(entry, "no reason")
    stream.tidy()
    assert stream.backlog() == 0


def test_post_that_redis_refused_is_no_duplicate_afterwards(redis: Redis) -> None:
    stream = stream_in(redis)
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(BrokerError, match="away"):
            stream.publish([post(1)])
    finally:
        redis.config_set("maxmemory", 0)
    redis.set(STREAM, "no stream")
    with pytest.raises(BrokerError):
        stream.publish([post(1)])
    redis.delete(STREAM)
    assert stream.publish([post(1)]) == [True]
    [entry] = take(stream)
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(BrokerError):
            stream.bury(entry, "no reason")
    finally:
        redis.config_set("maxmemory", 0)
    assert [again.id for again in take(stream)] == [entry.id]
    assert stream.dead_letters(10) == []


def test_what_was_accepted_is_there_after_redis_was_killed(tmp_path: Path) -> None:
    with redis_server(tmp_path) as url:
        redis = connect(url)
        stream = stream_in(redis)
        for n in range(20):
            stream.publish([post(n, f"text {n}")])
        buried, *_ = take(stream)
        stream.bury(buried, "no reason")
        os.kill(redis.info("server")["process_id"], signal.SIGKILL)
        with pytest.raises(BrokerError, match="away"):
            stream.publish([post(99)])
        with redis_server(tmp_path):
            assert stream.backlog() == 19
            assert [entry.deliveries for entry in take(stream)] == [2] * 19
            assert len(stream.dead_letters(10)) == 1


def test_post_is_accepted_once_enough_replicas_have_it(tmp_path: Path) -> None:
    port = free_port()
    with bare_redis(tmp_path / "primary", port) as url:
        stream = open_broker(Settings(broker_url=url, redis_min_replicas=1))
        with pytest.raises(BrokerError, match="0 of 1 replicas"):
            stream.publish([post(1)])
        with bare_redis(tmp_path / "replica", free_port(), f"127.0.0.1 {port}") as replica:
            in_sync = lambda: connect(replica).info()["master_link_status"] == "up"  # noqa: E731
            eventually(in_sync, "the replica does not follow")
            assert stream.publish([post(1), post(2, "another")]) == [False, True]
            assert connect(replica).xlen(STREAM) == 2
            pid = connect(replica).info("server")["process_id"]
            os.kill(pid, signal.SIGSTOP)
            try:
                with pytest.raises(BrokerError, match="0 of 1 replicas"):
                    stream.publish([post(1)])  # a repeat, which writes nothing, waits too
            finally:
                os.kill(pid, signal.SIGCONT)


def test_redis_behind_tls_is_verified_by_its_ca(tmp_path: Path, redis_url: str) -> None:
    connect(redis_url).flushall()
    ca, key = certificate(tmp_path)
    stranger, _ = certificate(tmp_path / "other")
    with tls_front(redis_url.removeprefix("unix://"), ca, key) as port:
        url = f"rediss://localhost:{port}"
        with closing(open_broker(Settings(redis_url=url, redis_ca_file=str(ca)))) as stream:
            assert stream.publish([post(1)]) == [True]
            assert [entry.post for entry in take(stream)] == [post(1)]
        for trusted in ("", str(stranger)):
            settings = Settings(redis_url=url, redis_ca_file=trusted)
            with pytest.raises(BrokerError, match="away"):
                open_broker(settings).publish([post(2)])


def test_set_up_that_may_lose_posts_is_told_once(tmp_path: Path, redis_url: str) -> None:
    assert doubts(connect(redis_url)) == []
    with bare_redis(tmp_path, free_port()) as url:
        redis = connect(url)
        redis.config_set("maxmemory", "100mb")
        redis.config_set("maxmemory-policy", "allkeys-lru")
        with structlog.testing.capture_logs() as logs:
            stream = stream_in(redis)
            stream.tidy()
            stream.tidy()
        assert [line["reason"] for line in logs] == doubts(redis)
        assert "maxmemory-policy allkeys-lru" in doubts(redis)[0]
        assert "appendonly no" in doubts(redis)[1]
        redis.config_set("appendonly", "yes")
        assert "appendfsync everysec" in doubts(redis)[1]
        allowed = ["+@all", "-config"]
        redis.acl_setuser("tenant", enabled=True, nopass=True, keys="*", commands=allowed)
        hosted = connect(url.replace("redis://", "redis://tenant:x@"))
        assert doubts(hosted) == []
