"""Delete what is older than it has to be: posts, their counts by the minute, and analyses.

Hourly counts and keywords by day stay for ever: they are small, and no text is in them. A post that
a source brings once more after it was deleted is stored, and counted, once more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, delete, func, literal, select, tuple_

from barometer.database import writing
from barometer.rollups import EVERY_POST
from barometer.tables import AnalysisRow, EventRow, PostRow, RollupRow, UtcTime

ANALYSES = AnalysisRow.__table__
KEY: Final = tuple_(*ANALYSES.primary_key)
BATCH: Final = 500
"""Posts, or analyses, of one transaction: another writer waits for some tens of milliseconds."""
MINUTES_KEPT: Final = timedelta(days=15)
"""The API's trends by the minute reach 14 days back."""
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Old:
    """How much a pruning deletes."""

    posts: int = 0
    minute_rollups: int = 0
    analyses: int = 0

    def __add__(self, other: "Old") -> "Old":
        """Both together."""
        return Old(
            self.posts + other.posts,
            self.minute_rollups + other.minute_rollups,
            self.analyses + other.analyses,
        )


def count_old(engine: Engine, keep: timedelta, now: datetime) -> Old:
    """How much is older than `keep`."""
    posts, minutes = _limits(keep, now)
    with engine.connect() as connection:
        number = select(func.count()).select_from(PostRow).where(PostRow.created_at < posts)
        rows = sum(
            connection.scalar(
                select(func.count()).select_from(RollupRow).where(*_of(event, minutes))
            )
            or 0
            for event in _events(engine)
        )
        analyses = select(func.count()).select_from(AnalysisRow).where(AnalysisRow.time < posts)
        return Old(connection.scalar(number) or 0, rows, connection.scalar(analyses) or 0)


def prune(engine: Engine, keep: timedelta, now: datetime) -> Iterator[Old]:
    """Delete what is older than `keep`, batch by batch; yields what each batch deleted."""
    posts, minutes = _limits(keep, now)
    # The newest of the old first: so a text's reposts go before the post that they point to.
    batch = (
        select(PostRow.id)
        .where(PostRow.created_at < posts)
        .order_by(PostRow.created_at.desc())
        .limit(BATCH)
    )
    while number := _delete(engine, delete(PostRow).where(PostRow.id.in_(batch))):
        yield Old(posts=number)
    for event in _events(engine):
        oldest = select(func.min(RollupRow.minute)).where(*_of(event, minutes))
        while (start := _first(engine, oldest)) is not None:
            end = min(start + HOUR, minutes)
            yield Old(minute_rollups=_delete(engine, delete(RollupRow).where(*_of(event, end))))
    for keys in _old_analyses(engine, posts):
        yield Old(analyses=_delete(engine, delete(ANALYSES).where(KEY.in_(keys))))


def _limits(keep: timedelta, now: datetime) -> tuple[datetime, datetime]:
    """Before which moments posts, and counts by the minute, are deleted."""
    minutes = (now - max(keep, MINUTES_KEPT)).replace(second=0, microsecond=0)
    return now - keep, minutes


def _old_analyses(engine: Engine, before: datetime) -> Iterator[list[tuple[str, datetime, int]]]:
    """The keys of analyses of before then, batch by batch, in one pass through their index."""
    page = (
        select(*ANALYSES.primary_key)
        .where(ANALYSES.c.time < before)
        .order_by(*ANALYSES.primary_key)
        .limit(BATCH)
    )
    behind: Any = page
    while True:
        with engine.connect() as connection:
            keys = [(word, time, limit) for word, time, limit in connection.execute(behind)]
        if not keys:
            return
        yield keys
        word, time, limit = keys[-1]
        behind = page.where(tuple_(literal(word), literal(time, UtcTime()), literal(limit)) < KEY)


def _events(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return [EVERY_POST, *connection.scalars(select(EventRow.id))]


def _of(event: int, before: datetime) -> tuple[Any, ...]:
    return (RollupRow.event_id == event, RollupRow.minute < before)


def _first(engine: Engine, statement: Any) -> datetime | None:
    with engine.connect() as connection:
        found: datetime | None = connection.scalar(statement)
        return found


def _delete(engine: Engine, statement: Any) -> int:
    with writing(engine).begin() as connection:
        return int(connection.execute(statement).rowcount)
