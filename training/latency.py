"""How fast classifiers are against each other, on a machine that does other things as well."""

import time
from collections.abc import Sequence

import numpy as np

from inference.classifier import Classifier


def seconds_a_round(
    classifiers: Sequence[Classifier], inputs: Sequence[str], rounds: int
) -> list[list[float]]:
    """Wall seconds that each classifier needs for `inputs`, in each of `rounds` rounds.

    All take their turn in every round, in alternating order after one round of warming up, so that
    what slows the machine down for a while slows them all. Compare medians, as ratios.
    """
    spent: list[list[float]] = [[] for _ in classifiers]
    for turn in range(rounds + 1):
        order = range(len(classifiers)) if turn % 2 else reversed(range(len(classifiers)))
        for index in order:
            started = time.perf_counter()
            classifiers[index].logits(inputs)
            if turn:
                spent[index].append(time.perf_counter() - started)
    return spent


def speed_ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """How many times faster `second` was, by medians."""
    return float(np.median(first) / np.median(second))
