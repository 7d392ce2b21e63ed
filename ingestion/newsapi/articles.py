"""From an answer of newsapi.org to posts."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from barometer.posts import Post
from ingestion.calls.library_call import HalfAnswerError
from ingestion.markup import joined, plain_text

SOURCE: Final = "news"
MAX_TEXT: Final = 2_000
"""Characters of a post's text."""
REMOVED: Final = "[Removed]"
"""The headline of an article that its publisher took back."""


def articles_of(answer: Any) -> tuple[list[Post], int]:
    """The answer's articles as posts in its order, and how many it knows in all.

    Articles without an address, a date or a text are left out.

    Raises:
        HalfAnswerError: it is no such answer.
    """
    if not isinstance(answer, dict) or answer.get("status") != "ok":
        raise HalfAnswerError("sent an answer that cannot be read")
    articles, total = answer.get("articles"), answer.get("totalResults")
    if not isinstance(articles, list) or not isinstance(total, int):
        raise HalfAnswerError("sent an answer that cannot be read")
    now = datetime.now(UTC)
    posts = (_post(article, now) for article in articles if isinstance(article, dict))
    return [post for post in posts if post is not None], total


def _post(article: Mapping[str, Any], now: datetime) -> Post | None:
    url, published = _string(article, "url"), _moment(_string(article, "publishedAt"))
    publisher = article.get("source")
    publisher = publisher if isinstance(publisher, dict) else {}
    name = plain_text(_string(publisher, "name"), 256)
    headline = plain_text(_string(article, "title"), MAX_TEXT)
    if not url or published is None or headline == REMOVED:
        return None
    text = joined(
        headline.removesuffix(f" - {name}") if name else headline,
        plain_text(_string(article, "description"), MAX_TEXT),
        MAX_TEXT,
    )
    if not text:
        return None
    is_address = url.startswith(("http://", "https://")) and len(url) <= 2_048
    own_id = _string(publisher, "id")
    return Post(
        source=SOURCE,
        id=hashlib.sha256(url.encode()).hexdigest()[:32],
        text=text,
        created_at=min(published, now),
        author=name or None,
        url=url if is_address else None,
        metadata={"publisher": own_id[:100]} if own_id else {},
    )


def _moment(told: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(told)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _string(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    return value.strip() if isinstance(value, str) else ""
