"""When a post repeats one that was seen: by (source, id), for each event that it is about."""

import hashlib
from dataclasses import dataclass
from typing import Final

from barometer.posts import Post

SEEN_S: Final = 7 * 24 * 3600
"""Seconds that a post is remembered; after it the database's unique key still holds."""
NO_EVENT: Final = ""
"""The slug under which a post without events is remembered."""


@dataclass(frozen=True)
class Mark:
    """Under which key in Redis one post is remembered for one event."""

    event: str
    """Its slug, or `NO_EVENT`."""
    key: str


def marks(post: Post) -> list[Mark]:
    """The marks of a post, one for each of its events."""
    return [
        Mark(event, f"barometer:seen:id:{_digest(event, post.source, post.id)}")
        for event in post.events or (NO_EVENT,)
    ]


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\x00".join(parts).encode(), digest_size=16).hexdigest()
