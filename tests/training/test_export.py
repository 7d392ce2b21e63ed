"""The graph before quantisation is kept on request, for the backends that need it."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from barometer.errors import SettingsError
from barometer.labels import TASKS
from inference.backends import BACKENDS
from inference.classifier import Classifier
from inference.model_folder import FP32_GRAPH, open_model_folder
from training.bench.contenders import open_fp32
from training.data import load_task
from training.encoder import load_pretrained
from training.export import Finished, export


def test_kept_fp32_graph_is_what_openvino_serves(base: Path, rows: Path, tmp_path: Path) -> None:
    data = {task: load_task(task, str(rows / task)) for task in TASKS}
    finished = Finished(*load_pretrained(str(base)), 32)
    export(finished, data, tmp_path / "plain", "plain")
    assert not (tmp_path / "plain" / FP32_GRAPH).exists()
    export(finished, data, tmp_path / "kept", "kept", keep_fp32=True)
    folder = open_model_folder(tmp_path / "kept")
    if not find_spec("openvino"):
        with pytest.raises(SettingsError, match="needs OpenVINO"):
            Classifier(folder, 1, BACKENDS["openvino"])
        return
    texts = data["emotion"].validation.texts  # of many lengths, so that some are padded
    expected = Classifier(folder, 1, open_fp32)
    found = Classifier(folder, 1, BACKENDS["openvino"])
    # bf16 keeps 8 bits: three digits of a logit near 1.
    (logits, pooled), (right, features) = (
        each.logits_and_pooled(texts) for each in (found, expected)
    )
    np.testing.assert_allclose(logits, right, atol=0.02)
    np.testing.assert_allclose(pooled, features, atol=0.1)
