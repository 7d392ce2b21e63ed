"""The rows that the gate judges by: none that either model has learnt from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from barometer.errors import DataError
from barometer.labels import TASKS
from barometer.text import fingerprint
from inference.model_folder import ModelFolder
from training.data import Rows, TaskData, load_task
from training.labelled_rows import read_labelled_rows, rows_of
from training.learnt import learnt_mark, read_learnt
from training.permission import counted, told


@dataclass(frozen=True)
class RowSet:
    """Labelled rows of one task; `note` says what a reader must know about them."""

    task: str
    name: str
    rows: Rows
    note: str = ""
    candidates: int = 1
    """Models among which these very rows have chosen the challenger."""


def held_out(
    where: Mapping[str, str], champion: ModelFolder, challenger: ModelFolder, live: Path | None
) -> list[RowSet]:
    """Each task's release rows, and the live labels where there are any.

    A model that records no digest of these very release rows may have learnt from them; then the
    task is judged on its validation rows, which chose the models but did not teach them. Texts that
    either model was adapted to are left out everywhere.

    Args:
        where: a task's data, a hub name or a folder.
        champion: what serves now.
        challenger: what would.
        live: a jsonl file of live labels.

    Raises:
        DataError: rows are unusable.
    """
    learnt = read_learnt(champion.path) | read_learnt(challenger.path)
    sets = []
    seen: set[str] = set()
    for task, source in where.items():
        data = load_task(task, source)
        sets.append(_without(learnt, _fixed(data, champion, challenger)))
        if live is not None:
            for split in (data.train, data.validation, data.test, data.release):
                seen.update(map(fingerprint, split.texts))
    return sets if live is None else sets + read_live(live, seen, learnt)


def _fixed(data: TaskData, champion: ModelFolder, challenger: ModelFolder) -> RowSet:
    digest = data.release_digest()
    without = [
        folder.name
        for folder in (champion, challenger)
        if folder.metrics.get("release_digests", {}).get(data.task) != digest
    ]
    if not without:
        return RowSet(data.task, "release", data.release)
    names = " and ".join(dict.fromkeys(without))
    candidates = int(challenger.metrics.get("search", {}).get("trials", 1))
    note = f"release rows not used: {names} may have learnt from them"
    if candidates > 1:
        note += f"; these rows chose the challenger among {candidates}: p-values times {candidates}"
    return RowSet(data.task, "validation", data.validation, note, candidates)


def _without(learnt: frozenset[str], found: RowSet) -> RowSet:
    texts, labels = [], []
    for text, label in zip(found.rows.texts, found.rows.labels, strict=True):
        if learnt_mark(fingerprint(text)) not in learnt:
            texts.append(text)
            labels.append(label)
    left_out = len(found.rows) - len(texts)
    if not left_out:
        return found
    if not texts:
        raise DataError(
            f"{found.task}: a model was adapted to every {found.name} row: none is left."
        )
    note = f"{left_out} left out as learnt from"
    note = f"{found.note}; {note}" if found.note else note
    return replace(found, rows=Rows(texts, labels), note=note)


def read_live(
    file: Path, seen: Collection[str], learnt: Collection[str] = frozenset()
) -> list[RowSet]:
    """Rows of a jsonl file: `text`, and `emotion` or `sentiment` or both, by name.

    Left out are texts whose fingerprint is in `seen` (the public rows, which models learn from),
    those whose mark is in `learnt` (rows of one's own that a model was adapted to), and those that
    no model may learn from: the gate chooses models.

    Raises:
        DataError: the file or a line cannot be used; names the line.
    """
    rows = read_labelled_rows(file)
    for row in rows:
        if not row.text:
            raise DataError(f"{row.place}: an object with a text is needed.")
        if not row.labels:
            raise DataError(f"{row.place}: an emotion or a sentiment is needed.")
    barred = [row for row in rows if row.forbidden is not None]
    public = [row for row in rows if row.mark in seen and row.forbidden is None]
    known = {row.place for row in (*barred, *public)}
    taught = [r for r in rows if r.place not in known and learnt_mark(r.mark) in learnt]
    left_out = known | {row.place for row in taught}
    new = [row for row in rows if row.place not in left_out]
    if not new:
        why = told(counted([row.forbidden for row in barred]))
        raise DataError(
            f"labels: {file} holds no row that the models have not learnt from"
            f"{f' ({why})' if why else ''}."
        )
    sets = []
    for task in TASKS:
        own = rows_of(task, new)
        counts = {"public": len(rows_of(task, public)), "learnt from": len(rows_of(task, taught))}
        counts |= counted([row.forbidden for row in barred if task in row.labels])
        note = ", ".join(f"{count} left out as {why}" for why, count in counts.items() if count)
        if len(own):
            sets.append(RowSet(task, "live", own, note))
    return sets
