"""The registry's aliases followed in one process: real store, real models, no server."""

import json
from pathlib import Path

import pytest
import structlog
from mlflow import MlflowClient
from redis import Redis

from barometer.errors import NotFoundError, UnavailableError
from barometer.settings import Settings
from barometer.tracking import CHAMPION
from inference.registry import fetch
from serving.app import attach, create_app
from serving.model_watch import ModelWatch
from serving.parts import Parts, open_parts
from tests.conftest import STARTER
from tests.serving.registered import NAME, name_champion, run, told
from tests.serving.test_shares import get
from training.register import register


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


def test_every_model_is_opened_by_the_chosen_backend(registry: Settings) -> None:
    # Neither the versions nor the starter have the graph that this backend needs: none may answer.
    chosen = registry.model_copy(update={"backend": "openvino", "redis_url": "redis://127.0.0.1:9"})
    parts = open_parts(chosen)
    assert parts.models.champion.version == "none"
    assert "BAROMETER_BACKEND=openvino needs" in parts.models.note
    assert "…/starter lacks" in parts.models.note
    with pytest.raises(UnavailableError, match="BAROMETER_BACKEND=openvino needs"):
        run(parts.models.pick_uncounted("2", ["hello"]))
    app = create_app()
    attach(app, parts)
    asked = {"text": "hello", "model": "2"}
    for heard in (get(app, "/status"), get(app, "/models"), get(app, "/predict", asked)):
        assert "BAROMETER_BACKEND=openvino needs" in heard.text
        for folder in (STARTER.parent, registry.state):
            assert str(folder) not in heard.text  # where things lie is the log's alone
    assert heard.status_code == 503
    parts.watch.look()
    assert parts.models.champion.version == "none"


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
