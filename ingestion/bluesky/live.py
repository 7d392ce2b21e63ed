"""The `bluesky` source: all of Bluesky as it is written, from a Jetstream server, without a key."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Final, Self

import structlog

from barometer.events import Event
from barometer.posts import Post
from barometer.settings import Settings
from ingestion.bluesky.connection import PING_S, Jetstream
from ingestion.bluesky.keywords import any_of
from ingestion.bluesky.messages import (
    COLLECTION,
    SOURCE,
    is_time,
    microseconds,
    moment,
    parsed,
    post_of,
    text_of,
)
from ingestion.source import Events, Position

log = structlog.get_logger()
REWIND_US: Final = 5_000_000
"""How far before the last message a connection resumes, as the protocol advises: what comes twice
is one post, by its id."""
LOST: Final = timedelta(minutes=1)
"""A first message so long after the cursor tells that the server no longer has what lay between:
somebody on the network does something every second."""


class BlueskyStream:
    """Follows Bluesky for all events at once.

    The server sends every post, since it knows no keywords. Nothing is done for each but to read
    its JSON, which takes less time than any search through its bytes for as many keywords, and to
    hold one pattern of all keywords against its text. `python -m benchmarks.jetstream` measures it.

    Only what is created is read: Bluesky's own app does not change posts. What was taken is not
    withdrawn when its author deletes it.
    """

    name = SOURCE

    def __init__(
        self, url: str, *, timeout_s: float, max_bytes: int, ping_s: float = PING_S
    ) -> None:
        """`timeout_s` is for the handshake, `max_bytes` the largest message that is taken."""
        self._jetstream = Jetstream(
            url, COLLECTION, timeout_s=timeout_s, max_bytes=max_bytes, ping_s=ping_s
        )
        self.unreadable = 0
        """Messages that were none of Jetstream's shape, and were passed over."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The stream that the settings ask for."""
        return cls(
            settings.bluesky_url,
            timeout_s=settings.source_timeout_s,
            max_bytes=settings.source_max_bytes,
        )

    async def follow(self, events: Events, position: Position) -> AsyncGenerator[Post, None]:
        """Yield posts that mention one of `events`, from where `position` says or from now on.

        Raises:
            SourceError: the connection failed; the caller waits and calls again.
        """
        asking: Sequence[Event] = ()
        mentioned = any_of(())
        resuming = cursor = _resume_at(position, events())
        async with aclosing(self._jetstream.messages(cursor)) as messages:
            async for content in messages:
                post = None
                try:
                    message = parsed(content)
                    seen_us = message["time_us"]
                    if (now_asking := events()) != asking:
                        asking = now_asking
                        mentioned = any_of(word for event in asking for word in event.keywords)
                    if mentioned.search(text_of(message)):
                        post = post_of(message)
                except (KeyError, TypeError, ValueError):
                    self._pass_over()
                    continue
                if resuming is not None:
                    _say_if_lost(resuming, seen_us)
                    resuming = None
                if post is not None:
                    yield post
                position["cursor"] = seen_us

    def _pass_over(self) -> None:
        self.unreadable += 1
        if self.unreadable.bit_count() == 1:  # 1, 2, 4, 8, ...: a flood of them fills no log
            log.warning("messages that cannot be read", source=SOURCE, so_far=self.unreadable)


def _resume_at(position: Position, events: Sequence[Event]) -> int | None:
    """The cursor to ask for; None: from now on.

    Nothing before the oldest of the events was tracked is asked for: after a year in which nobody
    wanted this source, all that the server still has would come.
    """
    last = position.get("cursor")
    if not is_time(last):
        return None
    oldest = min((microseconds(event.created_at) for event in events), default=last)
    now = microseconds(datetime.now(UTC))
    return min(max(last, oldest), now) - REWIND_US


def _say_if_lost(asked: int, first: int) -> None:
    if moment(first) - moment(asked) > LOST:
        log.warning(
            "posts are lost: the server keeps none from so long ago",
            source=SOURCE,
            since=moment(asked).isoformat(),
            until=moment(first).isoformat(),
        )
