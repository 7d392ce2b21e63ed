"""Write judged posts: one row a post, one link an event, counts in the same transaction.

Each table takes its rows in one statement; where a batch holds a text and its repost, posts take
two, since the second needs the first's id.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, select, tuple_

from barometer.authors import Authors
from barometer.bulk import Row, insert_rows
from barometer.database import held, writing
from barometer.facts import COLUMNS, Facts
from barometer.forgotten import by_forgotten
from barometer.links import link_new
from barometer.posts import Judgement, Key, Post
from barometer.reposts import find_firsts, text_hash
from barometer.rollups import EVERY_POST, count
from barometer.tables import PostRow
from barometer.words import indexed

POSTS = PostRow.__table__

Judged = tuple[Post, Judgement]


@dataclass(frozen=True)
class Stored:
    """What one call of `store` added."""

    new_posts: frozenset[Key]
    reposts: frozenset[Key]
    """Those of the new posts that repeat the text of an earlier one."""
    links: int
    """New post-event pairs; a stored post that turns up for another event adds one."""
    forgotten: frozenset[Key] = frozenset()
    """Those that were not stored, since their authors asked to be forgotten."""


def store(engine: Engine, judged: Sequence[Judged], authors: Authors | None = None) -> Stored:
    """Write posts with their judgements; writing any of them again changes nothing.

    `authors` knows the marks of names that are plain.
    """
    merged: dict[Key, Judged] = {}
    slugs: dict[Key, set[str]] = defaultdict(set)
    for post, judgement in judged:
        merged.setdefault(post.key, (post, judgement))
        slugs[post.key] |= set(post.events)
    if not merged:
        return Stored(frozenset(), frozenset(), 0)
    with writing(engine).begin() as connection:
        gone = by_forgotten(connection, authors, [post for post, _ in merged.values()])
        for key in gone:
            del merged[key], slugs[key]
        new = _insert_posts(connection, merged)
        known = new | _stored(connection, merged.keys() - new.keys())
        links = link_new(connection, slugs, known)
        count(connection, [(EVERY_POST, facts) for facts in new.values()] + links)
    reposts = frozenset(key for key, facts in new.items() if facts.repost_of is not None)
    return Stored(frozenset(new), reposts, len(links), gone)


def is_stored(engine: Engine, post: Post) -> bool:
    """Whether the post has its row; one that has is linked to its events, too."""
    with writing(engine).begin() as connection:
        known = _stored(connection, [post.key])
        if known:
            count(connection, link_new(connection, {post.key: set(post.events)}, known))
    return bool(known)


def _insert_posts(connection: Connection, merged: Mapping[Key, Judged]) -> dict[Key, Facts]:
    """The facts of those posts that were not stored before."""
    hashes = {key: text_hash(post.text, post.showing) for key, (post, _) in merged.items()}
    firsts = find_firsts(connection, [post for post, _ in merged.values()], hashes)
    now = datetime.now(UTC)
    rows = {key: _post_values(*merged[key], now, hashes[key]) for key in merged}
    alone = [row for key, row in rows.items() if key not in firsts]
    ids = _insert(connection, alone)
    repeating = []
    for key, first in firsts.items():
        stored = ids.get(first.key) if first.key else first.stored
        repeating.append(rows[key] | {"repost_of": stored})
        rows[key] = repeating[-1]
    ids |= _insert(connection, repeating)
    return {key: _facts(rows[key] | {"id": post_id}) for key, post_id in ids.items()}


def _insert(connection: Connection, rows: Sequence[Row]) -> dict[Key, int]:
    """Insert posts; returns the ids of those that were not stored before."""
    if not rows:
        return {}
    if connection.dialect.name == "postgresql":
        # In key order, so that two writers wait for each other but never in a ring.
        rows = sorted(rows, key=lambda row: (row["source"], row["external_id"]))
    else:
        # There is one writer, and the index of words grows in order of time.
        rows = sorted(rows, key=lambda row: row["created_at"])
    key = ("source", "external_id")
    added = insert_rows(connection, POSTS, rows, key, returning=(*key, "id"))
    return {(source, name): number for source, name, number in added}


def _post_values(post: Post, judgement: Judgement, now: datetime, hashed: int | None) -> Row:
    return {
        "source": post.source,
        "external_id": post.id,
        "text": post.text,
        "author": post.author,
        "location": post.location,
        "url": post.url,
        "details": post.metadata,
        "created_at": post.created_at,
        "scored_at": now,
        "sentiment_score": judgement.sentiment_score,
        "text_hash": hashed,
        "repost_of": None,
        "language": post.language,
        "may_train": post.may_train,
        "words": indexed(post.text),
        **judgement.model_dump(),
    }


def _facts(row: Row) -> Facts:
    return Facts(*(row[column.name] for column in COLUMNS))


def _stored(connection: Connection, keys: Iterable[Key]) -> dict[Key, Facts]:
    """The rows of `keys` as stored, so that a second delivery counts by its first judgement."""
    wanted = sorted(keys)
    if not wanted:
        return {}
    statement = (
        select(POSTS.c.external_id, *COLUMNS)
        .where(tuple_(POSTS.c.source, POSTS.c.external_id).in_(wanted))
        .order_by(POSTS.c.id)
    )
    rows = connection.execute(held(statement))
    return {(row.source, row.external_id): Facts(*row[1:]) for row in rows}
