"""What export and quantisation change: PyTorch, ONNX FP32 and INT8 side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, f1_score

from barometer.errors import ModelError
from barometer.labels import task_slice
from training.data import TaskData

Logits = Mapping[str, npt.NDArray[np.float32]]
"""A task's (rows, 9) logits of its validation rows."""

MOST_LOST = 0.003
"""Accuracy that INT8 may lose on the validation rows of a task: 0.3 points."""
MOST_DIFFERENT = 1e-3
"""By which a logit of the fused FP32 graph may differ from PyTorch's: rounding, no more."""


@dataclass(frozen=True)
class Variant:
    """One form of the model, measured on the validation rows."""

    name: str
    megabytes: float
    ms: float | None
    """Median milliseconds a text on one thread; None: not timed."""
    speed: float | None
    """Texts a second as a multiple of ONNX FP32's, measured in turns with it; None: not timed."""
    accuracy: dict[str, float]
    macro_f1: dict[str, float]
    difference: float
    """Largest absolute difference of a logit from PyTorch's."""
    agreement: float
    """Share of rows that get the label PyTorch gives."""


def variant(
    name: str,
    size: int,
    ms: float | None,
    speed: float | None,
    logits: Logits,
    reference: Logits,
    data: Mapping[str, TaskData],
) -> Variant:
    """Compare `logits` with PyTorch's `reference` and with the truth; `size` in bytes."""
    accuracy, f1, agree, gaps = {}, {}, [], []
    for task, splits in data.items():
        own = task_slice(task)
        guess, expected = logits[task][:, own].argmax(1), reference[task][:, own].argmax(1)
        truth = np.array(splits.validation.labels)
        accuracy[task] = round(float(accuracy_score(truth, guess)), 4)
        f1[task] = round(float(f1_score(truth, guess, average="macro")), 4)
        agree.append(guess == expected)
        gaps.append(np.abs(logits[task] - reference[task])[:, own].max())
    return Variant(
        name,
        round(size / 1e6, 1),
        None if ms is None else round(ms, 3),
        None if speed is None else round(speed, 2),
        accuracy,
        f1,
        float(f"{max(gaps):.2g}"),
        round(float(np.concatenate(agree).mean()), 4),
    )


def parity_table(variants: list[Variant]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Columns and rows of the table that `export` prints: a column for each form."""
    figures = [
        (f"{task} {name}", [getattr(v, field)[task] for v in variants])
        for task in variants[0].accuracy
        for name, field in (("accuracy", "accuracy"), ("macro-F1", "macro_f1"))
    ]
    rows = [
        ("megabytes", *(f"{v.megabytes:.1f}" for v in variants)),
        ("ms a text, one thread", *("-" if v.ms is None else f"{v.ms:.2f}" for v in variants)),
        ("speed, one thread", *("-" if v.speed is None else f"{v.speed:.2f}x" for v in variants)),
        *((name, *(f"{value:.4f}" for value in values)) for name, values in figures),
        ("largest difference of a logit", *(f"{v.difference:.2g}" for v in variants)),
        ("same label as PyTorch", *(f"{v.agreement:.2%}" for v in variants)),
    ]
    return ("validation rows", *(v.name for v in variants)), rows


def check_parity(variants: list[Variant]) -> None:
    """Refuse an export that is another model than the one that was trained.

    Args:
        variants: PyTorch, ONNX FP32 and ONNX INT8, in this order.

    Raises:
        ModelError: the FP32 graph differs from PyTorch, or INT8 loses over 0.3 points of accuracy.
    """
    torch, plain, quantised = variants
    if plain.difference > MOST_DIFFERENT:
        raise ModelError(
            f"the fused FP32 graph differs from PyTorch by up to {plain.difference:.2g} a logit, "
            f"over {MOST_DIFFERENT}: this version of the graph optimiser changes the model."
        )
    for task, reached in torch.accuracy.items():
        lost = reached - quantised.accuracy[task]
        if lost > MOST_LOST:
            raise ModelError(
                f"INT8 loses {100 * lost:.2f} points of {task} accuracy ({reached:.4f} to "
                f"{quantised.accuracy[task]:.4f}), over the {100 * MOST_LOST:.1f} that an export "
                "may: train with more weight decay or another seed, and export again."
            )
