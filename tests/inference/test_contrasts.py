import numpy as np
import pytest

from inference.contrasts import against_the_others, holm
from inference.prevalence import Confusion, prevalence
from tests.inference.test_prevalence import RATES, TABLE


def test_holm_multiplies_the_surest_most_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert len(holm([])) == 0


def test_alike_groups_raise_as_many_alarms_as_the_level_allows() -> None:
    rng = np.random.default_rng(1)
    confusion = Confusion(TABLE, 6)
    told = np.array([0.3, 0.3, 0.2, 0.2, 0, 0]) @ RATES
    alarms = []
    for _ in range(100):
        counts = rng.multinomial(60, told, size=6)
        _, p_values = against_the_others(prevalence([(confusion, counts)]), counts.sum(axis=1))
        alarms.append((p_values[:, :4] < 0.05).mean())
    assert 0.03 < np.mean(alarms) < 0.075


def test_a_real_difference_is_found_and_told_in_corrected_shares() -> None:
    confusion = Confusion(TABLE, 6)
    truths = np.array([[0.5, 0.1, 0.1, 0.1, 0.1, 0.1], [0.2, 0.4, 0.1, 0.1, 0.1, 0.1]])
    counts = np.rint(1000 * truths @ RATES).astype(int)
    differences, p_values = against_the_others(
        prevalence([(confusion, counts)]), counts.sum(axis=1)
    )
    assert differences[0] == pytest.approx([0.3, -0.3, 0, 0, 0, 0], abs=0.005)
    assert differences[1] == pytest.approx(-differences[0])
    assert (p_values[0] < 1e-6).tolist() == [True, True, False, False, False, False]
