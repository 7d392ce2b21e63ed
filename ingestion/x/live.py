"""Posts of X as they are written: its filtered stream, one connection for all events.

Backfill after a break is for X's largest plans alone, so it is not asked for: the stream notes from
when to when it brought everything, and the polled search (search.py) reads what lies between.
"""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, Self

import tweepy
from tweepy.streaming import StreamResponse

from barometer.errors import SourceError
from barometer.posts import Post
from barometer.settings import Settings
from ingestion.calls.allowance import Allowance
from ingestion.calls.answer import AnswerError
from ingestion.source import Events, Position
from ingestion.x.client import SOURCE, XAccess, reserve
from ingestion.x.connection import XConnection
from ingestion.x.posts import posts_of
from ingestion.x.rules import StreamRules, slugs_of

SILENCE_S: Final = 45.0
"""Longest silence of a stream that stands: it says something every 20 seconds."""
RENEW_S: Final = 10.0
"""Seconds between two looks whether the events, and so the rules, have changed."""
RESERVES: Final = (50, 10, 1)
"""Posts that are taken from the month's in advance; what does not come is given back."""
WAITING: Final = 200
"""Posts that wait for the intake; beyond, the stream is read no further."""


class XStream:
    """Follows X through its client, within the posts that a month allows.

    `silence_s` bounds the stream's silence; `renew_s` is the pause between two looks at the events.
    """

    name = SOURCE

    def __init__(
        self, access: XAccess, *, silence_s: float = SILENCE_S, renew_s: float = RENEW_S
    ) -> None:
        self._access = access
        self._silence_s = silence_s
        self._renew_s = renew_s

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The source as the settings describe it."""
        return cls(XAccess.from_settings(settings))

    async def follow(self, events: Events, position: Position) -> AsyncGenerator[Post, None]:
        """Yield posts that match the events' rules, as they come.

        `position` holds since when and until when each rule was followed without a break.

        Raises:
            SourceError: the stream broke or the month's posts are used up; it may say until when.
        """
        lines: asyncio.Queue[Any | SourceError | None] = asyncio.Queue(WAITING)
        purse = _Purse(self._access.allowance)

        async def on_line(line: Any | SourceError | None) -> None:
            await lines.put(line)
            if isinstance(line, StreamResponse):
                await purse.spend_one()

        token = self._access.bearer_token.get_secret_value()
        rules_client = tweepy.StreamingClient(token)
        rules_client.session = self._access.session()
        rules = StreamRules(rules_client)
        own_session = self._access.session(silence_s=self._silence_s)
        connection = XConnection(token, own_session, on_line)
        try:
            await rules.renew(events())
            await purse.fill()
            connection.start()
            renew_at = monotonic() + self._renew_s
            while True:
                if monotonic() >= renew_at:
                    await rules.renew(events())
                    renew_at = monotonic() + self._renew_s
                try:
                    async with asyncio.timeout(renew_at - monotonic()):
                        line = await lines.get()
                except TimeoutError:
                    continue
                if isinstance(line, SourceError):
                    raise line
                if line is not None:
                    slugs = slugs_of(line.matching_rules, events())
                    for post in posts_of([line.data], line.includes):
                        yield post.model_copy(update={"events": slugs})
                position["followed"] = rules.followed(datetime.now(UTC))
        except AnswerError as fault:
            raise self._access.named(fault) from fault
        finally:
            await connection.stop()
            await purse.give_back()


class _Purse:
    """Posts taken in advance, so that none is read that the month does not allow."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._left = 0

    async def fill(self) -> None:
        """Take some, if none is left.

        Raises:
            SourceError: the month's are used up; says until when.
        """
        if self._left == 0:
            self._left = await reserve(self._allowance, RESERVES)

    async def spend_one(self) -> None:
        """Count one post, and see to it that there is a next.

        Raises:
            SourceError: the month's are used up; says until when.
        """
        self._left -= 1
        await self.fill()

    async def give_back(self) -> None:
        """Count no longer what was not spent."""
        unused, self._left = self._left, 0
        if unused:
            await asyncio.to_thread(self._allowance.give_back, unused)
