"""Whether corrected shares differ between groups of posts beyond chance."""

from typing import Any

import numpy as np
from scipy.special import ndtr

from inference.prevalence import Counts, Floats, Prevalence

TINY = 1e-12


def against_the_others(found: Prevalence, posts: Counts) -> tuple[Floats, Floats]:
    """Each group's shares against those of all other groups' posts taken together.

    A score test on the solved shares: their difference over the spread that it had if all groups
    were alike. What the classifier does to all of them cancels out. Groups that share posts make
    the test only more cautious.

    Args:
        found: two groups or more, each with posts.
        posts: (groups,) posts of each.

    Returns:
        (groups, labels) differences of the corrected shares, and two-sided p-values.
    """
    weights = np.where(np.eye(len(posts), dtype=bool), 0, posts[None]).astype(float)
    weights /= weights.sum(axis=1, keepdims=True)
    solved = found.solved - weights @ found.solved
    spread = found.chance + weights**2 @ found.chance
    spread += (found.by_confusion - weights @ found.by_confusion).var(axis=0)
    # A label that no post of any group was given has no spread, and no difference.
    p_values: Floats = 2 * ndtr(-(np.abs(solved) / np.sqrt(np.maximum(spread, TINY))))
    return found.share - weights @ found.share, p_values


def holm(p_values: Any) -> Floats:
    """P-values of several tests, adjusted so that any false alarm keeps the level (Holm 1979)."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted: Floats = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted
