"""Articles and headlines of newsapi.org, by an event's keywords.

The free plan allows 100 requests a day and shows articles 24 hours late. So the events that ask for
this source share its day evenly: a request made for one of them costs it one share, a day divided
by the requests allowed and multiplied by the events. With 100 requests and three events that is
43 minutes, and a turn of two requests (a search, and the headlines) comes every 86. Between its
turns an event's reading asks nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Self
from urllib.parse import urlsplit

import newsapi
import newsapi.const
from sqlalchemy import Engine

from barometer.database import database_url, engine_for
from barometer.errors import SettingsError, SourceError
from barometer.events import Event, tracked
from barometer.posts import Post
from barometer.settings import Settings
from barometer.source_settings import ANY_LANGUAGE
from ingestion.calls.allowance import Allowance
from ingestion.calls.answer import AnswerError
from ingestion.calls.bounded_session import BoundedSession
from ingestion.calls.library_call import answered, retrying
from ingestion.keyword_queries import any_of
from ingestion.newsapi.articles import SOURCE, articles_of
from ingestion.newsapi.window import NewsWindow
from ingestion.source import Position

DAY: Final = timedelta(days=1)
PAGE: Final = 100
"""Articles of one answer, the most that there are."""
PAGES: Final = 5
"""Answers read for one query in one turn; the next turn goes on."""
LONGEST_QUERY: Final = 500
"""Characters of a query."""
MOST_PUBLISHERS: Final = 20
"""Publishers of one request."""
ATTEMPTS: Final = 2
LONGEST_PAUSE: Final = timedelta(hours=1)
"""Longest that an event is left alone after a fault that says nothing of when to come again."""
REMEDIES: Final = {
    400: "correct BAROMETER_NEWS_SOURCES or BAROMETER_NEWS_LANGUAGE",
    401: "correct BAROMETER_NEWS_API_KEY",
    403: "correct BAROMETER_NEWS_API_KEY",
    426: "its plan allows no such request",
    429: "lower BAROMETER_NEWS_DAILY_REQUESTS if its plan allows fewer",
}


class NewsSource:
    """Reads newsapi.org through its client, as often as the allowance lets.

    `language` is empty for any, `publishers` for all. `timeout_s` and `max_bytes` bound one
    answer. `engine` counts the requests, and knows how many events share them.
    """

    name = SOURCE

    def __init__(
        self,
        *,
        engine: Engine,
        api_key: str,
        base_url: str,
        language: str = "",
        publishers: Sequence[str] = (),
        daily_requests: int,
        timeout_s: float,
        max_bytes: int,
    ) -> None:
        if language and language not in newsapi.const.languages:
            known = ", ".join(sorted(newsapi.const.languages))
            raise SettingsError(f"BAROMETER_NEWS_LANGUAGE: must be any, or one of {known}.")
        if len(publishers) > MOST_PUBLISHERS:
            raise SettingsError(f"BAROMETER_NEWS_SOURCES: at most {MOST_PUBLISHERS} can be asked.")
        self._engine = engine
        self._api_key = api_key
        self._base_url = base_url
        self._filter = {"language": language or None, "sources": ",".join(publishers) or None}
        self._share = DAY / daily_requests
        self._allowance = Allowance(engine, SOURCE, daily_requests, DAY, counted="requests")
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The source as the settings describe it."""
        return cls(
            engine=engine_for(database_url(settings)),
            api_key=settings.news_api_key.get_secret_value(),
            base_url=settings.news_api_url,
            language="" if settings.news_language == ANY_LANGUAGE else settings.news_language,
            publishers=settings.news_sources,
            daily_requests=settings.news_daily_requests,
            timeout_s=settings.source_timeout_s,
            max_bytes=settings.source_max_bytes,
        )

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        """Yield what was published about `event` since `position`, or nothing before its turn.

        The first reading takes the newest 100 articles, later ones everything since.

        Raises:
            SourceError: the API failed or its allowance is used up; says until when.
        """
        if "next" in position and datetime.fromisoformat(position["next"]) > datetime.now(UTC):
            return
        share = self._share * await asyncio.to_thread(self._sharing)
        queries = any_of(event.keywords, LONGEST_QUERY)
        places = position["queries"] = {q: position.get("queries", {}).get(q, {}) for q in queries}
        turn = _Turn(self._allowance, self._session(), self._api_key, self._timeout_s)
        try:
            for query, place in places.items():
                async for post in self._search(turn, query, place):
                    yield post
                async for post in self._headlines(turn, query, place):
                    yield post
        except AnswerError as fault:
            remedy = REMEDIES.get(
                fault.answered or 0, "if it lasts, correct BAROMETER_NEWS_API_URL"
            )
            pause = min(max(turn.requests, 1) * share, LONGEST_PAUSE)
            raise SourceError(
                f"news: the API at {urlsplit(self._base_url).hostname} {fault}; {remedy}.",
                until=fault.not_before or datetime.now(UTC) + pause,
            ) from fault
        position["next"] = (datetime.now(UTC) + turn.requests * share).isoformat()

    async def _search(
        self, turn: "_Turn", query: str, place: dict[str, Any]
    ) -> AsyncGenerator[Post, None]:
        window = NewsWindow(place, datetime.now(UTC))
        for _ in range(PAGES):
            span = {"from_param": window.begins, "to": window.until, "sort_by": "publishedAt"}
            posts, total = await turn.ask("get_everything", q=query, **span, **self._filter)
            for post in reversed(posts):
                if not window.has_seen(post):
                    yield post
                    window.take(post)  # only here has the caller come back for more
            if not window.turn_page(posts, more=total > PAGE):
                return

    async def _headlines(
        self, turn: "_Turn", query: str, place: dict[str, Any]
    ) -> AsyncGenerator[Post, None]:
        known = {*place.get("headlines", ()), *place.get("seen", ())}
        posts, _ = await turn.ask("get_top_headlines", q=query, **self._filter)
        for post in reversed(posts):
            if post.id not in known:
                yield post
        place["headlines"] = [post.id for post in posts]

    def _session(self) -> BoundedSession:
        return BoundedSession(
            library_base=newsapi.const.EVERYTHING_URL.removesuffix("/everything"),
            base=self._base_url,
            timeout_s=self._timeout_s,
            max_bytes=self._max_bytes,
            default_pause=LONGEST_PAUSE,
        )

    def _sharing(self) -> int:
        return max(sum(SOURCE in event.sources for event in tracked(self._engine)), 1)


class _Turn:
    """The requests of one reading, each of them counted."""

    def __init__(
        self, allowance: Allowance, session: BoundedSession, api_key: str, timeout_s: float
    ) -> None:
        self._allowance = allowance
        self._retrying = retrying(ATTEMPTS, timeout_s)
        self._client = newsapi.NewsApiClient(api_key, session=session)
        self.requests = 0

    async def ask(self, method: str, **what: Any) -> tuple[list[Post], int]:
        """One page of the client's `method`, tried again once after what may pass."""
        call = partial(getattr(self._client, method), page_size=PAGE, **what)
        return await self._retrying(self._attempt, call)

    async def _attempt(self, call: Callable[[], Any]) -> tuple[list[Post], int]:
        await self._allowance.acquire(patience_s=0)
        self.requests += 1
        return articles_of(await answered(call))
