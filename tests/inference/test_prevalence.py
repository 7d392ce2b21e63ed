from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barometer.errors import ModelError
from inference.prevalence import Confusion, prevalence

TABLE = np.array([[500, 20, 5, 15, 8, 2], [12, 650, 35, 3, 1, 3], [2, 20, 171, 2, 0, 1],
                  [10, 3, 1, 252, 9, 0], [6, 2, 0, 4, 190, 10], [1, 3, 0, 0, 7, 70]])  # fmt: skip
RATES = TABLE / TABLE.sum(axis=1, keepdims=True)
counts_of_six = st.lists(st.integers(0, 400), min_size=6, max_size=6).filter(any)


def test_exact_counts_give_the_true_shares_back() -> None:
    truth = np.array([0.05, 0.15, 0.4, 0.2, 0.1, 0.1])
    counts = np.rint(1_000_000 * truth @ RATES).astype(int)[None]
    found = prevalence([(Confusion(TABLE, 6), counts)])
    assert found.share[0] == pytest.approx(truth, abs=1e-4)
    assert counts[0] / counts.sum() != pytest.approx(truth, abs=0.01)  # what is corrected


def test_intervals_cover_and_the_error_falls_over_known_shares() -> None:
    rng = np.random.default_rng(0)
    truths = rng.dirichlet(np.ones(6), 150)
    covered, raw, corrected = [], [], []
    for truth in truths:
        # Another labelled sample each time: the confusion is as uncertain as the posts.
        seen = np.array([rng.multinomial(row.sum(), row / row.sum()) for row in TABLE])
        counts = rng.multinomial(1000, truth @ RATES)
        found = prevalence([(Confusion(seen, 6), counts[None])])
        covered.append((found.low[0] <= truth) & (truth <= found.high[0]))
        raw.append(np.abs(counts / 1000 - truth).mean())
        corrected.append(np.abs(found.share[0] - truth).mean())
    assert 0.92 <= np.mean(covered) <= 0.98
    assert np.mean(corrected) < 0.8 * np.mean(raw)


@settings(max_examples=40, deadline=None)
@given(counts=counts_of_six)
def test_shares_sum_to_one_and_lie_in_their_intervals(counts: list[int]) -> None:
    found = prevalence([(Confusion(TABLE, 6), np.array([counts]))])
    assert found.share.sum() == pytest.approx(1)
    assert (found.low >= 0).all()
    assert (found.low <= found.share).all()
    assert (found.share <= found.high).all()
    assert (found.high <= 1).all()
    assert 0 <= found.sampling[0] <= 1


def test_what_is_uncertain_moves_from_posts_to_confusion_as_posts_grow() -> None:
    few, many = (
        prevalence([(Confusion(TABLE, 6), n * np.array([[3, 4, 2, 2, 1, 1]]))]) for n in (2, 2_000)
    )
    assert few.sampling[0] > 0.9
    assert many.sampling[0] < 0.3
    assert (many.high - many.low < few.high - few.low).all()


def test_no_number_of_posts_makes_a_share_certain() -> None:
    [share], [low], [high] = (
        getattr(prevalence([(Confusion(TABLE, 6), np.array([[0, 200, 0, 0, 0, 0]]))]), figure)
        for figure in ("share", "low", "high")
    )
    assert share.tolist() == pytest.approx([0, 1, 0, 0, 0, 0])  # more than the model could name
    assert low[1] == pytest.approx(1 - 3 / 200)
    assert high[0] == pytest.approx(3 / 200)


def test_parts_are_corrected_by_their_own_confusion() -> None:
    truth = np.array([0.3, 0.1, 0.2, 0.2, 0.1, 0.1])
    poor = np.full((6, 6), 10) + 50 * np.eye(6, dtype=int)
    weak = Confusion(poor, 6)
    parts = [
        (Confusion(TABLE, 6), np.rint(600_000 * truth @ RATES).astype(int)[None]),
        (weak, np.rint(300_000 * truth @ (poor / poor.sum(axis=1))).astype(int)[None]),
        (None, np.rint(100_000 * truth).astype(int)[None]),
    ]
    assert prevalence(parts).share[0] == pytest.approx(truth, abs=1e-4)


def test_group_without_posts_has_no_shares_and_disturbs_no_other() -> None:
    counts = np.array([[5, 1, 0, 0, 2, 9], [0] * 6])
    found = prevalence([(Confusion(TABLE, 6), counts)])
    assert np.isnan(found.share[1]).all()
    assert np.isfinite(found.share[0]).all()


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ([[1, 2], [3]], "2 by 2"),
        ([[1, -1], [0, 2]], "2 by 2"),
        ([[1, None], [0, 2]], "2 by 2"),
        ([[1, 0], [0, 0]], "no row of"),
        ([[5, 5], [5, 5]], "poorly"),
        ([[9, 0, 0], [0, 9, 0], [5, 4, 0]], "poorly"),  # a label that it never names
    ],
)
def test_confusion_that_cannot_be_solved_is_refused(counts: list[list[Any]], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        Confusion(counts, len(counts))
