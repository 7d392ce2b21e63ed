"""Hide the names of stored posts that were kept plain, as the settings now say."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, bindparam, func, select, update

from barometer.authors import Authors
from barometer.database import writing
from barometer.tables import PostRow

POSTS = PostRow.__table__
PAGE: Final = 1_000
NAMED: Final = (POSTS.c.external_id, POSTS.c.author, POSTS.c.url, POSTS.c.details)
"""Columns that may hold a name, as `Authors.hidden_fields` takes them."""


def count_posts(engine: Engine) -> int:
    """How many posts there are to look at."""
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(POSTS)) or 0


def hide_names(engine: Engine, authors: Authors) -> Iterator[tuple[int, int]]:
    """Keep the names of all posts as `authors` does; yields (looked at, changed) page by page."""
    change = (
        update(POSTS)
        .where(POSTS.c.id == bindparam("number"))
        .values({column: bindparam(f"new_{column.name}") for column in NAMED})
    )
    last = 0
    while True:
        page = select(POSTS.c.id, POSTS.c.source, *NAMED).where(POSTS.c.id > last)
        with writing(engine).begin() as connection:
            rows = connection.execute(page.order_by(POSTS.c.id).limit(PAGE)).all()
            changes = _changes(connection, authors, rows)
            if changes:
                if connection.dialect.name == "sqlite":  # else names stay in the file's free pages
                    connection.exec_driver_sql("PRAGMA secure_delete = ON")
                connection.execute(change, changes)
        if not rows:
            return
        last = rows[-1].id
        yield len(rows), len(changes)


def _changes(
    connection: Connection, authors: Authors, rows: Sequence[Row[Any]]
) -> list[dict[str, Any]]:
    changes = []
    for number, source, *before in rows:
        name, *others = authors.hidden_fields(source, *before)
        if name != before[0] and _is_taken(connection, source, name):
            name = before[0]  # the post came once more since; `forget` finds both
        if [name, *others] != before:
            values = zip((f"new_{column.name}" for column in NAMED), (name, *others), strict=True)
            changes.append({"number": number, **dict(values)})
    return changes


def _is_taken(connection: Connection, source: str, name: str) -> bool:
    there = select(POSTS.c.id).where(POSTS.c.source == source, POSTS.c.external_id == name)
    return connection.scalar(there) is not None
