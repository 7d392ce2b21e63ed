"""The messages of a Jetstream server, which sends what is written on Bluesky as JSON.

One connection, resumed by time. Protocol: github.com/bluesky-social/jetstream (`/subscribe`).
"""

from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    ProxyError,
    WebSocketException,
)
from websockets.frames import CloseCode

from barometer import __version__
from barometer.errors import SourceError
from ingestion.calls.answer import fault_of

WANTED_BYTES: Final = 100_000
"""Largest message that the server is asked for; a post's own text has 3,000 bytes at most."""
PING_S: Final = 20.0
"""Seconds between two pings, and that a server may take to answer one."""
CLOSING_S: Final = 1.0
"""Seconds that a server may take to say goodbye."""


class Jetstream:
    """A Jetstream server, of which one collection is wanted."""

    def __init__(
        self,
        url: str,
        collection: str,
        *,
        timeout_s: float,
        max_bytes: int,
        ping_s: float = PING_S,
    ) -> None:
        """`timeout_s` is for the handshake, `max_bytes` the largest message that is taken."""
        self._url = url
        self._collection = collection
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._ping_s = ping_s

    async def messages(self, cursor: int | None) -> AsyncGenerator[bytes, None]:
        """Yield what the server sends from `cursor` (microseconds since 1970) or from now on.

        Of what it still has: from a cursor that is too old it starts with the oldest it keeps.
        Accounts' own changes come along, whatever collection is wanted. Does not end.

        Raises:
            SourceError: there is no connection, or no longer.
        """
        try:
            async with connect(
                self._address(cursor),
                # Deflating for each client apart is what costs its operators the most.
                compression=None,
                user_agent_header=f"Barometer/{__version__}",
                open_timeout=self._timeout_s,
                ping_interval=self._ping_s,
                ping_timeout=self._ping_s,
                close_timeout=CLOSING_S,
                max_size=self._max_bytes,
            ) as socket:
                while True:
                    yield await socket.recv(decode=False)
        except (OSError, WebSocketException, ValueError, ImportError) as error:
            raise self._fault(error) from error

    def _address(self, cursor: int | None) -> str:
        parts = urlsplit(self._url)
        asked = [
            *parse_qsl(parts.query),
            ("wantedCollections", self._collection),
            ("maxMessageSizeBytes", str(min(WANTED_BYTES, self._max_bytes))),
        ]
        if cursor is not None:
            asked.append(("cursor", str(cursor)))
        return urlunsplit(parts._replace(query=urlencode(asked)))

    def _fault(self, error: Exception) -> SourceError:
        """The fault in our words: an exception's own may quote the address or the peer's bytes."""
        host = urlsplit(self._url).hostname or "an address without a host"
        if isinstance(error, InvalidStatus):
            return _refusal(host, error)
        if isinstance(error, ConnectionClosed):
            reason = self._end(error)
        elif isinstance(error, TimeoutError):
            reason = f"did not answer within {self._timeout_s:g} s"
        elif isinstance(error, ProxyError | InvalidProxy | ImportError):
            reason = "cannot be reached through this machine's proxy"
        elif isinstance(error, OSError):
            reason = "cannot be reached"
        elif isinstance(error, InvalidURI | ValueError):
            reason = "is no address of a WebSocket: see BAROMETER_BLUESKY_URL"
        else:
            reason = "does not speak WebSocket: see BAROMETER_BLUESKY_URL"
        return SourceError(f"bluesky: {host} {reason}.")

    def _end(self, error: ConnectionClosed) -> str:
        sent = error.sent.code if error.sent and not error.rcvd_then_sent else None
        if sent == CloseCode.MESSAGE_TOO_BIG:
            return f"sent more than {self._max_bytes:,} bytes at once (BAROMETER_SOURCE_MAX_BYTES)"
        if sent == CloseCode.INTERNAL_ERROR:
            return f"did not answer a ping within {self._ping_s:g} s"
        if sent is not None:
            return f"broke the rules of WebSocket (code {sent})"
        if error.rcvd:
            return f"closed the connection (code {error.rcvd.code})"
        return "broke off the connection"


def _refusal(host: str, error: InvalidStatus) -> SourceError:
    status = error.response.status_code
    # The library's own mapping raises for a header that was sent twice.
    headers = {name.lower(): value for name, value in error.response.headers.raw_items()}
    fault = fault_of(status, headers)
    hint = "" if fault.not_before or not 400 <= status < 500 else ": see BAROMETER_BLUESKY_URL"
    return SourceError(f"bluesky: {host} {fault}{hint}.", until=fault.not_before)
