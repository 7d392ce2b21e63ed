"""`barometer train` and `barometer export`: from rows and an encoder to a measured model folder."""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from barometer.errors import InputError, ModelError
from inference.classifier import Classifier
from inference.model_folder import FILES, open_model_folder
from training.data import SPLITS, TaskData, load_task
from training.evaluate import evaluate_splits, write_metrics, write_reference
from training.export import export
from training.finetune import Epoch, Progress, finetune
from training.model_card import write_card
from training.recipe import Recipe

NOTES = "training.json"
"""How a checkpoint came about; it lies beside the weights and goes into `metrics.json`."""


@dataclass(frozen=True)
class Origin:
    """Where the base encoder and the rows come from: hub names or local folders."""

    base_model: str
    emotion_data: str
    sentiment_data: str
    rows: int | None = None
    """Use only the first `rows` training rows a task; None: all."""

    def load(self) -> dict[str, TaskData]:
        """Both tasks' rows."""
        return {
            "emotion": load_task("emotion", self.emotion_data, self.rows),
            "sentiment": load_task("sentiment", self.sentiment_data, self.rows),
        }


def train(
    origin: Origin,
    recipe: Recipe,
    checkpoint: Path,
    target: Path,
    progress: Progress,
    on_epoch: Callable[[Epoch], None],
    *,
    final: bool = False,
) -> dict[str, Any]:
    """Fine-tune into `checkpoint`, then `package` it as the model folder `target`.

    Returns:
        The content of `metrics.json`.
    """
    started = time.monotonic()
    check_target(target)
    data = origin.load()
    best = finetune(origin.base_model, data, recipe, checkpoint, progress, on_epoch)
    seconds = round(time.monotonic() - started)
    write_notes(checkpoint, origin, recipe, data, best.number, seconds=seconds)
    return package(checkpoint, data, target, final=final)


def write_notes(
    checkpoint: Path,
    origin: Origin,
    recipe: Recipe,
    data: dict[str, TaskData],
    best_epoch: int,
    **more: Any,
) -> None:
    """Write into `checkpoint` how it came about; `package` puts it into `metrics.json`."""
    notes = {
        "base_model": Path(origin.base_model).name,
        "data": {
            "emotion": Path(origin.emotion_data).name,
            "sentiment": Path(origin.sentiment_data).name,
        },
        "recipe": recipe.model_dump(),
        "best_epoch": best_epoch,
        "train_rows": {task: len(rows.train) for task, rows in data.items()},
        "train_rows_dropped_as_in_held_out_splits": {t: rows.dropped for t, rows in data.items()},
        "data_digests": {task: rows.digest() for task, rows in data.items()},
        "release_digests": {task: rows.release_digest() for task, rows in data.items()},
        **more,
    }
    (checkpoint / NOTES).write_text(json.dumps(notes, indent=2) + "\n")


def package(
    checkpoint: Path, data: dict[str, TaskData], target: Path, *, final: bool = False
) -> dict[str, Any]:
    """Export a checkpoint, measure the INT8 file, and write the model folder in one move.

    An existing `target` is replaced only once the new folder is complete. The test rows are read
    only with `final`: once, after every choice was made.

    Raises:
        ModelError: `checkpoint` holds no fine-tuned model.
        InputError: `target` is something else than a model folder.
    """
    check_target(target)
    if not (checkpoint / NOTES).is_file():
        raise ModelError(f"{checkpoint} lacks {NOTES}: give a checkpoint that `train` has written.")
    notes: dict[str, Any] = json.loads((checkpoint / NOTES).read_text())
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as scratch:
        folder = Path(scratch) / "folder"
        max_tokens = Recipe.model_validate(notes["recipe"]).max_tokens
        export(checkpoint, data, max_tokens, folder, target.name)
        classifier = Classifier(open_model_folder(folder), torch.get_num_threads())
        figures = evaluate_splits(classifier, data, SPLITS[1:] if final else ("validation",))
        written = write_metrics(folder, figures, notes)
        write_reference(classifier, data)
        write_card(folder, target.name, notes, figures)
        if target.exists():
            target.rename(Path(scratch) / "replaced")
        folder.rename(target)
    return written


def check_target(target: Path) -> None:
    """Refuse to replace anything but a model folder: it would be gone, after an hour's work.

    Raises:
        InputError: `target` is something else.
    """
    if not target.name or target.name == "..":
        raise InputError(f"target: {target} is no name for a new folder.", "target")
    if target.exists() and not all((target / name).is_file() for name in FILES):
        raise InputError(f"target: {target} exists and is no model folder; name another.", "target")
