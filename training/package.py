"""A checkpoint to a complete, measured model folder, in one move."""

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from training.adaptation.replay import write_replay
from training.data import TaskData
from training.encoder import load_checkpoint, longest_input
from training.evaluate import (
    answers_of,
    evaluate_rows,
    figures,
    write_metrics,
    write_reference,
)
from training.export import Finished, export
from training.model_card import write_card
from training.notes import read_notes
from training.parity import Variant, check_parity
from training.recipe import Recipe
from training.runs import RUN
from training.target import check_target


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
    notes = read_notes(checkpoint)
    if run_id:
        notes[RUN] = run_id
    max_tokens = Recipe.model_validate(notes["recipe"]).max_tokens
    model, tokenizer = load_checkpoint(checkpoint)
    finished = Finished(model, tokenizer, longest_input(model, max_tokens))
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
        exported = export(finished, data, folder, target.name, keep_fp32=keep_fp32)
        show(exported.variants)
        check_parity(exported.variants)
        notes["export"] = [asdict(variant) for variant in exported.variants]
        classifier = Classifier(open_model_folder(folder), torch.get_num_threads())
        logits = exported.logits
        measured = {
            "validation": {
                task: figures(answers_of(classifier.folder, task, rows.validation, logits[task]))
                for task, rows in data.items()
            }
        }
        if final:
            measured["test"] = {
                task: evaluate_rows(classifier, task, rows.test) for task, rows in data.items()
            }
        written = write_metrics(folder, measured, notes)
        write_reference(
            classifier,
            [text for rows in data.values() for text in rows.validation.texts],
            np.concatenate([logits[task] for task in data]),
        )
        write_replay(classifier, data)
        write_card(folder, target.name, notes, measured)
        if target.exists():
            target.rename(Path(scratch) / "replaced")
        folder.rename(target)
    return written
