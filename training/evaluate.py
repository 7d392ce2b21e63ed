"""Measure a model folder through the classifier that serves it."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from barometer.labels import TASKS, task_slice
from inference.calibration import Floats, expected_calibration_error, softmax
from inference.classifier import Classifier
from inference.model_folder import ModelFolder
from training.data import Rows
from training.study.intervals import Labels, confusion, intervals


@dataclass(frozen=True)
class Answers:
    """What a model says about the rows of one task, beside what is true of them."""

    task: str
    logits: Floats
    """(n, classes) of this task alone."""
    temperature: float
    truth: Labels
    """(n,) true labels."""

    @property
    def probabilities(self) -> Floats:
        """(n, classes) as served, after temperature scaling."""
        return softmax(self.logits, self.temperature)

    @property
    def guess(self) -> Labels:
        """(n,) the most probable labels."""
        best: Labels = self.logits.argmax(axis=1)
        return best


def answers_of(folder: ModelFolder, task: str, rows: Rows, logits: Floats) -> Answers:
    """What (n, 9) `logits` of the folder's model say about the n `rows` of `task`."""
    own = logits[:, task_slice(task)]
    return Answers(task, own, folder.temperatures[task], np.array(rows.labels))


def answers_to(classifier: Classifier, task: str, rows: Rows) -> Answers:
    """Run the classifier on `rows` of `task`."""
    return answers_of(classifier.folder, task, rows, classifier.logits(rows.texts)[0])


def figures(answers: Answers) -> dict[str, Any]:
    """Accuracy, F1 (macro, weighted, a class), calibration error, bootstrap intervals, confusion.

    `confusion` holds counts, a row a true class: shares of live posts are corrected by it.
    """
    truth, guess, names = answers.truth, answers.guess, TASKS[answers.task]
    table = confusion(truth, guess, len(names))
    precision, recall, f1, count = precision_recall_fscore_support(
        truth, guess, labels=range(len(names)), zero_division=0
    )
    error = expected_calibration_error(answers.probabilities, truth)
    return {
        "rows": len(truth),
        "accuracy": short(accuracy_score(truth, guess)),
        "macro_f1": short(f1_score(truth, guess, average="macro")),
        "weighted_f1": short(f1_score(truth, guess, average="weighted")),
        "expected_calibration_error": short(error),
        "intervals": {
            name: [short(bound) for bound in bounds] for name, bounds in intervals(table).items()
        },
        "confusion": table.tolist(),
        "classes": {
            name: {
                "precision": short(precision[i]),
                "recall": short(recall[i]),
                "f1": short(f1[i]),
                "rows": int(count[i]),
            }
            for i, name in enumerate(names)
        },
    }


def evaluate_rows(classifier: Classifier, task: str, rows: Rows) -> dict[str, Any]:
    """`figures` of `rows` in their task."""
    return figures(answers_to(classifier, task, rows))


def write_metrics(folder: Path, figures: dict[str, Any], origin: dict[str, Any]) -> dict[str, Any]:
    """Write `metrics.json`, the figures with the recipe and data they come from; return it."""
    content = {**figures, **origin}
    (folder / "metrics.json").write_text(json.dumps(content, indent=2) + "\n")
    return content


def write_reference(
    classifier: Classifier, texts: Sequence[str], logits: npt.NDArray[np.float32]
) -> None:
    """Write `reference.csv`: the model's answers on (validation) rows, without their texts.

    Drift compares the live window with these until a live window has been accepted. Columns of a
    task that the model lacks are empty.

    Args:
        classifier: the model; its folder is written to.
        texts: model inputs.
        logits: (n, 9) what the model says of them.
    """
    felt, tone = (classifier.probabilities(task, logits) for task in TASKS)
    with (classifier.folder.path / "reference.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["emotion", "confidence", "sentiment", "sentiment_score", "length"])
        for i, text in enumerate(texts):
            table.writerow([
                "" if felt is None else TASKS["emotion"][felt[i].argmax()],
                "" if felt is None else f"{felt[i].max():.3f}",
                "" if tone is None else TASKS["sentiment"][tone[i].argmax()],
                "" if tone is None else f"{tone[i, 2] - tone[i, 0]:.3f}",
                len(text),
            ])  # fmt: skip


def short(value: Any) -> float:
    """A figure as it is written down: four digits after the point."""
    return round(float(value), 4)
