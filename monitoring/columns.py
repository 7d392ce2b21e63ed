"""What a drift report compares; apart from what compares it, which is slow to import."""

from typing import Any

CATEGORICAL = ("emotion", "sentiment")
NUMERICAL = ("confidence", "sentiment_score", "length")
COLUMNS = CATEGORICAL + NUMERICAL


def left_out(columns: dict[str, dict[str, Any]]) -> list[str]:
    """The columns that a report with these `columns` could not compare."""
    return [name for name in COLUMNS if name not in columns]
