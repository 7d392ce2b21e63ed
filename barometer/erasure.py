"""Remove posts from the database, a person's among them, and keep what comes later of theirs away.

Counts stay: they say nothing of a person. A post of somebody else that repeats a removed one takes
its place in the feeds.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, Engine, case, delete, select, union, update

from barometer.database import writing
from barometer.forgotten import remember
from barometer.person import Person
from barometer.tables import PostEventRow, PostRow, SourceStateRow

POSTS = PostRow.__table__
LINKS = PostEventRow.__table__
PAGE: Final = 5_000
"""Authors that are read together."""
BATCH: Final = 200
"""Posts of one transaction."""


def keep_away(engine: Engine, person: Person, sources: Sequence[str]) -> None:
    """From now on store nothing by this person, at its source, or at these and any other."""
    if person.source is not None:
        remember(engine, person.mark, [person.mark_at(person.source)])
        return
    with engine.connect() as connection:
        known = union(select(POSTS.c.source).distinct(), select(SourceStateRow.source).distinct())
        names = {*sources, *connection.scalars(known)}
    remember(engine, person.mark, [person.mark, *map(person.mark_at, sorted(names))])


def posts_by(engine: Engine, person: Person, on_read: Callable[[int], object]) -> list[int]:
    """The ids of this person's posts; `on_read` is told how many rows each step looked at.

    Every post is read: names kept plain may be spelt in many ways.
    """
    found: list[int] = []
    last = 0
    while True:
        page = (
            select(POSTS.c.id, POSTS.c.source, POSTS.c.author)
            .where(POSTS.c.id > last)
            .order_by(POSTS.c.id)
            .limit(PAGE)
        )
        with engine.connect() as connection:
            rows = connection.execute(page).all()
        if not rows:
            return found
        found += [row.id for row in rows if person.wrote(row.source, row.author)]
        last = rows[-1].id
        on_read(len(rows))


def posts_named(engine: Engine, source: str, names: Sequence[str]) -> list[int]:
    """Our ids of the posts to which `source` gave these ids; a few hundred at a time."""
    named = (POSTS.c.source == source, POSTS.c.external_id.in_(names))
    with engine.connect() as connection:
        return list(connection.scalars(select(POSTS.c.id).where(*named)))


def remove(engine: Engine, ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Delete posts with their links and words, the newest first; yields (posts, links) by batch."""
    if not ids:
        return
    newest_first = sorted(ids, reverse=True)
    for start in range(0, len(ids), BATCH):
        batch = newest_first[start : start + BATCH]
        with writing(engine).begin() as connection:
            if connection.dialect.name == "sqlite":  # else the text stays in the file's free pages
                connection.exec_driver_sql("PRAGMA secure_delete = ON")
            _hand_on(connection, batch)
            links = connection.execute(delete(LINKS).where(LINKS.c.post_id.in_(batch))).rowcount
            posts = connection.execute(delete(POSTS).where(POSTS.c.id.in_(batch))).rowcount
        yield posts, links
    if engine.dialect.name == "sqlite":
        _empty_log(engine)


def _empty_log(engine: Engine) -> None:
    """Write SQLite's log into its file and cut it, as far as no reader is in the way."""
    plain = engine.raw_connection()  # a checkpoint is refused within a transaction
    try:
        plain.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        plain.close()


def _hand_on(connection: Connection, leaving: Sequence[int]) -> None:
    """Let the earliest repost of each leaving post stand for the others."""
    reposts = (
        select(POSTS.c.id, POSTS.c.repost_of)
        .where(POSTS.c.repost_of.in_(leaving), POSTS.c.id.not_in(leaving))
        .order_by(POSTS.c.created_at, POSTS.c.id)
    )
    heirs: dict[int, int] = {}
    orphans: list[int] = []
    for post, first in connection.execute(reposts):
        heirs.setdefault(first, post)
        orphans.append(post)
    if not heirs:
        return
    heir_of = case(heirs, value=POSTS.c.repost_of)
    own = list(heirs.values())
    connection.execute(update(POSTS).where(POSTS.c.id.in_(orphans)).values(repost_of=heir_of))
    connection.execute(update(POSTS).where(POSTS.c.id.in_(own)).values(repost_of=None))
    # Of an event: the heir, where it belongs to the event too.
    held = {
        (link.event_id, link.post_id)
        for link in connection.execute(
            select(LINKS.c.event_id, LINKS.c.post_id).where(LINKS.c.post_id.in_(own))
        )
    }
    links = select(LINKS.c.event_id, LINKS.c.post_id, LINKS.c.repost_of).where(
        LINKS.c.repost_of.in_(leaving)
    )
    for event, post, first in connection.execute(links).all():
        heir = heirs.get(first)
        follows = heir is not None and heir != post and (event, heir) in held
        connection.execute(
            update(LINKS)
            .where(LINKS.c.event_id == event, LINKS.c.post_id == post)
            .values(repost_of=heir if follows else None)
        )
