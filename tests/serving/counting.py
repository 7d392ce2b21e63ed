"""The starter's classifier, with a record of what it was asked and a gate to hold it at."""

import threading
from collections.abc import Sequence

from inference.classifier import Classifier, Scores
from inference.model_folder import open_model_folder
from inference.registry import LoadedModel
from tests.conftest import STARTER


class Counting(Classifier):
    def __init__(self) -> None:
        super().__init__(open_model_folder(STARTER), threads=1)
        self.calls: list[list[str]] = []
        self.started = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def score_inputs(self, inputs: Sequence[str]) -> Scores:
        self.calls.append(list(inputs))
        self.started.set()
        self.gate.wait(30)
        if "poison" in inputs:
            raise ValueError("this text breaks the model")
        return super().score_inputs(inputs)


def counting_model(version: str = "7") -> tuple[LoadedModel, Counting]:
    classifier = Counting()
    return LoadedModel(version, classifier), classifier
