"""The body of one feed over HTTP, sent only when it has changed."""

from dataclasses import dataclass
from typing import Final

import httpx

from ingestion.calls.answer import Answer, Limits
from ingestion.calls.client import HttpClient

ACCEPT: Final = "application/rss+xml, application/atom+xml, text/xml;q=0.9, */*;q=0.5"


@dataclass(frozen=True, slots=True)
class FeedBody:
    """What a feed answered."""

    content: bytes
    content_type: str
    base: str
    """Address after redirects, without credentials and query; relative links start from it."""
    etag: str | None
    modified: str | None


def feed_client(*, timeout_s: float, max_bytes: int, attempts: int = 3) -> HttpClient:
    """A client for `read_feed`; `timeout_s` and `max_bytes` are one attempt's."""
    limits = Limits(
        timeout_s=timeout_s,
        max_bytes=max_bytes,
        max_bytes_setting="BAROMETER_FEED_MAX_BYTES",
        attempts=attempts,
    )
    good = (httpx.codes.OK, httpx.codes.NOT_MODIFIED)
    return HttpClient(limits, purpose="feed reader", accept=ACCEPT, good=good)


async def read_feed(
    client: HttpClient, url: str, *, etag: str | None = None, modified: str | None = None
) -> FeedBody | None:
    """The feed at `url`, or None when it is as it was at `etag` and `modified`.

    Raises:
        AnswerError: it cannot be read, or wants to be asked later.
    """
    conditions = {"If-None-Match": etag, "If-Modified-Since": modified}
    sent = {name: value for name, value in conditions.items() if value}
    answer = await client.get(url, headers=sent)
    if answer.status == httpx.codes.NOT_MODIFIED:
        return None
    return FeedBody(
        content=answer.content,
        content_type=answer.headers.get("content-type", ""),
        base=answer.base,
        etag=_validator(answer, "etag"),
        modified=_validator(answer, "last-modified"),
    )


def _validator(answer: Answer, header: str) -> str | None:
    """The header's value when it can be sent back as it is."""
    value = answer.headers.get(header, "")
    return value if 0 < len(value) <= 512 and value.isascii() else None
