"""Texts in, answers out, each saying where it comes from."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.concurrency import run_in_threadpool

from barometer.posts import Judgement
from serving.judge import judgements
from serving.models import Models
from serving.request_log import note_origins

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
            NotFoundError: the `wanted` model (alias or version) is not there.
        """
        groups: dict[str, list[int]] = defaultdict(list)
        picked = [self._models.pick(wanted, text) for text in texts]
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
        note_origins(answer.origin for answer in answers.values())
        return [answers[place] for place in range(len(texts))]
