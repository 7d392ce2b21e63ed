"""Labelled rows of a new domain: read from a file, cut by time into what is learnt and measured."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from barometer.errors import DataError, InputError
from barometer.labels import TASKS
from barometer.text import fingerprint, model_input
from training.data import Rows
from training.json_lines import read_json_lines


@dataclass(frozen=True)
class LabelledRow:
    """One post with the index of its label in each task that it is labelled for."""

    text: str
    """As the model reads it."""
    mark: str
    """Its fingerprint: rows that share it count as the same text."""
    labels: dict[str, int]
    created_at: datetime | None


@dataclass(frozen=True)
class Halves:
    """The earlier rows, to learn from, and the later ones, to measure on."""

    learn: list[LabelledRow]
    measure: list[LabelledRow]
    unlabelled: int
    """Rows left out because they carry no label, or no text that the model can read."""
    repeated: int
    """Learning rows left out because a measured row has the same text."""


def read_labelled_rows(file: Path) -> tuple[list[LabelledRow], int]:
    """The usable rows of `file`, oldest first, and how many others there were.

    A line is `{"text", "sentiment" and/or "emotion", "created_at"}`; without times, the order of
    the file counts as the order of time.

    Raises:
        DataError: a line, label or time cannot be read, or no row is usable; names the line.
    """
    found = read_json_lines(file)
    rows = [_row(content, f"{file}, line {number}") for number, content in found]
    usable = [row for row in rows if row.labels and row.text]
    if not usable:
        raise DataError(
            f"{file} holds no labelled row: give lines of "
            '{"text": …, "sentiment": "negative"} and/or "emotion".'
        )
    timed = sum(row.created_at is not None for row in usable)
    if 0 < timed < len(usable):
        raise DataError(
            f"{file}: {timed} of {len(usable)} labelled rows have a created_at; give it to all "
            "rows or to none."
        )
    if timed:
        usable.sort(key=lambda row: row.created_at or datetime.min.replace(tzinfo=UTC))
    return usable, len(rows) - len(usable)


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


def rows_of(task: str, rows: list[LabelledRow]) -> Rows:
    """Those of `rows` that are labelled for `task`."""
    own = [row for row in rows if task in row.labels]
    return Rows([row.text for row in own], [row.labels[task] for row in own])


def digest(rows: list[LabelledRow]) -> str:
    """SHA-256 over texts and labels, whatever their order."""
    total = hashlib.sha256()
    for line in sorted(f"{sorted(row.labels.items())}\t{row.text}\n" for row in rows):
        total.update(line.encode())
    return total.hexdigest()


def _row(content: dict[str, Any], place: str) -> LabelledRow:
    text = content.get("text")
    if not isinstance(text, str):
        raise DataError(f"{place}: text is needed, as a string.")
    labels = {}
    for task, names in TASKS.items():
        label = content.get(task)
        if label is None:
            continue
        if label not in names:
            raise DataError(
                f"{place}: {task} {label!r} is unknown; write one of {', '.join(names)}, or "
                "leave it out."
            )
        labels[task] = names.index(label)
    created_at = _time(content.get("created_at"), place)
    return LabelledRow(model_input(text), fingerprint(text), labels, created_at)


def _time(value: Any, place: str) -> datetime | None:
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{place}: created_at {value!r} is no ISO 8601 time such as 2026-03-14T12:00:00Z."
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
