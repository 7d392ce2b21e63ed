"""Posts of X by an event's keywords: its recent search, which reaches a week back.

What the stream (ingestion/x/live.py) brings without a break is not asked for again, since every
post counts against the plan's month; this search fills what a break of the stream leaves out.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Self

import tweepy

from barometer.events import Event
from barometer.posts import Post
from barometer.settings import Settings
from barometer.source_states import position_of
from ingestion.calls.answer import AnswerError
from ingestion.calls.library_call import HalfAnswerError, answered, retrying
from ingestion.following import EVERY_EVENT
from ingestion.source import Position
from ingestion.x.client import ASKED, SOURCE, XAccess, queries_of, reserve
from ingestion.x.posts import posts_of
from ingestion.x.window import XWindow

PAGE_SIZES: Final = (100, 50, 10)
"""Posts to ask for at once, the most and the fewest that the search takes among them."""
PAGES: Final = 10
"""Pages read for one query in one reading; the next one goes on."""
ATTEMPTS: Final = 3


class XSource:
    """Searches X through its client, within the posts that a month allows."""

    name = SOURCE

    def __init__(self, access: XAccess) -> None:
        self._access = access
        self._allowance = access.allowance
        self._retrying = retrying(ATTEMPTS, access.timeout_s)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The source as the settings describe it."""
        return cls(XAccess.from_settings(settings))

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        """Yield what was written about `event` since `position`, newest page first.

        The first reading takes the newest page, later ones everything since.

        Raises:
            SourceError: the API failed or the month's posts are used up; it may say until when.
        """
        queries = queries_of(event.keywords)
        places = position["queries"] = {q: position.get("queries", {}).get(q, {}) for q in queries}
        stream = await asyncio.to_thread(position_of, self._access.engine, SOURCE, EVERY_EVENT)
        client = tweepy.Client(self._access.bearer_token.get_secret_value())
        client.session = self._access.session()
        try:
            for query, place in places.items():
                window = XWindow(place, datetime.now(UTC))
                if window.skip_followed(stream.get("followed", {}).get(query)):
                    continue
                async for post in self._pages(client, query, window):
                    yield post
        except AnswerError as fault:
            raise self._access.named(fault) from fault

    async def _pages(self, client: Any, query: str, window: XWindow) -> AsyncGenerator[Post, None]:
        bounds, token = window.bounds, None
        for _ in range(PAGES):
            what = {"query": query, "next_token": token, **bounds, **ASKED}
            page = await self._retrying(self._ask, client.search_recent_tweets, **what)
            tweets = page.data or ()
            for post in reversed(posts_of(tweets, page.includes)):
                yield post
            token = page.meta.get("next_token")
            if not window.turn_page([tweet.id for tweet in tweets], more=token is not None):
                return

    async def _ask(self, search: Callable[..., Any], **what: Any) -> Any:
        """One page; only its own posts are counted."""
        size = await reserve(self._allowance, PAGE_SIZES)
        try:
            page = await answered(partial(_page, search, max_results=size, **what))
        except HalfAnswerError:
            raise  # it may hold posts, and X may have counted them
        except AnswerError:
            await asyncio.to_thread(self._allowance.give_back, size)
            raise
        unused = size - len(page.data or ())
        await asyncio.to_thread(self._allowance.give_back, max(unused, 0))
        return page


def _page(search: Callable[..., Any], **what: Any) -> Any:
    page = search(**what)
    if not isinstance(page.meta, dict) or "result_count" not in page.meta:
        raise HalfAnswerError("sent an answer that cannot be read")
    return page
