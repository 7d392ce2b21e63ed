"""What a server answers over HTTP, good or bad, bounded in bytes."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx

from barometer.errors import SourceError
from ingestion.calls.pauses import asked_until, resets_at

DEFAULT_PAUSE: Final = timedelta(minutes=1)
"""How long a server is left alone that answers 429 and does not say for how long."""


class AnswerError(SourceError):
    """An address cannot be read. The message is the reason alone: who reads it names the server."""

    def __init__(
        self,
        reason: str,
        *,
        passing: bool = False,
        not_before: datetime | None = None,
        answered: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.passing = passing
        """Whether another attempt may do better."""
        self.not_before = not_before
        """When the server wants to be asked again, if it said so."""
        self.answered = answered
        """The status that was no good, if there was an answer."""


def is_passing(error: Exception) -> bool:
    """Whether another attempt may do better."""
    return isinstance(error, AnswerError) and error.passing


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, decompressed."""

    status: int
    headers: httpx.Headers
    content: bytes
    base: str
    """Address after redirects, without credentials and query."""
    links: Mapping[str, str]
    """Addresses of its Link header, by relation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one answer may take."""

    timeout_s: float
    """Of one attempt, to the body's last byte; all attempts together take 3 times it."""
    max_bytes: int
    """Of the decompressed body."""
    max_bytes_setting: str
    """The setting that the bound comes from, for people."""
    attempts: int = 3


def fault_of(
    status: int, headers: Mapping[str, str], *, default_pause: timedelta = DEFAULT_PAUSE
) -> AnswerError:
    """What is wrong with a status that is no good, and when the server may be asked again."""
    until = None
    if status in {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE}:
        until = asked_until(headers.get("retry-after", ""))
    if status == httpx.codes.TOO_MANY_REQUESTS and until is None:
        reset = headers.get("x-ratelimit-reset") or headers.get("x-rate-limit-reset")
        until = resets_at(reset or "") or datetime.now(UTC) + default_pause
    if until is None:
        passing = status >= httpx.codes.INTERNAL_SERVER_ERROR
        return AnswerError(f"answered {status}", passing=passing, answered=status)
    reason = f"answered {status} and is left alone until {until:%Y-%m-%d %H:%M:%S} UTC"
    return AnswerError(reason, not_before=until, answered=status)


async def decoded(response: httpx.Response, limits: Limits) -> bytes:
    """The body of `response`, decompressed.

    Raises:
        AnswerError: it is larger than it may be, or broken.
    """
    # httpx inflates whole chunks, as often as Content-Encoding lists gzip; here the decompressor
    # knows the bound, so a bomb never unfolds.
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise AnswerError("uses a content encoding that it was not asked for")
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16) if "gzip" in encoding else None
    body = bytearray()
    async for chunk in response.aiter_raw():
        room = limits.max_bytes + 1 - len(body)
        try:
            body += inflater.decompress(chunk, room) if inflater else chunk[:room]
        except zlib.error as error:
            raise AnswerError("sent a broken gzip body") from error
        if len(body) > limits.max_bytes:
            raise AnswerError(
                f"is larger than {limits.max_bytes} bytes ({limits.max_bytes_setting})"
            )
        if inflater and inflater.eof:
            break
    if inflater and not inflater.eof:
        raise AnswerError("broke off its answer", passing=True)
    return bytes(body)
