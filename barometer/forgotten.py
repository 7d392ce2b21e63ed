"""Authors whose posts are not to be kept: the marks of those who asked, and who is among them."""

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, delete, select

from barometer.authors import Authors
from barometer.bulk import insert_rows
from barometer.database import writing
from barometer.posts import Key, Post
from barometer.tables import ForgottenAuthorRow

FORGOTTEN = ForgottenAuthorRow.__table__
REFUSAL = "author: asked to be forgotten"


def remember(engine: Engine, person: str, marks: Iterable[str]) -> None:
    """From now on, keep no post with one of these marks.

    Once this returns, no transaction that did not know of it still stores posts: on PostgreSQL the
    lock waits for those that have looked already, SQLite has one writer.

    Args:
        engine: the database.
        person: the mark under which they are let in again together.
        marks: what their posts may carry.
    """
    now = datetime.now(UTC)
    rows = [{"mark": m, "person": person, "forgotten_at": now} for m in sorted(set(marks))]
    with writing(engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("LOCK TABLE forgotten_authors IN ACCESS EXCLUSIVE MODE")
        insert_rows(connection, FORGOTTEN, rows, ("mark",))


def let_in(engine: Engine, person: str, mark: str | None = None) -> bool:
    """Keep the posts that this person writes from now on; False: nobody had forgotten them.

    `mark`: let in under this one alone.
    """
    gone = delete(FORGOTTEN).where(FORGOTTEN.c.person == person)
    if mark is not None:
        gone = delete(FORGOTTEN).where(FORGOTTEN.c.mark == mark)
    with writing(engine).begin() as connection:
        return bool(connection.execute(gone).rowcount)


def forgotten_among(engine: Engine, authors: Authors, posts: Iterable[Post]) -> frozenset[Key]:
    """Those of the posts that a forgotten author has written."""
    if not any(post.author is not None for post in posts):
        return frozenset()
    with engine.connect() as connection:
        return by_forgotten(connection, authors, posts)


def by_forgotten(
    connection: Connection, authors: Authors | None, posts: Iterable[Post]
) -> frozenset[Key]:
    """The same within a transaction; without `authors`, names count as they are: marks."""
    marks = {
        post.key: authors.marks(post.source, post.author) if authors else (post.author,)
        for post in posts
        if post.author is not None
    }
    asked = sorted({mark for own in marks.values() for mark in own if mark})
    if not asked:
        return frozenset()
    found = select(FORGOTTEN.c.mark).where(FORGOTTEN.c.mark.in_(asked))
    gone = set(connection.scalars(found))
    return frozenset(key for key, own in marks.items() if gone.intersection(own))
