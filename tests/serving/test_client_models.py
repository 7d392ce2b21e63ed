"""What the client says of models, and what it does to them, asked over a real connection."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest
from mlflow import MlflowClient

from barometer.client import AsyncClient, Client
from barometer.errors import ConflictError, NotFoundError, UnavailableError
from barometer.settings import Settings
from inference.stages import put_on_trial
from serving.app import attach, create_app
from serving.parts import Parts
from tests.serving.broken_models import FaultySession
from tests.serving.over_http import over_http
from tests.serving.registered import pass_gate


@pytest.fixture
def address(parts: Parts) -> Iterator[str]:
    app = create_app()
    attach(app, parts)
    with over_http(app) as url:
        yield url


def test_canary_is_followed_and_promoted(
    address: str, parts: Parts, client: MlflowClient, registry: Settings
) -> None:
    with Client(address) as asked:
        with pytest.raises(ConflictError, match="has not been through the gate"):
            asked.promote("2")
        pass_gate(client, "2")
        put_on_trial(registry, "2", "canary")
        parts.watch.look()
        found = asked.models()
        assert (found.champion, [each.version for each in found.models]) == ("1", list("54321"))
        assert found.trial is not None
        assert found.trial["stage"] == "canary"
        one = asked.model("challenger")
        assert (one.version, one.stage, one.loaded) == ("2", "canary", True)
        assert one.metrics["validation.emotion.accuracy"] > 0.9
        assert "starter" in one.card
        done = asked.promote("2")
        assert (done.champion, done.previous) == ("2", "1")
        assert asked.model("champion").version == "2"
        with pytest.raises(NotFoundError, match="77"):
            asked.model("77")
        with pytest.raises(NotFoundError):
            asked.model("../events")


def test_failsafe_is_told_and_reset(address: str, parts: Parts) -> None:
    classifier = parts.models.champion.classifier
    session = FaultySession(classifier._graph)
    session.failures = parts.settings.breaker_failures
    classifier._graph = session
    with Client(address) as asked:
        texts = [f"i am glad {number}" for number in range(session.failures)]
        assert {asked.predict(text).model_used for text in texts} == {"vader"}
        state = asked.failsafe()
        assert (state.degraded, state.breaker.state) == (True, "open")
        assert state.breaker.opened_at is not None
        assert state.answered == {"model": 0, "llm": 0, "vader": len(texts)}
        assert [link.name for link in state.chain if link.available] == ["vader"]
        assert state.last_failure is not None
        assert state.last_failure.kind == "RuntimeError"
        assert asked.reset_failsafe().breaker.state == "closed"
        assert asked.predict("i am glad").model_used == "barometer:1"


async def test_async_client_asks_the_same(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    async with AsyncClient(address, attempts=1) as asked:
        models, model, analytics, compared, explained, failsafe, reset = await asyncio.gather(
            asked.models(), asked.model("1"), asked.analytics(hours=1),
            asked.compare(["all"], by="location"), asked.explain("what a lovely day"),
            asked.failsafe(), asked.reset_failsafe(),
        )  # fmt: skip
        assert model.version == models.champion == "1"
        assert (analytics.posts, compared.lines, compared.empty) == (0, [], ["all"])
        assert [word.word for word in explained.words] == ["what", "a", "lovely", "day"]
        assert failsafe == reset
        with pytest.raises(UnavailableError, match="PREFECT_API_URL"):
            await asked.bring_in("owner/name", {"A": "joy"})
        with pytest.raises(NotFoundError, match="knows no Prefect server"):
            await asked.job(str(uuid4()))
        with pytest.raises(ConflictError):
            await asked.promote("3")
