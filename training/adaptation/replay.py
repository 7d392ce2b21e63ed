"""Old rows that an adaptation repeats, so that it does not forget: features, never texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from barometer.errors import ModelError
from barometer.labels import LABELS, TASKS, task_slice
from inference.classifier import Classifier
from training.adaptation.head import Examples
from training.data import TaskData, stratified_part

FILE = "replay.npz"
"""Its arrays: `pooled` (n, width) float16, `logits` (n, 9) float32, and (n,) `task` and `label`."""
ROWS = 500
"""Most rows a task: 1,000 did no better on held-out rows of either domain."""


@dataclass(frozen=True)
class Replay:
    """Old training rows of every task that has some."""

    pooled: npt.NDArray[np.float16]
    """(n, width) features."""
    logits: npt.NDArray[np.float32]
    """(n, 9) what the model says of them."""
    task: npt.NDArray[np.uint8]
    """(n,) place of the row's task in `TASKS`."""
    label: npt.NDArray[np.uint8]
    """(n,) index of the row's label in its task."""

    def of(self, task: str) -> Examples | None:
        """The rows of `task`, or None where there are none."""
        own = self.task == list(TASKS).index(task)
        if not own.any():
            return None
        return Examples(
            self.pooled[own].astype(np.float32),
            self.logits[own][:, task_slice(task)],
            self.label[own].astype(np.int64),
        )

    def write(self, folder: Path) -> None:
        """Write `replay.npz` into the model folder `folder`."""
        np.savez_compressed(
            folder / FILE, pooled=self.pooled, logits=self.logits, task=self.task, label=self.label
        )


def write_replay(classifier: Classifier, data: Mapping[str, TaskData]) -> None:
    """Write `replay.npz` of up to `ROWS` training rows a task into the classifier's folder."""
    make_replay(classifier, data).write(classifier.folder.path)


def make_replay(classifier: Classifier, data: Mapping[str, TaskData], most: int = ROWS) -> Replay:
    """What `classifier` says of a fixed, stratified choice of `most` training rows a task."""
    chosen = {
        task: stratified_part(rows.train, min(1.0, most / max(1, len(rows.train))), least=1)
        for task, rows in data.items()
    }
    texts = [text for rows in chosen.values() for text in rows.texts]
    labels = [label for rows in chosen.values() for label in rows.labels]
    places = [list(TASKS).index(task) for task, rows in chosen.items() for _ in rows.texts]
    logits, pooled = classifier.logits_and_pooled(texts)
    return Replay(
        pooled.astype(np.float16),
        logits,
        np.array(places, dtype=np.uint8),
        np.array(labels, dtype=np.uint8),
    )


def read_replay(folder: Path) -> Replay | None:
    """The rows that a model folder carries, or None where it carries none.

    Raises:
        ModelError: the file cannot be read, or its arrays do not fit each other.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as content:
            arrays: dict[str, Any] = {name: content[name] for name in content.files}
        replay = Replay(**arrays)
        rows = len(replay.task)
        fits = replay.pooled.ndim == 2 and replay.logits.shape == (rows, len(LABELS))
        fits = fits and len(replay.pooled) == rows == len(replay.label)
        known = all(
            rows_of is None or int(rows_of.labels.max()) < len(names)
            for rows_of, names in ((replay.of(task), names) for task, names in TASKS.items())
        )
    except Exception as error:  # a broken zip raises whatever its broken part raises
        raise ModelError(
            f"{file} cannot be read ({error}): export again, or remove it to adapt without "
            "replayed rows."
        ) from error
    if not (fits and known):
        raise ModelError(f"{file}: arrays do not fit each other: export again, or remove it.")
    return replay
