"""Behavioural tests pass a sound model and catch models that were broken on purpose."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from tests.conftest import STARTER
from training.study.behaviour import Behaviour, run_behaviour
from training.study.behaviour_checks import all_checks, with_typo

# Joy answers as sadness, positive as negative, and the other way round.
SWAPPED = [1, 0, 2, 3, 4, 5, 8, 7, 6]


@pytest.fixture(scope="module")
def sound(classifier: Classifier) -> dict[str, Behaviour]:
    return by_name(classifier)


def by_name(classifier: Classifier) -> dict[str, Behaviour]:
    return {test.name: test for test in run_behaviour(classifier)}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STARTER, tmp_path / "broken"))


def test_starter_does_what_no_model_may_fail(sound: dict[str, Behaviour]) -> None:
    assert sum(test.cases for test in sound.values()) >= 300
    assert {test.kind for test in sound.values()} == {
        "invariance", "direction", "minimum functionality",
    }  # fmt: skip
    for name in ("joy is joy", "sadness is sadness", "positive is positive",
                 "negative is negative", "praise added: score not lower"):  # fmt: skip
        assert sound[name].rate >= 0.9, name
    for test in sound.values():
        assert bool(test.failures) == (test.passed < test.cases)
        assert len(test.failures) <= 5


def test_swapped_labels_are_caught_where_they_show_and_nowhere_else(
    sound: dict[str, Behaviour], copy: Path
) -> None:
    graph = onnx.load(copy / "model.onnx")
    for node in graph.graph.node:
        node.output[:] = ["straight" if name == "logits" else name for name in node.output]
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array(SWAPPED), "swapped"))
    graph.graph.node.append(
        onnx.helper.make_node("Gather", ["straight", "swapped"], ["logits"], axis=1)
    )
    onnx.save(graph, copy / "model.onnx")
    broken = by_name(Classifier(open_model_folder(copy), threads=1))
    for name in ("joy is joy", "sadness is sadness", "positive is positive"):
        assert broken[name].rate < 0.1
        assert broken[name].failures
    assert broken["praise added: score not lower"].rate < 0.7
    assert broken["blame added: score not higher"].rate < 0.7
    assert broken["anger is anger"].passed == sound["anger is anger"].passed
    names = [test.name for test in sound.values() if test.kind == "invariance"]
    assert [broken[name].passed for name in names] == [sound[name].passed for name in names]


def test_model_that_minds_a_name_is_caught(sound: dict[str, Behaviour], copy: Path) -> None:
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    words = tokenizer["model"]["vocab"]
    words["maria"], words["furious"] = words["furious"], words["maria"]
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    broken = by_name(Classifier(open_model_folder(copy), threads=1))
    same = "names swapped: same emotion"
    assert broken[same].passed <= sound[same].passed - 3
    assert any("Maria" in example for example in broken[same].failures)


def test_a_typo_swaps_two_letters_of_one_longer_word() -> None:
    assert with_typo("I was so delighted today") == ["I was so delihgted today"]
    assert with_typo("we won") == []
    for check in all_checks():
        assert len(check.before) == len(check.after) == len(set(zip(check.before, check.after,
                                                                    strict=True)))  # fmt: skip
        if check.kind != "minimum functionality":
            assert all(old != new for old, new in zip(check.before, check.after, strict=True))
