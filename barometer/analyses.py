"""Answers of `/analyze` in the database: written once each, read as a keyword's history."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select, tuple_
from sqlalchemy.orm import Session

from barometer.bulk import insert_rows
from barometer.client.contract import KeptAnalysis
from barometer.database import writing
from barometer.tables import AnalysisRow

ANALYSES = AnalysisRow.__table__

Key = tuple[str, datetime, int]
"""What tells analyses apart: keyword, time, limit."""


def tidy(keyword: str) -> str:
    """The form of a keyword under which two questions are the same."""
    return " ".join(keyword.split()).lower()


def key_of(analysis: KeptAnalysis) -> Key:
    """The analysis' key in the database."""
    return tidy(analysis.keyword), analysis.time, analysis.limit


def write(engine: Engine, analyses: Sequence[KeptAnalysis]) -> int:
    """Write analyses in one transaction; returns how many are new, the others change nothing."""
    if not analyses:
        return 0
    # In key order, so that two writers wait for each other but never in a ring.
    rows = [_values(each) for each in sorted(analyses, key=key_of)]
    with writing(engine).begin() as connection:
        key = ("keyword", "time", "post_limit")
        return len(insert_rows(connection, ANALYSES, rows, key, returning=("keyword",)).all())


def stored_among(engine: Engine, keys: Sequence[Key]) -> set[Key]:
    """Those of the keys that the database holds."""
    columns = (ANALYSES.c.keyword, ANALYSES.c.time, ANALYSES.c.post_limit)
    statement = select(*columns).where(tuple_(*columns).in_(keys))
    with engine.connect() as connection:
        return {(keyword, time, limit) for keyword, time, limit in connection.execute(statement)}


def history(engine: Engine, keyword: str, since: datetime, limit: int) -> list[dict[str, Any]]:
    """A keyword's analyses from `since` on, newest first, at most `limit`."""
    statement = (
        select(AnalysisRow)
        .where(AnalysisRow.keyword == tidy(keyword), AnalysisRow.time >= since)
        .order_by(AnalysisRow.time.desc(), AnalysisRow.post_limit)
        .limit(limit)
    )
    with Session(engine) as session:
        return [_json(row) for row in session.scalars(statement)]


def _values(analysis: KeptAnalysis) -> dict[str, Any]:
    keyword, time, limit = key_of(analysis)
    given = analysis.model_dump(exclude={"limit"})
    return given | {"keyword": keyword, "time": time, "post_limit": limit}


def _json(row: AnalysisRow) -> dict[str, Any]:
    given = {name: getattr(row, name) for name in KeptAnalysis.model_fields if name != "limit"}
    return given | {"limit": row.post_limit}
