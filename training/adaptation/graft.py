"""Add a linear correction to the logits of an ONNX file, without training tools.

logits' = logits + pooled @ weight + bias, as two nodes after the graph that was there. Grafting
again adds to the same weight and bias, so a model that is adapted often does not grow.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from barometer.errors import ModelError

WEIGHT, BIAS = "adapted.weight", "adapted.bias"
BEFORE, SHIFT = "adapted.logits_before", "adapted.shift"
LOGITS, POOLED = "logits", "pooled"
Floats = npt.NDArray[np.floating[Any]]


def graft(source: Path, target: Path, weight: Floats, bias: Floats) -> None:
    """Write `source` with the correction as `target`.

    Args:
        source: an ONNX file with the outputs `logits` (batch, n) and `pooled` (batch, width).
        target: where to write; may be `source` itself.
        weight: (width, n), zero columns for logits that stay as they are.
        bias: (n,).

    Raises:
        ModelError: `source` is no such graph, or `weight` does not fit it.
    """
    try:
        model = onnx.load(source)
    except Exception as error:  # protobuf's DecodeError is no public class of onnx
        raise ModelError(f"{source} cannot be read as ONNX: {error}.") from error
    graph = model.graph
    held = {item.name: item for item in graph.initializer}
    if WEIGHT in held:
        _add(held[WEIGHT], weight, source)
        _add(held[BIAS], bias, source)
    else:
        _insert(graph, weight, bias, source)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def _insert(graph: Any, weight: Floats, bias: Floats, source: Path) -> None:
    shapes = {
        output.name: [size.dim_value for size in output.type.tensor_type.shape.dim]
        for output in graph.output
    }
    if not {LOGITS, POOLED} <= shapes.keys():
        raise ModelError(f"{source} gives {sorted(shapes)}: export it again.")
    expected = (shapes[POOLED][-1], shapes[LOGITS][-1])
    if 0 not in expected and (weight.shape != expected or bias.shape != expected[1:]):
        raise ModelError(f"{source}: a head of shape {weight.shape} does not fit {expected}.")
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == LOGITS:
                    names[place] = BEFORE
    graph.initializer.extend([
        numpy_helper.from_array(weight.astype(np.float32), WEIGHT),
        numpy_helper.from_array(bias.astype(np.float32), BIAS),
    ])  # fmt: skip
    graph.node.extend([
        helper.make_node("Gemm", [POOLED, WEIGHT, BIAS], [SHIFT], name="adapted.Gemm"),
        helper.make_node("Add", [BEFORE, SHIFT], [LOGITS], name="adapted.Add"),
    ])  # fmt: skip


def _add(initializer: Any, more: Floats, source: Path) -> None:
    held = numpy_helper.to_array(initializer)
    if held.shape != more.shape:
        raise ModelError(f"{source}: a head of shape {more.shape} does not fit {held.shape}.")
    total = (held + more).astype(np.float32)
    initializer.CopyFrom(numpy_helper.from_array(total, initializer.name))
