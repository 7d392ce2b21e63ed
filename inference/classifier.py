"""Texts in, calibrated probabilities out: the hot path."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from barometer.errors import ModelError
from barometer.labels import LABELS, TASKS, task_slice
from barometer.metrics import observe_batch
from barometer.text import model_input
from inference.backends import Opener, open_onnxruntime
from inference.batching import token_budget_batches
from inference.calibration import softmax
from inference.model_folder import ModelFolder

Floats = npt.NDArray[np.float32]
TOKEN_BUDGET = 2048
"""Tokens a batch: past it the INT8 graph gains nothing on a CPU and its answers wait longer."""


@dataclass(frozen=True)
class Scores:
    """Answers for n texts, in their order; None for a task that the model lacks."""

    emotions: Floats | None
    """(n, 6) calibrated probabilities."""
    sentiments: Floats | None
    """(n, 3) calibrated probabilities."""
    truncated: npt.NDArray[np.bool_]
    """(n,) whether the text was longer than the model reads."""

    def of(self, task: str) -> Floats | None:
        """The probabilities of `task` (`emotion` or `sentiment`)."""
        return self.emotions if task == "emotion" else self.sentiments


class Classifier:
    """One model folder, loaded. Safe to call from several threads."""

    def __init__(
        self, folder: ModelFolder, threads: int, open_graph: Opener = open_onnxruntime
    ) -> None:
        """Load the graph and the tokenizer.

        Raises:
            ModelError: a file cannot be read as what it should be.
            SettingsError: this machine lacks what the backend needs.
        """
        self.folder = folder
        self._graph = open_graph(folder.path, threads)
        try:
            self._tokenizer = Tokenizer.from_file(str(folder.path / "tokenizer.json"))
        except Exception as error:  # the library raises bare Exceptions
            raise ModelError(f"{folder.path} cannot be loaded: {error}.") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(folder.max_tokens)

    def score(self, texts: Sequence[str]) -> Scores:
        """Classify original texts; each is first turned into the model's input."""
        logits, truncated = self.logits([model_input(text) for text in texts])
        emotions, sentiments = (
            softmax(logits[:, task_slice(task)], self.folder.temperatures[task]).astype(np.float32)
            if task in self.folder.tasks
            else None
            for task in TASKS
        )
        return Scores(emotions, sentiments, truncated)

    def logits(self, inputs: Sequence[str]) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Raw (n, 9) logits of model inputs, and which were truncated."""
        return self._run("logits", len(LABELS), inputs)

    def pooled(self, inputs: Sequence[str]) -> Floats:
        """(n, width) mean token features of model inputs."""
        return self._run("pooled", None, inputs)[0]

    def _run(
        self, output: str, width: int | None, inputs: Sequence[str]
    ) -> tuple[Floats, npt.NDArray[np.bool_]]:
        encoded = self._tokenizer.encode_batch_fast(list(inputs))
        truncated = np.array([bool(item.overflowing) for item in encoded], dtype=np.bool_)
        lengths = [len(item.ids) for item in encoded]
        result: Floats | None = (
            None if width is None else np.empty((len(inputs), width), np.float32)
        )
        for batch in token_budget_batches(lengths, TOKEN_BUDGET):
            longest = max(lengths[i] for i in batch)
            ids = np.zeros((len(batch), longest), dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, index in enumerate(batch):
                ids[row, : lengths[index]] = encoded[index].ids
                mask[row, : lengths[index]] = 1
            answer = self._graph.run(output, {"input_ids": ids, "attention_mask": mask})
            observe_batch(len(batch), sum(lengths[index] for index in batch))
            if result is None:
                result = np.empty((len(inputs), answer.shape[1]), np.float32)
            result[batch] = answer
        return (np.empty((0, width or 0), np.float32) if result is None else result), truncated
