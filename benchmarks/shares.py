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
from inference.prevalence import Confusion, Prevalence, prevalence
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


def measure(logits: Floats, truth: Labels, targets: int) -> list[dict[str, float]]:
    """One line a sample size: mean absolute errors and how many intervals hold the true share."""
    lines = []
    for size in SIZES:
        rng = np.random.default_rng(SEED)
        found = [_one_target(logits, truth, size, rng) for _ in range(targets)]
        means = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
        lines.append({"posts": size, **means})
    return lines


def show(task: str, lines: list[dict[str, float]]) -> None:
    """The lines as a table, in per cent."""
    rows = [
        (str(line["posts"]), *(f"{100 * line[n]:.2f}" for n in line if n != "posts"))
        for line in lines
    ]
    print_table(
        f"{task}: errors of a label's share, in points; coverage in %", tuple(lines[0]), rows
    )


def _one_target(
    logits: Floats, truth: Labels, size: int, rng: np.random.Generator
) -> dict[str, float]:
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
    raw = prevalence([(None, counts[None])])
    adjusted = prevalence([(Confusion(table, classes), counts[None])])
    temperature = fit_temperature(logits[known], truth[known])
    priors = np.bincount(truth[known], minlength=classes) / len(known)
    by_em = em_shares(softmax(logits[rows], temperature), priors)
    return {
        "raw error": float(np.abs(raw.share - target).mean()),
        "EM error": float(np.abs(by_em - target).mean()),
        "adjusted error": float(np.abs(adjusted.share - target).mean()),
        "raw covers": _covered(raw, target),
        "adjusted covers": _covered(adjusted, target),
        "adjusted width": float((adjusted.high - adjusted.low).mean()),
    }


def _covered(found: Prevalence, target: Floats) -> float:
    """The part of the labels whose interval holds the true share."""
    return float(((found.low <= target) & (target <= found.high)).mean())


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
