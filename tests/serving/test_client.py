import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import signature
from threading import Thread
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import pytest

from barometer.client import AsyncClient, Client
from barometer.client.contract import ScoredPost
from barometer.errors import (
    BarometerError,
    ConflictError,
    InputError,
    NotFoundError,
    RateLimitError,
    UnavailableError,
)
from barometer.live import announce
from barometer.settings import REPOSITORY
from serving.post_json import scored_message
from tests.conftest import judgement, post
from tests.servers import free_port
from tests.serving.conftest import STORED
from tests.serving.stand_alone import Service


@pytest.fixture(autouse=True)
def ferry(service: Service) -> None:
    """The event afresh: other tests of this service may have removed it."""
    service.http.delete("/events/the-ferry")
    body = {"title": "The ferry", "keywords": ["ferry"]}
    service.http.post("/events", json=body).raise_for_status()


@pytest.fixture
def client(service: Service) -> Any:
    with Client(service.url) as opened:
        yield opened


def test_predictions_are_typed(client: Client) -> None:
    said = client.predict("i am so happy that the night bus stays", model="champion")
    assert said.emotion == "joy"
    assert said.emotions is not None
    assert said.confidence == said.emotions["joy"]
    assert said.timestamp.tzinfo is not None
    batch = client.predict_batch(["i am furious", "i am terrified"])
    assert [result.emotion for result in batch.results] == ["anger", "fear"]
    assert batch.batch_size == 2


def test_event_from_tracking_to_its_trend_and_end(client: Client) -> None:
    event = client.track("Ferry fares", ["ferry"], slug="fares")
    assert event.posts == STORED
    [listed] = [each for each in client.events() if each.slug == "fares"]
    alone = client.event("fares")
    assert (listed.posts, alone.posts, alone.keywords) == (STORED, STORED, ["ferry"])
    again = client.event("fares")
    assert event.time <= alone.time == again.time <= datetime.now(UTC)  # counted once, kept a while
    trend = client.trends("fares", minutes=120, step_s=600)
    assert trend.posts == sum(point.posts for point in trend.points)
    client.untrack("fares")
    with pytest.raises(NotFoundError, match="fares"):
        client.event("fares")


def test_posts_come_page_by_page_and_each_once(client: Client) -> None:
    posts = list(client.posts("the-ferry"))
    assert len({found.id for found in posts}) == len(posts) == STORED
    assert posts == sorted(posts, key=lambda found: found.created_at, reverse=True)
    assert not list(client.posts("the-ferry", emotion="anger"))


def test_posts_are_sent_and_what_is_refused_is_listed(client: Client) -> None:
    now = datetime.now(UTC)
    mark = uuid4().hex
    taken = client.ingest("program", [
        {"id": mark, "text": f"good {mark}", "created_at": now},
        {"id": "bad", "text": "", "created_at": now},
    ])  # fmt: skip
    assert (taken.accepted, taken.duplicates) == (1, 0)
    assert [(refused.index, refused.reason) for refused in taken.rejected] == [
        (1, "text: is empty")
    ]


def test_state_and_analysis_are_typed(client: Client) -> None:
    status = client.status()
    assert (status.parts["redis"].ok, status.alerts) == (True, [])
    assert {source.name for source in client.sources()} >= {"rss", "http"}
    assert client.drift() == []
    mood = client.analyze("ferry", limit=10)
    assert (mood.count, mood.agg[1].label, mood.agg[1].pct) == (10, "joy", 100.0)


def test_figures_for_analysts_are_typed(client: Client) -> None:
    client.track("Quay", slug="quay")
    found = client.compare(["the-ferry", "quay"], minutes=120)
    assert (found.by, found.empty) == ("event", ["quay"])
    assert {line.event: line.posts for line in found.lines} == {"the-ferry": STORED, "quay": 0}
    [only] = client.compare(["the-ferry"], by="source").lines
    assert (only.group, only.posts, only.shares.emotion[1].pct) == ("test", STORED, 100.0)
    figures = client.analytics(hours=3)
    assert figures.posts >= STORED
    assert [hour.start.tzinfo for hour in figures.hours] == [UTC] * 3
    assert "the-ferry" in {event.slug for event in figures.events}
    said = client.explain("i was absolutely terrified", model="champion")
    assert said.emotion is not None
    assert said.emotion.label == "fear"
    assert max(said.words, key=lambda word: word.emotion or 0).word == "terrified"
    client.untrack("quay")


