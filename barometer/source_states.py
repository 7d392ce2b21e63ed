"""Where each source stands, and how its last reading went."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session, defer

from barometer.bulk import insert_rows
from barometer.database import writing
from barometer.tables import SourceStateRow

STATES = SourceStateRow.__table__


def position_of(engine: Engine, source: str, key: str) -> dict[str, Any]:
    """The saved position of `source` for `key` (an event's slug), a fresh dict."""
    with Session(engine) as session:
        row = session.get(SourceStateRow, (source, key))
        return dict(row.position) if row else {}


def limited_until(engine: Engine, source: str, key: str) -> datetime | None:
    """When `source` may be asked for `key` again, if that is still ahead."""
    with Session(engine) as session:
        row = session.get(SourceStateRow, (source, key))
        until = row.limited_until if row else None
    return until if until and until > datetime.now(UTC) else None


@dataclass(frozen=True)
class Taken:
    """What the stream took since the last saving."""

    posts: int = 0
    newest: datetime | None = None
    """When the newest of them was written."""


def save_reading(
    engine: Engine,
    source: str,
    key: str,
    position: dict[str, Any],
    *,
    taken: Taken,
    error: str | None = None,
    until: datetime | None = None,
) -> None:
    """Save where a source stands; call it after the stream has taken the posts.

    `error` is what went wrong in this reading, `until` when it may be asked again.
    """
    now = datetime.now(UTC)
    with Session(writing(engine)) as session, session.begin():
        # Two processes may count for the same row, and both may be its first.
        new = {"source": source, "key": key, "position": {}, "posts": 0, "updated_at": now}
        insert_rows(session.connection(), STATES, [new], ("source", "key"))
        row = session.get_one(SourceStateRow, (source, key), with_for_update=True)
        row.position = position
        row.posts += taken.posts
        row.posts_of_day = taken.posts + (row.posts_of_day if row.day == now.date() else 0)
        row.day = now.date()
        row.last_post_at = max(filter(None, (row.last_post_at, taken.newest)), default=None)
        row.last_error = error
        row.limited_until = until
        row.updated_at = now
        if error is None:
            row.last_ok_at = now


def readings(engine: Engine) -> list[SourceStateRow]:
    """Every source's state, by source and key; without the positions, which may be large."""
    order = (SourceStateRow.source, SourceStateRow.key)
    chosen = select(SourceStateRow).options(defer(SourceStateRow.position, raiseload=True))
    with Session(engine) as session:
        return list(session.scalars(chosen.order_by(*order)))


def counted(engine: Engine, name: str) -> dict[str, int]:
    """What the positions of each source count under `name`, of those that do."""
    total = func.sum(SourceStateRow.position[name].as_integer())
    chosen = select(SourceStateRow.source, total).group_by(SourceStateRow.source)
    with engine.connect() as connection:
        return {source: number for source, number in connection.execute(chosen) if number}
