"""A checkpoint to a complete, measured model folder, in one move."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from barometer.errors import ModelError
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from training.adaptation.replay import write_replay
from training.data import TaskData
from training.encoder import load_checkpoint
from training.evaluate import evaluate_splits, write_metrics, write_reference
from training.export import Finished, export
from training.model_card import write_card
from training.parity import Variant, check_parity
from training.recipe import Recipe
from training.runs import RUN
from training.target import check_target
from training.train import NOTES


def package(
    checkpoint: Path,
    data: dict[str, TaskData],
    target: Path,
    show: Callable[[list[Variant]], None],
    *,
    final: bool = False,
    keep_fp32: bool = False,
    run_id: str | None = None,
) -> dict[str, Any]:
    """Export a checkpoint that `train` has written; as `assemble`.

    Args:
        checkpoint: weights, tokenizer and `training.json`, as `train` has written them.
        data: the rows that the notes speak of.
        target: the model folder to write.
        show: called with the export's comparison before it is judged.
        final: measure the test rows too.
        keep_fp32: leave the graph before quantisation in the folder, too.
        run_id: the MLflow run that the model belongs to.

    Returns:
        The content of `metrics.json`.

    Raises:
        ModelError: `checkpoint` holds no fine-tuned model, or its export is another model.
        InputError: `target` is something else than a model folder.
    """
    check_target(target)
    if not (checkpoint / NOTES).is_file():
        raise ModelError(f"{checkpoint} lacks {NOTES}: give a checkpoint that `train` has written.")
    notes: dict[str, Any] = json.loads((checkpoint / NOTES).read_text())
    if run_id:
        notes[RUN] = run_id
    max_tokens = Recipe.model_validate(notes["recipe"]).max_tokens
    finished = Finished(*load_checkpoint(checkpoint), max_tokens)
    return assemble(finished, data, notes, target, show, final=final, keep_fp32=keep_fp32)


def assemble(
    finished: Finished,
    data: dict[str, TaskData],
    notes: dict[str, Any],
    target: Path,
    show: Callable[[list[Variant]], None],
    *,
    final: bool = False,
    keep_fp32: bool = False,
) -> dict[str, Any]:
    """Export a model, measure the INT8 file, and write the model folder in one move.

    An existing `target` is replaced only once the new folder is complete. The test rows are read
    only with `final`: once, after every choice was made.

    Args:
        finished: the model.
        data: the rows of the tasks that it has.
        notes: how the model came about; they go into `metrics.json`.
        target: the model folder to write.
        show: called with the export's comparison before it is judged.
        final: measure the test rows too.
        keep_fp32: leave the graph before quantisation in the folder, too.

    Returns:
        The content of `metrics.json`.

    Raises:
        ModelError: the export is another model, or its graph is not fused.
        InputError: `target` is something else than a model folder.
    """
    check_target(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as scratch:
        folder = Path(scratch) / "folder"
        variants = export(finished, data, folder, target.name, keep_fp32=keep_fp32)
        show(variants)
        check_parity(variants)
        notes["export"] = [asdict(variant) for variant in variants]
        classifier = Classifier(open_model_folder(folder), torch.get_num_threads())
        figures = evaluate_splits(
            classifier, data, ("validation", "test") if final else ("validation",)
        )
        written = write_metrics(folder, figures, notes)
        write_reference(classifier, data)
        write_replay(classifier, data)
        write_card(folder, target.name, notes, figures)
        if target.exists():
            target.rename(Path(scratch) / "replaced")
        folder.rename(target)
    return written
