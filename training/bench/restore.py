"""The FP32 graph of a model of which only the INT8 graph is left.

`training.graph.quantise` keeps a weight as whole numbers and their scale, and puts operators round
it that round what it is multiplied with. Here the weights are scaled back, and the float operators
return to their places. What rounding took from the weights stays lost.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from barometer.errors import ModelError

Node = Any
"""An ONNX node; the library is not typed."""


def restore(quantised: Path, target: Path) -> None:
    """Write the INT8 graph in the file `quantised` as an FP32 graph to the file `target`.

    Raises:
        ModelError: it is no ONNX file, or not one that `training.graph.quantise` has made.
    """
    try:
        model = onnx.load(quantised)
    except Exception as error:  # protobuf's DecodeError is no public class of onnx
        raise ModelError(f"{quantised} cannot be read as ONNX: {error}.") from error
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    weights = _Weights({item.name: item for item in graph.initializer})
    nodes = _needed([_in_float(node, makers, weights) for node in graph.node], graph.output)
    left = sorted({node.op_type for node in nodes if _is_rounded(node.op_type)})
    if left:
        raise ModelError(f"{quantised} cannot be restored to FP32: it has {', '.join(left)}.")
    kept = weights.read_by(nodes)
    for part in (graph.node, graph.initializer, graph.value_info):
        del part[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    onnx.checker.check_model(model)
    onnx.save(model, target)


class _Weights:
    """A graph's weights by name, and those of them that were scaled back."""

    def __init__(self, held: Mapping[str, Any]) -> None:
        self._held = dict(held)

    def scaled_back(self, quantised: str, scale: str, zero: str) -> str:
        """The name of the float weight; an empty one where the operator is given none."""
        if not quantised:
            return ""
        try:
            parts = [numpy_helper.to_array(self._held[name]) for name in (quantised, scale, zero)]
        except KeyError as error:
            raise ModelError(f"the INT8 graph holds no weight {error.args[0]}.") from error
        numbers, step, offset = parts
        name = quantised.removesuffix("_quantized")
        # A scale a channel lies along the last axis; in 32 bits no difference overflows.
        values = (numbers.astype(np.int32) - offset.astype(np.int32)) * step
        self._held[name] = numpy_helper.from_array(values.astype(np.float32), name)
        return name

    def read_by(self, nodes: Sequence[Node]) -> list[Any]:
        """Those that the nodes read."""
        read = {name for node in nodes for name in node.input}
        return [item for name, item in self._held.items() if name in read]


def _in_float(node: Node, makers: Mapping[str, Node], weights: _Weights) -> Node:
    """The float operator that gives what `node` gave; `node` itself where it is one.

    The operators of ONNX Runtime's own, and the order of their inputs:
    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
    """
    given = list(node.input)
    if node.op_type == "Mul" and (product := _product(given[0], makers)):
        numbers, weight, _, zero = product.input
        # The product of two scales: of the rounded input, and of the weight.
        _, scale = makers[given[1]].input
        inputs = [_unrounded(numbers, makers), weights.scaled_back(weight, scale, zero)]
        return helper.make_node("MatMul", inputs, node.output, _plain(product.name))
    if node.op_type == "DequantizeLinear" and (lookup := _maker(given[0], "Gather", makers)):
        inputs = [weights.scaled_back(lookup.input[0], given[1], given[2]), lookup.input[1]]
        return _like(lookup, "Gather", inputs, node.output)
    if node.op_type == "QAttention":
        numbers, weight, bias, _, scale, mask, _, zero, *past = given
        restored = weights.scaled_back(weight, scale, zero)
        inputs = [_unrounded(numbers, makers), restored, bias, mask, *past]
        return _like(node, "Attention", inputs, node.output)
    if node.op_type == "QEmbedLayerNormalization":
        tables = zip(given[2:7], given[8:13], given[13:18], strict=True)
        inputs = [*given[:2], *(weights.scaled_back(*table) for table in tables), given[7]]
        return _like(node, "EmbedLayerNormalization", inputs, node.output)
    return node


def _product(name: str, makers: Mapping[str, Node]) -> Node | None:
    """The product of whole numbers that `name` is the float form of; None where it is none."""
    cast = _maker(name, "Cast", makers)
    return None if cast is None else _maker(cast.input[0], "MatMulInteger", makers)


def _unrounded(name: str, makers: Mapping[str, Node]) -> str:
    """What was rounded to `name` before an integer operator."""
    maker = _maker(name, "DynamicQuantizeLinear", makers)
    if maker is None:
        raise ModelError(f"the INT8 graph rounds {name} in an unknown way.")
    return str(maker.input[0])


def _like(node: Node, operator: str, inputs: Sequence[str], outputs: Sequence[str]) -> Node:
    """`operator` in the place of `node`, with its attributes."""
    named = list(inputs)
    while named[-1] == "":
        named.pop()
    made = helper.make_node(operator, named, outputs, _plain(node.name), domain=node.domain)
    made.attribute.extend(node.attribute)
    return made


def _needed(nodes: Sequence[Node], outputs: Sequence[Any]) -> list[Node]:
    """The nodes without which the outputs could not be computed, in their order."""
    wanted = {output.name for output in outputs}
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(filter(None, node.input))
            kept.append(node)
    return kept[::-1]


def _maker(name: str, operator: str, makers: Mapping[str, Node]) -> Node | None:
    """The node that gives `name`, if it is such an operator."""
    node = makers.get(name)
    return node if node is not None and node.op_type == operator else None


def _is_rounded(operator: str) -> bool:
    return operator.startswith(("Q", "Dynamic", "Dequantize")) or operator.endswith("Integer")


def _plain(name: str) -> str:
    return name.removesuffix("_quant")
