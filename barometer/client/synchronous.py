"""The synchronous client."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import stamina
from pydantic import ValidationError

from barometer.client import calls, faults
from barometer.client.calls import Call
from barometer.client.contract import (
    Analysis,
    Analytics,
    By,
    Comparison,
    DriftReport,
    Emotion,
    Explanation,
    FailsafeState,
    KeptAnalysis,
    ModelDetails,
    ModelJob,
    ModelJobProgress,
    ModelList,
    Prediction,
    PredictionBatch,
    Promoted,
    ScoredPost,
    SourceState,
    Status,
    Taken,
    TrackedEvent,
    Trend,
)
from barometer.client.transport import LOCAL, Target, request_of

T = TypeVar("T")


class Client:
    """A Barometer service, asked one request after the other; close it, or use it with `with`.

    Raises:
        BarometerError: from every method, as the service raised it (`InputError`, `NotFoundError`,
            `UnauthorizedError`, ...); `UnavailableError` when it cannot be reached.
    """

    def __init__(
        self,
        url: str = LOCAL,
        *,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        attempts: int = 3,
    ) -> None:
        """`timeout_s` bounds one try; a request that is put off is tried `attempts` times."""
        self._target = Target(url.rstrip("/"), api_key, timeout_s, attempts)
        self._http = httpx.Client(**self._target.options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def predict(self, text: str, *, model: str | None = None) -> Prediction:
        """Classify one text of 1 to 20,000 characters; `model` is an alias or a version."""
        return self._send(calls.predict(text, model))

    def predict_batch(self, texts: Sequence[str], *, model: str | None = None) -> PredictionBatch:
        """Classify up to 1,000 texts; results come in their order."""
        return self._send(calls.predict_batch(texts, model))

    def analyze(
        self, keyword: str, *, limit: int = 250, plot: bool = False, languages: str | None = None
    ) -> Analysis:
        """The mood of the `limit` (1 to 500) newest posts that mention a keyword.

        `languages`: codes such as "en,de", or "all"; None: those that the model reads.
        """
        return self._send(calls.analyze(keyword, limit, languages, plot=plot))

    def explain(self, text: str, *, model: str | None = None) -> Explanation:
        """Which words of a text of 1 to 2,000 characters drove its answer."""
        return self._send(calls.explain(text, model))

    def history(self, keyword: str, *, hours: int = 168, limit: int = 100) -> list[KeptAnalysis]:
        """What `analyze` computed of a keyword before, newest first; at most 500."""
        return self._send(calls.history(keyword, hours, limit))

    def ingest(self, source: str, posts: Iterable[Mapping[str, Any]]) -> Taken:
        """Send up to 1,000 posts; what was refused is listed, not raised.

        A post has `id`, `text`, `created_at` (aware), perhaps `author`, `location`,
        `language`, `metadata`.
        """
        return self._send(calls.ingest(source, posts))

    def events(self) -> list[TrackedEvent]:
        """Every tracked event, oldest first."""
        return self._send(calls.events())

    def event(self, slug: str) -> TrackedEvent:
        """One tracked event."""
        return self._send(calls.event(slug))

    def track(
        self,
        title: str,
        keywords: Sequence[str] = (),
        *,
        sources: Sequence[str] = ("rss",),
        slug: str | None = None,
    ) -> TrackedEvent:
        """Track an event; its title is its keyword where none is given."""
        return self._send(calls.track(title, keywords, sources, slug))

    def untrack(self, slug: str) -> None:
        """Stop tracking an event; its posts stay."""
        self._send(calls.untrack(slug))

    def trends(
        self,
        slug: str = "all",
        *,
        minutes: int = 60,
        step_s: int = 60,
        languages: str | None = None,
    ) -> Trend:
        """How the mood of an event moved, one point a step; `all`: of every event.

        `languages` as for `analyze`.
        """
        return self._send(calls.trends(slug, minutes, step_s, languages))

    def posts(self, slug: str = "all", *, emotion: Emotion | None = None) -> Iterator[ScoredPost]:
        """The posts about an event, newest first, fetched page by page as they are read."""
        before: str | None = None
        while True:
            page = self._send(calls.post_page(slug, emotion, before))
            yield from page.posts
            if page.next is None:
                return
            before = page.next

    def analytics(self, *, hours: int = 24, languages: str | None = None) -> Analytics:
        """The whole system's figures over 1 to 336 whole hours, the current one included.

        `languages` as for `analyze`.
        """
        return self._send(calls.analytics(hours, languages))

    def compare(
        self,
        slugs: Sequence[str],
        *,
        by: By = "event",
        minutes: int = 1440,
        languages: str | None = None,
    ) -> Comparison:
        """Up to 8 events side by side, whole or by place, source or language.

        `all`: every post. `languages` as for `analyze`; by language None counts every one.
        """
        return self._send(calls.compare(slugs, by, minutes, languages))

    def models(self) -> ModelList:
        """Every registered version, what answers, and what is on trial."""
        return self._send(calls.models())

    def model(self, version: str) -> ModelDetails:
        """One registered version, named by number or alias, with its card."""
        return self._send(calls.model(version))

    def bring_in(self, source: str, labels: Mapping[str, str | None]) -> ModelJob:
        """Bring in a finished classifier as challenger, through a flow.

        `labels` names for each of its labels one of Barometer's, or None.
        """
        return self._send(calls.bring_in(source, labels))

    def job(self, name: str) -> ModelJobProgress:
        """How far a model that is brought in has come; `name` is the `job` of `bring_in`."""
        return self._send(calls.job(name))

    def promote(self, version: str) -> Promoted:
        """Make a canary the champion."""
        return self._send(calls.promote(version))

    def failsafe(self) -> FailsafeState:
        """What happened to the model, and who answers while it fails."""
        return self._send(calls.failsafe())

    def reset_failsafe(self) -> FailsafeState:
        """Close the circuit breaker: the next request asks the model again."""
        return self._send(calls.reset_failsafe())

    def status(self) -> Status:
        """Every part's state."""
        return self._send(calls.status())

    def sources(self) -> list[SourceState]:
        """Every source of posts."""
        return self._send(calls.sources())

    def drift(self) -> list[DriftReport]:
        """The newest drift reports, newest first."""
        return self._send(calls.drift())

    def _send(self, call: Call[T]) -> T:
        try:
            for attempt in stamina.retry_context(
                on=faults.wait_before_again, **self._target.patience
            ):
                with attempt:
                    response = self._http.request(**request_of(call))
                    return call.read(faults.checked(response))
        except (faults.Refused, httpx.HTTPError, httpx.InvalidURL, ValidationError) as error:
            raise faults.told(error, self._target.url) from error
        raise AssertionError("the last attempt returns or raises")
