"""Bring in a finished classifier with other labels: its model folder, by a label map."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import AutoModelForSequenceClassification, AutoTokenizer

from barometer.errors import ModelError
from training.data import TaskData
from training.encoder import ATTENTION, pretrained_faults
from training.export import Finished
from training.label_map import Mapped, read_label_map
from training.package import assemble
from training.parity import Variant
from training.recipe import Recipe
from training.target import check_target


def bring_in(
    checkpoint: str,
    labels: Path,
    data: dict[str, TaskData],
    target: Path,
    show: Callable[[list[Variant]], None],
    say: Callable[[str], None],
    *,
    final: bool = False,
    keep_fp32: bool = False,
) -> dict[str, Any]:
    """Write `target` as a model folder that answers with our labels, where the map has them.

    The notes in `metrics.json` hold `brought_in_from` and `label_map`. They hold no digest of
    release rows: nobody knows whether the model has learnt from them, so the gate judges by others.

    Args:
        checkpoint: a hub name or a folder with weights, configuration and fast tokenizer.
        labels: the map, as `read_label_map` reads it.
        data: both tasks' rows; those of a task that the model lacks are not used.
        target: the model folder to write.
        show: called with the export's comparison before it is judged.
        say: told what the model cannot answer.
        final: measure the test rows too.
        keep_fp32: leave the graph before quantisation in the folder, too.

    Returns:
        The content of `metrics.json`.

    Raises:
        InputError: the map does not fit the model, or `target` is something else than a model
            folder.
        ModelError: the checkpoint is no finished classifier, or exports to another model.
        UnavailableError: it is no folder and the hub cannot be reached.
    """
    check_target(target)
    model, tokenizer = load_classifier(checkpoint)
    read = read_label_map(labels, model.config.id2label)
    for task in data:
        if task not in read.tasks:
            say(f"no label maps to {task}: the model lacks it, and answers null")
    for name in read.unreachable:
        say(f"no label maps to {name}: the model never answers it")
    longest = min(
        Recipe().max_tokens, tokenizer.model_max_length, model.config.max_position_embeddings
    )
    notes = {
        "brought_in_from": Path(checkpoint).name if Path(checkpoint).exists() else checkpoint,
        "label_map": read.own,
    }
    own = {task: rows for task, rows in data.items() if task in read.tasks}
    finished = Finished(Mapped(model, read), tokenizer, longest, read.labels)
    return assemble(finished, own, notes, target, show, final=final, keep_fp32=keep_fp32)


def load_classifier(checkpoint: str) -> tuple[Any, Any]:
    """A finished sequence classifier and its fast tokenizer.

    Raises:
        ModelError: the folder lacks a part, the classifying head has no weights, or the tokenizer
            is not a fast one.
        UnavailableError: it is no folder and the hub cannot be reached.
    """
    with pretrained_faults("checkpoint", checkpoint, "give"):
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, use_fast=True)
        model, told = AutoModelForSequenceClassification.from_pretrained(
            checkpoint,
            attn_implementation=ATTENTION,
            use_safetensors=True,  # other weights are pickles, which could run code
            output_loading_info=True,
        )
    if told["missing_keys"]:
        names = ", ".join(sorted(told["missing_keys"])[:3])
        raise ModelError(f"checkpoint {checkpoint} is no finished classifier: it lacks {names}.")
    if not tokenizer.is_fast:
        raise ModelError(f"checkpoint {checkpoint} has no fast tokenizer (tokenizer.json).")
    return model, tokenizer
