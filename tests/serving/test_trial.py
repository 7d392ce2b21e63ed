"""Stages in order, and a challenger on trial: canary, shadow, taken back by itself."""

import pytest
from mlflow import MlflowClient
from redis import Redis

from barometer.errors import ConflictError, UnavailableError
from barometer.settings import Settings
from inference.promotion import promote, promote_canary
from inference.registry import fetch, load_champion
from inference.stages import put_on_trial
from serving.app import attach, create_app
from serving.canary import Bounds
from serving.model_watch import ModelWatch
from serving.parts import Parts
from tests.machine import eventually
from tests.serving.registered import LONG, NAME, pass_gate, run, told
from tests.serving.test_shares import ask
from training.register import register

QUICK = Bounds(fewest=20)


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
    app = create_app()
    attach(app, parts)
    batch = ask(app, "/predict/batch", {"texts": texts})
    assert [result["model_used"] for result in batch["results"]] == [
        f"barometer:{v}" for v in first
    ]
    assert {result["fallback_used"] for result in batch["results"]} == {False}
    assert set(batch["model_used"].split(",")) == {"barometer:1", "barometer:2"}
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
    with pytest.raises(UnavailableError, match="version 4 cannot answer"):
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
