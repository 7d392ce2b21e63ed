"""Counts that are kept in the row's own transaction: by minute, by hour, and of keywords by day."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table

from barometer.bulk import insert_rows
from barometer.facts import Counted
from barometer.tables import HourlyRollupRow, KeywordDayRow, RollupRow
from barometer.text import mentions

NO_ANSWER: Final = ""
"""What rollups call the emotion or sentiment of a post whose model lacks that task, and the
language of one whose language is not known."""
EVERY_POST: Final = 0
"""The rollups' event id under which each post counts once, whatever its events."""

MINUTES = RollupRow.__table__
HOURS = HourlyRollupRow.__table__
KEYWORDS = KeywordDayRow.__table__

Cells = defaultdict[tuple[Any, ...], list[float]]
"""The sums of a table's cell, by its key."""


def count(connection: Connection, counted: Sequence[Counted]) -> None:
    """Add posts to the rollups of their minutes and hours."""
    minutes: Cells = defaultdict(lambda: [0, 0.0, 0.0])
    hours: Cells = defaultdict(lambda: [0, 0.0, 0.0])
    for event, facts in counted:
        minute = facts.created_at.replace(second=0, microsecond=0)
        answers = (facts.emotion or NO_ANSWER, facts.sentiment or NO_ANSWER)
        cell = minutes[event, minute, facts.source, *answers, facts.language or NO_ANSWER]
        cell[0] += 1
        cell[1] += facts.confidence or 0.0
        cell[2] += facts.sentiment_score or 0.0
    for (event, minute, *others), cell in minutes.items():
        hour = hours[event, minute.replace(minute=0), *others]
        for place, value in enumerate(cell):
            hour[place] += value
    keys = ("source", "emotion", "sentiment", "language")
    values = ("posts", "confidence_sum", "sentiment_sum")
    _add(connection, MINUTES, ("event_id", "minute", *keys), values, minutes)
    _add(connection, HOURS, ("event_id", "hour", *keys), values, hours)


def count_keywords(
    connection: Connection, links: Sequence[Counted], keywords: Mapping[int, Sequence[str]]
) -> None:
    """Add posts that are new to their events to the days of the events' keywords."""
    days: Counter[tuple[Any, ...]] = Counter()
    for event, facts in links:
        for keyword in keywords[event]:
            if mentions(keyword).search(facts.text):
                days[event, facts.created_at.date(), keyword] += 1
    cells = {key: [posts] for key, posts in days.items()}
    _add(connection, KEYWORDS, ("event_id", "day", "keyword"), ("posts",), cells)


def _add(
    connection: Connection,
    table: Table,
    keys: tuple[str, ...],
    values: tuple[str, ...],
    cells: Mapping[tuple[Any, ...], Sequence[float]],
) -> None:
    """Add to a table's cells; in key order, so that two writers cannot deadlock."""
    if not cells:
        return
    rows = [
        dict(zip(keys + values, (*key, *cell), strict=True)) for key, cell in sorted(cells.items())
    ]
    insert_rows(connection, table, rows, keys, adding=values)
