"""The API's calls as data: what is sent, and how the answer is read. Both clients share them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from barometer.client.contract import (
    Analysis,
    DriftList,
    DriftReport,
    Emotion,
    EventList,
    PostPage,
    Prediction,
    PredictionBatch,
    SourceList,
    SourceState,
    Status,
    Taken,
    TrackedEvent,
    Trend,
)

T = TypeVar("T")
PAGE = 200
"""Posts that are fetched at a time."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and what its answer becomes."""

    method: str
    path: str
    read: Callable[[bytes], T]
    body: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


def predict(text: str, model: str | None) -> Call[Prediction]:
    """Classify one text."""
    body = {"text": text, "model": model}
    return Call("POST", "/predict", Prediction.model_validate_json, body)


def predict_batch(texts: Sequence[str], model: str | None) -> Call[PredictionBatch]:
    """Classify many texts."""
    body = {"texts": list(texts), "model": model}
    return Call("POST", "/predict/batch", PredictionBatch.model_validate_json, body)


def analyze(keyword: str, limit: int, *, plot: bool) -> Call[Analysis]:
    """The mood of the posts that mention a keyword."""
    body = {"keyword": keyword, "limit": limit, "return_plot": plot}
    return Call("POST", "/analyze", Analysis.model_validate_json, body)


def ingest(source: str, posts: Iterable[Mapping[str, Any]]) -> Call[Taken]:
    """Send posts."""
    body = {"source": source, "posts": [dict(post) for post in posts]}
    return Call("POST", "/ingest", Taken.model_validate_json, body)


def events() -> Call[list[TrackedEvent]]:
    """Every tracked event."""
    return Call("GET", "/events", lambda content: EventList.model_validate_json(content).events)


def event(slug: str) -> Call[TrackedEvent]:
    """One tracked event."""
    return Call("GET", _of(slug), TrackedEvent.model_validate_json)


def track(
    title: str, keywords: Sequence[str], sources: Sequence[str], slug: str | None
) -> Call[TrackedEvent]:
    """Track an event."""
    body = {"title": title, "keywords": list(keywords), "sources": list(sources), "slug": slug}
    return Call("POST", "/events", TrackedEvent.model_validate_json, body)


def untrack(slug: str) -> Call[None]:
    """Stop tracking an event."""
    return Call("DELETE", _of(slug), lambda _: None)


def trends(slug: str, minutes: int, step_s: int) -> Call[Trend]:
    """How the mood moved."""
    params = {"minutes": minutes, "step_s": step_s}
    return Call("GET", f"{_of(slug)}/trends", Trend.model_validate_json, params=params)


def post_page(slug: str, emotion: Emotion | None, before: str | None) -> Call[PostPage]:
    """One page of posts, newest first."""
    asked = {"limit": PAGE, "emotion": emotion, "before": before}
    params = {name: value for name, value in asked.items() if value is not None}
    return Call("GET", f"{_of(slug)}/posts", PostPage.model_validate_json, params=params)


def status() -> Call[Status]:
    """Every part's state."""
    return Call("GET", "/status", Status.model_validate_json)


def sources() -> Call[list[SourceState]]:
    """Every source."""
    return Call("GET", "/sources", lambda content: SourceList.model_validate_json(content).sources)


def drift() -> Call[list[DriftReport]]:
    """The newest drift reports."""
    return Call("GET", "/drift", lambda content: DriftList.model_validate_json(content).reports)


def _of(slug: str) -> str:
    return f"/events/{quote(slug, safe='')}"
