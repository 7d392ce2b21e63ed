"""What runs the graph is a setting; what cannot run is refused with a sentence."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from barometer.errors import ModelError, SettingsError
from barometer.settings import Settings
from inference.backends import BACKENDS
from inference.classifier import Classifier
from inference.model_folder import FP32_GRAPH, open_model_folder
from serving.parts import champion_or_starter
from tests.conftest import STARTER

TEXTS = ["i feel wonderful", "this is " + "very " * 40 + "sad", "ok", "i am furious at them"]


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """A folder with a graph in the place of the FP32 one; OpenVINO cannot read this INT8 one."""
    folder = tmp_path / "both"
    shutil.copytree(STARTER, folder)
    shutil.copyfile(folder / "model.onnx", folder / FP32_GRAPH)
    return folder


def test_every_backend_that_the_settings_take_can_be_opened_by_name() -> None:
    assert set(Settings.model_fields["backend"].annotation.__args__) == set(BACKENDS)


def test_default_backend_serves_the_quantised_graph(classifier: Classifier) -> None:
    chosen = Classifier(open_model_folder(STARTER), 1, BACKENDS[Settings().backend])
    np.testing.assert_array_equal(chosen.score(TEXTS).emotions, classifier.score(TEXTS).emotions)


def test_openvino_needs_the_fp32_graph_and_says_how_to_get_it(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, backend="openvino")
    with pytest.raises(ModelError, match=r"BAROMETER_BACKEND=openvino.*--keep-fp32"):
        champion_or_starter(settings)


def test_backend_that_this_machine_lacks_or_that_lacks_an_operator_says_so(both: Path) -> None:
    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if not cuda:
        with pytest.raises(SettingsError, match="BAROMETER_BACKEND=cuda needs onnxruntime-gpu"):
            BACKENDS["cuda"](both, 1)
    kind, sentence = (
        (ModelError, "QAttention")
        if find_spec("openvino")
        else (SettingsError, "BAROMETER_BACKEND=openvino needs OpenVINO: pip install")
    )
    with pytest.raises(kind, match=sentence):
        BACKENDS["openvino"](both, 1)
