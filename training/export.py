"""A fine-tuned checkpoint to a model folder: ONNX with `pooled`, fused, quantised to INT8."""

import json
import shutil
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from optimum.exporters.onnx import export as optimum_export
from optimum.exporters.tasks import TasksManager
from transformers.modeling_outputs import ModelOutput

from barometer.labels import LABELS, TASKS, task_slice
from inference.calibration import fit_temperature
from inference.classifier import Classifier
from inference.model_folder import FP32_GRAPH, GRAPH, open_model_folder
from training.data import TaskData
from training.finetune import logits_of
from training.gate.latency import interleaved_ms
from training.graph import check_quantised, fuse, quantise
from training.parity import Logits, Variant, variant

OPSET = 17


@dataclass(frozen=True)
class Finished:
    """A model that has learnt all it will, and how it reads."""

    model: Any
    """Gives `logits` (batch, 9) and hidden states; its `config` names our labels."""
    tokenizer: Any
    """A fast one."""
    max_tokens: int
    """Longest input."""
    labels: Collection[str] = LABELS
    """Those that it can answer. Rows of others fit no temperature: it could only rise without end
    to excuse what the model cannot know."""


@dataclass(frozen=True)
class Exported:
    """What the export has measured on the validation rows."""

    variants: list[Variant]
    """PyTorch, ONNX FP32 and ONNX INT8 side by side."""
    logits: Logits
    """What the INT8 graph says, so that nobody needs to ask it again."""


def export(
    finished: Finished,
    data: dict[str, TaskData],
    target: Path,
    name: str,
    *,
    keep_fp32: bool = False,
) -> Exported:
    """Write `target` as a model folder (all but `metrics.json`'s figures and the card).

    Temperatures are fitted on the validation rows with the INT8 graph's own logits.

    Args:
        finished: what to export.
        data: the rows of the tasks that the model has.
        target: the folder to write.
        name: the model's.
        keep_fp32: leave the graph before quantisation in the folder, too.

    Raises:
        ModelError: the graph optimiser missed a fusion, or quantisation left float products.
    """
    model, tokenizer, max_tokens = finished.model.eval(), finished.tokenizer, finished.max_tokens
    reference = {
        task: logits_of(model, tokenizer, rows.validation, max_tokens)
        for task, rows in data.items()
    }
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        fused = Path(scratch) / "fp32"
        write_graphs(finished, fused, target, name, data)
        if keep_fp32:
            shutil.copyfile(fused / GRAPH, target / FP32_GRAPH)
        classifiers = [Classifier(open_model_folder(f), threads=1) for f in (fused, target)]
        texts = [text for rows in data.values() for text in rows.validation.texts]
        plain_ms, quantised_ms = interleaved_ms(
            classifiers[0], classifiers[1], texts, lambda *_: None
        )
        answers = [
            {task: each.logits(rows.validation.texts)[0] for task, rows in data.items()}
            for each in classifiers
        ]
        sizes = [(each.folder.path / GRAPH).stat().st_size for each in classifiers]
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    variants = [
        variant("PyTorch FP32", weights, None, None, reference, reference, data),
        variant("ONNX FP32", sizes[0], plain_ms, 1.0, answers[0], reference, data),
        variant(
            "ONNX INT8",
            sizes[1],
            quantised_ms,
            plain_ms / quantised_ms,
            answers[1],
            reference,
            data,
        ),
    ]
    temperatures = {}
    for task, rows in data.items():
        own, truth = answers[1][task][:, task_slice(task)], np.array(rows.validation.labels)
        fits = np.isin(
            truth, [i for i, label in enumerate(TASKS[task]) if label in finished.labels]
        )
        temperatures[task] = round(fit_temperature(own[fits], truth[fits]), 4)
    _write_config(target, model.config, name, max_tokens, temperatures)
    return Exported(variants, answers[1])


def write_graphs(
    finished: Finished, fused: Path, target: Path, name: str, tasks: Iterable[str]
) -> None:
    """Write two model folders without figures or temperatures: `fused` in FP32, `target` in INT8.

    Raises:
        ModelError: the graph optimiser missed a fusion, or quantisation left float products.
    """
    model = finished.model.eval()
    for folder in (fused, target):
        folder.mkdir(parents=True, exist_ok=True)
        _write_tokenizer(finished.tokenizer, folder)
        _write_config(folder, model.config, name, finished.max_tokens, dict.fromkeys(tasks, 1.0))
        (folder / "metrics.json").write_text("{}\n")
    plain = fused / "plain.onnx"
    _to_onnx(model, plain)
    counts = fuse(plain, fused / GRAPH, model.config)
    plain.unlink()
    quantise(fused / GRAPH, target / GRAPH)
    check_quantised(target / GRAPH, counts)


def _to_onnx(model: Any, path: Path) -> None:
    """Export through optimum, with the masked token mean of the last layer as `pooled`."""
    constructor = TasksManager.get_exporter_config_constructor(
        exporter="onnx", model=model, task="text-classification", library_name="transformers"
    )
    base = constructor(model.config)

    class WithPooled(type(base)):  # type: ignore[misc]
        """The encoder's own export configuration: the inputs that are served, one output more."""

        @property
        def inputs(self) -> dict[str, dict[int, str]]:
            axes = {0: "batch_size", 1: "sequence_length"}
            return {"input_ids": axes, "attention_mask": axes}

        @property
        def outputs(self) -> dict[str, dict[int, str]]:
            return {"logits": {0: "batch_size"}, "pooled": {0: "batch_size"}}

    forward = model.forward

    def forward_with_pooled(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> ModelOutput:
        answer = forward(
            input_ids=input_ids,
            attention_mask=attention_mask,
            output_hidden_states=True,
            return_dict=True,
        )
        mask = attention_mask.unsqueeze(-1).to(answer.logits.dtype)
        pooled = (answer.hidden_states[-1] * mask).sum(1) / mask.sum(1)
        return ModelOutput(logits=answer.logits, pooled=pooled)

    model.forward = forward_with_pooled
    try:
        optimum_export(model, WithPooled(model.config), path, opset=OPSET)
    finally:
        model.forward = forward


def _write_tokenizer(tokenizer: Any, folder: Path) -> None:
    tokenizer.save_pretrained(folder / "tokenizer")
    shutil.move(folder / "tokenizer" / "tokenizer.json", folder / "tokenizer.json")
    shutil.rmtree(folder / "tokenizer")


def _write_config(
    folder: Path, config: Any, name: str, max_tokens: int, temperatures: dict[str, float]
) -> None:
    own = {
        "name": name,
        "max_tokens": max_tokens,
        "tasks": list(temperatures),
        "temperatures": temperatures,
    }
    content = config.to_dict() | {"barometer": own}
    content.pop("_name_or_path", None)  # a machine's path is nobody's business
    (folder / "config.json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
