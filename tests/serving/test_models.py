"""The registry's aliases followed in one process: real store, real models, no server."""

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import structlog
from fastapi import FastAPI
from mlflow import MlflowClient
from redis import Redis

from barometer.errors import ConflictError, ModelError, NotFoundError, UnavailableError
from barometer.settings import Settings
from barometer.tracking import CHAMPION, mlflow_client
from inference.promotion import promote, promote_canary
from inference.registry import fetch, load_champion
from inference.stages import put_on_trial
from serving.app import attach, create_app
from serving.canary import Bounds
from serving.model_watch import ModelWatch
from serving.parts import Parts, open_parts
from tests.conftest import STARTER
from tests.machine import eventually
from tests.serving.registered import LONG
from training.register import register

T = TypeVar("T")
NAME = "barometer"
QUICK = Bounds(fewest=20)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@pytest.fixture
def parts(registry: Settings, redis_url: str, redis: Redis) -> Parts:
    return open_parts(registry.model_copy(update={"redis_url": redis_url}))


@pytest.fixture
def client(registry: Settings) -> MlflowClient:
    return mlflow_client(registry)


def name_champion(client: MlflowClient, version: str) -> None:
    client.set_registered_model_alias(NAME, CHAMPION, version)


def pass_gate(client: MlflowClient, version: str, against: str = "1") -> None:
    client.set_model_version_tag(NAME, version, "gate", "pass")
    client.set_model_version_tag(NAME, version, "gate_against", against)


def told(redis: Redis, look: Any) -> list[dict[str, Any]]:
    """What live clients hear while `look` runs."""
    with redis.pubsub() as channel:
        channel.subscribe("barometer:live")
        channel.get_message(timeout=5)
        look()
        messages = iter(lambda: channel.get_message(timeout=0.5), None)
        return [json.loads(message["data"]) for message in messages]


def test_watch_follows_the_champion_and_tells(
    parts: Parts, client: MlflowClient, redis: Redis
) -> None:
    held = parts.models.champion
    assert (held.version, parts.models.note) == ("1", "")
    assert (held.texts_per_s or 0) > 0
    name_champion(client, "2")
    messages = told(redis, parts.watch.look)
    assert messages == [{"type": "model", "model_version": "2", "previous": "1"}]
    assert parts.models.champion.version == "2"
    assert held.classifier.score(["still here"]).emotions is not None  # a reader holds the old one
    [answer] = run(parts.answers.answer(["i am so glad"]))
    assert answer.judgement.model_version == "2"
    assert told(redis, parts.watch.look) == []


def test_damaged_version_is_refused_once_and_the_old_one_stays(
    parts: Parts, client: MlflowClient, redis: Redis, registry: Settings
) -> None:
    name_champion(client, "5")
    [alert] = told(redis, parts.watch.look)
    assert alert["type"] == "alert"
    assert "version 5 is refused, version 1 goes on answering" in alert["message"]
    assert "not those that were registered" in alert["message"]
    assert parts.models.champion.version == "1"
    assert parts.models.note == alert["message"]
    assert [entry["message"] for entry in parts.models.alerts] == [alert["message"]]
    assert told(redis, parts.watch.look) == []
    assert not list((registry.state / "models").glob("barometer-5-*"))  # no damaged copy is kept
    with pytest.raises(UnavailableError, match="version 5 is refused"):
        run(parts.answers.answer(["hello"], "5"))
    name_champion(client, "1")
    parts.watch.look()
    assert parts.models.note == ""


def test_copy_that_is_damaged_on_this_disk_is_refused_too(
    parts: Parts, client: MlflowClient, registry: Settings
) -> None:
    file = fetch(registry, "2") / "tokenizer.json"
    file.write_text(file.read_text() + " ")
    name_champion(client, "2")
    parts.watch.look()
    assert parts.models.champion.version == "1"
    assert "Delete that folder" in parts.models.note


