"""A request's id, its line in the log, and its figures: never its text, path or query."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barometer.metrics import ANSWERS, REQUEST_SECONDS, REQUESTS

log = structlog.get_logger()
HEADER: Final = "X-Request-ID"
SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Ids of a caller's own that are kept; another could forge log lines."""
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "WEBSOCKET"})
ANSWER_STARTS: Final = frozenset({"http.response.start", "websocket.http.response.start"})
"""Messages that hold status and headers; the second refuses a WebSocket."""
CUT_OFF = 504
"""Status of a request whose time was up before its answer began."""

CATCH_ALL = "/{path:path}"
"""The app's route for what no other takes."""

_origins: ContextVar[set[str] | None] = ContextVar("origins", default=None)


def note_origins(origins: Iterable[str]) -> None:
    """Count answers by what gave them, and remember that for the request under way, if any."""
    counts = Counter(origins)
    for origin, texts in counts.items():
        ANSWERS.labels(origin).inc(texts)
    remember_origins(counts)


def remember_origins(origins: Iterable[str]) -> None:
    """Remember what the request under way, if any, is answered by."""
    of_request = _origins.get()
    if of_request is not None:
        of_request.update(origins)


def request_id() -> str | None:
    """The id of the request under way; None outside of one."""
    found: str | None = structlog.contextvars.get_contextvars().get("request_id")
    return found


class RequestLog:
    """Goes round the whole app, so that its answer to an unexpected error is seen, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request under an id, then log and count it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        name = given if SAFE_ID.fullmatch(given) else uuid4().hex
        started, status = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] in ANSWER_STARTS or message["type"] == "websocket.accept":
                status = message.get("status", 101)
                MutableHeaders(scope=message)[HEADER] = name
            elif message["type"] == "websocket.close" and not status:
                status = 403  # as the server answers a WebSocket that was not accepted
            await send(message)

        origins: set[str] = set()
        token = _origins.set(origins)
        with structlog.contextvars.bound_contextvars(request_id=name):
            try:
                await self._app(scope, receive, noted)
            except asyncio.CancelledError:
                status = status or CUT_OFF
                raise
            finally:
                _origins.reset(token)
                _tell(scope, status or 500, origins, time.perf_counter() - started)


def _tell(scope: Scope, status: int, origins: set[str], seconds: float) -> None:
    route, method = _template(scope), scope.get("method", "WEBSOCKET")
    method = method if method in METHODS else "other"
    origin = "none" if not origins else "mixed" if len(origins) > 1 else next(iter(origins))
    log.info(
        "request",
        route=route,
        method=method,
        status=status,
        ms=round(seconds * 1000, 3),
        origin=origin,
    )
    REQUESTS.labels(route, method, status).inc()
    if scope["type"] == "http":  # a WebSocket stays for as long as its client does
        REQUEST_SECONDS.labels(route, origin).observe(seconds)


def _template(scope: Scope) -> str:
    """The route as it was declared, `/events/{slug}`; `unknown` for what none was found for."""
    route: BaseRoute | None = scope.get("route")
    path: str = getattr(route, "path", "")
    return path if path and path != CATCH_ALL else "unknown"
