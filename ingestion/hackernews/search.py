"""Comments and stories of Hacker News, by keyword, through the search that Algolia runs for it.

https://hn.algolia.com/api tells its parameters. It needs no key.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Self

from barometer.database import database_url, engine_for
from barometer.errors import SourceError
from barometer.events import Event
from barometer.posts import Post
from barometer.settings import Settings
from barometer.text import mentions
from ingestion.calls.allowance import Allowance
from ingestion.calls.answer import AnswerError, Limits
from ingestion.calls.client import HttpClient, server_of
from ingestion.calls.json_items import document_of, items_of
from ingestion.hackernews.hits import SOURCE, Found, Hit, post_of
from ingestion.source import Position

HOURLY: Final = 10_000
"""Requests that an address may make in an hour, as the API's page says."""
PER_PAGE: Final = 100
REACHABLE: Final = 1_000
"""Hits that the pages of one search reach; more are found by asking for less time."""
LATE_S: Final = 3_600
"""How late a hit may come into the index and still be found: so much is asked for again."""
MAX_REQUESTS: Final = 40
"""Requests for one keyword in one reading; what is left is read the next time."""
SEARCH_DEADLINE_S: Final = 5.0
"""Longest that somebody waits for a search on demand."""


class HackerNewsSource:
    """Searches Hacker News at `url`, within `allowance`.

    `timeout_s` bounds one attempt of one request, `max_bytes` its body.
    """

    name = SOURCE

    def __init__(self, *, url: str, allowance: Allowance, timeout_s: float, max_bytes: int) -> None:
        self._url = url
        self._allowance = allowance
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._search_not_before = datetime.min.replace(tzinfo=UTC)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The source as the settings describe it."""
        engine = engine_for(database_url(settings))
        return cls(
            url=settings.hackernews_url,
            allowance=Allowance(engine, SOURCE, HOURLY, timedelta(hours=1)),
            timeout_s=settings.source_timeout_s,
            max_bytes=settings.source_max_bytes,
        )

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        """Yield what mentions `event` and is new since `position`, keyword by keyword.

        A keyword that was never asked for gives its newest hits. The position holds up to when
        each keyword was read, and the hits of the hour before: a hit may come into the index late.

        Raises:
            SourceError: the search failed, or wants to be left alone; says until when.
        """
        keywords: dict[str, dict[str, Any]] = position.setdefault("keywords", {})
        for gone in keywords.keys() - set(event.keywords):
            del keywords[gone]
        yielded: set[str] = set()
        try:
            async with self._client(self._timeout_s, turn=self._allowance.acquire) as client:
                for keyword in event.keywords:
                    state = keywords.setdefault(keyword, {})
                    async with aclosing(_hits(client, self._url, keyword, state)) as hits:
                        async for hit in hits:
                            post = post_of(hit)
                            # The search also looks at the names of users and stories.
                            if post and post.id not in yielded and event.is_mentioned_in(post.text):
                                yielded.add(post.id)
                                yield post
        except AnswerError as fault:
            raise self._told(fault) from fault

    async def search(self, keyword: str, limit: int) -> list[Post]:
        """The newest posts that mention `keyword`, in one attempt of 5 s at most.

        Raises:
            SourceError: the search failed, or asked earlier to be left alone for longer.
        """
        if self._search_not_before > datetime.now(UTC):
            raise SourceError(
                f"hackernews: {server_of(self._url)} asked to be left alone until "
                f"{self._search_not_before:%Y-%m-%d %H:%M:%S} UTC; try again then.",
                until=self._search_not_before,
            )
        turn = partial(self._allowance.acquire, patience_s=0)
        timeout_s = min(self._timeout_s, SEARCH_DEADLINE_S)
        try:
            async with self._client(timeout_s, turn=turn, attempts=1) as client:
                found = await _ask(client, self._url, keyword, per_page=min(limit, REACHABLE))
            posts = filter(None, map(post_of, items_of(found.hits, Hit, of=SOURCE)))
        except AnswerError as fault:
            self._search_not_before = fault.not_before or self._search_not_before
            raise self._told(fault) from fault
        return [post for post in posts if mentions(keyword).search(post.text)][:limit]

    def _client(
        self, timeout_s: float, *, turn: Callable[[], Awaitable[None]], attempts: int = 3
    ) -> HttpClient:
        limits = Limits(
            timeout_s=timeout_s,
            max_bytes=self._max_bytes,
            max_bytes_setting="BAROMETER_SOURCE_MAX_BYTES",
            attempts=attempts,
        )
        return HttpClient(limits, purpose="public posts", accept="application/json", turn=turn)

    def _told(self, fault: AnswerError) -> SourceError:
        return SourceError(
            f"hackernews: {server_of(self._url)} {fault}; if it lasts, correct "
            "BAROMETER_HACKERNEWS_URL.",
            until=fault.not_before,
        )


async def _hits(
    client: HttpClient, url: str, keyword: str, state: dict[str, Any]
) -> AsyncGenerator[Hit, None]:
    """What `state` does not know of `keyword`, oldest first; advances it past what was taken.

    The search begins at the newest, and its pages end after 1,000 hits. So a span of time that
    holds more is halved until it does not, and the position moves from span to span.
    """
    seen: dict[str, int] = state.setdefault("seen", {})
    now = int(time.time())
    begin = state["until"] - LATE_S if "until" in state else None
    end, asked = now, 0
    while (begin is None or begin < now) and asked < MAX_REQUESTS:
        found = await _ask(client, url, keyword, begin=begin, end=end)
        asked += 1
        if begin is not None and found.in_all > REACHABLE and end - begin > 1:
            end = begin + (end - begin) // 2
            continue
        hits = items_of(found.hits, Hit, of=SOURCE)
        # Of a keyword that is new, the newest are enough.
        pages = 1 if begin is None else min(found.pages, REACHABLE // PER_PAGE)
        for page in range(1, pages):
            more = await _ask(client, url, keyword, begin=begin, end=end, page=page)
            hits += items_of(more.hits, Hit, of=SOURCE)
            asked += 1
        for hit in sorted(hits, key=lambda hit: (hit.created_at_i, hit.id)):
            if hit.id not in seen:
                yield hit
                seen[hit.id] = hit.created_at_i
        begin, end = end, now
        state["until"] = max(begin, state.get("until", 0))
        for gone in [id_ for id_, at in seen.items() if at <= state["until"] - LATE_S]:
            del seen[gone]


async def _ask(
    client: HttpClient,
    url: str,
    keyword: str,
    *,
    begin: int | None = None,
    end: int | None = None,
    page: int = 0,
    per_page: int = PER_PAGE,
) -> Found:
    bounds = {"created_at_i>": begin, "created_at_i<=": end}
    query = {
        # In quotes the search corrects no spelling, completes no word and takes them as a phrase.
        "query": '"{}"'.format(keyword.replace('"', " ")),
        "tags": "(comment,story)",
        "numericFilters": ",".join(f"{k}{v}" for k, v in bounds.items() if v is not None),
        "hitsPerPage": str(per_page),
        "page": str(page),
        "attributesToHighlight": "none",  # it would send every text twice
    }
    answer = await client.get(f"{url}/search_by_date", query=query)
    return document_of(answer.content, Found)
