"""Reddit as it is written: new submissions and comments of the chosen subreddits."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final, Self

from barometer.posts import Post
from barometer.settings import Settings
from ingestion.reddit.client import MAX_PAGES, PAGE, SOURCE, RedditAccess, RedditClient
from ingestion.reddit.memory import Mark, Taken
from ingestion.reddit.posts import is_known, mark_of, post_of
from ingestion.source import Events, Position

BUSY_S: Final = 1.5
"""Pause after a full page: there may be more already."""
LONGEST_S: Final = 16.0
"""Longest pause after answers that held nothing new; each doubles it."""


@dataclass
class _Feed:
    """One of praw's streams, and when it is asked again."""

    taken: Taken
    pages: Iterator[Any]
    """What praw's stream yields: things, and None at the end of each answer."""
    newest_first: Iterator[Any]
    """The listing behind it."""
    due: float
    pause_s: float
    begun: bool = False


class RedditStream:
    """Follows submissions and comments through praw's streams, in turn, in one thread.

    `pause_s` is the pause after an answer that held something new. praw may need two calls for an
    answer: so two streams at 3 s leave at least 20 of the 100 calls a minute to searches and to
    the daily check.
    """

    name = SOURCE

    def __init__(
        self, access: RedditAccess, subreddits: Sequence[str], *, pause_s: float = 3.0
    ) -> None:
        self._access = access
        self._subreddits = "+".join(subreddits)
        self._pause_s = pause_s

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The stream as the settings describe it."""
        return cls(RedditAccess.from_settings(settings), settings.reddit_subreddits)

    async def follow(self, events: Events, position: Position) -> AsyncGenerator[Post, None]:
        """Yield what mentions one of `events`, each stream from where it stood; does not end.

        Raises:
            SourceError: Reddit answered with a fault, or no call is left.
        """
        loop = asyncio.get_running_loop()
        async with self._access.opened() as client:
            feeds = [self._feed(client, kind, position) for kind in ("submissions", "comments")]
            while True:
                feed = min(feeds, key=lambda each: each.due)
                await asyncio.sleep(max(feed.due - loop.time(), 0.0))
                things = await _next_page(client, feed)
                new = [mark for mark in things if not feed.taken.has(mark)]
                for mark in sorted(new):
                    post = post_of(things[mark])
                    if post and any(event.is_mentioned_in(post.text) for event in events()):
                        yield post
                    feed.taken.take(mark)  # only here has the caller come back for more
                if len(things) >= PAGE:
                    feed.pause_s = min(BUSY_S, self._pause_s)
                else:
                    feed.pause_s = self._pause_s if new else min(2 * feed.pause_s, LONGEST_S)
                feed.due = loop.time() + feed.pause_s

    def _feed(self, client: RedditClient, kind: str, position: Position) -> _Feed:
        taken = Taken(position.setdefault(kind, {}), of=self._subreddits)
        subreddit = client.reddit.subreddit(self._subreddits)
        listing = subreddit.new if kind == "submissions" else subreddit.comments
        return _Feed(
            taken,
            getattr(subreddit.stream, kind)(continue_after_id=taken.newest, pause_after=-1),
            listing(limit=PAGE * MAX_PAGES),
            due=0.0,
            pause_s=self._pause_s,
        )


async def _next_page(client: RedditClient, feed: _Feed) -> dict[Mark, Any]:
    """What one more answer of the stream holds.

    In no order: Reddit may tell some of it twice, and praw then has it pell-mell.
    """
    things = await client.call(lambda: list(takewhile(lambda thing: thing is not None, feed.pages)))
    if not things and not feed.begun and feed.taken.newest is not None:
        # Nothing is newer, or what the stream was to go on after is deleted, and Reddit lists
        # nothing beside it: the listing itself tells.
        things = await client.until_known(
            feed.newest_first, lambda thing: is_known(thing, feed.taken)
        )
    feed.begun = True
    return {mark: thing for thing in things if (mark := mark_of(thing))}
