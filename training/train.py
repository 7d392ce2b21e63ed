"""Rows and an encoder to a fine-tuned checkpoint that says how it came about."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

from barometer.errors import InputError
from training.data import TaskData
from training.finetune import Epoch, Finetuning, Progress
from training.notes import NOTES, training_notes
from training.origin import Origin
from training.recipe import Recipe
from training.teachers import soft_targets


def train(
    origin: Origin,
    data: dict[str, TaskData],
    recipe: Recipe,
    checkpoint: Path,
    progress: Progress,
    on_epoch: Callable[[Epoch], None],
) -> Epoch:
    """Fine-tune, and keep the best epoch in `checkpoint` with its notes beside the weights.

    The best epoch is chosen on the validation rows; the test rows are not touched. It is written
    before `on_epoch` hears of it, so what is best so far can be exported whatever ends the run.

    Returns:
        The best epoch.

    Raises:
        InputError: there are teachers, and the recipe learns nothing from them; or the other way.
        StorageError: the checkpoint cannot be written.
    """
    if origin.teachers and not recipe.distillation:
        raise InputError(
            "teacher: the recipe's distillation is 0, so nothing would be learnt from a teacher; "
            "set it in --recipe, such as 0.5.",
            "teacher",
        )
    started = time.monotonic()
    targets = None
    if origin.teachers:
        targets = soft_targets(origin.teachers, data, torch.get_num_threads())
    run = Finetuning(origin.base_model, data, recipe, targets)
    best: Epoch | None = None
    while run.epoch < recipe.epochs:
        epoch = run.run_epoch(progress)
        if best is None or epoch.score > best.score:
            best = epoch
            spent = time.monotonic() - started
            notes = training_notes(origin, data, recipe, epoch.number, spent)
            run.save_model(checkpoint, {NOTES: json.dumps(notes, indent=2) + "\n"})
        on_epoch(epoch)
        if recipe.patience and epoch.number - best.number >= recipe.patience:
            break
    assert best is not None  # noqa: S101 - epochs is at least 1
    return best
