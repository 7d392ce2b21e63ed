"""The `ingest` flow against a real Prefect server: nobody is held up, and all is said."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from redis import Redis

import flows.ingest
from barometer.brokers import open_broker
from barometer.database import database_url, engine_for, migrate
from barometer.events import Event, track
from barometer.posts import Post
from barometer.settings import Settings, settings
from barometer.source_states import readings
from ingestion.calls.allowance import Allowance
from ingestion.catalog import SourceKind
from ingestion.feeds.rss import RssSource
from ingestion.plan import plan_readings
from ingestion.source import Position
from tests.conftest import post
from tests.ingestion.feed_bodies import item, rss
from tests.ingestion.feed_server import FeedServer, feed, feed_server, status
from tests.machine import Machine, eventually

never = threading.Event()


class Quick(RssSource):
    """The rss source under another name, for one feed of the test's server."""

    name = "quick"

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        url = f"{settings.feeds[0]}/{cls.name}"
        return cls(feeds=[url], search_url=None, timeout_s=0.5, max_bytes=99_999)


class Failing(Quick):
    name = "failing"


class Limited:
    """A source that may be asked once an hour."""

    name = "limited"

    def __init__(self, settings: Settings) -> None:
        engine = engine_for(database_url(settings))
        self._allowance = Allowance(engine, self.name, 1, timedelta(hours=1))

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings)

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        await self._allowance.acquire(patience_s=0)
        yield post(event.slug, f"{event.slug} is fine")


class Hanging(Limited):
    """A source whose library does not come back from a call: no time-out reaches into it."""

    name = "hanging"
    begun: ClassVar[list[str]] = []

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        self.begun.append(event.slug)
        await asyncio.to_thread(never.wait)
        yield post(1)


KINDS = (
    *(
        SourceKind(name, "", polled=f"{__name__}:{name.title()}")
        for name in ("hanging", "quick", "failing", "limited")
    ),
    SourceKind("lacking", "", needs=("news_api_key",), polled="nowhere:Nothing"),
)


@pytest.fixture
def server(
    machine: Machine, redis_url: str, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FeedServer]:
    """Feeds; and the flow reads them here, in a Barometer of its own, short of patience."""
    api = f"{machine.prefect}/api"
    eventually(lambda: httpx.get(f"{api}/health").is_success, "Prefect does not answer", 240)
    monkeypatch.setattr("ingestion.catalog.KINDS", KINDS)
    monkeypatch.setattr("ingestion.plan.KINDS", KINDS)
    monkeypatch.setattr(flows.ingest, "READING_S", 1.0)
    monkeypatch.setattr(flows.ingest, "AT_ONCE", 1)
    hasty = flows.ingest.read.with_options(retry_delay_seconds=[0.05, 0.05])
    monkeypatch.setattr(flows.ingest, "read", hasty)
    with feed_server() as feeds:
        env = {"STATE_DIR": str(tmp_path), "REDIS_URL": redis_url, "FEEDS": feeds.base}
        for name, value in env.items():
            monkeypatch.setenv(f"BAROMETER_{name}", value)
        settings.cache_clear()
        with temporary_settings({PREFECT_API_URL: api}):
            yield feeds
    settings.cache_clear()


def table(machine: Machine) -> dict[tuple[str, str], dict[str, Any]]:
    """The newest table as Prefect's page has it, by source and event."""
    wanted = {"artifacts": {"key": {"any_": ["readings"]}}, "sort": "CREATED_DESC", "limit": 1}
    [artifact] = httpx.post(f"{machine.prefect}/api/artifacts/filter", json=wanted).json()
    return {(line["source"], line["event"]): line for line in json.loads(artifact["data"])}


def test_one_slow_source_holds_no_other_up_and_each_is_said(
    machine: Machine, server: FeedServer
) -> None:
    url = database_url(settings())
    migrate(url)
    names = tuple(kind.name for kind in KINDS)
    for slug in ("vote", "ship"):
        track(engine_for(url), Event(slug=slug, title=slug, keywords=(slug,), sources=names))
    news = (item(f"The {slug} is open", guid=slug) for slug in ("vote", "ship"))
    server.serve("/quick", feed(rss(*news)))
    server.serve("/failing", status(403))
    state = flows.ingest.ingest(return_state=True)  # that it ends: nobody waits for what hangs
    assert state.is_completed()
    lines = table(machine)
    states = {name: [lines[name, slug]["state"] for slug in ("vote", "ship")] for name in names}
    assert states == {
        "hanging": ["late", "late"], "quick": ["read", "read"], "failing": ["failed", "failed"],
        "limited": ["read", "limited"], "lacking": ["missing setting", "missing setting"],
    }  # fmt: skip
    assert [lines["quick", slug]["new"] for slug in ("vote", "ship")] == [1, 1]
    assert open_broker(settings()).backlog() == 3
    assert "hanging: gave nothing within 1 s" in lines["hanging", "vote"]["detail"]
    assert "answered 403" in lines["failing", "vote"]["detail"]
    assert lines["limited", "ship"]["limited until"].endswith("UTC")
    assert lines["lacking", "vote"]["detail"] == "set BAROMETER_NEWS_API_KEY"
    assert len(server.asked("/failing")) == 2 * 3, "each of both was tried three times"
    assert len(Hanging.begun) == 2, "what was late is not tried again"
    at = {(row.source, row.key): row.updated_at for row in readings(engine_for(url))}
    assert max(at["quick", "vote"], at["quick", "ship"]) < at["hanging", "vote"]
    assert [one.source for one in plan_readings(settings())][-1] == "hanging", "read last"
