"""Bootstrap intervals: how far a figure could be off, had other rows been drawn.

The bootstrap is Efron's ("Bootstrap Methods", 1979), the interval the percentile one (Efron and
Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13). A resample of n rows with
replacement is drawn as counts: the cells of the confusion table follow a multinomial distribution
of n draws, so all resamples are one call and no row is touched again.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer[Any]]
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]

RESAMPLES: Final = 2000
SEED: Final = 20
PERCENTILES: Final = (2.5, 97.5)
"""Bounds of a 95 % interval."""


def confusion(truth: Labels, guess: Labels, classes: int) -> Counts:
    """(classes, classes) counts: a row is the true class, a column the guessed one."""
    cells = np.bincount(truth * classes + guess, minlength=classes**2)
    return cells.reshape(classes, classes)


def accuracy_of(tables: Counts) -> Floats:
    """The share on the diagonal of confusion tables (..., classes, classes)."""
    right = np.trace(tables, axis1=-2, axis2=-1)
    share: Floats = right / tables.sum(axis=(-2, -1))
    return share


def macro_f1_of(tables: Counts) -> Floats:
    """The mean F1 of confusion tables (..., classes, classes).

    A class that is neither true nor guessed anywhere is left out of the mean, as scikit-learn does.
    """
    seen = _seen(tables) > 0
    mean: Floats = class_f1_of(tables).sum(axis=-1) / seen.sum(axis=-1)
    return mean


def class_f1_of(tables: Counts) -> Floats:
    """(..., classes) F1 of confusion tables (..., classes, classes); 0 for a class never seen."""
    right = np.diagonal(tables, axis1=-2, axis2=-1)
    scores: Floats = 2 * right / np.maximum(_seen(tables), 1)
    return scores


FIGURES: Final = {"accuracy": accuracy_of, "macro_f1": macro_f1_of}


def intervals(
    table: Counts, *, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, Interval]:
    """95 % intervals of accuracy and macro-F1, from one (classes, classes) confusion table."""
    drawn = _resampled(table, resamples, seed)
    return {name: _percentiles(figure(drawn)) for name, figure in FIGURES.items()}


def relative_gains(
    truth: Labels, guess: Labels, baseline: Labels, classes: int,
    *, resamples: int = RESAMPLES, seed: int = SEED,
) -> dict[str, tuple[float, Interval]]:  # fmt: skip
    """By what share `guess` is above `baseline`, in accuracy and in macro-F1, with 95 % intervals.

    0.5 means one and a half times the baseline's figure. Both are resampled on the same rows
    (paired), so what makes rows hard for both does not widen the interval. A baseline that is never
    right has no relative gain: the figure is infinite.
    """
    joint = np.bincount((truth * classes + guess) * classes + baseline, minlength=classes**3)
    cells = joint.reshape(classes, classes, classes)
    drawn = _resampled(cells, resamples, seed)
    gains = {}
    for name, figure in FIGURES.items():
        # Summing out the baseline's axis leaves the model's table, and the other way round.
        point = _gain(figure(cells.sum(axis=-1)), figure(cells.sum(axis=-2)))
        spread = _gain(figure(drawn.sum(axis=-1)), figure(drawn.sum(axis=-2)))
        gains[name] = (float(point), _percentiles(spread))
    return gains


def _seen(tables: Counts) -> Counts:
    """How often each class is true, and how often it is guessed, added up."""
    seen: Counts = tables.sum(axis=-1) + tables.sum(axis=-2)
    return seen


def _gain(own: Floats, other: Floats) -> Floats:
    gain: Floats = np.divide(own, other, out=np.full_like(own, np.inf), where=other > 0) - 1
    return gain


def _resampled(cells: Counts, resamples: int, seed: int) -> Counts:
    total = int(cells.sum())
    shares = cells.ravel() / total
    drawn = np.random.default_rng(seed).multinomial(total, shares, size=resamples)
    return drawn.reshape(resamples, *cells.shape)


def _percentiles(values: Floats) -> Interval:
    # Drawn values, none in between: over a baseline that is never right a gain is infinite.
    low, high = np.percentile(values, PERCENTILES, method="inverted_cdf")
    return float(low), float(high)
