"""Labelled rows of a new domain in the order of time, cut into what is learnt and measured."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from barometer.errors import DataError, InputError
from training.labelled_rows import LabelledRow, read_labelled_rows
from training.permission import counted, told


@dataclass(frozen=True)
class ByTime:
    """The usable rows of a file, oldest first, and what was left out."""

    rows: list[LabelledRow]
    unlabelled: int
    """Rows without label, or without a text that the model can read."""
    forbidden: dict[str, int]
    """Other rows that no model may learn from, counted by the reason."""


@dataclass(frozen=True)
class Halves:
    """The earlier rows, to learn from, and the later ones, to measure on."""

    learn: list[LabelledRow]
    measure: list[LabelledRow]
    unlabelled: int
    """Rows left out because they carry no label, or no text that the model can read."""
    repeated: int
    """Learning rows left out because a measured row has the same text."""
    forbidden: dict[str, int] = field(default_factory=dict)
    """Rows left out because no model may learn from them, counted by the reason."""


def read_by_time(file: Path) -> ByTime:
    """The usable rows of `file`.

    Those that no model may learn from are not used to measure either. Rows may have a `created_at`;
    without times, the order of the file counts as that of time.

    Raises:
        DataError: a line, label or time cannot be read, or no row is usable; names the line.
    """
    found = [(_time(row), row) for row in read_labelled_rows(file)]
    labelled = [(time, row) for time, row in found if row.labels and row.text]
    usable = [(time, row) for time, row in labelled if row.forbidden is None]
    forbidden = counted([row.forbidden for _, row in labelled])
    if labelled and not usable:
        raise DataError(f"{file} holds no row to learn from: {told(forbidden)}.")
    if not usable:
        raise DataError(
            f"{file} holds no labelled row: give lines of "
            '{"text": …, "sentiment": "negative"} and/or "emotion".'
        )
    timed = sum(time is not None for time, _ in usable)
    if 0 < timed < len(usable):
        raise DataError(
            f"{file}: {timed} of {len(usable)} labelled rows have a created_at; give it to all "
            "rows or to none."
        )
    if timed:
        usable.sort(key=lambda pair: pair[0] or datetime.min.replace(tzinfo=UTC))
    return ByTime([row for _, row in usable], len(found) - len(labelled), forbidden)


def split_by_time(found: ByTime, share: float) -> Halves:
    """Cut the rows: the first `share` of them to learn, the rest to measure.

    Raises:
        InputError: `share` does not lie between 0 and 1.
    """
    if not 0 < share < 1:
        raise InputError("learn: must lie between 0 and 1, such as 0.5.", "learn")
    rows = found.rows
    cut = round(share * len(rows))
    later = {row.mark for row in rows[cut:]}
    learn = [row for row in rows[:cut] if row.mark not in later]
    return Halves(learn, rows[cut:], found.unlabelled, cut - len(learn), found.forbidden)


def digest(rows: list[LabelledRow]) -> str:
    """SHA-256 over texts and labels, whatever their order."""
    total = hashlib.sha256()
    for line in sorted(f"{sorted(row.labels.items())}\t{row.text}\n" for row in rows):
        total.update(line.encode())
    return total.hexdigest()


def _time(row: LabelledRow) -> datetime | None:
    if row.created_at is None:
        return None
    try:
        time = datetime.fromisoformat(row.created_at)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{row.place}: created_at {row.created_at!r} is no ISO 8601 time such as "
            "2026-03-14T12:00:00Z."
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
