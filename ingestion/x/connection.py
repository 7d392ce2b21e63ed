"""The filtered stream of X: it runs in a thread, its lines come to the event loop one by one."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, Final

import tweepy

from barometer.errors import SourceError
from ingestion.calls.answer import AnswerError
from ingestion.calls.bounded_session import BoundedSession
from ingestion.x.client import ASKED

ENDING_S: Final = 0.02
"""Seconds between two looks whether the thread has ended."""


class XConnection(tweepy.StreamingClient):  # type: ignore[misc]  # tweepy tells no types
    """One connection, once: whoever uses it connects anew after a fault.

    Each line is passed to `on_line` on the loop (None: the connection stands, nothing was said),
    and the next is read when that returns, so that a slow reader is felt by X and not by memory.
    What `on_line` raises ends the connection. The last that it is passed is the reason of the end.
    """

    def __init__(
        self,
        bearer_token: str,
        own_session: BoundedSession,
        on_line: Callable[[Any | SourceError | None], Coroutine[Any, Any, None]],
    ) -> None:
        super().__init__(bearer_token, daemon=True, max_retries=0)
        self.session = own_session
        self._on_line = on_line
        self._loop = asyncio.get_running_loop()
        self._passing: Future[None] | None = None
        self._stopping = False
        self._fault: SourceError = AnswerError("ended its stream", passing=True)

    def start(self) -> None:
        """Connect, in a thread."""
        self.filter(threaded=True, **ASKED)

    async def stop(self) -> None:
        """Disconnect; returns when the thread has ended, within the session's time-outs."""
        self._stopping = True
        while self.thread is not None and self.thread.is_alive():
            self.disconnect()  # the thread, if it has only just begun, takes the first one back
            if self._passing is not None:
                self._passing.cancel()
            self.session.abort()
            await asyncio.sleep(ENDING_S)

    def on_connect(self) -> None:
        """The library's call when the stream begins."""
        self._hand_over(None)

    def on_keep_alive(self) -> None:
        """The library's call for an empty line, every 20 seconds."""
        self._hand_over(None)

    def on_response(self, response: Any) -> None:
        """The library's call for a line with a post, or with errors alone."""
        if response.data is None and response.errors:
            raise AnswerError("told of an error in its stream", passing=True)
        if response.data is not None:
            self._hand_over(response)

    def on_errors(self, errors: Any) -> None:
        """Errors beside a post are about its details: the post is good."""

    def on_exception(self, exception: Exception) -> None:
        """The library's call for what ended the stream."""
        unreadable = AnswerError("sent a line that cannot be read", passing=True)
        self._fault = exception if isinstance(exception, SourceError) else unreadable

    def on_connection_error(self) -> None:
        """The library would connect again by itself: here its user does."""
        self.disconnect()

    def on_closed(self, response: Any) -> None:  # noqa: ARG002  the library's signature
        """The stream ended as a whole answer does."""
        self.disconnect()

    def on_disconnect(self) -> None:
        """The library's last call."""
        with contextlib.suppress(CancelledError, SourceError):
            self._hand_over(self._fault)

    def _hand_over(self, line: Any | SourceError | None) -> None:
        if not self._stopping:
            self._passing = asyncio.run_coroutine_threadsafe(self._on_line(line), self._loop)
            self._passing.result()
