"""Limits as a caller meets them, over a real connection to the whole application."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import uvicorn
from redis import Redis

from barometer.database import database_url, engine_for, migrate
from barometer.settings import Settings
from serving.app import attach, create_app
from serving.models import Models
from serving.parts import Parts, assemble
from tests.machine import eventually
from tests.servers import free_port
from tests.serving.counting import Counting, counting_model


@asynccontextmanager
async def service(
    folder: Path, redis: Redis, **settings: object
) -> AsyncIterator[tuple[httpx.AsyncClient, Parts, Counting]]:
    config = Settings(state_dir=folder, news_search_url="off", **settings)
    url = database_url(config)
    migrate(url)
    model, asked = counting_model()
    parts = assemble(config, engine_for(url), redis, Models(model))
    app = create_app()
    attach(app, parts)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        await until(lambda: server.started)
        try:
            yield http, parts, asked
        finally:
            asked.gate.set()
            server.should_exit = True
    await serving


async def until(check: Callable[[], bool]) -> None:
    await asyncio.to_thread(eventually, check, "it did not happen", 20)


async def test_over_the_queue_is_429(redis: Redis, tmp_path: Path) -> None:
    async with service(tmp_path, redis, queue_texts=3, deadline_s=60) as (http, parts, asked):
        asked.gate.clear()
        first = asyncio.create_task(http.post("/predict", json={"text": "first"}))
        await asyncio.to_thread(asked.started.wait, 20)
        texts = {"texts": ["a", "b", "c"]}
        waiting = asyncio.create_task(http.post("/predict/batch", json=texts))
        await until(lambda: parts.answers.batcher.queued == 3)
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
