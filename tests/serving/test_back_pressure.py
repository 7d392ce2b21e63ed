"""While more posts wait than the scorers can take, callers and sources are held off, not lost."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import structlog
from redis import Redis
from sqlalchemy import Engine

from barometer import back_pressure
from barometer.back_pressure import Pressure
from barometer.broker import Broker
from barometer.brokers import open_broker
from barometer.events import Event
from barometer.posts import Post
from barometer.settings import Settings
from ingestion.intake import Intake
from ingestion.reading import read_source
from ingestion.source import Position
from tests.conftest import post
from tests.machine import eventually
from tests.serving.test_limits import service

MOMENT = "2026-03-14T12:00:00Z"


def form(*numbers: int) -> dict[str, Any]:
    posts = [{"id": str(n), "text": f"text {n}", "created_at": MOMENT} for n in numbers]
    return {"source": "form", "posts": posts}


async def test_ingest_over_the_high_water_is_429_before_anything_is_taken(
    redis: Redis, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(back_pressure, "LOOK_HOLDS_S", 0.0)
    async with service(tmp_path, redis, stream_high_water=2) as (http, parts, _):
        assert (await http.post("/ingest", json=form(1, 2, 3))).json()["accepted"] == 3
        refused = await http.post("/ingest", json=form(4))
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["type"] == "urn:barometer:overloaded"
        assert "BAROMETER_STREAM_HIGH_WATER" in refused.json()["detail"]
        part = (await http.get("/status")).json()["parts"]["stream"]
        assert part["ok"] is False
        assert "3 posts waiting" in part["detail"]
        entries = parts.broker.receive("w", 10, block_ms=50)
        assert len(entries) == 3
        parts.broker.acknowledge(entries[:1])
        assert (await http.post("/ingest", json=form(4))).json()["accepted"] == 1


class Endless:
    """A source that counts what it was asked for."""

    name = "endless"
    asked = 0

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        for number in range(400):
            self.asked += 1
            yield post(number, f"text {number}")


async def test_source_is_read_no_faster_than_its_posts_are_scored(
    broker: Broker, engine: Engine, monkeypatch: Any
) -> None:
    monkeypatch.setattr(back_pressure, "LOOK_HOLDS_S", 0.0)
    monkeypatch.setattr(back_pressure, "ASK_AGAIN_S", 0.02)
    event = Event(slug="vote", title="Vote", keywords=("vote",), sources=("endless",))
    source, pressure = Endless(), Pressure(broker, 100)
    with structlog.testing.capture_logs() as logs:
        reading = asyncio.create_task(read_source(source, event, Intake(broker, pressure, engine)))
        full = lambda: broker.backlog() > 100  # noqa: E731
        await asyncio.to_thread(eventually, full, "nothing is published")
        await asyncio.sleep(0.3)
        assert broker.backlog() == 150  # the chunk that went over it
        assert source.asked <= 201  # one chunk waits in hand, and the first post of the next
        most = 0
        while not reading.done() or broker.backlog():
            most = max(most, broker.backlog())
            entries = await asyncio.to_thread(broker.receive, "w", 40, 10)
            broker.acknowledge(entries)
    assert most <= 150
    assert (await reading).accepted == 400
    waits = [line["event"] for line in logs if "reading" in line["event"]]
    assert 2 <= len(waits) <= 14  # one line for each time, not one for each look


async def test_stream_that_is_away_does_not_hold_a_reader_in_the_queue(tmp_path: Path) -> None:
    with contextlib.closing(open_broker(Settings(broker_url="redis://127.0.0.1:9"))) as away:
        await asyncio.wait_for(Pressure(away, 1).wait(), 20)
