"""Two models on the same labelled rows: how far apart they are, and how sure that is.

Only statistics: predictions in, differences out (challenger minus champion, as fractions of 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, binom

from training.study.intervals import Counts, Floats, accuracy_of, class_f1_of

Ints = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Difference:
    """One figure of both models, and the interval of its difference."""

    champion: float
    challenger: float
    low: float
    """One-sided lower bound of the difference at the level asked for."""
    high: float
    """One-sided upper bound at the same level."""
    p_better: float
    """One-sided p-value for "the challenger is better"."""

    @property
    def point(self) -> float:
        """The observed difference."""
        return self.challenger - self.champion


@dataclass(frozen=True)
class ClassChange:
    """What became of one class's rows: recall of both models and the rows that changed sides."""

    rows: int
    champion: float
    challenger: float
    gained: int
    """Rows that only the challenger gets right."""
    lost: int
    """Rows that only the champion gets right."""
    allowed: float
    """Lowest difference of recall that chance alone still explains at the level asked for."""
    low: float
    high: float
    """Exact one-sided bounds of the difference at that level."""
    p_worse: float
    """Exact one-sided p-value for "the challenger is worse"."""

    @property
    def worse(self) -> bool:
        """Whether the loss is more than chance explains."""
        return self.challenger - self.champion < self.allowed - 1e-12


def paired_bootstrap(
    truth: Ints,
    champion: Ints,
    challenger: Ints,
    classes: int,
    *,
    resamples: int = 5000,
    level: float = 0.95,
    seed: int = 11,
) -> dict[str, Difference]:
    """Differences in `accuracy` and `macro_f1` with percentile bounds over resampled rows.

    Every resample draws the same rows for both models (paired bootstrap; Efron and Tibshirani
    1993, "An Introduction to the Bootstrap", ch. 13; Koehn 2004 for comparing two systems). Rows
    with equal truth and predictions are interchangeable, so drawing n rows is one multinomial draw
    over these groups: thousands of resamples in milliseconds. The p-value is the share of
    resamples without a gain, the observed rows counted as one of them. Macro-F1 is the mean over
    the classes that occur in `truth`.

    Args:
        truth: (n,) label indices.
        champion: (n,) its predictions.
        challenger: (n,) its predictions.
        classes: number of labels of the task.
        resamples: draws.
        level: of each one-sided bound.
        seed: of the draws.
    """
    groups, counts = np.unique(
        np.stack([truth, champion, challenger], axis=1), axis=0, return_counts=True
    )
    rows = len(truth)
    draws = np.random.default_rng(seed).multinomial(rows, counts / rows, size=resamples)
    # The observed rows go first, so that points and bounds come from the same arithmetic.
    weights = np.vstack([counts, draws])
    old = _figures(weights, groups[:, 0], groups[:, 1], classes)
    new = _figures(weights, groups[:, 0], groups[:, 2], classes)
    result = {}
    for name, before in old.items():
        after = new[name]
        gain = (after - before)[1:]
        low, high = np.quantile(gain, [1 - level, level])
        without = int((gain <= 1e-12).sum())
        result[name] = Difference(
            float(before[0]), float(after[0]), float(low), float(high),
            (1 + without) / (1 + resamples),
        )  # fmt: skip
    return result


def _figures(weights: Counts, truth: Ints, guess: Ints, classes: int) -> dict[str, Floats]:
    """Accuracy and macro-F1 of each row of `weights` (draws, groups)."""
    cells = np.eye(classes**2, dtype=np.int64)[truth * classes + guess]
    tables = (weights @ cells).reshape(-1, classes, classes)
    # One set of classes for all draws and both models: a mean over other classes is no difference.
    occurring = np.unique(truth)
    return {
        "accuracy": accuracy_of(tables),
        "macro_f1": class_f1_of(tables)[:, occurring].mean(axis=1),
    }


def mcnemar(gained: int, lost: int) -> float:
    """Exact one-sided p-value for "more gained than lost" among the rows that changed sides.

    McNemar 1947, "Note on the sampling error of the difference between correlated proportions",
    in its exact binomial form: without a difference, a changed row is a fair coin.
    """
    return float(binom.sf(gained - 1, gained + lost, 0.5))


def class_changes(
    truth: Ints, champion: Ints, challenger: Ints, classes: int, *, alpha: float
) -> list[ClassChange]:
    """Each class's change in recall, judged by the class's own rows that changed sides.

    A class of 20 rows so gets a wide bound and one of 500 a narrow one. Where a class is predicted
    too often, the recall of those that it takes the rows from falls. The test is
    McNemar's, exact; the interval is that of Clopper and Pearson 1934 ("The use of confidence or
    fiducial limits") for the share of gains among the changed rows, scaled to the class.

    Args:
        truth: (n,) label indices.
        champion: (n,) its predictions.
        challenger: (n,) its predictions.
        classes: number of labels of the task.
        alpha: one-sided error of each class's bound; divide it by the number of classes tested.
    """
    result = []
    for label in range(classes):
        own = truth == label
        before, after = champion[own] == label, challenger[own] == label
        gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
        result.append(_change(int(own.sum()), int(before.sum()), gained, lost, alpha))
    return result


def _change(rows: int, right: int, gained: int, lost: int, alpha: float) -> ClassChange:
    if rows == 0:
        return ClassChange(0, 0.0, 0.0, 0, 0, 0.0, 0.0, 0.0, 1.0)
    changed = gained + lost
    # Fewest gains among the changed rows that are not yet significantly few.
    fewest = int(np.searchsorted(binom.cdf(np.arange(changed + 1), changed, 0.5), alpha, "right"))
    least = beta.ppf(alpha, gained, lost + 1) if gained else 0.0
    most = beta.ppf(1 - alpha, gained + 1, lost) if lost else 1.0
    return ClassChange(
        rows=rows,
        champion=right / rows,
        challenger=(right + gained - lost) / rows,
        gained=gained,
        lost=lost,
        allowed=(2 * fewest - changed) / rows,
        low=float((2 * least - 1) * changed / rows),
        high=float((2 * most - 1) * changed / rows),
        p_worse=mcnemar(lost, gained),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted so that any number of them may be looked at together.

    Holm 1979, "A simple sequentially rejective multiple test procedure": the chance of even one
    false alarm stays within the level, whatever the tests have in common.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted
