"""Who may do what: API keys and their scopes, and how many requests each may make."""

import base64
import binascii
import math
import time
from typing import Final

import structlog
from limits import WindowStats, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barometer import api_keys
from barometer.api_keys import ApiKey
from barometer.errors import BarometerError, ForbiddenError, RateLimitError, UnauthorizedError
from barometer.settings import Settings
from serving.problems import from_error

log = structlog.get_logger()

OPEN: Final = frozenset(
    {"/", "/favicon.ico", "/healthz", "/livez", "/readyz", "/docs", "/docs.json"}
)
OPEN_FOLDERS: Final = ("/ui/", "/docs/assets/")
"""Pages without content of their own, and what orchestrators probe."""
READING_POSTS: Final = frozenset({"/predict", "/predict/batch", "/analyze"})
"""Routes that answer a body and change nothing."""
LIVE_PROTOCOL: Final = "barometer"
LIVE_KEY: Final = "barometer.key."
"""A page cannot set a WebSocket's headers, and addresses are logged: it offers the subprotocols
`barometer` and `barometer.key.KEY`."""
WRONG_GUESSES: Final = parse("60/minute")
"""Keys that are not known from one address, until it is told to wait; a page asks for several
things with the key that was typed. As many signatures that are wrong."""
HOLDER: Final = "barometer.holder"
"""Where the scope names the key, or the webhook, that a request was let in for."""
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def needed_scope(method: str, path: str) -> api_keys.Scope | None:
    """The scope that a route needs; None where it is open. Unknown routes need one as well."""
    if path in OPEN or path.startswith(OPEN_FOLDERS):
        return None
    reads = method in ("GET", "HEAD", "OPTIONS") or path in READING_POSTS
    return "read" if reads else "write"


def warn_if_open(settings: Settings) -> None:
    """Tell the log when everybody in the network may read and write."""
    if not settings.api_keys and settings.host not in LOOPBACK:
        log.warning(
            "no API keys are set: whoever reaches this address may read and write",
            host=settings.host,
            remedy="set BAROMETER_API_KEYS; `barometer keys new` makes a key",
        )


class WrongGuesses:
    """Counts keys, or signatures, that were wrong, by the address that they came from."""

    def __init__(self, what: str) -> None:
        """`what` is counted, for people."""
        self._what = what
        self._window = MovingWindowRateLimiter(MemoryStorage())

    def refusal(self, scope: Scope) -> JSONResponse | None:
        """Count one; the answer that tells its address to wait, if it sent too many."""
        who = _address(scope)
        if self._window.hit(WRONG_GUESSES, who):
            return None
        wait = _seconds_left(self._window.get_window_stats(WRONG_GUESSES, who))
        error = RateLimitError(f"too many {self._what} from this address: wait {wait} s.")
        refused = from_error(error)
        refused.headers["Retry-After"] = str(wait)
        return refused


class ApiKeys:
    """Answers 401 to a request without a known key, 403 to one whose key lacks the scope.

    An address that presents too many unknown keys gets 429 for them; a known key opens from there
    all the same, so that nobody can lock out those who share an address with him.
    """

    def __init__(self, app: ASGIApp, keys: tuple[str, ...]) -> None:
        """`keys` are the setting's entries."""
        self._app = app
        self._keys = [ApiKey.parse(entry) for entry in keys]
        self._wrong = WrongGuesses("unknown API keys")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if its key opens the route."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        needed = needed_scope(scope.get("method", "GET"), scope["path"])
        if needed is None or HOLDER in scope:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        presented = _presented(headers, scope.get("subprotocols", []))
        key = api_keys.holder(self._keys, presented) if presented else None
        error: BarometerError
        if key is None and presented and (refused := self._wrong.refusal(scope)):
            await refused(scope, receive, send)
            return
        if key is None:
            told = "is not known" if presented else "is missing"
            error = UnauthorizedError(
                f"the API key {told}: send `Authorization: Bearer KEY` or `X-API-Key: KEY`."
            )
        elif needed not in key.scopes:
            error = ForbiddenError(f"the API key {key.name!r} lacks the scope {needed!r}.")
        else:
            await self._app({**scope, HOLDER: key.name}, receive, send)
            return
        answer = from_error(error)
        if key is None:
            # A browser that opens a page cannot send a header of ours: it asks for a password.
            page = "text/html" in headers.get("accept", "")
            answer.headers["WWW-Authenticate"] = ("Basic" if page else "Bearer") + (
                ' realm="Barometer, the key as password"' if page else ' realm="Barometer"'
            )
        await answer(scope, receive, send)


def _address(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else "unknown"


def _seconds_left(stats: WindowStats) -> int:
    return max(1, math.ceil(stats.reset_time - time.time()))


def _presented(headers: Headers, subprotocols: list[str]) -> str | None:
    kind, _, content = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return content.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(content, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return None
    offered = (p.removeprefix(LIVE_KEY) for p in subprotocols if p.startswith(LIVE_KEY))
    return headers.get("x-api-key") or next(offered, None)


class RateLimit:
    """Answers 429 once a key, or an address without one, has made too many requests.

    The window moves with each request, and is this process's own.
    """

    def __init__(self, app: ASGIApp, rate: str) -> None:
        """`rate` is the setting's, such as `600/minute`."""
        self._app = app
        self._rate = parse(rate)
        self._window = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on while it is within the rate; say how much is left."""
        http = scope["type"] in ("http", "websocket")
        if not http or needed_scope(scope.get("method", "GET"), scope["path"]) is None:
            await self._app(scope, receive, send)
            return
        who = scope.get(HOLDER) or _address(scope)
        within = self._window.hit(self._rate, who)
        stats = self._window.get_window_stats(self._rate, who)
        wait = _seconds_left(stats)
        # draft-ietf-httpapi-ratelimit-headers: quota and window in seconds, then what remains.
        told = {
            "RateLimit-Policy": f'"barometer";q={self._rate.amount};w={self._rate.get_expiry()}',
            "RateLimit": f'"barometer";r={stats.remaining};t={wait}',
        }
        if not within:
            answer = from_error(
                RateLimitError(f"over {self._rate}: wait {wait} s, then send fewer requests.")
            )
            answer.headers.update({**told, "Retry-After": str(wait)})
            await answer(scope, receive, send)
            return

        async def with_rate(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(told)
            await send(message)

        await self._app(scope, receive, with_rate)