def test_model_that_answers_otherwise_than_registered_is_refused(
    parts: Parts, client: MlflowClient
) -> None:
    recorded = json.loads(client.get_model_version(NAME, "2").tags["check"])
    recorded["emotion"] = [row[::-1] for row in recorded["emotion"]]
    client.set_model_version_tag(NAME, "2", "check", json.dumps(recorded))
    name_champion(client, "2")
    parts.watch.look()
    assert parts.models.champion.version == "1"
    assert "away from those that were registered" in parts.models.note


def test_registry_that_is_away_is_told_once_and_the_model_stays(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    gone = parts.settings.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:9"})
    watch = ModelWatch(gone, parts.models, parts.redis)
    with structlog.testing.capture_logs() as logs:
        watch.look()
        watch.look()
    assert [line["event"] for line in logs] == ["the model registry is away; the models stay"]
    assert parts.models.champion.version == "1"
    [answer] = run(parts.answers.answer(["i am so glad"], "champion"))
    assert answer.judgement.model_version == "1"


def test_empty_registry_serves_the_starter_until_a_champion_comes(tmp_path: Path) -> None:
    parts = open_parts(Settings(state_dir=tmp_path, news_search_url="off"))
    parts.watch.look()
    assert parts.models.champion.version == "starter"
    assert "no champion" in parts.models.note
    register(parts.settings, STARTER, CHAMPION)
    parts.watch.look()
    assert (parts.models.champion.version, parts.models.note) == ("1", "")


def test_request_names_any_version_or_alias(parts: Parts) -> None:
    parts.watch.look()
    text = "i am so happy that it arrived"
    sure = {}
    for wanted, version in {"champion": "1", "challenger": "2", "1": "1", "3": "3"}.items():
        [answer] = run(parts.answers.answer([text], wanted))
        assert answer.judgement.model_version == version
        sure[version] = (answer.judgement.emotion, answer.judgement.confidence or 0)
    assert sure["1"][0] == sure["2"][0] == "joy" != sure["3"][0]
    assert sure["2"][1] < sure["1"][1] - 0.1
    run(parts.answers.answer([text], "4"))
    held = [version for version in "1234" if parts.models.loaded(version)]
    assert held == ["1", "4"]  # one besides the champion: the one that was asked last
    for unknown, reason in (("99", "'99'"), ("newest", "no alias")):
        with pytest.raises(NotFoundError, match=reason):
            run(parts.answers.answer([text], unknown))
    assert parts.models.traffic["1"].texts == 2


def test_stages_come_in_order(registry: Settings, client: MlflowClient) -> None:
    with pytest.raises(ConflictError, match="has not been through the gate"):
        put_on_trial(registry, "2", "canary")
    client.set_model_version_tag(NAME, "2", "gate", "fail")
    with pytest.raises(ConflictError, match="was refused by the gate"):
        put_on_trial(registry, "2", "canary")
    pass_gate(client, "2", against="4")
    with pytest.raises(ConflictError, match="passed the gate against version 4"):
        put_on_trial(registry, "2", "canary")
    pass_gate(client, "2")
    with pytest.raises(ConflictError, match="version 2 is in staging, not a canary"):
        promote_canary(registry, "2")
    put_on_trial(registry, "2", "shadow")
    with pytest.raises(ConflictError, match="version 2 is in shadow, not a canary"):
        promote_canary(registry, "2")
    put_on_trial(registry, "2", "canary")
    assert promote_canary(registry, "2") == "1"
    assert load_champion(registry).version == "2"
    stages = {v: client.get_model_version(NAME, v).tags["stage"] for v in "12"}
    assert stages == {"1": "retired", "2": "production"}


def test_canary_answers_its_share_and_another_challenger_ends_it(
    parts: Parts, client: MlflowClient, registry: Settings
) -> None:
    pass_gate(client, "2")
    put_on_trial(registry, "2", "canary")
    parts.watch.look()
    texts = [f"i feel number {n} today" for n in range(300)]
    first = [a.judgement.model_version for a in run(parts.answers.answer(texts))]
    again = [a.judgement.model_version for a in run(parts.answers.answer(texts))]
    assert first == again
    assert 8 < first.count("2") < 60
    trial = parts.models.lineup.trial
    assert trial is not None
    figures = eventually(lambda: (f := trial.comparison.figures())["texts"] > 15 and f, "unscored")
    assert figures["agreement"] == 1.0
    assert figures["challenger"]["confidence"] < figures["champion"]["confidence"]
    named = run(parts.answers.answer(texts[:50], "champion"))
    assert {answer.judgement.model_version for answer in named} == {"1"}
    register(registry, fetch(registry, "1"))
    parts.watch.look()
    assert parts.models.lineup.trial is None
    assert client.get_model_version(NAME, "2").tags["stage"] == "staging"


def test_worse_canary_is_rolled_back_by_itself(
    parts: Parts, client: MlflowClient, registry: Settings, redis: Redis
) -> None:
    pass_gate(client, "3")
    put_on_trial(registry, "3", "canary")
    watch = ModelWatch(parts.settings, parts.models, parts.redis, bounds=QUICK)
    watch.look()
    trial = parts.models.lineup.trial
    assert trial is not None
    trial.compare(["i am so happy, this is a great day"] * 19)
    watch.look()
    assert parts.models.lineup.trial is trial  # one text too few to judge
    trial.compare(["i am so glad, this is wonderful"] * 6)
    [alert] = told(redis, watch.look)
    assert alert["type"] == "alert"
    assert (
        "canary version 3 was taken back: it agrees with the champion on 0.00" in alert["message"]
    )
    tags = client.get_model_version(NAME, "3").tags
    assert tags["stage"] == "staging"
    assert "it agrees with the champion on 0.00" in tags["canary_rolled_back"]
    texts = [f"a good day, number {n}" for n in range(100)]
    assert {a.judgement.model_version for a in run(parts.answers.answer(texts))} == {"1"}
    with pytest.raises(ConflictError, match=r"version 3 is in staging \(it agrees"):
        promote_canary(registry, "3")
    put_on_trial(registry, "3", "canary")  # a person tries it again
    watch.look()
    assert parts.models.lineup.trial is not None
    watch.stop()


def test_canary_that_fails_is_answered_for_and_rolled_back(
    parts: Parts, client: MlflowClient, registry: Settings
) -> None:
    pass_gate(client, "4")
    put_on_trial(registry, "4", "canary")
    everything = parts.settings.model_copy(update={"canary_share": 1.0})
    watch = ModelWatch(everything, parts.models, parts.redis)
    watch.look()
    [answer] = run(parts.answers.answer(["i am so glad"]))
    assert answer.judgement.model_version == "4"
    for number in range(3):
        [answer] = run(parts.answers.answer([f"{LONG} {number}"]))
        assert answer.judgement.model_version == "1"
        assert answer.truncated
    watch.look()
    assert parts.models.lineup.trial is None
    assert "failed on" in client.get_model_version(NAME, "4").tags["canary_rolled_back"]
    with pytest.raises(ModelError, match="version 4 cannot answer"):
        run(parts.answers.answer([LONG], "4"))  # who names it gets no other


def test_shadow_scores_and_never_answers(
    parts: Parts, client: MlflowClient, registry: Settings
) -> None:
    pass_gate(client, "2")
    put_on_trial(registry, "2", "shadow")
    parts.watch.look()
    texts = [f"i feel number {n} today" for n in range(60)]
    answers = run(parts.answers.answer(texts))
    assert {answer.judgement.model_version for answer in answers} == {"1"}
    trial = parts.models.lineup.trial
    assert trial is not None
    eventually(lambda: trial.comparison.figures()["texts"] >= 48, "the shadow does not score")
    parts.watch.stop()


def test_trial_against_a_champion_that_is_gone_ends(
    parts: Parts, client: MlflowClient, registry: Settings
) -> None:
    pass_gate(client, "2")
    put_on_trial(registry, "2", "canary")
    parts.watch.look()
    assert parts.models.lineup.trial is not None
    promote(registry, "4", over="1")
    parts.watch.look()
    assert parts.models.champion.version == "4"
    assert parts.models.lineup.trial is None
    assert client.get_model_version(NAME, "2").tags["stage"] == "staging"


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
