"""Texts in, answers out, each saying where it comes from."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from starlette.concurrency import run_in_threadpool

from barometer.posts import Judgement
from inference.registry import LoadedModel
from serving.judge import judgements
from serving.models import Models

if TYPE_CHECKING:
    from serving.failsafe import Failsafe

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

    def __init__(self, models: Models, failsafe: "Failsafe | None" = None) -> None:
        """Without a `failsafe` an error of the model is the caller's."""
        self._models = models
        self._failsafe = failsafe

    async def answer(self, texts: Sequence[str], wanted: str | None = None) -> list[Answer]:
        """An answer for each text, in their order.

        Raises:
            NotFoundError: the `wanted` model (alias or version) is not there.
        """
        # Before the failsafe: a model that is not there is the caller's error, whoever answers.
        picked = [self._models.pick(wanted, text) for text in texts]
        if self._failsafe is None:
            return await self._by_models(texts, picked)
        return await self._failsafe.answer(texts, lambda: self._by_models(texts, picked))

    async def _by_models(self, texts: Sequence[str], picked: Sequence[LoadedModel]) -> list[Answer]:
        groups: dict[str, list[int]] = defaultdict(list)
        for place, model in enumerate(picked):
            groups[model.version].append(place)
        answers: dict[int, Answer] = {}
        for places in groups.values():
            model = picked[places[0]]
            scores = await run_in_threadpool(
                model.classifier.score, [texts[place] for place in places]
            )
            judged = judgements(model.version, scores)
            for place, judgement, cut in zip(places, judged, scores.truncated, strict=True):
                answers[place] = Answer(judgement, bool(cut), "model")
        return [answers[place] for place in range(len(texts))]
