"""`barometer train`: from labelled rows and a base encoder to a measured model folder."""

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from training.data import SPLITS, load_task
from training.evaluate import evaluate_splits, write_metrics, write_reference
from training.export import export
from training.finetune import Epoch, Progress, Recipe, finetune
from training.model_card import write_card


@dataclass(frozen=True)
class Origin:
    """Where the base encoder and the rows come from: hub names or local folders."""

    base_model: str
    emotion_data: str
    sentiment_data: str
    rows: int | None = None
    """Use only the first `rows` training rows a task; None: all."""


def train(
    origin: Origin,
    recipe: Recipe,
    name: str,
    target: Path,
    progress: Progress,
    on_epoch: Callable[[Epoch], None],
) -> dict[str, Any]:
    """Fine-tune, export, measure, and write the model folder `target` in one move.

    An existing `target` is replaced only once the new folder is complete.

    Returns:
        The content of `metrics.json`.
    """
    started = time.monotonic()
    data = {
        "emotion": load_task("emotion", origin.emotion_data, origin.rows),
        "sentiment": load_task("sentiment", origin.sentiment_data, origin.rows),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".train-") as scratch:
        checkpoint, folder = Path(scratch) / name, Path(scratch) / "folder"
        best: Epoch = finetune(origin.base_model, data, recipe, checkpoint, progress, on_epoch)
        export(checkpoint, data, recipe.max_tokens, folder)
        classifier = Classifier(open_model_folder(folder), torch.get_num_threads())
        figures = evaluate_splits(classifier, data, SPLITS[1:])
        base = Path(origin.base_model).name
        written = write_metrics(
            folder,
            figures,
            {
                "base_model": base,
                "recipe": recipe.model_dump(),
                "best_epoch": best.number,
                "train_rows": {task: len(rows.train) for task, rows in data.items()},
                "train_rows_dropped_as_in_held_out_splits": {
                    task: rows.dropped for task, rows in data.items()
                },
                "seconds": round(time.monotonic() - started),
            },
        )
        write_reference(classifier, data)
        write_card(folder, name, base, figures)
        if target.exists():
            shutil.rmtree(target)
        folder.rename(target)
    return written
