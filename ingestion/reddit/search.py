"""Reddit, asked from time to time: submissions that a search finds for an event's keywords."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any, Final, Self

import structlog

from barometer.events import Event
from barometer.posts import Post
from barometer.settings import Settings
from ingestion.reddit.client import MAX_PAGES, PAGE, SOURCE, RedditAccess, RedditClient
from ingestion.reddit.memory import Taken
from ingestion.reddit.posts import is_known, mark_of, post_of
from ingestion.source import Position

log = structlog.get_logger()
MAX_QUERY: Final = 512
"""Characters of a query: Reddit cuts longer ones."""


class RedditSource:
    """Searches chosen subreddits, newest first, back to what was taken before.

    Comments cannot be searched at Reddit: `ingestion.reddit.live` follows them.
    """

    name = SOURCE

    def __init__(self, access: RedditAccess, subreddits: Sequence[str]) -> None:
        self._access = access
        self._subreddits = "+".join(subreddits)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The source as the settings describe it."""
        return cls(RedditAccess.from_settings(settings), settings.reddit_subreddits)

    async def read(self, event: Event, position: Position) -> AsyncGenerator[Post, None]:
        """Yield the submissions that the search finds for `event`, oldest first.

        All pages are read before the first post is yielded: a fault in the middle leaves no gap.

        Raises:
            SourceError: Reddit answered with a fault, or no call is left.
        """
        queries = queries_for(event.keywords)
        taken = Taken(position, of=f"{self._subreddits} {' '.join(queries)}")
        async with self._access.opened() as client:
            found = [thing for query in queries for thing in await self._new(client, query, taken)]
        marked = {mark: thing for thing in found if (mark := mark_of(thing))}
        for mark in sorted(marked):
            post = post_of(marked[mark])
            if post is not None:
                yield post
            taken.take(mark)  # only here has the caller come back for more

    async def _new(self, client: RedditClient, query: str, taken: Taken) -> list[Any]:
        listing: Iterator[Any] = client.reddit.subreddit(self._subreddits).search(
            query, sort="new", time_filter="all", limit=PAGE * MAX_PAGES
        )
        found = await client.until_known(listing, lambda thing: is_known(thing, taken))
        if taken.newest is not None and len(found) >= PAGE * MAX_PAGES:
            log.warning("reddit holds more new posts than it lists", source=SOURCE)
        return found


def queries_for(keywords: Sequence[str]) -> list[str]:
    """As few queries as hold all keywords, each keyword a phrase."""
    queries: list[str] = []
    for keyword in keywords:
        # A phrase cannot hold its own quotes, and Reddit's query language has no escape for them.
        phrase = f'"{keyword.replace(chr(34), " ").strip()}"'
        longer = f"{queries[-1]} OR {phrase}" if queries else ""
        if longer and len(longer) <= MAX_QUERY:
            queries[-1] = longer
        else:
            queries.append(phrase)
    return queries
