"""From a feed's bytes to posts."""

import hashlib
import re
from calendar import timegm
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final
from xml.sax import SAXException

import feedparser

from barometer.posts import Post
from ingestion.calls.answer import AnswerError
from ingestion.feeds.client import FeedBody
from ingestion.markup import joined, plain_text

SOURCE: Final = "rss"
MAX_ENTRIES: Final = 500
"""Entries of one feed that are looked at: the first, which are the newest."""
MAX_TEXT: Final = 2_000
"""Characters of a post's text."""
MAX_ID: Final = 200

_UNIQUE: Final = ("http://", "https://", "urn:", "tag:")
# Python decodes this codec, no feed's, in quadratic time: megabytes keep a thread for minutes.
_PUNYCODE: Final = re.compile(rb"(?:encoding|charset)=['\"]?[^'\"<>]{0,50}punycode", re.IGNORECASE)
_WEB_ADDRESS: Final = re.compile(r"https?://[^\s<>\"]{1,2000}", re.IGNORECASE)


def posts_of(body: FeedBody, host: str) -> list[Post]:
    """The feed's entries as posts, in its order; `host` is the feed's.

    Of a malformed feed, what can be read. Takes seconds for megabytes: call it in a thread.

    Raises:
        AnswerError: nothing in the body can be read as RSS or Atom.
    """
    parsed = _parsed(body)
    metadata = {"feed": host, "title": plain_text(_string(parsed.feed, "title"), 200)}
    now = datetime.now(UTC)
    posts = (_post(entry, body, metadata, now) for entry in parsed.entries[:MAX_ENTRIES])
    return [post for post in posts if post is not None]


def _parsed(body: FeedBody) -> feedparser.FeedParserDict:
    declared = body.content.replace(b"\0", b"") + f" charset={body.content_type}".encode()
    if _PUNYCODE.search(declared):
        raise AnswerError("cannot be read as RSS or Atom")
    try:
        # Of bare bytes feedparser would first try to open a file with that name.
        parsed = feedparser.parse(
            BytesIO(body.content),
            response_headers={"content-type": body.content_type, "content-location": body.base},
            resolve_relative_uris=False,
            sanitize_html=False,  # plain_text drops all markup
        )
    except Exception as error:  # of hostile bytes it raises UnicodeError, AssertionError and others
        raise AnswerError("cannot be read as RSS or Atom") from error
    broken = isinstance(parsed.get("bozo_exception"), SAXException)
    if not parsed.entries and (broken or not parsed.get("version")):
        raise AnswerError("cannot be read as RSS or Atom")
    return parsed


def _post(
    entry: Mapping[str, Any], body: FeedBody, metadata: dict[str, str], now: datetime
) -> Post | None:
    """The entry as a post, or None when it has no text."""
    title = plain_text(_string(entry, "title"), MAX_TEXT)
    summary = plain_text(_string(entry, "summary"), MAX_TEXT)
    text = joined(title, summary, MAX_TEXT)
    if not text:
        return None
    # feedparser resolves an empty link to the feed's own address.
    link = plain_text(_string(entry, "link"), 10_000)
    link = "" if link == body.base else link
    return Post(
        source=SOURCE,
        id=_id(_string(entry, "id") or link or text, metadata["feed"]),
        text=text,
        created_at=min(_moment(entry) or now, now),
        author=plain_text(_author(entry), 256) or None,
        url=link if _WEB_ADDRESS.fullmatch(link) else None,
        metadata=metadata,
    )


def _id(own: str, host: str) -> str:
    own = plain_text(own, 20_000)
    # Some feeds just number their entries; posts of all feeds share one space of ids.
    unique = own if own.startswith(_UNIQUE) else f"{host}/{own}"
    if len(unique) <= MAX_ID:
        return unique
    return f"{host}/{hashlib.sha256(unique.encode()).hexdigest()}"


def _moment(entry: Mapping[str, Any]) -> datetime | None:
    # `get` would fall back from one to the other with a warning.
    dates = [entry[key] for key in ("published_parsed", "updated_parsed") if key in entry]
    for parsed in filter(None, dates):
        try:
            return datetime.fromtimestamp(timegm(parsed), UTC)
        except (ValueError, OverflowError, OSError):
            continue  # no such day or year: as good as no date
    return None


def _author(entry: Mapping[str, Any]) -> str:
    origin = entry.get("source")  # who published what a news search found
    return _string(entry, "author") or _string(origin if isinstance(origin, dict) else {}, "title")


def _string(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""
