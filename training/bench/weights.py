"""The PyTorch weights of a model of which only the fused FP32 graph is left.

The export keeps a parameter's name where it keeps its shape. A product's weight is transposed, and
attention's three are joined: the names of their operators tell whose they are.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file

from barometer.errors import ModelError

Floats = npt.NDArray[np.float32]
JOINED = {"distilbert": ("q_lin", "k_lin", "v_lin")}
"""What an encoder calls query, key and value, where it calls them otherwise."""
OWN = ("query", "key", "value")


def write_checkpoint(folder: Path, graph: Path, target: Path) -> None:
    """Write the weights of the file `graph` as a checkpoint, beside what `folder` knows of them.

    Whether they are what the encoder has shows when PyTorch loads them.

    Args:
        folder: a model folder: its configuration and its tokenizer.
        graph: the model's fused FP32 graph.
        target: the checkpoint to write.

    Raises:
        ModelError: the graph's attention has another shape than the export gives it.
    """
    target.mkdir()
    for name in ("config.json", "tokenizer.json"):
        shutil.copyfile(folder / name, target / name)
    family = json.loads((folder / "config.json").read_text()).get("model_type")
    named = parameters(onnx.load(graph).graph, JOINED.get(family, OWN))
    save_file(dict(named), target / "model.safetensors", {"format": "pt"})


def parameters(graph: Any, joined: tuple[str, str, str]) -> Iterator[tuple[str, Floats]]:
    """Every parameter of a fused graph by its name in PyTorch.

    Args:
        graph: of ONNX.
        joined: what the encoder calls query, key and value.

    Raises:
        ModelError: an attention has another shape than the export gives it.
    """
    held = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        weights = [(name, held[name]) for name in node.input if name in held]
        if node.op_type == "Attention":
            yield from _attention(node, weights, joined)
        elif node.op_type == "MatMul":
            for name, weight in weights:
                own = name if name.endswith(".weight") else f"{_module(node.name)}.weight"
                yield own, np.ascontiguousarray(weight.T)
        else:
            yield from ((name, each) for name, each in weights if each.dtype == np.float32)


def _attention(
    node: Any, weights: list[tuple[str, Floats]], joined: tuple[str, str, str]
) -> Iterator[tuple[str, Floats]]:
    if len(weights) != 2:
        raise ModelError(f"{node.name} has no weight and bias: the graph is not ours.")
    (_, weight), (_, bias) = weights
    module = _module(node.output[0])
    for name, columns, row in zip(joined, np.split(weight, 3, 1), np.split(bias, 3), strict=True):
        yield f"{module}.{name}.weight", np.ascontiguousarray(columns.T)
        yield f"{module}.{name}.bias", np.ascontiguousarray(row)


def _module(path: str) -> str:
    """`/a/b.0/c/MatMul`, as an operator in a module is called, as the module is: `a.b.0.c`."""
    return path.rpartition("/")[0].strip("/").replace("/", ".")
