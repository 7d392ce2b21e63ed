"""The model breaks under the service: every request is answered, and says by whom."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from redis import Redis
from structlog.testing import capture_logs
from structlog.typing import EventDict

from barometer.database import engine_for, migrate
from barometer.errors import BarometerError, ModelError
from barometer.settings import Settings
from inference.registry import LoadedModel
from serving.app import attach, create_app
from serving.failsafe import Failsafe
from serving.models import Models
from serving.parts import Parts, assemble
from serving.scorer import Scorer
from tests.conftest import post
from tests.ingestion.feed_bodies import news_search
from tests.ingestion.feed_server import feed, feed_server
from tests.machine import eventually
from tests.serving.broken_models import Clock, FaultySession, faulty_model, model_of_nans

GLAD = {"text": "i love this, it makes me so happy"}


class Service:
    """The application with its parts, and how it is asked."""

    def __init__(self, parts: Parts, clock: Clock, http: httpx.AsyncClient) -> None:
        self.parts, self.clock, self.http = parts, clock, http
        self.asked = 0

    async def post(self, path: str, body: object = None) -> Any:
        return (await self.http.post(path, json=body)).raise_for_status().json()

    async def get(self, path: str) -> Any:
        return (await self.http.get(path)).raise_for_status().json()

    async def predict(self) -> str:
        """What answered."""
        self.asked += 1  # a text that was answered is not the model's to answer again
        answer = await self.post("/predict", {"text": f"{GLAD['text']} {self.asked}"})
        assert answer["sentiment"] == "positive"
        fallback = answer["model_used"] == "vader"
        assert answer["fallback_used"] is fallback
        assert (answer["emotion"] is None) is fallback
        assert (answer["sentiments"] is None) is fallback
        return str(answer["model_used"])


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as logs:
        yield logs


@pytest.fixture
def broken() -> tuple[LoadedModel, FaultySession]:
    return faulty_model()


def parts_with(model: LoadedModel, redis: Redis, folder: Path, clock: Clock, **more: Any) -> Parts:
    url = f"sqlite:///{folder / 'test.db'}"
    migrate(url)
    settings = Settings(**{"state_dir": folder / "state", "news_search_url": "off", **more})
    parts = assemble(settings, engine_for(url), redis, Models(model))
    parts.failsafe = parts.answers._failsafe = Failsafe(settings, redis, clock)
    return parts


@pytest.fixture
async def service(
    broken: tuple[LoadedModel, FaultySession], redis: Redis, tmp_path: Path
) -> AsyncIterator[Service]:
    clock, app = Clock(), create_app()
    parts = parts_with(broken[0], redis, tmp_path, clock, model_timeout_s=30)
    attach(app, parts)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield Service(parts, clock, http)


async def test_breaker_opens_rests_tries_and_closes_by_itself(
    service: Service, broken: tuple[LoadedModel, FaultySession], logs: list[EventDict]
) -> None:
    _, session = broken
    assert await service.predict() == "barometer:7"
    assert (await service.get("/failsafe"))["degraded"] is False
    session.failures = 4
    assert await service.predict() == "vader"
    state = await service.get("/failsafe")
    assert (state["breaker"]["state"], state["breaker"]["failures"]) == ("closed", 1)
    assert state["degraded"] is True  # the last answer was a fallback's
    told = (await service.get("/status"))["parts"]["failsafe"]
    assert (told["ok"], told["detail"].partition(":")[0]) == (
        False,
        "the last answer was a fallback's",
    )
    assert [await service.predict() for _ in range(6)] == ["vader"] * 6
    assert session.runs == 1 + 3  # then it was left alone
    told = [line for line in logs if line["event"] == "the model failed"]
    assert [line["breaker"] for line in told] == ["closed", "closed", "open"]
    assert GLAD["text"] not in str(told)
    state = await service.get("/failsafe")
    breaker = state["breaker"]
    assert (breaker["state"], breaker["half_open_in_s"]) == ("open", 60)
    assert (breaker["opens_at"], breaker["window_s"], breaker["rest_s"]) == (3, 300, 60)
    assert breaker["opened_at"] is not None
    assert state["last_failure"]["kind"] == "RuntimeError"
    assert state["answered"] == {"model": 1, "llm": 0, "vader": 7}
    links = [(link["name"], link["available"]) for link in state["chain"]]
    assert links == [("model", False), ("llm", False), ("vader", True)]
    assert "BAROMETER_LLM_URL" in state["chain"][1]["detail"]
    status = await service.get("/status")
    assert status["status"] == "degraded"
    assert "open" in status["parts"]["failsafe"]["detail"]
    service.clock.now += 60
    assert (await service.get("/failsafe"))["breaker"]["state"] == "half-open"
    assert await service.predict() == "vader"  # the trial was the fourth failure
    assert (await service.get("/failsafe"))["breaker"]["state"] == "open"
    service.clock.now += 60
    assert await service.predict() == "barometer:7"
    state = await service.get("/failsafe")
    assert (state["breaker"]["state"], state["degraded"]) == ("closed", False)
    assert (await service.get("/status"))["parts"]["failsafe"]["ok"] is True


async def test_reset_asks_the_model_at_once(
    service: Service, broken: tuple[LoadedModel, FaultySession]
) -> None:
    broken[1].failures = 3
    assert [await service.predict() for _ in range(4)] == ["vader"] * 4
    assert (await service.post("/failsafe/reset"))["breaker"]["state"] == "closed"
    assert await service.predict() == "barometer:7"


async def test_failures_count_for_the_window_only(
    service: Service, broken: tuple[LoadedModel, FaultySession]
) -> None:
    broken[1].failures = 2
    assert [await service.predict() for _ in range(3)] == ["vader", "vader", "barometer:7"]
    service.clock.now += 300
    broken[1].failures = 1
    assert [await service.predict() for _ in range(2)] == ["vader", "barometer:7"]


async def test_callers_own_errors_do_not_count(service: Service) -> None:
    for _ in range(4):
        assert (await service.http.post("/predict", json={"text": ""})).status_code == 422
        unknown = await service.http.post("/predict", json={**GLAD, "model": "99"})
        assert unknown.status_code == 404
    assert (await service.get("/failsafe"))["breaker"]["failures"] == 0

    class LateError(BarometerError):
        status: ClassVar[int] = 504

    class BusyError(BarometerError):
        status: ClassVar[int] = 429

    for error in (LateError("too late"), BusyError("too many")):

        async def local(error: Exception = error) -> list[Any]:
            raise error

        for _ in range(4):
            with pytest.raises(type(error)):
                await service.parts.failsafe.answer(["x"], local)
    assert service.parts.failsafe.state()["breaker"]["failures"] == 0
    assert service.parts.failsafe.degraded is False


async def test_unknown_model_is_not_found_while_the_breaker_is_open(
    service: Service, broken: tuple[LoadedModel, FaultySession]
) -> None:
    broken[1].failures = 3
    assert [await service.predict() for _ in range(3)] == ["vader"] * 3
    unknown = await service.http.post("/predict", json={**GLAD, "model": "99"})
    assert unknown.status_code == 404


@pytest.fixture
def shut(broken: tuple[LoadedModel, FaultySession]) -> Iterator[threading.Event]:
    """Opens the door again."""
    broken[1].shut = threading.Event()
    yield broken[1].shut
    broken[1].shut.set()


async def test_model_that_hangs_is_a_failure_and_nobody_waits_for_it(
    broken: tuple[LoadedModel, FaultySession], shut: threading.Event, redis: Redis, tmp_path: Path
) -> None:
    parts = parts_with(broken[0], redis, tmp_path, Clock(), model_timeout_s=0.2)
    for _ in range(3):
        [answer] = await parts.answers.answer([GLAD["text"]])
        assert answer.origin == "vader"
    assert not shut.is_set()
    assert parts.failsafe.breaker.state == "open"
    assert parts.failsafe.state()["last_failure"]["kind"] == "ModelError"


async def test_caller_who_leaves_a_trial_leaves_it_to_the_next(
    service: Service, broken: tuple[LoadedModel, FaultySession], shut: threading.Event
) -> None:
    _, session = broken
    session.shut, session.failures = None, 3
    assert [await service.predict() for _ in range(3)] == ["vader"] * 3
    service.clock.now += 60
    session.shut = shut
    trial = asyncio.ensure_future(service.parts.answers.answer([GLAD["text"]]))
    await asyncio.to_thread(eventually, lambda: session.runs == 4, "the trial does not run")
    assert await service.predict() == "vader"  # one trial at a time
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    shut.set()
    assert await service.predict() == "barometer:7"


async def test_scores_that_are_no_numbers_are_a_failure(redis: Redis, tmp_path: Path) -> None:
    nans = model_of_nans(tmp_path / "model")
    parts = parts_with(nans, redis, tmp_path, Clock())
    answers = await parts.answers.answer(["i love it", "fine"])
    assert [answer.origin for answer in answers] == ["vader"] * 2
    assert parts.failsafe.state()["last_failure"]["kind"] == "ModelError"
    # Nor does a scorer store them, and no post is at fault: they wait for another model.
    parts.broker.publish([post(1)])
    worker = Scorer(parts.broker, redis, parts.engine, Models(nans), batch=10, name="w")
    with pytest.raises(ModelError, match="judges no text"):
        worker.work(parts.broker.receive("w", 10, block_ms=10))
    assert worker.stored == 0
    assert parts.broker.dead_letters(10) == []
    assert parts.broker.backlog() == 1


async def test_analysis_by_a_fallback_says_so_and_is_kept_for_a_minute(
    broken: tuple[LoadedModel, FaultySession], redis: Redis, tmp_path: Path
) -> None:
    stories = [
        ("I love the great new ferry", "Times"),
        ("Ferry is a horrible failure", "Post"),
        ("Ferry wins a wonderful award", "Mail"),
        ("Ferry leaves at noon", "Sun"),
    ]
    with feed_server() as news:
        search = news.serve("/search", feed(news_search("ferry", stories))) + "?q={keyword}"
        parts = parts_with(broken[0], redis, tmp_path, Clock(), news_search_url=search)
        broken[1].failures = 1
        app = create_app()
        attach(app, parts)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            asked = {"keyword": "ferry"}
            answer = (await http.post("/analyze", json=asked)).json()
            assert (answer["count"], answer["source"]) == (4, "inference")
            assert answer["degraded"] is answer["fallback_used"] is True
            assert answer["judged_by"] == {"vader": 4}
            assert {(line["pct"], line["avg_score"]) for line in answer["agg"]} == {(None, None)}
            assert [(line["pct"], line["avg_score"]) for line in answer["sentiment"]] == [
                (25.0, None), (25.0, None), (50.0, None),
            ]  # fmt: skip
            [key] = redis.keys("barometer:analysis:*")
            assert 0 < redis.ttl(key) <= 60
            assert (await http.post("/predict", json=GLAD)).json()["fallback_used"] is False
            again = (await http.post("/analyze", json=asked)).json()
            assert (again["source"], again["degraded"]) == ("cache", True)
            redis.flushall()
            anew = (await http.post("/analyze", json=asked)).json()
            assert anew["degraded"] is anew["fallback_used"] is False
            assert anew["judged_by"] == {"7": 4}
            assert sum(line["pct"] for line in anew["agg"]) == pytest.approx(100, abs=0.1)
