"""The whole study of one model on one split: figures, baselines, slices, behaviour, plots."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from barometer.errors import InputError
from barometer.labels import TASKS
from inference.calibration import expected_calibration_error, softmax
from inference.classifier import Classifier
from training.data import TaskData
from training.evaluate import Answers, answers_to, figures, short
from training.study.baselines import BASELINES
from training.study.behaviour import Behaviour, run_behaviour
from training.study.intervals import Labels, relative_gains
from training.study.plots import confusion_figure, reliability_figure
from training.study.reliability import reliability
from training.study.slices import slice_figures

FILE = "evaluation.json"
Step = Callable[[int, int, str], None]
"""Called after each step with steps done, steps in all, and what comes next."""


def evaluation_report(
    classifier: Classifier,
    data: dict[str, TaskData],
    split: str,
    on_step: Step = lambda *_: None,
) -> dict[str, Any]:
    """Study a model on `split` (`validation`, `test` or `release`) of the tasks that it has.

    Returns:
        `model`, `digest`, `split`; `tasks`, where each has the figures of `evaluate_rows` and
        `set_apart` (whether the model is known not to have learnt from these rows), `confusion`
        (counts, a row a true class), `calibration`, `baselines` and `slices`; and `behaviour`, a
        list of tests. JSON holds all of it.
    """
    data = {task: parts for task, parts in data.items() if task in classifier.folder.tasks}
    steps = 2 * len(data) + 1
    tasks = {}
    for index, (task, parts) in enumerate(data.items()):
        on_step(2 * index, steps, f"{task}: model")
        rows = getattr(parts, split)
        answers = answers_to(classifier, task, rows)
        classes = len(TASKS[task])
        on_step(2 * index + 1, steps, f"{task}: baselines")
        tasks[task] = {
            **figures(answers),
            "set_apart": split != "release" or _release_set_apart(classifier, parts),
            "calibration": _calibration(answers),
            "baselines": {
                name: _compared(answers, label(parts.train, rows), classes)
                for name, label in BASELINES.items()
            },
            "slices": _rounded(slice_figures(rows, answers.guess, classes)),
        }
    on_step(steps - 1, steps, "behaviour")
    behaviour = [_listed(test) for test in run_behaviour(classifier)]
    on_step(steps, steps, "")
    return {
        "model": classifier.folder.name,
        "digest": classifier.folder.digest(),
        "split": split,
        "tasks": tasks,
        "behaviour": behaviour,
    }


def prepare_output(folder: Path) -> None:
    """Make the folder for a report, before the minutes of work that it takes.

    Raises:
        InputError: `folder` cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"output: {folder} cannot be made ({error.strerror}); name another folder.", "output"
        ) from error


def write_report(report: dict[str, Any], folder: Path) -> list[Path]:
    """Write a report's plots, two a task, and then `evaluation.json` into `folder`.

    Returns:
        The files written.

    Raises:
        InputError: `folder` cannot be written to.
    """
    files = []
    try:
        for task, study in report["tasks"].items():
            title = f"{report['model']}\n{task}, {study['rows']:,} {report['split']} rows"
            plots = {
                "confusion": confusion_figure(study["confusion"], TASKS[task], title),
                "reliability": reliability_figure(study["calibration"], title),
            }
            for name, plot in plots.items():
                files.append(folder / f"{task}-{name}.png")
                plot.savefig(files[-1])
        files.append(folder / FILE)
        files[-1].write_text(json.dumps(report, indent=2) + "\n")
    except OSError as error:
        raise InputError(
            f"output: {folder} cannot be written ({error.strerror}); free space or name another.",
            "output",
        ) from error
    return files


def _release_set_apart(classifier: Classifier, parts: TaskData) -> bool:
    """Whether the model's own notes say that it set the same release rows apart."""
    noted = classifier.folder.metrics.get("release_digests", {}).get(parts.task)
    return bool(noted == parts.release_digest())


def _calibration(answers: Answers) -> dict[str, Any]:
    before = expected_calibration_error(softmax(answers.logits), answers.truth)
    after = expected_calibration_error(answers.probabilities, answers.truth)
    return {
        "temperature": answers.temperature,
        "error_before": short(before),
        "error_after": short(after),
        "bins": _rounded(reliability(answers.probabilities, answers.truth)),
    }


def _compared(answers: Answers, guess: Labels, classes: int) -> dict[str, Any]:
    gains = relative_gains(answers.truth, answers.guess, np.asarray(guess), classes)
    return {
        "accuracy": short(accuracy_score(answers.truth, guess)),
        "macro_f1": short(f1_score(answers.truth, guess, average="macro")),
        "relative_gain": {
            name: {"gain": _finite(gain), "interval": [_finite(bound) for bound in bounds]}
            for name, (gain, bounds) in gains.items()
        },
    }


def _finite(value: float) -> float | None:
    """The figure; None where it is infinite, which JSON cannot say."""
    return short(value) if np.isfinite(value) else None


def _listed(test: Behaviour) -> dict[str, Any]:
    return {**vars(test), "failures": list(test.failures), "rate": short(test.rate)}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return short(value) if isinstance(value, float) else value
