"""`barometer adapt`: a new linear head from labelled rows of a new domain, in seconds.

Nothing here needs torch or a network: features and logits come from the served ONNX file.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from barometer.errors import DataError, InputError
from barometer.labels import TASKS, task_slice
from barometer.settings import REPOSITORY, Settings
from inference.classifier import Classifier, Floats
from inference.model_folder import ModelFolder, open_model_folder
from inference.registry import fetch
from training.adaptation.figures import measure
from training.adaptation.folder import write_adapted, write_record
from training.adaptation.halves import Halves, digest, read_by_time, split_by_time
from training.adaptation.head import ChosenHead, Examples, choose_head
from training.adaptation.replay import Replay, make_replay, read_replay
from training.data import TaskData, load_task
from training.evaluate import answers_of, evaluate_rows, figures, write_reference
from training.labelled_rows import LabelledRow, rows_of
from training.learnt import add_learnt
from training.register import ensure_champion
from training.target import check_target

STARTER = REPOSITORY / "models" / "starter"
FEWEST_ROWS = 20
"""Fewest labelled rows of a task in each half."""


@dataclass(frozen=True)
class Plan:
    """What to learn from, and how."""

    rows: Path
    """The file of labelled rows."""
    learn: float = 0.5
    """Share of the rows, by time, to learn from; the rest measures."""
    labels: int | None = None
    """Learn from no more than so many of the newest learning rows; None: all."""
    replay_weight: float = 0.3
    """Weight of all replayed old rows together, that of the new ones being 1."""


def adapt(
    settings: Settings, start: Path | None, plan: Plan, target: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """Write `target`: a model with a new head for every task that the rows label.

    Args:
        settings: name the old rows' folders; a hub name there is not asked.
        start: the model folder to start from; None: the champion's, or the starter's where the
            registry is empty.
        plan: the new rows.
        target: the folder to write, in one move, once all is measured.
        say: told what is being done.

    Returns:
        The record that `metrics.json` keeps as `adapted_from`.

    Raises:
        DataError: a row cannot be used, or a half has too few rows of a task.
        InputError: `target` is no model folder, or the model lacks a task that the rows label.
        ModelError: the model has no `pooled`, or its replay file is broken.
    """
    started = time.monotonic()
    check_target(target)
    halves = split_by_time(read_by_time(plan.rows), plan.learn)
    learn = halves.learn[-plan.labels :] if plan.labels else halves.learn
    halves = replace(halves, learn=learn)
    tasks = _labelled_tasks(halves, plan.rows)
    model = open_model_folder(start or fetch(settings, ensure_champion(settings, STARTER)))
    _check_answered(model, tasks, plan.rows)
    old_rows = {t: load_task(t, where) for t, where in _old_folders(settings, model).items()}
    classifier = Classifier(model, settings.session_threads)
    replay, source = _replay(classifier, old_rows)
    say(f"replaying old rows: {source}")
    heads = {}
    for task in tasks:
        say(f"learning {task} from {len(rows_of(task, learn))} rows")
        heads[task] = _learn(classifier, task, halves, replay, plan.replay_weight)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".adapt-") as scratch:
        folder = Path(scratch) / target.name
        write_adapted(model, folder, heads, replay, target.name)
        adapted = Classifier(open_model_folder(folder), settings.session_threads)
        say("measuring before and after")
        models = {"before": classifier, "after": adapted}
        measured = [row.text for row in halves.measure]
        new_logits = {when: each.logits(measured)[0] for when, each in models.items()}
        gains = {
            task: {
                when: _figures(each.folder, task, halves.measure, new_logits[when])
                for when, each in models.items()
            }
            for task in tasks
        }
        old_logits = {t: adapted.logits(rows.validation.texts)[0] for t, rows in old_rows.items()}
        cost = {
            task: {
                "before": evaluate_rows(classifier, task, rows.validation),
                "after": figures(
                    answers_of(adapted.folder, task, rows.validation, old_logits[task])
                ),
            }
            for task, rows in old_rows.items()
        }
        if len(old_rows) == len(model.tasks):
            texts = [text for rows in old_rows.values() for text in rows.validation.texts]
            write_reference(adapted, texts, np.concatenate(list(old_logits.values())))
        else:  # the measured rows in the place of validation rows, which are not on this machine
            write_reference(adapted, measured, new_logits["after"])
        record = {
            "name": model.name,
            "digest": model.digest(),
            "rows_digest": digest(learn),
            "rows_unlabelled": halves.unlabelled,
            "rows_repeated": halves.repeated,
            "rows_forbidden": halves.forbidden,
            "replayed": source,
            "replay_weight": plan.replay_weight,
            "tasks": {
                task: {
                    "rows_learnt": len(rows_of(task, learn)),
                    "penalty": head.penalty,
                    "temperature": round(head.temperature, 4),
                    "held_out_losses": {str(k): round(v, 4) for k, v in head.losses.items()},
                    **gains[task],
                }
                for task, head in heads.items()
            },
            "cost": cost,
            "seconds": round(time.monotonic() - started, 1),
        }
        validation = {task: one["after"] for task, one in cost.items()}
        write_record(folder, validation, record)
        add_learnt(folder, {row.mark for row in learn})
        if target.exists():
            target.rename(Path(scratch) / "replaced")
        folder.rename(target)
    return record


def _labelled_tasks(halves: Halves, file: Path) -> list[str]:
    tasks = [task for task in TASKS if rows_of(task, halves.learn).texts]
    for task in tasks:
        for half, rows in (("learning", halves.learn), ("measured", halves.measure)):
            count = len(rows_of(task, rows))
            if count < FEWEST_ROWS:
                raise DataError(
                    f"{file}: the {half} half has {count} {task} labels and needs {FEWEST_ROWS}: "
                    "label more rows, or cut them elsewhere with --learn."
                )
    if not tasks:
        raise DataError(f"{file}: no row is left to learn from: label more rows.")
    return tasks


def _check_answered(model: ModelFolder, tasks: list[str], file: Path) -> None:
    lacking = " and ".join(task for task in tasks if task not in model.tasks)
    if lacking:
        raise InputError(f"rows: {file} labels {lacking}, which {model.name} lacks: leave those "
                         "labels out, or name another model with --model.", "rows")  # fmt: skip


def _old_folders(settings: Settings, model: ModelFolder) -> dict[str, str]:
    """The model's tasks whose configured data is a folder here; a hub is not asked."""
    named = {"emotion": settings.emotion_data, "sentiment": settings.sentiment_data}
    return {task: named[task] for task in model.tasks if Path(named[task]).is_dir()}


