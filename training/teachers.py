"""What earlier models answer for the training rows: soft targets for a student."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from barometer.errors import ModelError
from barometer.labels import LABELS, task_slice
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from training.data import TaskData

Targets = dict[str, npt.NDArray[np.float32]]
"""A task's (training rows, 9) probabilities, in the order of its rows."""


def soft_targets(folders: Sequence[Path], data: dict[str, TaskData], threads: int) -> Targets:
    """The teachers' calibrated probabilities of every training row, averaged.

    A task's are averaged over the teachers that have it; where none has, they are 0, which adds
    nothing to a cross entropy.

    Raises:
        ModelError: a folder is no model, or its record does not say that it was kept from these
            release rows: what it knows of them would reach the student.
    """
    sums = {task: np.zeros((len(rows.train), len(LABELS))) for task, rows in data.items()}
    having = np.zeros(len(LABELS))
    for path in folders:
        folder = open_model_folder(path)
        kept = folder.metrics.get("release_digests", {})
        for task, rows in data.items():
            if kept.get(task) != rows.release_digest():
                raise ModelError(
                    f"teacher {path} may have learnt from the {task} release rows: choose one that "
                    "was trained on these rows with the release split set apart."
                )
        classifier = Classifier(folder, threads)
        for task, rows in data.items():
            scores = classifier.score(rows.train.texts)
            for known in folder.tasks:
                part = scores.of(known)
                assert part is not None  # noqa: S101 - the folder has the task
                sums[task][:, task_slice(known)] += part
        for known in folder.tasks:
            having[task_slice(known)] += 1
    return {t: (total / np.maximum(having, 1)).astype(np.float32) for t, total in sums.items()}
