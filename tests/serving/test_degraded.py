"""Redis goes away under the running service: it answers on, says so, and comes back by itself."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from barometer.database import database_url, engine_for, migrate
from barometer.redis_server import redis_url
from barometer.settings import REPOSITORY, Settings
from barometer.store import store
from serving.run import bento_command, bento_environment
from tests.conftest import judgement, post
from tests.machine import eventually
from tests.servers import free_port, redis_server


@pytest.fixture
def lonely(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state", port=free_port(), news_search_url="off")


def test_service_without_redis_and_registry_answers_and_says_degraded(lonely: Settings) -> None:
    migrate(database_url(lonely))
    now = datetime.now(UTC)
    store(
        engine_for(database_url(lonely)),
        [(post(1, "i love this ferry", created_at=now), judgement())],
    )
    env = {
        "PATH": str(Path(sys.executable).parent),
        "BAROMETER_STATE_DIR": str(lonely.state),
        "BAROMETER_NEWS_SEARCH_URL": "off",
        "BAROMETER_HACKERNEWS_URL": "off",
        "BAROMETER_REDIS_URL": redis_url(lonely),
        **bento_environment(lonely),
    }
    process = subprocess.Popen(bento_command(), cwd=REPOSITORY, env=env)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{lonely.port}", timeout=30) as http:
            eventually(lambda: http.get("/readyz").is_success, "the service is not ready", 90)
            assert http.post("/predict", json={"text": "i am so glad"}).json()["emotion"] == "joy"
            answer = http.post("/analyze", json={"keyword": "ferry"}).json()
            assert (answer["count"], answer["degraded"]) == (1, True)
            assert answer["model_version"] == "starter"
            status = http.get("/status").json()
            assert status["status"] == "degraded"
            assert {name: part["ok"] for name, part in status["parts"].items()} == {
                "database": True, "redis": False, "stream": False, "model": False,
                "failsafe": True, "scorer": False, "sync": False,
            }  # fmt: skip
            body = {"id": "1", "text": "hello", "created_at": now.isoformat()}
            refused = http.post("/ingest", json={"source": "form", "posts": [body]})
            assert refused.status_code == 503  # never a 202 for what no stream has taken
            assert refused.headers["retry-after"] == "5"
            assert refused.headers["content-type"] == "application/problem+json"
            with redis_server(lonely.state_dir):
                eventually(
                    lambda: http.get("/status").json()["parts"]["redis"]["ok"], "Redis is not back"
                )
                taken = http.post("/ingest", json={"source": "form", "posts": [body]})
                assert taken.json()["accepted"] == 1
    finally:
        process.terminate()
        process.wait(30)
