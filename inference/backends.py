"""What runs a model's graph: ONNX Runtime on the processor or a GPU, or OpenVINO."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime

from barometer.errors import ModelError, SettingsError
from inference.model_folder import FP32_GRAPH, GRAPH

Rows = npt.NDArray[np.float32]
Feed = Mapping[str, npt.NDArray[np.int64]]
"""`input_ids` and `attention_mask`, each (texts, tokens)."""
OUTPUTS: Final = frozenset({"logits", "pooled"})


class Graph(Protocol):
    """A loaded graph. Safe to call from several threads."""

    def run(self, outputs: list[str], feed: Feed) -> list[Rows]:
        """The outputs of these names for a batch: a row a text."""


Opener = Callable[[Path, int], Graph]
"""Loads a model folder's graph for so many threads."""


class OnnxRuntimeGraph:
    """A graph in ONNX Runtime."""

    def __init__(self, file: Path, threads: int, provider: str) -> None:
        """Load `file`.

        Raises:
            ModelError: it is no graph of ours.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # It plans memory by a batch's shape, of which there are hundreds: 30 MB, and no faster.
        options.enable_mem_pattern = False
        # Its arena keeps for good what the largest batch took; malloc's pages can be given back.
        options.enable_cpu_mem_arena = False
        # Two spinning pools on few cores starve each other and the event loop.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(file), options, providers=[provider])
        except Exception as error:  # the library raises bare Exception subclasses
            raise ModelError(f"{file} cannot be loaded: {error}.") from error
        _check_outputs(file, {output.name for output in self._session.get_outputs()})

    def run(self, outputs: list[str], feed: Feed) -> list[Rows]:
        """As `Graph.run`."""
        answers: list[Rows] = self._session.run(outputs, feed)
        return answers


class OpenVinoGraph:
    """A graph in OpenVINO, on the processor; in bf16 where the processor computes in it."""

    def __init__(self, file: Path, threads: int) -> None:
        """Load `file`.

        Raises:
            SettingsError: OpenVINO is not installed.
            ModelError: it is no graph of ours.
        """
        try:
            import openvino  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            raise SettingsError(
                "BAROMETER_BACKEND=openvino needs OpenVINO: pip install -c requirements.lock -e "
                "'.[openvino]', or use onnxruntime."
            ) from error
        # Precision is left to OpenVINO, which takes bf16 where the processor has it.
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        try:
            self._model: Any = openvino.Core().compile_model(str(file), "CPU", options)
            hint = self._model.get_property("INFERENCE_PRECISION_HINT")
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ModelError(f"{file} cannot be loaded by OpenVINO: {reason}") from error
        _check_outputs(file, {name for port in self._model.outputs for name in port.names})
        self.precision = str(hint.to_string())

    def run(self, outputs: list[str], feed: Feed) -> list[Rows]:
        """As `Graph.run`."""
        # A request holds the tensors of one run, so that each call needs its own.
        answers = self._model.create_infer_request().infer(dict(feed))
        return [answers[name] for name in outputs]


def open_onnxruntime(folder: Path, threads: int) -> Graph:
    """The INT8 graph on the processor."""
    return OnnxRuntimeGraph(folder / GRAPH, threads, "CPUExecutionProvider")


def open_cuda(folder: Path, threads: int) -> Graph:
    """The FP32 graph on a GPU, which has no kernels for the dynamic INT8 one.

    Raises:
        SettingsError: this ONNX Runtime finds no GPU.
        ModelError: the folder has no FP32 graph.
    """
    provider = "CUDAExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise SettingsError(
            "BAROMETER_BACKEND=cuda needs onnxruntime-gpu in place of onnxruntime, and CUDA: "
            "install them, or use onnxruntime."
        )
    return OnnxRuntimeGraph(_fp32(folder, "cuda"), threads, provider)


def open_openvino(folder: Path, threads: int) -> Graph:
    """The FP32 graph in OpenVINO, which lacks the INT8 one's fused operators.

    Raises:
        SettingsError: OpenVINO is not installed.
        ModelError: the folder has no FP32 graph.
    """
    return OpenVinoGraph(_fp32(folder, "openvino"), threads)


BACKENDS: Final[dict[str, Opener]] = {
    "onnxruntime": open_onnxruntime,
    "cuda": open_cuda,
    "openvino": open_openvino,
}
"""By the value of `BAROMETER_BACKEND`."""


def _fp32(folder: Path, backend: str) -> Path:
    file = folder / FP32_GRAPH
    if not file.is_file():
        raise ModelError(
            f"BAROMETER_BACKEND={backend} needs {FP32_GRAPH}, which {folder} lacks: export the "
            "model with --keep-fp32, or use onnxruntime."
        )
    return file


def _check_outputs(file: Path, names: set[str]) -> None:
    if not names >= OUTPUTS:
        raise ModelError(f"{file} gives {sorted(names)}: export it again.")
