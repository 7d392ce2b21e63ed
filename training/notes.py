"""How a checkpoint came about: a file beside its weights, which goes into `metrics.json`."""

import json
from pathlib import Path
from typing import Any

from barometer.errors import ModelError
from training.data import TaskData
from training.encoder import is_classifier
from training.origin import Origin
from training.recipe import Recipe
from training.source import GIT, git_state

NOTES = "training.json"


def training_notes(
    origin: Origin,
    data: dict[str, TaskData],
    recipe: Recipe,
    best_epoch: int,
    seconds: float,
    **more: Any,
) -> dict[str, Any]:
    """Recipe, base, code, and by fingerprint the rows of a checkpoint."""
    return {
        "base_model": Path(origin.base_model).name,
        "data": {
            "emotion": Path(origin.emotion_data).name,
            "sentiment": Path(origin.sentiment_data).name,
        },
        "recipe": recipe.model_dump(),
        "teachers": [teacher.name for teacher in origin.teachers],
        "best_epoch": best_epoch,
        "train_rows": {task: len(rows.train) for task, rows in data.items()},
        "train_rows_dropped_as_in_held_out_splits": {t: rows.dropped for t, rows in data.items()},
        "data_digests": {task: rows.digest() for task, rows in data.items()},
        "release_digests": _set_apart(origin.base_model, data),
        "seconds": round(seconds),
        GIT: git_state(),
        **more,
    }


def read_notes(checkpoint: Path) -> dict[str, Any]:
    """The notes of a checkpoint.

    Raises:
        ModelError: there are none, or they cannot be read.
    """
    try:
        notes: dict[str, Any] = json.loads((checkpoint / NOTES).read_text())
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{checkpoint} lacks {NOTES}: give a checkpoint that `train` has written."
        ) from error
    return notes


def _set_apart(base_model: str, data: dict[str, TaskData]) -> dict[str, str]:
    """Digests of the release rows that neither this run nor the base has learnt from.

    A base that is a checkpoint of ours tells what it has set apart. One that is somebody's finished
    classifier may have learnt from any public row.
    """
    own = {task: rows.release_digest() for task, rows in data.items()}
    folder = Path(base_model)
    if (folder / NOTES).is_file():
        kept = read_notes(folder).get("release_digests", {})
        return {task: digest for task, digest in own.items() if kept.get(task) == digest}
    return {} if is_classifier(base_model) else own
