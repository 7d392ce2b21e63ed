"""What carries praw's requests: over the event loop, counted, bounded in bytes and time, retried.

praw blocks and runs in a thread; its requests come back to the loop here, where waiting can be cut
short. Tokens, listings and the pace that Reddit's headers ask for stay praw's own business.
"""

import asyncio
import io
import time
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from barometer.errors import SourceError
from ingestion.calls.allowance import PATIENCE_S, Allowance
from ingestion.calls.answer import Answer, AnswerError, Limits
from ingestion.calls.client import HttpClient
from ingestion.calls.pauses import resets_at

SECRETS_REMEDY: Final = (
    "check BAROMETER_REDDIT_CLIENT_ID, BAROMETER_REDDIT_CLIENT_SECRET, BAROMETER_REDDIT_USERNAME "
    "and BAROMETER_REDDIT_PASSWORD"
)
FOR_PRAW: Final = frozenset(range(200, 500)) - {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
}
"""Statuses that praw is given. The others it would meet by sleeping in its thread, or not survive:
a Retry-After that is a date breaks it."""
GZIP: Final = {"Accept-Encoding": "gzip"}
"""What is unfolded within a bound; requests would ask for more."""
REMAINING: Final = "x-ratelimit-remaining"
RESET: Final = "x-ratelimit-reset"
"""Seconds until Reddit counts anew."""
NAP_S: Final = 1
"""Longest that praw sleeps in its thread when no call is left; the rest is waited for here."""


class LoopTransport(BaseAdapter):
    """A transport adapter of requests for one praw, which one thread at a time uses."""

    def __init__(self, allowance: Allowance, limits: Limits) -> None:
        super().__init__()
        self._allowance = allowance
        self._loop = asyncio.get_running_loop()
        self._http = HttpClient(
            limits, purpose="praw", accept="application/json", good=FOR_PRAW, turn=self._turn
        )
        self._under_way: Future[Answer] | None = None
        self._left = False
        self._unauthorized = False
        self._rests_until = 0.0

    def send(
        self, request: requests.PreparedRequest, *_: object, **__: object
    ) -> requests.Response:
        """Carry one request; praw's thread calls this.

        Raises:
            SourceError: the exchange failed, or the allowance is used up.
        """
        if self._left:
            raise SourceError("reddit: the reading was given up.")
        exchange = self._http.send(
            str(request.method),
            str(request.url),
            headers={name: str(value) for name, value in request.headers.items()} | GZIP,
            content=request.body if isinstance(request.body, str) else None,
        )
        self._under_way = asyncio.run_coroutine_threadsafe(exchange, self._loop)
        answer = self._under_way.result()
        if request.method != "POST":
            self._refuse_second_401(answer.status)
        return self._response(request, answer)

    def leave(self) -> None:
        """Give up what is under way, and carry nothing more: praw's thread ends."""
        self._left = True
        if self._under_way is not None:
            self._under_way.cancel()

    def close(self) -> None:
        """Nothing is left to do: `aclose` closes the connections, on the loop."""

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _turn(self) -> None:
        """Wait until Reddit counts anew, if no call is left before, and for the allowance.

        Raises:
            SourceError: that takes long; says until when.
        """
        wait = self._rests_until - time.monotonic()
        if wait > PATIENCE_S:
            until = datetime.now(UTC) + timedelta(seconds=wait)
            raise AnswerError(
                "allows no further call for now and is left alone until "
                f"{until:%Y-%m-%d %H:%M:%S} UTC",
                not_before=until,
            )
        await asyncio.sleep(max(wait, 0.0))
        await self._allowance.acquire()

    def _refuse_second_401(self, status: int) -> None:
        """After the first, praw gets a new token; it would sleep ever longer after further ones."""
        refused = status == HTTPStatus.UNAUTHORIZED
        if refused and self._unauthorized:
            raise AnswerError(f"answered 401 to a fresh token: {SECRETS_REMEDY}")
        self._unauthorized = refused

    def _response(self, request: requests.PreparedRequest, answer: Answer) -> requests.Response:
        headers = {**answer.headers, "content-length": str(len(answer.content))}
        headers.pop("content-encoding", None)
        rest = _rest_asked(headers)
        self._rests_until = time.monotonic() + rest
        if rest > NAP_S:
            headers[RESET] = str(NAP_S)  # praw would sleep in its thread, however long it is told
        response = requests.Response()
        response.status_code = answer.status
        response.url = str(request.url)
        response.request = request
        response.headers = CaseInsensitiveDict(headers)
        response.raw = io.BytesIO(answer.content)
        return response


def _rest_asked(headers: dict[str, str]) -> float:
    """Seconds that must pass before the next call, when an answer's headers say that none is left.

    Numbers that make no sense are left to praw, which refuses them.
    """
    try:
        if float(headers.get(REMAINING, "1")) > 0:
            return 0.0
    except ValueError:
        return 0.0
    until = resets_at(headers.get(RESET, ""))
    return (until - datetime.now(UTC)).total_seconds() if until else 0.0
