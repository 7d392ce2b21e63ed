import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from barometer.errors import ModelError
from barometer.labels import EMOTIONS, SENTIMENTS
from inference.calibration import expected_calibration_error, fit_temperature, softmax
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from tests.conftest import STARTER


def test_answers_do_not_depend_on_order_or_company(classifier: Classifier) -> None:
    texts = ["i feel wonderful", "this is " + "very " * 60 + "sad", "ok", "i am furious at them"]
    together = classifier.score(texts)
    reverse = classifier.score(texts[::-1])
    np.testing.assert_allclose(together.emotions, reverse.emotions[::-1], atol=0.02)
    alone = np.vstack([classifier.score([text]).emotions for text in texts])
    # Dynamic quantisation scales a batch by its own range, so company moves a score a little.
    np.testing.assert_allclose(together.emotions, alone, atol=0.05)


def test_probabilities_sum_to_one_and_long_texts_say_that_they_were_cut(
    classifier: Classifier,
) -> None:
    scores = classifier.score(["fine", "word " * 500])
    np.testing.assert_allclose(scores.emotions.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(scores.sentiments.sum(1), 1, atol=1e-5)
    assert scores.truncated.tolist() == [False, True]
    assert classifier.score([]).emotions.shape == (0, 6)


def test_pooled_features_are_one_row_a_text(classifier: Classifier) -> None:
    _, pooled = classifier.logits_and_pooled(["one", "two words"])
    assert pooled.shape[0] == 2
    assert pooled.shape[1] >= 128
    assert not np.allclose(pooled[0], pooled[1])


@pytest.mark.parametrize(
    ("text", "emotion", "sentiment"),
    [
        ("i feel so happy and proud of my team today", "joy", "positive"),
        ("i am heartbroken and i cannot stop crying", "sadness", "negative"),
        ("i am so angry at the company, they lied to us", "anger", "negative"),
        ("i am terrified that it will happen again", "fear", "negative"),
        ("i feel so loving and caring towards my sweet little daughter", "love", "positive"),
        ("i was so surprised and amazed by the announcement", "surprise", None),
    ],
)
def test_minimum_functionality(
    classifier: Classifier, text: str, emotion: str, sentiment: str | None
) -> None:
    scores = classifier.score([text])
    assert EMOTIONS[scores.emotions[0].argmax()] == emotion
    if sentiment:
        assert SENTIMENTS[scores.sentiments[0].argmax()] == sentiment


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json", "metrics.json"])
def test_incomplete_folder_is_refused_by_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "m"
    shutil.copytree(STARTER, folder)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        open_model_folder(folder)


def test_foreign_labels_and_broken_weights_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(STARTER, folder)
    (folder / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelError, match="cannot be loaded"):
        Classifier(open_model_folder(folder), threads=1)
    config = json.loads((folder / "config.json").read_text())
    config["id2label"]["0"] = "boredom"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="boredom"):
        open_model_folder(folder)


def test_temperature_makes_overconfident_scores_honest() -> None:
    rng = np.random.default_rng(3)
    true_logits = rng.normal(size=(5000, 4)) * 1.5
    labels = np.array([rng.choice(4, p=softmax(row)) for row in true_logits])
    overconfident = true_logits * 3
    temperature = fit_temperature(overconfident, labels)
    assert temperature == pytest.approx(3, rel=0.1)
    before = expected_calibration_error(softmax(overconfident), labels)
    after = expected_calibration_error(softmax(overconfident, temperature), labels)
    assert after < 0.03 < before
