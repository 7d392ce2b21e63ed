import os
import signal
import threading
import time
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Engine, event, func, select, text
from sqlalchemy.orm import Session

from barometer.events import event_row, new_event, track
from barometer.redis_server import connect
from barometer.search import newest_posts
from barometer.stream import PostStream
from barometer.tables import PostRow
from inference.registry import LoadedModel
from serving.models import Models
from serving.scorer import Scorer
from tests.conftest import post
from tests.machine import eventually
from tests.servers import redis_server


def stored_ids(engine: Engine) -> set[str]:
    with Session(engine) as session:
        return set(session.scalars(select(PostRow.external_id)))


@pytest.fixture
def stream(redis: Redis) -> PostStream:
    stream = PostStream(redis)
    stream.ensure_group()
    return stream


def scorer(redis: Redis, engine: Engine, model: LoadedModel, name: str = "w") -> Scorer:
    return Scorer(redis, engine, Models(model), batch=50, name=name)


def run_until_idle(worker: Scorer, stream: PostStream) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        eventually(lambda: stream.backlog() == 0, "the backlog is not worked off", 30)
    finally:
        stop.set()
        thread.join(10)


def test_posts_are_judged_stored_and_acknowledged(
    redis: Redis, engine: Engine, model: LoadedModel, stream: PostStream
) -> None:
    stream.publish([post(n, f"i feel so happy number {n}") for n in range(120)])
    worker = scorer(redis, engine, model)
    run_until_idle(worker, stream)
    assert worker.stored == 120
    with Session(engine) as session:
        rows = list(session.scalars(select(PostRow)))
    assert len(rows) == 120
    assert {row.emotion for row in rows} == {"joy"}
    assert {row.model_version for row in rows} == {"7"}
    assert all(-1 <= row.sentiment_score <= 1 for row in rows)


def test_worker_that_died_between_row_and_acknowledgement_doubles_nothing(
    redis: Redis, engine: Engine, model: LoadedModel, stream: PostStream
) -> None:
    stream.publish([post(n, f"text {n}") for n in range(10)])
    taken = stream.read("w", 10, block_ms=10)
    dead = scorer(redis, engine, model)
    dead._stream.acknowledge = lambda _ids: None  # type: ignore[method-assign] # it dies here
    dead.work(taken)
    assert stream.backlog() == 10
    run_until_idle(scorer(redis, engine, model), stream)
    assert len(stored_ids(engine)) == 10
    with engine.connect() as connection:
        total = connection.execute(text("SELECT SUM(posts) FROM rollups")).scalar()
    assert total == 10


def test_redis_lost_between_row_and_acknowledgement_buries_nothing(
    engine: Engine, model: LoadedModel, tmp_path: Path
) -> None:
    with redis_server(tmp_path) as url:
        redis = connect(url)
        stream = PostStream(redis)
        stream.ensure_group()
        stream.publish([post(n, f"text {n}") for n in range(5)])
        worker = scorer(redis, engine, model)
        killed = threading.Event()

        def kill_once(_connection: object) -> None:
            if not killed.is_set():
                killed.set()
                pid = redis.info("server")["process_id"]
                os.kill(pid, signal.SIGKILL)

        event.listen(engine, "commit", kill_once)
        stop = threading.Event()
        thread = threading.Thread(target=worker.run, args=(stop,))
        thread.start()
        try:
            assert killed.wait(20)
            time.sleep(1.0)
            with redis_server(tmp_path):
                eventually(lambda: stream.backlog() == 0, "the backlog is not worked off", 40)
                assert stream.dead_letters(10) == []
        finally:
            stop.set()
            thread.join(20)
            event.remove(engine, "commit", kill_once)
    assert stored_ids(engine) == {str(n) for n in range(5)}


def test_event_tracked_while_posts_are_under_way_gets_them(
    redis: Redis, engine: Engine, model: LoadedModel, stream: PostStream
) -> None:
    stream.publish([post(n, f"the vote {n}") for n in range(10)])
    track(engine, new_event("Vote"))
    run_until_idle(scorer(redis, engine, model), stream)
    assert len(newest_posts(engine, 50, event_id=event_row(engine, "vote").id)) == 10


def test_table_that_is_gone_buries_nothing(
    redis: Redis, engine: Engine, model: LoadedModel, stream: PostStream
) -> None:
    stream.publish([post(1)])
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE rollups RENAME TO away"))
    stop = threading.Event()
    worker = scorer(redis, engine, model)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    time.sleep(1.5)
    assert stream.dead_letters(10) == []
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO rollups"))
    eventually(lambda: stream.backlog() == 0, "the backlog is not worked off", 30)
    stop.set()
    thread.join(20)
    assert stored_ids(engine) == {"1"}


def test_entry_that_cannot_be_read_is_buried_and_the_rest_goes_on(
    redis: Redis, engine: Engine, model: LoadedModel, stream: PostStream
) -> None:
    stream.publish([post(1)])
    redis.xadd("barometer:posts", {"post": '{"id": 3', "events": "[]"})
    stream.publish([post(2, "another text")])
    run_until_idle(scorer(redis, engine, model), stream)
    assert stored_ids(engine) == {"1", "2"}
    [(_, fields)] = stream.dead_letters(10)
    assert "cannot be read" in fields["reason"]


def test_post_that_the_database_refuses_is_buried_alone(
    redis: Redis, engine: Engine, model: LoadedModel, stream: PostStream
) -> None:
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(
                text(
                    "CREATE TRIGGER poison BEFORE INSERT ON posts WHEN new.external_id = '7' "
                    "BEGIN SELECT RAISE(ABORT, 'poison'); END"
                )
            )
        else:
            connection.execute(text("ALTER TABLE posts ADD CHECK (external_id <> '7')"))
    stream.publish([post(n, f"text {n}") for n in range(20)])
    run_until_idle(scorer(redis, engine, model), stream)
    assert stored_ids(engine) == {str(n) for n in range(20)} - {"7"}
    [(_, fields)] = stream.dead_letters(10)
    assert "IntegrityError" in fields["reason"]


def test_two_workers_share_the_stream(
    redis: Redis, engine: Engine, model: LoadedModel, stream: PostStream
) -> None:
    stream.publish([post(n, f"text {n}") for n in range(300)])
    workers = [scorer(redis, engine, model, name) for name in ("a", "b")]
    stop = threading.Event()
    threads = [threading.Thread(target=worker.run, args=(stop,)) for worker in workers]
    for thread in threads:
        thread.start()
    eventually(lambda: stream.backlog() == 0, "the backlog is not worked off", 30)
    stop.set()
    for thread in threads:
        thread.join(10)
    assert sum(worker.stored for worker in workers) == 300
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(PostRow)) == 300
