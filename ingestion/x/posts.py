"""From what tweepy reads to posts, and the moments that X's ids hold."""

import contextlib
import html
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from barometer.posts import Post
from ingestion.x.client import SOURCE

EPOCH: Final = datetime(2010, 11, 4, 1, 42, 54, 657000, tzinfo=UTC)
"""Since when the milliseconds in X's ids count, as X published it."""
COUNTS: Final = ("retweet_count", "reply_count", "like_count", "quote_count")
RENAMED: Final = {"iw": "he", "in": "id"}
"""Language codes of X that ISO 639 has withdrawn."""
NO_LANGUAGE: Final = ("und", "zxx", "art")
"""Its codes for an unknown language, none, and an invented one; the others of this kind begin
with q."""


def posts_of(tweets: Iterable[Any], includes: Mapping[str, Any]) -> list[Post]:
    """Posts of tweepy's `Tweet`s, with the authors' names that `includes` tells.

    What cannot be a post, such as one without a text, is left out.
    """
    names = {user.id: user.username for user in includes.get("users", ())}
    posts = []
    for tweet in tweets:
        # A wrong type in a field that the library does not look at.
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            posts.append(_post(tweet, names.get(tweet.author_id)))
    return posts


def _post(tweet: Any, author: str | None) -> Post:
    whole = (tweet.data.get("note_tweet") or {}).get("text") or tweet.text
    counts = tweet.public_metrics or {}
    return Post(
        source=SOURCE,
        id=str(tweet.id),
        text=html.unescape(whole),
        created_at=tweet.created_at or moment_of(tweet.id),
        author=author,
        # An address with the author's name would have to be left out where names are hidden.
        url=f"https://x.com/i/status/{tweet.id}",
        language=_language(tweet.lang),
        metadata={name: counts[name] for name in COUNTS if isinstance(counts.get(name), int)},
    )


def moment_of(own_id: int | str) -> datetime:
    """When the post with this id was written, to the millisecond."""
    return EPOCH + timedelta(milliseconds=int(own_id) >> 22)


def id_at(moment: datetime) -> int:
    """The smallest id that a post written at `moment` may have."""
    return max((moment - EPOCH) // timedelta(milliseconds=1), 0) << 22


def _language(told: str | None) -> str | None:
    if not told or told in NO_LANGUAGE or told.startswith("q") or len(told) > 16:
        return None
    return RENAMED.get(told, told)
