"""Statistics of the gate against known values, and by simulation where none are known."""

from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score

from training.gate.comparison import class_changes, holm, mcnemar, paired_bootstrap


def answers(
    rng: np.random.Generator, rows: int, classes: int, old: float, new: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and two models' guesses, right with probability `old` and `new`."""
    truth = rng.integers(classes, size=rows)
    wrong = (truth + rng.integers(1, classes, size=rows)) % classes
    champion = np.where(rng.random(rows) < old, truth, wrong)
    challenger = np.where(rng.random(rows) < new, truth, wrong)
    return truth, champion, challenger


def test_points_are_those_of_scikit_learn() -> None:
    truth, champion, challenger = answers(np.random.default_rng(1), 400, 6, 0.7, 0.8)
    found = paired_bootstrap(truth, champion, challenger, 6)
    for guess, name in ((champion, "champion"), (challenger, "challenger")):
        assert getattr(found["accuracy"], name) == pytest.approx(accuracy_score(truth, guess))
        macro = f1_score(truth, guess, average="macro")
        assert getattr(found["macro_f1"], name) == pytest.approx(macro)


def test_bounds_of_accuracy_are_as_wide_as_the_theory_of_paired_proportions_says() -> None:
    truth = np.zeros(1000, dtype=int)
    champion, challenger = truth.copy(), truth.copy()
    champion[:40], challenger[40:60] = 1, 1  # 40 rows gained, 20 lost
    found = paired_bootstrap(truth, champion, challenger, 2)["accuracy"]
    error = np.sqrt(0.06 - 0.02**2) / np.sqrt(1000)
    assert found.point == pytest.approx(0.02)
    assert found.low == pytest.approx(0.02 - 1.645 * error, abs=0.001)
    assert found.high == pytest.approx(0.02 + 1.645 * error, abs=0.001)
    assert found.p_better == pytest.approx(0.005, abs=0.004)


def test_lower_bound_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    below = {"accuracy": 0, "macro_f1": 0}
    for _ in range(400):
        found = paired_bootstrap(*answers(rng, 500, 3, 0.8, 0.8), 3, resamples=2000)
        for name in below:
            below[name] += found[name].low <= 0  # the models are equally good by construction
    for name, count in below.items():
        assert count / 400 == pytest.approx(0.95, abs=0.03), name


def test_identical_models_are_neither_worse_nor_better() -> None:
    truth, champion, _ = answers(np.random.default_rng(2), 200, 6, 0.9, 0.9)
    for difference in paired_bootstrap(truth, champion, champion, 6).values():
        assert (difference.low, difference.high, difference.p_better) == (0, 0, 1)
    assert not any(c.worse for c in class_changes(truth, champion, champion, 6, alpha=0.05))
    assert mcnemar(0, 0) == 1


@pytest.mark.parametrize(("gained", "lost"), [(5, 0), (9, 2), (30, 41), (120, 90)])
def test_mcnemar_is_the_exact_sign_test(gained: int, lost: int) -> None:
    changed = gained + lost
    exact = sum(comb(changed, k) for k in range(gained, changed + 1)) / 2**changed
    assert mcnemar(gained, lost) == pytest.approx(exact, rel=1e-9)
    assert exact == pytest.approx(binomtest(gained, changed, alternative="greater").pvalue)


def changed_class(rows: int, gained: int, lost: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = np.zeros(rows, dtype=int)
    champion, challenger = truth.copy(), truth.copy()
    champion[:gained] = 1
    challenger[gained : gained + lost] = 1
    return truth, champion, challenger


@pytest.mark.parametrize(("rows", "gained", "lost"), [(20, 0, 7), (20, 0, 8), (80, 3, 14),
                                                      (500, 10, 26), (500, 10, 30)])  # fmt: skip
def test_class_bound_is_the_exact_test_on_its_changed_rows(
    rows: int, gained: int, lost: int
) -> None:
    alpha = 0.05 / 9
    change = class_changes(*changed_class(rows, gained, lost), 2, alpha=alpha)[0]
    test = binomtest(gained, gained + lost, alternative="less")
    assert change.p_worse == pytest.approx(test.pvalue)
    assert change.worse == (test.pvalue <= alpha)
    assert change.worse == (change.high < 0)
    exact = test.proportion_ci(1 - alpha).high
    assert change.high == pytest.approx((2 * exact - 1) * (gained + lost) / rows)


def test_small_class_has_a_wide_bound_and_a_large_one_a_narrow_one() -> None:
    # In both, 8 % of the rows change sides evenly: chance alone.
    small = class_changes(*changed_class(25, 1, 1), 2, alpha=0.05 / 9)[0]
    large = class_changes(*changed_class(500, 20, 20), 2, alpha=0.05 / 9)[0]
    assert small.allowed == pytest.approx(-2 / 25)  # two changed rows never tell
    assert large.allowed == pytest.approx(-16 / 500)
    assert -0.25 < class_changes(*changed_class(25, 2, 6), 2, alpha=0.05 / 9)[0].allowed < -0.2


def test_equal_models_are_seldom_refused_for_a_class() -> None:
    rng = np.random.default_rng(8)
    refused = sum(
        any(c.worse for c in class_changes(*answers(rng, 1000, 9, 0.9, 0.9), 9, alpha=0.05 / 9))
        for _ in range(300)
    )
    assert refused / 300 <= 0.08


def test_holm_adjusts_stepwise() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
