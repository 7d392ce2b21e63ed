"""Counted shares against corrected ones, on rows resampled so that their true shares are known.

    python -m benchmarks.shares --task emotion

Needs BAROMETER_EMOTION_DATA (or BAROMETER_SENTIMENT_DATA) as `barometer train` does. The validation
rows are halved anew for each target: one half tells how the model confuses labels, the other is
drawn from, with replacement, at shares from a flat Dirichlet distribution. The test rows stay out.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from barometer.console import print_table
from barometer.labels import TASKS
from barometer.settings import REPOSITORY, settings
from inference.calibration import fit_temperature, softmax
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.prevalence import Confusion, prevalence
from training.data import load_task
from training.evaluate import answers_to
from training.study.intervals import confusion

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]
SIZES = (50, 250, 1000)
SEED = 3
EM_STEPS = 200


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__)  # fmt: skip
    parser.add_argument("--task", choices=sorted(TASKS), default="emotion")
    parser.add_argument("--model", type=Path, default=REPOSITORY / "models" / "starter")
    parser.add_argument("--targets", type=int, default=200)
    chosen = parser.parse_args()
    where = settings().emotion_data if chosen.task == "emotion" else settings().sentiment_data
    classifier = Classifier(open_model_folder(chosen.model), settings().session_threads)
    answers = answers_to(classifier, chosen.task, load_task(chosen.task, where).validation)
    show(chosen.task, measure(answers.logits, answers.truth, chosen.targets))


def measure(logits: Floats, truth: Labels, targets: int) -> list[tuple[Any, ...]]:
    """One line a sample size: mean absolute errors and the intervals' coverage and width."""
    lines = []
    for size in SIZES:
        rng = np.random.default_rng(SEED)
        found = [_one_target(logits, truth, size, rng) for _ in range(targets)]
        errors, covered, widths = (np.array(column) for column in zip(*found, strict=True))
        lines.append((size, *errors.mean(axis=0), covered.mean(), widths.mean()))
    return lines


def show(task: str, lines: list[tuple[Any, ...]]) -> None:
    """The lines as a table, in points of per cent."""
    columns = ("posts", "raw error", "EM error", "adjusted error", "95 % covers", "width")
    rows = [
        (size, *(f"{100 * e:.2f}" for e in errors), f"{100 * covered:.1f} %", f"{100 * width:.1f}")
        for size, *errors, covered, width in lines
    ]
    print_table(f"{task}: mean absolute error of a label's share, points", columns, rows)


def _one_target(
    logits: Floats, truth: Labels, size: int, rng: np.random.Generator
) -> tuple[list[float], float, float]:
    classes = logits.shape[1]
    order = rng.permutation(len(truth))
    known, pool = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    target = rng.dirichlet(np.ones(classes))
    labels = rng.choice(classes, size, p=target)
    rows = np.concatenate([
        rng.choice(pool[truth[pool] == label], (labels == label).sum()) for label in range(classes)
    ])  # fmt: skip
    guesses = logits.argmax(axis=1)
    counts = np.bincount(guesses[rows], minlength=classes)
    table = confusion(truth[known], guesses[known], classes)
    corrected = prevalence([(Confusion(table, classes), counts[None])])
    temperature = fit_temperature(logits[known], truth[known])
    priors = np.bincount(truth[known], minlength=classes) / len(known)
    estimates = (
        counts / size,
        em_shares(softmax(logits[rows], temperature), priors),
        corrected.share[0],
    )
    errors = [float(np.abs(estimate - target).mean()) for estimate in estimates]
    low, high = corrected.low[0], corrected.high[0]
    return errors, float(((low <= target) & (target <= high)).mean()), float((high - low).mean())


def em_shares(probabilities: Floats, priors: Floats) -> Floats:
    """Shares by EM (Saerens, Latinne and Decaestecker 2002) from calibrated probabilities.

    Args:
        probabilities: (posts, labels) as calibrated on rows with the shares `priors`.
        priors: (labels,) of those rows.
    """
    shares = priors
    for _ in range(EM_STEPS):
        weighted = probabilities * (shares / priors)
        shares = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares


if __name__ == "__main__":
    main()
