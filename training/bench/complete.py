"""A model folder with what every backend needs, as far as its own graphs hold it."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from barometer.errors import ModelError
from inference.model_folder import FP32_GRAPH, GRAPH
from training.bench.contenders import CHECKPOINT

RESTORED = (
    "FP32: restored from the INT8 graph, whose weights it has; what rounding took from them before "
    "stays lost. --checkpoint measures the weights that were trained."
)


def complete(folder: Path, target: Path) -> list[str]:
    """Copy `folder` to `target`, with an FP32 graph and, where PyTorch is, its weights.

    Returns:
        What a reader must know of the figures: where FP32 comes from, or why there is none.
    """
    shutil.copytree(folder, target)
    if not find_spec("onnx"):
        return ["FP32 is not restored from INT8 without onnx: it is in the extra 'ops'."]
    from training.bench.restore import restore  # noqa: PLC0415 - needs onnx

    notes = []
    try:
        if not (target / FP32_GRAPH).is_file():
            restore(target / GRAPH, target / FP32_GRAPH)
            notes.append(RESTORED)
        if find_spec("torch") and find_spec("safetensors"):
            from training.bench.weights import write_checkpoint  # noqa: PLC0415 - as above

            write_checkpoint(target, target / FP32_GRAPH, target / CHECKPOINT)
    except ModelError as error:
        notes.append(str(error))
    return notes
