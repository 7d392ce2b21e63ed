"""Redis is stopped under load: every request is answered, and the cache comes back by itself."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from barometer.database import database_url, engine_for, migrate
from barometer.redis_server import connect
from barometer.settings import Settings
from barometer.store import store
from inference.registry import LoadedModel
from serving.app import attach, create_app
from serving.cache import STEP_ASIDE_S
from serving.models import Models
from serving.parts import assemble
from tests.conftest import judgement, post
from tests.machine import eventually
from tests.servers import redis_server
from tests.serving.counted import lookups


async def test_redis_stops_and_starts_under_load(tmp_path: Path, model: LoadedModel) -> None:
    # A memory of nothing, so that every text asks Redis.
    settings = Settings(state_dir=tmp_path / "state", news_search_url="off", memory_cache_mb=0)
    migrate(database_url(settings))
    engine = engine_for(database_url(settings))
    store(engine, [(post(1, "i love the ferry"), judgement())])
    server = redis_server(settings.state)
    url = server.__enter__()
    parts = assemble(settings, engine, connect(url), Models(model))
    app = create_app()
    attach(app, parts)
    answers: list[tuple[int, dict[str, Any]]] = []
    stop = asyncio.Event()

    async def load(http: httpx.AsyncClient, caller: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            asked = {"text": f"caller {caller} is happy for time {number % 7}"}
            response = await http.post("/predict", json=asked)
            answers.append((response.status_code, response.json()))

    async def mood(http: httpx.AsyncClient) -> dict[str, Any]:
        response = await http.post("/analyze", json={"keyword": "ferry", "limit": 10})
        answer: dict[str, Any] = response.raise_for_status().json()
        assert answer["count"] == 1
        return answer

    async def until(check: Any) -> None:
        await asyncio.to_thread(eventually, check, "it did not happen", 30)

    def hits() -> float:
        return lookups("redis")[0]

    before = hits()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        callers = [asyncio.create_task(load(http, caller)) for caller in range(4)]
        await until(lambda: hits() > before + 20)
        assert [(await mood(http))["degraded"] for _ in range(2)] == [False, False]
        assert (await mood(http))["source"] == "cache"

        server.__exit__(None, None, None)
        count = len(answers)
        await until(lambda: len(answers) > count + 30)
        away = await mood(http)
        assert (away["degraded"], away["source"]) == (True, "inference")

        with redis_server(settings.state):
            before = hits()
            await until(lambda: hits() > before + 20)
            await mood(http)  # the one that finds Redis back, or a moment too early
            await asyncio.sleep(STEP_ASIDE_S)
            assert (await mood(http))["degraded"] is False
            assert (await mood(http))["source"] == "cache"
            stop.set()
            await asyncio.gather(*callers)
    assert {status for status, _ in answers} == {200}
    assert {answer["model_used"] for _, answer in answers} == {"barometer:7"}
    assert {answer["fallback_used"] for _, answer in answers} == {False}
