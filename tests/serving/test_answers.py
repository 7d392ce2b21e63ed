import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from redis import Redis
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from barometer.errors import BarometerError
from barometer.posts import Judgement
from barometer.redis_server import connect
from barometer.settings import Settings
from barometer.text import model_input
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.registry import LoadedModel
from serving.answer import Answer
from serving.answers import Answers
from serving.judge import judgements
from serving.models import Models
from tests.conftest import STARTER
from tests.machine import eventually
from tests.serving.counted import lookups
from tests.serving.counting import Counting, counting_model

TEXTS = ["i am so happy", "this is awful, i hate it", "we fear the worst", "word " * 300]


@pytest.fixture(scope="module")
def counted() -> tuple[LoadedModel, Counting]:
    return counting_model()


@pytest.fixture
def model(counted: tuple[LoadedModel, Counting]) -> LoadedModel:
    return counted[0]


@pytest.fixture
def asked(counted: tuple[LoadedModel, Counting]) -> Counting:
    classifier = counted[1]
    classifier.calls.clear()
    classifier.started.clear()
    classifier.gate.set()
    return classifier


async def test_answer_comes_from_the_model_then_from_redis_then_from_memory(
    redis: Redis, settings: Settings, model: LoadedModel, asked: Counting
) -> None:
    before = [*lookups("memory"), *lookups("redis")]
    first = Answers(Models(model), settings, redis)
    computed = await first.answer(TEXTS)
    assert [answer.origin for answer in computed] == ["model"] * 4
    assert [answer.truncated for answer in computed] == [False, False, False, True]
    other = Answers(Models(model), settings, redis)  # another process, same Redis
    for origin, answers in (("redis", other), ("memory", other), ("memory", first)):
        again = await answers.answer(TEXTS[::-1])
        assert [answer.origin for answer in again] == [origin] * 4
        assert [a.judgement for a in again] == [a.judgement for a in computed[::-1]]
        assert [a.truncated for a in again] == [True, False, False, False]
    assert len(asked.calls) == 1
    after = [*lookups("memory"), *lookups("redis")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [8, 8, 4, 4]


def test_cache_never_changes_an_answer(
    redis_url: str, settings: Settings, model: LoadedModel
) -> None:
    client = connect(redis_url)
    text = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=60)

    async def check(texts: list[str]) -> None:
        answers = Answers(Models(model), settings, client)
        first = await answers.answer(texts)
        # In the same company: it moves a quantised score a little.
        inputs = list(dict.fromkeys(map(model_input, texts)))
        direct = judgements(model.version, model.classifier.score_inputs(inputs))
        known = dict(zip(inputs, direct, strict=True))
        assert [a.judgement for a in first] == [known[model_input(text)] for text in texts]
        for again in (answers, Answers(Models(model), settings, client)):
            kept = await again.answer(texts)
            assert [(a.judgement, a.truncated) for a in kept] == [
                (a.judgement, a.truncated) for a in first
            ]

    @given(texts=st.lists(text, min_size=1, max_size=6))
    @examples(deadline=None, max_examples=25)
    def every(texts: list[str]) -> None:
        client.flushall()
        asyncio.run(check(texts))

    every()


async def test_identical_concurrent_requests_are_computed_once(
    redis: Redis, settings: Settings, model: LoadedModel, asked: Counting
) -> None:
    answers = Answers(Models(model), settings, redis)
    asked.gate.clear()
    # The same once the model reads it: entities, spaces and quotes differ.
    spellings = ["it&apos;s a fine day", "it's a  fine day", "it\u2019s a fine day"]
    tasks = [asyncio.create_task(answers.answer(spellings)) for _ in range(30)]
    await asyncio.to_thread(asked.started.wait, 20)
    asked.gate.set()
    results = await asyncio.gather(*tasks)
    assert asked.calls == [["it's a fine day"]]
    assert len({repr(answer.judgement) for result in results for answer in result}) == 1


async def test_others_get_their_answer_when_the_first_caller_leaves(
    redis: Redis, settings: Settings, model: LoadedModel, asked: Counting
) -> None:
    answers = Answers(Models(model), settings, redis)
    asked.gate.clear()
    first = asyncio.create_task(answers.answer(["one"]))
    await asyncio.to_thread(asked.started.wait, 20)
    second = asyncio.create_task(answers.answer(["one", "two"]))
    await asyncio.sleep(0.05)
    first.cancel()
    asked.gate.set()
    assert [answer.origin for answer in await second] == ["model", "model"]
    assert asked.calls == [["one"], ["two"]]
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_work_is_dropped_once_nobody_waits_for_it(
    redis: Redis, settings: Settings, model: LoadedModel, asked: Counting
) -> None:
    answers = Answers(Models(model), settings, redis)
    asked.gate.clear()
    running = asyncio.create_task(answers.answer(["one"]))
    await asyncio.to_thread(asked.started.wait, 20)
    leavers = [asyncio.create_task(answers.answer(["two", "three"])) for _ in range(3)]
    stays = asyncio.create_task(answers.answer(["four"]))
    await until(lambda: answers.batcher.queued == 3)
    for task in leavers:
        task.cancel()
    await until(lambda: answers.batcher.queued == 1)
    asked.gate.set()
    await asyncio.gather(running, stays)
    assert asked.calls == [["one"], ["four"]]
    assert len(await answers.answer(["two"])) == 1  # called off, not broken


