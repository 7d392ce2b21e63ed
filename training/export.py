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
from training.finetune import logits_of
from training.latency import interleaved_ms
from training.parity import Variant, variant

OPSET = 17
QUANTISED_OPERATORS = {"QAttention", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"}


def export(
    checkpoint: Path, data: dict[str, TaskData], max_tokens: int, target: Path, name: str
) -> list[Variant]:
    """Write `target` as a model folder (all but `metrics.json`'s figures and the card).

    Temperatures are fitted on the validation rows with the INT8 graph's own logits.

    Returns:
        PyTorch, ONNX FP32 and ONNX INT8 side by side, on the validation rows.

    Raises:
        ModelError: the graph optimiser missed a fusion, or quantisation left float products.
    """
    # The graph optimiser knows DistilBERT's attention in its SDPA shape, not in its eager one.
    model = AutoModelForSequenceClassification.from_pretrained(
        checkpoint, attn_implementation="sdpa"
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    reference = {
        task: logits_of(model, tokenizer, rows.validation, max_tokens)
        for task, rows in data.items()
    }
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        plain, fused = Path(scratch) / "plain.onnx", Path(scratch) / "fp32"
        for folder in (fused, target):
            folder.mkdir(parents=True, exist_ok=True)
            _write_tokenizer(tokenizer, folder)
            _write_config(folder, model.config, name, max_tokens, dict.fromkeys(TASKS, 1.0))
            (folder / "metrics.json").write_text("{}\n")
        _to_onnx(model, plain)
        counts = _fuse(plain, fused / "model.onnx", model.config)
        _quantise(fused / "model.onnx", target / "model.onnx")
        check_quantised(target / "model.onnx", counts)
        classifiers = [Classifier(open_model_folder(f), threads=1) for f in (fused, target)]
        texts = [text for rows in data.values() for text in rows.validation.texts]
        plain_ms, quantised_ms = interleaved_ms(
            classifiers[0], classifiers[1], texts, lambda *_: None
        )
        answers = [
            {task: each.logits(rows.validation.texts)[0] for task, rows in data.items()}
            for each in classifiers
        ]
        sizes = [(each.folder.path / "model.onnx").stat().st_size for each in classifiers]
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    variants = [
        variant("PyTorch FP32", weights, None, reference, reference, data),
        variant("ONNX FP32", sizes[0], 1.0, answers[0], reference, data),
        variant("ONNX INT8", sizes[1], plain_ms / quantised_ms, answers[1], reference, data),
    ]
    temperatures = {}
    for task, rows in data.items():
        own = answers[1][task][:, task_slice(task)]
        temperatures[task] = round(fit_temperature(own, np.array(rows.validation.labels)), 4)
    _write_config(target, model.config, name, max_tokens, temperatures)
    return variants


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
    check_fused(counts, config.num_hidden_layers)
    optimizer.save_model_to_file(str(fused))
    return counts


def _quantise(fused: Path, target: Path) -> None:
    quantize_dynamic(
        fused,
        target,
        weight_type=QuantType.QInt8,
        per_channel=True,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT, "MatMulConstBOnly": True},
    )


def _write_tokenizer(tokenizer: Any, folder: Path) -> None:
    tokenizer.save_pretrained(folder / "tokenizer")
    shutil.move(folder / "tokenizer" / "tokenizer.json", folder / "tokenizer.json")
    shutil.rmtree(folder / "tokenizer")


def _write_config(
    folder: Path, config: Any, name: str, max_tokens: int, temperatures: dict[str, float]
) -> None:
    own = {"name": name, "max_tokens": max_tokens, "temperatures": temperatures}
    content = config.to_dict() | {"barometer": own}
    content.pop("_name_or_path", None)  # a machine's path is nobody's business
    (folder / "config.json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
