"""A scorer's process is killed between the row and its acknowledgement to Kafka."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from barometer.brokers import open_broker
from barometer.database import engine_for, migrate
from barometer.settings import REPOSITORY, Settings
from barometer.tables import PostRow
from inference.registry import LoadedModel
from serving.models import Models
from serving.scorer import Scorer
from tests.conftest import post
from tests.kafka_cluster import kafka_host
from tests.machine import eventually


def test_posts_of_a_scorer_killed_before_its_commit_are_stored_once(
    redis: Redis, redis_url: str, tmp_path: Path, model: LoadedModel
) -> None:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    migrate(url)
    engine = engine_for(url)

    def stored() -> int:
        with Session(engine) as session:
            return session.scalar(select(func.count()).select_from(PostRow)) or 0

    with kafka_host() as host:
        known = Settings(broker_url=host.url, redis_url=redis_url, stream_claim_after_s=1)
        env = {
            **os.environ,
            "BAROMETER_BROKER_URL": host.url,
            "BAROMETER_REDIS_URL": redis_url,
            "BAROMETER_DATABASE_URL": url,
            "BAROMETER_STATE_DIR": str(tmp_path),
            "BAROMETER_STREAM_CLAIM_AFTER_S": "1",
        }
        with closing(open_broker(known)) as broker:
            broker.publish([post(n, f"text {n}") for n in range(20)])
            command = [sys.executable, "-m", "tests.serving.mortal_scorer"]
            ended = subprocess.run(command, check=False, cwd=REPOSITORY, env=env)
            assert ended.returncode == -signal.SIGKILL
            assert (stored(), broker.backlog()) == (20, 20)
            stop = threading.Event()
            heir = Scorer(broker, redis, engine, Models(model), 50, "heir")
            thread = threading.Thread(target=heir.run, args=(stop,))
            thread.start()
            try:
                eventually(lambda: broker.backlog() == 0, "nothing comes again", 30)
            finally:
                stop.set()
                thread.join(10)
            assert (stored(), heir.stored) == (20, 0)
