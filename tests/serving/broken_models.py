"""Real models that were broken on purpose, and a clock that a test moves."""

import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from inference.registry import LoadedModel
from tests.conftest import STARTER
from tests.training.gate_models import copy_starter

ENDLESS = "xylophone"
"""The word that a graph of `never_ending` never comes to an end with."""


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


def never_ending(folder: Path) -> Path:
    """The starter with a loop that runs for years once a text holds the word `ENDLESS`."""
    copy_starter(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    word = tokenizer.encode(ENDLESS, add_special_tokens=False).ids[0]
    model = onnx.load(folder / "model.onnx")
    graph, flag, number = model.graph, TensorProto.BOOL, TensorProto.FLOAT
    for name, value in {"word": word, "years": 2**60, "none": 0}.items():
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
    graph.initializer.append(numpy_helper.from_array(np.float32(0), "nothing"))
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["sum", "sum"], ["new_sum"]),
        ],
        "round",
        [
            helper.make_tensor_value_info("rounds", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", flag, []),
            helper.make_tensor_value_info("sum", number, []),
        ],
        [
            helper.make_tensor_value_info("go_on", flag, []),
            helper.make_tensor_value_info("new_sum", number, []),
        ],
    )
    [last] = [node for node in graph.node if "logits" in node.output]
    last.output[0] = "own_logits"
    graph.node.extend(
        [
            helper.make_node("Equal", ["input_ids", "word"], ["is_word"]),
            helper.make_node("Cast", ["is_word"], ["as_number"], to=TensorProto.INT64),
            helper.make_node("ReduceMax", ["as_number"], ["has_word"], keepdims=0),
            helper.make_node("Cast", ["has_word"], ["endless"], to=flag),
            helper.make_node("Where", ["endless", "years", "none"], ["count"]),
            helper.make_node("Loop", ["count", "", "nothing"], ["still_nothing"], body=body),
            helper.make_node("Add", ["own_logits", "still_nothing"], ["logits"]),
        ]
    )
    onnx.save(model, folder / "model.onnx")
    return folder
