"""The rows that the gate judges by: none that either model has learnt from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from barometer.errors import DataError
from barometer.labels import TASKS
from barometer.text import fingerprint
from inference.model_folder import ModelFolder
from training.data import Rows, TaskData, load_task
from training.labelled_rows import read_labelled_rows, rows_of


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
    rows = read_labelled_rows(file)
    for row in rows:
        if not row.text:
            raise DataError(f"{row.place}: an object with a text is needed.")
        if not row.labels:
            raise DataError(f"{row.place}: an emotion or a sentiment is needed.")
    new = [row for row in rows if row.mark not in seen]
    if not new:
        raise DataError(f"labels: {file} holds no row that the models have not learnt from.")
    sets = []
    for task in TASKS:
        own = rows_of(task, new)
        known = len(rows_of(task, rows)) - len(own)
        if len(own):
            sets.append(RowSet(task, "live", own, f"{known} left out as public" * bool(known)))
    return sets
