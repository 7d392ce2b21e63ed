"""Scorers and Redis are killed with SIGKILL while posts come in: each is stored exactly once."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from sqlalchemy import Engine, text

from barometer.broker import Broker
from barometer.brokers import open_broker
from barometer.database import database_url, engine_for, migrate
from barometer.errors import BrokerError
from barometer.redis_server import connect
from barometer.settings import REPOSITORY, Settings
from tests.conftest import post
from tests.machine import eventually
from tests.servers import redis_server

POSTS = 2_500


@contextmanager
def two_workers(state: Path) -> Iterator[psutil.Process]:
    env = {
        **os.environ,
        "BAROMETER_STATE_DIR": str(state),
        "BAROMETER_SCORER_BATCH": "50",
        "BAROMETER_STREAM_CLAIM_AFTER_S": "3",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "barometer", "work", "--workers", "2"],
        cwd=REPOSITORY, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        assert process.wait(40) == 0


def publish_all(broker: Broker) -> None:
    """As a source does it: what may not have been taken is published again."""
    for start in range(0, POSTS, 50):
        posts = [post(n, f"number {n} made me happy") for n in range(start, start + 50)]
        while True:
            try:
                broker.publish(posts)
                break
            except BrokerError:
                time.sleep(0.1)
        time.sleep(0.05)


def stored(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT COUNT(*) FROM posts")).scalar() or 0)


def test_posts_are_stored_exactly_once_whatever_is_killed(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    url = database_url(settings)
    migrate(url)
    engine = engine_for(url)
    broker = open_broker(settings)
    publisher = threading.Thread(target=publish_all, args=(broker,))
    with redis_server(tmp_path) as redis_url:
        publisher.start()
        redis = connect(redis_url).info("server")["process_id"]
        with two_workers(tmp_path) as supervisor:
            eventually(lambda: stored(engine), "nothing is stored", 120)
            first, second = supervisor.children()
            first.send_signal(signal.SIGKILL)
            before = stored(engine)
            eventually(lambda: stored(engine) > before, "the other does not go on", 120)
            os.kill(redis, signal.SIGKILL)
            second.send_signal(signal.SIGKILL)
            time.sleep(0.3)
            with redis_server(tmp_path):
                publisher.join(60)
                eventually(lambda: broker.backlog() == 0, "the backlog is not worked off", 120)
                assert broker.dead_letters(10) == []
    assert stored(engine) == POSTS
    with engine.connect() as connection:
        assert connection.execute(text("SELECT SUM(posts) FROM rollups")).scalar() == POSTS
    # Restarted, they have the names that they had, and drain what these held.
    assert len(list((tmp_path / "workers").iterdir())) == 2
