"""Rows and an encoder to a fine-tuned checkpoint that says how it came about."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training.data import TaskData, load_task
from training.finetune import Epoch, Progress, finetune
from training.recipe import Recipe
from training.source import GIT, git_state
from training.teachers import soft_targets

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
    teachers: tuple[Path, ...] = ()
    """Model folders whose answers a recipe with `distillation` learns from."""

    def load(self) -> dict[str, TaskData]:
        """Both tasks' rows."""
        return {
            "emotion": load_task("emotion", self.emotion_data, self.rows),
            "sentiment": load_task("sentiment", self.sentiment_data, self.rows),
        }


def train(
    origin: Origin,
    data: dict[str, TaskData],
    recipe: Recipe,
    checkpoint: Path,
    progress: Progress,
    on_epoch: Callable[[Epoch], None],
) -> None:
    """Fine-tune into `checkpoint` and write its notes beside the weights."""
    started = time.monotonic()
    targets = None
    if origin.teachers:
        targets = soft_targets(origin.teachers, data, torch.get_num_threads())
    best = finetune(origin.base_model, data, recipe, checkpoint, progress, on_epoch, targets)
    write_notes(checkpoint, origin, data, recipe, best.number, time.monotonic() - started)


def write_notes(
    checkpoint: Path,
    origin: Origin,
    data: dict[str, TaskData],
    recipe: Recipe,
    best_epoch: int,
    seconds: float,
    **more: Any,
) -> None:
    """Write `training.json`: recipe, base, code, and by fingerprint the rows of a checkpoint."""
    notes: dict[str, Any] = {
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
        "release_digests": {task: rows.release_digest() for task, rows in data.items()},
        "seconds": round(seconds),
        GIT: git_state(),
        **more,
    }
    (checkpoint / NOTES).write_text(json.dumps(notes, indent=2) + "\n")
