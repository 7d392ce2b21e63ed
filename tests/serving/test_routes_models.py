"""`/models`: what is told, promotion, and what may be brought in."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from mlflow import MlflowClient

from barometer.settings import Settings
from inference.stages import put_on_trial
from serving.app import attach, create_app
from serving.parts import Parts
from tests.serving.registered import pass_gate, run


def ask(app: FastAPI, path: str, body: object = None, *, post: bool = False) -> httpx.Response:
    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            return await (http.post(path, json=body) if post else http.get(path))

    return run(answer())


@pytest.fixture
def app(parts: Parts) -> FastAPI:
    app = create_app()
    attach(app, parts)
    return app


def test_routes_tell_and_promote(
    app: FastAPI, parts: Parts, client: MlflowClient, registry: Settings
) -> None:
    ask(app, "/predict/batch", {"texts": ["so glad", "so sad"]}, post=True)
    refused = ask(app, "/models/2/promote", post=True)
    assert refused.status_code == 409
    assert "has not been through the gate" in refused.json()["detail"]
    pass_gate(client, "2")
    put_on_trial(registry, "2", "canary")
    parts.watch.look()
    content = ask(app, "/models").json()
    assert (content["champion"], content["note"], content["registry_fault"]) == ("1", None, None)
    assert content["trial"]["stage"] == "canary"
    assert content["trial"]["share"] == 0.1
    listed = {entry["version"]: entry for entry in content["models"]}
    assert list(listed) == ["5", "4", "3", "2", "1"]
    assert {v: e["stage"] for v, e in listed.items()} == {
        "1": "production", "2": "canary", "3": "staging", "4": "staging", "5": "staging",
    }  # fmt: skip
    starter = listed["1"]
    assert starter["aliases"] == ["champion"]
    assert starter["metrics"]["validation.emotion.accuracy"] >= 0.925
    assert 20_000_000 < starter["bytes"] < 25_000_000
    assert starter["texts_per_s"] > 0
    assert starter["traffic"] == {"requests": 1, "texts": 2}
    assert (listed["3"]["loaded"], listed["3"]["texts_per_s"]) == (False, None)
    assert "starter" in ask(app, "/models/challenger").json()["card"]
    assert (
        ask(app, "/models/77").status_code
        == ask(app, "/models/77/promote", post=True).status_code
        == 404
    )
    done = ask(app, "/models/2/promote", post=True)
    assert done.json() == {"champion": "2", "previous": "1"}
    parts.watch.look()
    assert (
        ask(app, "/predict", {"text": "so glad"}, post=True).json()["model_used"] == "barometer:2"
    )
    assert "already" in ask(app, "/models/2/promote", post=True).json()["detail"]
    missing = ask(app, "/predict", {"text": "so glad", "model": "88"}, post=True)
    assert missing.status_code == 404


REFUSED = [
    ("https://example.org/model", {"A": "joy"}, "source"),
    ("../secrets", {"A": "joy"}, "source"),
    ("/etc", {"A": "joy"}, "source"),
    ("owner/../name", {"A": "joy"}, "source"),
    ("models/starter", {"A": "joy"}, "source"),
    ("nowhere", {"A": "joy"}, "source"),
    ("outside", {"A": "joy"}, "source"),
    ("owner/name", {"A": "bliss"}, "labels"),
    ("owner/name", {"A": None}, "labels"),
    ("owner/name", {}, "labels"),
    ("owner/name", None, "labels"),
]


def test_source_that_is_no_name_and_labels_that_are_not_ours_are_refused(
    app: FastAPI, parts: Parts, tmp_path: Path
) -> None:
    parts.settings.imports.mkdir()
    (tmp_path / "config.json").write_text("{}")
    (parts.settings.imports / "outside").symlink_to(tmp_path)
    for source, labels, field in REFUSED:
        response = ask(app, "/models", {"source": source, "labels": labels}, post=True)
        assert (response.status_code, response.json()["field"]) == (422, field), (source, labels)


def test_without_prefect_nothing_is_brought_in_and_it_says_so(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"source": "owner/name", "labels": {"A": "joy"}}
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    response = ask(app, "/models", body, post=True)
    assert response.status_code == 503
    assert "PREFECT_API_URL" in response.json()["detail"]
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert ask(app, "/models", body, post=True).status_code == 503
    assert ask(app, "/models/jobs/1").status_code == 422
