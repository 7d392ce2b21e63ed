"""The API's calls as data: what is sent, and how the answer is read. Both clients share them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from barometer.client.contract import (
    Analysis,
    AnalysisHistory,
    Analytics,
    By,
    Comparison,
    DriftList,
    DriftReport,
    Emotion,
    EventList,
    Explanation,
    FailsafeState,
    KeptAnalysis,
    ModelDetails,
    ModelJob,
    ModelJobProgress,
    ModelList,
    PostPage,
    Prediction,
    PredictionBatch,
    Promoted,
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


def analyze(keyword: str, limit: int, languages: str | None, *, plot: bool) -> Call[Analysis]:
    """The mood of the posts that mention a keyword."""
    body = {"keyword": keyword, "limit": limit, "return_plot": plot} | _counting(languages)
    return Call("POST", "/analyze", Analysis.model_validate_json, body)


def explain(text: str, model: str | None) -> Call[Explanation]:
    """Which words drove an answer."""
    params = {"text": text} | ({} if model is None else {"model": model})
    return Call("GET", "/explain", Explanation.model_validate_json, params=params)


def history(keyword: str, hours: int, limit: int) -> Call[list[KeptAnalysis]]:
    """What was computed of a keyword before."""
    params = {"keyword": keyword, "hours": hours, "limit": limit}
    return Call("GET", "/analyze/history", _analyses, params=params)


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


def trends(slug: str, minutes: int, step_s: int, languages: str | None) -> Call[Trend]:
    """How the mood moved."""
    params = {"minutes": minutes, "step_s": step_s} | _counting(languages)
    return Call("GET", f"{_of(slug)}/trends", Trend.model_validate_json, params=params)


def post_page(slug: str, emotion: Emotion | None, before: str | None) -> Call[PostPage]:
    """One page of posts, newest first."""
    asked = {"limit": PAGE, "emotion": emotion, "before": before}
    params = {name: value for name, value in asked.items() if value is not None}
    return Call("GET", f"{_of(slug)}/posts", PostPage.model_validate_json, params=params)


def compare(slugs: Sequence[str], by: By, minutes: int, languages: str | None) -> Call[Comparison]:
    """Events side by side."""
    params = {"slugs": ",".join(slugs), "by": by, "minutes": minutes} | _counting(languages)
    return Call("GET", "/events/compare", Comparison.model_validate_json, params=params)


def analytics(hours: int, languages: str | None) -> Call[Analytics]:
    """The whole system's figures."""
    params = {"hours": hours} | _counting(languages)
    return Call("GET", "/analytics", Analytics.model_validate_json, params=params)


def models() -> Call[ModelList]:
    """Every registered version."""
    return Call("GET", "/models", ModelList.model_validate_json)


def model(version: str) -> Call[ModelDetails]:
    """One registered version."""
    return Call("GET", f"/models/{quote(version, safe='')}", ModelDetails.model_validate_json)


def bring_in(source: str, labels: Mapping[str, str | None]) -> Call[ModelJob]:
    """Bring in a finished classifier."""
    body = {"source": source, "labels": dict(labels)}
    return Call("POST", "/models", ModelJob.model_validate_json, body)


def job(name: str) -> Call[ModelJobProgress]:
    """How far a model that is brought in has come."""
    path = f"/models/jobs/{quote(name, safe='')}"
    return Call("GET", path, ModelJobProgress.model_validate_json)


def promote(version: str) -> Call[Promoted]:
    """Make a canary the champion."""
    path = f"/models/{quote(version, safe='')}/promote"
    return Call("POST", path, Promoted.model_validate_json)


def failsafe() -> Call[FailsafeState]:
    """What happened to the model, and who answers."""
    return Call("GET", "/failsafe", FailsafeState.model_validate_json)


def reset_failsafe() -> Call[FailsafeState]:
    """Close the breaker."""
    return Call("POST", "/failsafe/reset", FailsafeState.model_validate_json)


def status() -> Call[Status]:
    """Every part's state."""
    return Call("GET", "/status", Status.model_validate_json)


def sources() -> Call[list[SourceState]]:
    """Every source."""
    return Call("GET", "/sources", lambda content: SourceList.model_validate_json(content).sources)


def drift() -> Call[list[DriftReport]]:
    """The newest drift reports."""
    return Call("GET", "/drift", lambda content: DriftList.model_validate_json(content).reports)


def _counting(languages: str | None) -> dict[str, Any]:
    return {} if languages is None else {"languages": languages}


def _analyses(content: bytes) -> list[KeptAnalysis]:
    return AnalysisHistory.model_validate_json(content).analyses


def _of(slug: str) -> str:
    return f"/events/{quote(slug, safe='')}"
