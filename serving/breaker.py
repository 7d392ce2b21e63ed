"""A circuit breaker that counts failures in a sliding window (Nygard, "Release It!", chapter 5)."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

State = Literal["closed", "open", "half-open"]


@dataclass(frozen=True)
class Reading:
    """How a breaker stands at this moment."""

    state: State
    failures: int
    """Failures that still count; 0 unless it is closed."""
    opened_at: datetime | None
    half_open_in_s: float | None
    """Seconds until it lets one call try; None unless it is open."""


class Breaker:
    """Closed it lets every call in, open none, half-open one at a time as a trial.

    `failures` within `window_s` seconds open it, successes between them or not. It rests for
    `rest_s` seconds; then one call decides whether it closes or rests again. Safe to use from
    several threads and tasks.
    """

    def __init__(
        self,
        failures: int,
        window_s: float,
        rest_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds that never go back."""
        self._most = failures
        self._window_s = window_s
        self._rest_s = rest_s
        self._clock = clock
        self._lock = threading.Lock()
        # Calls outlive states: a call counts only in the era that it was let in, so that one from
        # before the breaker opened neither closes it again nor makes it rest for longer.
        self._era = 0
        self._state: State = "closed"
        self._failed_at: deque[float] = deque()
        self._opened_at = 0.0
        self._opens_until = 0.0
        self._trial = False

    def enter(self) -> int | None:
        """The ticket of a call that may go ahead, to be given to one of the three below; or None.

        A ticket that is never given back keeps a half-open breaker from trying again.
        """
        with self._lock:
            if self._state == "open" and self._clock() >= self._opens_until:
                self._turn("half-open")
            if self._state == "open" or self._trial:
                return None
            self._trial = self._state == "half-open"
            return self._era

    def succeeded(self, ticket: int) -> None:
        """The call worked: a trial closes the breaker."""
        with self._lock:
            if ticket == self._era and self._state == "half-open":
                self._turn("closed")

    def failed(self, ticket: int, rest_s: float | None = None) -> None:
        """The call failed; with `rest_s` the breaker opens at once, for so many seconds."""
        with self._lock:
            if ticket != self._era:
                return
            now = self._clock()
            self._failed_at.append(now)
            self._forget(now)
            if (
                rest_s is not None
                or self._state == "half-open"
                or len(self._failed_at) >= self._most
            ):
                self._turn("open")
                self._opened_at = now
                self._opens_until = now + (self._rest_s if rest_s is None else rest_s)

    def left(self, ticket: int) -> None:
        """The call ended without saying anything about what is behind the breaker."""
        with self._lock:
            if ticket == self._era:
                self._trial = False

    def reset(self) -> None:
        """Close it, and forget every failure."""
        with self._lock:
            self._turn("closed")

    def read(self) -> Reading:
        """How it stands. An open one whose rest is over is half-open, though no call has come."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            if self._state == "closed":
                return Reading("closed", len(self._failed_at), None, None)
            left = self._opens_until - now if self._state == "open" else 0.0
            since = datetime.now(UTC) - timedelta(seconds=now - self._opened_at)
            if left > 0:
                return Reading("open", 0, since, left)
            return Reading("half-open", 0, since, None)

    def _turn(self, state: State) -> None:
        self._state = state
        self._era += 1
        self._trial = False
        self._failed_at.clear()

    def _forget(self, now: float) -> None:
        while self._failed_at and now - self._failed_at[0] >= self._window_s:
            self._failed_at.popleft()
