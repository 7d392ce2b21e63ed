"""ASGI layers round the whole app: bounds, unforeseen errors, foreign pages, security headers."""

import asyncio
import contextlib
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barometer.errors import DeadlineError, TooLargeError
from serving.problems import from_error, problem
from serving.request_log import ANSWER_STARTS, HEADER

log = structlog.get_logger()
MAX_BODY = 8_000_000
"""Bytes of a request's body."""

STRICT = (
    "default-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
INLINE = STRICT.replace(
    "default-src 'self'", "default-src 'self'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; font-src 'self' data:"
)  # fmt: skip
"""For pages that libraries write with inline scripts: the API docs and Evidently's reports."""
INLINE_PAGES = ("/docs", "/drift/")
FILES = ("/ui/", "/docs/assets/", "/favicon.ico")
ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class BodyLimit:
    """Answers 413 to a body over `MAX_BODY`, whether or not its length was announced."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on while its body stays within the bound."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        error = TooLargeError(f"body: at most {MAX_BODY:,} bytes are taken.", "body")
        if not announced.isdigit() or int(announced) > MAX_BODY:
            await from_error(error)(scope, receive, send)
            return
        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_BODY:
                raise error
            return message

        async def unless_too_large(message: Message) -> None:
            # The app turns the error above into an answer of its own; ours is the true one.
            if taken <= MAX_BODY:
                await send(message)

        with contextlib.suppress(TooLargeError):
            await self._app(scope, bounded, unless_too_large)
        if taken > MAX_BODY:
            await from_error(error)(scope, receive, send)


class Deadline:
    """Answers 504 to a request whose answer has not begun in time, and ends its work.

    What a thread is busy with cannot be ended: a write that waits for the database may yet be done.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        """`seconds` is the time until an answer must begin."""
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with a time limit until its answer begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def without_limit(message: Message) -> None:
            limit.reschedule(None)  # the answer has begun: from here on it never expires
            await send(message)

        try:
            async with asyncio.timeout(self._seconds) as limit:
                await self._app(scope, receive, without_limit)
        except TimeoutError:
            if not limit.expired():  # the app's own
                raise
            error = DeadlineError(
                f"there was no answer within {self._seconds:g} s: ask for less, try again later, "
                "or raise BAROMETER_REQUEST_DEADLINE_S."
            )
            await from_error(error)(scope, receive, send)


class Unforeseen:
    """Answers 500 to an error that nobody foresaw, inside the layers that every answer passes.

    Starlette would answer it outside of them, without their headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; what it raises is logged, and answered if no answer has begun."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception:
            if begun:
                raise  # the server logs it and breaks the connection: half an answer is none
            log.exception("unexpected error")
            detail = "Barometer failed on this request; it was logged."
            await problem(500, "Internal error", detail)(scope, receive, send)


class Cors(CORSMiddleware):
    """Lets the pages of chosen origins call the API; a refused preflight is a problem too."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        """`origins` are the setting's; keys come in a header, so that no cookie is ever sent."""
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "X-API-Key"),
            expose_headers=("RateLimit", "RateLimit-Policy", "Retry-After", HEADER),
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """What the browser may send; a problem where it may not."""
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return answer
        detail = "this page's origin, the method or a header is not allowed: BAROMETER_CORS_ORIGINS"
        refusal = problem(403, "Forbidden", f"{detail} lists the origins that are.")
        refusal.headers["Vary"] = "Origin"
        return refusal


class SecurityHeaders:
    """Adds the headers that keep a page's content its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to the response's start."""
        path = scope.get("path", "")
        inline = path.startswith(INLINE_PAGES)

        async def with_headers(message: Message) -> None:
            if message["type"] in ANSWER_STARTS:
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = INLINE if inline else STRICT
                headers.update(ALWAYS)
                if scope["scheme"] in ("https", "wss"):
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                # Files are asked for again each time, or an upgrade mixes modules; answers change.
                kept = path == "/" or path.startswith(FILES)
                headers["Cache-Control"] = "no-cache" if kept else "no-store"
            await send(message)

        await self._app(scope, receive, with_headers)
