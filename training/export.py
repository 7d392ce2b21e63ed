"""A fine-tuned checkpoint to a model folder: ONNX with `pooled`, fused, quantised to INT8."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.optimizer import optimize_model
from optimum.exporters.onnx import export as optimum_export
from optimum.exporters.tasks import TasksManager
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.modeling_outputs import ModelOutput

from barometer.errors import ModelError
from barometer.labels import TASKS, task_slice
from inference.calibration import fit_temperature
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from training.data import TaskData

OPSET = 17
QUANTISED_OPERATORS = {"QAttention", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"}


def export(
    checkpoint: Path, data: dict[str, TaskData], max_tokens: int, target: Path, name: str
) -> None:
    """Write `target` as a model folder (all but `metrics.json`'s figures and the card).

    Temperatures are fitted on the validation rows with the INT8 graph's own logits.

    Raises:
        ModelError: the graph optimiser fused no attention, or quantisation left float products.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        plain, fused = Path(folder) / "plain.onnx", Path(folder) / "fused.onnx"
        # The graph optimiser knows DistilBERT's attention in its SDPA shape, not in its eager one.
        model = AutoModelForSequenceClassification.from_pretrained(
            checkpoint, attn_implementation="sdpa"
        ).eval()
        _to_onnx(model, plain)
        counts = _fuse(plain, fused, model.config)
        quantize_dynamic(
            fused,
            target / "model.onnx",
            weight_type=QuantType.QInt8,
            per_channel=True,
            extra_options={
                "DefaultTensorType": onnx.TensorProto.FLOAT,
                "MatMulConstBOnly": True,
            },
        )
    _check_quantised(target / "model.onnx", counts)
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(target / "tokenizer")
    shutil.move(target / "tokenizer" / "tokenizer.json", target / "tokenizer.json")
    shutil.rmtree(target / "tokenizer")
    _write_config(target, model.config, name, max_tokens, dict.fromkeys(TASKS, 1.0))
    if not (target / "metrics.json").exists():
        (target / "metrics.json").write_text("{}\n")
    temperatures = _temperatures(target, data)
    _write_config(target, model.config, name, max_tokens, temperatures)


def _to_onnx(model: Any, path: Path) -> None:
    """Export through optimum, with the masked token mean of the last layer as `pooled`."""
    constructor = TasksManager.get_exporter_config_constructor(
        exporter="onnx", model=model, task="text-classification", library_name="transformers"
    )
    base = constructor(model.config)

    class WithPooled(type(base)):  # type: ignore[misc]
        """The encoder's own export configuration, with one more output."""

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


def _fuse(plain: Path, fused: Path, config: Any) -> dict[str, int]:
    optimizer = optimize_model(
        str(plain),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        opt_level=1,  # constants folded first: the attention pattern is matched on folded shapes
    )
    counts: dict[str, int] = optimizer.get_fused_operator_statistics()
    if counts.get("Attention", 0) != config.num_hidden_layers:
        table = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
        raise ModelError(
            f"graph optimiser fused {counts.get('Attention', 0)} of {config.num_hidden_layers} "
            f"attention layers ({table}): this encoder or torch version exports another shape."
        )
    optimizer.save_model_to_file(str(fused))
    return counts


def _check_quantised(path: Path, counts: dict[str, int]) -> None:
    operators = [node.op_type for node in onnx.load(path).graph.node]
    if operators.count("QAttention") != counts["Attention"] or "MatMul" in operators:
        found = sorted(set(operators) & (QUANTISED_OPERATORS | {"MatMul", "Attention"}))
        raise ModelError(f"quantisation left float products in the graph: {found}.")


def _temperatures(folder: Path, data: dict[str, TaskData]) -> dict[str, float]:
    classifier = Classifier(open_model_folder(folder), threads=torch.get_num_threads())
    fitted = {}
    for task, splits in data.items():
        logits, _ = classifier.logits(splits.validation.texts)
        labels = np.array(splits.validation.labels)
        fitted[task] = round(fit_temperature(logits[:, task_slice(task)], labels), 4)
    return fitted


def _write_config(
    folder: Path, config: Any, name: str, max_tokens: int, temperatures: dict[str, float]
) -> None:
    own = {"name": name, "max_tokens": max_tokens, "temperatures": temperatures}
    content = config.to_dict() | {"barometer": own}
    content.pop("_name_or_path", None)  # a machine's path is nobody's business
    (folder / "config.json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
