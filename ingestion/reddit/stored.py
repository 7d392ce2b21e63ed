"""Stored posts of Reddit: which there are, and those that are gone there deleted."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Engine, func, select, update

from barometer.database import writing
from barometer.erasure import posts_named, remove
from barometer.tables import PostRow
from ingestion.reddit.client import PAGE, SOURCE

OF_REDDIT: Final = PostRow.source == SOURCE


def stored_of_reddit(engine: Engine) -> int:
    """How many posts of Reddit are stored."""
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(PostRow).where(OF_REDDIT)) or 0


def stored_after(engine: Engine, after: str, last: str | None) -> list[str]:
    """The next fullnames by the index of keys, up to `last`."""
    name = PostRow.external_id
    chosen = select(name).where(OF_REDDIT, name > after).order_by(name).limit(PAGE)
    with engine.connect() as connection:
        return list(connection.scalars(chosen if last is None else chosen.where(name <= last)))


def not_stored(engine: Engine, names: Sequence[str]) -> list[str]:
    """Those of the fullnames that no stored post has."""
    name = PostRow.external_id
    stored: set[str] = set()
    with engine.connect() as connection:
        for start in range(0, len(names), PAGE):
            page = names[start : start + PAGE]
            stored.update(connection.scalars(select(name).where(OF_REDDIT, name.in_(page))))
    return [name for name in names if name not in stored]


def delete(engine: Engine, names: Sequence[str]) -> int:
    """Delete these with their words and links; returns how many there were."""
    return sum(posts for posts, _ in remove(engine, posts_named(engine, SOURCE, names)))


def unname(engine: Engine, names: Sequence[str]) -> int:
    """Drop the authors of these; returns of how many."""
    which = (OF_REDDIT, PostRow.external_id.in_(names), PostRow.author.is_not(None))
    with writing(engine).begin() as connection:
        return connection.execute(update(PostRow).where(*which).values(author=None)).rowcount
