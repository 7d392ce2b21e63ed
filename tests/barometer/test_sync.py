"""Analyses from Redis into the database: real load, a real kill, both databases."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from sqlalchemy import Engine, delete

from barometer.analyses import history
from barometer.analysis_queue import CACHED, MOST_WAITING, PAGE, UNREADABLE, UNSYNCED, AnalysisQueue
from barometer.cpu import cpu_percent
from barometer.database import database_url as url_of
from barometer.database import engine_for
from barometer.errors import UnavailableError
from barometer.settings import REPOSITORY, Settings
from barometer.sync import recover_missing, sync_analyses
from barometer.tables import AnalysisRow
from tests.barometer.kept import kept
from tests.machine import eventually
from tests.servers import free_port

BURN = "while True: pass"
BEGAN = datetime(2026, 3, 14, 12, tzinfo=UTC)
HOUR_S = 3600


@pytest.fixture
def config(settings: Settings, redis_url: str, database_url: str, redis: Redis) -> Settings:
    """Redis and a database of each kind, both empty."""
    return settings.model_copy(update={"redis_url": redis_url, "database_url": database_url})


@pytest.fixture
def queue(redis: Redis) -> AnalysisQueue:
    return AnalysisQueue(redis)


def keep(queue: AnalysisQueue, count: int, keyword: str = "ferry", ttl_s: float = HOUR_S) -> None:
    """As many answers about a keyword, a minute between them."""
    for number in range(count):
        answer = kept(keyword, BEGAN + timedelta(minutes=number))
        content = answer.model_dump_json().encode()
        assert queue.keep(f"{CACHED}test:{keyword}:{number}", content, ttl_s)


def times(engine: Engine, keyword: str = "ferry") -> list[datetime]:
    found = history(engine, keyword, datetime(2000, 1, 1, tzinfo=UTC), 10_000)
    return [analysis["time"] for analysis in found]


def environment(config: Settings) -> dict[str, str]:
    """What a process of its own needs, to work on the same Redis and database."""
    return {
        **os.environ,
        "BAROMETER_STATE_DIR": str(config.state),
        "BAROMETER_REDIS_URL": config.redis_url,
        "BAROMETER_DATABASE_URL": config.database_url,
    }


@contextmanager
def load() -> Iterator[None]:
    """Every CPU busy, by processes that do nothing else."""
    burners = [
        subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(2 * (os.cpu_count() or 1))
    ]
    try:
        eventually(lambda: cpu_percent() > 97, "the CPU is not busy", 30)
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait(10)


def test_load_holds_the_sync_back_and_age_forces_it(
    settings: Settings, redis_url: str, queue: AnalysisQueue
) -> None:
    config = settings.model_copy(update={"redis_url": redis_url})
    old = config.model_copy(update={"sync_max_age_s": 5})
    engine = engine_for(url_of(config))
    keep(queue, PAGE)
    with load():
        held = sync_analyses(config)
        assert (held.written, held.waiting) == (0, PAGE)
        assert "the CPU is" in str(held.held_back)
        assert "under 20 %" in str(held.held_back)
        time.sleep(max(0.0, 5 - queue.waiting().oldest_s))
        keep(queue, 2, "metro")
        forced = sync_analyses(old)
        # The CPU is asked again between batches: the young ones go on waiting.
        assert (forced.written, forced.waiting) == (PAGE, 2)
        assert forced.held_back
        assert (len(times(engine)), times(engine, "metro")) == (PAGE, [])


def test_idle_cpu_lets_the_sync_write_until_it_gets_busy(
    settings: Settings, redis_url: str, queue: AnalysisQueue
) -> None:
    config = settings.model_copy(update={"redis_url": redis_url})
    keep(queue, PAGE + 1)
    shares = iter([90.0, 20.0, 19.9, 20.0, 19.9])  # the machine of the tests is seldom idle
    first = sync_analyses(config, busy=lambda: next(shares))
    assert (first.written, first.waiting) == (0, PAGE + 1)
    second = sync_analyses(config, patience_s=60, busy=lambda: next(shares))
    assert (second.written, second.waiting, second.held_back) == (PAGE + 1, 0, None)
    assert next(shares, None) is None


def test_killed_between_commit_and_drop_writes_no_second_row(
    config: Settings, redis: Redis, queue: AnalysisQueue
) -> None:
    keep(queue, 3, ttl_s=0.05)
    words = [sys.executable, "-m", "barometer", "sync", "--now"]
    redis.client_pause(60_000, all=False)  # reads are answered, writes wait: so does the drop
    try:
        killed = subprocess.Popen(words, cwd=REPOSITORY, env=environment(config))
        engine = engine_for(config.database_url)
        eventually(lambda: len(times(engine)) == 3, "nothing is committed")
        killed.kill()
        killed.wait(10)
    finally:
        redis.client_unpause()
    assert list(redis.scan_iter(match=f"{CACHED}*")) == []  # the cache has forgotten them
    assert queue.waiting().count == 3
    done = sync_analyses(config, now=True)
    assert (done.written, done.known, done.waiting) == (0, 3, 0)
    assert times(engine) == [BEGAN + timedelta(minutes=number) for number in (2, 1, 0)]
    assert sync_analyses(config, now=True).known == 0


def test_cached_answers_that_the_database_lost_are_written_again(
    config: Settings, queue: AnalysisQueue
) -> None:
    keep(queue, PAGE + 3)
    assert sync_analyses(config, now=True).written == PAGE + 3
    whole = recover_missing(config)
    assert (whole.cached, whole.queued, whole.missing, whole.put_back) == (PAGE + 3, 0, 0, 0)
    engine = engine_for(config.database_url)
    before = times(engine)
    with engine.begin() as connection:  # an older backup
        newer = AnalysisRow.time > BEGAN + timedelta(minutes=9)
        lost = connection.execute(delete(AnalysisRow).where(newer)).rowcount
    keep(queue, 2, "metro")  # these wait: they are not lost
    found = recover_missing(config)
    assert (found.cached, found.queued) == (PAGE + 5, 2)
    assert found.missing == found.put_back == lost == PAGE - 7
    assert recover_missing(config).missing == 0  # they are on their way
    done = sync_analyses(config, now=True)
    assert (done.written, done.known, done.waiting) == (lost + 2, 0, 0)
    assert times(engine) == before


def test_what_cannot_be_stored_is_set_aside_and_holds_nothing_up(
    config: Settings, redis: Redis, queue: AnalysisQueue
) -> None:
    keep(queue, 2)
    redis.xadd(UNSYNCED, {"answer": '{"keyword": "of another shape"}'})
    redis.xadd(UNSYNCED, {"other": "field"})
    long = kept("tram", BEGAN).model_copy(update={"model_version": "7" * 65})
    queue.put_back([long])  # SQLite does not mind, PostgreSQL does
    keep(queue, 2, "metro")
    done = sync_analyses(config, now=True)
    refused = config.database_url.startswith("postgresql")
    assert (done.written, done.set_aside, done.waiting) == (5 - refused, 2 + refused, 0)
    reasons = sorted(fields["reason"] for _, fields in redis.xrange(UNREADABLE))
    shape = "it has not the shape of an analysis"
    assert (
        reasons
        == [shape, shape] + ["the database refuses it (StringDataRightTruncation)"] * refused
    )
    engine = engine_for(config.database_url)
    assert (len(times(engine)), len(times(engine, "metro"))) == (2, 2)


def test_queue_is_bounded_and_the_cache_still_has_the_answer(
    config: Settings, redis: Redis, queue: AnalysisQueue
) -> None:
    with redis.pipeline(transaction=False) as steps:
        for _ in range(MOST_WAITING):
            steps.xadd(UNSYNCED, {"other": "field"})
        steps.execute()
    answer = kept("ferry", BEGAN)
    assert not queue.keep(f"{CACHED}test:ferry", answer.model_dump_json().encode(), HOUR_S)
    assert queue.waiting().full
    full = recover_missing(config)
    assert (full.missing, full.put_back) == (1, 0)
    redis.xtrim(UNSYNCED, maxlen=MOST_WAITING - 1, approximate=False)
    assert recover_missing(config).put_back == 1


def test_nothing_is_dropped_while_the_database_is_away(
    settings: Settings, redis_url: str, queue: AnalysisQueue
) -> None:
    away = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    config = settings.model_copy(update={"redis_url": redis_url, "database_url": away})
    assert sync_analyses(config).waiting == 0  # nothing waits: it is not even asked
    keep(queue, 1)
    with pytest.raises(UnavailableError, match="database"):
        sync_analyses(config, now=True)
    assert queue.waiting().count == 1


def test_command_says_what_it_found_and_did(
    settings: Settings, redis_url: str, queue: AnalysisQueue
) -> None:
    keep(queue, 2)
    config = settings.model_copy(update={"redis_url": redis_url, "database_url": url_of(settings)})
    words = [sys.executable, "-m", "barometer", "sync", "--recover", "--now", "--json"]
    run = subprocess.run(
        words, cwd=REPOSITORY, env=environment(config), capture_output=True, check=True, timeout=60
    )
    assert json.loads(run.stdout) == {
        "recovered": {"cached": 2, "queued": 2, "missing": 0, "put_back": 0},
        "synced": {
            "written": 2, "known": 0, "set_aside": 0, "waiting": 0, "oldest_s": 0,
            "held_back": None,
        },
    }  # fmt: skip
