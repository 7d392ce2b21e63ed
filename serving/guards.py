"""ASGI layers round the whole app: a bound on request bodies, and security headers."""

import contextlib

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barometer.errors import TooLargeError
from serving.problems import from_error

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


class SecurityHeaders:
    """Adds the headers that keep a page's content its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to the response's start."""
        path = scope.get("path", "")
        inline = path.startswith(INLINE_PAGES)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = INLINE if inline else STRICT
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                if path.startswith("/ui/"):  # asked again each time, or an upgrade mixes modules
                    headers["Cache-Control"] = "no-cache"
            await send(message)

        await self._app(scope, receive, with_headers)
