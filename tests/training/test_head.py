"""The head that adapting fits, and the figures of what it says."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from training.adaptation.figures import measure
from training.adaptation.head import Examples, choose_head, fit_head


def examples(rows: int, signal: float, rng: np.random.Generator) -> Examples:
    """Rows whose old logits say nothing; `signal` is how much of the label the features hold."""
    pooled = rng.normal(size=(rows, 20)) * 3 + 5
    labels = rng.integers(3, size=rows)
    pooled[:, :3] += signal * np.eye(3)[labels]
    return Examples(pooled, np.zeros((rows, 3)), labels)


def test_penalty_follows_what_held_out_rows_say() -> None:
    rng = np.random.default_rng(4)
    told = choose_head(examples(400, 20, rng), None, 0, 1.0)
    rows = examples(400, 20, rng)
    assert (told.head.apply(rows).argmax(1) == rows.labels).mean() > 0.98
    noise = choose_head(examples(60, 0, rng), None, 0, 1.0)
    assert noise.penalty > 10 * told.penalty
    assert np.abs(noise.head.weight).max() < np.abs(told.head.weight).max() / 5


def test_replayed_rows_hold_the_head_back() -> None:
    rng = np.random.default_rng(6)
    new, old = examples(100, 20, rng), examples(200, 20, rng)
    turned = Examples(old.pooled, old.logits, (old.labels + 1) % 3)

    def kept(weight: float) -> float:
        head = fit_head(new, turned, weight, 1.0, 0.01)
        return float((head.apply(turned).argmax(1) == turned.labels).mean())

    assert kept(0) < 0.1
    assert kept(10) > 0.9


def test_class_that_no_row_shows_keeps_a_finite_head() -> None:
    rows = examples(30, 0, np.random.default_rng(8))
    head = fit_head(Examples(rows.pooled, rows.logits, rows.labels % 2), None, 0, 1.0, 1.0)
    assert np.isfinite(head.weight).all()
    assert np.abs(head.bias).max() < 20


def test_figures_are_scikit_learns_with_an_interval_around_them() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(3, size=300)
    logits = np.zeros((300, 9))
    logits[:, 6:] = rng.normal(size=(300, 3)) + 1.5 * np.eye(3)[labels]
    guess = logits[:, 6:].argmax(1)
    figures = measure("sentiment", logits, labels.tolist(), 1.0)
    assert figures.accuracy.value == pytest.approx((guess == labels).mean(), abs=1e-4)
    assert figures.macro_f1.value == pytest.approx(
        f1_score(labels, guess, average="macro"), abs=1e-4
    )
    for figure in (figures.accuracy, figures.macro_f1):
        assert figure.low < figure.value < figure.high
        assert 0.06 < figure.high - figure.low < 0.16  # about 4 * sqrt(p * (1 - p) / 300)
