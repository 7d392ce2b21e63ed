"""Write judged posts: one row a post, one link an event, rollups in the same transaction."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Table, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from barometer.database import writing
from barometer.posts import Judgement, Post
from barometer.tables import EventRow, PostEventRow, PostRow, RollupRow

POSTS: Table = PostRow.__table__  # type: ignore[assignment]
LINKS: Table = PostEventRow.__table__  # type: ignore[assignment]
ROLLUPS: Table = RollupRow.__table__  # type: ignore[assignment]
NO_ANSWER = ""
"""What rollups call the emotion or sentiment of a post whose model lacks that task."""
EVERY_POST = 0
"""The rollups' event id under which each post counts once, whatever its events."""

Key = tuple[str, str]
"""A post's (source, id)."""


@dataclass(frozen=True)
class Stored:
    """What one call of `store` added."""

    new_posts: frozenset[Key]
    links: int
    """New post-event pairs; a stored post that turns up for another event adds one."""


@dataclass(frozen=True)
class _Known:
    """The stored facts that a rollup is counted by."""

    id: int
    source: str
    created_at: datetime
    emotion: str | None
    sentiment: str | None
    confidence: float | None
    sentiment_score: float | None


def store(engine: Engine, judged: Sequence[tuple[Post, Judgement]]) -> Stored:
    """Write posts with their judgements; writing any of them again changes nothing."""
    merged: dict[Key, tuple[Post, Judgement]] = {}
    slugs: dict[Key, set[str]] = defaultdict(set)
    for post, judgement in judged:
        merged.setdefault((post.source, post.id), (post, judgement))
        slugs[post.source, post.id] |= set(post.events)
    if not merged:
        return Stored(frozenset(), 0)
    with writing(engine).begin() as connection:
        new = _insert_posts(connection, merged)
        known = _known(connection, merged.keys())
        links = _insert_links(connection, slugs, known)
        counted = [(EVERY_POST, known[key]) for key in new]
        counted += links
        _count(connection, counted)
    return Stored(frozenset(new), len(links))


def link(connection: Connection, event_id: int, post_ids: Sequence[int]) -> int:
    """Link stored posts to an event, with its rollups; returns how many links are new."""
    rows = connection.execute(select(*_facts()).where(POSTS.c.id.in_(post_ids))).all()
    known = {row.id: _Known(*row) for row in rows}
    inserted = _add_links(connection, [(event_id, facts) for facts in known.values()])
    _count(connection, inserted)
    return len(inserted)


def _insert(connection: Connection, table: Table) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def _insert_posts(connection: Connection, merged: dict[Key, tuple[Post, Judgement]]) -> list[Key]:
    now = datetime.now(UTC)
    # In key order, here and below, so that two writers wait for each other but never in a ring.
    rows = [_post_values(*merged[key], now) for key in sorted(merged)]
    statement = (
        _insert(connection, POSTS)
        .on_conflict_do_nothing(index_elements=["source", "external_id"])
        .returning(POSTS.c.source, POSTS.c.external_id)
    )
    return [(row.source, row.external_id) for row in connection.execute(statement, rows)]


def _post_values(post: Post, judgement: Judgement, now: datetime) -> dict[str, Any]:
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
        **judgement.model_dump(),
    }


def _facts() -> list[Any]:
    names = ("id", "source", "created_at", "emotion", "sentiment", "confidence", "sentiment_score")
    return [POSTS.c[name] for name in names]


def _known(connection: Connection, keys: Iterable[Key]) -> dict[Key, _Known]:
    """The rows of `keys` as stored, so that a repeat counts by its first judgement."""
    wanted = tuple_(POSTS.c.source, POSTS.c.external_id).in_(list(keys))
    rows = connection.execute(select(POSTS.c.external_id, *_facts()).where(wanted))
    return {(row.source, row.external_id): _Known(*row[1:]) for row in rows}


def _insert_links(
    connection: Connection, slugs: dict[Key, set[str]], known: dict[Key, _Known]
) -> list[tuple[int, _Known]]:
    wanted = {slug for group in slugs.values() for slug in group}
    if not wanted:
        return []
    found = connection.execute(
        select(EventRow.slug, EventRow.id)
        .where(EventRow.slug.in_(sorted(wanted)))
        .order_by(EventRow.id)
        .with_for_update(read=True, key_share=True)  # PostgreSQL: none is deleted meanwhile
    ).all()
    # An event that was deleted while its posts were under way has no row, and gets no link.
    ids = {row.slug: row.id for row in found}
    pairs = [
        (ids[slug], known[key]) for key, group in slugs.items() for slug in group if slug in ids
    ]
    return _add_links(connection, pairs)


def _add_links(
    connection: Connection, pairs: Sequence[tuple[int, _Known]]
) -> list[tuple[int, _Known]]:
    if not pairs:
        return []
    statement = (
        _insert(connection, LINKS)
        .on_conflict_do_nothing(index_elements=["event_id", "post_id"])
        .returning(LINKS.c.event_id, LINKS.c.post_id)
    )
    rows = [
        {"event_id": event, "post_id": facts.id, "created_at": facts.created_at}
        for event, facts in sorted(pairs, key=lambda pair: (pair[0], pair[1].id))
    ]
    by_id = {facts.id: facts for _, facts in pairs}
    return [(row.event_id, by_id[row.post_id]) for row in connection.execute(statement, rows)]


def _count(connection: Connection, counted: Sequence[tuple[int, _Known]]) -> None:
    """Add to the per-minute rollups; in key order, so that two writers cannot deadlock."""
    sums: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for event, facts in counted:
        minute = facts.created_at.replace(second=0, microsecond=0)
        answers = (facts.emotion or NO_ANSWER, facts.sentiment or NO_ANSWER)
        cell = sums[event, minute, facts.source, *answers]
        cell[0] += 1
        cell[1] += facts.confidence or 0.0
        cell[2] += facts.sentiment_score or 0.0
    if not sums:
        return
    keys = ("event_id", "minute", "source", "emotion", "sentiment")
    values = ("posts", "confidence_sum", "sentiment_sum")
    rows = [
        dict(zip(keys + values, (*key, *cell), strict=True)) for key, cell in sorted(sums.items())
    ]
    statement = _insert(connection, ROLLUPS)
    statement = statement.on_conflict_do_update(
        index_elements=keys,
        set_={name: ROLLUPS.c[name] + statement.excluded[name] for name in values},
    )
    connection.execute(statement, rows)
