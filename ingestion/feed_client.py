"""The body of one feed over HTTP: conditional, bounded in bytes and in time, retried with care."""

import asyncio
import ssl
import zlib
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Final, Self

import httpx
import stamina

from barometer import __version__
from barometer.errors import SourceError

MAX_REDIRECTS: Final = 3
MAX_PAUSE: Final = timedelta(days=1)
"""Longest that a feed is left alone on its own word."""
DEFAULT_PAUSE: Final = timedelta(minutes=1)
"""How long a feed is left alone that answers 429 and does not say for how long."""


class FeedError(SourceError):
    """One feed cannot be read. The message is the reason alone: who reads the feed names it."""

    def __init__(
        self, reason: str, *, passing: bool = False, not_before: datetime | None = None
    ) -> None:
        super().__init__(reason)
        self.passing = passing
        """Whether another attempt may do better."""
        self.not_before = not_before
        """When the server wants to be asked again, if it said so."""


@dataclass(frozen=True, slots=True)
class FeedBody:
    """What a feed answered, decompressed."""

    content: bytes
    content_type: str
    base: str
    """Address after redirects, without credentials and query; relative links start from it."""
    etag: str | None
    modified: str | None


class FeedClient:
    """Reads feeds, in an `async with`.

    One attempt takes `timeout_s` at most, to the body's last byte; all of a feed's take 3 times it.
    """

    def __init__(self, *, timeout_s: float, max_bytes: int, attempts: int = 3) -> None:
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._http = httpx.AsyncClient(
            headers={
                "User-Agent": f"Barometer/{__version__} (feed reader)",
                "Accept": "application/rss+xml, application/atom+xml, text/xml;q=0.9, */*;q=0.5",
                "Accept-Encoding": "gzip",
            },
            timeout=timeout_s,
            verify=_certificates(),
        )
        self._retrying = stamina.AsyncRetryingCaller(
            attempts=attempts,
            timeout=2 * timeout_s,
            wait_initial=timeout_s / 20,
            wait_jitter=timeout_s / 20,
            wait_max=timeout_s / 4,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def get(
        self, url: str, *, etag: str | None = None, modified: str | None = None
    ) -> FeedBody | None:
        """The feed at `url`, or None when it is as it was at `etag` and `modified`.

        Raises:
            FeedError: it cannot be read, or wants to be asked later.
        """
        conditions = {"If-None-Match": etag, "If-Modified-Since": modified}
        headers = {name: value for name, value in conditions.items() if value}
        return await self._retrying(_is_passing, self._attempt, url, headers)

    async def _attempt(self, url: str, headers: dict[str, str]) -> FeedBody | None:
        # An exception's own text may quote the address or the peer's bytes: it is not passed on.
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(url, headers)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise FeedError(
                f"did not answer in full within {self._timeout_s:g} s", passing=True
            ) from error
        except httpx.ConnectError as error:
            raise FeedError("cannot be reached", passing=True) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise FeedError("is not an http or https address") from error
        except httpx.TransportError as error:
            raise FeedError("broke off its answer", passing=True) from error

    async def _exchange(self, url: str, headers: dict[str, str]) -> FeedBody | None:
        # Redirects are followed here because httpx would read their bodies without a bound.
        request = self._http.build_request("GET", url, headers=headers)
        for _ in range(MAX_REDIRECTS + 1):
            if request.url.scheme not in {"http", "https"}:  # httpx would take ws for http
                raise FeedError("is not an http or https address")
            async with aclosing(await self._http.send(request, stream=True)) as response:
                if response.next_request is None:
                    return await self._body(response)
                request = response.next_request
        raise FeedError(f"redirects more than {MAX_REDIRECTS} times")

    async def _body(self, response: httpx.Response) -> FeedBody | None:
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return None
        _refuse_fault(response)
        base = response.url.copy_with(username=None, password=None, query=None, fragment=None)
        return FeedBody(
            content=await _decoded(response, self._max_bytes),
            content_type=response.headers.get("content-type", ""),
            base=str(base),
            etag=_validator(response, "etag"),
            modified=_validator(response, "last-modified"),
        )


@cache
def _certificates() -> ssl.SSLContext:
    # Reading the certificates takes longer than reading most feeds.
    return httpx.create_ssl_context()


def _is_passing(error: Exception) -> bool:
    return isinstance(error, FeedError) and error.passing


def _refuse_fault(response: httpx.Response) -> None:
    status = response.status_code
    if status in {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE}:
        until = _asked_until(response.headers.get("retry-after", ""))
        if until is None and status == httpx.codes.TOO_MANY_REQUESTS:
            until = datetime.now(UTC) + DEFAULT_PAUSE
        if until is not None:
            raise FeedError(
                f"answered {status} and is left alone until {until:%Y-%m-%d %H:%M:%S} UTC",
                not_before=until,
            )
    if status != httpx.codes.OK:
        raise FeedError(f"answered {status}", passing=response.is_server_error)


def _asked_until(retry_after: str) -> datetime | None:
    """When a Retry-After header (seconds or a date) allows the next request."""
    now = datetime.now(UTC)
    try:
        if retry_after.isdecimal():
            return now + min(timedelta(seconds=min(int(retry_after), 10**6)), MAX_PAUSE)
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    return min(moment if moment.tzinfo else moment.replace(tzinfo=UTC), now + MAX_PAUSE)


def _validator(response: httpx.Response, header: str) -> str | None:
    """The header's value when it can be sent back as it is."""
    value = response.headers.get(header, "")
    return value if 0 < len(value) <= 512 and value.isascii() else None


async def _decoded(response: httpx.Response, max_bytes: int) -> bytes:
    # httpx inflates whole chunks, as often as Content-Encoding lists gzip; here the decompressor
    # knows the bound, so a bomb never unfolds.
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise FeedError("uses a content encoding that it was not asked for")
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16) if "gzip" in encoding else None
    body = bytearray()
    async for chunk in response.aiter_raw():
        room = max_bytes + 1 - len(body)
        try:
            body += inflater.decompress(chunk, room) if inflater else chunk[:room]
        except zlib.error as error:
            raise FeedError("sent a broken gzip body") from error
        if len(body) > max_bytes:
            raise FeedError(f"is larger than {max_bytes} bytes (BAROMETER_FEED_MAX_BYTES)")
        if inflater and inflater.eof:
            break
    if inflater and not inflater.eof:
        raise FeedError("broke off its answer", passing=True)
    return bytes(body)
