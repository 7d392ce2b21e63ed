"""The rows that the gate judges by: none that either model has learnt from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barometer.errors import DataError
from barometer.labels import TASKS
from barometer.text import fingerprint, model_input
from inference.model_folder import ModelFolder
from training.data import Rows, TaskData, load_task


@dataclass(frozen=True)
class RowSet:
    """Labelled rows of one task; `note` says what a reader must know about them."""

    task: str
    name: str
    rows: Rows
    note: str = ""


def held_out(
    where: Mapping[str, str], models: Sequence[ModelFolder], live: Path | None
) -> list[RowSet]:
    """Each task's release rows, and the live labels where there are any.

    A model that records no digest of these very release rows may have learnt from them; then the
    task is judged on its validation rows, which chose the models but did not teach them.

    Args:
        where: a task's data, a hub name or a folder.
        models: the folders that are compared.
        live: a jsonl file of held-out live labels.

    Raises:
        DataError: rows are unusable.
    """
    sets = []
    seen: set[str] = set()
    for task, source in where.items():
        data = load_task(task, source)
        sets.append(_fixed(data, models))
        if live is not None:
            for split in (data.train, data.validation, data.test, data.release):
                seen.update(map(fingerprint, split.texts))
    return sets if live is None else sets + read_live(live, seen)


def _fixed(data: TaskData, models: Sequence[ModelFolder]) -> RowSet:
    digest = data.release_digest()
    without = [
        folder.name
        for folder in models
        if folder.metrics.get("release_digests", {}).get(data.task) != digest
    ]
    if not without:
        return RowSet(data.task, "release", data.release)
    names = " and ".join(dict.fromkeys(without))
    note = f"release rows not used: {names} may have learnt from them"
    return RowSet(data.task, "validation", data.validation, note)


def read_live(file: Path, seen: set[str]) -> list[RowSet]:
    """Rows of a jsonl file: `text`, and `emotion` or `sentiment` or both, by name.

    Texts whose fingerprint is in `seen` (the public rows, which models learn from) are left out.

    Raises:
        DataError: the file or a line cannot be used; names the line.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"labels: {file} cannot be read ({error}).") from error
    rows: dict[str, Rows] = {task: Rows([], []) for task in TASKS}
    known = dict.fromkeys(TASKS, 0)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _row(line, f"{file}, line {number}")
        for task in TASKS.keys() & row.keys():
            if fingerprint(row["text"]) in seen:
                known[task] += 1
                continue
            rows[task].texts.append(model_input(row["text"]))
            rows[task].labels.append(TASKS[task].index(row[task]))
    if not any(map(len, rows.values())):
        raise DataError(f"labels: {file} holds no row that the models have not learnt from.")
    return [
        RowSet(task, "live", rows[task], f"{known[task]} left out as public" * bool(known[task]))
        for task in TASKS if len(rows[task])
    ]  # fmt: skip


def _row(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{place}: not valid JSON ({error}).") from error
    if not isinstance(row, dict) or not isinstance(row.get("text"), str) or not row["text"].strip():
        raise DataError(f"{place}: an object with a text is needed.")
    labelled = {key: row[key] for key in TASKS if row.get(key) is not None}
    if not labelled:
        raise DataError(f"{place}: an emotion or a sentiment is needed.")
    for task, label in labelled.items():
        if label not in TASKS[task]:
            names = ", ".join(TASKS[task])
            raise DataError(f"{place}: {task} {label!r} is unknown; it is one of {names}.")
    return {"text": row["text"], **labelled}
