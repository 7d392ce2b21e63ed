"""Corrected shares through the API, with a model whose folder records its confusion."""

import asyncio
import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from redis import Redis
from sqlalchemy import Engine

from barometer.database import engine_for, migrate
from barometer.labels import EMOTIONS
from barometer.settings import Settings
from barometer.store import store
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.registry import LoadedModel
from serving.app import attach, create_app
from serving.models import Models
from serving.parts import assemble
from tests.conftest import STARTER, judgement, post

CONFUSION = {
    "emotion": [[526, 8, 2, 9, 5, 0], [5, 653, 32, 1, 7, 6], [1, 4, 171, 2, 0, 0],
                [9, 5, 0, 252, 9, 0], [8, 2, 0, 3, 190, 9], [2, 3, 1, 0, 5, 70]],
    "sentiment": [[307, 87, 19], [73, 449, 66], [15, 61, 423]],
}  # fmt: skip
RATES = np.array([[c / sum(row) for c in row] for row in CONFUSION["emotion"]])


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """The starter, with a confusion in its folder."""
    return LoadedModel("7", with_confusion(tmp_path_factory.mktemp("models") / "m", CONFUSION))


def with_confusion(folder: Path, confusion: dict[str, Any]) -> Classifier:
    shutil.copytree(STARTER, folder)
    metrics = json.loads((folder / "metrics.json").read_text())
    for task in ("emotion", "sentiment"):
        metrics["validation"][task].pop("confusion", None)
        if task in confusion:
            metrics["validation"][task]["confusion"] = confusion[task]
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return Classifier(open_model_folder(folder), threads=1)


@pytest.fixture
def stored(tmp_path: Path) -> Engine:
    url = f"sqlite:///{tmp_path / 'posts.db'}"
    migrate(url)
    return engine_for(url)


def app_with(redis: Redis, engine: Engine, model: LoadedModel, folder: Path) -> FastAPI:
    app = create_app()
    settings = Settings(state_dir=folder, news_search_url="off")
    attach(app, assemble(settings, engine, redis, Models(model)))
    return app


def fill(
    engine: Engine, event: str, counts: Sequence[int], text: str = "the ferry", **fields: Any
) -> None:
    """Posts of an event, so many of each emotion, a minute ago."""
    now = datetime.now(UTC) - timedelta(minutes=1)
    judged = [
        (
            post(f"{event}-{fields}-{label}-{n}", text, created_at=now, events=(event,), **fields),
            judgement(label),
        )
        for label, count in zip(EMOTIONS, counts, strict=True)
        for n in range(count)
    ]
    store(engine, judged)


def get(app: FastAPI, path: str, body: object = None) -> httpx.Response:
    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            return await (http.get(path) if body is None else http.post(path, json=body))

    return asyncio.run(answer())


def ask(app: FastAPI, path: str, body: object = None) -> Any:
    return get(app, path, body).raise_for_status().json()


def test_analysis_and_trend_tell_the_corrected_share_beside_the_counted_one(
    redis: Redis, stored: Engine, measured: LoadedModel, tmp_path: Path
) -> None:
    truth = np.array([0.05, 0.6, 0.05, 0.1, 0.1, 0.1])
    counts = np.rint(400 * truth @ RATES).astype(int)
    fill(stored, "none", counts)
    app = app_with(redis, stored, measured, tmp_path)
    mood = ask(app, "/analyze", {"keyword": "ferry", "limit": 500})
    trend = ask(app, "/events/all/trends?minutes=10&point_shares=true")
    love = dict(zip(EMOTIONS, mood["agg"], strict=True))["love"]
    assert love["pct"] == pytest.approx(100 * counts[2] / counts.sum(), abs=0.01)
    assert love["corrected_pct"] == pytest.approx(5, abs=0.5)
    assert love["corrected_pct"] < love["pct"] - 2  # much of what is called love is joy
    for line, share in zip(mood["agg"], truth, strict=True):
        assert 0 <= line["low_pct"] <= line["corrected_pct"] <= line["high_pct"] <= 100
        assert line["low_pct"] <= 100 * share <= line["high_pct"]
    assert sum(line["corrected_pct"] for line in mood["agg"]) == pytest.approx(100, abs=0.1)
    told = mood["uncertainty"]["emotion"]
    assert "adjusted counts" in told["method"]
    assert (told["posts"], told["model_versions"], told["borrowed_posts"]) == (400, ["7"], 0)
    assert told["from_few_posts_pct"] + told["from_the_classifier_pct"] == pytest.approx(100)
    assert told["uncertain_pct"] == pytest.approx(10, abs=0.1)  # each is 0.9 sure
    of_trend = trend["shares"]["emotion"]
    assert [line["corrected_pct"] for line in of_trend] == [x["corrected_pct"] for x in mood["agg"]]
    assert trend["uncertainty"]["emotion"]["uncertain_pct"] == pytest.approx(10, abs=0.1)
    [point] = [point for point in trend["points"] if point["posts"]]
    assert point["shares"]["emotion"][2]["corrected_pct"] == love["corrected_pct"]
    empty = next(point for point in trend["points"] if not point["posts"])
    assert {line["corrected_pct"] for line in empty["shares"]["emotion"]} == {None}


def test_versions_that_are_not_loaded_are_corrected_by_the_champion_and_said_so(
    redis: Redis, stored: Engine, measured: LoadedModel, tmp_path: Path
) -> None:
    fill(stored, "none", [5, 20, 5, 3, 3, 3])
    other = LoadedModel("8", measured.classifier)
    mood = ask(app_with(redis, stored, other, tmp_path), "/analyze", {"keyword": "ferry"})
    told = mood["uncertainty"]["emotion"]
    assert (told["model_versions"], told["borrowed_posts"]) == (["8"], 39)


@pytest.mark.parametrize(
    ("recorded", "reason"),
    [({}, "records no confusion"), ({"emotion": [[5] * 6] * 6}, "apart too poorly"),
     ({"emotion": [[1, 2], [3, 4]]}, "no table of 6 by 6")],
)  # fmt: skip
def test_model_that_cannot_be_corrected_for_leaves_raw_shares_and_the_reason(
    redis: Redis, stored: Engine, tmp_path: Path, recorded: dict[str, Any], reason: str
) -> None:
    fill(stored, "none", [1, 4, 0, 0, 0, 0])
    model = LoadedModel("7", with_confusion(tmp_path / "model", recorded))
    app = app_with(redis, stored, model, tmp_path)
    mood = ask(app, "/analyze", {"keyword": "ferry"})
    assert [line["pct"] for line in mood["agg"]][:2] == [20.0, 80.0]
    assert {line["corrected_pct"] for line in mood["agg"]} == {None}
    told = mood["uncertainty"]["emotion"]
    assert told["method"] is None
    assert reason in told["note"]
    assert told["uncorrected_posts"] == 5
    assert ask(app, "/events/all/trends")["shares"]["emotion"][1]["pct"] == 80.0
