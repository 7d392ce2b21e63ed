"""Which posts belong to which events: the links, with the counts that they bring."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from barometer.bulk import insert_rows
from barometer.database import held
from barometer.facts import COLUMNS, Counted, Facts
from barometer.posts import Key
from barometer.rollups import count, count_keywords
from barometer.tables import EventRow, PostEventRow, PostRow

LINKS = PostEventRow.__table__


def link(connection: Connection, event_id: int, post_ids: Sequence[int]) -> int:
    """Link stored posts to an event, with its counts; returns how many links are new.

    A repost must not come in an earlier call than the first post of its text.
    """
    found = connection.execute(_events(EventRow.id == event_id)).all()
    posts = select(*COLUMNS).where(PostRow.id.in_(post_ids)).order_by(PostRow.id)
    rows = connection.execute(held(posts)).all()
    links = _add_links(connection, [(row.id, Facts(*facts)) for row in found for facts in rows])
    # Keywords before minutes and hours, as whoever stores a post does: so nobody waits in a ring.
    count_keywords(connection, links, {row.id: row.keywords for row in found})
    count(connection, links)
    return len(links)


def link_new(
    connection: Connection, slugs: Mapping[Key, set[str]], known: Mapping[Key, Facts]
) -> list[Counted]:
    """Link posts to the events of these slugs; returns the links that are new, to be counted."""
    wanted = {slug for group in slugs.values() for slug in group}
    if not wanted:
        return []
    # An event that was deleted while its posts were under way has no row, and gets no link.
    found = connection.execute(_events(EventRow.slug.in_(sorted(wanted)))).all()
    ids = {row.slug: row.id for row in found}
    pairs = [
        (ids[slug], known[key]) for key, group in slugs.items() for slug in group if slug in ids
    ]
    links = _add_links(connection, pairs)
    count_keywords(connection, links, {row.id: row.keywords for row in found})
    return links


def _events(which: ColumnElement[bool]) -> Select[Any]:
    columns = (EventRow.slug, EventRow.id, EventRow.keywords)
    return held(select(*columns).where(which).order_by(EventRow.id))


def _add_links(connection: Connection, pairs: Sequence[Counted]) -> list[Counted]:
    if not pairs:
        return []
    has = _belonging(connection, pairs)
    rows = [
        {
            "event_id": event,
            "post_id": facts.id,
            "created_at": facts.created_at,
            "emotion": facts.emotion,
            "repost_of": facts.repost_of if (event, facts.repost_of) in has else None,
        }
        for event, facts in sorted(pairs, key=lambda pair: (pair[0], pair[1].id))
    ]
    key = ("event_id", "post_id")
    by_id = {facts.id: facts for _, facts in pairs}
    added = insert_rows(connection, LINKS, rows, key, returning=key)
    return [(event, by_id[post]) for event, post in added]


def _belonging(connection: Connection, pairs: Sequence[Counted]) -> set[tuple[int, int | None]]:
    """Which firsts of the reposts among `pairs` belong to which events."""
    firsts = {facts.repost_of for _, facts in pairs} - {None}
    if not firsts:
        return set()
    statement = select(LINKS.c.event_id, LINKS.c.post_id).where(LINKS.c.post_id.in_(firsts))
    return {(event, facts.id) for event, facts in pairs} | {
        (row.event_id, row.post_id) for row in connection.execute(statement)
    }
