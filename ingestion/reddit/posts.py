"""Reddit's submissions and comments as posts, and which of them are gone."""

import re
from datetime import UTC, datetime
from typing import Any, Final

from praw.models import Comment, Submission
from pydantic import ValidationError

from barometer.posts import MAX_TEXT, Post
from ingestion.cleaning import UNPRINTABLE
from ingestion.reddit.client import SOURCE
from ingestion.reddit.memory import Mark, Taken

SITE: Final = "https://www.reddit.com"
GONE: Final = re.compile(
    r"\[ ?(?:deleted|removed)(?: by (?:user|reddit)[^\]]*)? ?\]", re.IGNORECASE
)
"""What Reddit shows in place of a text or title that was deleted or removed."""


def mark_of(thing: Any) -> Mark | None:
    """When it was written, and its fullname; None for what is no submission or comment."""
    if not isinstance(thing, Submission | Comment):
        return None
    created = vars(thing).get("created_utc")
    return (float(created), thing.fullname) if isinstance(created, int | float) else None


def is_known(thing: Any, taken: Taken) -> bool:
    """Whether it was taken, or is nothing that could be."""
    mark = mark_of(thing)
    return mark is None or taken.has(mark)


def is_gone(thing: Any) -> bool:
    """Whether its author deleted it, or a moderator or Reddit removed it."""
    facts = vars(thing)  # praw would ask Reddit for an attribute that is not there
    shown = (facts.get(name) for name in ("title", "selftext", "body"))
    return bool(facts.get("removed_by_category")) or any(
        isinstance(text, str) and GONE.fullmatch(text.strip()) for text in shown
    )


def has_author(thing: Any) -> bool:
    """Whether the account that wrote it still exists."""
    return vars(thing).get("author") is not None


def post_of(thing: Any) -> Post | None:
    """The post that it is; None when it is gone, or nothing that can be read."""
    if not isinstance(thing, Submission | Comment) or is_gone(thing):
        return None
    facts = vars(thing)
    kind = "submission" if isinstance(thing, Submission) else "comment"
    parts = [facts.get("title"), facts.get("selftext")] if kind == "submission" else [
        facts.get("body")
    ]  # fmt: skip
    text = "\n\n".join(part.strip() for part in parts if isinstance(part, str) and part.strip())
    metadata = {
        "kind": kind,
        "subreddit": _name(facts.get("subreddit"), "display_name"),
        "score": facts.get("score"),
        "num_comments": facts.get("num_comments") if kind == "submission" else None,
    }
    permalink = facts.get("permalink")
    has_link = isinstance(permalink, str) and permalink.startswith("/")
    try:
        return Post(
            source=SOURCE,
            id=thing.fullname,
            text=UNPRINTABLE.sub("", text)[:MAX_TEXT],
            created_at=datetime.fromtimestamp(facts["created_utc"], UTC),
            author=_name(facts.get("author"), "name"),
            url=f"{SITE}{permalink}" if has_link else None,
            metadata={name: value for name, value in metadata.items() if value is not None},
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError, ValidationError):
        return None  # one that is not as Reddit describes them must not stop the others


def _name(model: Any, attribute: str) -> str | None:
    """The name that praw's model of an account or a subreddit carries."""
    name = None if model is None else vars(model).get(attribute)
    return name if isinstance(name, str) else None
