"""The ONNX graph made fast: operators fused, products in INT8, and both checked."""

from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.optimizer import optimize_model

from barometer.errors import ModelError

QUANTISED_OPERATORS = {"QAttention", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"}


def fuse(plain: Path, fused: Path, config: Any) -> dict[str, int]:
    """Write `plain` as `fused`, with fused attention, normalisation and activation.

    Returns:
        How many operators of each kind were fused.

    Raises:
        ModelError: as `check_fused`.
    """
    optimizer = optimize_model(
        str(plain),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        opt_level=1,  # constants folded first: the attention pattern is matched on folded shapes
    )
    counts: dict[str, int] = optimizer.get_fused_operator_statistics()
    check_fused(counts, config.num_hidden_layers)
    optimizer.save_model_to_file(str(fused))
    return counts


def quantise(fused: Path, target: Path) -> None:
    """Write `fused` as `target` with INT8 weights, a scale a channel, and dynamic activations."""
    quantize_dynamic(
        fused,
        target,
        weight_type=QuantType.QInt8,
        per_channel=True,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT, "MatMulConstBOnly": True},
    )


def check_fused(counts: dict[str, int], layers: int) -> None:
    """Refuse a graph that lacks a fusion which a transformer of so many `layers` should have.

    Raises:
        ModelError: one is missing; names what was fused.
    """
    norms = counts.get("SkipLayerNormalization", 0)
    gelu = counts.get("BiasGelu", 0) + counts.get("FastGelu", 0) + counts.get("Gelu", 0)
    found = {
        "attention": counts.get("Attention", 0) + counts.get("MultiHeadAttention", 0),
        "skip layer normalisation": norms // 2,
        "activation": gelu,
    }
    for what, count in found.items():
        if count < layers:
            table = ", ".join(f"{name} {number}" for name, number in counts.items() if number)
            raise ModelError(
                f"the graph optimiser fused the {what} of {count} of {layers} layers ({table}): "
                "this encoder or torch version exports another shape."
            )


def check_quantised(path: Path, counts: dict[str, int]) -> None:
    """Refuse a file that still multiplies in floating point.

    Raises:
        ModelError: a product or an attention was not quantised; names what is there.
    """
    operators = [node.op_type for node in onnx.load(path).graph.node]
    if operators.count("QAttention") != counts["Attention"] or "MatMul" in operators:
        found = sorted(set(operators) & (QUANTISED_OPERATORS | {"MatMul", "Attention"}))
        raise ModelError(f"quantisation left float products in the graph: {found}.")
