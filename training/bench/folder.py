"""A checkpoint as a model folder that holds what every backend needs."""

import shutil
import tempfile
from pathlib import Path

from barometer.errors import ModelError
from barometer.labels import TASKS
from inference.model_folder import FP32_GRAPH, GRAPH
from training.bench.contenders import CHECKPOINT
from training.encoder import load_checkpoint
from training.export import Finished, write_graphs
from training.recipe import Recipe


def write_folder(checkpoint: Path, target: Path) -> None:
    """Export `checkpoint` to INT8 and FP32 graphs in `target`, beside a copy of itself.

    Raises:
        ModelError: `checkpoint` is no fine-tuned model, or exports to no fused graph.
    """
    if not (checkpoint / "model.safetensors").is_file():
        raise ModelError(
            f"{checkpoint} lacks model.safetensors: give a checkpoint that `train` has written."
        )
    finished = Finished(*load_checkpoint(checkpoint), Recipe().max_tokens)
    with tempfile.TemporaryDirectory() as scratch:
        write_graphs(finished, Path(scratch), target, checkpoint.name, TASKS)
        shutil.copyfile(Path(scratch) / GRAPH, target / FP32_GRAPH)
    shutil.copytree(checkpoint, target / CHECKPOINT)
