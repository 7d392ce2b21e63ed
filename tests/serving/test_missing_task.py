"""A model that lacks a task, from the stream to the API: null answers, and no invented number."""

import asyncio
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from redis import Redis
from sqlalchemy import Engine

from barometer.brokers import open_broker
from barometer.settings import Settings
from barometer.store import store
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.registry import LoadedModel
from serving.app import attach, create_app
from serving.models import Models
from serving.parts import assemble
from serving.scorer import Scorer
from tests.conftest import STARTER, judgement, post

NULL = dict.fromkeys(("emotion", "confidence", "emotions"))


@pytest.fixture(scope="module")
def without_emotion(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = tmp_path_factory.mktemp("models") / "half"
    shutil.copytree(STARTER, folder)
    config = json.loads((folder / "config.json").read_text())
    config["barometer"]["tasks"] = ["sentiment"]
    del config["barometer"]["temperatures"]["emotion"]
    (folder / "config.json").write_text(json.dumps(config))
    return LoadedModel("8", Classifier(open_model_folder(folder), threads=1))


def test_posts_are_stored_counted_and_shown_without_an_emotion(
    redis: Redis, engine: Engine, without_emotion: LoadedModel, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    settings = Settings(state_dir=tmp_path, news_search_url="off")
    broker = open_broker(settings, redis)
    told = redis.pubsub()
    told.subscribe("barometer:live")
    texts = ["i love the ferry", "the ferry is great", "i hate this awful ferry"]
    broker.publish([post(n, text, created_at=now) for n, text in enumerate(texts)])
    worker = Scorer(broker, redis, engine, Models(without_emotion), batch=50, name="w")
    worker.work(broker.receive("w", 50, block_ms=10))
    assert (worker.stored, broker.backlog(), broker.dead_letters(10)) == (3, 0, [])
    messages = [m["data"] for m in iter(lambda: told.get_message(timeout=1), None)]
    live = [json.loads(data)["post"] for data in messages if isinstance(data, str)]
    assert len(live) == 3
    assert all(NULL.items() <= shown.items() for shown in live)
    # A post of the model before, which had emotions, in the same window.
    store(engine, [(post("old", "the old ferry", created_at=now), judgement("fear"))])

    app = create_app()
    attach(app, assemble(settings, engine, redis, Models(without_emotion)))
    answer = ask(app, "/predict", {"text": "what a great day"})
    assert NULL.items() <= answer.items()
    assert answer["sentiment"] == "positive"
    trend = ask(app, "/events/all/trends?minutes=10")
    assert trend["posts"] == 4
    assert trend["emotions"] == {**dict.fromkeys(trend["emotions"], 0), "fear": 1}
    assert sum(trend["sentiments"].values()) == 4
    feed = ask(app, "/events/all/posts")["posts"]
    by_id = {shown["id"]: shown for shown in feed}
    assert NULL.items() <= by_id["0"].items()
    assert by_id["old"]["emotion"] == "fear"
    scores = [shown["sentiment_score"] for shown in feed]
    assert trend["sentiment_score"] == pytest.approx(sum(scores) / 4, abs=1e-3)
    asked = {"keyword": "ferry", "return_plot": True}
    mood = ask(app, "/analyze", asked)
    shares = {line["label"]: (line["pct"], line["avg_score"]) for line in mood["agg"]}
    assert mood["count"] == 4
    assert shares.pop("fear") == (100.0, 0.9)  # of the one post that has an emotion
    assert set(shares.values()) == {(0.0, None)}
    assert sum(line["pct"] for line in mood["sentiment"]) == pytest.approx(100, abs=0.1)
    assert ask(app, "/analyze", {"keyword": "great"})["agg"][0] == {
        "label": "sadness", "pct": None, "avg_score": None,
        "corrected_pct": None, "low_pct": None, "high_pct": None,
    }  # fmt: skip


def ask(app: FastAPI, path: str, body: dict[str, object] | None = None) -> Any:
    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            return await (http.get(path) if body is None else http.post(path, json=body))

    return asyncio.run(answer()).raise_for_status().json()
