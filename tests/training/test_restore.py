"""What an INT8 graph still holds: the FP32 graph, and the weights that PyTorch had."""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
import torch
from transformers import BertConfig, BertModel

from barometer.errors import ModelError
from barometer.labels import LABELS, TASKS
from inference.classifier import Classifier
from inference.model_folder import FP32_GRAPH, GRAPH, open_model_folder
from tests.training.tiny_rows import WORDS
from training.adaptation.graft import graft
from training.bench.complete import complete
from training.bench.contenders import CHECKPOINT, open_fp32, open_torch
from training.bench.restore import restore
from training.encoder import load_checkpoint, load_pretrained
from training.export import Finished, write_graphs

TEXTS = [" ".join(WORDS["emotion"][: 1 + n % 7]) for n in range(40)]


class Graphs(NamedTuple):
    """One model in three shapes."""

    model: Any
    fused: Path
    """A model folder whose graph is in FP32."""
    quantised: Path
    """The same in INT8."""


def write_bert(folder: Path, tokenizer: Path) -> Path:
    """A small BERT: its parameters are called otherwise than DistilBERT's."""
    shutil.copytree(tokenizer, folder)
    size = json.loads((tokenizer / "config.json").read_text())["vocab_size"]
    config = BertConfig(
        vocab_size=size, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["distilbert", "bert"])
def graphs(request: pytest.FixtureRequest, base: Path, tmp_path_factory: Any) -> Graphs:
    folder = tmp_path_factory.mktemp(request.param)
    encoder = base if request.param == "distilbert" else write_bert(folder / "base", base)
    model, tokenizer = load_pretrained(str(encoder))
    torch.manual_seed(3)
    for name, values in model.named_parameters():  # so that labels differ and no bias is zero
        values.data.normal_(0, 0.3 if name.endswith("weight") else 0.1)
    fused, quantised = folder / "fused", folder / "quantised"
    write_graphs(Finished(model, tokenizer, 32), fused, quantised, "tiny", TASKS)
    return Graphs(model, fused, quantised)


def logits(folder: Path, **opener: Any) -> np.ndarray:
    return Classifier(open_model_folder(folder), 1, **opener).logits(TEXTS)[0]


def test_restored_graph_is_the_one_before_quantisation_but_for_rounded_weights(
    graphs: Graphs, tmp_path: Path
) -> None:
    folder = shutil.copytree(graphs.quantised, tmp_path / "folder")
    restore(folder / GRAPH, folder / FP32_GRAPH)
    before, after = onnx.load(graphs.fused / GRAPH), onnx.load(folder / FP32_GRAPH)
    kinds = [{n.op_type for n in model.graph.node} for model in (before, after)]
    assert kinds[1] <= kinds[0] | {"MatMul", "Add"}  # which Gemm was taken apart to
    right, rounded = logits(graphs.fused), logits(folder)
    found = logits(folder, open_graph=open_fp32)
    assert np.abs(found - right).mean() < 0.05 * right.std()
    # Without the rounding of what the weights are multiplied with, it is nearer to the model.
    assert np.abs(found - right).mean() < np.abs(rounded - right).mean()


def test_pytorch_gets_the_very_weights_of_an_fp32_graph(graphs: Graphs, tmp_path: Path) -> None:
    folder = shutil.copytree(graphs.quantised, tmp_path / "kept")
    shutil.copy(graphs.fused / GRAPH, folder / FP32_GRAPH)
    assert complete(folder, tmp_path / "whole") == []
    found = load_checkpoint(tmp_path / "whole" / CHECKPOINT)[0].state_dict()
    expected = graphs.model.state_dict()
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_int8_folder_gets_both_and_says_where_they_come_from(
    graphs: Graphs, tmp_path: Path
) -> None:
    [note] = complete(graphs.quantised, tmp_path / "whole")
    assert "restored from the INT8 graph" in note
    by_onnx = logits(tmp_path / "whole", open_graph=open_fp32)
    by_torch = logits(tmp_path / "whole", open_graph=open_torch)
    np.testing.assert_allclose(by_onnx, by_torch, atol=1e-4)
    assert not (graphs.quantised / FP32_GRAPH).exists()


def test_adapted_head_is_restored_but_is_nothing_that_the_encoder_has(
    graphs: Graphs, tmp_path: Path
) -> None:
    folder = shutil.copytree(graphs.quantised, tmp_path / "adapted")
    bias = np.linspace(-3, 3, len(LABELS))
    graft(folder / GRAPH, folder / GRAPH, np.zeros((32, len(LABELS))), bias)
    complete(folder, tmp_path / "whole")
    restore(graphs.quantised / GRAPH, folder / FP32_GRAPH)
    with_head = logits(tmp_path / "whole", open_graph=open_fp32)
    without = logits(folder, open_graph=open_fp32)
    np.testing.assert_allclose(with_head - without, np.tile(bias, (len(TEXTS), 1)), atol=1e-4)
    with pytest.raises(ModelError, match=r"adds 2 weights of the \w+ .* such as adapted.bias"):
        open_torch(tmp_path / "whole", 1)


def test_what_cannot_be_restored_is_said(graphs: Graphs, tmp_path: Path) -> None:
    folder = shutil.copytree(graphs.quantised, tmp_path / "odd")
    model = onnx.load(folder / GRAPH)
    next(n for n in model.graph.node if n.op_type == "QAttention").op_type = "QOrderedAttention"
    onnx.save(model, folder / GRAPH)
    [note] = complete(folder, tmp_path / "whole")
    assert "cannot be restored to FP32: it has DynamicQuantizeLinear, QOrderedAttention" in note
    (folder / GRAPH).write_bytes(b"no graph")
    [note] = complete(folder, tmp_path / "broken")
    assert "cannot be read as ONNX" in note
