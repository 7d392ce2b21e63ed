"""A row of a file becomes a post: the mapped columns, and what stands in for a missing one."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import parsedate_to_datetime
from typing import Any, Final

import orjson

from barometer.errors import InputError
from barometer.file_columns import FIELDS
from barometer.posts import Post
from ingestion.cleaning import clean

SOURCE: Final = "files"
MILLISECONDS: Final = 1e11
"""Unix times from here on count milliseconds: as seconds they would lie past the year 5000."""


@dataclass(frozen=True)
class Columns:
    """Which column holds which field: as the setting says, else the one of the field's name."""

    named: Mapping[str, str]

    def column(self, field: str) -> str:
        """The column that holds `field`."""
        return self.named.get(field, field)

    @property
    def only_text(self) -> "Columns":
        """The same, where only the text must be there: an object leaves out what it lacks."""
        return Columns({"text": self.column("text")})

    @property
    def wanted(self) -> list[str]:
        """Every column that is looked at."""
        return [self.column(field) for field in FIELDS]

    def lacking(self, present: Collection[str]) -> list[str]:
        """The columns that must be there and are not: the text's, and those of the setting."""
        needed = dict.fromkeys([self.column("text"), *self.named.values()])
        return [name for name in needed if name not in present]

    def text_of(self, row: Mapping[str, Any]) -> str:
        """The row's text, empty where it has none."""
        text = row.get(self.column("text"))
        return text if isinstance(text, str) else ""


def post_of(row: Mapping[str, Any], columns: Columns, *, file: str, written_at: datetime) -> Post:
    """The row as a post.

    Without an id it gets a hash of `file` and the row's content, so that the same row is the same
    post again; without a time it counts as written when the file was (`written_at`). A time
    without a zone is UTC.

    Raises:
        InputError: a value cannot be used; names its field.
    """
    values = {field: _plain(row.get(columns.column(field))) for field in FIELDS}
    identity = values["id"]
    return clean(
        {
            **values,
            "source": SOURCE,
            "id": _mark(file, row) if identity is None else str(identity),
            "text": "" if values["text"] is None else values["text"],
            "created_at": _moment(values["created_at"], written_at),
            **{name: _word(values[name]) for name in ("author", "location", "url", "language")},
            "metadata": {"file": file},
        }
    )


def _plain(value: Any) -> Any:
    """A value without what surrounds it; None where there is nothing."""
    if isinstance(value, str):
        return value.strip() or None
    return None if value != value else value  # noqa: PLR0124  a column of numbers has NaN for none


def _word(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) else value


def _mark(file: str, row: Mapping[str, Any]) -> str:
    content = orjson.dumps(row, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(file.encode() + b"\0" + content).hexdigest()[:32]


def _moment(value: Any, written_at: datetime) -> datetime:
    if value is None:
        return written_at
    if isinstance(value, str):
        value = _read(value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value / (1e3 if abs(value) >= MILLISECONDS else 1), UTC)
        except (OverflowError, OSError, ValueError) as error:
            raise InputError("created_at: lies outside the calendar", "created_at") from error
    raise InputError(
        "created_at: is no time: ISO 8601, a mail's date or Unix seconds are read", "created_at"
    )


def _read(text: str) -> Any:
    for reader in (datetime.fromisoformat, float, parsedate_to_datetime):
        try:
            return reader(text)
        except (ValueError, OverflowError):
            continue
    return text