async def test_error_reaches_every_caller_and_is_not_kept(
    redis: Redis, settings: Settings, model: LoadedModel, asked: Counting
) -> None:
    answers = Answers(Models(model), settings, redis)
    tasks = [answers.answer(["poison"]) for _ in range(3)]
    failed = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in failed] == [ValueError] * 3
    with pytest.raises(ValueError, match="breaks"):
        await answers.answer(["poison"])
    assert asked.calls == [["poison"]] * 2
    assert redis.keys("*") == []


async def test_model_change_has_keys_of_its_own_and_scans_nothing(
    redis: Redis, settings: Settings, model: LoadedModel, tmp_path: Path
) -> None:
    redis.config_resetstat()
    folder = tmp_path / "other"
    shutil.copytree(STARTER, folder)
    config = json.loads((folder / "config.json").read_text())
    config["barometer"]["temperatures"]["emotion"] *= 3
    (folder / "config.json").write_text(json.dumps(config))
    other = LoadedModel("7", Classifier(open_model_folder(folder), threads=1))
    newer = LoadedModel("8", other.classifier)
    seen = []
    for serving in (model, other, newer, model):
        [answer] = await Answers(Models(serving), settings, redis).answer(["i am so happy"])
        seen.append((answer.origin, answer.judgement.model_version, answer.judgement.confidence))
    # Another registry's version 7 is another model; a version that comes back is still known.
    assert [origin for origin, _, _ in seen] == ["model", "model", "model", "redis"]
    assert [version for _, version, _ in seen] == ["7", "7", "8", "7"]
    assert seen[0][2] == seen[3][2] != seen[1][2]
    commands: dict[str, Any] = redis.info("commandstats")
    used = {name.removeprefix("cmdstat_") for name in commands}
    assert {"mget", "set"} <= used
    assert used <= {"mget", "set", "config", "config|resetstat", "info", "hello", "client",
                    "client|setinfo", "select", "ping", "flushall"}  # fmt: skip
    assert commands["cmdstat_mget"]["calls"] == 4
    assert commands["cmdstat_set"]["calls"] == 3


async def test_batch_is_one_read_and_one_pipeline(
    redis: Redis, settings: Settings, model: LoadedModel
) -> None:
    answers = Answers(Models(model), settings, redis)
    redis.config_resetstat()
    await answers.answer([f"text number {number}" for number in range(200)])
    commands: dict[str, Any] = redis.info("commandstats")
    assert commands["cmdstat_mget"]["calls"] == 1
    assert commands["cmdstat_set"]["calls"] == 200
    keys = redis.keys("barometer:text:barometer:7-*")
    assert len(keys) == 200
    assert all(0 < redis.ttl(key) <= settings.cache_ttl_s for key in keys[:5])
    sizes = [redis.strlen(key) for key in keys]
    assert max(sizes) < 200  # nine probabilities, not nine names


class VaderOnly:
    """What stands in when the model is out of order, by the real VADER."""

    async def answer(
        self, texts: Sequence[str], local: Callable[[], Awaitable[list[Answer]]]
    ) -> list[Answer]:
        try:
            return await local()
        except ValueError:
            scores = [SentimentIntensityAnalyzer().polarity_scores(text) for text in texts]
        named = [{"negative": s["neg"], "neutral": s["neu"], "positive": s["pos"]} for s in scores]
        best = [max(each, key=lambda name: each[name]) for each in named]
        return [
            Answer(
                Judgement(
                    emotion=None, confidence=None, emotions=None, sentiment=label,
                    sentiment_confidence=each[label], sentiments=each, model_version="vader",
                ), truncated=False, origin="vader",
            )
            for label, each in zip(best, named, strict=True)
        ]  # fmt: skip


async def test_what_stands_in_for_the_model_is_never_kept_as_its_answer(
    redis: Redis, settings: Settings, model: LoadedModel, asked: Counting
) -> None:
    answers = Answers(Models(model), settings, redis, VaderOnly())
    for _ in range(2):
        _, poison = await answers.answer(["fine", "poison"])
        assert (poison.origin, poison.judgement.emotion) == ("vader", None)
    assert redis.keys("*") == []
    [fine] = await answers.answer(["fine"])
    assert (fine.origin, fine.judgement.model_version) == ("model", "7")
    assert len(redis.keys("barometer:text:*")) == 1


async def test_unknown_model_is_refused_before_any_work(
    redis: Redis, settings: Settings, model: LoadedModel, asked: Counting
) -> None:
    with pytest.raises(BarometerError, match="'99' is not loaded"):
        await Answers(Models(model), settings, redis).answer(["fine"], "99")
    assert asked.calls == []


async def until(check: Callable[[], bool]) -> None:
    await asyncio.to_thread(eventually, check, "it did not happen", 20)
