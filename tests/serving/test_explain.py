"""`/explain` asks the model as every other route does: in the queue, bounded, and counted."""

import asyncio
from pathlib import Path

from redis import Redis

from inference.absent import absent_model
from serving.canary import Bounds
from serving.models import Lineup
from serving.trial import Trial
from tests.serving.broken_models import faulty_model
from tests.serving.counted import counted
from tests.serving.counting import counting_model
from tests.serving.test_limits import service, until

WORDS = " ".join(f"word{n}" for n in range(12))


async def test_explanations_yield_to_answers_and_are_refused_first(
    redis: Redis, tmp_path: Path
) -> None:
    async with service(tmp_path, redis, queue_texts=120) as (http, parts, asked):
        asked.gate.clear()
        first = asyncio.create_task(http.post("/predict", json={"text": "first"}))
        await asyncio.to_thread(asked.started.wait, 20)
        ask = [
            http.get("/explain", params={"text": f"{n} {WORDS}"}) for n in range(6)
        ]  # 14 texts each, of at most 15
        explained = asyncio.gather(*ask)
        await until(lambda: parts.answers.batcher.queued == 14)
        status = await http.get("/status")
        answer = asyncio.create_task(http.post("/predict", json={"text": "urgent"}))
        await until(lambda: parts.answers.batcher.queued == 15)
        asked.gate.set()
        assert (status.status_code, (await first).status_code) == (200, 200)
        assert (await answer).status_code == 200
        statuses = sorted(found.status_code for found in await explained)
    assert statuses == [200] + [429] * 5
    assert asked.calls[2] == ["urgent"]  # one text was explained before it
    assert {len(call) for call in asked.calls} == {1}  # no other text moves an effect


async def test_explanation_of_a_caller_who_left_is_dropped(redis: Redis, tmp_path: Path) -> None:
    async with service(tmp_path, redis) as (http, parts, asked):
        asked.gate.clear()
        leaving = asyncio.create_task(http.get("/explain", params={"text": WORDS}))
        await asyncio.to_thread(asked.started.wait, 20)
        leaving.cancel()
        await until(lambda: parts.answers.batcher.queued == 0)
        asked.gate.set()
        assert (await http.post("/predict", json={"text": "next"})).status_code == 200
        assert len(asked.calls) == 2


async def test_explanation_past_the_deadline_is_504(redis: Redis, tmp_path: Path) -> None:
    async with service(tmp_path, redis, deadline_s=1) as (http, parts, asked):
        asked.gate.clear()
        late = await http.get("/explain", params={"text": "slow"})
        assert (late.status_code, parts.answers.batcher.queued) == (504, 0)


async def test_explanation_without_a_model_says_so(redis: Redis, tmp_path: Path) -> None:
    async with service(tmp_path, redis) as (http, parts, _):
        parts.models.lineup = Lineup(absent_model(f"model folder {tmp_path} lacks model.onnx."))
        for wanted in ({}, {"model": "champion"}):
            found = await http.get("/explain", params={"text": "why", **wanted})
            assert (found.status_code, found.headers["retry-after"]) == (503, "5")
            assert "an explanation needs a model, and none is loaded" in found.json()["detail"]
        failing, session = faulty_model()
        session.failures = 9
        parts.models.lineup = Lineup(failing)
        found = await http.get("/explain", params={"text": "why"})
        assert found.status_code == 503
        assert "version 7 cannot answer this (RuntimeError)" in found.json()["detail"]
        for number in range(3):
            await http.post("/predict", json={"text": f"falls back {number}"})
        tried = session.runs
        found = await http.get("/explain", params={"text": "why"})
        assert (found.status_code, session.runs) == (503, tried)  # it rests for explanations, too
        named = await http.post("/predict", json={"text": "mine", "model": "7"})
        assert named.json()["fallback_used"] is True  # the champion has the failsafe


async def test_explanation_is_counted_as_one_answer_and_as_no_traffic(
    redis: Redis, tmp_path: Path
) -> None:
    async with service(tmp_path, redis) as (http, parts, asked):
        champion = parts.models.champion
        challenger, tried = counting_model("8")
        trial = Trial(champion, challenger, "canary", 1.0, Bounds())
        parts.models.lineup = Lineup(champion, trial)
        trial.start()
        before = counted("answers_total", origin="model")
        found = (await http.get("/explain", params={"text": "such a happy day"})).json()
        assert found["model_used"] == "barometer:8"  # what /predict would answer with
        await http.post("/predict", json={"text": "live"})
        await until(lambda: trial.comparison.figures()["texts"] == 1)
        trial.close()
        assert {v: t.texts for v, t in parts.models.traffic.items()} == {"8": 1}
        assert asked.calls == [["live"]]  # of the champion only what was compared
    assert counted("answers_total", origin="model") == before + 2
    assert len(tried.calls) == 1 + 4 + 2  # the text, it without each word, and live traffic
