"""What the cache and the shared batches bring, as ratios within one run.

    python -m benchmarks.cache --callers 16 --texts 400

Needs a Redis (BAROMETER_REDIS_URL, or the embedded one of a running `barometer up`); it writes keys
that end within a minute. The model is the starter.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import fmean
from uuid import uuid4

from redis import Redis

from barometer.console import print_table
from barometer.metrics import REGISTRY
from barometer.redis_server import connected
from barometer.settings import settings
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.registry import LoadedModel
from serving.answers import Answers
from serving.batcher import Batcher
from serving.judge import judge
from serving.models import Models
from serving.parts import STARTER

ROUNDS = 3
SHARED = "model, shared batches"
Ask = Callable[[str], Awaitable[object]]


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__)  # fmt: skip
    parser.add_argument("--callers", type=int, default=16, help="that ask at the same time")
    parser.add_argument("--texts", type=int, default=400, help="asked for in all, each once")
    chosen = parser.parse_args()
    redis = connected(settings())
    classifier = Classifier(open_model_folder(STARTER), settings().session_threads)
    model = LoadedModel("benchmark", classifier)
    asyncio.run(compare(redis, model, chosen.callers, chosen.texts))


async def compare(redis: Redis, model: LoadedModel, callers: int, count: int) -> None:
    """Each way answers the same texts, in turns; of its rounds the best one counts."""
    config = settings().model_copy(update={"cache_ttl_s": 60, "model_name": f"bench-{uuid4().hex}"})
    texts = [f"caller number {n} is happy that the night bus stays in town" for n in range(count)]
    turns = asyncio.Lock()
    batcher = Batcher(config)

    async def alone(text: str) -> object:
        async with turns:  # one at a time, as the batcher's
            return await asyncio.to_thread(judge, model, [text])

    async def shared(text: str) -> object:
        return await batcher.judge(model, [text])

    best: dict[str, tuple[float, float, float]] = {}
    sizes: list[float] = []
    await Answers(Models(model), config, redis).answer(texts)  # Redis is full from here on
    for _ in range(ROUNDS):
        answers = Answers(Models(model), config, redis)  # with an empty memory

        async def kept(text: str, answers: Answers = answers) -> object:
            return await answers.answer([text])

        ways: list[tuple[str, Ask]] = [
            ("model, each text alone", alone),
            (SHARED, shared),
            ("Redis", kept),
            ("memory", kept),
        ]
        for name, way in ways:
            runs = _runs_of_the_model()
            best[name] = max(best.get(name, (0.0, 0.0, 0.0)), await load(way, texts, callers))
            if name == SHARED:
                sizes.append(len(texts) / (_runs_of_the_model() - runs))
    first = best["model, each text alone"][0]
    rows = [
        (name, f"{rate:.0f}", f"{p50:.1f}", f"{p99:.1f}", f"{rate / first:.1f}")
        for name, (rate, p50, p99) in best.items()
    ]
    title = f"{callers} callers, {count} texts, best of {ROUNDS}; mean batch {fmean(sizes):.1f}"
    print_table(title, ("way", "texts/s", "p50 ms", "p99 ms", "times the first"), rows)


def _runs_of_the_model() -> float:
    return REGISTRY.get_sample_value("barometer_batch_texts_count") or 0.0


async def load(ask: Ask, texts: Sequence[str], callers: int) -> tuple[float, float, float]:
    """Texts a second, and what a text took: median and 99th percentile in milliseconds."""
    left = iter(texts)
    waits: list[float] = []

    async def caller() -> None:
        for text in left:
            started = time.perf_counter()
            await ask(text)
            waits.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    rate = len(texts) / (time.perf_counter() - started)
    p50, p99 = (1000 * sorted(waits)[int(len(waits) * share)] for share in (0.5, 0.99))
    return rate, p50, p99


if __name__ == "__main__":
    main()
