"""What both ways to read X share: who asks, what is asked of a post, whose fault it is.

Reposts are not asked for: each would count as a post of the plan and says nothing of its own.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self
from urllib.parse import urlsplit

from pydantic import SecretStr
from sqlalchemy import Engine

from barometer.database import database_url, engine_for
from barometer.errors import SourceError
from barometer.settings import Settings
from ingestion.calls.allowance import Allowance
from ingestion.calls.answer import AnswerError
from ingestion.calls.bounded_session import BoundedSession
from ingestion.keyword_queries import any_of

SOURCE: Final = "x"
LIBRARY_BASE: Final = "https://api.twitter.com"
"""Where tweepy sends its requests."""
LONGEST_QUERY: Final = 512
"""Characters of a query or rule that every plan takes."""
WINDOW: Final = timedelta(minutes=15)
"""In which X counts the requests that it allows."""
WITHOUT_REPOSTS: Final = "({}) -is:retweet"
ASKED: Final[dict[str, Any]] = {
    "tweet_fields": ["created_at", "lang", "author_id", "public_metrics", "note_tweet"],
    "expansions": ["author_id"],
    "user_fields": ["username"],
}
"""Fields of a post beyond its id and text; `note_tweet` is the whole of a long one."""
REMEDIES: Final = {
    400: "shorten the event's keywords",
    401: "correct BAROMETER_X_BEARER_TOKEN",
    403: "correct BAROMETER_X_BEARER_TOKEN, or its app's plan does not allow this",
    429: "lower BAROMETER_X_MONTHLY_POSTS if its plan allows fewer",
}

# At DEBUG the library logs the bearer token, at ERROR what the server said.
logging.getLogger("tweepy").setLevel(logging.CRITICAL)


def queries_of(keywords: Iterable[str]) -> list[str]:
    """The queries that find posts with any of `keywords`, or the rules that match them."""
    longest = LONGEST_QUERY - len(WITHOUT_REPOSTS.format(""))
    return [WITHOUT_REPOSTS.format(query) for query in any_of(keywords, longest)]


@dataclass(frozen=True)
class XAccess:
    """Who asks X, and how much an answer, and all of them together, may cost."""

    engine: Engine
    """Counts the posts."""
    bearer_token: SecretStr
    base_url: str
    monthly_posts: int
    timeout_s: float
    max_bytes: int

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """As the settings say; all processes on one database share one allowance."""
        return cls(
            engine=engine_for(database_url(settings)),
            bearer_token=settings.x_bearer_token,
            base_url=settings.x_api_url,
            monthly_posts=settings.x_monthly_posts,
            timeout_s=settings.source_timeout_s,
            max_bytes=settings.source_max_bytes,
        )

    @property
    def allowance(self) -> Allowance:
        """The posts that the plan allows; search and stream draw on the same."""
        return Allowance(
            self.engine, SOURCE, self.monthly_posts, timedelta(days=30), counted="posts"
        )

    def session(self, *, silence_s: float | None = None) -> BoundedSession:
        """A session that takes the library's requests to `base_url`."""
        return BoundedSession(
            library_base=LIBRARY_BASE,
            base=self.base_url,
            timeout_s=self.timeout_s,
            max_bytes=self.max_bytes,
            default_pause=WINDOW,
            silence_s=silence_s,
        )

    def named(self, fault: AnswerError) -> SourceError:
        """The fault as people see it."""
        remedy = REMEDIES.get(fault.answered or 0, "if it lasts, correct BAROMETER_X_API_URL")
        host = urlsplit(self.base_url).hostname
        return SourceError(f"x: the API at {host} {fault}; {remedy}.", until=fault.not_before)


async def reserve(allowance: Allowance, sizes: Sequence[int]) -> int:
    """Take the first of `sizes`, largest first, that is left.

    Raises:
        SourceError: not even the last of them is; says until when.
    """
    left = await asyncio.to_thread(allowance.left)
    for size in sizes[:-1]:
        if size <= left and await asyncio.to_thread(allowance.take, size) == 0:
            return size
    await allowance.acquire(sizes[-1], patience_s=0)
    return sizes[-1]
