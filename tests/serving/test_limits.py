"""Limits as a caller meets them, over a real connection to the whole application."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from redis import Redis

from barometer.api_keys import new_key
from barometer.database import database_url, engine_for, migrate, writing
from barometer.settings import Settings
from serving.app import attach, create_app
from serving.models import Models
from serving.parts import Parts, assemble
from tests.ingestion.feed_server import Exchange, feed_server
from tests.machine import eventually
from tests.serving.counting import Counting, counting_model
from tests.serving.over_http import over_http


@asynccontextmanager
async def service(
    folder: Path, redis: Redis, **settings: object
) -> AsyncIterator[tuple[httpx.AsyncClient, Parts, Counting]]:
    config = Settings(**{"state_dir": folder, "news_search_url": "off", **settings})
    url = database_url(config)
    migrate(url)
    model, asked = counting_model()
    parts = assemble(config, engine_for(url), redis, Models(model))
    app = create_app()
    attach(app, parts)
    with over_http(app) as address:
        async with httpx.AsyncClient(base_url=address, timeout=30) as http:
            try:
                yield http, parts, asked
            finally:
                asked.gate.set()


async def until(check: Callable[[], bool]) -> None:
    await asyncio.to_thread(eventually, check, "it did not happen", 20)


async def held_and_queued(
    http: httpx.AsyncClient, parts: Parts, asked: Counting
) -> tuple[asyncio.Task[httpx.Response], asyncio.Task[httpx.Response]]:
    """A request whose text the model is held at, and one whose three texts wait behind it."""
    asked.gate.clear()
    first = asyncio.create_task(http.post("/predict", json={"text": "first"}))
    await asyncio.to_thread(asked.started.wait, 20)
    texts = {"texts": ["a", "b", "c"]}
    queued = asyncio.create_task(http.post("/predict/batch", json=texts))
    await until(lambda: parts.answers.batcher.queued == 3)
    return first, queued


async def test_over_the_queue_is_429(redis: Redis, tmp_path: Path) -> None:
    async with service(tmp_path, redis, queue_texts=3, deadline_s=60) as (http, parts, asked):
        first, waiting = await held_and_queued(http, parts, asked)
        refused = await http.post("/predict", json={"text": "one more"})
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json()["type"] == "urn:barometer:overloaded"
        asked.gate.set()
        assert [answer.status_code for answer in await asyncio.gather(first, waiting)] == [200, 200]
        assert (await http.post("/predict", json={"text": "one more"})).status_code == 200


async def test_past_the_deadline_is_504(redis: Redis, tmp_path: Path) -> None:
    async with service(tmp_path, redis, deadline_s=1) as (http, parts, asked):
        asked.gate.clear()
        late = await http.post("/predict", json={"text": "first"})
        assert late.status_code == 504
        assert late.json()["type"] == "urn:barometer:deadline-passed"
        assert "BAROMETER_DEADLINE_S" in late.json()["detail"]
        assert parts.answers.batcher.queued == 0


def assert_too_late(answer: httpx.Response) -> None:
    assert answer.status_code == 504
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["type"] == "urn:barometer:deadline-passed"
    assert "BAROMETER_REQUEST_DEADLINE_S" in answer.json()["detail"]


async def test_answer_that_does_not_begin_in_time_is_504_and_its_work_is_dropped(
    redis: Redis, tmp_path: Path
) -> None:
    limits = {"request_deadline_s": 0.5, "deadline_s": 60, "model_timeout_s": 60}
    async with service(tmp_path, redis, **limits) as (http, parts, asked):
        for late in await asyncio.gather(*await held_and_queued(http, parts, asked)):
            assert_too_late(late)
        # The computation that both share ends a moment after its last caller.
        await until(lambda: parts.answers.batcher.queued == 0)
        asked.gate.set()
        assert (await http.post("/predict", json={"text": "next"})).status_code == 200
        assert asked.calls == [["first"], ["next"]]


async def test_source_is_not_read_on_for_an_answer_that_is_too_late(
    redis: Redis, tmp_path: Path
) -> None:
    hung_up = threading.Event()

    def never(exchange: Exchange) -> None:
        assert exchange.connection.recv(1) == b""  # returns once the service has closed it
        hung_up.set()
        exchange.close_connection = True

    with feed_server() as news:
        search = news.serve("/search", never) + "?q={keyword}"
        limits = {"request_deadline_s": 2, "feed_timeout_s": 60}  # enough to ask the source
        async with service(tmp_path, redis, news_search_url=search, **limits) as (http, _, _):
            assert_too_late(await http.post("/analyze", json={"keyword": "ferry"}))
            assert await asyncio.to_thread(hung_up.wait, 10)
            assert redis.keys("barometer:analysis:*") == []


async def test_nobody_waits_for_a_locked_database(redis: Redis, tmp_path: Path) -> None:
    async with service(tmp_path, redis, request_deadline_s=0.5) as (http, parts, _):
        with writing(parts.engine).begin():  # another writer, who takes long
            assert_too_late(await http.post("/events", json={"title": "Ferry"}))
            assert (await http.get("/events")).status_code == 200


async def test_work_of_a_caller_who_hangs_up_is_dropped(redis: Redis, tmp_path: Path) -> None:
    async with service(tmp_path, redis) as (http, parts, asked):
        asked.gate.clear()
        first = asyncio.create_task(http.post("/predict", json={"text": "first"}))
        await asyncio.to_thread(asked.started.wait, 20)
        for path, body in (
            ("/predict", {"text": "alone"}),
            ("/predict/batch", {"texts": ["a", "b"]}),
        ):
            leaving = asyncio.create_task(http.post(path, json=body))
            await until(lambda: parts.answers.batcher.queued > 0)
            leaving.cancel()  # closes the connection
            await until(lambda: parts.answers.batcher.queued == 0)
        asked.gate.set()
        assert (await first).status_code == 200
        assert asked.calls == [["first"]]


async def test_answers_say_which_texts_were_cut(redis: Redis, tmp_path: Path) -> None:
    async with service(tmp_path, redis) as (http, _, asked):
        texts = ["fine", "word " * 500]
        batch = (await http.post("/predict/batch", json={"texts": texts})).json()
        assert [result["truncated"] for result in batch["results"]] == [False, True]
        alone = (await http.post("/predict", json={"text": texts[1]})).json()
        assert alone["truncated"] is True
        assert len(asked.calls) == 1  # the second answer came from memory, mark and all


async def test_unknown_keys_are_limited_and_a_known_one_is_not(
    redis: Redis, tmp_path: Path
) -> None:
    key, entry = new_key("reader", ["read"])
    async with service(tmp_path, redis, api_keys=(entry.entry,)) as (http, _, _):

        async def ask(presented: str | None) -> httpx.Response:
            return await http.get("/events", headers={"X-API-Key": presented} if presented else {})

        statuses = [(await ask(f"bk_guess{n}")).status_code for n in range(62)]
        assert statuses == [401] * 60 + [429] * 2
        refused = await ask("bk_guess")
        assert refused.json()["type"] == "urn:barometer:too-many-requests"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert (await ask(key)).status_code == 200
        assert (await ask(None)).status_code == 401