def _replay(classifier: Classifier, old: dict[str, TaskData]) -> tuple[Replay | None, str]:
    carried = read_replay(classifier.folder.path)
    if carried is not None:
        return carried, f"{len(carried.label)} that the model carries"
    if not old:
        return None, (
            "none, since the model carries none and neither BAROMETER_EMOTION_DATA nor "
            "BAROMETER_SENTIMENT_DATA is a folder"
        )
    made = make_replay(classifier, old)
    return made, f"{len(made.label)} of the configured {' and '.join(old)} data"


def _learn(
    classifier: Classifier, task: str, halves: Halves, replay: Replay | None, weight: float
) -> ChosenHead:
    rows = rows_of(task, halves.learn)
    logits, pooled = classifier.logits_and_pooled(rows.texts)
    new = Examples(pooled, logits[:, task_slice(task)], np.array(rows.labels))
    old = replay.of(task) if replay is not None else None
    return choose_head(new, old, weight, classifier.folder.temperatures[task])


def _figures(
    folder: ModelFolder, task: str, rows: list[LabelledRow], logits: Floats
) -> dict[str, Any]:
    """Figures of those `rows` that are labelled for `task`; (n, 9) `logits` of all of them."""
    own = [place for place, row in enumerate(rows) if task in row.labels]
    labels = rows_of(task, rows).labels
    return asdict(measure(task, logits[own], labels, folder.temperatures[task]))
