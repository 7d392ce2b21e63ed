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
TOKEN_BUDGET = 1024
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
        self.mark = f"{folder.digest()[:12]}-{open_graph.__name__.removeprefix('open_')}"
        """Tells two models of one name and version apart, by what was loaded and what runs it."""
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(folder.max_tokens)

    def score(self, texts: Sequence[str]) -> Scores:
        """Classify original texts; each is first turned into the model's input."""
        return self.score_inputs([model_input(text) for text in texts])

    def score_inputs(self, inputs: Sequence[str]) -> Scores:
        """Classify texts that are the model's input already."""
        logits, truncated = self.logits(inputs)
        emotions, sentiments = (self.probabilities(task, logits) for task in TASKS)
        return Scores(emotions, sentiments, truncated)

    def probabilities(self, task: str, logits: Floats) -> Floats | None:
        """(n, classes) calibrated probabilities from (n, 9) logits; None if the model lacks it."""
        if task not in self.folder.tasks:
            return None
        given = softmax(logits[:, task_slice(task)], self.folder.temperatures[task])
        return given.astype(np.float32)

    def logits(self, inputs: Sequence[str]) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Raw (n, 9) logits of model inputs, and which were truncated."""
        (logits,), truncated = self._run(["logits"], inputs)
        return logits, truncated

    def logits_and_pooled(self, inputs: Sequence[str]) -> tuple[Floats, Floats]:
        """Raw (n, 9) logits and (n, width) mean token features of model inputs, in one run."""
        (logits, pooled), _ = self._run(["logits", "pooled"], inputs)
        return logits, pooled

    def _run(
        self, outputs: list[str], inputs: Sequence[str]
    ) -> tuple[list[Floats], npt.NDArray[np.bool_]]:
        encoded = self._tokenizer.encode_batch_fast(list(inputs))
        truncated = np.array([bool(item.overflowing) for item in encoded], dtype=np.bool_)
        lengths = [len(item.ids) for item in encoded]
        # How wide `pooled` is shows in the first answer; without inputs there is none.
        results = [np.empty((0, len(LABELS) * (name == "logits")), np.float32) for name in outputs]
        for number, batch in enumerate(token_budget_batches(lengths, TOKEN_BUDGET)):
            longest = max(lengths[i] for i in batch)
            ids = np.zeros((len(batch), longest), dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, index in enumerate(batch):
                ids[row, : lengths[index]] = encoded[index].ids
                mask[row, : lengths[index]] = 1
            answers = self._graph.run(outputs, {"input_ids": ids, "attention_mask": mask})
            observe_batch(len(batch), sum(lengths[index] for index in batch))
            if number == 0:
                results = [np.empty((len(inputs), a.shape[1]), np.float32) for a in answers]
            for result, answer in zip(results, answers, strict=True):
                result[batch] = answer
        return results, truncated
