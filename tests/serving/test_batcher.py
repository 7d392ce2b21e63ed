import asyncio
from collections.abc import Callable, Sequence

import pytest

from barometer.errors import DeadlineError, OverloadedError
from barometer.settings import Settings
from inference.registry import LoadedModel
from serving.batcher import Batcher
from serving.judge import Judged, judge
from tests.machine import eventually
from tests.serving.counting import Counting, counting_model


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


Task = asyncio.Task[list[Judged]]


async def until(check: Callable[[], bool]) -> None:
    await asyncio.to_thread(eventually, check, "it did not happen", 20)


async def busy(batcher: Batcher, model: LoadedModel, asked: Counting) -> Task:
    """One call that holds the model at the gate, so that what follows has to wait."""
    asked.gate.clear()
    task = asyncio.create_task(batcher.judge(model, ["first"]))
    await asyncio.to_thread(asked.started.wait, 20)
    return task


def submit(batcher: Batcher, model: LoadedModel, *calls: Sequence[str]) -> list[Task]:
    return [asyncio.create_task(batcher.judge(model, texts)) for texts in calls]


async def test_callers_share_a_batch_and_each_gets_its_own_answers(
    settings: Settings, model: LoadedModel, asked: Counting
) -> None:
    batcher = Batcher(settings)
    running = await busy(batcher, model, asked)
    calls = [["i am happy", f"text {n}"] for n in range(12)]
    tasks = submit(batcher, model, *calls)
    await until(lambda: batcher.queued == 24)
    asked.gate.set()
    await running
    results = await asyncio.gather(*tasks)
    assert asked.calls == [["first"], [text for call in calls for text in call]]
    assert batcher.queued == 0
    together = judge(model, [text for call in calls for text in call])
    assert [judged for result in results for judged, _ in result] == together
    assert [len(result) for result in results] == [2] * 12


async def test_one_text_does_not_wait_behind_a_thousand(
    settings: Settings, model: LoadedModel, asked: Counting
) -> None:
    batcher = Batcher(settings)
    running = await busy(batcher, model, asked)
    long = "word " * 100
    large, small = submit(batcher, model, [f"{n} {long}" for n in range(150)], ["small"])
    await until(lambda: batcher.queued == 151)
    asked.gate.set()
    await running
    await small
    assert not large.done()
    assert "small" in asked.calls[1]
    assert len(asked.calls[1]) > 32  # and still a batch worth sorting
    results = await large
    assert len(asked.calls) > 2
    assert len(results) == 150
    assert all(cut is False for _, cut in results)


async def test_each_model_has_batches_of_its_own(
    settings: Settings, model: LoadedModel, asked: Counting
) -> None:
    batcher = Batcher(settings)
    newer, other = counting_model("8")
    running = await busy(batcher, model, asked)
    tasks = [
        asyncio.create_task(batcher.judge(model if n % 2 else newer, [f"text {n}"]))
        for n in range(8)
    ]
    await until(lambda: batcher.queued == 8)
    asked.gate.set()
    await running
    versions = [judged[0].model_version for [judged] in await asyncio.gather(*tasks)]
    assert versions == ["8", "7"] * 4
    assert asked.calls == [["first"], [f"text {n}" for n in (1, 3, 5, 7)]]
    assert other.calls == [[f"text {n}" for n in (0, 2, 4, 6)]]


async def test_full_queue_refuses_and_says_when_to_come_again(
    settings: Settings, model: LoadedModel, asked: Counting
) -> None:
    batcher = Batcher(settings.model_copy(update={"queue_texts": 10}))
    running = await busy(batcher, model, asked)
    # An empty queue takes a call of any size: it could never be made smaller by waiting.
    [waiting] = submit(batcher, model, [f"text {n}" for n in range(12)])
    await until(lambda: batcher.queued == 12)
    with pytest.raises(OverloadedError, match="12 wait already") as refused:
        await batcher.judge(model, ["one more"])
    assert 1 <= refused.value.retry_after_s <= 60
    asked.gate.set()
    await asyncio.gather(running, waiting)
    assert len(await batcher.judge(model, ["one more"])) == 1


async def test_deadline_passes_and_the_queue_is_rid_of_the_work(
    settings: Settings, model: LoadedModel, asked: Counting
) -> None:
    batcher = Batcher(settings.model_copy(update={"deadline_s": 2, "model_timeout_s": 3}))
    running = await busy(batcher, model, asked)
    with pytest.raises(DeadlineError, match="did not answer within"):
        await batcher.judge(model, ["late"])
    assert batcher.queued == 0
    with pytest.raises(DeadlineError):
        await running
    # The thread still hangs at the gate: past the model's time the queue goes on with a new one.
    asked.started.clear()
    after = asyncio.create_task(batcher.judge(model, ["after"]))
    await asyncio.to_thread(asked.started.wait, 20)
    asked.gate.set()
    assert len(await after) == 1
    assert asked.calls == [["first"], ["after"]]


async def test_work_of_a_caller_who_left_is_dropped(
    settings: Settings, model: LoadedModel, asked: Counting
) -> None:
    batcher = Batcher(settings)
    running = await busy(batcher, model, asked)
    leaving, staying = submit(batcher, model, ["a", "b"], ["c"])
    await until(lambda: batcher.queued == 3)
    leaving.cancel()
    await until(lambda: batcher.queued == 1)
    asked.gate.set()
    await asyncio.gather(running, staying)
    assert asked.calls == [["first"], ["c"]]


async def test_text_that_breaks_the_model_fails_its_own_caller_only(
    settings: Settings, model: LoadedModel, asked: Counting
) -> None:
    batcher = Batcher(settings)
    running = await busy(batcher, model, asked)
    tasks = submit(batcher, model, ["a"], ["b", "poison"], ["c"])
    await until(lambda: batcher.queued == 4)
    asked.gate.set()
    await running
    first, second, third = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(second, ValueError)
    assert isinstance(first, list)
    assert isinstance(third, list)
    assert len(first) == len(third) == 1
