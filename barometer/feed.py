"""Reads of stored posts, newest first: each text once a day, with how often it was repeated."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, func, literal, select, tuple_
from sqlalchemy.orm import Session

from barometer.tables import EventRow, PostEventRow, PostRow, UtcTime


def newest_posts(
    engine: Engine,
    limit: int,
    *,
    event_id: int | None = None,
    before: tuple[datetime, int] | None = None,
    emotion: str | None = None,
) -> list[PostRow]:
    """The newest posts, of one event or of all, newest first, without reposts.

    `before` is where the last page ended: time and id of its last row.
    """
    statement = select(PostRow)
    row: type[PostRow | PostEventRow] = PostRow
    place: tuple[Any, Any] = (PostRow.created_at, PostRow.id)
    if event_id is not None:
        row, place = PostEventRow, (PostEventRow.created_at, PostEventRow.post_id)
        statement = statement.join(PostEventRow, PostEventRow.post_id == PostRow.id).where(
            PostEventRow.event_id == event_id
        )
    statement = statement.where(row.repost_of.is_(None))
    if emotion is not None:
        statement = statement.where(row.emotion == emotion)
    if before is not None:
        statement = statement.where(older(place, before))
    moment, number = place
    statement = statement.order_by(moment.desc(), number.desc()).limit(limit)
    with Session(engine) as session:
        return list(session.scalars(statement))


def older(place: tuple[Any, Any], end: tuple[datetime, int]) -> ColumnElement[bool]:
    """Rows that come after `end` in an order of newest first; an index of times finds them."""
    return tuple_(*place) < tuple_(literal(end[0], UtcTime()), literal(end[1]))


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


def reposts_of(
    engine: Engine, post_ids: Sequence[int], event_id: int | None = None
) -> dict[int, int]:
    """How many posts repeat each of these, in one event or in all; 0 is left out."""
    row: type[PostRow | PostEventRow] = PostRow if event_id is None else PostEventRow
    statement = (
        select(row.repost_of, func.count())
        .where(row.repost_of.in_(post_ids))
        .group_by(row.repost_of)
    )
    if event_id is not None:
        statement = statement.where(PostEventRow.event_id == event_id)
    with engine.connect() as connection:
        return {first: posts for first, posts in connection.execute(statement) if first}
