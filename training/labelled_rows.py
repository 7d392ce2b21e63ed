"""Rows that people have labelled by name: what `adapt` learns from and `release` may judge by."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barometer.errors import DataError
from barometer.labels import TASKS
from barometer.text import fingerprint, model_input
from training.data import Rows
from training.json_lines import read_json_lines
from training.permission import forbidden


@dataclass(frozen=True)
class LabelledRow:
    """One post with the index of its label in each task that it is labelled for."""

    place: str
    """Its file and line, for messages."""
    text: str
    """As the model reads it; may be empty."""
    mark: str
    """Its fingerprint: rows that share it count as the same text."""
    labels: dict[str, int]
    """Empty where nobody has labelled the post."""
    created_at: Any
    """As the file has it, unread: not everybody asks for the time."""
    forbidden: str | None = None
    """Why no model may learn from it; None: one may."""


def read_labelled_rows(file: Path) -> list[LabelledRow]:
    """Every row of `file`, in its order: lines of `{"text", "sentiment" and/or "emotion"}`.

    Raises:
        DataError: the file, a line or a label cannot be read; names the line.
    """
    return [_row(content, f"{file}, line {number}") for number, content in read_json_lines(file)]


def rows_of(task: str, rows: list[LabelledRow]) -> Rows:
    """Those of `rows` that are labelled for `task`."""
    own = [row for row in rows if task in row.labels]
    return Rows([row.text for row in own], [row.labels[task] for row in own])


def _row(content: dict[str, Any], place: str) -> LabelledRow:
    text = content.get("text")
    if not isinstance(text, str):
        raise DataError(f"{place}: text is needed: write an object with a text, as a string.")
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
    created_at = content.get("created_at")
    why = forbidden(content, place)
    return LabelledRow(place, model_input(text), fingerprint(text), labels, created_at, why)
