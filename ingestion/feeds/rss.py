"""RSS and Atom: a news search for an event's keywords, and the feeds of the settings."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Self
from urllib.parse import quote

import httpx

from barometer.errors import SourceError
from barometer.events import Event
from barometer.posts import Post
from barometer.settings import Settings
from barometer.source_settings import OFF
from ingestion.calls.answer import AnswerError
from ingestion.calls.client import HttpClient
from ingestion.feeds.client import feed_client, read_feed
from ingestion.feeds.entries import SOURCE, posts_of
from ingestion.feeds.memory import FeedMemory, forget_others
from ingestion.source import Position

CONCURRENT: Final = 4
"""Feeds read at a time."""
SEARCH_DEADLINE_S: Final = 5.0
"""Longest that somebody waits for a search on demand."""


@dataclass(frozen=True, slots=True)
class _Feed:
    """One address to read."""

    url: str
    answers_keyword: bool
    """Whether all its entries are about the event."""

    @property
    def host(self) -> str:
        """What people see of the address: the rest of it may hold a key."""
        try:
            return httpx.URL(self.url).host or "an address without a host"
        except httpx.InvalidURL:
            return "an unreadable address"


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one feed brought: a fault, or posts when it changed."""

    feed: _Feed
    memory: FeedMemory
    fault: AnswerError | None = None
    changed: bool = False
    posts: list[Post] = field(default_factory=list)
    etag: str | None = None
    modified: str | None = None


class RssSource:
    """Reads feeds politely: only what changed, no more often than they allow.

    `search_url` holds `{keyword}` and gives a feed of what mentions it; `feeds` are read for every
    event, and of them only the entries that mention it are kept. `timeout_s` bounds one attempt
    for one feed, `max_bytes` its decompressed body.
    """

    name = SOURCE

    def __init__(
        self, *, feeds: Sequence[str], search_url: str | None, timeout_s: float, max_bytes: int
    ) -> None:
        self._feeds = [_Feed(url, answers_keyword=False) for url in dict.fromkeys(feeds)]
        self._search_url = search_url
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._search_not_before = datetime.min.replace(tzinfo=UTC)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The source as the settings describe it."""
        search_url = settings.news_search_url
        return cls(
            feeds=settings.feeds,
            search_url=None if search_url == OFF else search_url,
            timeout_s=settings.feed_timeout_s,
            max_bytes=settings.feed_max_bytes,
        )

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        """Yield the entries about `event` that are new since `position`, feed by feed.

        The feeds are read at the same time; one that fails does not stop the others.

        Raises:
            SourceError: at the end, with the host and the fault of each feed that failed. The
                position is to be saved even then: it holds when they may be asked again.
        """
        feeds = [*(self._search_feed(keyword) for keyword in event.keywords), *self._feeds]
        memories = {feed: FeedMemory(position, feed.host, feed.url) for feed in feeds if feed}
        forget_others(position, memories.values())
        due = {feed: memory for feed, memory in memories.items() if not memory.is_paused}
        faults: list[str] = []
        yielded: set[str] = set()
        async with feed_client(timeout_s=self._timeout_s, max_bytes=self._max_bytes) as client:
            slots = asyncio.Semaphore(CONCURRENT)
            tasks = [asyncio.create_task(_read_one(client, *one, slots)) for one in due.items()]
            try:
                for finished in asyncio.as_completed(tasks):
                    reading = await finished
                    if reading.fault is not None:
                        faults.append(f"{reading.feed.host} {reading.fault}")
                    for post in _new(reading, event):
                        if post.id not in yielded:
                            yielded.add(post.id)
                            yield post
                        reading.memory.take(post.id)  # only here has the caller come back for more
                    _remember(reading)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        if faults:
            raise SourceError(
                f"rss: {len(faults)} of {len(due)} feeds failed ({'; '.join(sorted(faults))}), "
                "what the others hold was read; if it lasts, correct BAROMETER_FEEDS or "
                "BAROMETER_NEWS_SEARCH_URL."
            )

    async def search(self, keyword: str, limit: int) -> list[Post]:
        """At most `limit` posts that the news search finds now, in one attempt of 5 s at most.

        Empty when no search is configured.

        Raises:
            SourceError: the search failed, or asked earlier to be left alone for longer.
        """
        feed = self._search_feed(keyword)
        if feed is None:
            return []
        if self._search_not_before > datetime.now(UTC):
            raise SourceError(
                f"rss: the news search at {feed.host} asked to be left alone until "
                f"{self._search_not_before:%Y-%m-%d %H:%M:%S} UTC; try again then."
            )
        timeout_s = min(self._timeout_s, SEARCH_DEADLINE_S)
        try:
            async with feed_client(
                timeout_s=timeout_s, max_bytes=self._max_bytes, attempts=1
            ) as client:
                body = await read_feed(client, feed.url)
            posts = await asyncio.to_thread(posts_of, body, feed.host) if body else []
        except AnswerError as fault:
            self._search_not_before = fault.not_before or self._search_not_before
            raise SourceError(
                f"rss: the news search failed ({feed.host} {fault}); if it lasts, correct "
                "BAROMETER_NEWS_SEARCH_URL."
            ) from fault
        return posts[:limit]

    def _search_feed(self, keyword: str) -> _Feed | None:
        if self._search_url is None:
            return None
        url = self._search_url.replace("{keyword}", quote(keyword, safe=""))
        return _Feed(url, answers_keyword=True)


async def _read_one(
    client: HttpClient, feed: _Feed, memory: FeedMemory, slots: asyncio.Semaphore
) -> _Reading:
    try:
        async with slots:
            body = await read_feed(client, feed.url, etag=memory.etag, modified=memory.modified)
            if body is None:
                return _Reading(feed, memory)
            posts = await asyncio.to_thread(posts_of, body, feed.host)
    except AnswerError as fault:
        return _Reading(feed, memory, fault=fault)
    return _Reading(feed, memory, changed=True, posts=posts, etag=body.etag, modified=body.modified)


def _new(reading: _Reading, event: Event) -> list[Post]:
    """The posts that are about `event` and were not taken before."""
    return [
        post
        for post in reading.posts
        if (reading.feed.answers_keyword or event.is_mentioned_in(post.text))
        and not reading.memory.has_seen(post.id)
    ]


def _remember(reading: _Reading) -> None:
    reading.memory.pause(reading.fault.not_before if reading.fault else None)
    if reading.changed:
        reading.memory.finish((p.id for p in reading.posts), reading.etag, reading.modified)
