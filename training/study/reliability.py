"""How often a confidence is right: the bins of a reliability diagram."""

from typing import Any

from inference.calibration import Floats
from training.study.intervals import Labels

BINS = 15
"""As many as `expected_calibration_error` has by default, so that diagram and figure agree."""


def reliability(probabilities: Floats, labels: Labels, bins: int = BINS) -> list[dict[str, Any]]:
    """Equal bins of confidence: rows, mean confidence and accuracy; None where a bin is empty.

    The diagram is DeGroot and Fienberg's (1983), with the bins of Guo et al. (2017).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = (confidence * bins).astype(int).clip(max=bins - 1)
    found = []
    for index in range(bins):
        inside = place == index
        some = bool(inside.any())
        found.append({
            "low": index / bins,
            "high": (index + 1) / bins,
            "rows": int(inside.sum()),
            "confidence": float(confidence[inside].mean()) if some else None,
            "accuracy": float(right[inside].mean()) if some else None,
        })  # fmt: skip
    return found
