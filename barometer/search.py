"""Reads of stored posts: an event's feed, and the posts that mention a keyword."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, and_, or_, select
from sqlalchemy.orm import Session

from barometer.database import writing
from barometer.store import link
from barometer.tables import EventRow, PostEventRow, PostRow
from barometer.text import mentions

PAGE = 1_000


def newest_posts(
    engine: Engine,
    limit: int,
    *,
    event_id: int | None = None,
    before: tuple[datetime, int] | None = None,
    emotion: str | None = None,
) -> list[PostRow]:
    """The newest posts, of one event or of all, newest first.

    `before` is where the last page ended: time and id of its last row.
    """
    statement = select(PostRow).order_by(PostRow.created_at.desc(), PostRow.id.desc()).limit(limit)
    if event_id is not None:
        statement = (
            select(PostRow)
            .join(PostEventRow, PostEventRow.post_id == PostRow.id)
            .where(PostEventRow.event_id == event_id)
            .order_by(PostEventRow.created_at.desc(), PostEventRow.post_id.desc())
            .limit(limit)
        )
    if before is not None:
        columns = (PostRow.created_at, PostRow.id)
        if event_id is not None:
            columns = (PostEventRow.created_at, PostEventRow.post_id)
        statement = statement.where(_older(columns, before))
    if emotion is not None:
        statement = statement.where(PostRow.emotion == emotion)
    with Session(engine) as session:
        return list(session.scalars(statement))


def posts_mentioning(engine: Engine, keyword: str, limit: int) -> list[PostRow]:
    """The newest posts that contain `keyword` as whole words, newest first."""
    found: list[PostRow] = []
    for page in _pages_like(engine, keyword):
        found += page
        if len(found) >= limit:
            break
    return found[:limit]


def link_stored(engine: Engine, event_id: int, keywords: tuple[str, ...]) -> int:
    """Link the stored posts that mention a keyword to a new event; returns how many."""
    linked = 0
    for keyword in keywords:
        for page in _pages_like(engine, keyword):
            with writing(engine).begin() as connection:
                linked += link(connection, event_id, [row.id for row in page])
    return linked


def events_of_posts(engine: Engine, post_ids: Sequence[int]) -> dict[int, list[str]]:
    """The slugs of the events that each post belongs to; posts without one are left out."""
    statement = (
        select(PostEventRow.post_id, EventRow.slug)
        .join(EventRow, EventRow.id == PostEventRow.event_id)
        .where(PostEventRow.post_id.in_(post_ids))
        .order_by(PostEventRow.post_id, EventRow.slug)
    )
    slugs: dict[int, list[str]] = {}
    with engine.connect() as connection:
        for post_id, slug in connection.execute(statement):
            slugs.setdefault(post_id, []).append(slug)
    return slugs


def _older(columns: tuple[Any, Any], end: tuple[datetime, int]) -> ColumnElement[bool]:
    """Rows that come after `end` in an order of newest first."""
    moment, row_id = columns
    return or_(moment < end[0], and_(moment == end[0], row_id < end[1]))


def _pages_like(engine: Engine, keyword: str) -> Iterator[list[PostRow]]:
    """Pages of posts with `keyword`: LIKE narrows them down, the pattern finds whole words."""
    pattern = mentions(keyword)
    longest_word = max(keyword.split(), key=len)
    statement: Select[tuple[PostRow]] = (
        select(PostRow)
        .where(PostRow.text.icontains(longest_word, autoescape=True))
        .order_by(PostRow.created_at.desc(), PostRow.id.desc())
        .limit(PAGE)
    )
    last: PostRow | None = None
    while True:
        page = statement
        if last is not None:
            end = (last.created_at, last.id)
            page = statement.where(_older((PostRow.created_at, PostRow.id), end))
        with Session(engine) as session:
            rows = list(session.scalars(page))
        matched = [row for row in rows if pattern.search(row.text)]
        if matched:
            yield matched
        if len(rows) < PAGE:
            return
        last = rows[-1]
