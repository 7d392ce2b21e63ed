"""Measure a model folder through the classifier that serves it."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from barometer.labels import TASKS, task_slice
from barometer.text import model_input
from inference.calibration import expected_calibration_error, softmax
from inference.classifier import Classifier
from training.data import Rows, TaskData


def evaluate_rows(classifier: Classifier, task: str, rows: Rows) -> dict[str, Any]:
    """Accuracy, F1 (macro, weighted, a class), and calibration error of `rows` in their task."""
    logits, _ = classifier.logits(rows.texts)
    truth = np.array(rows.labels)
    probabilities = softmax(logits[:, task_slice(task)], classifier.folder.temperatures[task])
    guess = probabilities.argmax(axis=1)
    names = TASKS[task]
    precision, recall, f1, count = precision_recall_fscore_support(
        truth, guess, labels=range(len(names)), zero_division=0
    )
    return {
        "rows": len(rows),
        "accuracy": _short(accuracy_score(truth, guess)),
        "macro_f1": _short(f1_score(truth, guess, average="macro")),
        "weighted_f1": _short(f1_score(truth, guess, average="weighted")),
        "expected_calibration_error": _short(expected_calibration_error(probabilities, truth)),
        "classes": {
            name: {
                "precision": _short(precision[i]),
                "recall": _short(recall[i]),
                "f1": _short(f1[i]),
                "rows": int(count[i]),
            }
            for i, name in enumerate(names)
        },
    }


def evaluate_splits(
    classifier: Classifier, data: dict[str, TaskData], splits: tuple[str, ...]
) -> dict[str, Any]:
    """`evaluate_rows` for every split named and every task: {split: {task: figures}}."""
    return {
        split: {
            task: evaluate_rows(classifier, task, getattr(rows, split))
            for task, rows in data.items()
        }
        for split in splits
    }


def write_metrics(folder: Path, figures: dict[str, Any], origin: dict[str, Any]) -> dict[str, Any]:
    """Write `metrics.json`, the figures with the recipe and data they come from; return it."""
    content = {**figures, **origin}
    (folder / "metrics.json").write_text(json.dumps(content, indent=2) + "\n")
    return content


def write_reference(classifier: Classifier, data: dict[str, TaskData]) -> None:
    """Write `reference.csv`: the model's answers on the validation rows, without their texts.

    Drift compares the live window with these until a live window has been accepted.
    """
    texts = [text for rows in data.values() for text in rows.validation.texts]
    scores = classifier.score(texts)
    emotion, sentiment = scores.emotions.argmax(1), scores.sentiments.argmax(1)
    with (classifier.folder.path / "reference.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["emotion", "confidence", "sentiment", "sentiment_score", "length"])
        for i, text in enumerate(texts):
            table.writerow([
                TASKS["emotion"][emotion[i]],
                f"{scores.emotions[i].max():.3f}",
                TASKS["sentiment"][sentiment[i]],
                f"{scores.sentiments[i, 2] - scores.sentiments[i, 0]:.3f}",
                len(model_input(text)),
            ])  # fmt: skip


def _short(value: Any) -> float:
    return round(float(value), 4)
