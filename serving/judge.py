"""The model's probabilities as judgements."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from barometer.errors import ModelError
from barometer.labels import TASKS
from barometer.posts import Judgement
from inference.classifier import Floats, Scores
from inference.registry import LoadedModel

Answer = tuple[str | None, float | None, dict[str, float] | None]
"""Label, its probability, and every label's probability; all None for a task that is lacking."""


Judged = tuple[Judgement, bool]
"""What a model says of a text, and whether the text was longer than the model reads."""


def judge(model: LoadedModel, texts: Sequence[str]) -> list[Judgement]:
    """What `model` says of each text."""
    return judgements(model.version, model.classifier.score(texts))


def judgements(version: str, scores: Scores) -> list[Judgement]:
    """The scores of model `version` by name; probabilities to six places, summing to 1.

    Raises:
        ModelError: a score is not a number; its largest would still have named a label.
    """
    for task in TASKS:
        given = scores.of(task)
        if given is not None and not np.isfinite(given).all():
            raise ModelError(f"model version {version} gave scores that are not finite numbers.")
    texts = len(scores.truncated)
    emotions = _answers("emotion", scores.emotions, texts)
    sentiments = _answers("sentiment", scores.sentiments, texts)
    return [
        Judgement(
            emotion=felt[0],
            confidence=felt[1],
            emotions=felt[2],
            sentiment=tone[0],
            sentiment_confidence=tone[1],
            sentiments=tone[2],
            model_version=version,
        )
        for felt, tone in zip(emotions, sentiments, strict=True)
    ]


def label_only(version: str, emotion: str | None, sentiment: str) -> Judgement:
    """The judgement of something that names labels and knows no calibrated probability."""
    return Judgement(
        emotion=emotion,
        confidence=None,
        emotions=None,
        sentiment=sentiment,
        sentiment_confidence=None,
        sentiments=None,
        model_version=version,
    )


def _answers(task: str, probabilities: Floats | None, texts: int) -> list[Answer]:
    if probabilities is None:
        return [(None, None, None)] * texts
    names = TASKS[task]
    return [_answer(names, row) for row in probabilities]


def _answer(names: Sequence[str], row: Any) -> Answer:
    best = int(row.argmax())
    each = {name: round(float(p), 6) for name, p in zip(names, row, strict=True)}
    return names[best], each[names[best]], each
