"""What `/analyze` computed before: queued by the service, synced, and read again."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from redis import Redis
from sqlalchemy import Engine

from barometer.analyses import write
from barometer.client import AsyncClient, Client
from barometer.client.contract import Analysis, AnalysisHistory, KeptAnalysis
from barometer.redis_server import connect
from barometer.settings import Settings
from barometer.store import store
from barometer.sync import sync_analyses
from inference.registry import LoadedModel
from serving.app import attach, create_app
from serving.models import Models
from serving.parts import assemble
from tests.barometer.kept import kept
from tests.conftest import judgement, post
from tests.servers import free_port
from tests.serving.stand_alone import Service


@pytest.fixture
def config(settings: Settings, redis_url: str, engine: Engine) -> Settings:
    url = engine.url.render_as_string(hide_password=False)
    return settings.model_copy(update={"redis_url": redis_url, "database_url": url})


def app_with(config: Settings, redis: Redis, engine: Engine, model: LoadedModel) -> FastAPI:
    store(engine, [(post(1, "i love the ferry"), judgement())])
    app = create_app()
    attach(app, assemble(config, engine, redis, Models(model)))
    return app


def ask(app: FastAPI, path: str, body: object = None) -> httpx.Response:
    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            return await (http.get(path) if body is None else http.post(path, json=body))

    return asyncio.run(answer()).raise_for_status()


def past(app: FastAPI, query: str) -> list[KeptAnalysis]:
    return AnalysisHistory.model_validate_json(
        ask(app, f"/analyze/history?{query}").content
    ).analyses


def test_computed_answers_wait_and_become_the_keywords_history(
    config: Settings, redis: Redis, engine: Engine, model: LoadedModel
) -> None:
    app = app_with(config, redis, engine, model)
    asked: list[dict[str, Any]] = [
        {"keyword": "Ferry"}, {"keyword": " FERRY ", "limit": 10, "return_plot": True},
        {"keyword": "ferry", "return_plot": True}, {"keyword": "metro"},
    ]  # fmt: skip
    answers = [Analysis.model_validate_json(ask(app, "/analyze", body).content) for body in asked]
    assert [each.source for each in answers] == ["inference", "inference", "cache", "inference"]
    told = ask(app, "/status").json()["parts"]["sync"]
    assert told["ok"]
    assert "3 analyses wait" in told["detail"]  # not the one that the cache answered
    assert "barometer_unsynced_analyses 3.0" in ask(app, "/metrics").text
    assert past(app, "keyword=ferry") == []

    assert sync_analyses(config, now=True).written == 3
    kept_fields = set(KeptAnalysis.model_fields) - {"keyword"}
    found = past(app, "keyword=%20fErRy")
    assert [each.model_dump(include=kept_fields) for each in found] == [
        each.model_dump(include=kept_fields) for each in (answers[1], answers[0])
    ]
    assert {each.keyword for each in found} == {"ferry"}
    assert [each.limit for each in past(app, "keyword=ferry&limit=1")] == [10]
    assert "0 analyses wait" in ask(app, "/status").json()["parts"]["sync"]["detail"]


def test_history_reaches_as_far_back_as_is_asked(
    config: Settings, redis: Redis, engine: Engine, model: LoadedModel
) -> None:
    app = app_with(config, redis, engine, model)
    now = datetime.now(UTC)
    write(engine, [kept("ferry", now - timedelta(hours=hours)) for hours in (1, 30, 200)])
    ages = {f"hours={hours}": len(past(app, f"keyword=ferry&hours={hours}")) for hours in (2, 48)}
    assert ages == {"hours=2": 1, "hours=48": 2}
    assert len(past(app, "keyword=ferry")) == 2


def test_answer_that_nobody_writes_is_told_by_the_status(
    config: Settings, redis: Redis, engine: Engine, model: LoadedModel
) -> None:
    app = app_with(config, redis, engine, model)
    long_ago = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
    redis.xadd("barometer:analyses:unsynced", {"answer": "{}"}, id=f"{long_ago}-0")
    told = ask(app, "/status").json()["parts"]["sync"]
    assert not told["ok"]
    assert "barometer sync" in told["detail"]


def test_without_redis_the_answer_is_given(
    settings: Settings, engine: Engine, model: LoadedModel
) -> None:
    away = connect(f"redis://127.0.0.1:{free_port()}/0")
    app = app_with(settings, away, engine, model)
    answer = ask(app, "/analyze", {"keyword": "ferry"}).json()
    assert (answer["count"], answer["degraded"]) == (1, True)


async def test_both_clients_read_the_history(service: Service) -> None:
    keyword = "ferry of the history"
    with Client(service.url) as client:
        analysis = client.analyze(keyword, limit=7)
        assert sync_analyses(service.settings, now=True).written >= 1
        [found] = client.history(keyword.upper(), hours=1, limit=5)
    assert (found.time, found.limit, found.agg) == (analysis.time, 7, analysis.agg)
    async with AsyncClient(service.url) as both:
        assert await both.history(keyword) == [found]
