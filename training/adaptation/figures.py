"""Accuracy and macro-F1 of a model on one task's rows, each with a bootstrap 95 % interval."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barometer.labels import TASKS, task_slice
from inference.calibration import expected_calibration_error, softmax
from training.evaluate import short
from training.study.intervals import FIGURES, confusion, intervals


@dataclass(frozen=True)
class Interval:
    """A figure and the 2.5th and 97.5th percentile of its resamples."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """How one model does on one task's rows."""

    rows: int
    accuracy: Interval
    macro_f1: Interval
    calibration_error: float


def measure(
    task: str, logits: npt.NDArray[np.floating[Any]], labels: list[int], temperature: float
) -> Figures:
    """Figures of (n, 9) `logits` against the task's labels."""
    truth = np.array(labels)
    own = softmax(logits[:, task_slice(task)], temperature)
    table = confusion(truth, own.argmax(axis=1), len(TASKS[task]))
    bounds = intervals(table)
    found = {
        name: Interval(short(figure(table)), *map(short, bounds[name]))
        for name, figure in FIGURES.items()
    }
    error = short(expected_calibration_error(own, truth))
    return Figures(len(labels), found["accuracy"], found["macro_f1"], error)
