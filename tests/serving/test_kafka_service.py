"""The service over Kafka: it takes posts, says how the stream is, and 503 while Kafka is away."""

from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.kafka_cluster import impatience, kafka_host
from tests.serving.test_back_pressure import form
from tests.serving.test_limits import service


async def test_service_takes_posts_into_kafka_and_says_how_it_is(
    redis: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatience(monkeypatch)

    async def stream_of(http: httpx.AsyncClient) -> tuple[bool, str]:
        part = (await http.get("/status")).json()["parts"]["stream"]
        return part["ok"], part["detail"]

    with kafka_host() as host:
        known = {"broker_url": host.url, "redis_url": redis_url}
        async with service(tmp_path, redis, **known) as (http, parts, _):
            assert (await http.post("/ingest", json=form(1, 2, 2))).json()["accepted"] == 2
            assert await stream_of(http) == (True, "Kafka: 2 posts waiting")
            assert "barometer_stream_backlog_posts 2.0" in (await http.get("/metrics")).text
            host.tell("down")
            away = await http.post("/ingest", json=form(3))
            assert (away.status_code, away.json()["title"]) == (503, "Stream away")
            ok, detail = await stream_of(http)
            assert (ok, "Kafka is away" in detail) == (False, True)
            parts.broker.close()
