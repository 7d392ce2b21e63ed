"""Texts in, answers out, each saying where it comes from."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from redis import Redis

from barometer.errors import DeadlineError, OverloadedError, UnavailableError
from barometer.settings import Settings
from barometer.text import model_input
from inference.registry import LoadedModel
from serving.answer import Answer, Origin
from serving.batcher import Batcher
from serving.cache import Layer, MemoryLayer, RedisLayer
from serving.failsafe import Failsafe
from serving.models import Models
from serving.request_log import note_origins
from serving.single_flight import SingleFlight
from serving.text_cache import decode, encode, model_mark, text_key

log = structlog.get_logger()
T = TypeVar("T")
LONG = 5_000
"""Characters past which the model's inputs are made in a thread: some milliseconds of work."""


class Answers:
    """What every route asks for judgements: from memory, from Redis, or from a model."""

    def __init__(
        self, models: Models, settings: Settings, redis: Redis, failsafe: Failsafe | None = None
    ) -> None:
        self.batcher = Batcher(settings)
        self._memory = MemoryLayer("memory", settings.memory_cache_mb * 1_000_000)
        self._shared = RedisLayer("redis", redis)
        self._models = models
        self._name = settings.model_name
        self._ttl_s = settings.cache_ttl_s
        self._failsafe = failsafe
        self._flights: SingleFlight[Answer] = SingleFlight()
        # Who names a version gets no other in its stead, so they wait for none of the above.
        self._named_flights: SingleFlight[Answer] = SingleFlight()

    async def answer(
        self, texts: Sequence[str], wanted: str | LoadedModel | None = None
    ) -> list[Answer]:
        """An answer for each text, in their order.

        Args:
            texts: as they came.
            wanted: the alias or version that a caller names: none but the champion has the failsafe
                behind it. Or the champion that the caller began with; None: by traffic.

        Raises:
            NotFoundError: the `wanted` model (alias or version) is not registered.
            UnavailableError: it cannot be loaded, or fails while nothing stands in for it.
            OverloadedError: too many texts wait for the model.
            DeadlineError: the model took too long.
        """
        if sum(map(len, texts)) > LONG:
            inputs = await asyncio.to_thread(lambda: [model_input(text) for text in texts])
        else:
            inputs = [model_input(text) for text in texts]
        keys = []
        models: dict[str, LoadedModel] = {}
        asked: dict[str, dict[str, _Asked]] = {}
        picked = await self._models.pick_for_traffic(wanted, texts)
        # Who names a version gets no other's answer; its failure is no failure of the champion.
        alone = isinstance(wanted, str) and self._models.champion not in picked
        for text, read, model in zip(texts, inputs, picked, strict=True):
            mark = model_mark(self._name, model)
            models[mark] = model
            keys.append(text_key(mark, read))
            asked.setdefault(mark, {})[keys[-1]] = _Asked(text, read)
        groups = await asyncio.gather(
            *(self._of_model(models[mark], group, alone=alone) for mark, group in asked.items())
        )
        found = {key: answer for group in groups for key, answer in group.items()}
        answers = [found[key] for key in keys]
        note_origins(answer.origin for answer in answers)
        return answers

    async def _of_model(
        self, model: LoadedModel, asked: Mapping[str, "_Asked"], *, alone: bool
    ) -> dict[str, Answer]:
        async def compute(keys: Sequence[str]) -> dict[str, Answer]:
            return await self._fetch(model, {key: asked[key] for key in keys}, alone=alone)

        found = await _read(self._memory, list(asked), model.version, "memory")
        missing = [key for key in asked if key not in found]
        flights = self._named_flights if alone else self._flights
        return found | (await flights.fetch(missing, compute) if missing else {})

    async def _fetch(
        self, model: LoadedModel, asked: Mapping[str, "_Asked"], *, alone: bool
    ) -> dict[str, Answer]:
        """What this process does not know yet: from Redis, else from the model; then it knows."""
        found = await _read(self._shared, list(asked), model.version, "redis")
        missing = [key for key in asked if key not in found]
        if missing:
            answers = await self._compute(model, [asked[key] for key in missing], alone=alone)
            found |= dict(zip(missing, answers, strict=True))
        values = {
            key: encode((answer.judgement, answer.truncated))
            for key, answer in found.items()
            # What stands in for the model is not the model's answer.
            if answer.judgement.model_version == model.version
        }
        await self._memory.put_many(values, self._ttl_s)
        await self._shared.put_many({k: values[k] for k in missing if k in values}, self._ttl_s)
        return found

    async def _compute(
        self, model: LoadedModel, asked: Sequence["_Asked"], *, alone: bool
    ) -> list[Answer]:
        inputs = [one.model_input for one in asked]

        async def local() -> list[Answer]:
            try:
                judged = await self.batcher.judge(model, inputs)
            except (OverloadedError, DeadlineError):
                raise
            except Exception:
                # A canary's failure is its own: the champion answers, and the breaker stays out.
                stand_in = None if alone else self._models.stand_in(model)
                if stand_in is None:
                    raise
                judged = await self.batcher.judge(stand_in, inputs)
            return [Answer(judgement, cut, "model") for judgement, cut in judged]

        if alone:
            return await or_unavailable(model.version, local())
        if self._failsafe is None:  # an error of the model is then the caller's
            return await local()
        return await self._failsafe.answer([one.text for one in asked], local)


async def or_unavailable(version: str, answers: Awaitable[T]) -> T:
    """The answers of a model for which nothing stands in.

    Raises:
        OverloadedError: too many texts wait for the model.
        DeadlineError: the model took too long.
        UnavailableError: it failed.
    """
    try:
        return await answers
    except (OverloadedError, DeadlineError):
        raise
    except Exception as error:
        log.warning("a model failed", version=version, reason=type(error).__name__)
        raise UnavailableError(
            f"model: version {version} cannot answer this ({type(error).__name__}): leave `model` "
            "out, or name another."
        ) from error


@dataclass(frozen=True)
class _Asked:
    """A text as it came, and as the model reads it."""

    text: str
    model_input: str


async def _read(
    layer: Layer, keys: Sequence[str], version: str, origin: Origin
) -> dict[str, Answer]:
    values = await layer.get_many(keys)
    return {key: Answer(*decode(value, version), origin) for key, value in values.items()}
