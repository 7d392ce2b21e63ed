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
from tests.ingestion.feed_server import feed_server, status
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


def test_only_a_version_as_the_registry_writes_it_is_one(app: FastAPI, parts: Parts) -> None:
    def predict(model: str) -> httpx.Response:
        return ask(app, "/predict", {"text": "so glad", "model": model}, post=True)

    assert predict("3").json()["model_used"] == "barometer:3"
    before = {version: traffic.texts for version, traffic in parts.models.traffic.items()}
    for other in ("03", "003", "0", "-3", "3.0", "٣", "9" * 9, "9" * 32, "9" * 5_000):
        refused = predict(other)
        assert (refused.status_code, refused.json()["type"]) == (404, "urn:barometer:not-found")
    assert {version: traffic.texts for version, traffic in parts.models.traffic.items()} == before
    assert parts.models.loaded("3") is not None  # nothing took its place


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
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.invalid/api")
    assert ask(app, "/models", body, post=True).status_code == 503
    assert ask(app, "/models/jobs/1").status_code == 422


def test_what_the_flow_would_fail_at_is_refused_before_it_is_asked(
    app: FastAPI, parts: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)

    def refused(source: str) -> tuple[int, str]:
        body = {"source": source, "labels": {"A": "joy"}}
        answer = ask(app, "/models", body, post=True)
        return answer.status_code, answer.json()["detail"]

    with feed_server() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.base)
        hub.serve("/api/models/owner/name", status(200, b"{}"))
        hub.serve("/api/models/owner/busy", status(502))
        code, why = refused("owner/nobody")
        assert (code, "'owner/nobody'" in why) == (422, True)
        code, why = refused("owner/busy")
        assert (code, "502" in why) == (503, True)
        code, why = refused("owner/name")
        assert (code, "BAROMETER_EMOTION_DATA" in why) == (503, True)
        hub.serve("/api/datasets/dair-ai/emotion", status(200, b"{}"))
        code, why = refused("owner/name")
        assert (code, "BAROMETER_SENTIMENT_DATA" in why) == (503, True)
        parts.settings = parts.settings.model_copy(update={"sentiment_data": str(tmp_path)})
        code, why = refused("owner/name")
        assert (code, "holds no train.jsonl" in why) == (503, True)
        for name in ("train", "validation", "test"):
            (tmp_path / f"{name}.jsonl").touch()
        code, why = refused("owner/name")
        assert (code, "Prefect's server" in why) == (503, True)  # all is there but that
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    code, why = refused("owner/name")
    assert (code, "the hub does not answer" in why) == (503, True)
