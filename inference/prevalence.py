"""Shares of labels, corrected for how the classifier confuses them, with 95 % intervals.

Counting what a classifier says is biased: of the posts that it calls "love" some are joy, and how
many depends on how much joy there is. The correction is the one of adjusted counts (Forman 2008,
"Quantifying counts and costs via classification"; several labels: Hopkins and King 2010, "A Method
of Automated Nonparametric Content Analysis for Social Science"): the counted shares q are the true
shares p seen through the confusion, q = R'p, where R[i, j] is how often a row of label i is named
j; solve for p, and take the nearest point that is a set of shares (Duchi et al. 2008, "Efficient
Projections onto the l1-Ball"). It asks that posts of a label are confused as the labelled rows of
that label were, however frequent it is (label shift).

The interval holds both what is not known: which posts were seen, and R, counted on few rows. Both
are drawn from their posteriors (Dirichlet, as for any share of counts), and each draw is solved.

`python -m benchmarks.shares` measures this against raw counts and the EM of Saerens, Latinne and
Decaestecker 2002.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from barometer.errors import ModelError

Floats = npt.NDArray[np.floating[Any]]
Counts = npt.NDArray[np.integer[Any]]

DRAWS: Final = 1_000
SEED: Final = 11
"""Fixed: the same counts give the same interval."""
BOUNDS: Final = (0.025, 0.975)
POSTS_PRIOR: Final = 1.0
"""Pseudo-counts of a group of posts, shared out over the labels: one in all (Perks 1947), so that
labels that nobody used do not pull the shares of few posts towards each other."""
ROWS_PRIOR: Final = 1.0
"""Pseudo-counts of a row of the confusion, shared out likewise."""
RULE_OF_THREE: Final = 3
"""Upper 95 % bound, over n, of what never occurred among n (Hanley and Lippman-Hand 1983)."""
WEAKEST: Final = 0.1
"""Smallest singular value of R that is still solved: below it noise is blown up tenfold."""


class Confusion:
    """How one model confuses the labels of one task, as counted on rows whose labels are known."""

    def __init__(self, counts: Any, labels: int) -> None:
        """`counts` (labels, labels): a row is the true label, a column the one that was named.

        Raises:
            ModelError: these are no counts, a label has no row, or the labels are told apart too
                poorly to solve for their shares.
        """
        try:
            table = np.array(counts, dtype=np.float64).reshape(labels, labels)
        except (ValueError, TypeError) as error:
            raise _no_table(labels) from error
        if not (np.isfinite(table).all() and (table >= 0).all()):
            raise _no_table(labels)
        if not table.sum(axis=1).all():
            raise ModelError("the model's folder has no row of some label in its confusion")
        self.counts: Floats = table
        self._rates: Floats = table / table.sum(axis=1, keepdims=True)
        if np.linalg.svd(self._rates, compute_uv=False).min() < WEAKEST:
            raise ModelError("the model tells some labels apart too poorly to solve for shares")

    @cached_property
    def inverse(self) -> Floats:
        """(labels, labels): counted shares to true ones."""
        result: Floats = np.linalg.inv(self._rates.T)
        return result

    @cached_property
    def drawn_inverses(self) -> Floats:
        """(draws, labels, labels): the same from each draw of the confusion."""
        drawn = _dirichlet(self.counts, ROWS_PRIOR, np.random.default_rng(SEED))
        result: Floats = np.linalg.inv(drawn.swapaxes(-1, -2))
        return result


@dataclass(frozen=True)
class Prevalence:
    """Corrected shares of the labels in some groups of posts, each in [0, 1] and summing to 1.

    All figures of a group without posts are NaN.
    """

    share: Floats
    """(groups, labels)."""
    low: Floats
    """(groups, labels) lower bounds of the 95 % intervals."""
    high: Floats
    """(groups, labels) upper bounds."""
    sampling: Floats
    """(groups,) part of the variance that comes from which posts were seen; the rest comes from
    what is not known of the confusion."""
    solved: Floats
    """(groups, labels) as solved, not yet within [0, 1]: what differences are tested on."""
    chance: Floats
    """(groups, labels) variance of `solved` by which posts were seen, had all groups the same
    shares."""
    by_confusion: Floats
    """(draws, groups, labels) `solved` by each draw of the confusion, one for all groups."""

    def only(self, groups: Sequence[int]) -> "Prevalence":
        """The same of some groups."""
        kept = list(groups)
        return Prevalence(
            self.share[kept],
            self.low[kept],
            self.high[kept],
            self.sampling[kept],
            self.solved[kept],
            self.chance[kept],
            self.by_confusion[:, kept],
        )


def prevalence(parts: Sequence[tuple[Confusion | None, Counts]]) -> Prevalence:
    """Correct the counts of named labels.

    Args:
        parts: for each model that judged the posts its confusion and (groups, labels) counts; None
            takes the counts of that part as they are.
    """
    total = np.sum([counts.sum(axis=1) for _, counts in parts], axis=0)[:, None]
    total = np.where(total > 0, total, np.nan)
    rng = np.random.default_rng(SEED + 1)
    solved: Any = 0.0
    drawn: Any = 0.0
    by_posts: Any = 0.0
    by_confusion: Any = 0.0
    chance: Any = 0.0
    for confusion, counts in parts:
        posts = counts.sum(axis=1, keepdims=True)
        shares = counts / np.maximum(posts, 1)
        weight = posts / total
        sampled = _dirichlet(counts, POSTS_PRIOR, rng)
        labels = counts.shape[1]
        inverse = np.eye(labels) if confusion is None else confusion.inverse
        inverses = inverse[None] if confusion is None else confusion.drawn_inverses
        # Shares are rows: (groups, labels) @ transposed inverse, or @ one of each draw.
        solved = solved + weight * (shares @ inverse.T)
        drawn = drawn + weight * (sampled @ inverses.swapaxes(-1, -2))
        by_confusion = by_confusion + weight * (shares @ inverses.swapaxes(-1, -2))
        by_posts = by_posts + weight**2 * (sampled @ inverse.T).var(axis=0)
        pooled = counts.sum(axis=0) / max(1, counts.sum())
        spread = inverse**2 @ pooled - (inverse @ pooled) ** 2  # of one post, by the multinomial
        chance = chance + weight**2 * spread / np.maximum(posts, 1)
    share = _onto_simplex(solved)
    low, high = np.quantile(_onto_simplex(drawn), BOUNDS, axis=0)
    posts_part, rows_part = by_posts.sum(axis=1), by_confusion.var(axis=0).sum(axis=1)
    # Nearest points may all be a corner: n posts rule out no share under 3/n, nor over 1 - 3/n.
    few = np.minimum(RULE_OF_THREE / total, 1)
    return Prevalence(
        share,
        np.minimum(np.minimum(low, share), 1 - few),
        np.maximum(np.maximum(high, share), few),
        posts_part / (posts_part + rows_part),
        solved,
        chance,
        np.broadcast_to(by_confusion, (DRAWS, *solved.shape)),
    )


def _no_table(labels: int) -> ModelError:
    return ModelError(f"the confusion is no table of {labels} by {labels} counts: export again")


def _dirichlet(counts: Any, prior: float, rng: np.random.Generator) -> Floats:
    """(draws, ...) shares of the last axis that `counts` may have come from."""
    shape = counts + prior / counts.shape[-1]
    gammas = rng.standard_gamma(np.broadcast_to(shape, (DRAWS, *shape.shape)))
    result: Floats = gammas / gammas.sum(axis=-1, keepdims=True)
    return result


def _onto_simplex(points: Floats) -> Floats:
    """The nearest points, along the last axis, that are not negative and sum to 1."""
    ordered = -np.sort(-points, axis=-1)
    excess = np.cumsum(ordered, axis=-1) - 1
    ranks = np.arange(1, points.shape[-1] + 1)
    kept = np.maximum((ordered * ranks > excess).sum(axis=-1, keepdims=True), 1)  # 0: NaN
    threshold = np.take_along_axis(excess, kept - 1, axis=-1) / kept
    result: Floats = np.maximum(points - threshold, 0)
    return result
