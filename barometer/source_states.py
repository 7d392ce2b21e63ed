"""Where each source stands, and how its last reading went."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from barometer.database import writing
from barometer.tables import SourceStateRow


def position_of(engine: Engine, source: str, key: str) -> dict[str, Any]:
    """The saved position of `source` for `key` (an event's slug), a fresh dict."""
    with Session(engine) as session:
        row = session.get(SourceStateRow, (source, key))
        return dict(row.position) if row else {}


def save_reading(
    engine: Engine,
    source: str,
    key: str,
    position: dict[str, Any],
    *,
    posts: int,
    error: str | None = None,
) -> None:
    """Save where a source stands; call it after the stream has taken the posts.

    `posts` is how many the stream took in this reading, `error` what went wrong in it.
    """
    now = datetime.now(UTC)
    with Session(writing(engine)) as session, session.begin():
        row = session.get(SourceStateRow, (source, key))
        if row is None:
            row = SourceStateRow(source=source, key=key, posts=0)
            session.add(row)
        row.position = position
        row.posts += posts
        row.last_error = error
        row.updated_at = now
        if error is None:
            row.last_ok_at = now


def readings(engine: Engine) -> list[SourceStateRow]:
    """Every source's state, by source and key."""
    order = (SourceStateRow.source, SourceStateRow.key)
    with Session(engine) as session:
        return list(session.scalars(select(SourceStateRow).order_by(*order)))
