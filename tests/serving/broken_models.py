"""Real models that were broken on purpose, and a clock that a test moves."""

import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.registry import LoadedModel
from tests.conftest import STARTER


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class FaultySession:
    """The real session behind a door that fails so many times, or stays shut for a while."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.failures = 0
        self.shut: threading.Event | None = None
        self.runs = 0

    def run(self, *args: Any) -> Any:
        self.runs += 1
        if self.shut is not None:
            self.shut.wait(60)
        if self.failures > 0:
            self.failures -= 1
            raise RuntimeError("the graph failed")
        return self._session.run(*args)


def faulty_model() -> tuple[LoadedModel, FaultySession]:
    """The starter, and the door to its graph."""
    classifier = Classifier(open_model_folder(STARTER), threads=1)
    session = FaultySession(classifier._graph)
    classifier._graph = session
    return LoadedModel("7", classifier), session


def model_of_nans(folder: Path) -> LoadedModel:
    """The starter with a bias that is no number, as a diverged training leaves it."""
    shutil.copytree(STARTER, folder)
    model = onnx.load(folder / "model.onnx")
    [bias] = [item for item in model.graph.initializer if item.name == "classifier.bias"]
    values = np.full_like(numpy_helper.to_array(bias), np.nan)
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    onnx.save(model, folder / "model.onnx")
    return LoadedModel("8", Classifier(open_model_folder(folder), threads=1))
