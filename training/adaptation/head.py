"""A correction of one task's logits, linear in the `pooled` features, learnt from few labels.

New logits = old logits + pooled @ weight + bias. The old head stays in the sum and the L2 penalty
pulls the weight to zero, so few labels leave the model near what it was, and many may turn it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from inference.calibration import fit_temperature, softmax

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer[Any]]
PENALTIES = (10.0, 1.0, 0.1, 0.03, 0.01, 0.003, 0.001)
"""L2 strengths to choose from, strongest first."""
FOLDS = 5
TOLERANCE = 1e-6
"""Relative gain at which a fit ends: half the time of scipy's own, the same held-out loss."""
BIAS_PENALTY = 1e-3
"""Keeps the bias of a class that no row is labelled with finite."""


@dataclass(frozen=True)
class Examples:
    """Rows of one task as the head sees them."""

    pooled: Floats
    """(n, width) features."""
    logits: Floats
    """(n, classes) old logits of the task."""
    labels: Integers
    """(n,) class indices."""

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, places: Integers) -> "Examples":
        """The rows at `places`."""
        return Examples(self.pooled[places], self.logits[places], self.labels[places])


@dataclass(frozen=True)
class Head:
    """The correction: add `pooled @ weight + bias` to the old logits."""

    weight: Floats
    """(width, classes)."""
    bias: Floats
    """(classes,)."""

    def apply(self, rows: Examples) -> Floats:
        """(n, classes) new logits."""
        result: Floats = rows.logits + rows.pooled @ self.weight + self.bias
        return result


@dataclass(frozen=True)
class ChosenHead:
    """A head, the L2 strength that cross-validation chose, and what the folds said of it."""

    head: Head
    penalty: float
    temperature: float
    """Fitted on rows that the fold's head had not learnt from."""
    losses: dict[float, float]
    """Mean negative log likelihood of held-out rows for every L2 strength tried."""


def choose_head(
    new: Examples, old: Examples | None, replay_weight: float, temperature: float
) -> ChosenHead:
    """Choose the L2 strength on `new` alone and fit the head on all of it, with `old` replayed.

    Folds are consecutive blocks of `new`, which comes oldest first: neighbours in time are alike,
    and a block is the harder, truer test. Held-out rows vote by their log likelihood; the search
    goes from the strongest penalty down, each fit starting where the last one ended, and stops
    as soon as a weaker penalty is clearly worse.

    Args:
        new: rows of the new domain.
        old: replayed rows of the old one, or None.
        replay_weight: weight of all of `old` together, all of `new` together being 1.
        temperature: the old one; the penalty is measured on logits divided by it.
    """
    order = np.arange(len(new))
    folds = [fold for fold in np.array_split(order, FOLDS) if len(fold)]
    starts: list[Head | None] = [None] * len(folds)
    losses: dict[float, float] = {}
    best: Floats | None = None
    for penalty in PENALTIES:
        held_out = np.empty(new.logits.shape)
        for number, fold in enumerate(folds):
            rest = new.at(np.setdiff1d(order, fold))
            head = fit_head(rest, old, replay_weight, temperature, penalty, starts[number])
            starts[number] = head
            held_out[fold] = head.apply(new.at(fold))
        losses[penalty] = _loss(held_out / temperature, new.labels)
        if losses[penalty] == min(losses.values()):
            best = held_out
        elif losses[penalty] > 1.001 * min(losses.values()) and len(losses) > 2:
            break
    penalty = min(losses, key=losses.__getitem__)
    head = fit_head(new, old, replay_weight, temperature, penalty)
    assert best is not None  # noqa: S101 - the first penalty's loss is the smallest so far
    return ChosenHead(head, penalty, fit_temperature(best, new.labels), losses)


def fit_head(
    new: Examples,
    old: Examples | None,
    replay_weight: float,
    temperature: float,
    penalty: float,
    start: Head | None = None,
) -> Head:
    """Minimise the weighted mean cross entropy plus `penalty` / 2 * |weight|^2 by L-BFGS.

    The features are standardised for the fit, and the result is folded back to plain ones.
    """
    parts = [new] if old is None or replay_weight == 0 else [new, old]
    pooled = np.concatenate([part.pooled for part in parts]).astype(np.float64)
    logits = np.concatenate([part.logits for part in parts]) / temperature
    labels = np.concatenate([part.labels for part in parts])
    share = np.concatenate([
        np.full(len(part), total / len(part))
        for part, total in zip(parts, (1.0, replay_weight), strict=False)
    ])  # fmt: skip
    share /= share.sum()
    mean, spread = pooled.mean(axis=0), pooled.std(axis=0) + 1e-6
    features = (pooled - mean) / spread
    width, classes = features.shape[1], logits.shape[1]
    truth = np.eye(classes)[labels]

    def objective(flat: Floats) -> tuple[float, Floats]:
        weight, bias = flat[:-classes].reshape(width, classes), flat[-classes:]
        guess = softmax(logits + features @ weight + bias)
        chosen = np.clip(guess[np.arange(len(labels)), labels], 1e-30, None)
        value = -float(share @ np.log(chosen))
        value += (penalty * float((weight**2).sum()) + BIAS_PENALTY * float((bias**2).sum())) / 2
        error = (guess - truth) * share[:, None]
        slope = features.T @ error + penalty * weight
        return value, np.append(slope.ravel(), error.sum(axis=0) + BIAS_PENALTY * bias)

    first = np.zeros((width + 1) * classes)
    if start is not None:
        weight = start.weight / temperature
        bias = start.bias / temperature + mean @ weight
        first = np.append((weight * spread[:, None]).ravel(), bias)
    options = {"maxiter": 300, "ftol": TOLERANCE}
    found = minimize(objective, first, jac=True, method="L-BFGS-B", options=options)
    weight = found.x[:-classes].reshape(width, classes) / spread[:, None] * temperature
    bias = found.x[-classes:] * temperature - mean @ weight
    return Head(weight.astype(np.float32), bias.astype(np.float32))


def _loss(logits: Floats, labels: Integers) -> float:
    chosen = softmax(logits)[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(chosen, 1e-30, None)).mean())
