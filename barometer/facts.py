"""What is stored of a post, as far as its links and the counts need it."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement

from barometer.tables import PostRow


@dataclass(frozen=True)
class Facts:
    """A post's columns of the same names."""

    id: int
    source: str
    text: str
    created_at: datetime
    emotion: str | None
    sentiment: str | None
    confidence: float | None
    sentiment_score: float | None
    repost_of: int | None
    language: str | None


COLUMNS: Final[tuple[ColumnElement[Any], ...]] = tuple(
    PostRow.__table__.c[field.name] for field in fields(Facts)
)
"""What to select for `Facts(*row)`."""

Counted = tuple[int, Facts]
"""An event's id, or `barometer.rollups.EVERY_POST`, and a post that is new to it."""
