"""Which rows a model may learn from: the terms of their sources, and what the rows say."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from barometer.errors import DataError
from barometer.terms import may_train


def forbidden(row: Mapping[str, Any], place: str) -> str | None:
    """Why no model may learn from a row; None: one may.

    Args:
        row: may have a `may_train`, as exports of posts do, and a `source`.
        place: its file and line, for messages.

    Raises:
        DataError: `may_train` is neither true nor false.
    """
    source, marked = row.get("source"), row.get("may_train")
    if isinstance(source, str) and not may_train(source):
        return f"from {source.strip().casefold()}, whose terms forbid it"
    if marked is not None and not isinstance(marked, bool):
        raise DataError(f"{place}: may_train {marked!r} must be true or false; or leave it out.")
    return "marked may_train false" if marked is False else None


def told(reasons: Mapping[str, int]) -> str:
    """How many rows were left out and why, in one line; empty where none was."""
    total = sum(reasons.values())
    each = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
    return f"{total:,} rows left out that no model may learn from: {each}" if total else ""


def counted(reasons: list[str | None]) -> dict[str, int]:
    """How many rows each reason leaves out."""
    return dict(Counter(reason for reason in reasons if reason))