def test_both_clients_take_the_same_calls() -> None:
    def calls_of(kind: type) -> dict[str, list[str]]:
        return {
            name: list(signature(method).parameters)
            for name, method in vars(kind).items()
            if not name.startswith("_") and name not in ("close", "aclose", "live")
        }

    assert calls_of(AsyncClient) == calls_of(Client)


def test_errors_are_those_that_the_service_raised(client: Client) -> None:
    with pytest.raises(InputError) as refused:
        client.predict("")
    assert refused.value.field == "text"
    with pytest.raises(NotFoundError, match="99"):
        client.predict("fine", model="99")
    with pytest.raises(ConflictError):
        client.track("The ferry")
    with pytest.raises(InputError, match="url"):
        Client("localhost:3000")


def test_service_that_is_away_or_is_another_is_named() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with Client(address, attempts=2) as client, pytest.raises(UnavailableError, match=address):
        client.predict("hello")


async def test_async_client_does_the_same_for_many_at_once(service: Service) -> None:
    async with AsyncClient(service.url) as client:
        texts = [f"i am so happy about ferry {number}" for number in range(20)]
        said = await asyncio.gather(*map(client.predict, texts))
        assert {each.emotion for each in said} == {"joy"}
        ids = [found.id async for found in client.posts("the-ferry")]
        assert len(ids) == STORED
        assert (await client.trends("all", minutes=600, step_s=600)).posts == STORED
        with pytest.raises(InputError, match="keyword"):
            await client.analyze("")


async def test_live_messages_are_typed(service: Service) -> None:
    kinds = {}
    async with AsyncClient(service.url) as client:
        async with asyncio.timeout(60):
            async for message in client.live():
                kinds[message.type] = message
                if {"scored", "metrics"} <= set(kinds):
                    break
                said = scored_message(post(7, "i love it"), judgement())
                announce(service.redis, said)
    assert isinstance(kinds["scored"].post, ScoredPost)
    assert kinds["metrics"].content["backlog"] >= 0


class Busy(BaseHTTPRequestHandler):
    """Puts off the first request of each path, and answers the second."""

    seen: dict[str, int]
    waits = MappingProxyType({"/status": "1", "/drift": "4000"})

    def do_GET(self) -> None:
        self.seen[self.path] = self.seen.get(self.path, 0) + 1
        if self.path == "/sources":
            content, status = b"<html>somebody else</html>", 200
        elif self.seen[self.path] > 1:
            content, status = b'{"status":"ok","parts":{},"model_version":"1","links":{}}', 200
        else:
            content = (b'{"type":"urn:barometer:too-many-requests","title":"Too many requests",'
                       b'"status":429,"detail":"over 1 per 1 hour: wait."}')  # fmt: skip
            status = 429
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if status == 429:
            self.send_header("Retry-After", self.waits[self.path])
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


def test_short_waits_are_kept_and_long_ones_told() -> None:
    handler = type("Handler", (Busy,), {"seen": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    with Client(address) as client:
        assert client.status().status == "ok"
        assert handler.seen["/status"] == 2  # type: ignore[attr-defined]
        with pytest.raises(RateLimitError, match="over 1"):
            client.drift()
        assert handler.seen["/drift"] == 1  # type: ignore[attr-defined]
        with pytest.raises(BarometerError, match="does not answer as Barometer"):
            client.sources()
    server.shutdown()
    server.server_close()


def test_example_says_what_people_feel_line_by_line(service: Service) -> None:
    run = subprocess.run(
        [sys.executable, "docs/examples/predict.py", service.url], cwd=REPOSITORY, text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        input="i am so happy\n\ni am furious\n", capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    first, second = run.stdout.splitlines()
    assert "joy" in first
    assert "anger" in second
    assert second.endswith("i am furious")
