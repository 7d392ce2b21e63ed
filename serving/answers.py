"""Texts in, answers out, each saying where it comes from."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.concurrency import run_in_threadpool

from barometer.posts import Judgement
from inference.classifier import Scores
from inference.registry import LoadedModel
from serving.judge import judgements
from serving.models import Models

Origin = Literal["memory", "redis", "model", "llm", "vader"]


@dataclass(frozen=True)
class Answer:
    """What is said of one text."""

    judgement: Judgement
    truncated: bool
    """Whether the text was longer than the model reads."""
    origin: Origin

    @property
    def fallback(self) -> bool:
        """Whether something else than a model of ours answered."""
        return self.origin in ("llm", "vader")


class Answers:
    """What every route asks for judgements."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def answer(self, texts: Sequence[str], wanted: str | None = None) -> list[Answer]:
        """An answer for each text, in their order.

        Raises:
            NotFoundError: the `wanted` model (alias or version) is not registered.
            UnavailableError: it cannot be loaded.
        """
        groups: dict[str, list[int]] = defaultdict(list)
        picked = await self._models.pick_all(wanted, texts)
        for place, model in enumerate(picked):
            groups[model.version].append(place)
        answers: dict[int, Answer] = {}
        for places in groups.values():
            model, scores = await self._score(
                picked[places[0]], [texts[place] for place in places], wanted
            )
            judged = judgements(model.version, scores)
            for place, judgement, cut in zip(places, judged, scores.truncated, strict=True):
                answers[place] = Answer(judgement, bool(cut), "model")
        return [answers[place] for place in range(len(texts))]

    async def _score(
        self, model: LoadedModel, texts: Sequence[str], wanted: str | None
    ) -> tuple[LoadedModel, Scores]:
        """The scores, and whose they are: the champion's, where a canary has failed."""
        try:
            return model, await run_in_threadpool(model.classifier.score, texts)
        except Exception:
            stand_in = self._models.stand_in(model, wanted)
            if stand_in is None:
                raise
            return stand_in, await run_in_threadpool(stand_in.classifier.score, texts)
