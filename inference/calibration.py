"""Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks")."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Probabilities along the last axis of `logits` / `temperature`."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    result: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return result


def fit_temperature(logits: Floats, labels: npt.NDArray[np.integer[Any]]) -> float:
    """The temperature that minimises the negative log likelihood of `labels` (n,)."""
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - slow, and no answer needs it

    def loss(log_temperature: float) -> float:
        chosen = softmax(logits, float(np.exp(log_temperature)))[np.arange(len(labels)), labels]
        return float(-np.log(np.clip(chosen, 1e-12, None)).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.1), np.log(10.0)), method="bounded")
    return float(np.exp(found.x))


def expected_calibration_error(
    probabilities: Floats, labels: npt.NDArray[np.integer[Any]], bins: int = 15
) -> float:
    """Mean gap between confidence and accuracy over `bins` equal confidence bins (Guo 2017)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    total = 0.0
    for index in np.unique(place):
        inside = place == index
        total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return float(total)
