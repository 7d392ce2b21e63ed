"""What the model said of the newest texts, so that a text that goes round is judged once."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from barometer.posts import Judgement
from barometer.text import model_input
from inference.registry import LoadedModel
from serving.judge import judgements

MOST: Final = 4_096
"""Answers that are kept, about 2.5 kB each."""


class KnownAnswers:
    """One model's newest answers, in this process; another model begins with none."""

    def __init__(self) -> None:
        self._model: LoadedModel | None = None
        self._said: OrderedDict[str, Judgement] = OrderedDict()

    def judge(self, model: LoadedModel, texts: Sequence[str]) -> list[Judgement]:
        """What `model` says of each text; texts that it reads as the same are judged once."""
        if model is not self._model:
            self._model, self._said = model, OrderedDict()
        inputs = [model_input(text) for text in texts]
        new = [read for read in dict.fromkeys(inputs) if read not in self._said]
        said = judgements(model.version, model.classifier.score_inputs(new))
        self._said.update(zip(new, said, strict=True))
        for read in inputs:
            self._said.move_to_end(read)
        answers = [self._said[read] for read in inputs]
        while len(self._said) > MOST:
            self._said.popitem(last=False)
        return answers
