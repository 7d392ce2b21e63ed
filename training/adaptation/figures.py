"""Accuracy and macro-F1 of a model on one task's rows, each with a bootstrap 95 % interval."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barometer.labels import TASKS, task_slice
from inference.calibration import expected_calibration_error, softmax

RESAMPLES = 1000
Numbers = npt.NDArray[Any]


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


def measure(task: str, logits: Numbers, labels: list[int], temperature: float) -> Figures:
    """Figures of (n, 9) `logits` against the task's labels.

    Rows are drawn with replacement, with a fixed seed (Efron 1979, percentile bootstrap). Macro-F1
    is the mean over the classes that a resample holds, in truth or as an answer.
    """
    classes = len(TASKS[task])
    truth = np.array(labels)
    own = softmax(logits[:, task_slice(task)], temperature)
    cell = truth * classes + own.argmax(axis=1)
    rng = np.random.default_rng(7)
    tables = np.stack([
        np.bincount(drawn, minlength=classes**2).reshape(classes, classes)
        for drawn in (rng.choice(cell, len(cell)) for _ in range(RESAMPLES))
    ])  # fmt: skip
    whole = np.bincount(cell, minlength=classes**2).reshape(1, classes, classes)
    return Figures(
        len(labels),
        _interval(_accuracy(whole), _accuracy(tables)),
        _interval(_macro_f1(whole), _macro_f1(tables)),
        round(expected_calibration_error(own, truth), 4),
    )


def _accuracy(tables: Numbers) -> Numbers:
    result: Numbers = np.trace(tables, axis1=1, axis2=2) / tables.sum(axis=(1, 2))
    return result


def _macro_f1(tables: Numbers) -> Numbers:
    right = np.diagonal(tables, axis1=1, axis2=2)
    seen = tables.sum(axis=1) + tables.sum(axis=2)
    scores = 2 * right / np.maximum(seen, 1)
    result: Numbers = scores.sum(axis=1) / (seen > 0).sum(axis=1)
    return result


def _interval(value: Numbers, resampled: Numbers) -> Interval:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Interval(round(float(value[0]), 4), round(float(low), 4), round(float(high), 4))
