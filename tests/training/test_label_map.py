"""A classifier with other labels and one task, brought in, measured, and refused where it lacks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.pyfunc import load_model

from barometer.errors import InputError, ModelError, RefusedError
from barometer.labels import EMOTIONS, task_slice
from barometer.settings import REPOSITORY, Settings
from inference.calibration import softmax
from inference.classifier import Classifier
from inference.model_folder import open_model_folder
from monitoring.drift import compare
from monitoring.summary import as_markdown
from monitoring.window import validation_reference
from tests.conftest import STARTER
from tests.training.tiny_models import FOREIGN, write_classifier
from training.adaptation.adapt import Plan, adapt
from training.bring_in import bring_in, load_classifier
from training.data import load_task
from training.gate.release import release
from training.label_map import NEVER, Mapped, read_label_map
from training.register import ensure_champion, register
from training.study.behaviour import run_behaviour
from training.teachers import soft_targets

MAP = {"GREAT": "positive", "AWFUL": "negative", "FINE": "positive"}
TEXTS = ["i feel so great today", "awful", "we all kiss the table again", "really", "rage then cry"]


@pytest.fixture(scope="module")
def foreign(base: Path, rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    write_classifier(folder, base, rows)
    return folder


@pytest.fixture(scope="module")
def brought(
    foreign: Path, rows: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """Its model folder, and what was said on the way."""
    target = tmp_path_factory.mktemp("brought") / "half"
    said: list[str] = []
    data = {task: load_task(task, str(rows / task)) for task in ("emotion", "sentiment")}
    bring_in(str(foreign), written(target.parent, MAP), data, target, lambda _: None, said.append)
    return target, said


def written(folder: Path, content: Any) -> Path:
    file = folder / "map.json"
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize("several", [False, True])
def test_probabilities_of_labels_with_one_name_add_up(
    foreign: Path, tmp_path: Path, *, several: bool
) -> None:
    model, tokenizer = load_classifier(str(foreign))
    if several:
        model.config.problem_type = "multi_label_classification"
    wanted = {"GREAT": "joy", "AWFUL": "anger", "FINE": "joy"}
    mapped = Mapped(model, read_label_map(written(tmp_path, wanted), model.config.id2label)).eval()
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        theirs = model(**inputs).logits
        logits = mapped(**inputs).logits.numpy()
    each = (theirs.sigmoid() if several else theirs.softmax(1)).numpy()
    expected = np.zeros((len(TEXTS), 6))
    expected[:, EMOTIONS.index("joy")] = each[:, 0] + each[:, 2]
    expected[:, EMOTIONS.index("anger")] = each[:, 1]
    expected /= expected.sum(1, keepdims=True)
    assert np.ptp(expected[:, EMOTIONS.index("joy")]) > 0.1
    np.testing.assert_allclose(softmax(logits[:, task_slice("emotion")]), expected, atol=1e-5)
    assert (logits[:, task_slice("sentiment")] == NEVER).all()
    assert np.isfinite(logits).all()


def test_brought_in_folder_answers_its_task_and_null_for_the_other(
    brought: tuple[Path, list[str]], foreign: Path
) -> None:
    target, said = brought
    assert said == [
        "no label maps to emotion: the model lacks it, and answers null",
        "no label maps to neutral: the model never answers it",
    ]
    folder = open_model_folder(target)
    assert folder.tasks == ("sentiment",)
    assert folder.temperatures["sentiment"] < 3  # rows that it cannot know have not driven it up
    metrics = folder.metrics
    assert list(metrics["validation"]) == ["sentiment"]
    recall = {n: c["recall"] for n, c in metrics["validation"]["sentiment"]["classes"].items()}
    assert recall["neutral"] == 0
    assert min(recall["negative"], recall["positive"]) > 0.95
    assert metrics["brought_in_from"] == foreign.name
    assert metrics["label_map"] == MAP
    assert "release_digests" not in metrics
    assert "FINE: positive" in (target / "README.md").read_text()
    classifier = Classifier(folder, threads=1)
    scores = classifier.score(TEXTS)
    assert scores.emotions is None
    assert scores.sentiments is not None
    assert scores.sentiments.argmax(1)[:3].tolist() == [2, 0, 2]
    assert scores.sentiments[:, 1].max() < 1e-4
    assert {test.kind for test in run_behaviour(classifier)} == {
        "invariance", "direction", "minimum functionality",
    }  # fmt: skip
    assert not any("emotion" in test.name for test in run_behaviour(classifier))


def test_drift_leaves_out_what_a_model_lacks_and_says_so(
    brought: tuple[Path, list[str]], tmp_path: Path
) -> None:
    lacking, whole = validation_reference(brought[0]), validation_reference(STARTER)
    found = compare(whole, lacking, tmp_path / "page.html")
    assert set(found.columns) == {"sentiment", "sentiment_score", "length"}
    report = {**vars(found), "posts": 5, "reference": "r", "url": "/", "left_out": ["emotion"]}
    assert "lacks them: emotion" in as_markdown(report | {"other_languages": {}}, 1)


def test_gate_refuses_a_challenger_that_lacks_a_task(
    brought: tuple[Path, list[str]], settings: Settings
) -> None:
    ensure_champion(settings, STARTER)
    version = register(settings, brought[0])
    decision = release(settings)
    [line] = decision.lines
    assert (line.check, line.subject, line.passed) == ("tasks", "emotion", False)
    with pytest.raises(RefusedError, match=r"tasks: emotion\): version 1 stays"):
        decision.raise_if_refused()
    answer = load_model(f"models:/{settings.model_name}/{version}").predict(
        pd.DataFrame({"text": TEXTS})
    )
    assert answer["emotion"].isna().all()
    assert answer["p_joy"].isna().all()
    assert set(answer["sentiment"]) <= {"negative", "positive"}


def test_adapting_a_task_that_the_model_lacks_is_refused(
    brought: tuple[Path, list[str]], settings: Settings, tmp_path: Path
) -> None:
    lines = [
        json.dumps({"text": f"the {n} crane", "emotion": "joy", "created_at": f"2026-01-01T00:{n}"})
        for n in range(10, 60)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    with pytest.raises(InputError, match="labels emotion, which half lacks"):
        adapt(settings, brought[0], Plan(tmp_path / "rows.jsonl"), tmp_path / "new", lambda _: None)


def test_teachers_are_averaged_over_those_that_have_the_task(
    brought: tuple[Path, list[str]], rows: Path, tmp_path: Path
) -> None:
    data = {"emotion": load_task("emotion", str(rows / "emotion"), rows=60)}
    with pytest.raises(ModelError, match="may have learnt from the emotion release rows"):
        soft_targets([brought[0]], data, 1)
    teachers = []
    for source, name in ((brought[0], "half"), (STARTER, "whole")):
        folder = tmp_path / name
        folder.mkdir()
        for file in source.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        metrics = json.loads((folder / "metrics.json").read_text())
        metrics["release_digests"] = {"emotion": data["emotion"].release_digest()}
        (folder / "metrics.json").write_text(json.dumps(metrics))
        teachers.append(folder)
    both = soft_targets(teachers, data, 1)["emotion"]
    whole = soft_targets(teachers[1:], data, 1)["emotion"]
    np.testing.assert_allclose(both[:, :6], whole[:, :6], atol=1e-6)
    np.testing.assert_allclose(both.sum(1), 2, atol=1e-4)
    assert np.abs(both[:, 6:] - whole[:, 6:]).max() > 0.01
    assert (soft_targets(teachers[:1], data, 1)["emotion"][:, :6] == 0).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({**MAP, "FINE": "bliss"}, r"'bliss' \(for 'FINE'\) is no label of ours"),
        ({**MAP, "MEH": "neutral"}, "the model has no label 'MEH'; it has GREAT, AWFUL, FINE"),
        ({"GREAT": "positive"}, "says nothing of AWFUL, FINE"),
        (dict.fromkeys(FOREIGN), "maps no label"),
        (list(FOREIGN), "must be an object"),
    ],
)
def test_map_that_does_not_fit_is_refused_by_name(
    foreign: Path, tmp_path: Path, content: Any, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        bring_in(
            str(foreign), written(tmp_path, content), {}, tmp_path / "t", lambda _: None, print
        )
    assert not (tmp_path / "t").exists()


def test_command_tells_an_unfinished_model_in_one_line(
    base: Path, rows: Path, tmp_path: Path
) -> None:
    data = {f"BAROMETER_{task.upper()}_DATA": str(rows / task) for task in ("emotion", "sentiment")}
    told = subprocess.run(
        [sys.executable, "-m", "barometer", "export", str(base), str(tmp_path / "t"),
         "--labels", str(written(tmp_path, MAP))],
        cwd=REPOSITORY, env={**os.environ, **data}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 65
    assert told.stderr.splitlines()[-1].startswith("error: checkpoint")
    assert "is no finished classifier: it lacks classifier.bias" in told.stderr
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "config.json").write_text((base / "config.json").read_text())
    with pytest.raises(ModelError, match=r"bare needs config\.json"):
        load_classifier(str(tmp_path / "bare"))
