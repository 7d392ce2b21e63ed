"""Train as INT8 computes, so that quantising afterwards costs little.

Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-
Only Inference": the forward pass rounds as the quantised graph will, the backward pass does not
see the rounding (straight-through).
"""

from functools import partial
from typing import Any

import torch
from torch.nn import functional

WEIGHT_STEPS, INPUT_STEPS = 127, 255


def imitate_int8(encoder: Any) -> None:
    """Let every linear layer of `encoder` compute as ONNX Runtime's dynamic INT8 does.

    The layers' parameters, names and files stay as they are; the head is left in floating point,
    as the export leaves it.
    """
    for module in encoder.modules():
        if isinstance(module, torch.nn.Linear):
            module.forward = partial(_quantised_linear, module)  # type: ignore[method-assign]


def _quantised_linear(layer: torch.nn.Linear, inputs: torch.Tensor) -> torch.Tensor:
    return functional.linear(_rounded_inputs(inputs), _rounded_weight(layer.weight), layer.bias)


def _rounded_weight(weight: torch.Tensor) -> torch.Tensor:
    """Signed 8 bits, a scale for each output."""
    with torch.no_grad():
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / WEIGHT_STEPS
        error = (weight / scale).round() * scale - weight
    return weight + error


def _rounded_inputs(inputs: torch.Tensor) -> torch.Tensor:
    """Unsigned 8 bits, one scale for the whole batch, as it is measured when it comes."""
    with torch.no_grad():
        whole = inputs.float()
        low, high = whole.amin().clamp(max=0), whole.amax().clamp(min=0)
        scale = ((high - low) / INPUT_STEPS).clamp(min=1e-8)
        zero = (-low / scale).round()
        error = ((whole / scale).round() + zero).clamp(0, INPUT_STEPS).sub(zero) * scale - whole
    return inputs + error.to(inputs.dtype)
