"""Who answers when the local model fails: an LLM if one is configured, then VADER."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from redis import Redis

from barometer.errors import BarometerError
from barometer.settings import Settings
from serving.answer import Answer
from serving.breaker import Breaker, Reading
from serving.vader import Vader

if TYPE_CHECKING:
    from serving.llm import Llm

log = structlog.get_logger()
CALLERS_OWN_TIMEOUT = 504
"""Status of an error that says that the caller's own deadline has passed."""


class Failsafe:
    """A circuit breaker round the local model, and what answers in its stead."""

    def __init__(
        self, settings: Settings, redis: Redis, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._breaker = Breaker(
            settings.breaker_failures, settings.breaker_window_s, settings.breaker_rest_s, clock
        )
        self._llm = _llm(settings, redis, clock) if settings.llm_url else None
        self._vader = Vader()
        self._answered: Counter[str] = Counter()
        self._last_failure: dict[str, str] | None = None
        self._fell_back = False

    async def answer(
        self, texts: Sequence[str], local: Callable[[], Awaitable[list[Answer]]]
    ) -> list[Answer]:
        """The answers of `local`; those of the fallbacks where it fails or rests.

        Raises:
            BarometerError: `local` says that the caller is at fault, or waits no longer.
        """
        ticket = self._breaker.enter()
        answers = None if ticket is None else await self._try(ticket, local)
        if answers is None:
            answers = await self._llm.answer(texts) if self._llm else []
            if len(answers) < len(texts):
                answers += await self._vader.answer(texts[len(answers) :])
        self._fell_back = any(answer.fallback for answer in answers)
        self._answered.update(answer.origin for answer in answers)
        return answers

    async def _try(
        self, ticket: int, local: Callable[[], Awaitable[list[Answer]]]
    ) -> list[Answer] | None:
        """The model's answers; None where it failed, which is counted and logged."""
        try:
            answers = await local()
        except asyncio.CancelledError:
            self._breaker.left(ticket)
            raise
        except Exception as error:
            if _is_callers(error):
                self._breaker.left(ticket)
                raise
            self._fail(ticket, error)
            return None
        self._breaker.succeeded(ticket)
        return answers

    def _fail(self, ticket: int, error: Exception) -> None:
        self._breaker.failed(ticket)
        kind = type(error).__name__
        self._last_failure = {"kind": kind, "at": datetime.now(UTC).isoformat()}
        known = isinstance(error, BarometerError)  # it explains itself; others show where they rose
        reason = str(error) if known else kind
        log.error(
            "the model failed",
            reason=reason,
            breaker=self.breaker.state,
            exc_info=None if known else error,
        )

    @property
    def breaker(self) -> Reading:
        """How the breaker round the model stands."""
        return self._breaker.read()

    @property
    def degraded(self) -> bool:
        """Whether something else than the model answers, or did so last."""
        return self._fell_back or self.breaker.state != "closed"

    def reset(self) -> None:
        """Close both breakers, so that the model is asked again at once."""
        self._breaker.reset()
        if self._llm:
            self._llm.breaker.reset()

    async def close(self) -> None:
        """Let go of the LLM's connections."""
        if self._llm:
            await self._llm.close()

    def state(self) -> dict[str, Any]:
        """What `/failsafe` says: breaker, chain, who answered how often; no text of anybody's."""
        reading = self.breaker
        no_llm = "not configured: set BAROMETER_LLM_URL and BAROMETER_LLM_MODEL"
        return {
            "degraded": self.degraded,
            "breaker": {
                "state": reading.state,
                "failures": reading.failures,
                "opens_at": self._settings.breaker_failures,
                "window_s": self._settings.breaker_window_s,
                "rest_s": self._settings.breaker_rest_s,
                "opened_at": reading.opened_at,
                "half_open_in_s": reading.half_open_in_s,
            },
            "chain": [
                {
                    "name": "model",
                    "available": reading.state != "open",
                    "detail": f"breaker {reading.state}",
                },
                {
                    "name": "llm",
                    "available": self._llm is not None and self._llm.available,
                    "detail": self._llm.detail if self._llm else no_llm,
                },
                {
                    "name": "vader",
                    "available": True,
                    "detail": "sentiment of English texts; no emotion",
                },
            ],
            "answered": {name: self._answered[name] for name in ("model", "llm", "vader")},
            "last_failure": self._last_failure,
        }


def _llm(settings: Settings, redis: Redis, clock: Callable[[], float]) -> "Llm":
    from serving.llm import Llm  # noqa: PLC0415 - seconds and 40 MB, for who has one

    return Llm(settings, redis, clock)


def _is_callers(error: Exception) -> bool:
    return isinstance(error, BarometerError) and (
        error.status < 500 or error.status == CALLERS_OWN_TIMEOUT
    )
