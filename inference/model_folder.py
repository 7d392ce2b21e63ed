"""A model folder: what the service needs of a model, and nothing that could run code.

model.onnx      the fused INT8 graph; outputs `logits` (batch, 9) and `pooled` (batch, width)
tokenizer.json  the fast tokenizer
config.json     labels, the tasks that it answers, temperatures, longest input
metrics.json    what was measured, by which data
reference.csv   the model's own answers on the validation rows, which drift compares with
model.fp32.onnx the fused graph before quantisation, for the backends that need it (optional)
replay.npz      features and labels of old training rows, no texts; adapting repeats them (optional)
learnt.txt      hashes of the texts that it was adapted to, which the gate leaves out (optional)
README.md       the model card
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barometer.errors import ModelError
from barometer.labels import LABELS, TASKS

GRAPH = "model.onnx"
FP32_GRAPH = "model.fp32.onnx"
PIECE = 1_000_000
"""Bytes that are hashed at a time."""
FILES = (GRAPH, "tokenizer.json", "config.json", "metrics.json")


@dataclass(frozen=True)
class ModelFolder:
    """A complete model folder and what its `config.json` says."""

    path: Path
    name: str
    max_tokens: int
    temperatures: dict[str, float]
    tasks: tuple[str, ...]
    """What the model answers, of `TASKS` and in their order; at least one."""

    @property
    def metrics(self) -> dict[str, Any]:
        """The figures of `metrics.json`."""
        content: dict[str, Any] = json.loads((self.path / "metrics.json").read_text())
        return content

    def confusion(self, task: str) -> list[list[int]] | None:
        """Validation rows by true label (row) and named label (column); None if not recorded."""
        if task not in self.tasks:
            return None
        counts: list[list[int]] | None = (
            self.metrics.get("validation", {}).get(task, {}).get("confusion")
        )
        return counts

    def digest(self) -> str:
        """SHA-256 of the weights and the configuration, in hexadecimal."""
        total = hashlib.sha256()
        for name in (GRAPH, "config.json", "tokenizer.json"):
            with (self.path / name).open("rb") as file:
                # By pieces: a whole graph in memory would be the peak of a running service.
                while piece := file.read(PIECE):
                    total.update(piece)
        return total.hexdigest()


def open_model_folder(path: Path) -> ModelFolder:
    """Check that `path` holds a model that this version can serve.

    Raises:
        ModelError: a file is missing or the labels are not Barometer's; names it.
    """
    for name in FILES:
        if not (path / name).is_file():
            raise ModelError(f"model folder {path} lacks {name}: export the model again.")
    try:
        config = json.loads((path / "config.json").read_text())
        labels = tuple(config["id2label"][str(i)] for i in range(len(config["id2label"])))
        own = config["barometer"]
        tasks = _tasks(own.get("tasks", list(TASKS)))
        temperatures = {task: float(own["temperatures"][task]) for task in tasks}
        folder = ModelFolder(path, str(own["name"]), int(own["max_tokens"]), temperatures, tasks)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}/config.json is unusable ({error!r}): export again.") from error
    if labels != LABELS:
        raise ModelError(f"{path}/config.json names the labels {labels}, not {LABELS}.")
    return folder


def _tasks(named: Any) -> tuple[str, ...]:
    if not isinstance(named, list) or not named or not set(named) <= TASKS.keys():
        raise ValueError(f"tasks must name one or more of {', '.join(TASKS)}, not {named!r}")
    return tuple(task for task in TASKS if task in named)
