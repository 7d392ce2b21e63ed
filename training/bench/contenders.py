"""The backends that are compared, by name: those that can serve, and PyTorch beside them."""

from pathlib import Path
from typing import Any, Final

from barometer.errors import ModelError, UnavailableError
from inference.backends import (
    Feed,
    Graph,
    OnnxRuntimeGraph,
    Opener,
    Rows,
    open_cuda,
    open_onnxruntime,
    open_openvino,
)
from inference.model_folder import FP32_GRAPH

CHECKPOINT: Final = "checkpoint"
"""Folder of the PyTorch model in a model folder that was made for a comparison."""
SERVED: Final = "ONNX Runtime INT8"
"""The default of `BAROMETER_BACKEND`."""


class TorchGraph:
    """A checkpoint in PyTorch, in FP32."""

    def __init__(self, checkpoint: Path, threads: int, device: str) -> None:
        """Load the checkpoint.

        Raises:
            ModelError: there is none, or it is not whole.
            UnavailableError: PyTorch is not installed, or finds no GPU.
        """
        try:
            import torch  # noqa: PLC0415 - the train extra
        except ModuleNotFoundError as error:
            raise UnavailableError(
                "PyTorch is not installed: it is in the extra 'train', which `make test` installs."
            ) from error
        if device == "cuda" and not torch.cuda.is_available():
            raise UnavailableError("PyTorch finds no GPU here.")
        if not checkpoint.is_dir():
            raise ModelError("needs the PyTorch weights: name them by --checkpoint.")
        from training.encoder import load_checkpoint  # noqa: PLC0415 - it takes transformers along

        torch.set_num_threads(threads)
        self._torch: Any = torch
        self._device = device
        self._model = load_checkpoint(checkpoint)[0].eval().to(device)

    def run(self, outputs: list[str], feed: Feed) -> list[Rows]:
        """As `Graph.run`; `logits` is what the checkpoint gives."""
        with self._torch.inference_mode():
            tensors = {
                name: self._torch.from_numpy(values).to(self._device)
                for name, values in feed.items()
            }
            answer = self._model(**tensors)
            return [getattr(answer, name).cpu().numpy() for name in outputs]


def open_torch(folder: Path, threads: int) -> Graph:
    """The checkpoint on the processor."""
    return TorchGraph(folder / CHECKPOINT, threads, "cpu")


def open_torch_cuda(folder: Path, threads: int) -> Graph:
    """The checkpoint on a GPU."""
    return TorchGraph(folder / CHECKPOINT, threads, "cuda")


def open_fp32(folder: Path, threads: int) -> Graph:
    """The fused FP32 graph in ONNX Runtime, on the processor."""
    if not (folder / FP32_GRAPH).is_file():
        raise ModelError(f"needs {FP32_GRAPH}: export with --keep-fp32, or name a --checkpoint.")
    return OnnxRuntimeGraph(folder / FP32_GRAPH, threads, "CPUExecutionProvider")


CONTENDERS: Final[dict[str, Opener]] = {
    "PyTorch FP32": open_torch,
    "ONNX Runtime FP32": open_fp32,
    SERVED: open_onnxruntime,
    "OpenVINO": open_openvino,
    "PyTorch FP32, CUDA": open_torch_cuda,
    "ONNX Runtime FP32, CUDA": open_cuda,
}
