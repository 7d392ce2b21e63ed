"""Which posts repeat the text of an earlier one: they count, and feeds show the first alone.

Texts are the same by `barometer.text.fingerprint`, within one pass of a looping replay. The first
is looked for among posts of a day earlier or later: posts may arrive out of order. Of scorers that
store the same new text in the same moment, one is the first: the others wait for its commit.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, select

from barometer.database import held
from barometer.posts import Key, Post
from barometer.tables import PostRow
from barometer.text import fingerprint

WITHIN: Final = timedelta(days=1)
"""A text that comes up again later is news again."""
MOST_LOCKS: Final = 512
"""Texts that one transaction locks one by one: PostgreSQL has room for 6,400 locks by default,
which all its sessions share."""
MANY_TEXTS: Final = 0x72657073
"""The lock of whoever has more of them; any number that no other program locks by."""


@dataclass(frozen=True)
class First:
    """The first post of a text: the id of a stored one, or the key of one still to be stored."""

    created_at: datetime
    stored: int | None = None
    key: Key | None = None


def text_hash(text: str, showing: int = 0) -> int | None:
    """The signed 64-bit number that a text shares with its reposts; None without words.

    `showing`: which pass of a looping replay brings it.
    """
    words = fingerprint(text)
    if not words:
        return None
    marked = f"{showing}\x00{words}" if showing else words
    return int.from_bytes(hashlib.blake2b(marked.encode(), digest_size=8).digest(), signed=True)


def find_firsts(
    connection: Connection, posts: Iterable[Post], hashes: Mapping[Key, int | None]
) -> dict[Key, First]:
    """The reposts among new posts, each with the first post of its text."""
    by_time = sorted(posts, key=lambda post: (post.created_at, post.key))
    if not by_time:
        return {}
    start, end = by_time[0].created_at - WITHIN, by_time[-1].created_at + WITHIN
    texts = {value for value in hashes.values() if value is not None}
    firsts = _stored_firsts(connection, sorted(texts), start, end)
    said = [(post, hashes[post.key]) for post in by_time]
    new = sorted({v for post, v in said if v is not None and not _near(firsts[v], post)})
    if new and connection.dialect.name == "postgresql":  # SQLite has one writer
        _wait_for_others(connection, new)
        firsts |= _stored_firsts(connection, new, start, end)
    found: dict[Key, First] = {}
    for post, value in said:
        if value is None:
            continue
        if near := _near(firsts[value], post):
            found[post.key] = near[0]
        else:
            firsts[value].append(First(post.created_at, key=post.key))
    return found


def _near(firsts: Iterable[First], post: Post) -> list[First]:
    return [each for each in firsts if abs(each.created_at - post.created_at) <= WITHIN]


def _wait_for_others(connection: Connection, texts: Sequence[int]) -> None:
    """Let nobody else store one of these new texts until this transaction ends.

    They are sorted, so that two who have several in common wait for each other but never in a ring.
    """
    if len(texts) > MOST_LOCKS:
        connection.execute(select(func.pg_advisory_xact_lock(MANY_TEXTS)))
        return
    connection.execute(select(func.pg_advisory_xact_lock_shared(MANY_TEXTS)))
    connection.exec_driver_sql(
        "SELECT pg_advisory_xact_lock(text) FROM unnest(%(texts)s::bigint[]) AS text",
        {"texts": list(texts)},
    )


def _stored_firsts(
    connection: Connection, texts: Sequence[int], start: datetime, end: datetime
) -> defaultdict[int, list[First]]:
    statement = (
        select(PostRow.text_hash, PostRow.created_at, PostRow.id)
        .where(
            PostRow.text_hash.in_(texts),
            PostRow.repost_of.is_(None),
            PostRow.created_at.between(start, end),
        )
        .order_by(PostRow.created_at, PostRow.id)
    )
    firsts: defaultdict[int, list[First]] = defaultdict(list)
    for value, created_at, post_id in connection.execute(held(statement)):
        firsts[value].append(First(created_at, stored=post_id))
    return firsts
