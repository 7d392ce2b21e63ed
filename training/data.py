"""Labelled rows, from the hub or a local folder: checked, and no text in two splits."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from barometer.errors import DataError, UnavailableError
from barometer.labels import TASKS
from barometer.text import fingerprint, model_input
from training.json_lines import read_json_lines
from training.permission import counted, forbidden

SPLITS = ("train", "validation", "test")
RELEASE_ROWS = 1000
"""Rows a task that are set apart for the gate; a tenth where there are few."""


@dataclass(frozen=True)
class Rows:
    """Texts as the model reads them, with the index of each one's label in its task."""

    texts: list[str]
    labels: list[int]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class TaskData:
    """One task's rows: three public splits, and the release split that the gate alone reads."""

    task: str
    train: Rows
    validation: Rows
    test: Rows
    release: Rows
    """Cut from train; no model that passes the gate has learnt from it, nor been chosen by it."""
    dropped: int
    """Training rows left out because validation, test or release hold the same text."""
    forbidden: dict[str, int] = field(default_factory=dict)
    """Rows of all splits left out because no model may learn from them, counted by the reason."""

    def class_counts(self) -> list[int]:
        """Training rows a class, in label order."""
        counts = Counter(self.train.labels)
        return [counts[label] for label in range(len(TASKS[self.task]))]

    def digest(self) -> str:
        """SHA-256 over all splits' texts and labels: the fingerprint of this data."""
        return _digest([self.train, self.validation, self.test, self.release])

    def release_digest(self) -> str:
        """SHA-256 over the release split, by which two models know that they share it."""
        return _digest([self.release])


def load_task(task: str, where: str, rows: int | None = None) -> TaskData:
    """Load a task's splits from `where`: a hub `name[:configuration]`, or a folder of jsonl files.

    `rows` keeps only the first training rows: a quick look rather than a result.

    Raises:
        DataError: a file, column or split is missing, a split is empty or a label unknown.
        UnavailableError: `where` is a hub name and the hub cannot be reached.
    """
    reasons: list[str | None] = []
    splits = {split: _checked(task, where, split, reasons) for split in SPLITS}
    held_out = {fingerprint(t) for s in ("validation", "test") for t in splits[s].texts}
    rest = _without(splits["train"], held_out)
    release = stratified_part(rest, min(RELEASE_ROWS, len(rest) // 10) / max(1, len(rest)))
    train = _without(rest, {fingerprint(text) for text in release.texts})
    dropped = len(splits["train"]) - len(train) - len(release)
    train = Rows(train.texts[:rows], train.labels[:rows])
    missing = set(range(len(TASKS[task]))) - set(train.labels)
    if missing:
        names = ", ".join(TASKS[task][label] for label in sorted(missing))
        raise DataError(f"{task} data in {where}: no training row is labelled {names}.")
    barred = counted(reasons)
    return TaskData(task, train, splits["validation"], splits["test"], release, dropped, barred)


def stratified_part(rows: Rows, share: float, least: int = 0) -> Rows:
    """A fixed part of `rows`: of each class its share, those whose texts hash lowest.

    It depends on the texts alone, not on their order or on chance, so every machine cuts the same.
    A text that occurs twice is taken once.

    Args:
        rows: what to choose from.
        share: of each class's rows.
        least: rows of a class to take where its share is fewer.
    """
    texts: list[str] = []
    labels: list[int] = []
    taken: set[str] = set()
    for label in sorted(set(rows.labels)):
        own = [t for t, y in zip(rows.texts, rows.labels, strict=True) if y == label]
        by_mark = {fingerprint(text): text for text in own}
        ranked = sorted(by_mark.keys() - taken, key=lambda m: hashlib.sha256(m.encode()).digest())
        chosen = ranked[: max(least, round(share * len(own)))]
        taken.update(chosen)
        texts += [by_mark[mark] for mark in chosen]
        labels += [label] * len(chosen)
    return Rows(texts, labels)


def _without(rows: Rows, marks: set[str]) -> Rows:
    pairs = zip(rows.texts, rows.labels, strict=True)
    kept = [(text, label) for text, label in pairs if fingerprint(text) not in marks]
    return Rows([text for text, _ in kept], [label for _, label in kept])


def _digest(splits: list[Rows]) -> str:
    total = hashlib.sha256()
    for rows in splits:
        for text, label in sorted(zip(rows.texts, rows.labels, strict=True)):
            total.update(f"{label}\t{text}\n".encode())
        total.update(b"\0")
    return total.hexdigest()


def _checked(task: str, where: str, split: str, reasons: list[str | None]) -> Rows:
    """A split's rows that a model may learn from; `reasons` takes why each other one may not."""
    table = _read(task, where, split)
    if not {"text", "label"} <= table.keys():
        found = ", ".join(table)
        raise DataError(f"{where}, {split}: columns text and label are needed, found {found}.")
    if not table["label"]:
        raise DataError(f"{where}: the {split} split is empty.")
    names = TASKS[task]
    labels: list[int] = []
    for index, label in enumerate(table["label"]):
        if not isinstance(label, int) or not 0 <= label < len(names):
            raise DataError(
                f"{where}, {split}, row {index}: label {label!r} is unknown; "
                f"{task} labels are 0 to {len(names) - 1} ({', '.join(names)})."
            )
        labels.append(label)
    for index, text in enumerate(table["text"]):
        if not isinstance(text, str):
            raise DataError(
                f"{where}, {split}, row {index}: text {text!r} is no string; leave the row out."
            )
    own = _reasons(table, f"{where}, {split}")
    reasons += own
    allowed = [index for index, reason in enumerate(own) if reason is None]
    if not allowed:
        raise DataError(f"{where}: no row of the {split} split may be learnt from.")
    return Rows([model_input(table["text"][i]) for i in allowed], [labels[i] for i in allowed])


def _reasons(table: dict[str, list[Any]], place: str) -> list[str | None]:
    names: list[str] = [name for name in ("source", "may_train") if name in table]
    rows = [{name: table[name][index] for name in names} for index in range(len(table["text"]))]
    return [forbidden(row, f"{place}, row {index}") for index, row in enumerate(rows)]


def _read(task: str, where: str, split: str) -> dict[str, list[Any]]:
    """A split's columns; a folder is read without `datasets`, which a plain install lacks."""
    folder = Path(where)
    if folder.is_dir():
        file = folder / f"{split}.jsonl"
        if not file.is_file():
            raise DataError(f"{task} data: {folder} holds no {split}.jsonl.")
        return _columns([row for _, row in read_json_lines(file)])
    return _read_hub(task, where, split)


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row) or ("text", "label")
    return {name: [row.get(name) for row in rows] for name in names}


def _read_hub(task: str, where: str, split: str) -> dict[str, list[Any]]:
    import datasets  # noqa: PLC0415 - seconds to import, and only the train extra has it

    datasets.disable_progress_bars()
    try:
        name, _, configuration = where.partition(":")
        table = datasets.load_dataset(name, configuration or None, split=split)
        return {column: list(table[column]) for column in table.column_names}
    except (datasets.exceptions.DatasetNotFoundError, ConnectionError) as error:
        raise UnavailableError(
            f"{task} data {where!r} is neither a folder nor reachable on the hub: set "
            f"BAROMETER_{task.upper()}_DATA to a folder with train.jsonl, validation.jsonl and "
            'test.jsonl of {"text", "label"} rows.'
        ) from error
