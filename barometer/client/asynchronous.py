"""The asynchronous client."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import stamina
from pydantic import ValidationError
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

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
    LiveMessage,
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


class AsyncClient:
    """A Barometer service, asked by many tasks at once; close it, or use it with `async with`.

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
        self._http = httpx.AsyncClient(**self._target.options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def predict(self, text: str, *, model: str | None = None) -> Prediction:
        """Classify one text of 1 to 20,000 characters; `model` is an alias or a version."""
        return await self._send(calls.predict(text, model))

    async def predict_batch(
        self, texts: Sequence[str], *, model: str | None = None
    ) -> PredictionBatch:
        """Classify up to 1,000 texts; results come in their order."""
        return await self._send(calls.predict_batch(texts, model))

    async def analyze(
        self, keyword: str, *, limit: int = 250, plot: bool = False, languages: str | None = None
    ) -> Analysis:
        """The mood of the `limit` (1 to 500) newest posts that mention a keyword.

        `languages`: codes such as "en,de", or "all"; None: those that the model reads.
        """
        return await self._send(calls.analyze(keyword, limit, languages, plot=plot))

    async def explain(self, text: str, *, model: str | None = None) -> Explanation:
        """Which words of a text of 1 to 2,000 characters drove its answer."""
        return await self._send(calls.explain(text, model))

    async def history(
        self, keyword: str, *, hours: int = 168, limit: int = 100
    ) -> list[KeptAnalysis]:
        """What `analyze` computed of a keyword before, newest first; at most 500."""
        return await self._send(calls.history(keyword, hours, limit))

    async def ingest(self, source: str, posts: Iterable[Mapping[str, Any]]) -> Taken:
        """Send up to 1,000 posts; what was refused is listed, not raised.

        A post has `id`, `text`, `created_at` (aware), perhaps `author`, `location`,
        `language`, `metadata`.
        """
        return await self._send(calls.ingest(source, posts))

    async def events(self) -> list[TrackedEvent]:
        """Every tracked event, oldest first."""
        return await self._send(calls.events())

    async def event(self, slug: str) -> TrackedEvent:
        """One tracked event."""
        return await self._send(calls.event(slug))

    async def track(
        self,
        title: str,
        keywords: Sequence[str] = (),
        *,
        sources: Sequence[str] = ("rss",),
        slug: str | None = None,
    ) -> TrackedEvent:
        """Track an event; its title is its keyword where none is given."""
        return await self._send(calls.track(title, keywords, sources, slug))

    async def untrack(self, slug: str) -> None:
        """Stop tracking an event; its posts stay."""
        await self._send(calls.untrack(slug))

    async def trends(
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
        return await self._send(calls.trends(slug, minutes, step_s, languages))

    async def posts(
        self, slug: str = "all", *, emotion: Emotion | None = None
    ) -> AsyncIterator[ScoredPost]:
        """The posts about an event, newest first, fetched page by page as they are read."""
        before: str | None = None
        while True:
            page = await self._send(calls.post_page(slug, emotion, before))
            for post in page.posts:
                yield post
            if page.next is None:
                return
            before = page.next

    async def analytics(self, *, hours: int = 24, languages: str | None = None) -> Analytics:
        """The whole system's figures over 1 to 336 whole hours, the current one included.

        `languages` as for `analyze`.
        """
        return await self._send(calls.analytics(hours, languages))

    async def compare(
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
        return await self._send(calls.compare(slugs, by, minutes, languages))

    async def models(self) -> ModelList:
        """Every registered version, what answers, and what is on trial."""
        return await self._send(calls.models())

    async def model(self, version: str) -> ModelDetails:
        """One registered version, named by number or alias, with its card."""
        return await self._send(calls.model(version))

    async def bring_in(self, source: str, labels: Mapping[str, str | None]) -> ModelJob:
        """Bring in a finished classifier as challenger, through a flow.

        `labels` names for each of its labels one of Barometer's, or None.
        """
        return await self._send(calls.bring_in(source, labels))

    async def job(self, name: str) -> ModelJobProgress:
        """How far a model that is brought in has come; `name` is the `job` of `bring_in`."""
        return await self._send(calls.job(name))

    async def promote(self, version: str) -> Promoted:
        """Make a canary the champion."""
        return await self._send(calls.promote(version))

    async def failsafe(self) -> FailsafeState:
        """What happened to the model, and who answers while it fails."""
        return await self._send(calls.failsafe())

    async def reset_failsafe(self) -> FailsafeState:
        """Close the circuit breaker: the next request asks the model again."""
        return await self._send(calls.reset_failsafe())

    async def status(self) -> Status:
        """Every part's state."""
        return await self._send(calls.status())

    async def sources(self) -> list[SourceState]:
        """Every source of posts."""
        return await self._send(calls.sources())

    async def drift(self) -> list[DriftReport]:
        """The newest drift reports, newest first."""
        return await self._send(calls.drift())

    async def live(self) -> AsyncIterator[LiveMessage]:
        """What happens, as it happens, until the service goes or the caller stops reading."""
        address = self._target.url.replace("http", "ws", 1) + "/live"
        try:
            async with connect(
                address,
                additional_headers=self._target.headers,
                open_timeout=self._target.timeout_s,
            ) as socket:
                async for message in socket:
                    yield LiveMessage.model_validate_json(message)
        except InvalidStatus as error:
            answer = error.response
            refused = faults.Refused(answer.status_code, answer.headers, bytes(answer.body or b""))
            raise faults.told(refused, self._target.url) from error
        except (OSError, WebSocketException, ValidationError) as error:
            raise faults.told(error, self._target.url) from error

    async def _send(self, call: Call[T]) -> T:
        try:
            async for attempt in stamina.retry_context(
                on=faults.wait_before_again, **self._target.patience
            ):
                with attempt:
                    response = await self._http.request(**request_of(call))
                    return call.read(faults.checked(response))
        except (faults.Refused, httpx.HTTPError, httpx.InvalidURL, ValidationError) as error:
            raise faults.told(error, self._target.url) from error
        raise AssertionError("the last attempt returns or raises")
