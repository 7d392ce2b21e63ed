"""Labelled rows of a new domain in the order of time, cut into what is learnt and measured."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from barometer.errors import DataError, InputError
from training.labelled_rows import LabelledRow, read_labelled_rows


@dataclass(frozen=True)
class Halves:
    """The earlier rows, to learn from, and the later ones, to measure on."""

    learn: list[LabelledRow]
    measure: list[LabelledRow]
    unlabelled: int
    """Rows left out because they carry no label, or no text that the model can read."""
    repeated: int
    """Learning rows left out because a measured row has the same text."""


def read_by_time(file: Path) -> tuple[list[LabelledRow], int]:
    """The usable rows of `file`, oldest first, and how many others there were.

    Rows may have a `created_at`; without times, the order of the file counts as that of time.

    Raises:
        DataError: a line, label or time cannot be read, or no row is usable; names the line.
    """
    found = [(_time(row), row) for row in read_labelled_rows(file)]
    usable = [(time, row) for time, row in found if row.labels and row.text]
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
    return [row for _, row in usable], len(found) - len(usable)


def split_by_time(rows: list[LabelledRow], share: float, unlabelled: int = 0) -> Halves:
    """Cut `rows` (oldest first): the first `share` of them to learn, the rest to measure.

    Raises:
        InputError: `share` does not lie between 0 and 1.
    """
    if not 0 < share < 1:
        raise InputError("learn: must lie between 0 and 1, such as 0.5.", "learn")
    cut = round(share * len(rows))
    later = {row.mark for row in rows[cut:]}
    learn = [row for row in rows[:cut] if row.mark not in later]
    return Halves(learn, rows[cut:], unlabelled, cut - len(learn))


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
