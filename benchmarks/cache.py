"""What the cache and the shared batches bring, as ratios within one run.

    python -m benchmarks.cache --callers 16 --texts 400

Needs a Redis (BAROMETER_REDIS_URL, or the embedded one of a running `barometer up`); it writes keys
that end within a minute. The model is the starter.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

from redis import Redis

from barometer.console import print_table
from barometer.redis_server import connected
from barometer.settings import settings
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.registry import LoadedModel
from serving.answers import Answers
from serving.judge import judge
from serving.models import Models
from serving.parts import STARTER

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
    """Each way answers the same kind of texts; the rates stand beside the first one's."""
    config = settings().model_copy(update={"cache_ttl_s": 60, "model_name": f"bench-{uuid4().hex}"})
    texts = [f"caller number {n} is happy that the night bus stays in town" for n in range(count)]
    turns = asyncio.Lock()

    async def without(text: str) -> object:
        async with turns:  # one at a time, as the batcher's
            return await asyncio.to_thread(judge, model, [text])

    def ask(answers: Answers) -> Ask:
        return lambda text: answers.answer([text])

    first = Answers(Models(model), config, redis)
    other = Answers(Models(model), config, redis)  # its memory is empty, Redis is full
    ways: list[tuple[str, Ask]] = [
        ("model, no batcher", without),
        ("model, shared batches", ask(first)),
        ("Redis", ask(other)),
        ("memory", ask(other)),
    ]
    await without("warm up")
    rows: list[tuple[object, ...]] = []
    plain = 0.0
    for name, way in ways:
        rate, waits = await load(way, texts, callers)
        plain = plain or rate
        middle, late = (1000 * sorted(waits)[int(len(waits) * q)] for q in (0.5, 0.99))
        rows.append((name, f"{rate:.0f}", f"{middle:.1f}", f"{late:.1f}", f"{rate / plain:.1f}"))
    size = first.batcher.texts / first.batcher.batches
    title = f"{callers} callers, {count} texts, one each; mean batch {size:.1f}"
    print_table(title, ("way", "texts/s", "p50 ms", "p99 ms", "times the first"), rows)


async def load(ask: Ask, texts: Sequence[str], callers: int) -> tuple[float, list[float]]:
    """Texts a second, and the seconds that each text took."""
    left = iter(texts)
    waits: list[float] = []

    async def caller() -> None:
        for text in left:
            started = time.perf_counter()
            await ask(text)
            waits.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return len(texts) / (time.perf_counter() - started), waits


if __name__ == "__main__":
    main()
