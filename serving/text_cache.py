"""How a model's answer to a text is kept: under which key, and as which bytes."""

import hashlib
from typing import Any

import orjson

from barometer.labels import TASKS
from barometer.posts import Judgement
from inference.registry import LoadedModel
from serving.judge import Judged


def model_mark(name: str, model: LoadedModel) -> str:
    """A model's part of a key: name, version, and content, which tells two registries apart."""
    return f"{name}:{model.version}-{model.classifier.mark}"


def text_key(mark: str, model_input: str) -> str:
    """The key of a text, as the model reads it, under the model with this mark."""
    digest = hashlib.blake2b(model_input.encode(), digest_size=16).hexdigest()
    return f"barometer:text:{mark}:{digest}"


def encode(judged: Judged) -> bytes:
    """The label's place and every probability of each task, and whether the text was cut."""
    judgement, truncated = judged
    emotions = _row("emotion", judgement.emotion, judgement.emotions)
    sentiments = _row("sentiment", judgement.sentiment, judgement.sentiments)
    return orjson.dumps([emotions, sentiments, truncated])


def decode(value: bytes, version: str) -> Judged:
    """The answer of model `version` that `encode` made bytes of."""
    emotions, sentiments, truncated = orjson.loads(value)
    emotion, confidence, felt = _answer("emotion", emotions)
    sentiment, certainty, tone = _answer("sentiment", sentiments)
    judgement = Judgement(
        emotion=emotion,
        confidence=confidence,
        emotions=felt,
        sentiment=sentiment,
        sentiment_confidence=certainty,
        sentiments=tone,
        model_version=version,
    )
    return judgement, truncated


def _row(task: str, label: str | None, each: dict[str, float] | None) -> list[Any] | None:
    if label is None or each is None:
        return None
    names = TASKS[task]
    return [names.index(label), *(each[name] for name in names)]


def _answer(task: str, row: list[Any] | None) -> tuple[Any, Any, Any]:
    if row is None:
        return None, None, None
    names = TASKS[task]
    best, *probabilities = row
    return names[best], probabilities[best], dict(zip(names, probabilities, strict=True))
